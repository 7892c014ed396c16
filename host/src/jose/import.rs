//! Private keys that were made elsewhere: PEM, or a JWK (RFC 7517, RFC 7518 6, RFC 8037 2), brought to PKCS #8.

use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use zeroize::{Zeroize as _, Zeroizing};

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// ASN.1 tags.
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
const PUBLIC_KEY: u8 = 0xa1;

/// `AlgorithmIdentifier` of id-ecPublicKey with P-256 (RFC 5480), of Ed25519 (RFC 8410), of rsaEncryption (RFC 8017).
const P256: &[u8] = &[0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const ED25519: &[u8] = &[0x06, 3, 0x2b, 0x65, 0x70];
const RSA: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 0x05, 0];

/// The key of a file in PKCS #8, whether it fits any algorithm or not: the ring sees to that.
///
/// # Errors
/// When the text is neither, in words that repeat nothing of it.
pub fn private_key(text: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    if text.trim_start().starts_with('{') {
        let mut jwk: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| format!("is not a JWK: not JSON at line {}", error.line()))?;
        let key = of_jwk(&jwk);
        for value in jwk.values_mut() {
            if let Value::String(text) = value {
                text.zeroize();
            }
        }
        return key;
    }
    let (_, rest) =
        text.split_once(BEGIN).ok_or(format!("has no line {BEGIN}, and is no JWK: write it with openssl pkcs8 -topk8 -nocrypt"))?;
    let (base64, _) = rest.split_once(END).ok_or(format!("has no line {END}"))?;
    let base64: Zeroizing<String> = Zeroizing::new(base64.split_whitespace().collect());
    BASE64_STANDARD.decode(base64.as_bytes()).map(Zeroizing::new).map_err(|_| "is not base64 between its first and last line".to_owned())
}

fn of_jwk(jwk: &Map<String, Value>) -> Result<Zeroizing<Vec<u8>>, String> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str).ok_or(format!("is a JWK without {name}"));
    let bytes = |name: &str| {
        let decoded = BASE64_URL_SAFE_NO_PAD.decode(text(name)?).map(Zeroizing::new);
        decoded.map_err(|_| format!("{name} of the JWK is not base64url"))
    };
    let (algorithm, key) = match (text("kty")?, jwk.get("crv").and_then(Value::as_str)) {
        ("EC", Some("P-256")) => {
            let public = der(PUBLIC_KEY, &[&der(BIT_STRING, &[&[0, 4], &bytes("x")?, &bytes("y")?])]);
            (P256, der(SEQUENCE, &[&der(INTEGER, &[&[1]]), &der(OCTET_STRING, &[&bytes("d")?]), &public]))
        }
        ("OKP", Some("Ed25519")) => (ED25519, der(OCTET_STRING, &[&bytes("d")?])),
        ("RSA", _) => {
            let mut numbers = vec![der(INTEGER, &[&[0]])];
            for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
                numbers.push(unsigned(&bytes(name)?));
            }
            let numbers: Vec<&[u8]> = numbers.iter().map(|number| number.as_slice()).collect();
            (RSA, der(SEQUENCE, &numbers))
        }
        (kty, crv) => {
            return Err(format!("is a JWK of the kind {kty} {}; there are EC P-256, OKP Ed25519 and RSA", crv.unwrap_or_default()));
        }
    };
    Ok(pkcs8(algorithm, &key))
}

/// A P-256 key as RFC 5915 has it, which older tools write.
pub(super) fn p256_of_sec1(key: &[u8]) -> Zeroizing<Vec<u8>> {
    pkcs8(P256, key)
}

/// A P-256 key of which there is the number alone.
pub(super) fn p256_of_scalar(number: &[u8]) -> Zeroizing<Vec<u8>> {
    pkcs8(P256, &der(SEQUENCE, &[&der(INTEGER, &[&[1]]), &der(OCTET_STRING, &[number])]))
}

/// An RSA key as RFC 8017 A.1.2 has it, which older tools write.
pub(super) fn rsa_of_pkcs1(key: &[u8]) -> Zeroizing<Vec<u8>> {
    pkcs8(RSA, key)
}

fn pkcs8(algorithm: &[u8], key: &[u8]) -> Zeroizing<Vec<u8>> {
    der(SEQUENCE, &[&der(INTEGER, &[&[0]]), &der(SEQUENCE, &[algorithm]), &der(OCTET_STRING, &[key])])
}

/// A number that is not negative: where its first bit is set, a zero byte says so.
fn unsigned(number: &[u8]) -> Zeroizing<Vec<u8>> {
    let sign: &[u8] = if number.first().is_none_or(|first| first & 0x80 != 0) { &[0] } else { &[] };
    der(INTEGER, &[sign, number])
}

fn der(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let content = Zeroizing::new(parts.concat());
    let length = content.len().to_be_bytes();
    let length = &length[length.iter().take_while(|byte| **byte == 0).count().min(length.len() - 1)..];
    // As long as it will be, so that nothing of it is left where it was shorter.
    let mut der = Zeroizing::new(Vec::with_capacity(10 + content.len()));
    der.push(tag);
    if content.len() >= 0x80 {
        // At most eight bytes say how long it is.
        der.push(0x80 | u8::try_from(length.len()).unwrap_or_default());
    }
    der.extend_from_slice(length);
    der.extend_from_slice(&content);
    der
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::pair::SigningPair;
    use crate::jose::vectors;
    use crate::protocol::algorithm::JwsAlgorithm;

    #[test]
    fn a_key_in_pem_is_the_same_in_pkcs8() {
        for alg in [JwsAlgorithm::Es256, JwsAlgorithm::EdDsa] {
            let (pair, made) = SigningPair::generate(alg).unwrap();
            let base64 = BASE64_STANDARD.encode(&*made);
            let lines: Vec<String> = base64.as_bytes().chunks(64).map(|line| String::from_utf8(line.to_vec()).unwrap()).collect();
            let read = private_key(&format!("a comment\n{BEGIN}\r\n{}\r\n{END}\n", lines.join("\r\n"))).unwrap();
            assert_eq!(SigningPair::from_pkcs8(alg, &read).unwrap().kid(), pair.kid());
        }
    }

    #[test]
    fn the_examples_of_the_specifications_are_read() {
        for (jwk, algorithms) in vectors::private_keys() {
            let read = private_key(&jwk.to_string()).unwrap();
            for alg in JwsAlgorithm::ASYMMETRIC {
                let pair = SigningPair::from_pkcs8(alg, &read);
                assert_eq!(pair.is_ok(), algorithms.contains(&alg), "{alg}");
                if let Ok(pair) = pair {
                    assert_eq!(serde_json::to_value(pair.public()).unwrap()["kty"], jwk["kty"]);
                }
            }
        }
    }

    #[test]
    fn what_is_no_private_key_is_said_without_repeating_it() {
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nc2VjcmV0\n-----END ENCRYPTED PRIVATE KEY-----";
        for (text, says) in [
            ("secret", "openssl pkcs8"),
            (encrypted, "openssl pkcs8"),
            ("-----BEGIN PRIVATE KEY-----\nc2VjcmV0", "has no line -----END"),
            ("-----BEGIN PRIVATE KEY-----\nsecret!\n-----END PRIVATE KEY-----", "base64"),
            ("{\"kty\": secret}", "line 1"),
            (&json!({"k": "secret"}).to_string(), "without kty"),
            (&json!({"kty": "oct", "k": "secret"}).to_string(), "oct"),
            (&json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}).to_string(), "without d"),
            (&json!({"kty": "OKP", "crv": "Ed25519", "d": "secret secret"}).to_string(), "base64url"),
        ] {
            let what = private_key(text).unwrap_err();
            assert!(what.contains(says) && !what.contains("secret"), "{text}: {what}");
        }
    }

    #[test]
    fn a_long_value_says_how_long_it_is() {
        for (length, head) in [(0, vec![4, 0]), (127, vec![4, 127]), (128, vec![4, 0x81, 128]), (256, vec![4, 0x82, 1, 0])] {
            assert_eq!(der(OCTET_STRING, &[&vec![7; length]])[..head.len()], head, "{length}");
        }
    }
}
