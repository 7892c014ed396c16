//! One-time links: made without storing anything, so that a hook may be called twice, and used once.

use aws_lc_rs::hmac;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::protocol::identifier::{Digest, TransactionId};

/// Makes and reads the tokens of links to requests.
pub struct Links {
    key: hmac::Key,
    /// Where the device page is.
    device_page: String,
}

impl Links {
    /// Links to the device page at this address, authenticated with `key`.
    pub fn new(key: &[u8; 32], device_page: String) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key), device_page }
    }

    /// The link that opens this request. The token stands in the fragment, which no server and no log sees.
    pub fn to(&self, transaction: &TransactionId) -> Zeroizing<String> {
        let mac = BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, transaction.as_str().as_bytes()));
        Zeroizing::new(format!("{}#open={transaction}.{mac}", self.device_page))
    }

    /// Where the device page is.
    pub fn device_page(&self) -> &str {
        &self.device_page
    }

    /// The request a token opens, if we made it, and what to remember when it is used.
    pub fn read(&self, token: &str) -> Option<(TransactionId, Digest)> {
        let (transaction, mac) = token.split_once('.')?;
        let mac = BASE64_URL_SAFE_NO_PAD.decode(mac).ok()?;
        hmac::verify(&self.key, transaction.as_bytes(), &mac).ok()?;
        Some((transaction.into(), Digest::of(token.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_tokens_open_anything() {
        let links = Links::new(&[1; 32], "https://login.example.com/device".to_owned());
        let link = links.to(&"abc".into());
        let token = link.strip_prefix("https://login.example.com/device#open=").unwrap();
        assert_eq!(links.read(token).unwrap().0, "abc".into());
        assert!(links.read(&token.replace("abc", "abd")).is_none());
        assert!(Links::new(&[2; 32], String::new()).read(token).is_none());
        for garbage in ["", ".", "abc", "abc.", "abc.!!"] {
            assert!(links.read(garbage).is_none(), "{garbage}");
        }
    }
}
