//! Signatures of Standard Webhooks 1.0.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

/// Signs with what a secret stands for: `whsec_…` is a key that the receiver has too, `whsk_…` one of which it has the
/// public half.
///
/// # Errors
/// What is wrong with the secret, in words that do not repeat it.
pub(super) fn sign(secret: &str, message: &[u8]) -> Result<String, &'static str> {
    if let Some(encoded) = secret.strip_prefix("whsec_") {
        let bytes = decode(encoded)?;
        if !(24..=64).contains(&bytes.len()) {
            return Err("a whsec_ secret stands for 24 to 64 bytes");
        }
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &bytes), message);
        return Ok(format!("v1,{}", BASE64_STANDARD.encode(signature)));
    }
    if let Some(encoded) = secret.strip_prefix("whsk_") {
        let signature = private(&decode(encoded)?)?.sign(message);
        return Ok(format!("v1a,{}", BASE64_STANDARD.encode(signature)));
    }
    Err("must begin with whsec_ (HMAC-SHA256) or whsk_ (Ed25519)")
}

fn decode(encoded: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let decoded = BASE64_STANDARD.decode(encoded).map(Zeroizing::new);
    decoded.map_err(|_| "what follows the prefix must be base64, with its padding")
}

/// Some tools write the 32 bytes of the seed, others the seed and the public key after it.
fn private(bytes: &[u8]) -> Result<Ed25519KeyPair, &'static str> {
    const LENGTH: &str = "a whsk_ key stands for 32 bytes, or for 64 with its public half";
    let (seed, public) = bytes.split_at_checked(32).ok_or(LENGTH)?;
    match public.len() {
        0 => Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| LENGTH),
        32 => {
            let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public);
            pair.map_err(|_| "the public half of this whsk_ key belongs to another key")
        }
        _ => Err(LENGTH),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::KeyPair as _;

    // The vectors that the Standard Webhooks libraries test their signing with.
    const MESSAGE: &[u8] = br#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#;
    const SHARED: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SHARED_SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const PRIVATE: &str = "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=";
    const PRIVATE_SIGNATURE: &str = "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag==";

    #[test]
    fn the_published_vectors_hold() {
        for (secret, expected) in [(SHARED, SHARED_SIGNATURE), (PRIVATE, PRIVATE_SIGNATURE)] {
            assert_eq!(sign(secret, MESSAGE).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_private_key_may_carry_its_public_half() {
        let seed = BASE64_STANDARD.decode(&PRIVATE["whsk_".len()..]).unwrap();
        let public = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap().public_key().as_ref().to_vec();
        let both = format!("whsk_{}", BASE64_STANDARD.encode([&seed[..], &public].concat()));
        assert_eq!(sign(&both, MESSAGE).as_deref(), Ok(PRIVATE_SIGNATURE));

        let foreign = format!("whsk_{}", BASE64_STANDARD.encode([&seed[..], &[7; 32]].concat()));
        assert_eq!(sign(&foreign, MESSAGE), Err("the public half of this whsk_ key belongs to another key"));
    }

    #[test]
    fn what_is_no_secret_is_refused_without_repeating_it() {
        let short = format!("whsec_{}", BASE64_STANDARD.encode([1; 23]));
        let long = format!("whsec_{}", BASE64_STANDARD.encode([1; 65]));
        let half = format!("whsk_{}", BASE64_STANDARD.encode([1; 31]));
        for secret in ["", "hunter2", "whsec_", "whsec_not base64", "whpk_AAAA", &short, &long, &half] {
            let Err(why) = sign(secret, MESSAGE) else { panic!("{secret} was taken") };
            assert!(secret.len() < 7 || !why.contains(secret), "{why}");
        }
    }
}
