//! What a client asks at the backchannel authentication endpoint (CIBA Core 7.1).

use super::binding_message::{self, BindingMessage};
use super::client::{Client, DeliveryMode};
use super::error::{ErrorCode, ProtocolError};
use super::form::Form;
use super::scope::Scope;
use super::user;

/// How the client names the user. Exactly one hint is given (CIBA Core 7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// A username, an e-mail address or a phone number.
    Login(String),
}

/// A request that keeps every rule that can be checked without looking anything up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackchannelRequest {
    /// Who is asked.
    pub hint: Hint,
    /// What is asked for.
    pub scope: Scope,
    /// What both devices show.
    pub binding_message: Option<BindingMessage>,
    /// Authentication contexts the client would like, in its order.
    pub acr_values: Vec<String>,
    /// Lifetime in seconds: what was asked, within the limits.
    pub expires_in: u32,
}

/// What the operator set for every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Lifetime in seconds where the client does not say.
    pub expires_in: u32,
    /// The longest lifetime in seconds; a longer request is cut to it, and `expires_in` says so.
    pub expires_in_max: u32,
    /// The longest binding message, in characters.
    pub binding_message_characters: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { expires_in: 120, expires_in_max: 600, binding_message_characters: binding_message::CHARACTERS_MAX_DEFAULT }
    }
}

/// The longest `acr_values` that is read, in bytes.
const ACR_VALUES_LENGTH_MAX: usize = 1024;

/// Parameters that steer the answer and that are not served yet: a client that sends one must not believe it
/// was heeded.
const NOT_SERVED: &[(&str, ErrorCode, &str)] = &[
    ("request", ErrorCode::RequestNotSupported, "request: signed requests are not supported yet"),
    ("request_uri", ErrorCode::RequestUriNotSupported, "request_uri is not supported"),
    ("login_hint_token", ErrorCode::InvalidRequest, "login_hint_token is not supported yet; use login_hint"),
    ("id_token_hint", ErrorCode::InvalidRequest, "id_token_hint is not supported yet; use login_hint"),
    ("user_code", ErrorCode::InvalidRequest, "user_code is not supported yet; leave it out"),
    ("client_notification_token", ErrorCode::InvalidRequest, "client_notification_token belongs to ping and push; this client polls"),
    ("authorization_details", ErrorCode::InvalidAuthorizationDetails, "authorization_details is not supported yet"),
    ("resource", ErrorCode::InvalidTarget, "resource is not supported yet"),
    ("request_context", ErrorCode::InvalidRequest, "request_context is not supported yet"),
    ("dpop_jkt", ErrorCode::InvalidRequest, "DPoP is not supported yet"),
];

impl BackchannelRequest {
    /// Checks everything the form says. The client has been authenticated.
    ///
    /// # Errors
    /// The first rule that is broken, in the order of CIBA Core 7.2: who asks, how, then for whom.
    pub fn parse(form: &Form, client: &Client, limits: &Limits) -> Result<Self, ProtocolError> {
        if client.delivery() != DeliveryMode::Poll {
            return Err(ProtocolError::new(ErrorCode::UnauthorizedClient, "only the poll mode is served yet"));
        }
        let scope = Scope::parse(form.required("scope", usize::MAX)?)?;
        let hints = ["login_hint", "login_hint_token", "id_token_hint"].into_iter().filter(|name| form.value(name).is_some()).count();
        if hints != 1 {
            let description = format!("exactly one of login_hint, login_hint_token and id_token_hint is required, not {hints}");
            return Err(ProtocolError::new(ErrorCode::InvalidRequest, description));
        }
        if let Some((_, code, sentence)) = NOT_SERVED.iter().find(|(name, _, _)| form.value(name).is_some()) {
            return Err(ProtocolError::new(*code, *sentence));
        }
        let login_hint = form.required("login_hint", user::HINT_LENGTH_MAX)?;
        let binding_message =
            form.value("binding_message").map(|text| BindingMessage::parse(text, limits.binding_message_characters)).transpose()?;
        let acr_values = form.bounded("acr_values", ACR_VALUES_LENGTH_MAX)?.unwrap_or_default();
        Ok(Self {
            hint: Hint::Login(user::normal_hint(login_hint)),
            scope,
            binding_message,
            acr_values: acr_values.split(' ').filter(|value| !value.is_empty()).map(str::to_owned).collect(),
            expires_in: requested_expiry(form)?.map_or(limits.expires_in, |asked| asked.min(limits.expires_in_max)),
        })
    }
}

/// `requested_expiry`: a positive integer in seconds (CIBA Core 7.1). A number too large to hold is only large.
fn requested_expiry(form: &Form) -> Result<Option<u32>, ProtocolError> {
    let Some(text) = form.value("requested_expiry") else { return Ok(None) };
    let digits = !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || text.bytes().all(|byte| byte == b'0') {
        return Err(ProtocolError::new(ErrorCode::InvalidRequest, "requested_expiry must be a positive number of seconds"));
    }
    Ok(Some(text.parse().unwrap_or(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::{ClientKind, Origin};
    use crate::protocol::identifier::Digest;

    fn client() -> Client {
        Client::with_secret("demo".into(), "Demo", ClientKind::Ciba, Digest::of(b""), Origin::Command)
    }

    fn parse(body: &str) -> Result<BackchannelRequest, ProtocolError> {
        BackchannelRequest::parse(&Form::parse(body.as_bytes())?, &client(), &Limits::default())
    }

    #[test]
    fn a_whole_request() {
        let request = parse("scope=openid+email&login_hint=Alice&binding_message=W4SCT&acr_values=a+b&requested_expiry=60").unwrap();
        assert_eq!(request.hint, Hint::Login("alice".to_owned()));
        assert_eq!(request.scope.to_wire(), "openid email");
        assert_eq!(request.binding_message.unwrap().as_str(), "W4SCT");
        assert_eq!(request.acr_values, ["a", "b"]);
        assert_eq!(request.expires_in, 60);
    }

    #[test]
    fn expiry_is_capped_and_tells_the_truth() {
        for (asked, seconds) in [("", 120), ("1", 1), ("600", 600), ("601", 600), ("99999999999999999999", 600)] {
            assert_eq!(parse(&format!("scope=openid&login_hint=a&requested_expiry={asked}")).unwrap().expires_in, seconds);
        }
    }

    #[test]
    fn every_rule_has_its_error() {
        use ErrorCode::*;
        let long_hint = format!("scope=openid&login_hint={}", "x".repeat(257));
        let long_message = format!("scope=openid&login_hint=a&binding_message={}", "x".repeat(101));
        for (body, code, names) in [
            ("login_hint=a", InvalidRequest, "scope"),
            ("scope=&login_hint=a", InvalidRequest, "scope"),
            ("scope=email&login_hint=a", InvalidScope, "openid"),
            ("scope=openid", InvalidRequest, "login_hint"),
            ("scope=openid&login_hint=", InvalidRequest, "login_hint"),
            ("scope=openid&login_hint=a&id_token_hint=b", InvalidRequest, "not 2"),
            ("scope=openid&login_hint_token=a", InvalidRequest, "login_hint_token"),
            ("scope=openid&id_token_hint=a", InvalidRequest, "id_token_hint"),
            (&long_hint, InvalidRequest, "login_hint"),
            (&long_message, InvalidBindingMessage, "101"),
            ("scope=openid&login_hint=a&requested_expiry=0", InvalidRequest, "requested_expiry"),
            ("scope=openid&login_hint=a&requested_expiry=-1", InvalidRequest, "requested_expiry"),
            ("scope=openid&login_hint=a&requested_expiry=1.5", InvalidRequest, "requested_expiry"),
            ("scope=openid&login_hint=a&request=x", RequestNotSupported, "request"),
            ("scope=openid&login_hint=a&request_uri=x", RequestUriNotSupported, "request_uri"),
            ("scope=openid&login_hint=a&user_code=x", InvalidRequest, "user_code"),
            ("scope=openid&login_hint=a&client_notification_token=x", InvalidRequest, "client_notification_token"),
            ("scope=openid&login_hint=a&authorization_details=x", InvalidAuthorizationDetails, "authorization_details"),
            ("scope=openid&login_hint=a&resource=x", InvalidTarget, "resource"),
        ] {
            let error = parse(body).unwrap_err();
            assert_eq!(error.code, code, "{body}");
            assert!(error.description.contains(names), "{body}: {}", error.description);
        }
    }
}
