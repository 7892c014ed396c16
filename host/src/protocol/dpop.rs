//! What a DPoP proof must say (RFC 9449 4.3). That its signature is of the key it brings along was checked before.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use url::Url;

use super::claims::{Claims, SKEW};
use super::identifier::Digest;

/// `typ` of a proof.
pub const TYPE: &str = "dpop+jwt";
/// How old a proof can be, in seconds, where no nonce says that it is fresh.
pub const AGE_MAX: i64 = 60;
/// Longest `jti` in bytes.
const JTI_LENGTH_MAX: usize = 256;

/// What is asked, for which the proof must have been made.
pub struct Asked<'a> {
    /// The method of the request.
    pub method: &'a str,
    /// The address of the endpoint, under each of our names.
    pub addresses: &'a [String],
    /// The access token that comes with it, at a protected resource.
    pub access_token: Option<&'a str>,
}

impl std::fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Asked({} {}, [redacted])", self.method, self.addresses.join(" or "))
    }
}

/// A proof that says what it must. It proves possession if it was not used before, and its nonce is ours.
#[derive(Debug, PartialEq, Eq)]
pub struct Proof<'a> {
    /// By which it is known again.
    pub jti: &'a str,
    /// The nonce that we gave out, or another.
    pub nonce: Option<&'a str>,
    /// Until when it has to be remembered.
    pub remember_until: Timestamp,
}

/// Checks what it says.
///
/// # Errors
/// The first rule that it breaks.
pub fn check<'a>(typ: Option<&str>, claims: Claims<'a>, asked: &Asked<'_>, now: Timestamp) -> Result<Proof<'a>, String> {
    // RFC 9449 4.3, numbers 4 to 11.
    if !typ.is_some_and(|typ| typ.eq_ignore_ascii_case(TYPE)) {
        return Err(format!("the typ of the proof must be {TYPE}"));
    }
    let jti = claims.text("jti")?;
    if jti.len() > JTI_LENGTH_MAX {
        return Err(format!("jti is longer than {JTI_LENGTH_MAX} bytes"));
    }
    if claims.text("htm")? != asked.method {
        return Err("htm is not the method of this request".to_owned());
    }
    let address = claims.text("htu")?;
    if !asked.addresses.iter().any(|ours| is_same_address(address, ours)) {
        return Err("htu is not the address of this endpoint".to_owned());
    }
    let made = claims.required_time("iat")?;
    let age = now.as_second().saturating_sub(made);
    if !(-SKEW..=AGE_MAX + SKEW).contains(&age) {
        return Err("iat is too far from now".to_owned());
    }
    let nonce = match claims.0.get("nonce") {
        None => None,
        Some(_) => Some(claims.text("nonce")?),
    };
    if let Some(token) = asked.access_token
        && claims.text("ath")? != access_token_hash(token)
    {
        return Err("ath is not the hash of the access token".to_owned());
    }
    let remember_until = Timestamp::from_second(made.saturating_add(AGE_MAX + 2 * SKEW)).unwrap_or(Timestamp::MAX);
    Ok(Proof { jti, nonce, remember_until })
}

/// `ath`: SHA-256 of the access token, base64url (RFC 9449 4.2).
pub fn access_token_hash(token: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Digest::of(token.as_bytes()).0)
}

/// Whether both are the same address, without query and fragment (RFC 9449 4.3, number 9).
fn is_same_address(proof: &str, ours: &str) -> bool {
    if proof == ours {
        return true;
    }
    let plain = |text: &str| {
        let mut url = Url::parse(text).ok()?;
        url.set_query(None);
        url.set_fragment(None);
        Some(url)
    };
    plain(proof).is_some_and(|proof| Some(proof) == plain(ours))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn good() -> Value {
        json!({ "jti": "one", "htm": "POST", "htu": "https://op.example/token", "iat": NOW, "ath": access_token_hash("token") })
    }

    fn said(typ: Option<&str>, claims: &Value) -> Result<(), String> {
        let addresses = ["https://op.example/token".to_owned(), "https://mtls.op.example/token".to_owned()];
        let asked = Asked { method: "POST", addresses: &addresses, access_token: Some("token") };
        check(typ, Claims(claims.as_object().unwrap()), &asked, Timestamp::from_second(NOW).unwrap()).map(drop)
    }

    #[test]
    fn each_rule_is_checked() {
        assert_eq!(said(Some("dpop+jwt"), &good()), Ok(()));
        for typ in [None, Some("JWT"), Some("at+jwt")] {
            assert!(said(typ, &good()).unwrap_err().contains("typ"));
        }
        for (name, value, what) in [
            ("jti", Some(json!("")), "jti is not text"),
            ("jti", Some(json!("x".repeat(257))), "jti is longer"),
            ("jti", None, "jti is missing"),
            ("htm", Some(json!("GET")), "htm is not the method"),
            ("htm", Some(json!("post")), "htm is not the method"),
            ("htm", None, "htm is missing"),
            ("htu", Some(json!("https://op.example/other")), "htu is not the address"),
            ("htu", Some(json!("http://op.example/token")), "htu is not the address"),
            ("htu", Some(json!("not a url")), "htu is not the address"),
            ("iat", Some(json!(NOW - AGE_MAX - SKEW - 1)), "iat is too far"),
            ("iat", Some(json!(NOW + SKEW + 1)), "iat is too far"),
            ("iat", Some(json!(i64::MIN)), "iat"),
            ("iat", Some(json!("now")), "iat is not a number"),
            ("nonce", Some(json!(7)), "nonce is not text"),
            ("ath", Some(json!("other")), "ath is not the hash"),
            ("ath", None, "ath is missing"),
        ] {
            let mut claims = good();
            match value.clone() {
                Some(value) => claims[name] = value,
                None => drop(claims.as_object_mut().unwrap().remove(name)),
            }
            let error = said(Some("dpop+jwt"), &claims).unwrap_err();
            assert!(error.contains(what), "{name} {value:?}: {error}");
        }
    }

    #[test]
    fn an_access_token_is_not_shown() {
        let asked = Asked { method: "GET", addresses: &["https://op.example/userinfo".to_owned()], access_token: Some("secret") };
        assert_eq!(format!("{asked:?}"), "Asked(GET https://op.example/userinfo, [redacted])");
    }

    #[test]
    fn an_address_is_compared_as_an_address() {
        for (address, same) in [
            ("https://op.example/token", true),
            ("https://mtls.op.example/token", true),
            ("https://OP.example:443/token", true),
            ("https://op.example/token?x=1#y", true),
            ("https://op.example/Token", false),
            ("https://op.example:444/token", false),
        ] {
            let mut claims = good();
            claims["htu"] = json!(address);
            assert_eq!(said(Some("dpop+jwt"), &claims).is_ok(), same, "{address}");
        }
    }
}
