//! What is kept so that it can be told again: bodies that are sent until they arrive, secrets that both sides hold.
//!
//! A digest would do for everything that is only compared; this is for the rest.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

/// The first byte: how the rest is sealed.
const VERSION: u8 = 1;

/// Seals under a key of this installation.
///
/// AES-256-GCM-SIV (RFC 8452) with a random nonce. Plain GCM must not see more than 2^32 random nonces under one key,
/// and an installation that pushes for years comes there; with SIV two equal nonces only tell that two texts are equal.
pub struct Seal(RandomizedNonceKey);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal([redacted])")
    }
}

impl Seal {
    /// With this key, which is for nothing else.
    ///
    /// # Panics
    /// Never: the key has the algorithm's length.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(RandomizedNonceKey::new(&AES_256_GCM_SIV, key).expect("a key of 32 bytes is one for AES-256"))
    }

    /// Seals `plain`. It opens again only in the same `context`, which says what it is and whose, so that nothing sealed
    /// can be put in the place of something else.
    ///
    /// # Panics
    /// When the operating system has no randomness left to give, in which case nothing may be sealed at all.
    pub fn seal(&self, plain: &[u8], context: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(plain.len() + AES_256_GCM_SIV.tag_len());
        text.extend_from_slice(plain);
        let nonce = self.0.seal_in_place_append_tag(Aad::from(bound(context)), &mut text).expect("the operating system gives random bytes");
        [&[VERSION], nonce.as_ref().as_slice(), &text].concat()
    }

    /// Opens what was sealed in this context; nothing, when it was changed, or sealed in another or under another key.
    pub fn open(&self, sealed: &[u8], context: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, text) = sealed.strip_prefix(&[VERSION])?.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = self.0.open_in_place(nonce, Aad::from(bound(context)), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

/// The version is part of what is authenticated.
fn bound(context: &[u8]) -> Vec<u8> {
    [&[VERSION], context].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_in_its_context_and_under_its_key() {
        let seal = Seal::new(&[7; 32]);
        for plain in [&b""[..], b"secret", &[0; 5000]] {
            let sealed = seal.seal(plain, b"ping 42");
            assert_eq!(seal.open(&sealed, b"ping 42").unwrap().as_slice(), plain);
            assert_eq!(seal.open(&sealed, b"ping 43"), None);
            assert_eq!(seal.open(&sealed, b""), None);
            assert_eq!(Seal::new(&[8; 32]).open(&sealed, b"ping 42"), None);
            assert_eq!(sealed.len(), 1 + NONCE_LEN + plain.len() + 16);
        }
        assert_ne!(seal.seal(b"secret", b""), seal.seal(b"secret", b""), "the nonce is the same twice");
        assert_eq!(format!("{seal:?}"), "Seal([redacted])");
    }

    #[test]
    fn what_was_changed_does_not_open() {
        let seal = Seal::new(&[7; 32]);
        let sealed = seal.seal(b"secret", b"here");
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[at] ^= 1 << bit;
                assert_eq!(seal.open(&changed, b"here"), None, "byte {at}, bit {bit}");
            }
            assert_eq!(seal.open(&sealed[..at], b"here"), None, "{at} bytes");
        }
        assert_eq!(seal.open(&[&sealed[..], &[0]].concat(), b"here"), None);
    }
}
