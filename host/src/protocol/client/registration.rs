//! What may be registered (RFC 7591, CIBA Core 4, RFC 8705 2.1.2, RFC 9396 10, OpenID Connect Registration 2 and 5).
//!
//! [`metadata`] reads an object, member by member, and then holds the whole against the rules, which stand in the order
//! of a client's life: how it authenticates, what it may ask, how it is told, what it gets.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use regex::{Regex, RegexBuilder};
use serde::Deserialize as _;
use serde::de::value::Error as FieldsError;
use serde::de::{Deserializer, Visitor};
use serde_json::{Map, Value};
use url::Url;

use super::metadata::{AuthenticationMethod, ClientMetadata, DeliveryMode, SubjectType};
use crate::protocol::algorithm::{JwsAlgorithm, KeyEncryption};
use crate::protocol::certificate::RegisteredName;
use crate::protocol::scope::Scope;
use crate::protocol::spelling::meant;
use crate::protocol::{GRANT_TYPE_CIBA, GRANT_TYPE_REFRESH, fapi};

/// What is wrong with a registration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{member}: {what}")]
pub struct MetadataError {
    /// The member that has to be mended.
    pub member: String,
    /// What is wrong with it, and what was expected.
    pub what: String,
}

impl MetadataError {
    /// Of this member.
    pub fn of(member: &str, what: impl Into<String>) -> Self {
        Self { member: member.to_owned(), what: what.into() }
    }
}

/// What is found in a set of public keys. Reading one is the work of another room.
#[derive(Clone, Debug, Default)]
pub struct KeysFound {
    /// For which of these something can be encrypted.
    pub encryption: Vec<KeyEncryption>,
    /// Whether certificates stand beside the keys (`x5c`).
    pub certificates: bool,
}

/// What does not stand in the registration itself.
pub struct Circumstances<'a> {
    /// Whether a member that we do not know is a mistake (an operator's file), or may be left out (RFC 7591 2).
    pub strict: bool,
    /// The delivery modes that are served.
    pub modes: &'a [DeliveryMode],
    /// Reads a set of public keys, or says what is wrong with it.
    pub read_keys: &'a (dyn Fn(&Value) -> Result<KeysFound, String> + Sync),
}

/// Members of RFC 7591, OpenID Connect Registration and RFC 7592 that say nothing here: they are read past, also where
/// others would be a mistake.
const READ_PAST: [&str; 19] = [
    "application_type",
    "client_id",
    "client_id_issued_at",
    "client_secret_expires_at",
    "client_uri",
    "contacts",
    "initiate_login_uri",
    "logo_uri",
    "policy_uri",
    "redirect_uris",
    "registration_access_token",
    "registration_client_uri",
    "request_object_signing_alg",
    "response_types",
    "software_id",
    "software_statement",
    "software_version",
    "tos_uri",
    "userinfo_signed_response_alg",
];

/// The longest text of any member, and the most entries of a list: what is registered is kept for years and shown.
const TEXT_MAX: usize = 2048;
const LIST_MAX: usize = 50;
/// The longest pattern in bytes, and what it may take when it is compiled.
const PATTERN_MAX: usize = 512;
const PATTERN_BYTES: usize = 256 << 10;
/// Seconds: more than a day is no interval, and no time for a person to answer.
const SECONDS_MAX: u32 = 24 * 60 * 60;

/// Reads what is to be registered.
///
/// # Errors
/// The first member that cannot be used.
pub fn metadata(members: &Map<String, Value>, circumstances: &Circumstances<'_>) -> Result<ClientMetadata, MetadataError> {
    let mut kept = Map::new();
    for (name, value) in members {
        // RFC 7592 2.2: null is as good as absent.
        if value.is_null() {
            continue;
        }
        if known().contains(&name.as_str()) {
            check_size(name, value)?;
            // Alone first, because an error of the whole would not say which member it is about.
            let alone = Map::from_iter([(name.clone(), value.clone())]);
            ClientMetadata::deserialize(Value::Object(alone)).map_err(|error| MetadataError::of(name, plain(&error.to_string())))?;
            kept.insert(name.clone(), value.clone());
        } else if circumstances.strict && !READ_PAST.contains(&name.as_str()) {
            return Err(unknown(name));
        }
    }
    let mut metadata = ClientMetadata::deserialize(Value::Object(kept)).map_err(|error| MetadataError::of("", error.to_string()))?;
    check_types(members, &mut metadata)?;
    let keys = check_keys(&metadata, circumstances)?;
    check_authentication(&metadata, keys.as_ref())?;
    check_requests(&metadata)?;
    check_delivery(&metadata, circumstances.modes)?;
    check_tokens(&metadata, keys.as_ref())?;
    check_sector(&metadata)?;
    fapi::check_registration(&metadata)?;
    Ok(metadata)
}

/// RFC 7591 2: a grant type without a response type is all that CIBA needs, and no redirect URI.
fn check_types(members: &Map<String, Value>, metadata: &mut ClientMetadata) -> Result<(), MetadataError> {
    if let Some(unserved) = members.get("response_types").filter(|types| !types.is_null() && types.as_array().is_none_or(|t| !t.is_empty()))
    {
        return Err(MetadataError::of("response_types", format!("{unserved} is not served; leave it out, or write []")));
    }
    if let Some(unknown) = metadata.grant_types.iter().find(|grant| ![GRANT_TYPE_CIBA, GRANT_TYPE_REFRESH].contains(&grant.as_str())) {
        let what = format!("{unknown} is not served; there are {GRANT_TYPE_CIBA} and {GRANT_TYPE_REFRESH}");
        return Err(MetadataError::of("grant_types", what));
    }
    let mut seen = BTreeSet::new();
    metadata.grant_types.retain(|grant| seen.insert(grant.clone()));
    match metadata.grant_types.as_slice() {
        // RFC 7591 would have authorization_code here, which nobody can use.
        [] => metadata.grant_types = vec![GRANT_TYPE_CIBA.to_owned()],
        grants if !grants.iter().any(|grant| grant == GRANT_TYPE_CIBA) => {
            return Err(MetadataError::of("grant_types", format!("must contain {GRANT_TYPE_CIBA}")));
        }
        _ => {}
    }
    Ok(())
}

/// RFC 7591 2: keys stand in the registration or behind an address, not both.
fn check_keys(metadata: &ClientMetadata, circumstances: &Circumstances<'_>) -> Result<Option<KeysFound>, MetadataError> {
    if metadata.jwks.is_some() && metadata.jwks_uri.is_some() {
        return Err(MetadataError::of("jwks", "stands beside jwks_uri; leave one of them out"));
    }
    if let Some(uri) = &metadata.jwks_uri {
        https("jwks_uri", uri)?;
    }
    let jwks = metadata.jwks.as_ref();
    jwks.map(|jwks| (circumstances.read_keys)(jwks).map_err(|what| MetadataError::of("jwks", what))).transpose()
}

/// OpenID Connect Core 9, RFC 8705 2.
fn check_authentication(metadata: &ClientMetadata, keys: Option<&KeysFound>) -> Result<(), MetadataError> {
    let method = metadata.token_endpoint_auth_method;
    let has_keys = keys.is_some() || metadata.jwks_uri.is_some();
    let needs_keys = match method {
        AuthenticationMethod::PrivateKeyJwt | AuthenticationMethod::SelfSignedTlsClientAuth => Some(method.as_str()),
        _ if metadata.backchannel_authentication_request_signing_alg.is_some() => Some("backchannel_authentication_request_signing_alg"),
        _ if metadata.id_token_encrypted_response_alg.is_some() => Some("id_token_encrypted_response_alg"),
        _ => None,
    };
    if let Some(what) = needs_keys.filter(|_| !has_keys) {
        return Err(MetadataError::of("jwks", format!("is missing, or jwks_uri is: {what} needs the client's public keys")));
    }
    // RFC 8705 2.2.2: the certificate stands in the key set.
    if method == AuthenticationMethod::SelfSignedTlsClientAuth && keys.is_some_and(|keys| !keys.certificates) {
        return Err(MetadataError::of("jwks", "has no certificate: self_signed_tls_client_auth needs one, as x5c of a key"));
    }
    check_certificate_name(metadata)?;
    let Some(algorithm) = metadata.token_endpoint_auth_signing_alg else { return Ok(()) };
    let expected: &[JwsAlgorithm] = match method {
        AuthenticationMethod::PrivateKeyJwt => &JwsAlgorithm::ASYMMETRIC,
        AuthenticationMethod::ClientSecretJwt => &[JwsAlgorithm::Hs256],
        _ => &[],
    };
    if expected.contains(&algorithm) {
        return Ok(());
    }
    let what = match expected {
        [] => format!("says how assertions are signed, and {} has none; leave it out", method.as_str()),
        _ => format!("{algorithm} does not go with {}; choose {}", method.as_str(), names(expected)),
    };
    Err(MetadataError::of("token_endpoint_auth_signing_alg", what))
}

/// RFC 8705 2.1.2: exactly one name for `tls_client_auth`, and none for anybody else.
fn check_certificate_name(metadata: &ClientMetadata) -> Result<(), MetadataError> {
    let names = certificate_names(metadata);
    let is_meant = metadata.token_endpoint_auth_method == AuthenticationMethod::TlsClientAuth;
    match names.as_slice() {
        [] if is_meant => {
            let what = "is missing: tls_client_auth needs it, or one of the other tls_client_auth_ members";
            Err(MetadataError::of("tls_client_auth_subject_dn", what))
        }
        [(member, _), ..] if !is_meant => Err(MetadataError::of(member, "goes with tls_client_auth only; leave it out")),
        [(first, _), (second, _), ..] => Err(MetadataError::of(second, format!("stands beside {first}; exactly one may be registered"))),
        [(member, value)] => RegisteredName::parse(member, value)
            .map(drop)
            .map_err(|what| MetadataError::of(member, what.strip_prefix(member).unwrap_or(&what).trim_start())),
        [] => Ok(()),
    }
}

/// The names of certificates that are registered: one, where they were checked.
pub fn certificate_names(metadata: &ClientMetadata) -> Vec<(&'static str, &str)> {
    [
        ("tls_client_auth_subject_dn", &metadata.tls_client_auth_subject_dn),
        ("tls_client_auth_san_dns", &metadata.tls_client_auth_san_dns),
        ("tls_client_auth_san_uri", &metadata.tls_client_auth_san_uri),
        ("tls_client_auth_san_ip", &metadata.tls_client_auth_san_ip),
        ("tls_client_auth_san_email", &metadata.tls_client_auth_san_email),
    ]
    .into_iter()
    .filter_map(|(member, value)| value.as_deref().map(|value| (member, value)))
    .collect()
}

/// What it may ask, and how: CIBA Core 4 and 7.1, RFC 9396 10, RFC 8707 2.
fn check_requests(metadata: &ClientMetadata) -> Result<(), MetadataError> {
    if let Some(scope) = &metadata.scope {
        Scope::parse(scope).map_err(|error| MetadataError::of("scope", error.description))?;
    }
    if metadata.backchannel_authentication_request_signing_alg == Some(JwsAlgorithm::Hs256) {
        let what = format!("HS256 is not asymmetric (CIBA Core 7.1.1); choose {}", names(&JwsAlgorithm::ASYMMETRIC));
        return Err(MetadataError::of("backchannel_authentication_request_signing_alg", what));
    }
    for resource in &metadata.resources {
        let url = Url::parse(resource).map_err(|error| MetadataError::of("resources", format!("{resource} is not a URI: {error}")))?;
        if url.fragment().is_some() {
            return Err(MetadataError::of("resources", format!("{resource} has a fragment, which RFC 8707 2 does not allow")));
        }
    }
    if let Some(pattern) = &metadata.binding_message_pattern {
        whole_message(pattern).map_err(|what| MetadataError::of("binding_message_pattern", what))?;
    }
    for (member, seconds) in
        [("interval", metadata.interval), ("expires_in", metadata.expires_in), ("expires_in_max", metadata.expires_in_max)]
    {
        if seconds.is_some_and(|seconds| seconds == 0 || seconds > SECONDS_MAX) {
            return Err(MetadataError::of(member, format!("must be between 1 and {SECONDS_MAX} seconds")));
        }
    }
    if let (Some(usual), Some(longest)) = (metadata.expires_in, metadata.expires_in_max)
        && usual > longest
    {
        return Err(MetadataError::of("expires_in", format!("is longer than expires_in_max, which is {longest}")));
    }
    if metadata.binding_message_characters == Some(0) {
        return Err(MetadataError::of("binding_message_characters", "must be at least 1"));
    }
    Ok(())
}

/// CIBA Core 4: where it is told.
fn check_delivery(metadata: &ClientMetadata, modes: &[DeliveryMode]) -> Result<(), MetadataError> {
    let mode = metadata.backchannel_token_delivery_mode;
    if !modes.contains(&mode) {
        let served: Vec<&str> = modes.iter().map(|mode| mode.as_str()).collect();
        let what = format!("{} is not served here; there are {}", mode.as_str(), served.join(", "));
        return Err(MetadataError::of("backchannel_token_delivery_mode", what));
    }
    match &metadata.backchannel_client_notification_endpoint {
        Some(endpoint) => https("backchannel_client_notification_endpoint", endpoint).map(drop),
        None if mode == DeliveryMode::Poll => Ok(()),
        None => Err(MetadataError::of("backchannel_client_notification_endpoint", format!("is missing: {} needs it", mode.as_str()))),
    }
}

/// What it gets: OpenID Connect Registration 2.
fn check_tokens(metadata: &ClientMetadata, keys: Option<&KeysFound>) -> Result<(), MetadataError> {
    if metadata.id_token_signed_response_alg == Some(JwsAlgorithm::Hs256) {
        let what = format!("HS256 is not served; choose {}", names(&JwsAlgorithm::ASYMMETRIC));
        return Err(MetadataError::of("id_token_signed_response_alg", what));
    }
    match (metadata.id_token_encrypted_response_alg, metadata.id_token_encrypted_response_enc) {
        (None, Some(_)) => Err(MetadataError::of("id_token_encrypted_response_enc", "needs id_token_encrypted_response_alg beside it")),
        (Some(algorithm), _) if keys.is_some_and(|keys| !keys.encryption.contains(&algorithm)) => {
            Err(MetadataError::of("jwks", format!("has no key for {algorithm}, which id_token_encrypted_response_alg names")))
        }
        _ => Ok(()),
    }
}

/// OpenID Connect Core 8.1, as CIBA Core 4 reads it: what pairwise subjects are made for has to be the client's own, or it
/// would learn by what name others know its users.
fn check_sector(metadata: &ClientMetadata) -> Result<(), MetadataError> {
    let mode = metadata.backchannel_token_delivery_mode;
    if let Some(uri) = &metadata.sector_identifier_uri {
        https("sector_identifier_uri", uri)?;
        if listed_in_sector(metadata).is_empty() {
            let what = "lists nothing of this client: register a jwks_uri or a backchannel_client_notification_endpoint that it lists";
            return Err(MetadataError::of("sector_identifier_uri", what));
        }
        return Ok(());
    }
    if metadata.subject_type == SubjectType::Public {
        return Ok(());
    }
    let proves_keys =
        matches!(metadata.token_endpoint_auth_method, AuthenticationMethod::PrivateKeyJwt | AuthenticationMethod::SelfSignedTlsClientAuth)
            || metadata.backchannel_authentication_request_signing_alg.is_some();
    match (&metadata.jwks_uri, mode) {
        (Some(_), _) if proves_keys => Ok(()),
        (Some(_), _) => {
            let what = "pairwise for the host of jwks_uri needs a client that uses those keys: register private_key_jwt, \
                        self_signed_tls_client_auth or signed requests";
            Err(MetadataError::of("subject_type", what))
        }
        (None, DeliveryMode::Push) => Ok(()),
        (None, _) => Err(MetadataError::of("subject_type", "pairwise needs a sector_identifier_uri or a jwks_uri in poll and ping mode")),
    }
}

/// The addresses of the client of which the document at `sector_identifier_uri` must list one at least (OpenID Connect
/// Registration 5; CIBA has no redirect URIs).
pub fn listed_in_sector(metadata: &ClientMetadata) -> Vec<&str> {
    [&metadata.jwks_uri, &metadata.backchannel_client_notification_endpoint].into_iter().flatten().map(String::as_str).collect()
}

/// The expression that a whole binding message has to match. Matching takes time that grows with the message's length and
/// not faster.
///
/// # Errors
/// What is wrong with it.
pub fn whole_message(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > PATTERN_MAX {
        return Err(format!("is longer than {PATTERN_MAX} bytes"));
    }
    let compile = |pattern: &str| RegexBuilder::new(pattern).size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES).build();
    let wrong = |error: regex::Error| {
        let what = error.to_string();
        format!("is not a regular expression: {}", what.lines().last().unwrap_or(&what).trim_start_matches("error: "))
    };
    // By itself first: a bracket too many must not close the one around it.
    compile(pattern).map_err(wrong)?;
    compile(&format!(r"\A(?:{pattern})\z")).map_err(wrong)
}

/// An address that we are to call: https, and nothing in it that is secret or never sent.
fn https(member: &str, text: &str) -> Result<Url, MetadataError> {
    let wrong = |what: &str| MetadataError::of(member, format!("{text} {what}"));
    let url = Url::parse(text).map_err(|error| wrong(&format!("is not a URL: {error}")))?;
    if url.scheme() != "https" || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("must begin with https://"));
    }
    if url.fragment().is_some() {
        return Err(wrong("must not have a fragment"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(MetadataError::of(member, "must not have a user name or a password in it"));
    }
    Ok(url)
}

fn check_size(member: &str, value: &Value) -> Result<(), MetadataError> {
    let too_long = |text: &Value| text.as_str().is_some_and(|text| text.len() > TEXT_MAX || text.contains(char::is_control));
    match value {
        Value::Array(list) if list.len() > LIST_MAX => Err(MetadataError::of(member, format!("has more than {LIST_MAX} entries"))),
        Value::Array(list) if list.iter().any(too_long) => {
            Err(MetadataError::of(member, "has an entry that is too long or holds control characters"))
        }
        text if too_long(text) => Err(MetadataError::of(member, format!("is longer than {TEXT_MAX} bytes, or holds control characters"))),
        _ => Ok(()),
    }
}

/// The members that are kept, as the type itself says.
fn known() -> &'static [&'static str] {
    struct Fields<'a>(&'a mut &'static [&'static str]);
    impl<'de> Deserializer<'de> for Fields<'_> {
        type Error = FieldsError;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, FieldsError> {
            Err(serde::de::Error::custom("only the fields are of interest"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            visitor: V,
        ) -> Result<V::Value, FieldsError> {
            *self.0 = fields;
            self.deserialize_any(visitor)
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
    let mut fields: &'static [&'static str] = &[];
    let _ = ClientMetadata::deserialize(Fields(&mut fields));
    fields
}

fn unknown(name: &str) -> MetadataError {
    let what = match meant(name, known().iter().chain(&READ_PAST).copied()) {
        Some(meant) => format!("is not known; did you mean {meant}?"),
        None => "is not known; docs/clients.md has a table of all members".to_owned(),
    };
    MetadataError::of(name, what)
}

/// serde's words without its marks.
fn plain(message: &str) -> String {
    message.replace('`', "").replace("invalid type: ", "it is ").replace("unknown variant ", "there is no ")
}

fn names(algorithms: &[JwsAlgorithm]) -> String {
    algorithms.iter().map(|algorithm| algorithm.as_str()).collect::<Vec<_>>().join(", ")
}
