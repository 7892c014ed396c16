//! What a client asks at the backchannel authentication endpoint (CIBA Core 7.1).
//!
//! [`parameters`] reads what was sent, as a form or as a signed request object; [`details`] and [`target`] are the rules of
//! `authorization_details` and `resource`. What the FAPI-CIBA profiles ask for besides is in [`super::fapi`].

pub mod details;
pub mod parameters;
pub mod target;

use serde_json::Value;
use zeroize::Zeroizing;

use super::binding_message::{self, BindingMessage};
use super::client::{Client, ClientMetadata, DeliveryMode};
use super::error::{ErrorCode, ProtocolError};
use super::scope::Scope;
use super::user;
use super::{GRANT_TYPE_CIBA, GRANT_TYPE_REFRESH};

pub use parameters::Parameters;

/// How the client names the user. Exactly one hint is given (CIBA Core 7.1).
#[derive(Clone, PartialEq, Eq)]
pub enum Hint {
    /// A `login_hint`, as it came: a username, an e-mail address, a phone number, or what a plugin knows.
    Login(String),
    /// A `login_hint_token`: somebody whom the operator trusts names the user. Nothing of it was verified.
    LoginToken(String),
    /// An `id_token_hint`: an ID token that we gave to this client. Nothing of it was verified.
    IdToken(String),
}

impl std::fmt::Debug for Hint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self {
            Self::Login(_) => "Login",
            Self::LoginToken(_) => "LoginToken",
            Self::IdToken(_) => "IdToken",
        };
        write!(f, "{name}([redacted])")
    }
}

/// A request that keeps every rule that can be checked without looking anything up.
#[derive(Clone, PartialEq, Eq)]
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
    /// RFC 9396: a list of objects that each name a type of this client's.
    pub authorization_details: Option<Value>,
    /// RFC 8707: where the access token is to be used.
    pub resource: Vec<String>,
    /// Data for fraud checks: an object.
    pub request_context: Option<Value>,
    /// The person's code.
    pub user_code: Option<Zeroizing<String>>,
    /// By which the client knows us when we ping or push.
    pub client_notification_token: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for BackchannelRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackchannelRequest").field("hint", &self.hint).field("scope", &self.scope).finish_non_exhaustive()
    }
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

impl Limits {
    /// These, and over them what is registered of one client.
    pub fn of(self, client: &ClientMetadata) -> Self {
        let characters = client.binding_message_characters.and_then(|characters| usize::try_from(characters).ok());
        Self {
            expires_in: client.expires_in.unwrap_or(self.expires_in),
            expires_in_max: client.expires_in_max.unwrap_or(self.expires_in_max),
            binding_message_characters: characters.unwrap_or(self.binding_message_characters),
        }
    }

    /// Lifetime in seconds of a request that asks for this one.
    fn lifetime(self, asked: Option<u32>) -> u32 {
        asked.unwrap_or(self.expires_in).min(self.expires_in_max)
    }
}

/// The longest `acr_values` that is read, in bytes.
const ACR_VALUES_LENGTH_MAX: usize = 1024;
/// The longest hint that is a JWT, in bytes.
const TOKEN_LENGTH_MAX: usize = 16 << 10;
/// The longest `client_notification_token`, in characters (CIBA Core 7.1).
const NOTIFICATION_TOKEN_LENGTH_MAX: usize = 1024;
/// The longest `user_code`, in bytes.
const USER_CODE_LENGTH_MAX: usize = 128;
/// The longest `request_context`, in bytes.
const CONTEXT_LENGTH_MAX: usize = 8 << 10;

/// Every parameter of an authentication request, except those that prove who the client is: beside a signed request object
/// none of them may stand (CIBA Core 7.1.1).
pub const PARAMETERS: &[&str] = &[
    "scope",
    "client_notification_token",
    "acr_values",
    "login_hint_token",
    "id_token_hint",
    "login_hint",
    "binding_message",
    "user_code",
    "requested_expiry",
    "request_uri",
    "authorization_details",
    "resource",
    "request_context",
    "dpop_jkt",
];

impl BackchannelRequest {
    /// Checks everything the request says. The client has been authenticated, and a signed request object verified.
    ///
    /// # Errors
    /// The first rule that is broken, in the order of CIBA Core 7.2: who asks, how, then for whom.
    pub fn parse(parameters: Parameters<'_>, client: &Client, limits: &Limits) -> Result<Self, ProtocolError> {
        let metadata = &client.metadata;
        if !metadata.allows(GRANT_TYPE_CIBA) {
            return Err(ErrorCode::UnauthorizedClient.into());
        }
        // RFC 9101 5.2 is not for CIBA: the request object is in the request (CIBA Core 7.1.1).
        if parameters.has("request_uri") {
            return Err(ProtocolError::new(ErrorCode::RequestUriNotSupported, "request_uri is not supported"));
        }
        let limits = limits.of(metadata);
        let scope = Scope::parse(parameters.required("scope", usize::MAX)?)?;
        may_ask_for(&scope, metadata)?;
        let client_notification_token = notification_token(parameters, client.delivery())?;
        let hint = hint(parameters)?;
        let binding_message = binding_message(parameters, metadata, &limits)?;
        let acr_values = parameters.text("acr_values", ACR_VALUES_LENGTH_MAX)?.unwrap_or_default();
        Ok(Self {
            hint,
            scope,
            binding_message,
            acr_values: acr_values.split(' ').filter(|value| !value.is_empty()).map(str::to_owned).collect(),
            expires_in: limits.lifetime(parameters.seconds("requested_expiry")?),
            authorization_details: details::parse(parameters, metadata)?,
            resource: target::parse(parameters)?,
            request_context: request_context(parameters)?,
            user_code: user_code(parameters, metadata)?,
            client_notification_token,
        })
    }
}

/// RFC 7591 2: a client with registered scope values asks for no others. `openid` makes it a CIBA request, and is not one
/// of them for some.
fn may_ask_for(scope: &Scope, client: &ClientMetadata) -> Result<(), ProtocolError> {
    // OpenID Connect Core 11: whoever asks for it counts on a refresh token.
    if scope.values().iter().any(|value| value == "offline_access") && !client.allows(GRANT_TYPE_REFRESH) {
        let what = "offline_access is for clients that registered the grant type refresh_token";
        return Err(ProtocolError::new(ErrorCode::InvalidScope, what));
    }
    let Some(registered) = &client.scope else { return Ok(()) };
    match scope.values().iter().find(|value| *value != "openid" && !registered.split(' ').any(|may| may == value.as_str())) {
        Some(other) => Err(ProtocolError::new(ErrorCode::InvalidScope, format!("the client may not ask for the scope {other}"))),
        None => Ok(()),
    }
}

/// Required for ping and push (CIBA Core 7.1). A client that polls needs none, and what is not needed is left aside.
fn notification_token(parameters: Parameters<'_>, delivery: DeliveryMode) -> Result<Option<Zeroizing<String>>, ProtocolError> {
    if delivery == DeliveryMode::Poll {
        return Ok(None);
    }
    let token = parameters.required("client_notification_token", NOTIFICATION_TOKEN_LENGTH_MAX)?;
    // b64token of RFC 6750 2.1.
    let body = token.trim_end_matches('=');
    let is_bearer = !body.is_empty() && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte));
    if !is_bearer {
        return Err(invalid("client_notification_token has a character that RFC 6750 2.1 does not allow in a bearer token"));
    }
    Ok(Some(Zeroizing::new(token.to_owned())))
}

fn hint(parameters: Parameters<'_>) -> Result<Hint, ProtocolError> {
    let given = ["login_hint", "login_hint_token", "id_token_hint"].into_iter().filter(|name| parameters.has(name)).count();
    if given != 1 {
        return Err(invalid(format!("exactly one of login_hint, login_hint_token and id_token_hint is required, not {given}")));
    }
    if let Some(token) = parameters.text("login_hint_token", TOKEN_LENGTH_MAX)? {
        return Ok(Hint::LoginToken(token.to_owned()));
    }
    if let Some(token) = parameters.text("id_token_hint", TOKEN_LENGTH_MAX)? {
        return Ok(Hint::IdToken(token.to_owned()));
    }
    parameters.required("login_hint", user::HINT_LENGTH_MAX).map(|hint| Hint::Login(hint.to_owned()))
}

fn binding_message(parameters: Parameters<'_>, client: &ClientMetadata, limits: &Limits) -> Result<Option<BindingMessage>, ProtocolError> {
    match parameters.text("binding_message", usize::MAX)? {
        None if client.binding_message_required => Err(invalid("binding_message is missing: this client always sends one")),
        None => Ok(None),
        Some(text) => {
            let message = BindingMessage::parse(text, limits.binding_message_characters)?;
            client.binding_message_pattern.as_ref().map_or(Ok(()), |pattern| message.must_match(pattern))?;
            Ok(Some(message))
        }
    }
}

/// What its registration says that it does not send is refused: the client must not believe that it was heeded.
fn user_code(parameters: Parameters<'_>, client: &ClientMetadata) -> Result<Option<Zeroizing<String>>, ProtocolError> {
    match parameters.text("user_code", USER_CODE_LENGTH_MAX)? {
        Some(_) if !client.backchannel_user_code_parameter => {
            Err(invalid("user_code is not for this client: it did not register backchannel_user_code_parameter"))
        }
        code => Ok(code.map(|code| Zeroizing::new(code.to_owned()))),
    }
}

fn request_context(parameters: Parameters<'_>) -> Result<Option<Value>, ProtocolError> {
    let context = parameters.json("request_context", CONTEXT_LENGTH_MAX, ErrorCode::InvalidRequest)?;
    if context.as_ref().is_some_and(|context| !context.is_object()) {
        return Err(invalid("request_context must be a JSON object"));
    }
    Ok(context)
}

fn invalid(description: impl Into<String>) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidRequest, description)
}

#[cfg(test)]
mod tests;
