//! Voluntary application server identification (RFC 8292).

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, json};
use zeroize::Zeroizing;

use super::super::contract::ciba::interception::refusals::Refusal;
use crate::jose::ServiceKey;
use crate::protocol::plugin::is_origin;

/// RFC 8292 2: a push service refuses what ends in more than 24 hours. Half of it, for clocks that are wrong.
const GOOD_FOR: SignedDuration = SignedDuration::from_hours(12);
/// What is given is good for an hour at least: a message may wait to be sent.
pub(super) const GIVEN_FOR: SignedDuration = SignedDuration::from_hours(11);
const SUBJECT_MAX: usize = 300;

/// Signs for one push service: the parameters `t` and `k` (RFC 8292 3).
pub(super) fn sign(key: &str, audience: &str, subject: &str, now: Timestamp) -> Result<Zeroizing<String>, Refusal> {
    if !is_origin(audience) {
        return Err(Refusal::Other("the audience is an origin and nothing else, for example https://push.example.com".to_owned()));
    }
    let is_contact = subject.strip_prefix("mailto:").is_some_and(|address| address.contains('@'))
        || subject.strip_prefix("https://").is_some_and(|rest| !rest.is_empty());
    if !is_contact || subject.len() > SUBJECT_MAX || !subject.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refusal::Other(format!(
            "the subject is a mailto: or https: address of at most {SUBJECT_MAX} bytes, for example mailto:ops@example.com"
        )));
    }
    let key = ServiceKey::es256(key).map_err(Refusal::Other)?;
    let header = Map::from_iter([("typ".to_owned(), "JWT".into())]);
    let claims = json!({"aud": audience, "exp": (now + GOOD_FOR).as_second(), "sub": subject});
    match (key.sign(header, &claims), key.public_point()) {
        (Ok(token), Some(point)) => Ok(format!("t={}, k={point}", *token).into()),
        _ => Err(Refusal::Other("this key cannot sign".to_owned())),
    }
}
