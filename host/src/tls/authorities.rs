//! Who vouches for clients' certificates.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::kept::Kept;
use super::read::{self, Unreadable};
use super::{pem, provider};
use crate::protocol::certificate::ClientCertificate;

/// A client's certificate, and what may lead from it to an authority.
#[derive(Clone, Debug)]
pub struct Chain {
    shown: CertificateDer<'static>,
    between: Vec<CertificateDer<'static>>,
}

impl Chain {
    /// What a handshake brought. There is always a first one.
    pub(super) fn of(certificates: &[CertificateDer<'static>]) -> Self {
        let shown = certificates.first().cloned().unwrap_or_else(|| CertificateDer::from(Vec::new()));
        Self { shown, between: certificates.get(1..).unwrap_or_default().to_vec() }
    }

    /// The same from a proxy's headers, each in DER.
    pub fn from_der(shown: Vec<u8>, between: Vec<Vec<u8>>) -> Self {
        Self { shown: shown.into(), between: between.into_iter().map(Into::into).collect() }
    }
}

/// The authorities that clients' certificates may come from: `tls.client_authorities`. There may be none.
#[derive(Clone, Debug, Default)]
pub struct ClientAuthorities(Option<Arc<Kept<Arc<dyn ClientCertVerifier>>>>);

impl ClientAuthorities {
    /// Reads their certificates from a PEM file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        Ok(Self(Some(Arc::new(Kept::open("tls.client_authorities", vec![path.to_owned()], verifier)?))))
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// What a certificate says, and whether one of the authorities vouches for it now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, chain: &Chain, now: Timestamp) -> Result<ClientCertificate, Unreadable> {
        read::certificate(&chain.shown, self.vouch_for(chain, now))
    }

    fn vouch_for(&self, chain: &Chain, now: Timestamp) -> bool {
        let Some(kept) = &self.0 else { return false };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now.as_second().try_into().unwrap_or_default()));
        kept.get().verify_client_cert(&chain.shown, &chain.between, now).is_ok()
    }

    pub(super) fn look(&self) {
        if let Some(kept) = &self.0 {
            kept.look();
        }
    }
}

fn verifier(paths: &[PathBuf]) -> anyhow::Result<Arc<dyn ClientCertVerifier>> {
    let mut roots = rustls::RootCertStore::empty();
    for path in paths {
        pem::add_authorities(&mut roots, path)?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider())).build().context("no authority can be used")
}
