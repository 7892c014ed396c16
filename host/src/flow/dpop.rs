//! Proof of possession by DPoP (RFC 9449).

use aws_lc_rs::hmac;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;

use super::{Flow, Refused};
use crate::jose::{Jwk, UnverifiedJws};
use crate::protocol::algorithm::JwsAlgorithm;
use crate::protocol::claims::Claims;
use crate::protocol::dpop::{self, Asked};
use crate::protocol::error::{ErrorCode, ProtocolError};

/// How long one nonce is given out, in seconds; it is taken for as long again.
const NONCE_SECONDS: i64 = 120;

/// Nonces (RFC 9449 8): a time and its MAC, so that none has to be remembered.
pub struct Nonces {
    key: hmac::Key,
}

impl Nonces {
    /// Nonces authenticated with `key`.
    pub fn new(key: &[u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// The one that is given out now.
    pub fn now(&self, now: Timestamp) -> String {
        self.at(now.as_second().div_euclid(NONCE_SECONDS))
    }

    fn at(&self, period: i64) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(&hmac::sign(&self.key, &period.to_be_bytes()).as_ref()[..16])
    }

    fn takes(&self, nonce: &str, now: Timestamp) -> bool {
        let period = now.as_second().div_euclid(NONCE_SECONDS);
        // It may have been given out by a host whose clock is a little ahead.
        (period - 1..=period + 1).any(|period| subtle::ConstantTimeEq::ct_eq(self.at(period).as_bytes(), nonce.as_bytes()).into())
    }
}

/// The `DPoP` header of a request, and what was asked.
pub struct Presented<'a> {
    /// Every value of the header; more than one is an error.
    pub proofs: &'a [&'a [u8]],
    /// The method.
    pub method: &'a str,
    /// The path of the endpoint.
    pub path: &'a str,
    /// The access token, at a protected resource.
    pub access_token: Option<&'a str>,
}

impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Presented({} {}, {} proofs, [redacted])", self.method, self.path, self.proofs.len())
    }
}

impl Flow {
    /// The thumbprint of the key that is proved to be held, and how the proof was signed, where there is one.
    ///
    /// # Errors
    /// `invalid_dpop_proof` when the proof is none, `use_dpop_nonce` when it lacks a nonce of ours.
    pub async fn dpop(&self, presented: &Presented<'_>) -> Result<Option<(String, JwsAlgorithm)>, Refused> {
        let text = match presented.proofs {
            [] => return Ok(None),
            [one] => std::str::from_utf8(one).map_err(|_| invalid("the DPoP header is not text"))?,
            _ => return Err(invalid("there is more than one DPoP header")),
        };
        let jws = UnverifiedJws::parse(text).map_err(|fault| invalid(fault.to_string()))?;
        let header = jws.header();
        let key = header.jwk.as_ref().ok_or_else(|| invalid("the proof does not bring its key along (jwk)"))?;
        let key = Jwk::parse(key).map_err(invalid)?;
        jws.verify_with(&key, &JwsAlgorithm::ASYMMETRIC).map_err(|fault| invalid(fault.to_string()))?;
        let now = self.clock.now();
        let addresses = self.addresses(&[presented.path]);
        let asked = Asked { method: presented.method, addresses: &addresses, access_token: presented.access_token };
        let proof = dpop::check(header.typ.as_deref(), Claims(jws.claims()), &asked, now).map_err(invalid)?;
        if self.tokens.dpop_nonces && !proof.nonce.is_some_and(|nonce| self.nonces.takes(nonce, now)) {
            return Err(Refused::Nonce(self.nonces.now(now)));
        }
        let thumbprint = key.thumbprint();
        if !self.once("proof", &thumbprint, proof.jti, proof.remember_until).await? {
            return Err(invalid("jti was used before"));
        }
        Ok(Some((thumbprint, header.alg)))
    }
}

fn invalid(what: impl Into<String>) -> Refused {
    ProtocolError::new(ErrorCode::InvalidDpopProof, format!("DPoP: {}", what.into())).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_opens_something_is_shown() {
        let presented = Presented { proofs: &[b"a.secret.proof"], method: "GET", path: "/userinfo", access_token: Some("secret") };
        assert_eq!(format!("{presented:?}"), "Presented(GET /userinfo, 1 proofs, [redacted])");
    }

    #[test]
    fn a_nonce_is_taken_for_a_while_and_only_ours() {
        let nonces = Nonces::new(&[7; 32]);
        let at = |second| Timestamp::from_second(second).unwrap();
        let nonce = nonces.now(at(1_200));
        for (second, taken) in [(1_079, false), (1_080, true), (1_200, true), (1_319, true), (1_439, true), (1_440, false)] {
            assert_eq!(nonces.takes(&nonce, at(second)), taken, "{second}");
        }
        for other in ["", "x", &Nonces::new(&[8; 32]).now(at(1_200))] {
            assert!(!nonces.takes(other, at(1_200)), "{other}");
        }
    }
}
