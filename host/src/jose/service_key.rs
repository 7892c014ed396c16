//! Private keys that services hand out to those who call them. What is signed with one is for that service, which says
//! how header and claims look.

use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::import;
use super::pair::SigningPair;
use crate::protocol::algorithm::JwsAlgorithm;

/// A private key of a service.
#[derive(Debug)]
pub struct ServiceKey(SigningPair);

impl ServiceKey {
    /// Reads a P-256 key, for ES256: PEM (PKCS #8 or SEC 1), a JWK, or its 32 bytes in base64url.
    ///
    /// # Errors
    /// What was expected, in words that repeat nothing of it.
    pub fn es256(text: &str) -> Result<Self, String> {
        let der = match older_pem(text, "EC") {
            Some(der) => import::p256_of_sec1(&der?),
            None => match bare(text) {
                Some(number) => import::p256_of_scalar(&number?),
                None => usual(text)?,
            },
        };
        let pair = SigningPair::from_pkcs8(JwsAlgorithm::Es256, &der);
        pair.map(Self).map_err(|_| "is no private key of the curve P-256, as ES256 takes".to_owned())
    }

    /// Reads an RSA key, for RS256: PEM (PKCS #8 or PKCS #1), or a JWK.
    ///
    /// # Errors
    /// What was expected, in words that repeat nothing of it.
    pub fn rs256(text: &str) -> Result<Self, String> {
        let der = match older_pem(text, "RSA") {
            Some(der) => import::rsa_of_pkcs1(&der?),
            None => usual(text)?,
        };
        let pair = SigningPair::from_pkcs8(JwsAlgorithm::Rs256, &der);
        pair.map(Self).map_err(|_| "is no private RSA key of 2048 bits or more, as RS256 takes".to_owned())
    }

    /// Signs as a JWS in compact form (RFC 7515 7.1). `alg` is added to the header.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn sign(&self, mut header: Map<String, Value>, claims: &Value) -> anyhow::Result<Zeroizing<String>> {
        header.insert("alg".to_owned(), self.0.algorithm().as_str().into());
        let mut jws = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header)?);
        jws.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(claims)?, &mut jws);
        self.0.complete(&mut jws)?;
        Ok(jws.into())
    }

    /// The public half of a P-256 key, as RFC 8292 3.2 has it: the uncompressed point in base64url.
    pub fn public_point(&self) -> Option<String> {
        self.0.public().p256_point().map(|point| BASE64_URL_SAFE_NO_PAD.encode(point))
    }
}

/// PKCS #8 in PEM, or a JWK. What is neither is said without the lines of PEM: those of a secret are blanked in logs.
fn usual(text: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    if text.contains("-----BEGIN ENCRYPTED") {
        return Err("is encrypted: write it with openssl pkcs8 -topk8 -nocrypt".to_owned());
    }
    if !text.contains("-----BEGIN PRIVATE") && !text.trim_start().starts_with('{') {
        return Err("is no private key: neither PEM, nor a JWK, nor the bytes of a P-256 key in base64url".to_owned());
    }
    import::private_key(text)
}

/// What a PEM of this older kind holds, if it is one.
fn older_pem(text: &str, kind: &str) -> Option<Result<Zeroizing<Vec<u8>>, String>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {kind} PRIVATE KEY-----"))?;
    let Some((lines, _)) = rest.split_once(&format!("-----END {kind} PRIVATE KEY-----")) else {
        return Some(Err("has a first line of PEM and no last one".to_owned()));
    };
    // `DEK-Info: …` says how it is encrypted.
    if lines.contains(':') {
        return Some(Err("is encrypted: write it with openssl pkcs8 -topk8 -nocrypt".to_owned()));
    }
    let base64: Zeroizing<String> = Zeroizing::new(lines.split_whitespace().collect());
    let der = BASE64_STANDARD.decode(base64.as_bytes()).map(Zeroizing::new);
    Some(der.map_err(|_| "is not base64 between its first and last line".to_owned()))
}

/// The bytes of a P-256 key and nothing else, as web push libraries write them.
fn bare(text: &str) -> Option<Result<Zeroizing<Vec<u8>>, String>> {
    const LENGTH: usize = 32;
    let decoded = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(text.trim().trim_end_matches('=')).ok()?);
    let fits = decoded.len() == LENGTH;
    let what = || format!("is base64url of {} bytes, and a private key has {LENGTH}", decoded.len());
    Some(if fits { Ok(decoded) } else { Err(what()) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::{UnverifiedJws, vectors};

    /// Made with OpenSSL, and written by it in both ways.
    const SEC1: &str = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n-----BEGIN EC PRIVATE KEY-----\n\
        MHcCAQEEINZQCbYcCO93dW0JvZo9zS/rSgah25mt6xpJg92XdWTMoAoGCCqGSM49\nAwEHoUQDQgAElgMnVAi4gcYItJr1DJJgqpMcqmC4A17yjFM8rJ7fDweX8wOer+kp\n\
        q9Ik/fA2CxlaUZL9KRgze7sr95EXblVmxg==\n-----END EC PRIVATE KEY-----\n";
    const PKCS8: &str = "-----BEGIN PRIVATE KEY-----\n\
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg1lAJthwI73d1bQm9\nmj3NL+tKBqHbma3rGkmD3Zd1ZMyhRANCAASWAydUCLiBxgi0mvUMkmCqkxyqYLgD\n\
        XvKMUzysnt8PB5fzA56v6Smr0iT98DYLGVpRkv0pGDN7uyv3kRduVWbG\n-----END PRIVATE KEY-----\n";
    const NUMBER: &str = "1lAJthwI73d1bQm9mj3NL-tKBqHbma3rGkmD3Zd1ZMw";
    const POINT: &str = "BJYDJ1QIuIHGCLSa9QySYKqTHKpguANe8oxTPKye3w8Hl_MDnq_pKavSJP3wNgsZWlGS_SkYM3u7K_eRF25VZsY";

    fn pem(kind: &str, der: &[u8]) -> String {
        format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----", BASE64_STANDARD.encode(der))
    }

    fn key_of(kind: &str) -> Value {
        vectors::private_keys().into_iter().map(|(key, _)| key).find(|key| key["kty"] == kind).unwrap()
    }

    fn verifies(key: &ServiceKey) -> bool {
        let jws = key.sign(Map::new(), &json!({"aud": "https://push.example"})).unwrap();
        let jws = UnverifiedJws::parse(&jws).unwrap();
        jws.verify_with(key.0.public(), &[JwsAlgorithm::Es256, JwsAlgorithm::Rs256]).is_ok()
    }

    #[test]
    fn a_p256_key_is_the_same_in_every_way_it_is_handed_out() {
        let alone = import::p256_of_scalar(&BASE64_URL_SAFE_NO_PAD.decode(NUMBER).unwrap());
        for text in [SEC1, PKCS8, NUMBER, &format!("{NUMBER}=\n"), &pem("PRIVATE KEY", &alone)] {
            let key = ServiceKey::es256(text).unwrap();
            assert_eq!(key.public_point().as_deref(), Some(POINT), "{text}");
            assert!(verifies(&key));
        }
        assert!(verifies(&ServiceKey::es256(&key_of("EC").to_string()).unwrap()));
    }

    #[test]
    fn an_rsa_key_is_read_in_both_kinds_of_pem() {
        let pkcs8 = import::private_key(&key_of("RSA").to_string()).unwrap();
        // The key begins after two lengths of two bytes, the version and the algorithm.
        let pkcs1 = &pkcs8[26..];
        for text in [pem("PRIVATE KEY", &pkcs8), pem("RSA PRIVATE KEY", pkcs1), key_of("RSA").to_string()] {
            assert!(verifies(&ServiceKey::rs256(&text).unwrap()));
        }
    }

    #[test]
    fn a_wrong_key_is_said_without_repeating_it() {
        let ed25519 = pem("PRIVATE KEY", &import::private_key(&key_of("OKP").to_string()).unwrap());
        let encrypted = SEC1.replace("PRIVATE KEY-----\nMHc", "PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nMHc");
        for (text, says) in [
            ("hush hush", "is no private key: neither PEM, nor a JWK"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nhush\n-----END ENCRYPTED PRIVATE KEY-----", "is encrypted"),
            (&NUMBER[..40], "is base64url of 30 bytes, and a private key has 32"),
            (POINT, "is base64url of 65 bytes"),
            (SEC1.trim_end_matches("-----END EC PRIVATE KEY-----\n"), "no last one"),
            (&encrypted, "is encrypted"),
            (&SEC1.replace("MHc", "!!!"), "is not base64"),
            (&SEC1.replace("MHc", "MHx"), "P-256"),
            (&ed25519, "P-256"),
            (&key_of("RSA").to_string(), "P-256"),
        ] {
            let what = ServiceKey::es256(text).unwrap_err();
            assert!(what.contains(says), "{text}: {what}");
            assert!(!what.contains("hush") && !what.contains(&NUMBER[..8]), "{what}");
        }
        let what = ServiceKey::rs256(PKCS8).unwrap_err();
        assert_eq!(what, "is no private RSA key of 2048 bits or more, as RS256 takes");
    }
}
