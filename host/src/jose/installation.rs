//! The secret of this installation, and the keys that are derived from it.

use std::path::Path;

use zeroize::Zeroizing;

use super::private_file::{read_private, write_private};

/// Keys of this installation that are not for signing tokens: each for one purpose, so that a fault in one says
/// nothing about another.
pub struct InstallationKeys {
    master: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for InstallationKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InstallationKeys([redacted])")
    }
}

impl InstallationKeys {
    /// Reads the key from `path`, or writes `fresh` there, unless something is `in_use` that was made with another.
    ///
    /// # Errors
    /// When the file cannot be read or written, has the wrong length, or is missing and must not be replaced.
    pub fn load_or_make(path: &Path, fresh: [u8; 32], in_use: bool) -> anyhow::Result<Self> {
        let bytes = match read_private(path)? {
            Some(bytes) => bytes,
            None if in_use => anyhow::bail!(
                "{} is missing, and the database beside it was used with it: with another key pairwise clients would know nobody any more, \
                 and sealed secrets and pushes could not be opened.\n  do: restore it from the backup that the database is from",
                path.display()
            ),
            None => {
                write_private(path, &fresh)?;
                Zeroizing::new(fresh.to_vec())
            }
        };
        let master: [u8; 32] = bytes
            .as_slice()
            .try_into()
            .map_err(|_| anyhow::anyhow!("{} is not 32 bytes long: restore it from a backup", path.display()))?;
        Ok(Self { master: Zeroizing::new(master) })
    }

    /// The key for one purpose (HKDF-SHA256, RFC 5869).
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        let pseudorandom = aws_lc_rs::hkdf::Salt::new(aws_lc_rs::hkdf::HKDF_SHA256, b"ciba-host").extract(&*self.master);
        let info = [purpose.as_bytes()];
        pseudorandom
            .expand(&info, aws_lc_rs::hkdf::HKDF_SHA256)
            .and_then(|output| output.fill(&mut *key))
            .expect("a key is shorter than the longest output of HKDF");
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_again_and_another_for_another_purpose() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("installation.key");
        let first = InstallationKeys::load_or_make(&path, [7; 32], false).unwrap();
        let again = InstallationKeys::load_or_make(&path, [8; 32], true).unwrap();
        assert_eq!(first.derive("links"), again.derive("links"));
        assert_ne!(first.derive("links"), first.derive("cache"));
        assert!(!format!("{first:?}").contains('7'));
        write_private(&path, b"short").unwrap();
        assert!(InstallationKeys::load_or_make(&path, [7; 32], false).unwrap_err().to_string().contains("is not 32 bytes long"));
    }
}
