use serde_json::json;

use super::*;
use crate::protocol::client::{AuthenticationMethod, FapiProfile, TokenFormat};
use crate::protocol::{GRANT_TYPE_CIBA, GRANT_TYPE_REFRESH};

/// Reads a set as the room of keys would: one that says `"keys": []` holds nothing.
fn read_keys(jwks: &Value) -> Result<KeysFound, String> {
    let keys = jwks["keys"].as_array().ok_or("a key set is an object with a list of keys")?;
    if keys.iter().any(|key| key.get("d").is_some()) {
        return Err("keys[0]: it is private".to_owned());
    }
    let encryption = if keys.iter().any(|key| key["use"] == "enc") { vec![KeyEncryption::EcdhEs] } else { Vec::new() };
    Ok(KeysFound { encryption, certificates: keys.iter().any(|key| key.get("x5c").is_some()) })
}

fn register(value: &Value, by_operator: bool) -> Result<ClientMetadata, MetadataError> {
    let circumstances =
        Circumstances { by_operator, modes: &DeliveryMode::ALL, algorithms: &JwsAlgorithm::ASYMMETRIC, read_keys: &read_keys };
    metadata(value.as_object().unwrap(), &circumstances)
}

/// A good registration with some members changed; null takes one away.
fn with(changes: Value) -> Value {
    let mut value = json!({
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [{"kty": "EC", "x5c": ["MIIB"]}, {"kty": "EC", "use": "enc"}]},
    });
    for (name, change) in changes.as_object().unwrap() {
        value[name] = change.clone();
    }
    value
}

#[test]
fn nothing_at_all_is_a_client_that_polls_with_a_secret() {
    let metadata = register(&json!({}), false).unwrap();
    let expected = ClientMetadata { grant_types: vec![GRANT_TYPE_CIBA.to_owned()], ..ClientMetadata::default() };
    assert_eq!(metadata, expected);
    assert_eq!(metadata.token_endpoint_auth_method, AuthenticationMethod::ClientSecretBasic);
}

#[test]
fn what_a_client_may_register_is_kept_as_it_came() {
    for value in [
        json!({"response_types": [], "redirect_uris": [], "scope": null}),
        json!({"grant_types": [GRANT_TYPE_CIBA, GRANT_TYPE_REFRESH]}),
        json!({"grant_types": [GRANT_TYPE_CIBA, GRANT_TYPE_CIBA]}),
        json!({"scope": "openid payments"}),
        with(json!({})),
        with(json!({"jwks": null, "jwks_uri": "https://client.example/jwks"})),
        with(json!({"token_endpoint_auth_signing_alg": "EdDSA"})),
        json!({"token_endpoint_auth_method": "client_secret_jwt", "token_endpoint_auth_signing_alg": "HS256"}),
        with(json!({"token_endpoint_auth_method": "self_signed_tls_client_auth"})),
        json!({"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "CN=client,O=Bank"}),
        json!({"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_ip": "192.0.2.1"}),
        json!({"backchannel_token_delivery_mode": "ping", "backchannel_client_notification_endpoint": "https://client.example/cb?a=b"}),
        with(json!({"backchannel_authentication_request_signing_alg": "PS256"})),
        with(json!({"id_token_encrypted_response_alg": "ECDH-ES", "id_token_encrypted_response_enc": "A128GCM"})),
        with(json!({"subject_type": "pairwise", "jwks": null, "jwks_uri": "https://client.example/jwks"})),
        with(
            json!({"subject_type": "pairwise", "jwks": null, "jwks_uri": "https://a.example/", "sector_identifier_uri": "https://b.example/"}),
        ),
        json!({"subject_type": "pairwise", "backchannel_token_delivery_mode": "push",
            "backchannel_client_notification_endpoint": "https://client.example/cb"}),
        json!({"binding_message_pattern": "[A-Z]{2}-[0-9]+", "interval": 2, "expires_in": 60, "expires_in_max": 60}),
        json!({"resources": ["https://api.example/a", "urn:example:b"], "authorization_details_types": ["payment"]}),
    ] {
        for by_operator in [true, false] {
            register(&value, by_operator).unwrap_or_else(|error| panic!("{value}: {error}"));
        }
    }
    let kept = register(&with(json!({"access_token_format": "jwt", "grant_types": [GRANT_TYPE_CIBA, GRANT_TYPE_CIBA]})), false).unwrap();
    assert_eq!(kept.access_token_format, TokenFormat::Jwt);
    assert_eq!(kept.grant_types, [GRANT_TYPE_CIBA], "once");
    assert_eq!(kept.jwks.unwrap()["keys"][0]["x5c"], json!(["MIIB"]));
}

#[test]
fn every_rule_names_the_member_that_has_to_be_mended() {
    let endpoint = "backchannel_client_notification_endpoint";
    let request_alg = "backchannel_authentication_request_signing_alg";
    let ping = |endpoint: &str| json!({"backchannel_token_delivery_mode": "ping", "backchannel_client_notification_endpoint": endpoint});
    for (value, member, says) in [
        (json!({"response_types": ["code"]}), "response_types", "write []"),
        (json!({"response_types": "code"}), "response_types", "not served"),
        (json!({"grant_types": ["authorization_code"]}), "grant_types", "authorization_code is not served"),
        (json!({"grant_types": [GRANT_TYPE_REFRESH]}), "grant_types", "must contain"),
        (json!({"grant_types": "x"}), "grant_types", "string"),
        (json!({"client_name": 5}), "client_name", "it is integer"),
        (json!({"client_name": "x".repeat(3000)}), "client_name", "longer than 2048 bytes"),
        (json!({"client_name": "a\u{7}b"}), "client_name", "control characters"),
        (json!({"client_name": "x".repeat(101)}), "client_name", "longer than 100 characters"),
        (json!({"client_name": "Bank\u{202e}knaB"}), "client_name", "U+202E"),
        (json!({"client_name": "Ba\u{200b}nk"}), "client_name", "U+200B"),
        (json!({"client_name": " Bank"}), "client_name", "white space"),
        (json!({"client_name": ""}), "client_name", "empty"),
        (json!({"resources": vec!["https://a.example"; 51]}), "resources", "more than 50"),
        (json!({"token_endpoint_auth_method": "none"}), "token_endpoint_auth_method", "client_secret_basic"),
        (json!({"token_endpoint_auth_method": "private_key_jwt"}), "jwks", "private_key_jwt needs"),
        (with(json!({"jwks_uri": "https://client.example/jwks"})), "jwks", "beside jwks_uri"),
        (with(json!({"jwks": {"keys": [{"d": "x"}]}})), "jwks", "private"),
        (with(json!({"jwks": "x"})), "jwks", "list of keys"),
        (with(json!({"jwks": null, "jwks_uri": "http://client.example/jwks"})), "jwks_uri", "https://"),
        (with(json!({"jwks": null, "jwks_uri": "https://u:p@client.example/jwks"})), "jwks_uri", "password"),
        (with(json!({"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": {"keys": [{}]}})), "jwks", "x5c"),
        (json!({"token_endpoint_auth_method": "self_signed_tls_client_auth"}), "jwks", "self_signed_tls_client_auth"),
        (json!({"token_endpoint_auth_method": "tls_client_auth"}), "tls_client_auth_subject_dn", "is missing"),
        (
            json!({"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "bank"}),
            "tls_client_auth_subject_dn",
            "name",
        ),
        (
            json!({"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_ip": "192.0.2.1", "tls_client_auth_san_dns": "a"}),
            "tls_client_auth_san_ip",
            "exactly one",
        ),
        (json!({"tls_client_auth_san_dns": "a.example"}), "tls_client_auth_san_dns", "tls_client_auth only"),
        (with(json!({"token_endpoint_auth_signing_alg": "HS256"})), "token_endpoint_auth_signing_alg", "private_key_jwt"),
        (with(json!({"token_endpoint_auth_signing_alg": "none"})), "token_endpoint_auth_signing_alg", "there is no none"),
        (
            json!({"token_endpoint_auth_method": "client_secret_jwt", "token_endpoint_auth_signing_alg": "ES256"}),
            "token_endpoint_auth_signing_alg",
            "choose HS256",
        ),
        (json!({"token_endpoint_auth_signing_alg": "ES256"}), "token_endpoint_auth_signing_alg", "leave it out"),
        (json!({"scope": "payments"}), "scope", "openid"),
        (json!({ request_alg: "PS256" }), "jwks", request_alg),
        (with(json!({ request_alg: "HS256" })), request_alg, "asymmetric"),
        (json!({"resources": ["/api"]}), "resources", "not a URI"),
        (json!({"resources": ["https://api.example/#x"]}), "resources", "fragment"),
        (json!({"binding_message_pattern": "(a"}), "binding_message_pattern", "not a regular expression"),
        (json!({"binding_message_pattern": "a)|(b"}), "binding_message_pattern", "not a regular expression"),
        (json!({"binding_message_pattern": "a{1000}{1000}"}), "binding_message_pattern", "size"),
        (json!({"binding_message_pattern": "a".repeat(513)}), "binding_message_pattern", "512"),
        (json!({"interval": 0}), "interval", "between 1 and"),
        (json!({"interval": -1}), "interval", "-1"),
        (json!({"expires_in_max": 86401}), "expires_in_max", "86400"),
        (json!({"expires_in": 61, "expires_in_max": 60}), "expires_in", "60"),
        (json!({"binding_message_characters": 0}), "binding_message_characters", "at least 1"),
        (json!({"backchannel_token_delivery_mode": "ping"}), endpoint, "ping needs it"),
        (json!({"backchannel_token_delivery_mode": "push"}), endpoint, "push needs it"),
        (json!({"backchannel_token_delivery_mode": "pull"}), "backchannel_token_delivery_mode", "poll"),
        (ping("http://client.example/cb"), endpoint, "https://"),
        (ping("https://client.example/cb#x"), endpoint, "fragment"),
        (ping("https://user@client.example/cb"), endpoint, "user name"),
        (ping("client.example"), endpoint, "not a URL"),
        (json!({"id_token_signed_response_alg": "HS256"}), "id_token_signed_response_alg", "choose ES256"),
        (json!({"id_token_encrypted_response_enc": "A256GCM"}), "id_token_encrypted_response_enc", "_alg"),
        (json!({"id_token_encrypted_response_alg": "ECDH-ES"}), "jwks", "id_token_encrypted_response_alg needs"),
        (with(json!({"id_token_encrypted_response_alg": "RSA-OAEP-256"})), "jwks", "no key for RSA-OAEP-256"),
        (
            json!({"dpop_bound_access_tokens": true, "tls_client_certificate_bound_access_tokens": true}),
            "dpop_bound_access_tokens",
            "one of them",
        ),
        (json!({"subject_type": "pairwise"}), "subject_type", "sector_identifier_uri"),
        (json!({"subject_type": "pairwise", "sector_identifier_uri": "https://a.example/"}), "subject_type", "jwks_uri"),
        (json!({"subject_type": "pairwise", "jwks_uri": "https://other.example/jwks"}), "subject_type", "private_key_jwt"),
        (json!({"sector_identifier_uri": "http://a.example/"}), "sector_identifier_uri", "https://"),
        (json!({"fapi_profile": "fapi_ciba_id1"}), "token_endpoint_auth_method", "private_key_jwt"),
        (json!({"fapi_profile": "fapi_3"}), "fapi_profile", "fapi_ciba_id1"),
    ] {
        let error = register(&value, false).expect_err(&value.to_string());
        assert_eq!(error.member, member, "{value}: {error}");
        assert!(error.what.contains(says), "{value}: {error}");
    }
}

#[test]
fn nobody_joins_a_sector_by_naming_somebody_elses_address() {
    let victims = json!({
        "backchannel_token_delivery_mode": "ping",
        "backchannel_client_notification_endpoint": "https://victim.example/cb",
        "jwks_uri": "https://victim.example/jwks",
    });
    for more in [json!({}), json!({"sector_identifier_uri": "https://victim.example/sector"}), json!({"jwks_uri": null})] {
        let mut value = victims.clone();
        value["subject_type"] = "pairwise".into();
        for (name, change) in more.as_object().unwrap() {
            value[name] = change.clone();
        }
        assert_eq!(register(&value, false).unwrap_err().member, "subject_type", "{value}");
        // Whose client it is, the operator knows.
        register(&value, true).unwrap_or_else(|error| panic!("{value}: {error}"));
    }
}

#[test]
fn a_member_that_is_not_known_is_left_out_of_a_registration_and_a_mistake_in_a_file() {
    let value = json!({"jwk_uri": "https://client.example/jwks", "contacts": ["a@b.example"]});
    assert_eq!(register(&value, false).unwrap().jwks_uri, None);
    let error = register(&value, true).unwrap_err();
    assert_eq!(error.to_string(), "jwk_uri: is not known; did you mean jwks_uri?");
    assert!(register(&json!({"favourite_colour": "blue"}), true).unwrap_err().what.contains("docs/clients.md"));
    assert!(register(&json!({"contacts": ["a@b.example"], "redirect_uris": ["x"], "client_uri": "y"}), true).is_ok());
}

#[test]
fn only_what_is_served_is_registered() {
    let circumstances = Circumstances {
        by_operator: false,
        modes: &[DeliveryMode::Poll],
        algorithms: &[JwsAlgorithm::Es256, JwsAlgorithm::EdDsa],
        read_keys: &read_keys,
    };
    let ping = json!({"backchannel_token_delivery_mode": "ping", "backchannel_client_notification_endpoint": "https://client.example/"});
    let error = metadata(ping.as_object().unwrap(), &circumstances).unwrap_err();
    assert_eq!(error.to_string(), "backchannel_token_delivery_mode: ping is not served here; there are poll");
    let signed = |algorithm: &str| metadata(json!({ "id_token_signed_response_alg": algorithm }).as_object().unwrap(), &circumstances);
    assert!(signed("EdDSA").is_ok() && metadata(&Map::new(), &circumstances).is_ok());
    let error = signed("RS256").unwrap_err();
    assert_eq!(error.to_string(), "id_token_signed_response_alg: RS256 is not signed with here; choose ES256, EdDSA");
}

#[test]
fn a_pattern_is_for_the_whole_message() {
    let pattern = whole_message("[A-Z]{2}|x").unwrap();
    for (message, good) in [("AB", true), ("x", true), ("ABC", false), ("xAB", false), ("AB\n", false), ("", false)] {
        assert_eq!(pattern.is_match(message), good, "{message}");
    }
}

#[test]
fn every_member_of_the_type_is_known_and_comes_back_as_it_is_kept() {
    assert!(
        members_kept().contains(&"jwks_uri") && members_kept().contains(&"long_poll") && members_kept().len() > 30,
        "{:?}",
        members_kept()
    );
    let value = with(json!({"fapi_profile": "fapi_ciba_fapi2", "dpop_bound_access_tokens": true, "binding_message_required": true}));
    let kept = register(&value, true).unwrap();
    assert_eq!(kept.fapi_profile, Some(FapiProfile::Fapi2));
    assert_eq!(register(&serde_json::to_value(&kept).unwrap(), true).unwrap(), kept);
}
