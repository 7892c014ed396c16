use serde_json::json;

use super::*;
use crate::jose::vectors;

fn parsed(key: Value) -> Jwk {
    Jwk::parse(&key).unwrap()
}

/// The key with one member replaced, or taken out where there is nothing to put there.
fn with(mut key: Value, name: &str, value: Value) -> Value {
    match value {
        Value::Null => drop(key.as_object_mut().unwrap().remove(name)),
        value => key[name] = value,
    }
    key
}

#[test]
fn thumbprints_are_those_of_the_specifications() {
    // RFC 7638 3.1 and RFC 8037 A.3.
    assert_eq!(parsed(vectors::rfc7638_rsa()).thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(parsed(vectors::rfc8037_ed25519()).thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    // Whatever else is in it.
    let named = with(with(vectors::rfc8037_ed25519(), "kid", json!("a")), "use", json!("sig"));
    assert_eq!(parsed(named).thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn a_key_is_written_as_it_is_read() {
    for key in vectors::all_kinds() {
        assert_eq!(serde_json::to_value(parsed(key.clone())).unwrap(), key);
    }
}

#[test]
fn a_private_or_symmetric_key_is_refused_with_words() {
    for name in PRIVATE_MEMBERS {
        let said = Jwk::parse(&with(vectors::rfc7515_es256(), name, json!("AQAB"))).unwrap_err();
        assert!(said.contains(&format!("the private member {name}")), "{said}");
    }
    let said = Jwk::parse(&json!({"kty": "oct"})).unwrap_err();
    assert!(said.contains("symmetric"), "{said}");
}

#[test]
fn a_key_that_cannot_be_used_says_what_is_wrong() {
    let (ec, ed, rsa) = (vectors::rfc7515_es256, vectors::rfc8037_ed25519, vectors::rfc7515_rs256);
    let text = |bytes: &[u8]| Value::from(BASE64_URL_SAFE_NO_PAD.encode(bytes));
    let n = decode(rsa()["n"].as_str().unwrap(), "n").unwrap();
    let even: Vec<u8> = n.iter().rev().skip(1).rev().copied().chain([0]).collect();
    for (key, says) in [
        (json!([]), "a key is an object"),
        (json!({}), "kty is missing"),
        (with(ec(), "kty", json!("ec")), "kty is none of"),
        (with(ec(), "kty", json!(7)), "kty is not text"),
        (with(ec(), "kty", json!("OKP")), "crv is none of"),
        (with(ec(), "crv", json!("secp256k1")), "crv is none of"),
        (with(ec(), "crv", json!("P-384")), "x has 32 bytes; P-384 has 48"),
        (with(ec(), "crv", Value::Null), "crv is missing"),
        (with(ec(), "y", Value::Null), "y is missing"),
        (with(ec(), "y", ec()["x"].clone()), "not a point of the curve"),
        (with(ec(), "x", json!("AAAA")), "x has 3 bytes; P-256 has 32"),
        (with(ec(), "x", json!("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU=")), "x is not base64url"),
        (with(ec(), "x", json!("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVE+")), "x is not base64url"),
        (with(ed(), "x", text(&[7; 31])), "x has 31 bytes"),
        (with(vectors::x25519(), "x", text(&[0; 32])), "x is a point of small order"),
        (with(vectors::x25519(), "x", text(&[&[1][..], &[0; 31]].concat())), "x is a point of small order"),
        (vectors::rsa_1024(), "n has 1024 bits; there must be between 2048 and 8192"),
        (with(rsa(), "n", text(&[0xff; 1025])), "n has 8200 bits"),
        (with(rsa(), "n", text(&[&[0], n.as_slice()].concat())), "n is empty or begins with a zero byte"),
        (with(rsa(), "n", text(&even)), "n and e are not those of an RSA key"),
        (with(rsa(), "n", json!("")), "n is empty"),
        (with(rsa(), "e", json!("AQ")), "n and e are not those of an RSA key"),
        (with(rsa(), "e", text(&[2])), "n and e are not those of an RSA key"),
        (with(rsa(), "e", text(&[1, 0, 0, 0, 1])), "n and e are not those of an RSA key"),
        (with(ec(), "kid", json!(7)), "kid is not text"),
        (with(ec(), "alg", json!(["ES256"])), "alg is not text"),
        (with(ec(), "use", json!(null_but_there())), "use is not text"),
        (with(ec(), "key_ops", json!("verify")), "key_ops is not a list of words"),
        (with(ec(), "key_ops", json!(["verify", 7])), "key_ops is not a list of words"),
    ] {
        let said = Jwk::parse(&key).unwrap_err();
        assert!(said.contains(says), "{key}: {said}");
    }
}

/// `with` takes null for nothing.
fn null_but_there() -> Vec<()> {
    Vec::new()
}

#[test]
fn a_key_is_for_its_kind_and_for_what_it_says() {
    use JwsAlgorithm::{Ed25519, EdDsa, Es256, Hs256, Ps256, Rs256};
    let fitting = |key: Value| JwsAlgorithm::ALL.iter().copied().filter(|alg| parsed(key.clone()).fits(*alg)).collect::<Vec<_>>();
    let (ec, rsa) = (vectors::rfc7515_es256, vectors::rfc7515_rs256);
    let named = |alg: &str| with(vectors::rfc8037_ed25519(), "alg", json!(alg));
    assert_eq!(fitting(ec()), [Es256]);
    assert_eq!(fitting(rsa()), [Ps256, Rs256]);
    // Of one algorithm, whichever of its names the key has (RFC 9864 2.2).
    for key in [vectors::rfc8037_ed25519(), named("EdDSA"), named("Ed25519")] {
        assert_eq!(fitting(key), [EdDsa, Ed25519]);
    }
    assert_eq!(fitting(named("Ed448")), []);
    for kind in [vectors::p384(), vectors::p521(), vectors::x25519()] {
        assert_eq!(fitting(kind), []);
    }
    for (name, value, left) in [
        ("alg", json!("PS256"), vec![Ps256]),
        ("alg", json!("RS384"), vec![]),
        ("alg", json!("HS256"), vec![]),
        ("alg", json!("RSA-OAEP-256"), vec![]),
        ("use", json!("sig"), vec![Ps256, Rs256]),
        ("use", json!("enc"), vec![]),
        ("key_ops", json!(["verify"]), vec![Ps256, Rs256]),
        ("key_ops", json!(["sign", "encrypt"]), vec![]),
        ("key_ops", json!([]), vec![]),
    ] {
        assert_eq!(fitting(with(rsa(), name, value.clone())), left, "{name} {value}");
    }
    for key in vectors::all_kinds() {
        assert!(!parsed(key).fits(Hs256), "a public key for HS256");
    }
}

#[test]
fn what_is_encrypted_for_a_key_is_for_its_kind_and_for_what_it_says() {
    use KeyEncryption::{EcdhEs, RsaOaep256};
    let taking = |key: Value| KeyEncryption::ALL.iter().copied().filter(|alg| parsed(key.clone()).takes(*alg)).collect::<Vec<_>>();
    assert_eq!(taking(vectors::rfc7515_rs256()), [RsaOaep256]);
    for kind in [vectors::rfc7515_es256(), vectors::p384(), vectors::p521(), vectors::x25519()] {
        assert_eq!(taking(kind), [EcdhEs]);
    }
    assert_eq!(taking(vectors::rfc8037_ed25519()), []);
    for (name, value, left) in [
        ("alg", json!("RSA-OAEP-256"), vec![RsaOaep256]),
        ("alg", json!("RSA-OAEP"), vec![]),
        ("use", json!("enc"), vec![RsaOaep256]),
        ("use", json!("sig"), vec![]),
        ("key_ops", json!(["wrapKey"]), vec![RsaOaep256]),
        ("key_ops", json!(["verify"]), vec![]),
    ] {
        assert_eq!(taking(with(vectors::rfc7515_rs256(), name, value.clone())), left, "{name} {value}");
    }
}

#[test]
fn a_signature_of_the_specifications_is_verified_and_no_other() {
    // RFC 8037 A.4: its content is no JSON, so that it cannot come through the door.
    let (message, signature) = vectors::RFC8037_SIGNED.rsplit_once('.').unwrap();
    let signature = decode(signature, "signature").unwrap();
    let key = parsed(vectors::rfc8037_ed25519());
    assert!(key.verifies(JwsAlgorithm::EdDsa, message.as_bytes(), &signature));
    assert!(!key.verifies(JwsAlgorithm::EdDsa, b"another", &signature));
    for at in 0..signature.len() {
        let mut changed = signature.clone();
        changed[at] ^= 1;
        assert!(!key.verifies(JwsAlgorithm::EdDsa, message.as_bytes(), &changed), "byte {at}");
    }
}
