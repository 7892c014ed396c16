use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::protocol::client::{ClientKind, Origin};
use crate::protocol::form::Form;
use crate::protocol::identifier::Digest;

fn client_with(change: impl FnOnce(&mut ClientMetadata)) -> Client {
    let mut client = Client::with_secret("demo".into(), "Demo", ClientKind::Ciba, Digest::of(b""), Origin::Command);
    change(Arc::make_mut(&mut client.metadata));
    client
}

fn parse_for(client: &Client, body: &str) -> Result<BackchannelRequest, ProtocolError> {
    BackchannelRequest::parse(Parameters::Form(&Form::parse(body.as_bytes())?), client, &Limits::default())
}

fn parse(body: &str) -> Result<BackchannelRequest, ProtocolError> {
    parse_for(&client_with(|_| {}), body)
}

#[test]
fn a_whole_request() {
    let client = client_with(|client| {
        client.backchannel_token_delivery_mode = DeliveryMode::Ping;
        client.backchannel_user_code_parameter = true;
    });
    let more = "user_code=1234&client_notification_token=ab-._~%2B/c%3D%3D&request_context=%7B%22ip%22%3A%22192.0.2.1%22%7D";
    let body = format!("scope=openid+email&login_hint=Alice&binding_message=W4SCT&acr_values=a+b&requested_expiry=60&{more}");
    let request = parse_for(&client, &body).unwrap();
    assert_eq!(request.hint, Hint::Login("Alice".to_owned()));
    assert_eq!(request.scope.to_wire(), "openid email");
    assert_eq!(request.binding_message.as_ref().unwrap().as_str(), "W4SCT");
    assert_eq!(request.acr_values, ["a", "b"]);
    assert_eq!(request.expires_in, 60);
    assert_eq!(request.user_code.as_ref().unwrap().as_str(), "1234");
    assert_eq!(request.client_notification_token.as_ref().unwrap().as_str(), "ab-._~+/c==");
    assert_eq!(request.request_context, Some(json!({ "ip": "192.0.2.1" })));
    let debug = format!("{request:?}");
    for secret in ["alice", "W4SCT", "1234", "ab-", "192.0.2.1"] {
        assert!(!debug.contains(secret), "{debug}");
    }
}

#[test]
fn a_form_and_a_request_object_say_the_same() {
    let claims = json!({
        "scope": "openid email", "login_hint": "Alice", "binding_message": "W4SCT", "acr_values": "a b", "requested_expiry": 60,
        "request_context": { "ip": "192.0.2.1" }, "iss": "demo", "exp": 1
    });
    let client = client_with(|_| {});
    let signed = BackchannelRequest::parse(Parameters::Claims(claims.as_object().unwrap()), &client, &Limits::default()).unwrap();
    let body = "scope=openid+email&login_hint=Alice&binding_message=W4SCT&acr_values=a+b&requested_expiry=60&request_context=%7B%22ip%22%3A%22192.0.2.1%22%7D";
    assert_eq!(signed, parse(body).unwrap());
}

#[test]
fn item_3_exactly_one_hint_names_the_person() {
    let hints = ["login_hint", "login_hint_token", "id_token_hint"];
    for given in 0..8_u32 {
        let named: Vec<String> = (0..3).filter(|bit| given & (1 << bit) != 0).map(|bit| format!("{}=x", hints[bit])).collect();
        let said = parse(&format!("scope=openid&{}", named.join("&")));
        assert_eq!(said.is_ok(), named.len() == 1, "{named:?}");
    }
    assert_eq!(parse("scope=openid&login_hint_token=a.b.c").unwrap().hint, Hint::LoginToken("a.b.c".to_owned()));
    assert_eq!(parse("scope=openid&id_token_hint=a.b.c").unwrap().hint, Hint::IdToken("a.b.c".to_owned()));
}

#[test]
fn item_4_a_notification_token_is_required_for_ping_and_push_and_is_a_bearer_token() {
    let longest = "x".repeat(1024);
    for (token, good) in [
        ("abc", true),
        (longest.as_str(), true),
        (&format!("{longest}x"), false),
        ("", false),
        ("%3D%3D", false),
        ("a%3Db", false),
        ("a%20b", false),
        ("a%0Ab", false),
        ("a%22b", false),
        ("%C3%A9", false),
    ] {
        let body = format!("scope=openid&login_hint=a&client_notification_token={token}");
        for delivery in [DeliveryMode::Ping, DeliveryMode::Push] {
            let said = parse_for(&client_with(|client| client.backchannel_token_delivery_mode = delivery), &body);
            assert_eq!(said.is_ok(), good, "{token}");
            if let Err(error) = said {
                assert_eq!(error.code, ErrorCode::InvalidRequest);
                assert!(error.description.contains("client_notification_token"));
            }
        }
        // Whoever polls needs none, and it is neither looked at nor kept.
        assert_eq!(parse(&body).unwrap().client_notification_token, None);
    }
}

#[test]
fn item_5_a_client_can_have_rules_of_its_own_for_binding_messages() {
    let client = client_with(|client| {
        client.binding_message_required = true;
        client.binding_message_characters = Some(6);
        client.binding_message_pattern = Some("[A-Z0-9]+|付款.*".to_owned());
    });
    use ErrorCode::*;
    for (message, expected) in [
        ("W4SCT", Ok(())),
        ("%E4%BB%98%E6%AC%BE%2042", Ok(())),
        ("", Err(InvalidRequest)),
        ("W4SCT77", Err(InvalidBindingMessage)),
        ("w4sct", Err(InvalidBindingMessage)),
        ("W4SCT%21", Err(InvalidBindingMessage)),
        ("%21W4SCT", Err(InvalidBindingMessage)),
    ] {
        let said = parse_for(&client, &format!("scope=openid&login_hint=a&binding_message={message}"));
        assert_eq!(said.map(|_| ()).map_err(|error| error.code), expected, "{message}");
    }
}

#[test]
fn item_7_expiry_is_capped_and_tells_the_truth() {
    for (asked, seconds) in [("", 120), ("1", 1), ("600", 600), ("601", 600), ("99999999999999999999", 600)] {
        assert_eq!(parse(&format!("scope=openid&login_hint=a&requested_expiry={asked}")).unwrap().expires_in, seconds);
    }
    let client = client_with(|client| (client.expires_in, client.expires_in_max) = (Some(30), Some(40)));
    for (asked, seconds) in [("", 30), ("39", 39), ("600", 40)] {
        assert_eq!(parse_for(&client, &format!("scope=openid&login_hint=a&requested_expiry={asked}")).unwrap().expires_in, seconds);
    }
    let short = client_with(|client| client.expires_in_max = Some(40));
    assert_eq!(parse_for(&short, "scope=openid&login_hint=a").unwrap().expires_in, 40);
}

#[test]
fn a_client_asks_for_the_scope_that_is_registered_of_it() {
    let client = client_with(|client| client.scope = Some("email phone".to_owned()));
    assert!(parse_for(&client, "scope=openid+email&login_hint=a").is_ok());
    let error = parse_for(&client, "scope=openid+profile&login_hint=a").unwrap_err();
    assert_eq!((error.code, error.description.contains("profile")), (ErrorCode::InvalidScope, true));
    let refreshes = client_with(|client| client.grant_types.push("refresh_token".to_owned()));
    assert!(parse_for(&refreshes, "scope=openid+offline_access&login_hint=a").is_ok());
    assert_eq!(parse("scope=openid+offline_access&login_hint=a").unwrap_err().code, ErrorCode::InvalidScope);
}

#[test]
fn every_rule_has_its_error() {
    use ErrorCode::*;
    let long_hint = format!("scope=openid&login_hint={}", "x".repeat(257));
    let long_token = format!("scope=openid&login_hint_token={}", "x".repeat(16385));
    let long_message = format!("scope=openid&login_hint=a&binding_message={}", "x".repeat(101));
    let long_context = format!("scope=openid&login_hint=a&request_context=%7B%22a%22%3A%22{}%22%7D", "x".repeat(8192));
    for (body, code, names) in [
        ("login_hint=a", InvalidRequest, "scope"),
        ("scope=&login_hint=a", InvalidRequest, "scope"),
        ("scope=email&login_hint=a", InvalidScope, "openid"),
        ("scope=openid", InvalidRequest, "login_hint"),
        ("scope=openid&login_hint=", InvalidRequest, "login_hint"),
        ("scope=openid&login_hint=a&id_token_hint=b", InvalidRequest, "not 2"),
        (&long_hint, InvalidRequest, "login_hint"),
        (&long_token, InvalidRequest, "login_hint_token"),
        (&long_message, InvalidBindingMessage, "101"),
        (&long_context, InvalidRequest, "request_context"),
        ("scope=openid&login_hint=a&requested_expiry=0", InvalidRequest, "requested_expiry"),
        ("scope=openid&login_hint=a&requested_expiry=-1", InvalidRequest, "requested_expiry"),
        ("scope=openid&login_hint=a&requested_expiry=1.5", InvalidRequest, "requested_expiry"),
        ("scope=openid&login_hint=a&request_uri=x", RequestUriNotSupported, "request_uri"),
        ("scope=openid&login_hint=a&user_code=x", InvalidRequest, "user_code"),
        ("scope=openid&login_hint=a&request_context=%5B%5D", InvalidRequest, "request_context"),
        ("scope=openid&login_hint=a&request_context=x", InvalidRequest, "request_context"),
        ("scope=openid&login_hint=a&authorization_details=x", InvalidAuthorizationDetails, "authorization_details"),
        ("scope=openid&login_hint=a&resource=x", InvalidTarget, "resource"),
    ] {
        let error = parse(body).unwrap_err();
        assert_eq!(error.code, code, "{body}");
        assert!(error.description.contains(names), "{body}: {}", error.description);
    }
    let refresh_only = client_with(|client| client.grant_types = vec!["refresh_token".to_owned()]);
    assert_eq!(parse_for(&refresh_only, "scope=openid&login_hint=a").unwrap_err().code, UnauthorizedClient);
}
