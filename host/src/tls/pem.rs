//! Certificates and keys in PEM files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

/// The largest file that is read. A bundle of all public authorities has a quarter of it.
const FILE_MAX: u64 = 1 << 20;

/// All certificates of a file, in their order.
///
/// # Errors
/// When it cannot be read, or there are none.
pub(super) fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let bytes = bytes(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let certificates = certificates.with_context(|| format!("{} is not PEM", path.display()))?;
    if certificates.is_empty() {
        bail!("{} has no certificate: it must hold lines from BEGIN CERTIFICATE to END CERTIFICATE", path.display());
    }
    Ok(certificates)
}

/// The first private key of a file.
///
/// # Errors
/// When it cannot be read, or there is none, or everybody can read it.
pub(super) fn key(path: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    let bytes = bytes(path)?;
    // A group is how a key is shared with the programs that need it; everybody is not.
    let mode = fs::metadata(path)?.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        bail!("{} can be read by everybody (mode {mode:o}).\n  do: chmod o= {}", path.display(), path.display());
    }
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| {
        anyhow::anyhow!(
            "{} has no private key: it must hold lines from BEGIN PRIVATE KEY to END PRIVATE KEY, without a password",
            path.display()
        )
    })
}

/// Adds the certificates of a file to those that are believed.
///
/// # Errors
/// When it cannot be read, or one of them is damaged.
pub(super) fn add_authorities(roots: &mut RootCertStore, path: &Path) -> anyhow::Result<()> {
    for (number, certificate) in certificates(path)?.into_iter().enumerate() {
        roots.add(certificate).with_context(|| format!("{}: certificate {} cannot be used", path.display(), number + 1))?;
    }
    Ok(())
}

fn bytes(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let cannot = || format!("{} cannot be read", path.display());
    if fs::metadata(path).with_context(cannot)?.len() > FILE_MAX {
        bail!("{} is longer than {FILE_MAX} bytes", path.display());
    }
    Ok(Zeroizing::new(fs::read(path).with_context(cannot)?))
}
