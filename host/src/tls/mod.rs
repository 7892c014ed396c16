//! TLS: the host's own certificate, those that clients show, and whom the host believes outside.
//!
//! Which client may use which certificate is not decided here. A handshake proves that the other side holds the key of
//! the certificate it shows, and no more; [`ClientAuthorities`] says whether somebody we trust vouches for it. What
//! follows from that depends on the client's registration (RFC 8705 2).

mod authorities;
mod fresh;
mod kept;
mod pem;
mod read;
mod shown;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

pub use authorities::{Chain, ClientAuthorities};
pub use fresh::keep_fresh;
pub use read::Unreadable;
pub use rustls::ClientConfig;

use kept::Kept;
use shown::AnyCertificate;

/// A connection after its handshake.
pub type TlsStream = tokio_rustls::server::TlsStream<TcpStream>;

/// What is spoken, on both sides.
const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
/// Suites of TLS 1.2 that FAPI allows (FAPI 1.0 Advanced 8.5).
const TLS12: [CipherSuite; 4] = [
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
];

/// The host's certificate with its key, as they lie in files.
#[derive(Clone, Debug)]
pub struct OwnCertificate(Arc<Kept<CertifiedKey>>);

impl OwnCertificate {
    /// Reads a chain, the host's own certificate first, and the key that belongs to it, both in PEM.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn open(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let provider = provider();
        let paths = vec![certificate.to_owned(), key.to_owned()];
        let kept = Kept::open("tls.certificate and tls.key", paths, move |paths| own(paths, &provider))?;
        Ok(Self(Arc::new(kept)))
    }

    /// Accepts TLS with it. Where `ask` is set, clients are asked for a certificate and may show none.
    pub fn acceptor(&self, ask: bool) -> Acceptor {
        let provider = provider();
        let shown = Arc::new(AnyCertificate::new(&provider));
        let builder = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(VERSIONS)
            .expect("the provider has suites for both versions");
        // Each listener has a configuration, and so resumable sessions, of its own: none goes from the one that does
        // not ask for certificates to the one that does.
        let builder = if ask { builder.with_client_cert_verifier(shown) } else { builder.with_no_client_auth() };
        let mut config = builder.with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Acceptor(TlsAcceptor::from(Arc::new(config)))
    }
}

impl ResolvesServerCert for OwnCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.get())
    }
}

/// Makes TLS of accepted connections.
#[derive(Clone)]
pub struct Acceptor(TlsAcceptor);

impl Acceptor {
    /// Shakes hands. The chain is what the client showed, if anything; it holds the key of its first certificate.
    ///
    /// # Errors
    /// What the two could not agree on.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<(TlsStream, Option<Chain>)> {
        let stream = self.0.accept(stream).await?;
        // Also of a session that is resumed: it is judged again on every connection.
        let chain = stream.get_ref().1.peer_certificates().map(Chain::of);
        Ok((stream, chain))
    }
}

/// For outgoing connections that believe the authorities of this system.
pub fn system_authorities() -> ClientConfig {
    config_of(system_roots())
}

/// The same, and those in a PEM file.
///
/// # Errors
/// What is wrong with it.
pub fn system_authorities_and(file: &Path) -> anyhow::Result<ClientConfig> {
    let mut roots = system_roots();
    pem::add_authorities(&mut roots, file)?;
    Ok(config_of(roots))
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for certificate in rustls_native_certs::load_native_certs().certs {
        // One damaged certificate among the system's must not close the door.
        let _ = roots.add(certificate);
    }
    if roots.is_empty() {
        tracing::warn!("this system has no certificate authorities: HTTPS to plugins' hosts will fail. do: install ca-certificates");
    }
    roots
}

fn config_of(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(VERSIONS)
        .expect("the provider has suites for both versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn own(paths: &[PathBuf], provider: &CryptoProvider) -> anyhow::Result<CertifiedKey> {
    let [certificate, key] = paths else { anyhow::bail!("a certificate and a key make two files") };
    let chain = pem::certificates(certificate)?;
    let private = pem::key(key)?;
    CertifiedKey::from_der(chain, private, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            anyhow::anyhow!("the key in {} is not that of the first certificate in {}", key.display(), certificate.display())
        }
        error => anyhow::Error::from(error).context(format!("{} and {} cannot be used", certificate.display(), key.display())),
    })
}

/// What everything is done with. Of TLS 1.2, only what FAPI allows.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| matches!(suite, SupportedCipherSuite::Tls13(_)) || TLS12.contains(&suite.suite()));
    provider
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_tls_1_2_only_the_suites_that_fapi_allows_are_spoken() {
        let spoken: Vec<String> = provider().cipher_suites.iter().map(|suite| format!("{:?}", suite.suite())).collect();
        let (newer, older): (Vec<&String>, Vec<&String>) = spoken.iter().partition(|suite| suite.starts_with("TLS13"));
        assert_eq!((older.len(), newer.len()), (4, 3), "{spoken:?}");
        for name in older {
            assert!(name.starts_with("TLS_ECDHE_") && name.contains("_AES_") && name.contains("_GCM_"), "{name}");
        }
    }
}
