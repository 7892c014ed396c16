//! What stands for people whom nobody knows.

use aws_lc_rs::hmac;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::protocol::identifier::UserId;

/// Names the nobody of each hint. It is kept and logged like any user, so it is a MAC: a hint that can be guessed, such as
/// a phone number, is not to be found again by whoever reads a database or a log.
pub struct Nobodies(hmac::Key);

impl Nobodies {
    /// Under this key.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The nobody of this hint.
    pub(super) fn of(&self, hint: &str) -> UserId {
        UserId::nobody(&BASE64_URL_SAFE_NO_PAD.encode(&hmac::sign(&self.0, hint.as_bytes()).as_ref()[..12]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_one_for_each_hint_and_installation() {
        let [here, elsewhere] = [1, 2].map(|key| Nobodies::new(&[key; 32]));
        assert_eq!(here.of("+1555010"), here.of("+1555010"));
        assert_ne!(here.of("+1555010"), here.of("+1555011"));
        assert_ne!(here.of("+1555010"), elsewhere.of("+1555010"), "whoever tries all numbers finds this one");
        assert!(here.of("+1555010").is_nobody() && !UserId::from("alice").is_nobody());
    }
}
