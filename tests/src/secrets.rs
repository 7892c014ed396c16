//! Every secret that a test sent or was given, so that what a host leaves behind can be searched for all of them. A
//! [`crate::host::Data`] does so with its log when it is dropped: no test has to think of it.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;

/// Shorter words are not looked for: logs have them for other reasons.
const SHORTEST: usize = 10;

/// What names a secret: a parameter, a member, a header, a cookie.
const NAMES: &[&str] = &[
    "auth_req_id",
    "access_token",
    "refresh_token",
    "id_token",
    "token",
    "client_secret",
    "client_assertion",
    "client_notification_token",
    "registration_access_token",
    "initial_access_token",
    "user_code",
    "code",
    "secret",
    "login_hint_token",
    "id_token_hint",
    "request",
    "link",
    "authorization",
    "cookie",
    "set-cookie",
    "dpop",
];

static KNOWN: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

fn known() -> MutexGuard<'static, HashSet<String>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Remembers this value, if what it is called says that it is one.
pub fn note(name: &str, value: &str) {
    let name = name.to_ascii_lowercase();
    if !NAMES.contains(&name.as_str()) {
        return;
    }
    match name.as_str() {
        "authorization" => {
            let credential = value.split_once(' ').map_or(value, |(_, credential)| credential);
            remember(credential);
            let decoded = BASE64_STANDARD.decode(credential).ok().and_then(|decoded| String::from_utf8(decoded).ok());
            if let Some((_, secret)) = decoded.as_deref().and_then(|decoded| decoded.split_once(':')) {
                remember(secret);
            }
        }
        "cookie" | "set-cookie" => {
            let pair = value.split(';').next().unwrap_or(value);
            remember(pair.split_once('=').map_or(pair, |(_, value)| value));
        }
        // The address before it is no secret.
        "link" => drop(value.rsplit_once('=').map(|(_, token)| remember(token))),
        _ => remember(value),
    }
}

/// Remembers what is secret in a form or in JSON.
pub fn note_body(body: &[u8]) {
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => note_json(&value),
        Err(_) => form_urlencoded::parse(body).for_each(|(name, value)| note(&name, &value)),
    }
}

/// Remembers what is secret in an answer.
pub fn note_json(value: &Value) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| match member {
            Value::String(text) => note(name, text),
            other => note_json(other),
        }),
        Value::Array(entries) => entries.iter().for_each(note_json),
        _ => {}
    }
}

fn remember(secret: &str) {
    // The first of two parts is the name of the transaction, which logs are there to tell.
    let secret = match secret.split_once('.') {
        Some((_, secret)) if !secret.contains('.') => secret,
        _ => secret,
    };
    let mut known = known();
    known.extend(words(secret).filter(|word| !word.bytes().all(|byte| byte.is_ascii_digit())).map(str::to_owned));
}

/// Runs of what tokens are made of.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_ascii_alphanumeric() && !"-_".contains(character)).filter(|word| word.len() >= SHORTEST)
}

/// The first secret in what was written, and where it stands.
pub fn leaked(written: &str) -> Option<String> {
    let known = known();
    let line = written.lines().find(|line| words(line).any(|word| known.contains(word)))?;
    let word = words(line).find(|word| known.contains(*word))?;
    Some(format!("`{word}` in: {line}"))
}

/// The first secret in a file of whatever kind.
///
/// # Panics
/// When it cannot be read.
pub fn leaked_in(file: &Path) -> Option<String> {
    let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    // Words are ASCII: what is not is no part of one.
    let text: String = bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '\n' }).collect();
    let known = known();
    // In a database, what stands beside a word may look like a part of it.
    let found = words(&text).find_map(|word| known.iter().find(|secret| word.contains(secret.as_str())));
    found.map(|word| format!("`{word}` in {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_however_it_stands_in_a_line() {
        note("Authorization", &format!("Basic {}", BASE64_STANDARD.encode("shop:first-secret-of-all")));
        note("Set-Cookie", "__Host-session=second-secret-value; HttpOnly");
        note("auth_req_id", "transaction-name.third-secret-value");
        note_body(b"scope=openid&client_secret=fourth%2Dsecret");
        note_body(br#"{"tokens": [{"refresh_token": "fifth-secret"}], "client_id": "no-secret-at-all"}"#);
        note("link", "http://127.0.0.1:81/device#enrol=sixth-secret-value");
        for line in [
            "secret=\"first-secret-of-all\"",
            &format!("{{\"header\":\"{}\"}}", BASE64_STANDARD.encode("shop:first-secret-of-all")),
            "cookie: a=second-secret-value;",
            "tx.third-secret-value was unknown",
            "fourth-secret",
            "[fifth-secret]",
            "/device#enrol=sixth-secret-value",
        ] {
            assert!(leaked(line).is_some(), "{line}");
        }
        assert_eq!(leaked("client=no-secret-at-all transaction=transaction-name http://127.0.0.1:81/device"), None);
    }
}
