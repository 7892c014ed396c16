//! One of the provider's key pairs: made, read, and signed with.

use anyhow::{Context as _, bail};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use zeroize::Zeroizing;

use super::jwk::{Curve, Jwk, Material};
use crate::protocol::algorithm::JwsAlgorithm;

/// What is signed so often that its header is encoded once.
const USUAL_TYPES: [&str; 2] = ["JWT", "at+jwt"];

/// A key pair for one algorithm, with its public part and the headers of what it signs.
pub(super) struct SigningPair {
    pair: Pair,
    random: SystemRandom,
    algorithm: JwsAlgorithm,
    public: Jwk,
    kid: String,
    /// For each usual `typ` the first part of a JWS: the encoded header and a dot.
    headers: Vec<(&'static str, String)>,
}

enum Pair {
    Es256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
}

impl std::fmt::Debug for SigningPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningPair").field("algorithm", &self.algorithm).field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// The header of what we sign (RFC 7515 4).
#[derive(Serialize)]
struct Header<'a> {
    alg: JwsAlgorithm,
    typ: &'a str,
    kid: &'a str,
}

impl SigningPair {
    /// Makes a new one, and says what to keep of it (PKCS #8). RSA takes a good part of a second.
    pub(super) fn generate(algorithm: JwsAlgorithm) -> anyhow::Result<(Self, Zeroizing<Vec<u8>>)> {
        let der = match algorithm {
            JwsAlgorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?.to_pkcs8v1()?.as_ref().to_vec(),
            JwsAlgorithm::EdDsa | JwsAlgorithm::Ed25519 => Ed25519KeyPair::generate()?.to_pkcs8v1()?.as_ref().to_vec(),
            JwsAlgorithm::Ps256 | JwsAlgorithm::Rs256 => {
                let der: Pkcs8V1Der<'_> = RsaKeyPair::generate(KeySize::Rsa2048)?.as_der()?;
                der.as_ref().to_vec()
            }
            JwsAlgorithm::Hs256 => bail!("HS256 has no key pair"),
        };
        let der = Zeroizing::new(der);
        Ok((Self::from_pkcs8(algorithm, &der)?, der))
    }

    /// Reads what was kept.
    pub(super) fn from_pkcs8(algorithm: JwsAlgorithm, der: &[u8]) -> anyhow::Result<Self> {
        let is_not = || format!("this is not a key for {algorithm} in PKCS #8");
        let (pair, material) = match algorithm {
            JwsAlgorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok().with_context(is_not)?;
                let bytes = pair.public_key().as_ref().to_vec();
                (Pair::Es256(pair), Material::Point { curve: Curve::P256, bytes })
            }
            JwsAlgorithm::EdDsa | JwsAlgorithm::Ed25519 => {
                let pair = Ed25519KeyPair::from_pkcs8(der).ok().with_context(is_not)?;
                let bytes = pair.public_key().as_ref().to_vec();
                (Pair::Ed25519(pair), Material::Point { curve: Curve::Ed25519, bytes })
            }
            JwsAlgorithm::Ps256 | JwsAlgorithm::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(der).ok().with_context(is_not)?;
                let (n, e) = modulus_and_exponent(pair.public_key().as_ref()).with_context(is_not)?;
                let encoding: &dyn RsaEncoding = if algorithm == JwsAlgorithm::Ps256 { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                (Pair::Rsa(pair, encoding), Material::Rsa { n, e })
            }
            JwsAlgorithm::Hs256 => bail!("HS256 has no key pair"),
        };
        let public = Jwk::signing(algorithm, material);
        let kid = public.thumbprint();
        let headers = USUAL_TYPES.into_iter().map(|typ| Ok((typ, header(algorithm, typ, &kid)?))).collect::<serde_json::Result<_>>()?;
        Ok(Self { pair, random: SystemRandom::new(), algorithm, public, kid, headers })
    }

    pub(super) fn algorithm(&self) -> JwsAlgorithm {
        self.algorithm
    }

    /// RFC 7638 thumbprint of the key.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) fn public(&self) -> &Jwk {
        &self.public
    }

    /// Signs claims as a JWS in compact form (RFC 7515 7.1).
    pub(super) fn sign(&self, typ: &str, claims: &impl Serialize) -> anyhow::Result<String> {
        let mut jws = match self.headers.iter().find(|(usual, _)| *usual == typ) {
            Some((_, header)) => header.clone(),
            None => header(self.algorithm, typ, &self.kid)?,
        };
        BASE64_URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(claims)?, &mut jws);
        self.complete(&mut jws)?;
        Ok(jws)
    }

    /// Appends the signature over what is there.
    pub(super) fn complete(&self, jws: &mut String) -> anyhow::Result<()> {
        match &self.pair {
            Pair::Es256(pair) => {
                let signature = pair.sign(&self.random, jws.as_bytes())?;
                append(jws, signature.as_ref());
            }
            Pair::Ed25519(pair) => {
                let signature = pair.try_sign(jws.as_bytes())?;
                append(jws, signature.as_ref());
            }
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &self.random, jws.as_bytes(), &mut signature)?;
                append(jws, &signature);
            }
        }
        Ok(())
    }
}

fn header(alg: JwsAlgorithm, typ: &str, kid: &str) -> serde_json::Result<String> {
    Ok(BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&Header { alg, typ, kid })?) + ".")
}

fn append(jws: &mut String, signature: &[u8]) {
    jws.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(signature, jws);
}

/// Reads `RSAPublicKey` (RFC 8017 A.1.1): a sequence of two positive integers.
fn modulus_and_exponent(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    const SEQUENCE: u8 = 0x30;
    let (numbers, after) = der_value(SEQUENCE, der)?;
    let (modulus, rest) = der_integer(numbers)?;
    let (exponent, end) = der_integer(rest)?;
    (after.is_empty() && end.is_empty()).then_some((modulus, exponent))
}

/// A positive integer without the zero byte that keeps it positive, and what follows it.
fn der_integer(der: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    const INTEGER: u8 = 0x02;
    let (value, rest) = der_value(INTEGER, der)?;
    Some((value.strip_prefix(&[0]).unwrap_or(value).to_vec(), rest))
}

/// The value that begins here and has this tag (X.690 8.1), and what follows it.
fn der_value(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let [first, length, rest @ ..] = der else { return None };
    if *first != tag {
        return None;
    }
    let (length, rest) = match usize::from(*length) {
        short @ 0..0x80 => (short, rest),
        long => {
            let (length, rest) = rest.split_at_checked(long - 0x80)?;
            (length.iter().try_fold(0_usize, |sum, byte| sum.checked_mul(256)?.checked_add(usize::from(*byte)))?, rest)
        }
    };
    rest.split_at_checked(length)
}
