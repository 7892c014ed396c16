//! Sets of public keys (RFC 7517 5): those of clients, and the one we publish.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

use super::jwk::{Jwk, refuse_private};
use crate::protocol::algorithm::KeyEncryption;

/// How many keys a set may hold.
const KEYS_MAX: usize = 50;

/// A certificate that stands beside a key (`x5c`, RFC 7517 4.7). Nobody vouches for it, it was not looked into, and it may
/// be long: only its digest is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Of all of it.
    pub sha256: [u8; 32],
}

impl Certificate {
    fn of(der: &[u8]) -> Self {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, der).as_ref());
        Self { sha256 }
    }

    /// `x5t#S256` (RFC 8705 3.1).
    pub fn thumbprint(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.sha256)
    }
}

/// The keys of somebody else: those of their set that can be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicKeys {
    keys: Vec<Jwk>,
    certificates: Vec<Certificate>,
}

impl PublicKeys {
    /// Reads a set (RFC 7517 5). Keys that are of no use here, for what they are or how they are written, are left out,
    /// and so is what this provider does not know of a key.
    ///
    /// # Errors
    /// When it is no set, holds a private or symmetric key or more than 50 keys, or when nothing of it can be used: in
    /// words that may be shown to whoever sent it.
    pub fn parse(jwks: &Value) -> Result<Self, String> {
        let keys = jwks.get("keys").and_then(Value::as_array).ok_or("a key set is an object with a list of keys")?;
        if keys.len() > KEYS_MAX {
            return Err(format!("the key set has {} keys; at most {KEYS_MAX} are taken", keys.len()));
        }
        let (mut read, mut left_out) = (Self::default(), Vec::new());
        for (number, key) in keys.iter().enumerate() {
            let at = |what: String| format!("keys[{number}]: {what}");
            let members = key.as_object().ok_or_else(|| at("a key is an object".to_owned()))?;
            refuse_private(members).map_err(at)?;
            // A certificate serves for TLS whatever signatures its key could make.
            let chain = members.get("x5c").and_then(Value::as_array);
            let first = chain.and_then(|chain| chain.first()?.as_str()).and_then(|text| BASE64_STANDARD.decode(text).ok());
            read.certificates.extend(first.as_deref().map(Certificate::of));
            match Jwk::of_public(members) {
                Ok(key) => read.keys.push(key),
                Err(what) => left_out.push(at(what)),
            }
        }
        if read.keys.is_empty() && read.certificates.is_empty() {
            return Err(left_out.into_iter().next().unwrap_or_else(|| "the key set is empty".to_owned()));
        }
        Ok(read)
    }

    /// These keys, without certificates.
    pub(super) fn of(keys: Vec<Jwk>) -> Self {
        Self { keys, certificates: Vec::new() }
    }

    /// All that can be used.
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// The certificates that stand beside the keys: of each chain the first.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// Whether this certificate stands beside one of the keys (RFC 8705 2.2.2).
    pub fn has_certificate(&self, sha256_of_der: &[u8; 32]) -> bool {
        self.certificates.iter().any(|certificate| certificate.sha256 == *sha256_of_der)
    }

    /// The first key for which something can be encrypted in this way; one that says so itself goes first.
    pub fn encryption_key(&self, algorithm: KeyEncryption) -> Option<&Jwk> {
        let takes = || self.keys.iter().filter(|key| key.takes(algorithm));
        takes().find(|key| key.says_what_for()).or_else(|| takes().next())
    }
}

/// A key set as it is published (RFC 7517 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwks {
    keys: Vec<Jwk>,
    complete: bool,
}

impl Jwks {
    pub(super) fn of(keys: Vec<Jwk>, complete: bool) -> Self {
        Self { keys, complete }
    }

    /// Its keys.
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// Whether no key is still being made: a set that lacks one must not be kept by caches.
    pub fn is_complete(&self) -> bool {
        self.complete
    }
}

impl Serialize for Jwks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(Some(1))?;
        members.serialize_entry("keys", &self.keys)?;
        members.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::vectors;

    fn named(mut key: Value, kid: &str) -> Value {
        key["kid"] = json!(kid);
        key
    }

    #[test]
    fn keys_that_are_of_no_use_are_left_out_and_the_others_stay() {
        let set = json!({"keys": [
            {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
            named(vectors::rfc7515_es256(), "a"),
            {"kty": "EC", "crv": "secp256k1", "x": "AAAA", "y": "AAAA"},
            vectors::rsa_1024(),
            {"kty": "EC"},
            {},
            {"kty": "OKP", "crv": "Ed448", "x": "AAAA", "kid": "a"},
            named(vectors::rfc7515_rs256(), "b"),
        ], "more": 1});
        let keys = PublicKeys::parse(&set).unwrap();
        assert_eq!(keys.keys().iter().map(|key| key.kid.as_deref().unwrap()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn members_that_mean_nothing_here_change_nothing() {
        let mut key = vectors::rfc7515_es256();
        for (name, value) in
            [("x5t", json!("AAAA")), ("x5u", json!("https://a")), ("ext", json!(true)), ("x5c", json!(7)), ("nbf", json!([]))]
        {
            key[name] = value;
        }
        let keys = PublicKeys::parse(&json!({"keys": [key]})).unwrap();
        assert_eq!(keys.keys(), [Jwk::parse(&vectors::rfc7515_es256()).unwrap()]);
    }

    #[test]
    fn what_is_no_set_or_holds_a_secret_is_refused_with_words() {
        let good = vectors::rfc7515_es256;
        let mut private = good();
        private["d"] = json!("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI");
        for (set, says) in [
            (json!(null), "an object with a list of keys"),
            (json!([good()]), "an object with a list of keys"),
            (json!({"keys": {}}), "an object with a list of keys"),
            (json!({"keys": []}), "the key set is empty"),
            (json!({"keys": ["a"]}), "keys[0]: a key is an object"),
            (json!({"keys": [good(), null]}), "keys[1]: a key is an object"),
            (json!({"keys": [good(), private]}), "keys[1]: the key holds the private member d: send the public part only"),
            (json!({"keys": [good(), {"kty": "oct", "k": "AAAA"}]}), "keys[1]: the key holds the private member k"),
            (json!({"keys": [good(), {"kty": "oct"}]}), "keys[1]: the key is symmetric"),
            (json!({"keys": [{"kty": "new", "priv": "AAAA"}, good()]}), "keys[0]: the key holds the private member priv"),
            (json!({"keys": vec![good(); 51]}), "has 51 keys; at most 50"),
            (json!({"keys": [vectors::rsa_1024()]}), "keys[0]: n has 1024 bits"),
            (json!({"keys": [{"kty": "new"}, {}]}), "keys[0]: kty is none of"),
        ] {
            let said = PublicKeys::parse(&set).unwrap_err();
            assert!(said.contains(says), "{set}: {said}");
        }
        assert_eq!(PublicKeys::parse(&json!({"keys": vec![good(); 50]})).unwrap().keys().len(), 50);
    }

    #[test]
    fn a_certificate_serves_whatever_its_key_does() {
        let der = b"stands for a certificate";
        let mut unknown = json!({"kty": "EC", "crv": "brainpoolP256r1"});
        unknown["x5c"] = json!([BASE64_STANDARD.encode(der), BASE64_STANDARD.encode("its issuer")]);
        let keys = PublicKeys::parse(&json!({"keys": [unknown.clone()]})).unwrap();
        assert!(keys.keys().is_empty());
        let [certificate] = keys.certificates() else { panic!("{:?}", keys.certificates()) };
        assert_eq!(certificate.thumbprint(), BASE64_URL_SAFE_NO_PAD.encode(certificate.sha256));
        let sha256 = |bytes: &[u8]| <[u8; 32]>::try_from(digest(&SHA256, bytes).as_ref()).unwrap();
        assert!(keys.has_certificate(&sha256(der)));
        assert!(!keys.has_certificate(&sha256(b"its issuer")), "only the first of a chain is the client's");
        // Not even for a certificate is a private key taken.
        unknown["d"] = json!("AAAA");
        assert!(PublicKeys::parse(&json!({"keys": [unknown]})).unwrap_err().contains("private member d"));
        for broken in [json!([]), json!(["*"]), json!([7]), json!("AAAA"), json!([BASE64_URL_SAFE_NO_PAD.encode([0xfb, 0xff])])] {
            let mut key = vectors::rfc7515_es256();
            key["x5c"] = broken.clone();
            let keys = PublicKeys::parse(&json!({"keys": [key]})).unwrap();
            assert!(keys.certificates().is_empty() && keys.keys().len() == 1, "{broken}");
        }
    }

    #[test]
    fn the_key_to_encrypt_for_is_one_that_says_so_before_one_that_says_nothing() {
        let mut for_it = named(vectors::rfc7638_rsa(), "for it");
        for_it["use"] = json!("enc");
        let mut not_for_it = named(vectors::rfc7515_rs256(), "not for it");
        not_for_it["use"] = json!("sig");
        let any = named(vectors::rfc7515_rs256(), "any");
        let chosen = |keys: &[&Value], algorithm| {
            let keys = PublicKeys::parse(&json!({"keys": keys})).unwrap();
            keys.encryption_key(algorithm).and_then(|key| key.kid.clone())
        };
        let rsa = KeyEncryption::RsaOaep256;
        assert_eq!(chosen(&[&not_for_it, &any, &for_it], rsa).as_deref(), Some("for it"));
        assert_eq!(chosen(&[&not_for_it, &any], rsa).as_deref(), Some("any"));
        assert_eq!(chosen(&[&not_for_it], rsa), None);
        assert_eq!(chosen(&[&any], KeyEncryption::EcdhEs), None);
    }
}
