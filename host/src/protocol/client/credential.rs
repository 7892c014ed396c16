//! What a client shows to prove who it is (RFC 6749 2.3, RFC 7521 4.2, RFC 8705 2).

use base64::{Engine as _, prelude::BASE64_STANDARD};
use zeroize::Zeroizing;

use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::protocol::form::Form;
use crate::protocol::identifier::{ClientId, Digest};

/// What a client showed. It proves nothing until compared with the registration.
pub struct UnverifiedCredential {
    /// The client it claims to be; an assertion may say so itself.
    pub client: Option<ClientId>,
    /// What it showed.
    pub shown: Shown,
    /// Whether it came in the `Authorization` header: then a refusal carries `WWW-Authenticate`.
    pub in_header: bool,
}

/// The kinds of proof.
pub enum Shown {
    /// A secret, in the header or in the body.
    Secret(Zeroizing<String>),
    /// A signed assertion (RFC 7523), for `private_key_jwt` and `client_secret_jwt`.
    Assertion(String),
    /// Nothing but a name: the connection has a certificate, or else it proves nothing.
    Certificate,
}

/// `client_id` and secrets are never longer than this many bytes.
const CREDENTIAL_LENGTH_MAX: usize = 512;
/// RFC 7523 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Longest assertion in bytes.
const ASSERTION_LENGTH_MAX: usize = 16 << 10;

impl UnverifiedCredential {
    /// Reads the one method that is used (RFC 6749 2.3). A certificate beside a secret or an assertion is proof of
    /// possession and not a second method.
    ///
    /// # Errors
    /// `invalid_request` when two methods are used at once; `invalid_client` when none is used or it is malformed.
    pub fn read(authorization: Option<&[u8]>, form: &Form) -> Result<Self, ProtocolError> {
        let secret = form.bounded("client_secret", CREDENTIAL_LENGTH_MAX)?;
        let id = form.bounded("client_id", CREDENTIAL_LENGTH_MAX)?;
        let assertion = form.bounded("client_assertion", ASSERTION_LENGTH_MAX)?;
        let used = [("the Authorization header", authorization.is_some()), ("client_secret", secret.is_some())];
        let used = used.into_iter().chain([("client_assertion", assertion.is_some())]);
        let used: Vec<&str> = used.filter(|(_, used)| *used).map(|(name, _)| name).collect();
        if used.len() > 1 {
            return Err(invalid(format!("two authentication methods at once: {}", used.join(" and "))));
        }
        if let Some(assertion) = assertion {
            if form.value("client_assertion_type") != Some(ASSERTION_TYPE) {
                return Err(invalid(format!("client_assertion_type must be {ASSERTION_TYPE}")));
            }
            return Ok(Self { client: id.map(Into::into), shown: Shown::Assertion(assertion.to_owned()), in_header: false });
        }
        if form.value("client_assertion_type").is_some() {
            return Err(invalid("client_assertion is missing, although there is a client_assertion_type"));
        }
        if let Some(header) = authorization {
            let malformed = || ProtocolError::new(ErrorCode::InvalidClient, "the Authorization header is not well-formed Basic");
            let (named, secret) = basic(header).ok_or_else(malformed)?;
            if id.is_some_and(|id| id != named) {
                return Err(invalid("client_id differs from the Authorization header"));
            }
            return Ok(Self { client: Some(ClientId(named)), shown: Shown::Secret(secret), in_header: true });
        }
        let id = id.ok_or_else(|| {
            let what = if secret.is_some() { "client_id is missing" } else { "no client authentication" };
            ProtocolError::new(ErrorCode::InvalidClient, what)
        })?;
        let shown = secret.map_or(Shown::Certificate, |secret| Shown::Secret(Zeroizing::new(secret.to_owned())));
        Ok(Self { client: Some(id.into()), shown, in_header: false })
    }

    /// Reads `Bearer CLIENT_ID.SECRET`, the credential of a hook caller.
    pub fn read_bearer(authorization: Option<&[u8]>) -> Option<Self> {
        let credential = std::str::from_utf8(authorization?).ok()?.strip_prefix("Bearer ")?;
        let (client, secret) = credential.rsplit_once('.')?;
        let shown = Shown::Secret(Zeroizing::new(secret.to_owned()));
        Some(Self { client: Some(client.into()), shown, in_header: true })
    }
}

/// Whether this secret has this digest. Compares in constant time, also when there is no such client, so that the time
/// says nothing.
pub fn secret_matches(secret: &str, registered: Option<&Digest>) -> bool {
    const NOBODY: Digest = Digest([0; 32]);
    let presented = Digest::of(secret.as_bytes());
    presented.matches(registered.unwrap_or(&NOBODY)) && registered.is_some()
}

fn invalid(description: impl Into<String>) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidRequest, description)
}

/// Identifier and secret of a Basic header, each form-encoded inside it (RFC 6749 2.3.1).
fn basic(header: &[u8]) -> Option<(String, Zeroizing<String>)> {
    let (scheme, encoded) = header.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") || encoded.len() > CREDENTIAL_LENGTH_MAX * 8 {
        return None;
    }
    let decoded = Zeroizing::new(BASE64_STANDARD.decode(encoded.trim_ascii()).ok()?);
    let text = std::str::from_utf8(&decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    let plain = |part: &str| {
        let encoded = Zeroizing::new(format!("v={part}"));
        Form::parse(encoded.as_bytes()).ok().and_then(|form| form.value("v").map(str::to_owned))
    };
    Some((plain(id)?, Zeroizing::new(plain(secret)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(authorization: Option<&str>, body: &str) -> Result<(Option<String>, String, bool), ErrorCode> {
        let form = Form::parse(body.as_bytes()).map_err(|error| error.code)?;
        UnverifiedCredential::read(authorization.map(str::as_bytes), &form)
            .map(|credential| {
                let shown = match credential.shown {
                    Shown::Secret(secret) => secret.to_string(),
                    Shown::Assertion(assertion) => format!("assertion {assertion}"),
                    Shown::Certificate => "certificate".to_owned(),
                };
                (credential.client.map(|client| client.0), shown, credential.in_header)
            })
            .map_err(|error| error.code)
    }

    fn header(pair: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(pair))
    }

    #[test]
    fn every_method_is_read_and_no_two_are_mixed() {
        let basic = header("demo:s%2Be");
        let assertion = format!("client_assertion=x.y.z&client_assertion_type={ASSERTION_TYPE}");
        let (named, and_secret) = (format!("{assertion}&client_id=demo"), format!("{assertion}&client_id=demo&client_secret=s"));
        for (authorization, body, expected) in [
            (Some(basic.as_str()), "", Ok((Some("demo"), "s+e", true))),
            (Some(basic.as_str()), "client_id=demo", Ok((Some("demo"), "s+e", true))),
            (None, "client_id=demo&client_secret=s", Ok((Some("demo"), "s", false))),
            (None, "client_id=demo", Ok((Some("demo"), "certificate", false))),
            (None, assertion.as_str(), Ok((None, "assertion x.y.z", false))),
            (None, named.as_str(), Ok((Some("demo"), "assertion x.y.z", false))),
            (None, and_secret.as_str(), Err(ErrorCode::InvalidRequest)),
            (Some(basic.as_str()), assertion.as_str(), Err(ErrorCode::InvalidRequest)),
            (Some(basic.as_str()), "client_secret=s", Err(ErrorCode::InvalidRequest)),
            (Some(basic.as_str()), "client_id=other", Err(ErrorCode::InvalidRequest)),
            (None, "client_assertion=x", Err(ErrorCode::InvalidRequest)),
            (None, "client_assertion_type=x&client_id=demo", Err(ErrorCode::InvalidRequest)),
            (None, "", Err(ErrorCode::InvalidClient)),
            (None, "client_secret=s", Err(ErrorCode::InvalidClient)),
            (Some("Bearer abc"), "", Err(ErrorCode::InvalidClient)),
            (Some("Basic !!!"), "", Err(ErrorCode::InvalidClient)),
            (Some("B"), "", Err(ErrorCode::InvalidClient)),
        ] {
            let expected = expected.map(|(id, shown, in_header)| (id.map(str::to_owned), shown.to_owned(), in_header));
            assert_eq!(read(authorization, body), expected, "{authorization:?} {body}");
        }
    }

    #[test]
    fn a_secret_matches_only_its_own_digest() {
        assert!(secret_matches("s", Some(&Digest::of(b"s"))));
        assert!(!secret_matches("s", Some(&Digest::of(b"t"))));
        assert!(!secret_matches("s", None));
    }
}
