//! The console's pages of clients: what is registered, in words, and never a secret.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::Value;

use super::super::App;
use super::super::views::console::{Body, Change, Client as ClientRow, ClientDetail, Clients, Fact, Group};
use super::super::views::shell;
use super::{failed, page, signed_in};
use crate::protocol::client::{Client, ClientKind, ClientMetadata, FapiProfile, Origin, SubjectType, TokenFormat};
use crate::protocol::identifier::ClientId;

/// `GET /clients`: all of them.
pub(in super::super) async fn clients(State(app): State<App>, headers: HeaderMap) -> Response {
    if !signed_in(&app, &headers) {
        return Redirect::to("/").into_response();
    }
    match app.flow.store.clients().await {
        Ok(clients) => page(&app, StatusCode::OK, Body::Clients(Clients { clients: clients.iter().map(row).collect() })),
        Err(error) => failed(&app, &error.to_string()),
    }
}

/// `GET /clients/{id}`: one, with everything that is registered of it.
pub(in super::super) async fn client(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    if !signed_in(&app, &headers) {
        return Redirect::to("/").into_response();
    }
    match app.flow.store.client(&ClientId(id.clone())).await {
        Ok(Some(client)) => page(&app, StatusCode::OK, Body::Client(Box::new(detail(&client)))),
        Ok(None) => page(&app, StatusCode::NOT_FOUND, Body::NoSuchClient { id }),
        Err(error) => failed(&app, &error.to_string()),
    }
}

fn row(client: &Client) -> ClientRow {
    let metadata = &client.metadata;
    let bound = [(metadata.tls_client_certificate_bound_access_tokens, "certificate"), (metadata.dpop_bound_access_tokens, "DPoP key")];
    ClientRow {
        id: client.id.0.clone(),
        name: client.name().to_owned(),
        registered: match client.origin {
            Origin::Command => "by command",
            Origin::Declared => "in a file",
            Origin::Registered => "by itself",
            Origin::Demo => "with the demo",
        },
        authentication: metadata.token_endpoint_auth_method.as_str(),
        mode: (client.kind == ClientKind::Ciba).then(|| metadata.backchannel_token_delivery_mode.as_str()),
        fapi: metadata.fapi_profile.map(|profile| match profile {
            FapiProfile::Id1 => "FAPI-CIBA ID1",
            FapiProfile::Fapi2 => "FAPI-CIBA, FAPI 2",
        }),
        bound: bound.into_iter().filter(|(is, _)| *is).map(|(_, to)| to).collect(),
    }
}

fn detail(client: &Client) -> ClientDetail {
    let groups = match client.kind {
        ClientKind::Ciba => vec![proof(&client.metadata), asking(&client.metadata), scope(&client.metadata), tokens(&client.metadata)],
        ClientKind::HookCaller => vec![proof(&client.metadata)],
    };
    let change = match client.origin {
        Origin::Command => Change {
            sentence: "To change it, write into a file what it is to be:",
            command: Some(format!("ciba-host client update {} --metadata FILE", shell::word(client.id.as_str()))),
        },
        Origin::Declared => Change { sentence: "It is declared in a file, and only that file changes it.", command: None },
        Origin::Registered => Change {
            sentence: "It registered itself and changes itself (RFC 7592). To end that:",
            command: Some(format!("ciba-host client remove {}", shell::word(client.id.as_str()))),
        },
        Origin::Demo => Change { sentence: "Everybody knows its secret: it came with the demo, and goes with it.", command: None },
    };
    ClientDetail { client: row(client), groups, change }
}

/// Facts that are there, in the order of a group.
struct Facts(Vec<Fact>);

impl Facts {
    fn say(mut self, term: &'static str, name: &'static str, values: impl IntoIterator<Item = impl ToString>) -> Self {
        let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
        if !values.is_empty() {
            self.0.push(Fact { term, name, values });
        }
        self
    }

    /// Said only where it is so.
    fn yes(self, term: &'static str, name: &'static str, is: bool) -> Self {
        self.say(term, name, is.then_some("yes"))
    }
}

/// How it proves who it is.
fn proof(metadata: &ClientMetadata) -> Group {
    let facts = Facts(vec![])
        .say("Method", "token_endpoint_auth_method", [metadata.token_endpoint_auth_method.as_str()])
        .say("Assertions are signed with", "token_endpoint_auth_signing_alg", metadata.token_endpoint_auth_signing_alg)
        .say("Its keys", "jwks", metadata.jwks.as_ref().map(keys_in_words).unwrap_or_default())
        .say("Its keys are at", "jwks_uri", &metadata.jwks_uri)
        .say("Its certificate is for", "tls_client_auth_subject_dn", &metadata.tls_client_auth_subject_dn)
        .say("Its certificate is for", "tls_client_auth_san_dns", &metadata.tls_client_auth_san_dns)
        .say("Its certificate is for", "tls_client_auth_san_uri", &metadata.tls_client_auth_san_uri)
        .say("Its certificate is for", "tls_client_auth_san_ip", &metadata.tls_client_auth_san_ip)
        .say("Its certificate is for", "tls_client_auth_san_email", &metadata.tls_client_auth_san_email);
    Group { title: "How it proves who it is", facts: facts.0 }
}

/// How it asks, and hears.
fn asking(metadata: &ClientMetadata) -> Group {
    let seconds = |value: Option<u32>| value.map(|seconds| format!("{seconds} s"));
    let facts = Facts(vec![])
        .say("Mode", "backchannel_token_delivery_mode", [metadata.backchannel_token_delivery_mode.as_str()])
        .say("Is called at", "backchannel_client_notification_endpoint", &metadata.backchannel_client_notification_endpoint)
        .say(
            "Requests are signed with",
            "backchannel_authentication_request_signing_alg",
            metadata.backchannel_authentication_request_signing_alg,
        )
        .yes("Asks for the person's code", "backchannel_user_code_parameter", metadata.backchannel_user_code_parameter)
        .yes("Polls are held until there is news", "long_poll", metadata.long_poll)
        .say("Between two polls", "interval", seconds(metadata.interval))
        .say("Requests live", "expires_in", seconds(metadata.expires_in))
        .say("Requests live at most", "expires_in_max", seconds(metadata.expires_in_max))
        .yes("A binding message is required", "binding_message_required", metadata.binding_message_required)
        .say("Longest binding message", "binding_message_characters", metadata.binding_message_characters)
        .say("Binding messages match", "binding_message_pattern", &metadata.binding_message_pattern)
        .yes("A new request ends the one that waits", "supersede", metadata.supersede)
        .yes("A request that reaches nobody ends at once", "fail_fast", metadata.fail_fast)
        .say("Least authentication it takes", "acr_minimum", &metadata.acr_minimum);
    Group { title: "How it asks", facts: facts.0 }
}

/// What it may ask for.
fn scope(metadata: &ClientMetadata) -> Group {
    let facts = Facts(vec![])
        .say("Scopes", "scope", [metadata.scope.as_deref().unwrap_or("any")])
        .say("Authorization details", "authorization_details_types", &metadata.authorization_details_types)
        .say("Resources", "resources", &metadata.resources)
        .say("Grants", "grant_types", &metadata.grant_types);
    Group { title: "What it may ask for", facts: facts.0 }
}

/// What it gets.
fn tokens(metadata: &ClientMetadata) -> Group {
    let format = match metadata.access_token_format {
        TokenFormat::Opaque => "opaque",
        TokenFormat::Jwt => "JWT (RFC 9068)",
    };
    let subject = match metadata.subject_type {
        SubjectType::Public => "public: the same everywhere",
        SubjectType::Pairwise => "pairwise: of its sector only",
    };
    let facts = Facts(vec![])
        .say("Access tokens", "access_token_format", [format])
        .yes("Bound to its certificate", "tls_client_certificate_bound_access_tokens", metadata.tls_client_certificate_bound_access_tokens)
        .yes("Bound to its DPoP key", "dpop_bound_access_tokens", metadata.dpop_bound_access_tokens)
        .yes("Refresh tokens stay the same", "keep_refresh_token", metadata.keep_refresh_token)
        .say("ID tokens are signed with", "id_token_signed_response_alg", [metadata.id_token_algorithm()])
        .say("ID tokens are encrypted with", "id_token_encrypted_response_alg", metadata.id_token_encrypted_response_alg)
        .say("Their content with", "id_token_encrypted_response_enc", metadata.id_token_encrypted_response_enc)
        .say("Subjects", "subject_type", [subject])
        .say("Its sector is named by", "sector_identifier_uri", &metadata.sector_identifier_uri);
    Group { title: "What it gets", facts: facts.0 }
}

/// What tells its public keys apart. Nothing else of a key is shown, whatever was registered.
fn keys_in_words(jwks: &Value) -> Vec<String> {
    let one = |key: &Value| {
        let word = |name: &str| key[name].as_str().map(str::to_owned);
        let of = |what: &str, name: &str| key[name].as_str().map(|value| format!("{what} {value}"));
        [word("kty"), word("crv"), word("alg"), of("for", "use"), of("kid", "kid")].into_iter().flatten().collect::<Vec<_>>().join(", ")
    };
    jwks["keys"].as_array().into_iter().flatten().map(one).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::identifier::Digest;

    /// One with everything that there is to register, so that a new member is missed here.
    fn everything() -> ClientMetadata {
        let registered = json!({
            "client_name": "Harbour Payments", "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "PS256",
            "jwks": { "keys": [{ "kty": "RSA", "alg": "PS256", "use": "sig", "kid": "k1", "n": "PUBLIC", "e": "AQAB", "d": "PRIVATE" }] },
            "jwks_uri": "https://c.example/jwks", "tls_client_auth_subject_dn": "CN=c", "tls_client_auth_san_dns": "c.example",
            "tls_client_auth_san_uri": "urn:c", "tls_client_auth_san_ip": "192.0.2.1", "tls_client_auth_san_email": "c@c.example",
            "tls_client_certificate_bound_access_tokens": true, "dpop_bound_access_tokens": true, "grant_types": ["refresh_token"],
            "scope": "openid payments", "backchannel_token_delivery_mode": "ping",
            "backchannel_client_notification_endpoint": "https://c.example/ping",
            "backchannel_authentication_request_signing_alg": "ES256", "backchannel_user_code_parameter": true,
            "subject_type": "pairwise", "sector_identifier_uri": "https://c.example/sector", "id_token_signed_response_alg": "RS256",
            "id_token_encrypted_response_alg": "ECDH-ES", "id_token_encrypted_response_enc": "A256GCM",
            "authorization_details_types": ["payment_initiation"], "fapi_profile": "fapi_ciba_id1", "access_token_format": "jwt",
            "resources": ["https://api.example"], "long_poll": true, "interval": 7, "expires_in": 90, "expires_in_max": 600,
            "binding_message_required": true, "binding_message_characters": 40, "binding_message_pattern": "[A-Z]+", "supersede": true,
            "fail_fast": true, "keep_refresh_token": true, "acr_minimum": "urn:two-factors",
        });
        serde_json::from_value(registered).unwrap()
    }

    fn client(metadata: ClientMetadata, kind: ClientKind, origin: Origin) -> Client {
        let mut client = Client::with_secret("pay ments".into(), "x", kind, Digest::of(b"a secret"), origin);
        client.metadata = std::sync::Arc::new(metadata);
        client
    }

    #[test]
    fn everything_that_is_registered_is_said_and_no_secret() {
        let metadata = everything();
        let detail = detail(&client(metadata.clone(), ClientKind::Ciba, Origin::Registered));
        let said: Vec<&str> = detail.groups.iter().flat_map(|group| &group.facts).map(|fact| fact.name).collect();
        let registered = serde_json::to_value(&metadata).unwrap();
        // The name is the heading, and the profile a badge.
        let elsewhere = ["client_name", "fapi_profile"];
        for name in registered.as_object().unwrap().keys().filter(|name| !elsewhere.contains(&name.as_str())) {
            assert!(said.contains(&name.as_str()), "{name} is not shown");
        }
        let page = format!("{detail:?}");
        assert!(page.contains("RSA, PS256, for sig, kid k1"), "{page}");
        for secret in ["PRIVATE", "PUBLIC"] {
            assert!(!page.contains(secret), "{secret}");
        }
        assert_eq!((detail.client.bound.as_slice(), detail.client.fapi), (&["certificate", "DPoP key"][..], Some("FAPI-CIBA ID1")));
        assert_eq!(detail.change.command.as_deref(), Some("ciba-host client remove 'pay ments'"));
    }

    #[test]
    fn what_is_not_registered_is_not_said() {
        let plain = detail(&client(ClientMetadata::default(), ClientKind::Ciba, Origin::Command));
        let said: Vec<&str> = plain.groups.iter().flat_map(|group| &group.facts).map(|fact| fact.name).collect();
        let usual = [
            "token_endpoint_auth_method",
            "backchannel_token_delivery_mode",
            "scope",
            "access_token_format",
            "id_token_signed_response_alg",
            "subject_type",
        ];
        assert_eq!(said, usual);
        assert_eq!(plain.change.command.as_deref(), Some("ciba-host client update 'pay ments' --metadata FILE"));
        let caller = detail(&client(ClientMetadata::default(), ClientKind::HookCaller, Origin::Declared));
        assert_eq!((caller.groups.len(), caller.client.mode), (1, None), "it only calls the hooks");
    }
}
