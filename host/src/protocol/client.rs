//! Clients, and how they prove who they are.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::{ErrorCode, ProtocolError};
use super::form::Form;
use super::identifier::{ClientId, Digest};

/// How tokens reach the client (CIBA Core 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryMode {
    /// The client asks until there is an answer.
    Poll,
    /// The client is told when to ask. Not served yet.
    Ping,
    /// The client is sent the tokens. Not served yet.
    Push,
}

/// What a registered party may do here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientKind {
    /// A relying party that starts CIBA authentications.
    Ciba,
    /// Another provider that calls the HTTP hooks, and nothing else.
    HookCaller,
}

/// A registered client.
#[derive(Clone, Debug)]
pub struct Client {
    /// `client_id`.
    pub id: ClientId,
    /// The name shown to the person.
    pub name: String,
    /// What it may do here.
    pub kind: ClientKind,
    /// Digest of its secret.
    pub secret: Digest,
    /// `backchannel_token_delivery_mode`.
    pub delivery: DeliveryMode,
    /// Whether a poll may be held until there is news (CIBA Core 7.3, long polling): the client opted in.
    pub long_poll: bool,
    /// Whether it came with the demo: everybody knows its secret.
    pub demo: bool,
}

/// What a client showed to prove who it is. It proves nothing until compared with the registration.
pub struct UnverifiedCredential {
    /// The client it claims to be.
    pub client: ClientId,
    secret: Zeroizing<String>,
    /// Whether it came in the `Authorization` header: then a refusal carries `WWW-Authenticate`.
    pub in_header: bool,
}

/// `client_id` and secrets are never longer than this many bytes.
const CREDENTIAL_LENGTH_MAX: usize = 512;

impl UnverifiedCredential {
    /// Reads `client_secret_basic` or `client_secret_post` (RFC 6749 2.3.1), of which exactly one must be used.
    ///
    /// # Errors
    /// `invalid_request` when two methods are used at once or one that is not served; `invalid_client` when
    /// none is used or it is malformed.
    pub fn read(authorization: Option<&[u8]>, form: &Form) -> Result<Self, ProtocolError> {
        for (parameter, method) in [("client_assertion", "private_key_jwt"), ("client_assertion_type", "private_key_jwt")] {
            if form.value(parameter).is_some() {
                return Err(ProtocolError::new(
                    ErrorCode::InvalidClient,
                    format!("{parameter}: {method} is not supported yet; use client_secret_basic or client_secret_post"),
                ));
            }
        }
        let secret_in_body = form.bounded("client_secret", CREDENTIAL_LENGTH_MAX)?;
        let id_in_body = form.bounded("client_id", CREDENTIAL_LENGTH_MAX)?;
        let Some(header) = authorization else {
            let secret = secret_in_body.ok_or_else(|| {
                ProtocolError::new(ErrorCode::InvalidClient, "no client authentication: use client_secret_basic or client_secret_post")
            })?;
            let id = id_in_body.ok_or_else(|| ProtocolError::new(ErrorCode::InvalidClient, "client_id is missing"))?;
            return Ok(Self { client: id.into(), secret: Zeroizing::new(secret.to_owned()), in_header: false });
        };
        if secret_in_body.is_some() {
            return Err(ProtocolError::new(
                ErrorCode::InvalidRequest,
                "two authentication methods at once: the Authorization header and client_secret",
            ));
        }
        let malformed = || ProtocolError::new(ErrorCode::InvalidClient, "the Authorization header is not well-formed Basic");
        let (id, secret) = basic(header).ok_or_else(malformed)?;
        if id_in_body.is_some_and(|named| named != id) {
            return Err(ProtocolError::new(ErrorCode::InvalidRequest, "client_id differs from the Authorization header"));
        }
        Ok(Self { client: ClientId(id), secret, in_header: true })
    }

    /// Reads `Bearer CLIENT_ID.SECRET`, the credential of a hook caller.
    pub fn read_bearer(authorization: Option<&[u8]>) -> Option<Self> {
        let credential = std::str::from_utf8(authorization?).ok()?.strip_prefix("Bearer ")?;
        let (client, secret) = credential.rsplit_once('.')?;
        Some(Self { client: client.into(), secret: Zeroizing::new(secret.to_owned()), in_header: true })
    }

    /// Whether this credential is the client's. Compares digests in constant time, also when there is no such
    /// client, so that the time says nothing.
    pub fn verify(&self, client: Option<Client>) -> Option<Client> {
        const NOBODY: Digest = Digest([0; 32]);
        let presented = Digest::of(self.secret.as_bytes());
        let registered = client.as_ref().map_or(NOBODY, |client| client.secret);
        client.filter(|_| presented.matches(&registered))
    }
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
        let encoded = format!("v={part}");
        Form::parse(encoded.as_bytes()).ok().and_then(|form| form.value("v").map(str::to_owned))
    };
    Some((plain(id)?, Zeroizing::new(plain(secret)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(authorization: Option<&str>, body: &str) -> Result<(String, String, bool), ErrorCode> {
        let form = Form::parse(body.as_bytes()).map_err(|error| error.code)?;
        UnverifiedCredential::read(authorization.map(str::as_bytes), &form)
            .map(|credential| (credential.client.0.clone(), credential.secret.to_string(), credential.in_header))
            .map_err(|error| error.code)
    }

    fn header(pair: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(pair))
    }

    #[test]
    fn both_methods_are_read_and_never_mixed() {
        let basic = header("demo:s%2Be");
        for (authorization, body, expected) in [
            (Some(basic.as_str()), "", Ok(("demo", "s+e", true))),
            (Some(basic.as_str()), "client_id=demo", Ok(("demo", "s+e", true))),
            (None, "client_id=demo&client_secret=s", Ok(("demo", "s", false))),
            (Some(basic.as_str()), "client_secret=s", Err(ErrorCode::InvalidRequest)),
            (Some(basic.as_str()), "client_id=other", Err(ErrorCode::InvalidRequest)),
            (None, "client_id=demo", Err(ErrorCode::InvalidClient)),
            (None, "client_secret=s", Err(ErrorCode::InvalidClient)),
            (None, "client_id=demo&client_assertion=x", Err(ErrorCode::InvalidClient)),
            (Some("Bearer abc"), "", Err(ErrorCode::InvalidClient)),
            (Some("Basic !!!"), "", Err(ErrorCode::InvalidClient)),
            (Some("B"), "", Err(ErrorCode::InvalidClient)),
        ] {
            let expected = expected.map(|(id, secret, in_header)| (id.to_owned(), secret.to_owned(), in_header));
            assert_eq!(read(authorization, body), expected, "{authorization:?} {body}");
        }
    }
}
