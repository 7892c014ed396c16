//! A signed JWT is encrypted for a client: a JWE in compact form (RFC 7516 7.1) with a JWT in it (RFC 7519 5.2).
//!
//! The provider only ever encrypts, in two ways with two ciphers, and every primitive of it is in aws-lc-rs, which also
//! signs here. No library was taken (November 2026): `jwt-simple` 0.15 has neither RSA-OAEP-256 nor ECDH-ES without key
//! wrap, and brings a second cryptographic library; `josekit` needs OpenSSL; `jose` 0.0.2 and `no-way-jose` 0.1 are not
//! released for use; `huskarl` is a client; `jose4rs` 0.6 calls the C library itself, in some 260 `unsafe` places. A
//! well-kept one that nests a finished JWT could take this file's place.

use anyhow::{Context as _, bail};
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, RandomizedNonceKey};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey};
use aws_lc_rs::signature::RsaPublicKeyComponents;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use zeroize::Zeroizing;

use super::jwk::{Curve, Jwk, Material};
use crate::protocol::algorithm::{ContentEncryption, KeyEncryption};

/// The protected header. `apu` and `apv` stay out: nobody here has a use for them.
#[derive(Serialize)]
struct Header<'a> {
    alg: KeyEncryption,
    enc: ContentEncryption,
    cty: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epk: Option<Jwk>,
}

/// How the recipient comes to the content key.
struct Shared {
    key: Zeroizing<Vec<u8>>,
    /// Empty where the key is agreed on and not sent.
    encrypted_key: Vec<u8>,
    epk: Option<Jwk>,
}

/// Encrypts a signed JWT for the holder of `recipient`. `fresh` are random bytes for this call alone: the content key,
/// where one is sent.
///
/// # Errors
/// When the key is not for this, or cannot be used.
pub fn encrypt(jwt: &str, recipient: &Jwk, alg: KeyEncryption, enc: ContentEncryption, fresh: &[u8; 32]) -> anyhow::Result<String> {
    if !recipient.takes(alg) {
        bail!("the client's key is not for {alg}");
    }
    let shared = match &recipient.material {
        Material::Rsa { n, e } => send(n, e, &fresh[..enc.key_length()])?,
        Material::Point { curve, bytes } => agree_on(*curve, bytes, enc)?,
    };
    let header = Header { alg, enc, cty: "JWT", kid: recipient.kid.as_deref(), epk: shared.epk };
    let header = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header)?);
    let cipher = match enc {
        ContentEncryption::A128Gcm => &AES_128_GCM,
        ContentEncryption::A256Gcm => &AES_256_GCM,
    };
    let mut text = jwt.as_bytes().to_vec();
    // RFC 7516 5.1: the encoded header is what is authenticated beside the content. The key is used this once.
    let nonce = RandomizedNonceKey::new(cipher, &shared.key)?.seal_in_place_append_tag(Aad::from(header.as_bytes()), &mut text)?;
    let (text, tag) = text.split_at(jwt.len());
    let encode = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(part);
    Ok([header, encode(&shared.encrypted_key), encode(nonce.as_ref()), encode(text), encode(tag)].join("."))
}

/// RSAES-OAEP with SHA-256 (RFC 7518 4.3): the content key is sent.
fn send(n: &[u8], e: &[u8], key: &[u8]) -> anyhow::Result<Shared> {
    let public = OaepPublicEncryptingKey::new(RsaPublicKeyComponents { n, e }.try_into()?)?;
    let mut encrypted_key = vec![0; public.ciphertext_size()];
    let length = public.encrypt(&OAEP_SHA256_MGF1SHA256, key, &mut encrypted_key, None)?.len();
    encrypted_key.truncate(length);
    Ok(Shared { key: Zeroizing::new(key.to_vec()), encrypted_key, epk: None })
}

/// ECDH-ES in direct agreement (RFC 7518 4.6): the content key is what comes out.
fn agree_on(curve: Curve, recipient: &[u8], enc: ContentEncryption) -> anyhow::Result<Shared> {
    let algorithm = curve.agreement().context("no keys are agreed on with such a curve")?;
    let ours = PrivateKey::generate(algorithm)?;
    let epk = Jwk::ephemeral(curve, ours.compute_public_key()?.as_ref().to_vec());
    let key = agree(&ours, UnparsedPublicKey::new(algorithm, recipient), Unspecified, |secret| Ok(concat_kdf(secret, enc, b"", b"")))?;
    Ok(Shared { key, encrypted_key: Vec::new(), epk: Some(epk) })
}

/// The Concat KDF of NIST SP 800-56A with SHA-256, as RFC 7518 4.6.2 uses it. One round is enough: no key is longer
/// than a digest.
fn concat_kdf(secret: &[u8], enc: ContentEncryption, apu: &[u8], apv: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut input = Zeroizing::new(1_u32.to_be_bytes().to_vec());
    input.extend_from_slice(secret);
    for part in [enc.as_str().as_bytes(), apu, apv] {
        input.extend_from_slice(&(part.len() as u32).to_be_bytes());
        input.extend_from_slice(part);
    }
    input.extend_from_slice(&(enc.key_length() as u32 * 8).to_be_bytes());
    Zeroizing::new(digest(&SHA256, &input).as_ref()[..enc.key_length()].to_vec())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::aead::{LessSafeKey, Nonce, UnboundKey};
    use aws_lc_rs::agreement::{ECDH_P256, X25519};
    use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
    use aws_lc_rs::rsa::{KeySize, OaepPrivateDecryptingKey, PrivateDecryptingKey};
    use serde_json::{Value, json};

    use super::*;
    use crate::jose::pair::SigningPair;
    use crate::jose::vectors;
    use crate::protocol::algorithm::JwsAlgorithm;

    const JWT: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UifQ.AAAA";
    const FRESH: [u8; 32] = [7; 32];

    fn decode(text: &str) -> Vec<u8> {
        BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    fn header(jwe: &str) -> Value {
        serde_json::from_slice(&decode(jwe.split('.').next().unwrap())).unwrap()
    }

    /// What the recipient does who knows the content key.
    fn open(jwe: &str, key: &[u8]) -> Option<String> {
        let parts: Vec<&str> = jwe.split('.').collect();
        let cipher = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
        let key = LessSafeKey::new(UnboundKey::new(cipher, key).unwrap());
        let mut text = [decode(parts[3]), decode(parts[4])].concat();
        let nonce = Nonce::try_assume_unique_for_key(&decode(parts[2])).unwrap();
        let plain = key.open_in_place(nonce, Aad::from(parts[0].as_bytes()), &mut text).ok()?;
        Some(String::from_utf8(plain.to_vec()).unwrap())
    }

    fn jwk(value: &Value) -> Jwk {
        Jwk::parse(value).unwrap()
    }

    #[test]
    fn the_agreed_key_is_that_of_the_specification() {
        // RFC 7518 appendix C: Alice encrypts for Bob.
        let alice = decode("0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo");
        let bob = jwk(&json!({"kty": "EC", "crv": "P-256", "x": "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
            "y": "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck"}));
        let Material::Point { bytes, .. } = &bob.material else { panic!("{bob:?}") };
        let ours = PrivateKey::from_private_key(&ECDH_P256, &alice).unwrap();
        let kdf = |secret: &[u8]| Ok(concat_kdf(secret, ContentEncryption::A128Gcm, b"Alice", b"Bob"));
        let key = agree(&ours, UnparsedPublicKey::new(&ECDH_P256, bytes), Unspecified, kdf).unwrap();
        assert_eq!(BASE64_URL_SAFE_NO_PAD.encode(&*key), "VqqN6vgjbSBcIijNcacQGg");
        let epk = Jwk::ephemeral(Curve::P256, ours.compute_public_key().unwrap().as_ref().to_vec());
        let written = json!({"kty": "EC", "crv": "P-256", "x": "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
            "y": "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps"});
        assert_eq!(serde_json::to_value(epk).unwrap(), written);
    }

    #[test]
    fn the_holder_of_an_rsa_key_reads_it() {
        let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = private.as_der().unwrap();
        let pair = SigningPair::from_pkcs8(JwsAlgorithm::Rs256, der.as_ref()).unwrap();
        let mut public = serde_json::to_value(pair.public()).unwrap();
        public["use"] = json!("enc");
        public["alg"] = json!("RSA-OAEP-256");
        public["kid"] = json!("its name");
        for enc in ContentEncryption::ALL {
            let jwe = encrypt(JWT, &jwk(&public), KeyEncryption::RsaOaep256, *enc, &FRESH).unwrap();
            assert_eq!(header(&jwe), json!({"alg": "RSA-OAEP-256", "enc": enc, "cty": "JWT", "kid": "its name"}));
            let encrypted = decode(jwe.split('.').nth(1).unwrap());
            let oaep = OaepPrivateDecryptingKey::new(private.clone()).unwrap();
            let mut key = vec![0; oaep.min_output_size()];
            let key = oaep.decrypt(&OAEP_SHA256_MGF1SHA256, &encrypted, &mut key, None).unwrap();
            assert_eq!(key, &FRESH[..enc.key_length()]);
            assert_eq!(open(&jwe, key).as_deref(), Some(JWT));
            let again = encrypt(JWT, &jwk(&public), KeyEncryption::RsaOaep256, *enc, &FRESH).unwrap();
            assert!(jwe.split('.').zip(again.split('.')).skip(1).all(|(one, other)| one != other), "{jwe} {again}");
        }
    }

    #[test]
    fn the_holder_of_a_curve_key_reads_it() {
        let (p256, x25519) = (PrivateKey::generate(&ECDH_P256).unwrap(), PrivateKey::generate(&X25519).unwrap());
        for (private, curve) in [(p256, Curve::P256), (x25519, Curve::X25519)] {
            let recipient = Jwk::ephemeral(curve, private.compute_public_key().unwrap().as_ref().to_vec());
            for enc in ContentEncryption::ALL {
                let jwe = encrypt(JWT, &recipient, KeyEncryption::EcdhEs, *enc, &FRESH).unwrap();
                let header = header(&jwe);
                assert_eq!((&header["alg"], &header["enc"], &header["cty"]), (&json!("ECDH-ES"), &json!(enc), &json!("JWT")));
                assert!(header.get("kid").is_none() && header.get("apu").is_none() && header.get("apv").is_none(), "{header}");
                assert_eq!(jwe.split('.').nth(1), Some(""), "an agreed key is not sent");
                let Material::Point { bytes, .. } = jwk(&header["epk"]).material else { panic!("{header}") };
                let kdf = |secret: &[u8]| Ok(concat_kdf(secret, *enc, b"", b""));
                let epk = UnparsedPublicKey::new(curve.agreement().unwrap(), bytes);
                let key = agree(&private, epk, Unspecified, kdf).unwrap();
                assert_eq!(open(&jwe, &key).as_deref(), Some(JWT));
                let again = encrypt(JWT, &recipient, KeyEncryption::EcdhEs, *enc, &FRESH).unwrap();
                assert_eq!(open(&again, &key), None, "the same key is agreed on twice");
            }
        }
    }

    #[test]
    fn its_header_cannot_be_exchanged() {
        let recipient = jwk(&vectors::rfc7515_rs256());
        let jwe = encrypt(JWT, &recipient, KeyEncryption::RsaOaep256, ContentEncryption::A128Gcm, &FRESH).unwrap();
        assert!(open(&jwe, &FRESH[..16]).is_some());
        let (_, rest) = jwe.split_once('.').unwrap();
        let other = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"RSA-OAEP-256","enc":"A128GCM"}"#);
        assert_eq!(open(&format!("{other}.{rest}"), &FRESH[..16]), None);
    }

    #[test]
    fn a_key_that_is_for_something_else_is_not_used() {
        let mut for_signatures = vectors::rfc7515_rs256();
        for_signatures["use"] = json!("sig");
        for (key, alg) in [
            (for_signatures, KeyEncryption::RsaOaep256),
            (vectors::rfc7515_rs256(), KeyEncryption::EcdhEs),
            (vectors::rfc7515_es256(), KeyEncryption::RsaOaep256),
            (vectors::rfc8037_ed25519(), KeyEncryption::EcdhEs),
        ] {
            let said = encrypt(JWT, &jwk(&key), alg, ContentEncryption::A256Gcm, &FRESH).unwrap_err().to_string();
            assert!(said.contains(&format!("not for {alg}")), "{key}: {said}");
        }
    }
}
