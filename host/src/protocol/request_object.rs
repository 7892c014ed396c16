//! The signed form of an authentication request (CIBA Core 7.1.1, RFC 9101): what its claims must say.
//!
//! The signature has been verified by whoever asks here; these are the rules that remain. A wrong request object is
//! `invalid_request`, whatever is wrong with it.

use jiff::Timestamp;
use serde_json::Value;

use super::algorithm::JwsAlgorithm;
use super::backchannel::{PARAMETERS, Parameters};
use super::claims::Claims;
use super::client::ClientMetadata;
use super::error::{ErrorCode, ProtocolError};
use super::form::Form;
use super::identifier::{ClientId, Digest};

/// The longest time between `nbf` and `exp`, in seconds (FAPI-CIBA 5.2.2, number 9).
const LIFETIME_MAX: i64 = 60 * 60;
/// How old `nbf` may be, in seconds (FAPI 1 Advanced 5.2.2, number 17).
const AGE_MAX: i64 = 60 * 60;
/// How far ahead of ours a client's clock may be, in seconds.
const AHEAD_MAX: i64 = 60;
/// The longest `jti`, in bytes.
const JTI_LENGTH_MAX: usize = 256;
/// How a signed request is marked, where it is (RFC 9101 10.8; the prefix may be left out, RFC 7515 4.1.9).
const TYPE: &str = "oauth-authz-req+jwt";

/// What is used up when the request is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Of the client and the `jti`.
    pub digest: Digest,
    /// Until when it has to be remembered: after that the request object has expired.
    pub until: Timestamp,
}

/// How the client has to send its requests, and what it sent. That we do not support them (`request_not_supported` in
/// OpenID Connect Core 3.1.2.6) would be untrue, and is no error of CIBA Core 13.
///
/// # Errors
/// When it sent a request object and registered none, or sent none and registered that it does.
pub fn of<'a>(form: &'a Form, client: &ClientMetadata) -> Result<Option<(&'a str, JwsAlgorithm)>, ProtocolError> {
    match (form.value("request"), client.backchannel_authentication_request_signing_alg) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(ProtocolError::new(
            ErrorCode::InvalidRequest,
            "request: the client did not register backchannel_authentication_request_signing_alg",
        )),
        (None, Some(_)) => Err(ProtocolError::new(
            ErrorCode::InvalidRequest,
            "request is missing: the client registered backchannel_authentication_request_signing_alg, and so signs its requests",
        )),
        (Some(request), Some(algorithm)) => Ok(Some((request, algorithm))),
    }
}

/// A request object, with everything it is held against.
struct Presented<'a> {
    claims: Claims<'a>,
    typ: Option<&'a str>,
    beside: &'a Form,
    client: &'a str,
    issuer: &'a str,
    now: i64,
}

/// One of them: what it finds wrong, if anything.
type Rule = fn(&Presented<'_>) -> Result<(), String>;

/// The rules, in the order in which they are checked. Each has its own words.
const RULES: &[Rule] = &[
    // RFC 9101 10.8, RFC 8725 3.11: a JWT that says it is something else was made for something else.
    |presented| {
        let Some(typ) = presented.typ.map(str::to_ascii_lowercase) else { return Ok(()) };
        rule(typ.strip_prefix("application/").unwrap_or(&typ) == TYPE, || format!("its typ is neither absent nor {TYPE}"))
    },
    // CIBA Core 7.1.1: what is signed and what is not would be two requests.
    |presented| match PARAMETERS.iter().find(|name| Parameters::Form(presented.beside).has(name)) {
        Some(name) => Err(format!("{name} stands beside it, and belongs into it")),
        None => Ok(()),
    },
    // RFC 9101 4: no request in the request.
    |presented| match ["request", "request_uri"].iter().find(|name| presented.claims.0.contains_key(**name)) {
        Some(name) => Err(format!("{name} stands in it")),
        None => Ok(()),
    },
    |presented| rule(presented.claims.text("iss")? == presented.client, || "its iss is not the client_id".to_owned()),
    // RFC 9101 5.2: where it names the client, it is this one.
    |presented| match presented.claims.0.get("client_id") {
        Some(id) => rule(id.as_str() == Some(presented.client), || "its client_id is another client's".to_owned()),
        None => Ok(()),
    },
    |presented| rule(presented.claims.audience()?.contains(&presented.issuer), || "its aud does not name the issuer".to_owned()),
    |presented| jti(presented.claims).map(|_| ()),
    |presented| rule(seconds(presented, "iat")? <= presented.now + AHEAD_MAX, || "its iat is in the future".to_owned()),
    |presented| rule(seconds(presented, "nbf")? <= presented.now + AHEAD_MAX, || "its nbf is in the future".to_owned()),
    |presented| {
        let age = presented.now.saturating_sub(seconds(presented, "nbf")?);
        rule(age <= AGE_MAX, || format!("its nbf is more than {} minutes old", AGE_MAX / 60))
    },
    // No leeway: the client chose its end, and can choose a later one.
    |presented| rule(seconds(presented, "exp")? > presented.now, || "it has expired".to_owned()),
    |presented| {
        let lifetime = seconds(presented, "exp")?.saturating_sub(seconds(presented, "nbf")?);
        rule(lifetime <= LIFETIME_MAX, || format!("its exp is more than {} minutes after its nbf", LIFETIME_MAX / 60))
    },
];

/// Checks a request object of `client` whose signature was verified. `typ` is of its header, `beside` the form it came in.
///
/// # Errors
/// `invalid_request` with the first rule that is broken.
pub fn check(
    claims: Claims<'_>,
    typ: Option<&str>,
    beside: &Form,
    client: &ClientId,
    issuer: &str,
    now: Timestamp,
) -> Result<Identity, ProtocolError> {
    let presented = Presented { claims, typ, beside, client: client.as_str(), issuer, now: now.as_second() };
    RULES.iter().try_for_each(|rule| rule(&presented)).map_err(refused)?;
    let jti = jti(claims).map_err(refused)?;
    let until = seconds(&presented, "exp").map_err(refused)?;
    // A client_id has no line breaks, so that no two pairs make one text.
    let digest = Digest::of(format!("request object\n{client}\n{jti}").as_bytes());
    Ok(Identity { digest, until: Timestamp::from_second(until).unwrap_or(Timestamp::MAX) })
}

/// The refusal of a request object.
pub fn refused(what: impl std::fmt::Display) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidRequest, format!("request: {what}"))
}

fn rule(kept: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if kept { Ok(()) } else { Err(otherwise()) }
}

fn jti(claims: Claims<'_>) -> Result<&str, String> {
    let jti = claims.text("jti")?;
    rule(jti.len() <= JTI_LENGTH_MAX, || format!("its jti is longer than {JTI_LENGTH_MAX} bytes")).map(|()| jti)
}

/// A time that must be there, in whole seconds since 1970.
fn seconds(presented: &Presented<'_>, name: &str) -> Result<i64, String> {
    let value = presented.claims.0.get(name).ok_or_else(|| format!("{name} is missing"))?;
    value
        .as_i64()
        .filter(|_| !matches!(value, Value::String(_)))
        .ok_or_else(|| format!("{name} is not a whole number of seconds since 1970"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;
    const MINUTE: i64 = 60;

    fn good() -> Value {
        json!({
            "iss": "bank", "aud": "https://op.example", "iat": NOW, "nbf": NOW, "exp": NOW + 5 * MINUTE, "jti": "one",
            "scope": "openid", "login_hint": "alice"
        })
    }

    fn said(claims: &Value, typ: Option<&str>, beside: &str) -> Result<Identity, ProtocolError> {
        let form = Form::parse(beside.as_bytes()).ok().unwrap();
        let now = Timestamp::from_second(NOW).unwrap();
        check(Claims(claims.as_object().unwrap()), typ, &form, &"bank".into(), "https://op.example", now)
    }

    #[test]
    fn item_9_a_request_object_keeps_every_rule() {
        let changed = |name: &str, value: Value| {
            let mut claims = good();
            claims[name] = value;
            claims
        };
        let mut cases: Vec<(Value, Option<&str>)> = vec![
            (good(), None),
            (changed("aud", json!(["https://other.example", "https://op.example"])), None),
            (changed("aud", json!("https://op.example/")), Some("its aud does not name the issuer")),
            (changed("aud", json!("https://op.example/bc-authorize")), Some("its aud does not name the issuer")),
            (changed("aud", json!([])), Some("its aud does not name the issuer")),
            (changed("aud", json!(7)), Some("aud is neither")),
            (changed("iss", json!("other")), Some("its iss is not the client_id")),
            (changed("iss", json!(["bank"])), Some("iss is not text")),
            (changed("client_id", json!("bank")), None),
            (changed("client_id", json!("other")), Some("another client's")),
            (changed("jti", json!(7)), Some("jti is not text")),
            (changed("jti", json!("")), Some("jti is not text")),
            (changed("jti", json!("x".repeat(256))), None),
            (changed("jti", json!("x".repeat(257))), Some("its jti is longer")),
            (changed("request", json!("a.b.c")), Some("request stands in it")),
            (changed("request_uri", json!("https://bank.example/r")), Some("request_uri stands in it")),
            (changed("iat", json!(NOW + MINUTE)), None),
            (changed("iat", json!(NOW + MINUTE + 1)), Some("its iat is in the future")),
            (changed("nbf", json!(NOW + MINUTE)), None),
            (changed("nbf", json!(NOW + MINUTE + 1)), Some("its nbf is in the future")),
            (changed("exp", json!(NOW + 1)), None),
            (changed("exp", json!(NOW)), Some("it has expired")),
            (changed("exp", json!(NOW - 5 * MINUTE)), Some("it has expired")),
            (changed("exp", json!(NOW + 60 * MINUTE)), None),
            (changed("exp", json!(NOW + 60 * MINUTE + 1)), Some("its exp is more than 60 minutes after its nbf")),
            (changed("exp", json!(i64::MAX)), Some("its exp is more than 60 minutes after its nbf")),
            (changed("nbf", json!(i64::MIN)), Some("its nbf is more than 60 minutes old")),
            (changed("nbf", json!(NOW - 55 * MINUTE)), None),
            (changed("nbf", json!(NOW - 70 * MINUTE)), Some("its nbf is more than 60 minutes old")),
        ];
        for name in ["iss", "aud", "iat", "nbf", "exp", "jti"] {
            let mut claims = good();
            claims.as_object_mut().unwrap().remove(name);
            cases.push((claims, Some("is missing")));
        }
        for name in ["iat", "nbf", "exp"] {
            for value in [json!(NOW.to_string()), json!(NOW as f64 + 0.5), json!(true), json!(null), json!(u64::MAX)] {
                cases.push((changed(name, value), Some("is not a whole number of seconds")));
            }
        }
        for (claims, why) in cases {
            match (said(&claims, None, "request=x"), why) {
                (Ok(_), None) => {}
                (Err(error), Some(why)) => {
                    assert_eq!(error.code, ErrorCode::InvalidRequest, "{claims}");
                    assert!(error.description.contains(why), "{claims}: {}", error.description);
                }
                (said, _) => panic!("{claims}: {said:?}, not {why:?}"),
            }
        }
    }

    #[test]
    fn item_9_its_typ_is_absent_or_its_own_in_any_letters() {
        for (typ, good) in [
            (None, true),
            (Some("oauth-authz-req+jwt"), true),
            (Some("OAuth-Authz-Req+JWT"), true),
            (Some("application/oauth-authz-req+jwt"), true),
            (Some("Application/OAUTH-AUTHZ-REQ+JWT"), true),
            (Some("JWT"), false),
            (Some("at+jwt"), false),
            (Some("dpop+jwt"), false),
            (Some("text/oauth-authz-req+jwt"), false),
            (Some(""), false),
        ] {
            assert_eq!(said(&self::good(), typ, "request=x").is_ok(), good, "{typ:?}");
        }
    }

    #[test]
    fn item_9_nothing_of_the_request_stands_beside_it_but_what_proves_the_client() {
        let proof = "client_id=bank&client_secret=s&client_assertion=a.b.c&client_assertion_type=x&request=x";
        assert!(said(&good(), None, proof).is_ok());
        assert!(said(&good(), None, &format!("{proof}&something_else=x")).is_ok(), "RFC 6749 3.2: what is not known is left aside");
        for name in PARAMETERS {
            let error = said(&good(), None, &format!("{proof}&{name}=x")).unwrap_err();
            assert!(error.description.contains(&format!("{name} stands beside it")), "{}", error.description);
        }
    }

    #[test]
    fn item_9_its_jti_is_the_clients_own_and_is_remembered_until_it_expires() {
        let first = said(&good(), None, "request=x").unwrap();
        assert_eq!(first.until.as_second(), NOW + 5 * MINUTE);
        assert_eq!(first, said(&good(), None, "request=x").unwrap());
        let mut other = good();
        other["jti"] = json!("two");
        assert_ne!(first.digest, said(&other, None, "request=x").unwrap().digest);
        let form = Form::parse(b"request=x").ok().unwrap();
        other["jti"] = json!("one");
        other["iss"] = json!("shop");
        let now = Timestamp::from_second(NOW).unwrap();
        let shop = check(Claims(other.as_object().unwrap()), None, &form, &"shop".into(), "https://op.example", now).unwrap();
        assert_ne!(first.digest, shop.digest);
    }

    #[test]
    fn a_client_signs_its_requests_if_it_registered_that_and_only_then() {
        let signs =
            ClientMetadata { backchannel_authentication_request_signing_alg: Some(JwsAlgorithm::Ps256), ..ClientMetadata::default() };
        let (plain, signed) = (Form::parse(b"scope=openid").ok().unwrap(), Form::parse(b"request=a.b.c").ok().unwrap());
        assert_eq!(of(&plain, &ClientMetadata::default()), Ok(None));
        assert_eq!(of(&signed, &signs), Ok(Some(("a.b.c", JwsAlgorithm::Ps256))));
        assert_eq!(of(&plain, &signs).unwrap_err().code, ErrorCode::InvalidRequest);
        assert_eq!(of(&signed, &ClientMetadata::default()).unwrap_err().code, ErrorCode::InvalidRequest);
    }
}
