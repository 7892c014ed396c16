//! Hints that are JWTs (CIBA Core 7.1): what their claims must say, and whom they name. Signatures have been verified by
//! whoever asks here.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::claims::{Claims, SKEW};
use super::error::{ErrorCode, ProtocolError};
use super::identifier::{ClientId, UserId};
use super::user::normal_hint;

const DAY: i64 = 24 * 60 * 60;

/// Whom a hint names.
#[derive(Clone, PartialEq, Eq)]
pub enum Named {
    /// Whoever is known by this, in the normal form of a `login_hint`.
    By(String),
    /// This user.
    User(UserId),
}

impl Named {
    /// What tells this person from others.
    pub fn as_str(&self) -> &str {
        match self {
            Self::By(hint) => hint,
            Self::User(id) => id.as_str(),
        }
    }
}

impl std::fmt::Debug for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Named([redacted])")
    }
}

/// Checks an `id_token_hint` that one of our keys signed: it is an ID token, of ours, for this client, and did not expire
/// longer than `days` ago. Answers the subject, which is the client's own where subjects are pairwise.
///
/// # Errors
/// `invalid_request` that says what is wrong.
pub fn id_token<'a>(
    claims: Claims<'a>,
    typ: Option<&str>,
    client: &ClientId,
    issuer: &str,
    days: u32,
    now: Timestamp,
) -> Result<&'a str, ProtocolError> {
    let refuse = |what: &str| Err(refused_id_token(what));
    // RFC 9068 2.1: the same keys sign access tokens, and those say what they are.
    if typ.is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
        return refuse("it is not an ID token");
    }
    if claims.text("iss").map_err(refused_id_token)? != issuer {
        return refuse("another provider issued it");
    }
    if !claims.audience().map_err(refused_id_token)?.contains(&client.as_str()) {
        return refuse("it was issued to another client");
    }
    // CIBA Core 7.1: it may have expired.
    let expired = now.as_second().saturating_sub(claims.required_time("exp").map_err(refused_id_token)?);
    if expired > i64::from(days) * DAY {
        return refuse("it expired too long ago");
    }
    claims.text("sub").map_err(refused_id_token)
}

/// The refusal of an `id_token_hint`.
pub fn refused_id_token(what: impl std::fmt::Display) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidRequest, format!("id_token_hint: {what}"))
}

/// What names the person in a `login_hint_token` that has no `sub_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HintSubject {
    /// `sub`, which is their username.
    Username,
    /// `email`.
    Email,
    /// `phone_number`.
    Phone,
    /// `sub`, which is the `sub` of our tokens.
    Sub,
}

/// Checks a `login_hint_token` of an issuer that the operator trusts, which signed it: it is for us, and in force. Whom it
/// names is for [`named`] to say.
///
/// # Errors
/// `expired_login_hint_token` when it has expired, `invalid_request` for everything else that is wrong.
pub fn login_token(claims: Claims<'_>, typ: Option<&str>, issuer: &str, now: Timestamp) -> Result<(), ProtocolError> {
    // RFC 8725 3.11: what says that it is something else, such as an access token or a logout token, is no hint.
    if typ.is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
        return Err(refused_login_token("its typ is that of something else"));
    }
    if !claims.audience().map_err(refused_login_token)?.contains(&issuer) {
        return Err(refused_login_token("its aud does not name the issuer"));
    }
    if claims.required_time("exp").map_err(refused_login_token)? <= now.as_second() - SKEW {
        return Err(ErrorCode::ExpiredLoginHintToken.into());
    }
    claims.in_force(now).map(drop).map_err(refused_login_token)
}

/// What these claims of a `login_hint_token` say but for when it was made and how long it holds: the same in every one
/// that its issuer makes of a person.
pub fn lasting(claims: &Map<String, Value>) -> String {
    let passing = ["exp", "iat", "jti", "nbf"];
    let lasting = claims.iter().filter(|(name, _)| !passing.contains(&name.as_str()));
    Value::Object(lasting.map(|(name, value)| (name.clone(), value.clone())).collect()).to_string()
}

/// The refusal of a `login_hint_token`.
pub fn refused_login_token(what: impl std::fmt::Display) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidRequest, format!("login_hint_token: {what}"))
}

/// Whom a `login_hint_token` names: by a subject identifier (RFC 9493), or what the operator says that stands in its place.
///
/// # Errors
/// It names nobody in a way that is known here.
pub fn named(claims: Claims<'_>, subject: HintSubject, issuer: &str) -> Result<Named, ProtocolError> {
    subject_named(claims, subject, issuer).map_err(refused_login_token)
}

fn subject_named(claims: Claims<'_>, subject: HintSubject, issuer: &str) -> Result<Named, String> {
    let by = |text: &str| Named::By(normal_hint(text));
    let Some(identifier) = claims.0.get("sub_id") else {
        return match subject {
            HintSubject::Username => claims.text("sub").map(by),
            HintSubject::Email => claims.text("email").map(by),
            HintSubject::Phone => claims.text("phone_number").map(by),
            HintSubject::Sub => claims.text("sub").map(|sub| Named::User(sub.into())),
        };
    };
    let identifier = Claims(identifier.as_object().ok_or("sub_id is not an object")?);
    match identifier.0.get("format").and_then(Value::as_str) {
        Some("email") => identifier.text("email").map(by),
        Some("phone_number") => identifier.text("phone_number").map(by),
        Some("opaque") => identifier.text("id").map(|id| Named::User(id.into())),
        Some("iss_sub") if identifier.text("iss")? == issuer => identifier.text("sub").map(|sub| Named::User(sub.into())),
        Some("iss_sub") => Err("sub_id names somebody by another provider's sub".to_owned()),
        _ => Err("the format of sub_id is not one of email, phone_number, opaque and iss_sub".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;
    const OP: &str = "https://op.example";

    fn now() -> Timestamp {
        Timestamp::from_second(NOW).unwrap()
    }

    #[test]
    fn item_3_an_id_token_hint_is_one_of_ours_for_this_client_and_not_too_old() {
        let good = json!({ "iss": OP, "aud": "bank", "sub": "alice", "exp": NOW + 60 });
        let changed = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            claims
        };
        for (claims, typ, why) in [
            (good.clone(), Some("JWT"), None),
            (good.clone(), None, None),
            (good.clone(), Some("at+jwt"), Some("not an ID token")),
            (changed("aud", json!(["bank", "other"])), None, None),
            (changed("aud", json!("other")), None, Some("another client")),
            (changed("aud", Value::Null), None, Some("aud")),
            (changed("iss", json!("https://other.example")), None, Some("another provider")),
            (changed("exp", json!(NOW - 90 * DAY)), None, None),
            (changed("exp", json!(NOW - 90 * DAY - 1)), None, Some("too long ago")),
            (changed("exp", json!(i64::MIN)), None, Some("too long ago")),
            (changed("exp", json!("x")), None, Some("exp")),
            (changed("sub", json!("")), None, Some("sub")),
        ] {
            let said = id_token(Claims(claims.as_object().unwrap()), typ, &"bank".into(), OP, 90, now());
            match (said, why) {
                (Ok(sub), None) => assert_eq!(sub, "alice"),
                (Err(error), Some(why)) => {
                    assert_eq!(error.code, ErrorCode::InvalidRequest);
                    assert!(error.description.starts_with("id_token_hint: ") && error.description.contains(why), "{}", error.description);
                }
                (said, _) => panic!("{claims} {typ:?}: {said:?}"),
            }
        }
    }

    #[test]
    fn item_3_a_login_hint_token_is_for_us_and_in_force() {
        use ErrorCode::*;
        for (typ, aud, exp, nbf, expected) in [
            (None, json!(OP), NOW + 60, NOW, None),
            (Some("JWT"), json!(OP), NOW + 60, NOW, None),
            (Some("jwt"), json!([OP, "x"]), NOW - 59, NOW - 100, None),
            (Some("at+jwt"), json!(OP), NOW + 60, NOW, Some(InvalidRequest)),
            (Some("logout+jwt"), json!(OP), NOW - 60, NOW - 100, Some(InvalidRequest)),
            (Some(""), json!(OP), NOW + 60, NOW, Some(InvalidRequest)),
            (None, json!(OP), NOW - 60, NOW - 100, Some(ExpiredLoginHintToken)),
            (None, json!(OP), NOW + 600, NOW + 61, Some(InvalidRequest)),
            (None, json!("https://other.example"), NOW + 60, NOW, Some(InvalidRequest)),
        ] {
            let claims = json!({ "aud": aud, "exp": exp, "nbf": nbf, "sub": "Alice" });
            let said = login_token(Claims(claims.as_object().unwrap()), typ, OP, now());
            assert_eq!(said.err().map(|error| error.code), expected, "{typ:?} {claims}");
        }
        let endless = json!({ "aud": OP, "sub": "alice" });
        let said = login_token(Claims(endless.as_object().unwrap()), None, OP, now());
        assert_eq!(said.unwrap_err().code, InvalidRequest);
    }

    #[test]
    fn item_3_a_login_hint_token_names_somebody_in_one_of_the_known_ways() {
        let by = |text: &str| Ok(Named::By(text.to_owned()));
        let user = |text: &str| Ok(Named::User(text.into()));
        use HintSubject::*;
        for (claims, subject, expected) in [
            (json!({ "sub": "Alice" }), Username, by("alice")),
            (json!({ "sub": "Alice" }), Sub, user("Alice")),
            (json!({ "email": "A@B.example" }), Email, by("a@b.example")),
            (json!({ "phone_number": "+1 555 010" }), Phone, by("+1555010")),
            (json!({ "sub": "alice" }), Email, Err("email")),
            (json!({ "sub": 7 }), Username, Err("sub")),
            (json!({ "sub_id": { "format": "email", "email": "A@b.example" }, "sub": "x" }), Sub, by("a@b.example")),
            (json!({ "sub_id": { "format": "phone_number", "phone_number": "+1555" } }), Sub, by("+1555")),
            (json!({ "sub_id": { "format": "opaque", "id": "u1" } }), Email, user("u1")),
            (json!({ "sub_id": { "format": "iss_sub", "iss": OP, "sub": "u1" } }), Email, user("u1")),
            (json!({ "sub_id": { "format": "iss_sub", "iss": "https://x.example", "sub": "u1" } }), Email, Err("another provider")),
            (json!({ "sub_id": { "format": "did", "url": "did:example:1" } }), Email, Err("format")),
            (json!({ "sub_id": { "email": "a@b.example" } }), Email, Err("format")),
            (json!({ "sub_id": "alice" }), Email, Err("not an object")),
        ] {
            match (subject_named(Claims(claims.as_object().unwrap()), subject, OP), expected) {
                (Ok(named), Ok(expected)) => assert!(named == expected, "{claims}"),
                (Err(error), Err(why)) => assert!(error.contains(why), "{claims}: {error}"),
                _ => panic!("{claims}"),
            }
        }
    }
}
