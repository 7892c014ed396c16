//! One public key (RFC 7517): those of others are read here, and ours are written.

use aws_lc_rs::agreement;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value};

use crate::protocol::algorithm::{JwsAlgorithm, KeyEncryption};

/// Members of a key that only its owner may know (RFC 7518 6; `priv` is RFC 9964's).
const PRIVATE_MEMBERS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];
/// Lengths of RSA keys in bits: below is too weak, above takes too long.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// One public key, which can be used: its numbers were looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    /// Its name in its set.
    pub kid: Option<String>,
    /// The only algorithm it is for.
    alg: Option<String>,
    /// `use`: `sig` or `enc`.
    purpose: Option<String>,
    /// `key_ops`
    operations: Option<Vec<String>>,
    pub(super) material: Material,
}

/// The numbers of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Material {
    /// A point; of the P curves uncompressed (SEC 1 2.3.3).
    Point { curve: Curve, bytes: Vec<u8> },
    /// Modulus and exponent, without leading zeros.
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

/// `crv`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
    Ed25519,
    X25519,
}

impl Curve {
    const ALL: [Self; 5] = [Self::P256, Self::P384, Self::P521, Self::Ed25519, Self::X25519];

    /// `kty`, `crv`, and the length of a coordinate in bytes.
    const fn about(self) -> (&'static str, &'static str, usize) {
        match self {
            Self::P256 => ("EC", "P-256", 32),
            Self::P384 => ("EC", "P-384", 48),
            Self::P521 => ("EC", "P-521", 66),
            Self::Ed25519 => ("OKP", "Ed25519", 32),
            Self::X25519 => ("OKP", "X25519", 32),
        }
    }

    /// With which Diffie-Hellman is made.
    pub(super) fn agreement(self) -> Option<&'static agreement::Algorithm> {
        match self {
            Self::P256 => Some(&agreement::ECDH_P256),
            Self::P384 => Some(&agreement::ECDH_P384),
            Self::P521 => Some(&agreement::ECDH_P521),
            Self::X25519 => Some(&agreement::X25519),
            Self::Ed25519 => None,
        }
    }
}

impl Jwk {
    /// Reads one key, as it stands in a set or in the header of a DPoP proof (RFC 9449 4.2).
    ///
    /// # Errors
    /// When it is private or symmetric, or cannot be used: in words that may be shown to whoever sent it.
    pub fn parse(value: &Value) -> Result<Self, String> {
        let members = value.as_object().ok_or("a key is an object")?;
        refuse_private(members)?;
        Self::of_public(members)
    }

    pub(super) fn of_public(members: &Map<String, Value>) -> Result<Self, String> {
        let operations = match members.get("key_ops") {
            None => None,
            Some(Value::Array(names)) if names.iter().all(Value::is_string) => {
                Some(names.iter().filter_map(Value::as_str).map(str::to_owned).collect())
            }
            Some(_) => return Err("key_ops is not a list of words".to_owned()),
        };
        Ok(Self {
            kid: text(members, "kid")?.map(str::to_owned),
            alg: text(members, "alg")?.map(str::to_owned),
            purpose: text(members, "use")?.map(str::to_owned),
            operations,
            material: Material::parse(members)?,
        })
    }

    /// A key of ours, for signatures.
    pub(super) fn signing(algorithm: JwsAlgorithm, material: Material) -> Self {
        let mut key =
            Self { kid: None, alg: Some(algorithm.as_str().to_owned()), purpose: Some("sig".to_owned()), operations: None, material };
        key.kid = Some(key.thumbprint());
        key
    }

    /// A key that is used once (`epk`, RFC 7518 4.6.1.1).
    pub(super) fn ephemeral(curve: Curve, bytes: Vec<u8>) -> Self {
        Self { kid: None, alg: None, purpose: None, operations: None, material: Material::Point { curve, bytes } }
    }

    /// The point of a P-256 key, uncompressed (SEC 1 2.3.3).
    pub(super) fn p256_point(&self) -> Option<&[u8]> {
        match &self.material {
            Material::Point { curve: Curve::P256, bytes } => Some(bytes),
            Material::Point { .. } | Material::Rsa { .. } => None,
        }
    }

    /// SHA-256 of what makes up the key (RFC 7638), base64url: `jkt`, and the `kid` of our own keys.
    pub fn thumbprint(&self) -> String {
        // RFC 7638 3.2: the required members in this order, without white space. Nothing in them needs an escape.
        let members: Vec<String> = self.material.members().iter().map(|(name, value)| format!(r#""{name}":"{value}""#)).collect();
        let text = format!("{{{}}}", members.join(","));
        BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
    }

    /// Whether this key may check such a signature: the kind of key belongs to one algorithm or, for RSA, to two, and
    /// what the key says of itself allows it.
    pub(super) fn fits(&self, algorithm: JwsAlgorithm) -> bool {
        let kind = match (&self.material, algorithm) {
            (Material::Point { curve: Curve::P256, .. }, JwsAlgorithm::Es256)
            | (Material::Point { curve: Curve::Ed25519, .. }, JwsAlgorithm::EdDsa | JwsAlgorithm::Ed25519)
            | (Material::Rsa { .. }, JwsAlgorithm::Ps256 | JwsAlgorithm::Rs256) => true,
            (Material::Point { .. } | Material::Rsa { .. }, _) => false,
        };
        kind && self.is_for("sig", names_of(algorithm), &["verify"])
    }

    /// Whether it is this key of ours: one and the same may be kept for two algorithms.
    pub(super) fn is_ours(&self, kid: &str, algorithm: JwsAlgorithm) -> bool {
        self.kid.as_deref() == Some(kid) && self.alg.as_deref() == Some(algorithm.as_str())
    }

    /// Whether it says itself what it is for.
    pub(super) fn says_what_for(&self) -> bool {
        self.purpose.is_some() || self.alg.is_some()
    }

    /// Whether something may be encrypted for this key in this way.
    pub(super) fn takes(&self, algorithm: KeyEncryption) -> bool {
        match (&self.material, algorithm) {
            (Material::Rsa { .. }, KeyEncryption::RsaOaep256) => self.is_for("enc", &[algorithm.as_str()], &["encrypt", "wrapKey"]),
            (Material::Point { curve, .. }, KeyEncryption::EcdhEs) if curve.agreement().is_some() => {
                self.is_for("enc", &[algorithm.as_str()], &["deriveKey", "deriveBits"])
            }
            (Material::Point { .. } | Material::Rsa { .. }, _) => false,
        }
    }

    /// `use`, `alg` and `key_ops` each allow it where they are given (RFC 7517 4.2 to 4.4).
    fn is_for(&self, purpose: &str, algorithms: &[&str], operations: &[&str]) -> bool {
        self.purpose.as_deref().is_none_or(|given| given == purpose)
            && self.alg.as_deref().is_none_or(|given| algorithms.contains(&given))
            && self.operations.as_ref().is_none_or(|given| given.iter().any(|name| operations.contains(&name.as_str())))
    }

    /// Whether `signature` is one over `message`, in the algorithm and with this key.
    pub(super) fn verifies(&self, algorithm: JwsAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        let rsa = |n: &[u8], e: &[u8], parameters: &RsaParameters| RsaPublicKeyComponents { n, e }.verify(parameters, message, signature);
        let verified = match (algorithm, &self.material) {
            (JwsAlgorithm::Es256, Material::Point { curve: Curve::P256, bytes }) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes).verify(message, signature)
            }
            (JwsAlgorithm::EdDsa | JwsAlgorithm::Ed25519, Material::Point { curve: Curve::Ed25519, bytes }) => {
                UnparsedPublicKey::new(&ED25519, bytes).verify(message, signature)
            }
            (JwsAlgorithm::Ps256, Material::Rsa { n, e }) => rsa(n, e, &RSA_PSS_2048_8192_SHA256),
            (JwsAlgorithm::Rs256, Material::Rsa { n, e }) => rsa(n, e, &RSA_PKCS1_2048_8192_SHA256),
            _ => return false,
        };
        verified.is_ok()
    }
}

impl Serialize for Jwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        for (name, value) in self.material.members() {
            members.serialize_entry(name, &value)?;
        }
        for (name, value) in [("use", &self.purpose), ("alg", &self.alg), ("kid", &self.kid)] {
            if let Some(value) = value {
                members.serialize_entry(name, value)?;
            }
        }
        members.end()
    }
}

impl Material {
    fn parse(members: &Map<String, Value>) -> Result<Self, String> {
        let named = |name| text(members, name)?.ok_or_else(|| format!("{name} is missing"));
        match named("kty")? {
            "RSA" => Self::rsa(number(named("n")?, "n")?, number(named("e")?, "e")?),
            kty @ ("EC" | "OKP") => {
                let crv = named("crv")?;
                let curve = Curve::ALL.into_iter().find(|curve| curve.about().0 == kty && curve.about().1 == crv);
                let curve = curve.ok_or("crv is none of P-256, P-384, P-521, Ed25519, X25519")?;
                let x = coordinate(named("x")?, "x", curve)?;
                if kty == "OKP" {
                    if curve == Curve::X25519 && has_small_order(&x) {
                        return Err("x is a point of small order: whatever is agreed on with it, everybody knows".to_owned());
                    }
                    return Ok(Self::Point { curve, bytes: x });
                }
                let y = coordinate(named("y")?, "y", curve)?;
                Self::point(curve, [&[4], x.as_slice(), &y].concat())
            }
            _ => Err("kty is none of EC, RSA, OKP".to_owned()),
        }
    }

    fn point(curve: Curve, bytes: Vec<u8>) -> Result<Self, String> {
        if let Some(agreement) = curve.agreement() {
            agreement::ParsedPublicKey::try_from(agreement::UnparsedPublicKey::new(agreement, &bytes))
                .map_err(|_| "x and y are not a point of the curve")?;
        }
        Ok(Self::Point { curve, bytes })
    }

    fn rsa(n: Vec<u8>, e: Vec<u8>) -> Result<Self, String> {
        let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
        if !RSA_BITS.contains(&bits) {
            return Err(format!("n has {bits} bits; there must be between {} and {}", RSA_BITS.start(), RSA_BITS.end()));
        }
        let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
        if !odd(&n) || !odd(&e) || e == [1] || e.len() > 4 {
            return Err("n and e are not those of an RSA key: both are odd, and e has between 2 and 32 bits".to_owned());
        }
        Ok(Self::Rsa { n, e })
    }

    /// The required members, in the order of their names.
    fn members(&self) -> Vec<(&'static str, String)> {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa { n, e } => vec![("e", encode(e)), ("kty", "RSA".to_owned()), ("n", encode(n))],
            Self::Point { curve, bytes } => {
                let (kty, crv, length) = curve.about();
                let mut members = vec![("crv", crv.to_owned()), ("kty", kty.to_owned())];
                match bytes.split_first() {
                    Some((4, point)) if bytes.len() == 1 + 2 * length => {
                        let (x, y) = point.split_at(length);
                        members.extend([("x", encode(x)), ("y", encode(y))]);
                    }
                    _ => members.push(("x", encode(bytes))),
                }
                members
            }
        }
    }
}

/// What a key may call the algorithm that it is for. Ed25519 has two names: whoever signs by one of them may have
/// published its key when there was only the other.
fn names_of(algorithm: JwsAlgorithm) -> &'static [&'static str] {
    match algorithm {
        JwsAlgorithm::EdDsa | JwsAlgorithm::Ed25519 => &["EdDSA", "Ed25519"],
        JwsAlgorithm::Es256 => &["ES256"],
        JwsAlgorithm::Ps256 => &["PS256"],
        JwsAlgorithm::Rs256 => &["RS256"],
        JwsAlgorithm::Hs256 => &["HS256"],
    }
}

/// Whether Diffie-Hellman with this point of X25519 gives nothing but zeros (RFC 7748 6.1), which the library refuses.
fn has_small_order(point: &[u8]) -> bool {
    let agreed = agreement::PrivateKey::generate(&agreement::X25519)
        .and_then(|ours| agreement::agree(&ours, agreement::UnparsedPublicKey::new(&agreement::X25519, point), Unspecified, |_| Ok(())));
    agreed.is_err()
}

/// A member that is text, where it is there.
fn text<'a>(members: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a str>, String> {
    members.get(name).map(|value| value.as_str().ok_or_else(|| format!("{name} is not text"))).transpose()
}

fn decode(text: &str, name: &str) -> Result<Vec<u8>, String> {
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| format!("{name} is not base64url without padding"))
}

/// `Base64urlUInt` (RFC 7518 2): with a leading zero, one key would have two thumbprints.
fn number(text: &str, name: &str) -> Result<Vec<u8>, String> {
    let number = decode(text, name)?;
    if number.first().is_none_or(|first| *first == 0) {
        return Err(format!("{name} is empty or begins with a zero byte, which RFC 7518 2 leaves out"));
    }
    Ok(number)
}

fn coordinate(text: &str, name: &str, curve: Curve) -> Result<Vec<u8>, String> {
    let (_, crv, length) = curve.about();
    let coordinate = decode(text, name)?;
    if coordinate.len() != length {
        return Err(format!("{name} has {} bytes; {crv} has {length}", coordinate.len()));
    }
    Ok(coordinate)
}

/// A secret that was sent to us is none any more, and whoever sent it should know.
pub(super) fn refuse_private(members: &Map<String, Value>) -> Result<(), String> {
    if let Some(name) = PRIVATE_MEMBERS.iter().find(|name| members.contains_key(**name)) {
        return Err(format!("the key holds the private member {name}: send the public part only, and stop using this key"));
    }
    if members.get("kty").and_then(Value::as_str) == Some("oct") {
        return Err("the key is symmetric: send public keys only, and stop using this one".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
