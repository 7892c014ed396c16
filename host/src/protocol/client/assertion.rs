//! What an assertion by which a client proves who it is must say (RFC 7523 3, OpenID Connect Core 9).

use jiff::Timestamp;

use crate::protocol::claims::{Claims, SKEW};

/// The longest time for which an assertion can be good, in seconds. It is remembered that long, because it works once.
const LIFETIME_MAX: i64 = 60 * 60;
/// Longest `jti` in bytes.
const JTI_LENGTH_MAX: usize = 256;

/// An assertion that says what it must. It proves who the client is if its signature does and it was not used before.
#[derive(Debug, PartialEq, Eq)]
pub struct Assertion<'a> {
    /// By which it is known again.
    pub jti: &'a str,
    /// Until when it has to be remembered.
    pub remember_until: Timestamp,
}

/// Checks what it says for this client. `audiences` are the names by which it may call us.
///
/// # Errors
/// The first rule that it breaks.
pub fn check<'a>(claims: Claims<'a>, client: &str, audiences: &Audiences<'_>, now: Timestamp) -> Result<Assertion<'a>, String> {
    // RFC 7523 3, numbers 1 and 2.
    for name in ["iss", "sub"] {
        if claims.text(name)? != client {
            return Err(format!("{name} is not the client_id"));
        }
    }
    // Number 3.
    audiences.check(claims)?;
    // Numbers 4 to 6.
    let ends = claims.in_force(now)?;
    if ends > now.as_second() + LIFETIME_MAX + SKEW {
        return Err(format!("exp is more than {} minutes ahead", LIFETIME_MAX / 60));
    }
    // Number 7; OpenID Connect Core 9 requires it.
    let jti = claims.text("jti")?;
    if jti.len() > JTI_LENGTH_MAX {
        return Err(format!("jti is longer than {JTI_LENGTH_MAX} bytes"));
    }
    let remember_until = Timestamp::from_second(ends + SKEW).unwrap_or(Timestamp::MAX);
    Ok(Assertion { jti, remember_until })
}

/// The names by which an assertion may call us (CIBA Core 7.1).
#[derive(Debug)]
pub struct Audiences<'a> {
    /// The issuer.
    pub issuer: &'a str,
    /// Endpoints, and the same under the name that asks for certificates.
    pub endpoints: &'a [String],
    /// Whether only the issuer is good, as one text (FAPI 2 Security Profile 5.3.2.1, number 8).
    pub issuer_only: bool,
}

impl Audiences<'_> {
    fn check(&self, claims: Claims<'_>) -> Result<(), String> {
        let named = claims.audience()?;
        if self.issuer_only {
            let only = named == [self.issuer] && claims.0["aud"].is_string();
            return if only { Ok(()) } else { Err("aud must be the issuer, and nothing else".to_owned()) };
        }
        let ours = |name: &&str| *name == self.issuer || self.endpoints.iter().any(|endpoint| endpoint == name);
        if named.iter().any(ours) { Ok(()) } else { Err("aud names neither the issuer nor the endpoint that is called".to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn good() -> Value {
        json!({ "iss": "bank", "sub": "bank", "aud": "https://op.example/token", "exp": NOW + 60, "iat": NOW, "jti": "one" })
    }

    fn said(claims: &Value, issuer_only: bool) -> Result<i64, String> {
        let endpoints = ["https://op.example/token".to_owned(), "https://op.example/bc-authorize".to_owned()];
        let audiences = Audiences { issuer: "https://op.example", endpoints: &endpoints, issuer_only };
        let now = Timestamp::from_second(NOW).unwrap();
        check(Claims(claims.as_object().unwrap()), "bank", &audiences, now).map(|assertion| assertion.remember_until.as_second() - NOW)
    }

    #[test]
    fn each_rule_is_checked() {
        assert_eq!(said(&good(), false), Ok(120));
        for (name, value, what) in [
            ("iss", json!("other"), "iss is not the client_id"),
            ("sub", json!("other"), "sub is not the client_id"),
            ("iss", Value::Null, "iss is not text"),
            ("aud", json!("https://other.example"), "aud names neither"),
            ("aud", json!(["https://other.example"]), "aud names neither"),
            ("aud", json!([7]), "aud is neither text"),
            ("aud", json!(7), "aud is neither text"),
            ("exp", json!(NOW - 60), "exp is in the past"),
            ("exp", json!(NOW + 3_661), "more than 60 minutes ahead"),
            ("exp", json!("soon"), "exp is not a number"),
            ("nbf", json!(NOW + 61), "nbf is in the future"),
            ("iat", json!(NOW + 61), "iat is in the future"),
            ("jti", json!(""), "jti is not text"),
            ("jti", json!("x".repeat(257)), "jti is longer"),
        ] {
            let mut claims = good();
            claims[name] = value.clone();
            let error = said(&claims, false).unwrap_err();
            assert!(error.contains(what), "{name} {value}: {error}");
        }
        for name in ["iss", "sub", "aud", "exp", "jti"] {
            let mut claims = good();
            claims.as_object_mut().unwrap().remove(name);
            assert_eq!(said(&claims, false).unwrap_err(), format!("{name} is missing"));
        }
        // RFC 7523 3: iat is optional, and clocks differ.
        for (name, value) in [("iat", Value::Null), ("exp", json!(NOW - 59)), ("nbf", json!(NOW + 60)), ("exp", json!(NOW as f64 + 0.5))] {
            let mut claims = good();
            claims[name] = value;
            if claims[name].is_null() {
                claims.as_object_mut().unwrap().remove(name);
            }
            assert!(said(&claims, false).is_ok(), "{name}");
        }
    }

    #[test]
    fn every_name_of_ours_is_an_audience_unless_only_the_issuer_is() {
        for (audience, lenient, strict) in [
            (json!("https://op.example"), true, true),
            (json!(["https://op.example"]), true, false),
            (json!("https://op.example/token"), true, false),
            (json!("https://op.example/bc-authorize"), true, false),
            (json!(["https://other.example", "https://op.example"]), true, false),
            (json!("https://op.example/"), false, false),
            (json!([]), false, false),
        ] {
            let mut claims = good();
            claims["aud"] = audience.clone();
            assert_eq!((said(&claims, false).is_ok(), said(&claims, true).is_ok()), (lenient, strict), "{audience}");
        }
    }
}
