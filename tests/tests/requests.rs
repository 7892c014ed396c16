//! What a client may ask at the backchannel authentication endpoint, from outside: hints, signed requests, codes, details,
//! resources, and what is hidden. The rules themselves have their tables beside them, in `host/src/protocol`.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ciba_host::clock::Clock;
use ciba_host::jose::{KeyPolicy, KeyRing};
use ciba_host::protocol::algorithm::JwsAlgorithm;
use ciba_tests::host::{Data, Host, wait_for};
use ciba_tests::party::Phone;
use ciba_tests::wire::{Answer, Request};
use rusqlite::Connection;
use serde_json::{Value, json};

const SECRET: &str = "a-secret-of-the-test";
const GRANT_TYPE: &str = "urn:openid:params:grant-type:ciba";

/// Whoever signs, with keys of their own: a client, or an issuer of hints.
fn signer(data: &Data, name: &str) -> KeyRing {
    let directory = data.beside(name);
    fs::create_dir_all(&directory).unwrap();
    let policy = KeyPolicy { algorithms: vec![JwsAlgorithm::Es256, JwsAlgorithm::EdDsa], ..KeyPolicy::default() };
    let ring = KeyRing::open(&directory, policy, Clock::System.now()).unwrap();
    ring.sign(JwsAlgorithm::EdDsa, "JWT", &json!({})).expect("by now the second key is made too");
    ring
}

fn jwks(ring: &KeyRing) -> Value {
    serde_json::to_value(ring.jwks(Clock::System.now())).unwrap()
}

fn now() -> i64 {
    Clock::System.now().as_second()
}

fn database(data: &Data) -> Connection {
    Connection::open(data.path().join("ciba.db")).unwrap()
}

/// Registers a client in a directory whose host does not run, with this laid over its metadata.
fn register(data: &Data, id: &str, metadata: &Value) {
    let secret = data.beside("secret");
    fs::write(&secret, SECRET).unwrap();
    data.must(&["client", "add", id, "--secret-file", secret.to_str().unwrap()]).unwrap();
    let changed = database(data)
        .execute("UPDATE client SET metadata = json_patch(metadata, ?1) WHERE id = ?2", [metadata.to_string(), id.to_owned()])
        .unwrap();
    assert_eq!(changed, 1);
}

/// A data directory with the client `bank` and the user `alice`.
fn bank(config: &str, metadata: &Value) -> Data {
    let data = Data::with_config(config).unwrap();
    register(&data, "bank", metadata);
    data.must(&["user", "add", "alice", "--email", "alice@example.com"]).unwrap();
    data
}

fn ask_as(host: &Host, client: &str, parameters: &[(&str, &str)]) -> Answer {
    let proof = [("client_id", client), ("client_secret", SECRET)];
    let parameters: Vec<_> = proof.iter().chain(parameters).copied().collect();
    host.send(&Request::form("/bc-authorize", &parameters)).unwrap()
}

/// What the client `bank` is answered when it asks for `alice` with this beside.
fn ask(host: &Host, more: &[(&str, &str)]) -> Answer {
    let parameters: Vec<_> = [("scope", "openid"), ("login_hint", "alice")].iter().chain(more).copied().collect();
    ask_as(host, "bank", &parameters)
}

fn poll(host: &Host, auth_req_id: &str) -> Answer {
    poll_as(host, "bank", auth_req_id)
}

fn poll_as(host: &Host, client: &str, auth_req_id: &str) -> Answer {
    let parameters = [("client_id", client), ("client_secret", SECRET), ("grant_type", GRANT_TYPE), ("auth_req_id", auth_req_id)];
    host.send(&Request::form("/token", &parameters)).unwrap()
}

/// The error, or the status where there is none.
fn said(answer: &Answer) -> String {
    answer.json()["error"].as_str().map_or_else(|| answer.status.to_string(), str::to_owned)
}

fn described(answer: &Answer) -> String {
    answer.json()["error_description"].as_str().unwrap_or_default().to_owned()
}

fn auth_req_id(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["auth_req_id"].as_str().unwrap().to_owned()
}

/// What is stored of the latest request.
fn latest(host: &Host, column: &str) -> Option<String> {
    let query = format!("SELECT {column} FROM request ORDER BY id DESC LIMIT 1");
    database(&host.data).query_row(&query, [], |row| row.get(0)).unwrap()
}

#[test]
fn item_9_a_signed_request_counts_once_and_every_fault_in_it_is_an_invalid_request() {
    let data = Data::new().unwrap();
    let (keys, strangers) = (signer(&data, "keys"), signer(&data, "strangers"));
    register(&data, "bank", &json!({ "jwks": jwks(&keys), "backchannel_authentication_request_signing_alg": "ES256" }));
    register(&data, "plain", &json!({}));
    data.must(&["user", "add", "alice"]).unwrap();
    let host = data.serve(&[]).unwrap();
    let good = |jti: &str| {
        json!({
            "iss": "bank", "aud": host.issuer(), "iat": now(), "nbf": now(), "exp": now() + 300, "jti": jti, "scope": "openid",
            "login_hint": "alice", "binding_message": "W4SCT", "requested_expiry": 77
        })
    };
    let with = |jti: &str, name: &str, value: Value| {
        let mut claims = good(jti);
        claims[name] = value;
        claims
    };
    let es256 = |claims: &Value| keys.sign(JwsAlgorithm::Es256, "oauth-authz-req+jwt", claims).unwrap();

    let first = es256(&good("one"));
    let answer = ask_as(&host, "bank", &[("request", &first)]);
    assert_eq!((answer.status, answer.json()["expires_in"].as_u64()), (200, Some(77)), "{}", answer.text());
    assert_eq!(latest(&host, "binding_message").as_deref(), Some("W4SCT"));
    let again = ask_as(&host, "bank", &[("request", &first)]);
    assert_eq!((said(&again).as_str(), described(&again).contains("jti was used before")), ("invalid_request", true), "{}", again.text());

    // What is not accepted uses nothing up.
    let unknown = es256(&with("two", "login_hint", json!("nobody")));
    assert_eq!(said(&ask_as(&host, "bank", &[("request", &unknown)])), "unknown_user_id");
    assert_eq!(ask_as(&host, "bank", &[("request", &es256(&good("two")))]).status, 200);

    let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = format!("{}.{}.", encode(&json!({ "alg": "none" })), encode(&good("three")));
    let (head, signature) = first.rsplit_once('.').unwrap();
    let (header, _) = head.split_once('.').unwrap();
    let swapped = format!("{header}.{}.{signature}", encode(&good("three")));
    for (request, why) in [
        (unsigned, "not signed"),
        (swapped, "signature"),
        ("x".to_owned(), "three parts"),
        (strangers.sign(JwsAlgorithm::Es256, "oauth-authz-req+jwt", &good("three")).unwrap(), "not known"),
        (keys.sign(JwsAlgorithm::EdDsa, "oauth-authz-req+jwt", &good("three")).unwrap(), "not the one that is registered"),
        (keys.sign(JwsAlgorithm::Es256, "JWT", &good("three")).unwrap(), "typ"),
        (es256(&with("three", "iss", json!("plain"))), "iss"),
        (es256(&with("three", "aud", json!("https://other.example"))), "aud"),
        (es256(&with("three", "exp", json!(now() - 300))), "expired"),
        (es256(&with("three", "exp", json!(now() + 70 * 60))), "60 minutes after"),
        (es256(&with("three", "nbf", json!(now() - 70 * 60))), "60 minutes old"),
        (es256(&with("three", "nbf", json!(now() + 90))), "nbf is in the future"),
        (es256(&with("three", "jti", Value::Null)), "jti"),
        (es256(&with("three", "request_uri", json!("https://bank.example/r"))), "request_uri"),
        (es256(&with("three", "scope", json!(["openid"]))), "scope"),
    ] {
        let answer = ask_as(&host, "bank", &[("request", &request)]);
        assert_eq!((answer.status, said(&answer).as_str()), (400, "invalid_request"), "{why}: {}", answer.text());
        assert!(described(&answer).contains(why), "{why}: {}", answer.text());
    }
    let beside = ask_as(&host, "bank", &[("request", &es256(&good("three"))), ("login_hint", "alice")]);
    assert_eq!((said(&beside).as_str(), described(&beside).contains("login_hint stands beside it")), ("invalid_request", true));
    let unsigned = ask_as(&host, "bank", &[("scope", "openid"), ("login_hint", "alice")]);
    assert_eq!((said(&unsigned).as_str(), described(&unsigned).contains("request is missing")), ("invalid_request", true));
    let unregistered = ask_as(&host, "plain", &[("request", &first)]);
    assert_eq!(said(&unregistered), "invalid_request");
    assert!(described(&unregistered).contains("did not register backchannel_authentication_request_signing_alg"));
    // Nothing of all that used up the last one.
    assert_eq!(ask_as(&host, "bank", &[("request", &es256(&good("three")))]).status, 200);
}

/// RFC 9864 gave Ed25519 a name of its own. Whoever registered that signs by it and no other; whoever registered the
/// family's signs by either, because libraries have changed since.
#[test]
fn item_9_ed25519_is_known_by_both_of_its_names() {
    const OLD: JwsAlgorithm = JwsAlgorithm::EdDsa;
    const NEW: JwsAlgorithm = JwsAlgorithm::Ed25519;
    let config = "[[ciba.login_hint_token_issuers]]\nissuer = \"https://hr.example\"\njwks_file = \"hr.json\"\nsubject = \"username\"\n";
    let data = bank(config, &json!({}));
    let directory = data.beside("keys");
    fs::create_dir_all(&directory).unwrap();
    let policy = KeyPolicy { algorithms: vec![JwsAlgorithm::Es256, OLD, NEW], ..KeyPolicy::default() };
    let keys = KeyRing::open(&directory, policy, Clock::System.now()).unwrap();
    keys.sign(OLD, "JWT", &json!({})).and(keys.sign(NEW, "JWT", &json!({}))).expect("by now all keys are made");
    fs::write(data.path().join("hr.json"), jwks(&keys).to_string()).unwrap();
    for (id, registered) in [("old", OLD), ("new", NEW)] {
        let algorithm = registered.as_str();
        let metadata = json!({
            "jwks": jwks(&keys), "backchannel_authentication_request_signing_alg": algorithm,
            "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": algorithm,
        });
        register(&data, id, &metadata);
    }
    let host = data.serve(&[]).unwrap();
    for (id, by, taken) in [("old", OLD, true), ("old", NEW, true), ("new", NEW, true), ("new", OLD, false)] {
        let mut number = 0;
        let mut claims = |aud: &str, more: Value| {
            number += 1;
            let mut claims = json!({
                "iss": id, "sub": id, "aud": aud, "iat": now(), "nbf": now(), "exp": now() + 60, "jti": format!("{id}{by}{number}"),
            });
            claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            claims
        };
        let mut ask = |assertion_by, request_by| {
            let asked = json!({ "scope": "openid", "login_hint": "alice", "binding_message": format!("{assertion_by}{request_by}") });
            let request = keys.sign(request_by, "oauth-authz-req+jwt", &claims(&host.issuer(), asked.clone())).unwrap();
            let assertion = keys.sign(assertion_by, "JWT", &claims(&host.issuer(), json!({ "for": asked }))).unwrap();
            let form = [
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", &*assertion),
                ("request", &*request),
            ];
            said(&host.send(&Request::form("/bc-authorize", &form)).unwrap())
        };
        let registered = if id == "old" { OLD } else { NEW };
        assert_eq!(ask(by, registered), if taken { "200" } else { "invalid_client" }, "{id}: an assertion by {by}");
        assert_eq!(ask(registered, by), if taken { "200" } else { "invalid_request" }, "{id}: a request by {by}");
    }
    for by in [OLD, NEW] {
        let hint = json!({ "iss": "https://hr.example", "aud": host.issuer(), "exp": now() + 60, "sub": "alice" });
        let token = keys.sign(by, "JWT", &hint).unwrap();
        assert_eq!(said(&ask_as(&host, "bank", &[("scope", "openid"), ("login_hint_token", &token)])), "200", "a hint by {by}");
    }
}

#[test]
fn item_3_an_id_token_that_we_gave_to_this_client_names_its_person() {
    let data = bank("", &json!({}));
    register(&data, "shop", &json!({}));
    let stranger = signer(&data, "stranger");
    let host = data.serve(&[]).unwrap();
    let id = auth_req_id(&ask(&host, &[]));
    let phone = Phone::of(&host, "alice").unwrap();
    let card = wait_for("the card", || Ok(ciba_tests::party::waiting_in(&phone.check()?).into_iter().next())).unwrap();
    assert_eq!(phone.decide(&card, "approve").unwrap().status, 200);
    let tokens = wait_for("the tokens", || Ok(Some(poll(&host, &id)).filter(|answer| answer.status == 200))).unwrap().json();
    let (id_token, access_token) = (tokens["id_token"].as_str().unwrap(), tokens["access_token"].as_str().unwrap());

    let hinted = ask_as(&host, "bank", &[("scope", "openid"), ("id_token_hint", id_token)]);
    assert_eq!(hinted.status, 200, "{}", hinted.text());
    let alice = host.data.json(&["user", "list"]).unwrap()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(latest(&host, "user"), Some(alice.clone()));

    let (head, signature) = id_token.rsplit_once('.').unwrap();
    let (header, _) = head.split_once('.').unwrap();
    let claims = json!({ "iss": host.issuer(), "aud": "bank", "sub": alice, "exp": now() + 60 });
    let forged = format!("{header}.{}.{signature}", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()));
    let others = stranger.sign(JwsAlgorithm::Es256, "JWT", &claims).unwrap();
    for (client, token, why) in [
        ("shop", id_token, "another client"),
        ("bank", forged.as_str(), "signature"),
        ("bank", others.as_str(), "not known"),
        ("bank", access_token, "three parts"),
        ("bank", "x", "three parts"),
    ] {
        let answer = ask_as(&host, client, &[("scope", "openid"), ("id_token_hint", token)]);
        assert_eq!((answer.status, said(&answer).as_str()), (400, "invalid_request"), "{why}");
        assert!(described(&answer).starts_with("id_token_hint: ") && described(&answer).contains(why), "{why}: {}", answer.text());
    }
    // A person who is gone is unknown.
    host.data.must(&["user", "remove", "alice"]).unwrap();
    assert_eq!(said(&ask_as(&host, "bank", &[("scope", "openid"), ("id_token_hint", id_token)])), "unknown_user_id");
}

#[test]
fn item_3_somebody_whom_the_operator_trusts_names_the_person() {
    let config = "[[ciba.login_hint_token_issuers]]\nissuer = \"https://hr.example\"\njwks_file = \"hr.json\"\nsubject = \"email\"\n";
    let data = bank(config, &json!({}));
    let (hr, stranger) = (signer(&data, "hr"), signer(&data, "stranger"));
    fs::write(data.path().join("hr.json"), jwks(&hr).to_string()).unwrap();
    let host = data.serve(&[]).unwrap();
    let good = json!({ "iss": "https://hr.example", "aud": host.issuer(), "exp": now() + 60, "email": "Alice@example.com" });
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        hr.sign(JwsAlgorithm::Es256, "JWT", &claims).unwrap()
    };
    let by_id = json!({ "format": "email", "email": "nobody@example.com" });
    for (token, error, why) in [
        (hr.sign(JwsAlgorithm::EdDsa, "JWT", &good).unwrap(), "200", ""),
        (with("sub_id", by_id), "unknown_user_id", ""),
        (with("exp", json!(now() - 120)), "expired_login_hint_token", "expired"),
        (with("aud", json!("https://other.example")), "invalid_request", "aud"),
        (with("iss", json!("https://other.example")), "invalid_request", "issuer is not known"),
        (with("email", Value::Null), "invalid_request", "email"),
        (stranger.sign(JwsAlgorithm::Es256, "JWT", &good).unwrap(), "invalid_request", "not known"),
        ("x".to_owned(), "invalid_request", "three parts"),
    ] {
        let answer = ask_as(&host, "bank", &[("scope", "openid"), ("login_hint_token", &token)]);
        assert_eq!(said(&answer), error, "{why}: {}", answer.text());
        assert!(described(&answer).contains(why), "{why}: {}", answer.text());
    }
    let missing = Data::with_config(config).unwrap().serve(&[]).unwrap_err();
    assert!(format!("{missing:#}").contains("hr.json"), "{missing:#}");
}

#[test]
fn a_request_for_nobody_is_one_for_nobody() {
    let host = bank("[ciba]\nhide_unknown_users = true\n", &json!({})).serve(&[]).unwrap();
    let form = [("scope", "openid"), ("login_hint", "whoever this is")];
    let (transaction, _) = auth_req_id(&ask_as(&host, "bank", &form)).split_once('.').map(|(t, s)| (t.to_owned(), s.to_owned())).unwrap();
    let listed = host.data.must(&["request", "list"]).unwrap();
    let row = listed.lines().find(|line| line.starts_with(&transaction)).unwrap();
    assert_eq!(row.split_whitespace().nth(1), Some("nobody"), "{listed}");
    let shown = host.data.must(&["request", "show", &transaction]).unwrap();
    assert!(shown.lines().any(|line| line.split_whitespace().eq(["user", "nobody"])), "{shown}");
    assert!(host.data.json(&["request", "show", &transaction]).unwrap()["user"].is_null());
    // A person may be called that, and is one.
    host.data.must(&["user", "add", "nobody"]).unwrap();
    auth_req_id(&ask_as(&host, "bank", &[("scope", "openid"), ("login_hint", "nobody")]));
    assert_eq!(host.data.json(&["request", "list"]).unwrap()[0]["user"], "nobody");
}

#[test]
fn item_4_what_ping_and_push_tell_is_kept_sealed() {
    let endpoint = "https://bank.example/told";
    for (delivery, interval) in [("ping", true), ("push", false)] {
        let metadata =
            json!({ "backchannel_token_delivery_mode": delivery, "backchannel_client_notification_endpoint": endpoint, "interval": 7 });
        let host = bank("", &metadata).serve(&[]).unwrap();
        assert_eq!(said(&ask(&host, &[])), "invalid_request");
        let answer = ask(&host, &[("client_notification_token", "token-that-nobody-reads")]);
        let id = auth_req_id(&answer);
        assert_eq!(answer.json()["interval"].as_u64(), interval.then_some(7), "CIBA Core 7.3: not for push");
        let sealed: Vec<u8> = database(&host.data).query_row("SELECT to_notify FROM request", [], |row| row.get(0)).unwrap();
        let sealed = String::from_utf8_lossy(&sealed).into_owned();
        assert!(sealed.len() > 40 && !sealed.contains("token-that") && !sealed.contains(&id));
        assert_eq!(latest(&host, "delivery").as_deref(), Some(delivery));
    }
}

/// `ciba-host user code` with this on standard input.
fn set_code(data: &Data, code: &str) -> bool {
    let mut child =
        data.command(&["user", "code", "alice"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(code.as_bytes()).unwrap();
    child.wait().unwrap().success()
}

#[test]
fn item_6_a_person_with_a_code_is_asked_only_with_it() {
    let host = bank("", &json!({ "backchannel_user_code_parameter": true })).serve(&[]).unwrap();
    assert_eq!(ask(&host, &[]).status, 200, "whoever has no code is asked without");
    assert_eq!(said(&ask(&host, &[("user_code", "1234")])), "invalid_user_code");
    let made = host.data.json(&["user", "code", "alice"]).unwrap()["code"].as_str().unwrap().to_owned();
    assert_eq!(made.len(), 6);
    for (code, expected) in [("", "missing_user_code"), ("abcdef", "invalid_user_code"), (&made, "200")] {
        assert_eq!(said(&ask(&host, &[("user_code", code)])), expected, "{code}");
    }
    assert!(set_code(&host.data, "my own code\n") && !set_code(&host.data, "x"));
    assert_eq!(said(&ask(&host, &[("user_code", &made)])), "invalid_user_code");
    assert_eq!(ask(&host, &[("user_code", "my own code")]).status, 200);
    let kept: String = database(&host.data).query_row("SELECT user_code FROM user", [], |row| row.get(0)).unwrap();
    assert!(kept.starts_with("pbkdf2-sha512$"), "{kept}");
    host.data.must(&["user", "code", "alice", "--remove"]).unwrap();
    assert_eq!(ask(&host, &[]).status, 200);
}

fn declare_payment(data: &Data) {
    let directory = data.path().join("declared/authorization_details");
    fs::create_dir_all(&directory).unwrap();
    let payment = json!({
        "words": { "en": "Pay {/amount} to {/creditor}" },
        "schema": {
            "type": "object", "required": ["amount", "creditor"], "additionalProperties": false,
            "properties": { "type": {}, "amount": { "type": "string" }, "creditor": { "type": "string" } }
        }
    });
    fs::write(directory.join("payment.json"), payment.to_string()).unwrap();
}

#[test]
fn item_8_details_resources_and_context_are_checked_and_kept() {
    let metadata = json!({ "authorization_details_types": ["payment", "account"] });
    let data = bank("[ciba]\nresources = [\"https://api.example\", \"https://other.example\"]\n", &metadata);
    register(&data, "shop", &json!({ "resources": ["https://shop.example"] }));
    declare_payment(&data);
    let host = data.serve(&[]).unwrap();
    let details = json!([{ "type": "payment", "amount": "12.50 EUR", "creditor": "Fern & Co" }]).to_string();
    let good = [
        ("authorization_details", details.as_str()),
        ("resource", "https://api.example"),
        ("resource", "https://other.example"),
        ("request_context", r#"{"ip":"192.0.2.1"}"#),
    ];
    auth_req_id(&ask(&host, &good));
    let kept: Value = serde_json::from_str(&latest(&host, "particulars").unwrap()).unwrap();
    assert_eq!(kept["authorization_details"][0]["creditor"], "Fern & Co");
    assert_eq!(kept["resource"], json!(["https://api.example", "https://other.example"]));
    assert_eq!(kept["request_context"]["ip"], "192.0.2.1");
    auth_req_id(&ask(&host, &[]));
    assert_eq!(latest(&host, "particulars"), None);

    let second = json!([{ "type": "payment", "amount": "1", "creditor": "x" }, { "type": "payment", "amount": 1 }]).to_string();
    for (name, value, error, why) in [
        ("authorization_details", second.as_str(), "invalid_authorization_details", "authorization_details[1]: "),
        ("authorization_details", r#"[{"type":"account"}]"#, "invalid_authorization_details", "not known here"),
        ("authorization_details", r#"[{"type":"loan"}]"#, "invalid_authorization_details", "authorization_details_types"),
        ("authorization_details", "{}", "invalid_authorization_details", "list"),
        ("authorization_details", "[{", "invalid_authorization_details", "JSON"),
        ("resource", "https://shop.example", "invalid_target", "https://shop.example"),
        ("resource", "https://api.example/#x", "invalid_target", "fragment"),
        ("request_context", "[]", "invalid_request", "request_context"),
    ] {
        let answer = ask(&host, &[(name, value)]);
        assert_eq!((answer.status, said(&answer).as_str()), (400, error), "{value}: {}", answer.text());
        assert!(described(&answer).contains(why), "{value}: {}", answer.text());
    }
    let shop = |resource| ask_as(&host, "shop", &[("scope", "openid"), ("login_hint", "alice"), ("resource", resource)]);
    assert_eq!((shop("https://shop.example").status, said(&shop("https://api.example")).as_str()), (200, "invalid_target"));
}

#[test]
fn item_8_a_token_is_for_what_its_client_names_of_what_was_granted() {
    let metadata = json!({
        "access_token_format": "jwt", "authorization_details_types": ["payment"],
        "grant_types": [GRANT_TYPE, "refresh_token"],
    });
    let data = bank("[ciba]\nresources = [\"https://api.example\", \"https://other.example\"]\n", &metadata);
    declare_payment(&data);
    let host = data.serve(&[]).unwrap();
    let phone = Phone::of(&host, "alice").unwrap();
    let details = json!([{ "type": "payment", "amount": "12.50 EUR", "creditor": "Fern & Co" }]).to_string();
    let both = [("resource", "https://api.example"), ("resource", "https://other.example"), ("authorization_details", details.as_str())];
    let request = auth_req_id(&ask(&host, &both));
    phone.check().unwrap();
    assert_eq!(phone.decide(&phone.next_card(&[]).unwrap(), "approve").unwrap().status, 200);
    let token = |grant: &[(&str, &str)], more: &[(&str, &str)]| {
        let form: Vec<_> = [("client_id", "bank"), ("client_secret", SECRET)].iter().chain(grant).chain(more).copied().collect();
        host.send(&Request::form("/token", &form)).unwrap()
    };
    let audience = |answer: &Answer| {
        let token = answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned();
        let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice::<Value>(&claims).unwrap()["aud"].clone()
    };
    let poll = [("grant_type", GRANT_TYPE), ("auth_req_id", request.as_str())];
    let others = json!([{ "type": "payment", "amount": "9999 EUR", "creditor": "Fern & Co" }]).to_string();
    let refused = |grant: &[(&str, &str)]| {
        assert_eq!(said(&token(grant, &[("resource", "https://third.example")])), "invalid_target");
        assert_eq!(said(&token(grant, &[("authorization_details", &others)])), "invalid_authorization_details");
    };
    refused(&poll);
    let first = token(&poll, &[("resource", "https://other.example"), ("authorization_details", &details)]);
    assert_eq!(audience(&first), json!(["https://other.example"]));
    // What was granted is still what was granted.
    let refresh_token = first.json()["refresh_token"].as_str().unwrap().to_owned();
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];
    refused(&refresh);
    let second = token(&refresh, &[("resource", "https://api.example")]);
    assert_eq!(audience(&second), json!(["https://api.example"]));
    let refresh_token = second.json()["refresh_token"].as_str().unwrap().to_owned();
    let all = token(&[("grant_type", "refresh_token"), ("refresh_token", &refresh_token)], &[]);
    assert_eq!(audience(&all), json!(["https://api.example", "https://other.example"]));
}

#[test]
fn item_10_the_client_comes_first_then_the_request_then_the_person() {
    let host = bank("", &json!({})).serve(&[]).unwrap();
    let wrong = [("client_id", "bank"), ("client_secret", "wrong"), ("scope", "email"), ("login_hint", "nobody")];
    assert_eq!(said(&host.send(&Request::form("/bc-authorize", &wrong)).unwrap()), "invalid_client");
    assert_eq!(said(&ask_as(&host, "bank", &[("scope", "email"), ("login_hint", "nobody")])), "invalid_scope");
    let resource = [("scope", "openid"), ("login_hint", "nobody"), ("resource", "https://api.example")];
    assert_eq!(said(&ask_as(&host, "bank", &resource)), "invalid_target");
    assert_eq!(said(&ask_as(&host, "bank", &resource[..2])), "unknown_user_id");
}

/// Everything of an answer that could tell two of them apart.
fn shape(answer: &Answer) -> (u16, Vec<String>, Vec<(String, String)>) {
    let body = answer.json();
    let members = body.as_object().unwrap().iter();
    let members =
        members.map(|(name, value)| (name.clone(), value.as_str().map_or_else(|| value.to_string(), |text| text.len().to_string())));
    let headers = ["content-type", "content-length", "cache-control", "retry-after"].map(|name| format!("{:?}", answer.header(name)));
    (answer.status, headers.to_vec(), members.collect())
}

#[test]
fn item_10_whoever_is_not_known_is_answered_like_everybody_where_the_operator_so_sets() {
    let data = bank("[ciba]\nhide_unknown_users = true\n", &json!({ "supersede": true }));
    register(&data, "coded", &json!({ "backchannel_user_code_parameter": true }));
    register(&data, "hasty", &json!({ "fail_fast": true }));
    let host = data.serve(&[]).unwrap();
    let named = |hint: &str| ask_as(&host, "bank", &[("scope", "openid"), ("login_hint", hint), ("requested_expiry", "60")]);
    let (known, unknown) = (named("alice"), named("nobody-at-all"));
    assert_eq!(shape(&known), shape(&unknown));
    for answer in [&known, &unknown] {
        assert_eq!(said(&poll(&host, &auth_req_id(answer))), "authorization_pending");
    }
    // Somebody else who is not known is somebody else; and a new request takes the place of the old one for both.
    named("another-nobody");
    assert_eq!(said(&poll(&host, &auth_req_id(&unknown))), "slow_down");
    for (hint, first) in [("alice", &known), ("nobody-at-all", &unknown)] {
        named(hint);
        assert_eq!(said(&poll(&host, &auth_req_id(first))), "access_denied", "{hint}");
    }
    let jobs: i64 = database(&host.data)
        .query_row("SELECT count(*) FROM job JOIN request r ON r.id = job.request WHERE r.user LIKE '?%'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(jobs, 0, "nobody is notified");
    assert!(!host.log().contains("nobody-at-all"));

    // What nobody will read is not kept.
    for (hint, kept) in [("alice", true), ("nobody-at-all", false)] {
        ask_as(&host, "bank", &[("scope", "openid"), ("login_hint", hint), ("request_context", r#"{"ip":"192.0.2.1"}"#)]);
        assert_eq!(latest(&host, "particulars").is_some(), kept, "{hint}");
    }

    // Nor does it tell that somebody has no device, or one that nothing reaches.
    host.data.must(&["user", "add", "carol"]).unwrap();
    host.data.must(&["user", "device", "carol", "--channel", "pigeon", "--address", "1"]).unwrap();
    for client in ["bank", "hasty"] {
        let asked: Vec<Answer> = ["alice", "carol", "nobody-at-all"]
            .into_iter()
            .map(|hint| ask_as(&host, client, &[("scope", "openid"), ("login_hint", hint)]))
            .collect();
        wait_for("a try to reach each of them", || Ok((tried(&host, client) == 2).then_some(()))).unwrap();
        for answer in &asked {
            assert_eq!(said(&poll_as(&host, client, &auth_req_id(answer))), "authorization_pending", "{client}");
        }
    }

    // A code is asked for from everybody, and tells nothing either.
    let coded = |hint: &str, code: &str| ask_as(&host, "coded", &[("scope", "openid"), ("login_hint", hint), ("user_code", code)]);
    host.data.must(&["user", "add", "bob"]).unwrap();
    assert!(set_code(&host.data, "right code"));
    for hint in ["alice", "bob", "nobody-at-all"] {
        assert_eq!(said(&coded(hint, "")), "missing_user_code", "{hint}");
        assert_eq!(said(&coded(hint, "wrong")), "invalid_user_code", "{hint}");
    }
    assert_eq!(coded("alice", "right code").status, 200);
}

/// How many people of whom this client waits could not be reached at the first try.
fn tried(host: &Host, client: &str) -> i64 {
    let query = "SELECT count(*) FROM job JOIN request r ON r.id = job.request
                 WHERE r.client = ?1 AND r.state = 'pending' AND kind = 'notify' AND attempts > 0";
    database(&host.data).query_row(query, [client], |row| row.get(0)).unwrap()
}

#[test]
fn item_24_a_new_request_takes_the_place_of_one_that_waits_where_the_client_so_chose() {
    for (supersede, expected) in [(true, "access_denied"), (false, "authorization_pending")] {
        let host = bank("", &json!({ "supersede": supersede })).serve(&[]).unwrap();
        let first = auth_req_id(&ask(&host, &[]));
        let second = auth_req_id(&ask(&host, &[]));
        assert_eq!(said(&poll(&host, &first)), expected);
        assert_eq!(said(&poll(&host, &second)), "authorization_pending");
    }
}

#[test]
fn item_28_a_client_of_a_profile_is_held_to_it_at_every_request() {
    let host = bank("", &json!({ "fapi_profile": "fapi_ciba_fapi2" })).serve(&[]).unwrap();
    let answer = ask(&host, &[("binding_message", "W4SCT")]);
    assert_eq!(said(&answer), "unauthorized_client", "a secret is not enough: {}", answer.text());
    let answer = poll(&host, "x");
    assert_eq!(said(&answer), "unauthorized_client", "nor is it for tokens: {}", answer.text());
}

#[test]
fn nobody_is_asked_for_a_client_whose_tokens_cannot_be_signed() {
    let data = bank("[keys]\nalgorithms = ['ES256']", &json!({ "id_token_signed_response_alg": "RS256" }));
    let host = data.serve(&[]).unwrap();
    assert!(host.log().contains("the client asks in vain: id_token_signed_response_alg"), "{}", host.log());
    let answer = ask(&host, &[]);
    assert_eq!(said(&answer), "unauthorized_client");
    assert!(described(&answer).contains("RS256 is not signed with here; choose ES256"), "{}", answer.text());
}

#[test]
fn a_client_that_lost_its_encryption_key_is_told_so_before_a_person_is_asked_and_at_every_poll() {
    let data = bank("", &json!({}));
    let keys = jwks(&signer(&data, "keys"));
    let host = data.serve(&[]).unwrap();
    let phone = Phone::of(&host, "alice").unwrap();
    let request = auth_req_id(&ask(&host, &[]));
    phone.check().unwrap();
    assert_eq!(phone.decide(&phone.next_card(&[]).unwrap(), "approve").unwrap().status, 200);
    // What the rules refuse at a registration happens behind a jwks_uri.
    let data = host.stop().unwrap();
    let changed = json!({ "id_token_encrypted_response_alg": "ECDH-ES", "jwks": keys }).to_string();
    database(&data).execute("UPDATE client SET metadata = json_patch(metadata, ?1) WHERE id = 'bank'", [changed]).unwrap();

    let host = data.serve(&[]).unwrap();
    let before = host.log().matches("the client gets no tokens").count();
    for answer in [ask(&host, &[]), poll(&host, &request), poll(&host, &request)] {
        assert_eq!((answer.status, said(&answer).as_str()), (400, "unauthorized_client"), "{}", answer.text());
        assert!(described(&answer).contains("no key for ECDH-ES"), "{}", answer.text());
    }
    assert_eq!(host.log().matches("the client gets no tokens").count(), before + 1, "{}", host.log());
    assert!(!host.log().contains("ERROR"), "{}", host.log());
}

#[test]
fn a_configuration_that_trusts_nobody_in_particular_is_refused() {
    let issuer = |rest: &str| format!("[[ciba.login_hint_token_issuers]]\nissuer = \"https://hr.example\"\n{rest}\n");
    for (config, why) in [
        (issuer("subject = \"email\""), "either jwks_uri or jwks_file"),
        (issuer("subject = \"email\"\njwks_file = \"a\"\njwks_uri = \"https://hr.example\""), "either jwks_uri or jwks_file"),
        (issuer("subject = \"email\"\njwks_uri = \"http://hr.example\""), "not https"),
        (issuer("subject = \"nickname\"\njwks_file = \"a\""), "nickname"),
        ("[ciba]\nresources = [\"/api\"]\n".to_owned(), "absolute URI"),
    ] {
        let said = Data::with_config(&config).unwrap().run(&["config", "check"]).unwrap();
        assert!(!said.status.success() && said.error.contains(why), "{config}: {}", said.error);
    }
}
