//! Access tokens of Google's, and of whoever else gives one for a signed JWT (RFC 7523 2.1).

use bytes::Bytes;
use http::{Method, Uri, header};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::super::contract::ciba::interception::refusals::Refusal;
use super::super::http::{Outgoing, origin_of};
use super::super::shared::one_line;
use super::kept::Minted;
use crate::clock::Clock;
use crate::jose::ServiceKey;

const SCOPES_MAX: usize = 20;
const SCOPE_BYTES: usize = 200;
/// The longest access token, in bytes: it must fit into a header.
const TOKEN_BYTES: usize = 8 << 10;
/// How long the assertion is good, at most an hour. It is used at once.
const ASSERTION: SignedDuration = SignedDuration::from_mins(10);
/// A token is not given in its last minute: it is on its way for a while.
const LAST: SignedDuration = SignedDuration::from_mins(1);
const DAY: i64 = 24 * 60 * 60;
const WORDS_MAX: usize = 200;

/// The file of a service account, as far as it matters here.
pub(super) struct Account {
    client_email: String,
    key: Zeroizing<String>,
    key_id: Option<String>,
    pub(super) token_uri: Uri,
}

#[derive(Deserialize)]
struct File {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    token_uri: String,
}

impl Account {
    /// Reads it, in words that repeat nothing of it where it cannot be read.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let file: File = serde_json::from_str(text).map_err(|error| {
            if error.is_data() {
                "is not the file of a service account: client_email, private_key or token_uri is missing, or no text".to_owned()
            } else {
                format!("is not the file of a service account: not JSON at line {}", error.line())
            }
        })?;
        let key = Zeroizing::new(file.private_key);
        let token_uri: Uri = file.token_uri.parse().map_err(|_| "its token_uri is no address".to_owned())?;
        // The assertion is worth a token to whoever reads it on the way.
        let host = token_uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let stays_here = host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
        match token_uri.scheme_str() {
            Some("https") => {}
            Some("http") if stays_here => {}
            _ => return Err("its token_uri does not begin with https://".to_owned()),
        }
        Ok(Self { client_email: file.client_email, key, key_id: file.private_key_id, token_uri })
    }

    pub(super) fn key(&self) -> Result<ServiceKey, String> {
        ServiceKey::rs256(&self.key).map_err(|what| format!("its private_key {what}"))
    }

    /// The JWT that is given for a token (RFC 7523 3).
    fn assertion(&self, scopes: &str, now: Timestamp) -> Result<Zeroizing<String>, Refusal> {
        let key = self.key().map_err(Refusal::Other)?;
        let mut header = Map::from_iter([("typ".to_owned(), "JWT".into())]);
        header.extend(self.key_id.iter().map(|key_id| ("kid".to_owned(), key_id.as_str().into())));
        let (from, until) = (now.as_second(), (now + ASSERTION).as_second());
        let audience = self.token_uri.to_string();
        let claims = json!({"iss": self.client_email, "scope": scopes, "aud": audience, "iat": from, "exp": until});
        key.sign(header, &claims).map_err(|_| Refusal::Other("this key cannot sign".to_owned()))
    }
}

/// Scopes as one text, the same whatever their order (RFC 6749 3.3).
pub(super) fn scopes(mut scopes: Vec<String>) -> Result<String, Refusal> {
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.is_empty() || scopes.len() > SCOPES_MAX {
        return Err(Refusal::OverLimit(format!("1 to {SCOPES_MAX} scopes, and these are {}", scopes.len())));
    }
    let is_scope = |scope: &String| {
        (1..=SCOPE_BYTES).contains(&scope.len()) && scope.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
    };
    if !scopes.iter().all(is_scope) {
        return Err(Refusal::Other(format!("a scope is 1 to {SCOPE_BYTES} visible characters of ASCII, without quotes")));
    }
    Ok(scopes.join(" "))
}

/// Fetches a token.
pub(super) async fn mint(account: &Account, scopes: &str, clock: &Clock, outgoing: Outgoing) -> Result<Minted, Refusal> {
    let now = clock.now();
    let assertion = account.assertion(scopes, now)?;
    // RFC 7523 2.1. Nothing in a JWT needs an escape.
    let form = format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={}", *assertion);
    let mut request = http::Request::new(Bytes::from(form));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = account.token_uri.clone();
    for (name, value) in [(header::CONTENT_TYPE, "application/x-www-form-urlencoded"), (header::ACCEPT, "application/json")] {
        request.headers_mut().insert(name, header::HeaderValue::from_static(value));
    }
    let origin = origin_of(&account.token_uri);
    let sent = outgoing.fetch(request).await;
    let response = sent.map_err(|error| Refusal::Unavailable(format!("no token from {origin}: {error}")))?;
    let said: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    match response.status().as_u16() {
        200 => {}
        status @ (429 | 500..) => return Err(Refusal::Unavailable(format!("no token from {origin}: it answered {status}"))),
        status => return Err(Refusal::Other(format!("no token from {origin}: it answered {status}{}", words(&said)))),
    }
    read_token(&said, now).ok_or_else(|| Refusal::Other(format!("no token from {origin}: what it answered is none (RFC 6749 5.1)")))
}

/// What the server says is wrong (RFC 6749 5.2), short enough that no assertion is in it.
fn words(said: &Value) -> String {
    let texts = ["error", "error_description"].iter().filter_map(|name| said.get(name)?.as_str());
    texts.map(|text| format!(": {}", one_line(text).chars().take(WORDS_MAX).collect::<String>())).collect()
}

/// RFC 6749 5.1. Without `expires_in` it is not kept.
fn read_token(said: &Value, now: Timestamp) -> Option<Minted> {
    let token = said.get("access_token")?.as_str()?;
    let bearer = said.get("token_type").is_none_or(|kind| kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")));
    let fits = (1..=TOKEN_BYTES).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
    let seconds = said.get("expires_in").and_then(Value::as_i64).unwrap_or(0).clamp(0, DAY);
    let until = now + SignedDuration::from_secs(seconds) - LAST;
    (bearer && fits).then(|| Minted { credential: token.to_owned().into(), until })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_none_is_said_without_repeating_it() {
        let file = |member: &str, value: Value| {
            let mut file = json!({"client_email": "a@b", "private_key": "hush", "token_uri": "https://oauth2.googleapis.com/token"});
            file[member] = value;
            file.to_string()
        };
        assert!(Account::read(&file("type", "service_account".into())).is_ok());
        for (text, says) in [
            ("hush".to_owned(), "not JSON at line 1"),
            ("\"hush\"".to_owned(), "private_key or token_uri is missing"),
            ("{\"private_key\": \"hush\"}".to_owned(), "is missing"),
            (file("private_key", json!({"hush": 1})), "or no text"),
            (file("token_uri", "hush hush".into()), "is no address"),
            (file("token_uri", "http://oauth2.googleapis.com/token".into()), "does not begin with https://"),
            (file("token_uri", "http://localhost.example/token".into()), "does not begin with https://"),
            (file("token_uri", "/token".into()), "does not begin with https://"),
        ] {
            let what = Account::read(&text).map(drop).unwrap_err();
            assert!(what.contains(says) && !what.contains("hush"), "{text}: {what}");
        }
        let account = Account::read(&file("token_uri", "http://127.0.0.1:1/token".into())).unwrap();
        let what = account.key().unwrap_err();
        assert!(what.starts_with("its private_key is no private key") && !what.contains("hush"), "{what}");
    }

    #[test]
    fn scopes_are_the_same_in_any_order() {
        let list = |scopes: &[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect::<Vec<_>>();
        assert_eq!(scopes(list(&["b", "a", "b"])).unwrap(), "a b");
        for wrong in [list(&[]), list(&["a b"]), list(&[""]), list(&["a\""]), list(&["é"]), vec!["a".repeat(201)]] {
            assert!(scopes(wrong).is_err());
        }
    }

    #[test]
    fn an_answer_is_a_token_or_it_is_not() {
        let now = Timestamp::UNIX_EPOCH;
        let until = |said: Value| read_token(&said, now).map(|minted| (minted.until - now).as_secs());
        assert_eq!(until(json!({"access_token": "t", "token_type": "bearer", "expires_in": 3599})), Some(3539));
        assert_eq!(until(json!({"access_token": "t", "expires_in": i64::MAX})), Some(DAY - 60));
        for short in
            [json!({"access_token": "t"}), json!({"access_token": "t", "expires_in": -1}), json!({"access_token": "t", "expires_in": "x"})]
        {
            assert_eq!(until(short), Some(-60));
        }
        for none in [
            json!(null),
            json!({"access_token": ""}),
            json!({"access_token": "a\r\nb"}),
            json!({"access_token": "t".repeat(TOKEN_BYTES + 1)}),
            json!({"access_token": "t", "token_type": "mac"}),
        ] {
            assert_eq!(until(none.clone()), None, "{none}");
        }
    }
}
