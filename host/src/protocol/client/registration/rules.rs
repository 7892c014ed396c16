//! The rules, in the order of a client's life: how it authenticates, what it may ask, how it is told, what it gets.

use std::collections::BTreeSet;

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};
use url::Url;

use super::{Circumstances, KeysFound, MetadataError};
use crate::protocol::algorithm::JwsAlgorithm;
use crate::protocol::certificate::RegisteredName;
use crate::protocol::client::metadata::{AuthenticationMethod, ClientMetadata, DeliveryMode, SubjectType};
use crate::protocol::scope::Scope;
use crate::protocol::{GRANT_TYPE_CIBA, GRANT_TYPE_REFRESH};

/// The longest pattern in bytes, and what it may take when it is compiled.
const PATTERN_MAX: usize = 512;
const PATTERN_BYTES: usize = 256 << 10;
/// Seconds: more than a day is no interval, and no time for a person to answer.
const SECONDS_MAX: u32 = 24 * 60 * 60;

/// All of them, those of FAPI excepted. `members` is what was sent, `metadata` what was read of it.
pub(super) fn check(
    members: &Map<String, Value>,
    metadata: &mut ClientMetadata,
    circumstances: &Circumstances<'_>,
) -> Result<(), MetadataError> {
    check_types(members, metadata)?;
    let keys = check_keys(metadata, circumstances)?;
    check_authentication(metadata, keys.as_ref())?;
    check_requests(metadata)?;
    check_delivery(metadata, circumstances.modes)?;
    check_id_token_algorithm(metadata, circumstances.algorithms)?;
    check_tokens(metadata, keys.as_ref())?;
    check_sector(metadata, circumstances.by_operator)
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

/// Whether the host, which signs with these, can sign its ID tokens.
///
/// # Errors
/// That it cannot, and what it signs with.
pub fn check_id_token_algorithm(metadata: &ClientMetadata, ours: &[JwsAlgorithm]) -> Result<(), MetadataError> {
    let algorithm = metadata.id_token_algorithm();
    if ours.contains(&algorithm) {
        return Ok(());
    }
    Err(MetadataError::of("id_token_signed_response_alg", format!("{algorithm} is not signed with here; choose {}", names(ours))))
}

/// What it gets: OpenID Connect Registration 2. A token is bound to one thing (RFC 7800 3.1), whoever shows two.
fn check_tokens(metadata: &ClientMetadata, keys: Option<&KeysFound>) -> Result<(), MetadataError> {
    if metadata.dpop_bound_access_tokens && metadata.tls_client_certificate_bound_access_tokens {
        let what = "stands beside tls_client_certificate_bound_access_tokens; a token is bound to one of them";
        return Err(MetadataError::of("dpop_bound_access_tokens", what));
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
/// would learn by what name others know its users. For a client of the operator's the operator vouches.
fn check_sector(metadata: &ClientMetadata, vouched_for: bool) -> Result<(), MetadataError> {
    if let Some(uri) = &metadata.sector_identifier_uri {
        https("sector_identifier_uri", uri)?;
    }
    if metadata.subject_type == SubjectType::Public || vouched_for || metadata.backchannel_token_delivery_mode == DeliveryMode::Push {
        return Ok(());
    }
    // In push mode its tokens go to its endpoint. A client that fetches them has to prove that the address is its own.
    let uses_keys =
        matches!(metadata.token_endpoint_auth_method, AuthenticationMethod::PrivateKeyJwt | AuthenticationMethod::SelfSignedTlsClientAuth)
            || metadata.backchannel_authentication_request_signing_alg.is_some();
    let what = match metadata.jwks_uri {
        Some(_) if uses_keys => return Ok(()),
        Some(_) => {
            "pairwise is for clients that use the keys of their jwks_uri: register private_key_jwt, self_signed_tls_client_auth \
             or signed requests"
        }
        None => "pairwise needs a jwks_uri in poll and ping mode: its host is the sector, or sector_identifier_uri lists it",
    };
    Err(MetadataError::of("subject_type", what))
}

/// The address that the document at `sector_identifier_uri` must list (CIBA Core 4, OpenID Connect Registration 5): in
/// push mode where the tokens go, else where the keys are that it proves itself with.
pub fn listed_in_sector(metadata: &ClientMetadata) -> Option<&str> {
    match metadata.backchannel_token_delivery_mode {
        DeliveryMode::Push => metadata.backchannel_client_notification_endpoint.as_deref(),
        DeliveryMode::Poll | DeliveryMode::Ping => metadata.jwks_uri.as_deref(),
    }
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

fn names(algorithms: &[JwsAlgorithm]) -> String {
    algorithms.iter().map(|algorithm| algorithm.as_str()).collect::<Vec<_>>().join(", ")
}
