//! The provider's signing key: made on first start, kept in the data directory, published as a JWKS.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use zeroize::Zeroizing;

/// An ES256 key (RFC 7518 3.4) and its public part.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    /// The first part of every JWS it signs: the encoded header and a dot.
    header: String,
    public: Jwk,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.public.kid).finish_non_exhaustive()
    }
}

/// A public key (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Jwk {
    kty: &'static str,
    crv: &'static str,
    #[serde(rename = "use")]
    purpose: &'static str,
    alg: &'static str,
    /// RFC 7638 thumbprint of the key.
    pub kid: String,
    x: String,
    y: String,
}

/// A key set (RFC 7517 5).
#[derive(Clone, Debug, Serialize)]
pub struct Jwks {
    keys: Vec<Jwk>,
}

impl SigningKey {
    /// Reads the key from `path`, or makes one there that only this user can read.
    ///
    /// # Errors
    /// When the file cannot be read or written, is open to others, or is not such a key.
    pub fn load_or_make(path: &Path) -> anyhow::Result<Self> {
        match read_private(path)? {
            Some(der) => Self::from_pkcs8(&der).with_context(|| {
                format!("{}: restore it from a backup; without it every token issued so far is worthless", path.display())
            }),
            None => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
                let der = pair.to_pkcs8v1()?;
                write_private(path, der.as_ref())?;
                Self::from_pkcs8(der.as_ref())
            }
        }
    }

    fn from_pkcs8(der: &[u8]) -> anyhow::Result<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
            .map_err(|_| anyhow::anyhow!("this is not a P-256 key in PKCS #8"))?;
        let point = pair.public_key().as_ref();
        let [4, coordinates @ ..] = point else { bail!("the public key is not an uncompressed point") };
        let (x, y) = coordinates.split_at(32);
        let (x, y) = (BASE64_URL_SAFE_NO_PAD.encode(x), BASE64_URL_SAFE_NO_PAD.encode(y));
        // RFC 7638 3.2: the required members, in this order, without white space.
        let thumbprint = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = BASE64_URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, thumbprint.as_bytes()));
        let header = BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{kid}"}}"#)) + ".";
        let public = Jwk { kty: "EC", crv: "P-256", purpose: "sig", alg: "ES256", kid, x, y };
        Ok(Self { pair, random: SystemRandom::new(), header, public })
    }

    /// Signs claims as a JWS in compact form (RFC 7515 7.1).
    ///
    /// # Errors
    /// When the claims cannot be written as JSON, or the signature fails.
    pub fn sign(&self, claims: &impl Serialize) -> anyhow::Result<String> {
        let mut jws = self.header.clone();
        BASE64_URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(claims)?, &mut jws);
        let signature = self.pair.sign(&self.random, jws.as_bytes())?;
        jws.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut jws);
        Ok(jws)
    }

    /// What clients verify with.
    pub fn jwks(&self) -> Jwks {
        Jwks { keys: vec![self.public.clone()] }
    }
}

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
    /// Reads the key from `path`, or writes `fresh` there.
    ///
    /// # Errors
    /// When the file cannot be read or written, or has the wrong length.
    pub fn load_or_make(path: &Path, fresh: [u8; 32]) -> anyhow::Result<Self> {
        let bytes = match read_private(path)? {
            Some(bytes) => bytes,
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

/// Reads a file that only this user may be able to read; `None` when there is none.
///
/// # Errors
/// When it cannot be read, or others can read it too.
pub fn read_private(path: &Path) -> anyhow::Result<Option<Zeroizing<Vec<u8>>>> {
    match fs::metadata(path) {
        Ok(about) => {
            let mode = about.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                bail!("{} can be read by others (mode {mode:o}).\n  do: chmod 600 {}", path.display(), path.display());
            }
            fs::read(path).map(|bytes| Some(Zeroizing::new(bytes))).with_context(|| format!("{} cannot be read", path.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

/// Writes a file that only this user can read, whole or not at all. When this returns, a power cut does not undo it.
///
/// # Errors
/// When the directory does not let us.
pub fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let temporary = path.with_extension("new");
    let written = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        // The new name is an entry of the directory, which is synced for itself.
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::File::open(directory)?.sync_all()
    });
    written.with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    #[test]
    fn a_key_is_kept_private_and_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signing.key");
        let made = SigningKey::load_or_make(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(SigningKey::load_or_make(&path).unwrap().jwks().keys, made.jwks().keys);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(SigningKey::load_or_make(&path).unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn a_signature_is_over_header_and_claims() {
        let directory = tempfile::tempdir().unwrap();
        let key = SigningKey::load_or_make(&directory.path().join("k")).unwrap();
        let jws = key.sign(&serde_json::json!({"sub": "alice"})).unwrap();
        let (signed, signature) = jws.rsplit_once('.').unwrap();
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.pair.public_key().as_ref());
        assert!(public.verify(signed.as_bytes(), &signature).is_ok());
        assert!(public.verify(format!("{signed}x").as_bytes(), &signature).is_err());
    }
}
