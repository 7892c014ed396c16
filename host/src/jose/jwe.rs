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
