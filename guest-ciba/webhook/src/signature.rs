//! Signatures of Standard Webhooks 1.0: over `id.timestamp.body`, one for each key.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// A key to sign with.
pub enum Key {
    /// `whsec_…`: HMAC-SHA256, shared with the receiver.
    Shared(Vec<u8>),
    /// `whsk_…`: Ed25519, of which the receiver has the public half (`whpk_…`).
    Private(Box<SigningKey>),
}

impl FromStr for Key {
    /// What is wrong with it, in words that do not repeat it.
    type Err = &'static str;

    fn from_str(secret: &str) -> Result<Self, &'static str> {
        if let Some(encoded) = secret.strip_prefix("whsec_") {
            let bytes = decode(encoded)?;
            return match bytes.len() {
                24..=64 => Ok(Self::Shared(bytes)),
                _ => Err("a whsec_ secret stands for 24 to 64 bytes"),
            };
        }
        if let Some(encoded) = secret.strip_prefix("whsk_") {
            return private(&decode(encoded)?);
        }
        Err("must begin with whsec_ (HMAC-SHA256) or whsk_ (Ed25519)")
    }
}

fn decode(encoded: &str) -> Result<Vec<u8>, &'static str> {
    STANDARD.decode(encoded).map_err(|_| "what follows the prefix must be base64, with its padding")
}

/// Some tools write the 32 bytes of the seed, others the seed and the public key after it.
fn private(bytes: &[u8]) -> Result<Key, &'static str> {
    const LENGTH: &str = "a whsk_ key stands for 32 bytes, or for 64 with its public half";
    let (seed, public) = bytes.split_first_chunk::<32>().ok_or(LENGTH)?;
    let key = SigningKey::from_bytes(seed);
    match public.len() {
        0 => {}
        32 if public == key.verifying_key().as_bytes() => {}
        32 => return Err("the public half of this whsk_ key belongs to another key"),
        _ => return Err(LENGTH),
    }
    Ok(Key::Private(Box::new(key)))
}

/// The value of `webhook-signature`. `id` and `timestamp` must not contain a full stop.
pub fn sign(keys: &[Key], id: &str, timestamp: u64, body: &[u8]) -> String {
    let mut signed = format!("{id}.{timestamp}.").into_bytes();
    signed.extend_from_slice(body);
    let signatures: Vec<String> = keys.iter().map(|key| key.sign(&signed)).collect();
    signatures.join(" ")
}

impl Key {
    fn sign(&self, signed: &[u8]) -> String {
        match self {
            Self::Shared(secret) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
                mac.update(signed);
                format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
            }
            Self::Private(key) => format!("v1a,{}", STANDARD.encode(key.sign(signed).to_bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The vectors that the Standard Webhooks libraries test their signing with.
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIMESTAMP: u64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SHARED: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SHARED_SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const PRIVATE: &str = "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=";
    const PRIVATE_SIGNATURE: &str = "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag==";

    fn keys(secrets: &[&str]) -> Vec<Key> {
        secrets.iter().map(|secret| secret.parse().unwrap_or_else(|why| panic!("{why}"))).collect()
    }

    #[test]
    fn the_published_vectors_hold() {
        for (secrets, expected) in [
            (vec![SHARED], SHARED_SIGNATURE.to_owned()),
            (vec![PRIVATE], PRIVATE_SIGNATURE.to_owned()),
            (vec![SHARED, PRIVATE], format!("{SHARED_SIGNATURE} {PRIVATE_SIGNATURE}")),
        ] {
            assert_eq!(sign(&keys(&secrets), ID, TIMESTAMP, BODY), expected);
        }
    }

    #[test]
    fn a_private_key_may_carry_its_public_half() {
        let seed = STANDARD.decode(&PRIVATE["whsk_".len()..]).unwrap();
        let public = SigningKey::from_bytes(seed.as_slice().try_into().unwrap()).verifying_key();
        let both = format!("whsk_{}", STANDARD.encode([&seed[..], public.as_bytes()].concat()));
        assert_eq!(sign(&keys(&[&both]), ID, TIMESTAMP, BODY), PRIVATE_SIGNATURE);

        let foreign = format!("whsk_{}", STANDARD.encode([&seed[..], &[7; 32]].concat()));
        assert!(foreign.parse::<Key>().is_err());
    }

    #[test]
    fn what_is_no_secret_is_refused_without_repeating_it() {
        let short = format!("whsec_{}", STANDARD.encode([1; 23]));
        let long = format!("whsec_{}", STANDARD.encode([1; 65]));
        let half = format!("whsk_{}", STANDARD.encode([1; 31]));
        for secret in ["", "hunter2", "whsec_", "whsec_not base64", "whpk_AAAA", &short, &long, &half] {
            let Err(why) = secret.parse::<Key>() else { panic!("{secret} was taken") };
            assert!(secret.len() < 7 || !why.contains(secret), "{why}");
        }
    }
}
