//! The doors that strangers knock at, and what must hold whatever they send. The fuzzer calls these with bytes of its own;
//! `tests/tests/corpus.rs` with those that are kept in `corpus/`.

use std::sync::Arc;
use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ciba_host::jose::{Jwk, PublicKeys, UnverifiedJws};
use ciba_host::protocol::algorithm::JwsAlgorithm;
use ciba_host::protocol::backchannel::{BackchannelRequest, Limits, Parameters};
use ciba_host::protocol::claims::Claims;
use ciba_host::protocol::client::assertion::{self, Audiences};
use ciba_host::protocol::client::{Client, ClientKind, ClientMetadata, DeliveryMode, Origin, UnverifiedCredential};
use ciba_host::protocol::dpop::{self, Asked};
use ciba_host::protocol::error::ProtocolError;
use ciba_host::protocol::form::Form;
use ciba_host::protocol::identifier::Digest;
use ciba_host::protocol::request_object;
use jiff::Timestamp;
use serde_json::Value;

/// A body for `/bc-authorize`, or the claims of a request object in it. A line in front of it is taken for the `Authorization` header.
pub fn request_parser(data: &[u8]) {
    let (authorization, body) = match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (Some(&data[..end]), &data[end + 1..]),
        None => (None, data),
    };
    let form = match Form::parse(body) {
        Ok(form) => form,
        Err(error) => return says(&error),
    };
    UnverifiedCredential::read_bearer(authorization);
    match UnverifiedCredential::read(authorization, &form) {
        Ok(credential) => assert_eq!(credential.in_header, authorization.is_some()),
        Err(error) => says(&error),
    }
    asked(Parameters::Form(&form));
    // The same as claims of a request object that somebody signed.
    if let Ok(Value::Object(claims)) = serde_json::from_slice(body) {
        let form = Form::parse(b"request=x").expect("a form");
        match request_object::check(Claims(&claims), None, &form, &"shop".into(), "https://a", now()) {
            Ok(identity) => assert!((now()..now() + Duration::from_secs(8000)).contains(&identity.until)),
            Err(error) => says(&error),
        }
        asked(Parameters::Claims(&claims));
    }
}

/// What is asked, of a client that polls with a secret, and of one that registered everything there is.
fn asked(parameters: Parameters<'_>) {
    let plain = Client::with_secret("shop".into(), "Shop", ClientKind::Ciba, Digest::of(b"secret"), Origin::Command);
    let mut every = plain.clone();
    every.metadata = Arc::new(ClientMetadata {
        backchannel_token_delivery_mode: DeliveryMode::Ping,
        backchannel_user_code_parameter: true,
        authorization_details_types: vec!["payment".to_owned()],
        ..ClientMetadata::clone(&plain.metadata)
    });
    for client in [plain, every] {
        match BackchannelRequest::parse(parameters, &client, &Limits::default()) {
            Ok(request) => {
                assert!(request.scope.values().iter().any(|value| value == "openid"));
                assert!((1..=600).contains(&request.expires_in));
                let message = request.binding_message.as_ref().map_or("x", |message| message.as_str());
                assert!((1..=100).contains(&message.chars().count()) && !message.contains(['\n', '\u{202e}']));
                assert!(request.request_context.is_none_or(|context| context.is_object()));
                assert!(request.authorization_details.is_none_or(|details| details.is_array()));
                assert_eq!(request.client_notification_token.is_some(), client.delivery() == DeliveryMode::Ping);
            }
            Err(error) => says(&error),
        }
    }
}

/// What a client is told keeps to the characters that RFC 6749 5.2 allows.
fn says(error: &ProtocolError) {
    assert!(error.description.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)), "{error}");
    assert!(error.code.status() < 500);
}

/// RFC 7515 A.3, and the one thing that its key has signed.
const KEY: &str = r#"{"keys": [{"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
const SIGNED: &str = "eyJhbGciOiJFUzI1NiJ9.\
    eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const SIGNATURE: &str = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

/// A JWT, and a key set. Three lines are header, claims and signature before they are encoded, so that the fuzzer finds
/// what is inside; a fourth is the key set.
pub fn jwt_door(data: &[u8]) {
    let known = PublicKeys::parse(&serde_json::from_str(KEY).expect("the example is JSON")).expect("the example is a key set");
    let (text, rest) = compact(data);
    if let Ok(jwt) = UnverifiedJws::parse(&text) {
        if jwt.verify(&known, &JwsAlgorithm::ASYMMETRIC).is_ok() {
            assert_eq!(text.rsplit_once('.').map(|(signed, _)| signed), Some(SIGNED), "somebody else signed with this key");
        }
        // Whoever has a key can claim anything.
        for issuer_only in [false, true] {
            let audiences = Audiences { issuer: "https://a", endpoints: &["https://a/token".to_owned()], issuer_only };
            if let Ok(assertion) = assertion::check(Claims(jwt.claims()), "joe", &audiences, now()) {
                assert!((1..=256).contains(&assertion.jti.len()));
                assert!((now()..now() + Duration::from_secs(4000)).contains(&assertion.remember_until));
            }
        }
    }
    let Ok(set) = serde_json::from_slice::<Value>(rest.unwrap_or(data)) else { return };
    if let Ok(keys) = PublicKeys::parse(&set) {
        assert!(keys.keys().len() <= 50);
        for key in keys.keys() {
            assert_eq!(key.thumbprint().len(), 43);
            let written = serde_json::to_value(key).expect("a key can be written");
            assert_eq!(Jwk::parse(&written).as_ref().map(Jwk::thumbprint), Ok(key.thumbprint()), "a key that is written is another one");
        }
        let example = UnverifiedJws::parse(&format!("{SIGNED}.{SIGNATURE}")).expect("the example is a JWT");
        if example.verify(&keys, &JwsAlgorithm::ASYMMETRIC).is_ok() {
            let right = known.keys()[0].thumbprint();
            assert!(keys.keys().iter().any(|key| key.thumbprint() == right), "another key verifies what this one signed");
        }
    }
}

/// A DPoP proof: a JWT that brings its own key along.
pub fn dpop_door(data: &[u8]) {
    let (text, _) = compact(data);
    let Ok(proof) = UnverifiedJws::parse(&text) else { return };
    let Some(jwk) = &proof.header().jwk else { return };
    let Ok(key) = Jwk::parse(jwk) else { return };
    // RFC 9449 4.3: it holds no private key.
    assert!(jwk.get("d").is_none() && jwk.get("k").is_none());
    assert_eq!(key.thumbprint().len(), 43);
    if proof.verify_with(&key, &JwsAlgorithm::ASYMMETRIC).is_ok() {
        assert!(JwsAlgorithm::ASYMMETRIC.contains(&proof.header().alg));
    }
    // Whoever has a key can sign anything.
    for access_token in [None, Some("token")] {
        let asked = Asked { method: "POST", addresses: &["https://a/token".to_owned()], access_token };
        if let Ok(proof) = dpop::check(proof.header().typ.as_deref(), Claims(proof.claims()), &asked, now()) {
            assert!((1..=256).contains(&proof.jti.len()) && proof.nonce.is_none_or(|nonce| !nonce.is_empty()));
            assert!((now()..now() + Duration::from_secs(300)).contains(&proof.remember_until));
        }
    }
}

/// The time at which everything is looked at, so that what was found is found again.
fn now() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap_or_default()
}

/// The JWT that this stands for, and what follows it.
fn compact(data: &[u8]) -> (String, Option<&[u8]>) {
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    match (lines.next(), lines.next(), lines.next()) {
        (Some(header), Some(claims), Some(signature)) => {
            let encode = |part| BASE64_URL_SAFE_NO_PAD.encode(part);
            (format!("{}.{}.{}", encode(header), encode(claims), encode(signature)), lines.next())
        }
        _ => (String::from_utf8_lossy(data).into_owned(), None),
    }
}
