//! The JWT door: a signed JWT in compact form (RFC 7515 7.1, RFC 7519) that somebody sent.
//!
//! What is inside is called unverified until a key says otherwise, and the algorithm is checked against what the caller
//! allows before any key is tried (RFC 8725 3.1). Claims are not judged here: times, audience and the like are for the
//! rule that asked.

use aws_lc_rs::hmac;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::json::{self, NotAnObject};
use super::jwk::Jwk;
use super::key_set::PublicKeys;
use crate::protocol::algorithm::JwsAlgorithm;

/// How long a JWT may be, in bytes.
pub const JWT_LENGTH_MAX: usize = 16 * 1024;
/// How many keys are tried for a JWT that does not name its key.
const TRIES_MAX: usize = 16;
/// How long a secret for HS256 must be, in bytes (RFC 7518 3.2).
const SECRET_LENGTH_MIN: usize = 32;

/// Why a JWT is not accepted: in words that may stand in an `error_description`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtFault {
    /// Longer than [`JWT_LENGTH_MAX`].
    #[error("the JWT is longer than 16384 bytes")]
    TooLong,
    /// Not three parts.
    #[error("the JWT does not have three parts: header, claims and signature, joined by dots")]
    NotCompact,
    /// A part is encoded in some other way.
    #[error("a part of the JWT is not base64url without padding")]
    NotBase64,
    /// A part is something else.
    #[error("the header or the claims of the JWT are not a JSON object")]
    NotJson,
    /// RFC 7515 4: names are unique.
    #[error("the header or the claims of the JWT give a name twice")]
    NameTwice,
    /// RFC 7515 4.1.11: what is critical must be understood, and no extension is.
    #[error("the JWT demands an extension (crit), and none is supported")]
    Critical,
    /// RFC 7797 is for detached content.
    #[error("the JWT is marked with b64, which is not supported")]
    Unencoded,
    /// A member of the header has another type than it must.
    #[error("the header of the JWT is wrong: alg, kid and typ are text, and jwk is an object")]
    Header,
    /// RFC 7518 3.6, RFC 8725 3.2.
    #[error("the JWT is not signed: its alg is none")]
    NotSigned,
    /// Nothing we know.
    #[error("the alg of the JWT is not supported")]
    UnknownAlgorithm,
    /// Known, but not for this client or this purpose.
    #[error("the alg of the JWT is not the one that is registered or allowed here")]
    AlgorithmNotAllowed,
    /// No key of the set has the JWT's `kid`: the set may be an old one.
    #[error("the key that the kid of the JWT names is not known")]
    UnknownKey,
    /// The key that `kid` names is of another kind, or for something else.
    #[error("the key that the kid of the JWT names is not for this alg")]
    WrongKey,
    /// The JWT names no key, and none of the set verifies it.
    #[error("no key that is known for this alg verifies the JWT")]
    NoKeyVerifies,
    /// Not by this key.
    #[error("the signature of the JWT is wrong")]
    BadSignature,
    /// RFC 7518 3.2.
    #[error("the secret is shorter than 32 bytes, too short for HS256")]
    ShortSecret,
}

impl JwtFault {
    /// Whether it may be that the keys at hand are old ones, so that fetching the set again can help.
    pub fn new_keys_may_help(self) -> bool {
        matches!(self, Self::UnknownKey | Self::NoKeyVerifies)
    }
}

/// The header, as far as it means something here. `jku`, `x5u` and `x5c` are not read: keys come from the registration.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// In what it is signed.
    pub alg: JwsAlgorithm,
    /// By which key.
    pub kid: Option<String>,
    /// What it is.
    pub typ: Option<String>,
    /// The key itself, in a DPoP proof. Nobody vouches for it.
    pub jwk: Option<Value>,
}

/// A JWT that somebody sent.
pub struct UnverifiedJws {
    header: Header,
    claims: Map<String, Value>,
    /// What the signature is over: header, dot and claims, as they came.
    signed: String,
    signature: Vec<u8>,
}

impl std::fmt::Debug for UnverifiedJws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Whoever holds the text may be able to use it, and the claims say who somebody is.
        f.debug_struct("UnverifiedJws").field("alg", &self.header.alg).field("kid", &self.header.kid).finish_non_exhaustive()
    }
}

impl UnverifiedJws {
    /// Takes the text apart. It says nothing about who wrote it.
    ///
    /// # Errors
    /// The first thing that is wrong with its form.
    pub fn parse(text: &str) -> Result<Self, JwtFault> {
        if text.len() > JWT_LENGTH_MAX {
            return Err(JwtFault::TooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(JwtFault::NotCompact)?;
        let (header, claims) = signed.split_once('.').ok_or(JwtFault::NotCompact)?;
        if claims.contains('.') {
            return Err(JwtFault::NotCompact);
        }
        let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtFault::NotBase64);
        let object = |part: &str| {
            json::object(&decode(part)?).map_err(|not| match not {
                NotAnObject::NotJson => JwtFault::NotJson,
                NotAnObject::Twice => JwtFault::NameTwice,
            })
        };
        let header = Header::read(&object(header)?)?;
        Ok(Self { header, claims: object(claims)?, signed: signed.to_owned(), signature: decode(signature)? })
    }

    /// What it says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What it claims, before anybody vouches for it: good for finding the keys to ask, and for nothing else.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// Verifies it with one of `keys`: the one that its `kid` names, else any that fits.
    ///
    /// # Errors
    /// When its algorithm is not among `allowed`, or no key verifies it.
    pub fn verify(&self, keys: &PublicKeys, allowed: &[JwsAlgorithm]) -> Result<&Map<String, Value>, JwtFault> {
        let algorithm = self.allowed(allowed)?;
        let Some(kid) = &self.header.kid else {
            let mut fitting = keys.keys().iter().filter(|key| key.fits(algorithm)).take(TRIES_MAX);
            return if fitting.any(|key| self.is_by(key)) { Ok(&self.claims) } else { Err(JwtFault::NoKeyVerifies) };
        };
        // RFC 7517 4.5: keys of different types may share a name.
        let mut named = keys.keys().iter().filter(|key| key.kid.as_ref() == Some(kid)).peekable();
        if named.peek().is_none() {
            return Err(JwtFault::UnknownKey);
        }
        let mut fitting = named.filter(|key| key.fits(algorithm)).take(TRIES_MAX).peekable();
        if fitting.peek().is_none() {
            return Err(JwtFault::WrongKey);
        }
        if fitting.any(|key| self.is_by(key)) { Ok(&self.claims) } else { Err(JwtFault::BadSignature) }
    }

    /// Verifies it with this one key, whatever it names: for a DPoP proof, which brings its key along.
    ///
    /// # Errors
    /// When its algorithm is not among `allowed`, or the key does not verify it.
    pub fn verify_with(&self, key: &Jwk, allowed: &[JwsAlgorithm]) -> Result<&Map<String, Value>, JwtFault> {
        if !key.fits(self.allowed(allowed)?) {
            return Err(JwtFault::WrongKey);
        }
        if self.is_by(key) { Ok(&self.claims) } else { Err(JwtFault::BadSignature) }
    }

    /// Verifies it with a secret that both sides hold (`client_secret_jwt`).
    ///
    /// # Errors
    /// When it is not in HS256, the secret is too short, or it was made with another.
    pub fn verify_hmac(&self, secret: &[u8]) -> Result<&Map<String, Value>, JwtFault> {
        if self.header.alg != JwsAlgorithm::Hs256 {
            return Err(JwtFault::AlgorithmNotAllowed);
        }
        if secret.len() < SECRET_LENGTH_MIN {
            return Err(JwtFault::ShortSecret);
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        hmac::verify(&key, self.signed.as_bytes(), &self.signature).map_err(|_| JwtFault::BadSignature)?;
        Ok(&self.claims)
    }

    /// Public keys never verify HS256: whoever knows one, which is everybody, could sign with it.
    fn allowed(&self, allowed: &[JwsAlgorithm]) -> Result<JwsAlgorithm, JwtFault> {
        let algorithm = self.header.alg;
        let may = allowed.contains(&algorithm) && JwsAlgorithm::ASYMMETRIC.contains(&algorithm);
        if may { Ok(algorithm) } else { Err(JwtFault::AlgorithmNotAllowed) }
    }

    fn is_by(&self, key: &Jwk) -> bool {
        key.verifies(self.header.alg, self.signed.as_bytes(), &self.signature)
    }
}

impl Header {
    fn read(members: &Map<String, Value>) -> Result<Self, JwtFault> {
        if members.contains_key("crit") {
            return Err(JwtFault::Critical);
        }
        if members.contains_key("b64") {
            return Err(JwtFault::Unencoded);
        }
        let text = |name| members.get(name).map(|value| value.as_str().ok_or(JwtFault::Header)).transpose();
        let alg = match text("alg")?.ok_or(JwtFault::Header)? {
            none if none.eq_ignore_ascii_case("none") => return Err(JwtFault::NotSigned),
            name => JwsAlgorithm::from_name(name).ok_or(JwtFault::UnknownAlgorithm)?,
        };
        let jwk = match members.get("jwk") {
            Some(jwk) if !jwk.is_object() => return Err(JwtFault::Header),
            jwk => jwk.cloned(),
        };
        Ok(Self { alg, kid: text("kid")?.map(str::to_owned), typ: text("typ")?.map(str::to_owned), jwk })
    }
}

#[cfg(test)]
mod tests;
