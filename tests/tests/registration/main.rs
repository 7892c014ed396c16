//! Clients that register themselves (RFC 7591) and manage themselves (RFC 7592), from outside.

mod bounds;

use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use ciba_tests::host::{Data, Host};
use ciba_tests::party::Phone;
use ciba_tests::secure::{Identity, SecureHost, self_signed};
use ciba_tests::wire::{Answer, Request};
use serde_json::{Value, json};

const CIBA: &str = "urn:openid:params:grant-type:ciba";

/// A demo host, so that an operator can approve, with these settings of `[registration]`.
fn host(settings: &str) -> Host {
    Data::with_config(&format!("[registration]\nenabled = true\n{settings}")).unwrap().demo().unwrap()
}

fn register(host: &Host, token: Option<&str>, metadata: &Value) -> Answer {
    host.send(&registration(token, metadata)).unwrap()
}

fn registration(token: Option<&str>, metadata: &Value) -> Request {
    with_token(Request::json("/register", &metadata.to_string()), token)
}

fn with_token(request: Request, token: Option<&str>) -> Request {
    match token {
        Some(token) => request.header("authorization", &format!("Bearer {token}")),
        None => request,
    }
}

/// What is done to a registered client, with its token.
fn manage(host: &Host, method: &str, client: &Value, body: Option<&Value>) -> Answer {
    let path = format!("/register/{}", client["client_id"].as_str().unwrap());
    let request = with_token(Request::new(method, &path), client["registration_access_token"].as_str());
    let request = match body {
        Some(body) => request.header("content-type", "application/json").body(body.to_string()),
        None => request,
    };
    host.send(&request).unwrap()
}

fn basic(client: &Value) -> String {
    let text = |member: &str| client[member].as_str().unwrap().to_owned();
    format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", text("client_id"), text("client_secret"))))
}

fn ask(host: &Host, client: &Value) -> Answer {
    let request = Request::form("/bc-authorize", &[("scope", "openid"), ("login_hint", "alice")]);
    host.send(&request.header("authorization", &basic(client))).unwrap()
}

fn poll(host: &Host, client: &Value, auth_req_id: &str) -> Answer {
    let request = Request::form("/token", &[("grant_type", CIBA), ("auth_req_id", auth_req_id)]);
    host.send(&request.header("authorization", &basic(client))).unwrap()
}

fn approve(host: &Host, auth_req_id: &str) {
    let (transaction, _) = auth_req_id.split_once('.').unwrap();
    host.data.must(&["request", "approve", transaction]).unwrap();
}

fn error(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
}

fn says(answer: &Answer, what: &str) -> bool {
    answer.json()["error_description"].as_str().unwrap_or_default().contains(what)
}

/// What a client with this certificate registers as its keys.
fn jwks(identity: &Identity) -> Value {
    let key = rcgen::KeyPair::from_pem(&identity.key).unwrap();
    let (x, y) = key.public_key_raw()[1..].split_at(32);
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    json!({"keys": [{"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y), "x5c": [BASE64_STANDARD.encode(&identity.der)]}]})
}

#[test]
fn nobody_registers_unless_the_operator_wants_that() {
    let host = Host::demo().unwrap();
    assert_eq!(error(&register(&host, None, &json!({}))), (404, "not_found".to_owned()));
    for method in ["GET", "PUT", "DELETE"] {
        let answer = host.send(&with_token(Request::new(method, "/register/demo"), Some("x"))).unwrap();
        assert_eq!(error(&answer), (404, "not_found".to_owned()), "{method}");
    }
    let document = host.send(&Request::get("/.well-known/openid-configuration")).unwrap().json();
    assert!(document["registration_endpoint"].is_null());
}

#[test]
fn a_client_registers_with_nothing_but_an_invitation_and_gets_its_tokens() {
    let host = host("");
    let document = host.send(&Request::get("/.well-known/openid-configuration")).unwrap().json();
    assert_eq!(document["registration_endpoint"], format!("{}/register", host.issuer()));
    let invitation = host.data.json(&["client", "invite", "--uses", "2"]).unwrap();
    let invitation = invitation["initial_access_token"].as_str().unwrap();
    for token in [None, Some("wrong"), Some("")] {
        let answer = register(&host, token, &json!({}));
        assert_eq!(error(&answer), (401, "invalid_token".to_owned()), "{token:?}");
        // RFC 6750 3.1: what was wrong is said of what was sent.
        let challenge = if token.is_some() { "Bearer error=\"invalid_token\"" } else { "Bearer" };
        assert_eq!(answer.header("www-authenticate"), Some(challenge));
    }
    // No redirect_uris, no response types, no scope.
    let answer = register(&host, Some(invitation), &json!({"client_name": "Shop", "response_types": [], "contacts": ["a@b.example"]}));
    assert_eq!((answer.status, answer.header("cache-control")), (201, Some("no-store")), "{}", answer.text());
    let client = answer.json();
    assert_eq!(client["client_name"], "Shop");
    assert_eq!(client["grant_types"], json!([CIBA]));
    assert_eq!(client["token_endpoint_auth_method"], "client_secret_basic");
    assert_eq!(client["backchannel_token_delivery_mode"], "poll");
    assert_eq!(client["client_secret_expires_at"], 0);
    assert!(client["client_id_issued_at"].as_i64().unwrap() > 1_700_000_000);
    assert!(client["contacts"].is_null(), "it is not kept, and so it is not claimed");
    let uri = format!("{}/register/{}", host.issuer(), client["client_id"].as_str().unwrap());
    assert_eq!(client["registration_client_uri"], uri);
    let auth_req_id = ask(&host, &client).json()["auth_req_id"].as_str().unwrap().to_owned();
    approve(&host, &auth_req_id);
    assert_eq!(poll(&host, &client, &auth_req_id).status, 200);

    assert_eq!(register(&host, Some(invitation), &json!({})).status, 201, "the second of two uses");
    assert_eq!(error(&register(&host, Some(invitation), &json!({}))), (401, "invalid_token".to_owned()), "the third of two uses");
    // A registration that is refused uses nothing up.
    let once = host.data.json(&["client", "invite"]).unwrap();
    let once = once["initial_access_token"].as_str();
    assert_eq!(register(&host, once, &json!({"grant_types": ["password"]})).status, 400);
    assert_eq!(register(&host, once, &json!({})).status, 201);
}

#[test]
fn what_cannot_be_registered_is_refused_with_the_member() {
    let host = host("open = true\nmodes = ['poll']\n[keys]\nalgorithms = ['ES256']");
    for (metadata, member) in [
        (json!({"grant_types": ["authorization_code"]}), "grant_types"),
        (json!({"response_types": ["code"]}), "response_types"),
        (json!({"token_endpoint_auth_method": "private_key_jwt"}), "jwks"),
        (json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": []}}), "jwks: the key set is empty"),
        (json!({"jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}}), "jwks: keys[0]"),
        (
            json!({"backchannel_token_delivery_mode": "ping", "backchannel_client_notification_endpoint": "https://client.example/"}),
            "backchannel_token_delivery_mode",
        ),
        (json!({"fapi_profile": "fapi_ciba_id1"}), "token_endpoint_auth_method"),
        (json!({"id_token_signed_response_alg": "RS256"}), "id_token_signed_response_alg: RS256 is not signed with here"),
    ] {
        let answer = register(&host, None, &metadata);
        assert_eq!(error(&answer), (400, "invalid_client_metadata".to_owned()), "{metadata}");
        assert!(says(&answer, member), "{metadata}: {}", answer.text());
    }
    for (body, status) in [("", 400), ("[]", 400), ("{", 400), ("\"x\"", 400)] {
        assert_eq!(host.send(&Request::json("/register", body)).unwrap().status, status, "{body}");
    }
    let not_json = Request::form("/register", &[("client_name", "x")]);
    assert_eq!(error(&host.send(&not_json).unwrap()), (415, "invalid_client_metadata".to_owned()));
}

#[test]
fn a_client_reads_changes_and_removes_itself() {
    let host = host("open = true");
    let client = register(&host, None, &json!({"client_name": "Shop"})).json();
    let read = manage(&host, "GET", &client, None).json();
    assert_eq!((&read["client_id"], &read["client_name"]), (&client["client_id"], &json!("Shop")));
    assert_eq!(read["registration_access_token"], client["registration_access_token"]);
    assert!(read["client_secret"].is_null(), "a secret is shown once");

    // The whole of it is replaced: a client that does not say its name again has none.
    let id = &client["client_id"];
    let changed = manage(&host, "PUT", &client, Some(&json!({"client_id": id, "client_secret": client["client_secret"]})));
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert!(changed.json()["client_name"].is_null() && changed.json()["client_secret"].is_null(), "{}", changed.text());
    assert_eq!(ask(&host, &client).status, 200, "the secret is still the same");

    for (body, word, what) in [
        (json!({}), "invalid_request", "client_id is missing"),
        (json!({"client_id": "other"}), "invalid_request", "another client's"),
        (json!({"client_id": id, "client_secret": "wrong"}), "invalid_request", "client_secret"),
        (json!({"client_id": id, "registration_access_token": "x"}), "invalid_request", "registration_access_token"),
        (json!({"client_id": id, "interval": "x", "grant_types": ["x"]}), "invalid_client_metadata", "grant_types"),
    ] {
        let answer = manage(&host, "PUT", &client, Some(&body));
        assert_eq!(error(&answer), (400, word.to_owned()), "{body}: {}", answer.text());
        assert!(says(&answer, what), "{body}: {}", answer.text());
    }

    // To make MACs both sides need the secret itself, of which only a digest was kept: it gets another one.
    let jwt = manage(&host, "PUT", &client, Some(&json!({"client_id": id, "token_endpoint_auth_method": "client_secret_jwt"}))).json();
    assert!(jwt["client_secret"].is_string() && jwt["client_secret"] != client["client_secret"], "{jwt}");
    assert_eq!(error(&ask(&host, &client)), (401, "invalid_client".to_owned()));

    assert_eq!(manage(&host, "DELETE", &client, None).status, 204);
    for method in ["GET", "DELETE"] {
        assert_eq!(error(&manage(&host, method, &client, None)), (401, "invalid_token".to_owned()), "{method}");
    }
    let audit = host.data.run(&["client", "list"]).unwrap().output;
    assert!(!audit.contains(id.as_str().unwrap()), "{audit}");
}

#[test]
fn nobody_vouches_on_the_card_for_the_name_that_a_client_gave_itself() {
    let host = host("open = true");
    let phone = Phone::of(&host, "alice").unwrap();
    let client = register(&host, None, &json!({"client_name": "Harbour Bank"})).json();
    let id = client["client_id"].as_str().unwrap();
    assert_eq!(ask(&host, &client).status, 200);
    for name in ["Harbour Bank", "Alice's own bank"] {
        let changed = manage(&host, "PUT", &client, Some(&json!({"client_id": id, "client_name": name})));
        assert_eq!(changed.status, 200, "{}", changed.text());
        let card = phone.check().unwrap();
        let shown = name.replace('\'', "&#39;");
        let heading = card.split_once("<h2>").and_then(|(_, rest)| rest.split_once("</h2>")).unwrap().0;
        assert!(heading.contains(id) && !heading.contains(&shown), "{heading}");
        assert!(card.contains("We cannot verify who is asking") && card.contains("mark unknown"), "{card}");
        assert!(card.contains(&format!("It calls itself: <bdi dir=\"auto\">{shown}</bdi>")), "{card}");
    }
    for name in ["x".repeat(101), "Bank\u{202e}knaB".to_owned()] {
        let refused = register(&host, None, &json!({"client_name": name}));
        assert_eq!(error(&refused), (400, "invalid_client_metadata".to_owned()));
        assert!(says(&refused, "client_name"), "{}", refused.text());
    }
}

#[test]
fn of_two_authorization_headers_none_counts() {
    let host = host("open = true");
    let client = register(&host, None, &json!({})).json();
    let token = client["registration_access_token"].as_str().unwrap();
    let twice =
        |request: Request, value: &str| error(&host.send(&request.header("authorization", value).header("authorization", "x")).unwrap());
    let ask = Request::form("/bc-authorize", &[("scope", "openid"), ("login_hint", "alice")]);
    for answer in [
        twice(Request::get(&format!("/register/{}", client["client_id"].as_str().unwrap())), &format!("Bearer {token}")),
        twice(Request::json("/register", "{}"), &format!("Bearer {token}")),
        twice(Request::get("/userinfo"), "Bearer x"),
        twice(ask, &basic(&client)),
    ] {
        assert_eq!(answer, (400, "invalid_request".to_owned()));
    }
}

#[test]
fn a_token_manages_its_own_client_and_no_other() {
    let host = host("open = true");
    let one = register(&host, None, &json!({})).json();
    let other = register(&host, None, &json!({})).json();
    let crossed = json!({"client_id": other["client_id"], "registration_access_token": one["registration_access_token"]});
    let by_secret = json!({"client_id": one["client_id"], "registration_access_token": one["client_secret"]});
    let unknown = json!({"client_id": "unknown", "registration_access_token": one["registration_access_token"]});
    // The demo's client was not registered by itself.
    let demo = json!({"client_id": "demo", "registration_access_token": one["registration_access_token"]});
    for client in [&crossed, &by_secret, &unknown, &demo, &json!({"client_id": one["client_id"]})] {
        for (method, body) in [("GET", None), ("PUT", Some(json!({"client_id": client["client_id"]}))), ("DELETE", None)] {
            let answer = manage(&host, method, client, body.as_ref());
            assert_eq!(error(&answer), (401, "invalid_token".to_owned()), "{method} {client}");
        }
    }
    assert_eq!(manage(&host, "GET", &other, None).status, 200);
}

#[test]
fn what_a_client_was_given_goes_with_it() {
    let host = host("open = true");
    for by_command in [false, true] {
        let client = register(&host, None, &json!({})).json();
        let bystander = register(&host, None, &json!({})).json();
        let mut tokens = Vec::new();
        for client in [&client, &bystander] {
            let auth_req_id = ask(&host, client).json()["auth_req_id"].as_str().unwrap().to_owned();
            approve(&host, &auth_req_id);
            tokens.push(poll(&host, client, &auth_req_id).json()["access_token"].as_str().unwrap().to_owned());
        }
        let waiting = ask(&host, &client).json()["auth_req_id"].as_str().unwrap().to_owned();
        let (waiting, _) = waiting.split_once('.').unwrap();
        let user_info = |token: &str| host.send(&with_token(Request::get("/userinfo"), Some(token))).unwrap().status;
        assert_eq!(tokens.iter().map(|token| user_info(token)).collect::<Vec<_>>(), [200, 200]);
        if by_command {
            host.data.must(&["client", "remove", client["client_id"].as_str().unwrap()]).unwrap();
        } else {
            assert_eq!(manage(&host, "DELETE", &client, None).status, 204);
        }
        assert_eq!(tokens.iter().map(|token| user_info(token)).collect::<Vec<_>>(), [401, 200], "by command: {by_command}");
        // A client that is gone is told nothing anyway; what it was given is not even kept.
        let database = rusqlite::Connection::open(host.data.path().join("ciba.db")).unwrap();
        let kept = |client: &Value| -> i64 {
            let count = "SELECT count(*) FROM access_token a JOIN request r ON r.id = a.request WHERE r.client = ?1";
            database.query_row(count, [client["client_id"].as_str()], |row| row.get(0)).unwrap()
        };
        assert_eq!((kept(&client), kept(&bystander)), (0, 1), "by command: {by_command}");
        drop(database);
        assert_eq!(host.data.json(&["request", "show", waiting]).unwrap()["state"], "denied");
        assert_eq!(host.data.json(&["request", "list"]).unwrap()[1]["state"], "redeemed", "the history stays");
        // Nothing of it comes back with another client, which has another name.
        assert_ne!(register(&host, None, &json!({})).json()["client_id"], client["client_id"]);
    }
}

#[test]
fn a_client_gives_itself_nothing_that_is_the_operators_to_give() {
    let host = host("open = true\nscope = 'openid profile'");
    let asked = json!({"interval": 1, "expires_in_max": 86400, "long_poll": true, "keep_refresh_token": true});
    let client = register(&host, None, &asked).json();
    assert!(client["interval"].is_null() && client["expires_in_max"].is_null(), "{client}");
    assert_eq!(
        (&client["long_poll"], &client["keep_refresh_token"], &client["scope"]),
        (&json!(false), &json!(false), &json!("openid profile"))
    );
    // What the operator then says of it stays when it changes itself.
    let id = client["client_id"].as_str().unwrap();
    let file = host.data.beside("metadata.toml");
    std::fs::write(&file, "interval = 2\nlong_poll = true\n").unwrap();
    host.data.must(&["client", "update", id, "--metadata", file.to_str().unwrap()]).unwrap();
    let changed = manage(&host, "PUT", &client, Some(&json!({"client_id": id, "client_name": "Shop", "interval": 1}))).json();
    assert_eq!((&changed["interval"], &changed["long_poll"], &changed["client_name"]), (&json!(2), &json!(true), &json!("Shop")));
    // So does what it could have said itself, where an operator has said it. Nobody but an operator goes beyond the ceiling.
    std::fs::write(&file, "scope = 'openid payments'\nbinding_message_required = true\n").unwrap();
    host.data.must(&["client", "update", id, "--metadata", file.to_str().unwrap()]).unwrap();
    let asked = json!({"client_id": id, "scope": "openid", "binding_message_required": false, "supersede": true});
    let changed = manage(&host, "PUT", &client, Some(&asked)).json();
    assert_eq!(
        (&changed["scope"], &changed["binding_message_required"], &changed["supersede"]),
        (&json!("openid payments"), &json!(true), &json!(true))
    );
    let refused = register(&host, None, &json!({"scope": "openid payments"}));
    assert!(says(&refused, "scope: payments is more"), "{}", refused.text());
}

#[test]
fn every_client_that_registers_keeps_to_the_profile_that_the_operator_chose() {
    let host = SecureHost::with_config("[registration]\nenabled = true\nopen = true\nfapi_profile = 'fapi_ciba_id1'").unwrap();
    let send = |metadata: &Value| host.send(&registration(None, metadata)).unwrap();
    let refused = send(&json!({}));
    assert!(says(&refused, "token_endpoint_auth_method"), "{}", refused.text());
    let good = json!({
        "token_endpoint_auth_method": "self_signed_tls_client_auth",
        "jwks": jwks(&self_signed("CN=client")),
        "backchannel_authentication_request_signing_alg": "PS256",
        "tls_client_certificate_bound_access_tokens": true,
        "id_token_signed_response_alg": "PS256",
    });
    let client = send(&good);
    assert_eq!(client.status, 201, "{}", client.text());
    let client = client.json();
    assert_eq!((&client["fapi_profile"], &client["binding_message_required"]), (&json!("fapi_ciba_id1"), &json!(true)));
    let mut unsigned = good;
    unsigned["backchannel_authentication_request_signing_alg"] = Value::Null;
    assert!(says(&send(&unsigned), "backchannel_authentication_request_signing_alg"));
}

#[test]
fn a_certificate_that_stands_beside_a_registered_key_proves_who_asks() {
    let host = SecureHost::with_config("[registration]\nenabled = true\nopen = true").unwrap();
    host.host.data.must(&["user", "add", "alice"]).unwrap();
    let (own, other) = (self_signed("CN=client"), self_signed("CN=client"));
    let metadata = json!({"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": jwks(&own)});
    let client = host.send(&registration(None, &metadata)).unwrap().json();
    assert_eq!(client["jwks"]["keys"][0]["x5c"][0], BASE64_STANDARD.encode(&own.der));
    assert!(client["client_secret"].is_null(), "{client}");
    let id = client["client_id"].as_str().unwrap();
    let ask = Request::form("/bc-authorize", &[("scope", "openid"), ("login_hint", "alice"), ("client_id", id)]);
    assert_eq!(host.send_as(&ask, &own).unwrap().status, 200);
    assert_eq!(error(&host.send_as(&ask, &other).unwrap()), (401, "invalid_client".to_owned()));
}

#[test]
fn secrets_and_tokens_are_not_kept_and_not_logged() {
    let host = host("open = true\n[log]\nfilter = 'debug'");
    let client = register(&host, None, &json!({"token_endpoint_auth_method": "client_secret_jwt"})).json();
    let invitation = host.data.json(&["client", "invite"]).unwrap();
    manage(&host, "GET", &client, None);
    let log = host.log();
    let data = host.stop().unwrap();
    let database = std::fs::read(data.path().join("ciba.db")).unwrap();
    for secret in [&client["client_secret"], &client["registration_access_token"], &invitation["initial_access_token"]] {
        let secret = secret.as_str().unwrap();
        assert!(!log.contains(secret), "a secret is in the log");
        assert!(!database.windows(secret.len()).any(|window| window == secret.as_bytes()), "a secret is in the database");
    }
    let connection = rusqlite::Connection::open(data.path().join("ciba.db")).unwrap();
    let sealed: bool = connection
        .query_row("SELECT sealed_secret IS NOT NULL FROM client WHERE id = ?1", [client["client_id"].as_str()], |row| row.get(0))
        .unwrap();
    assert!(sealed, "what makes MACs is kept, encrypted");
}
