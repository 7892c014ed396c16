//! Credentials that the host mints with keys that the plugin does not see.

use std::fs;
use std::sync::{Arc, Barrier};

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ciba_host::clock::Clock;
use ciba_tests::host::{Data, wait_for};
use ciba_tests::receiver::{Receiver, Reply};
use ciba_tests::secure::Authority;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

use super::{World, put};

const KEY_ID: &str = "ABC123DEFG";
const TEAM_ID: &str = "DEF123GHIJ";
const PUSH: &str = "https://push.example";
const OPS: &str = "mailto:ops@example.com";

/// What `obedient` was given: it says it backwards.
fn given(said: &[String]) -> String {
    let line = said.last().unwrap();
    let backwards = line.split_once("Ok(\"").unwrap_or_else(|| panic!("{said:?}")).1.trim_end_matches("\")");
    backwards.chars().rev().collect()
}

/// Header and claims of a JWT, whoever signed it.
fn parts(jwt: &str) -> (Value, Value) {
    let parts: Vec<_> = jwt.split('.').map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
    assert_eq!(parts.len(), 3, "{jwt}");
    (serde_json::from_slice(&parts[0]).unwrap(), serde_json::from_slice(&parts[1]).unwrap())
}

fn now() -> i64 {
    Clock::System.now().as_second()
}

#[test]
fn a_plugin_is_given_credentials_and_no_key() {
    let world = World::new("", &[]);
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let file = world.host.data.beside("key.p8");
    fs::write(&file, pair.serialize_pem()).unwrap();
    put(&world.host.data, "pusher", &format!("token = {{ file = {file:?} }}\nkeys = ['no key at all']\n"));
    world.wait_until_it_serves("pusher");
    let tell = |order: Value| world.tell("pusher", &json!([order]));

    let apns = given(&tell(json!(["apns", "/token", KEY_ID, TEAM_ID])));
    let (header, claims) = parts(apns.strip_prefix("bearer ").unwrap());
    assert_eq!(header, json!({"alg": "ES256", "kid": KEY_ID}));
    assert!(claims["iss"] == TEAM_ID && (now() - claims["iat"].as_i64().unwrap()).abs() < 60, "{claims}");
    assert_eq!(claims.as_object().unwrap().len(), 2);
    // Whoever makes new ones all the time is refused by Apple: a new version of the plugin has the same one.
    assert_eq!(given(&tell(json!(["apns", "/token", KEY_ID, TEAM_ID]))), apns);
    let since = |name: &str| world.host.plugin(name).unwrap()["since"].clone();
    let before = since("pusher");
    put(&world.host.data, "pusher", &format!("token = {{ file = {file:?} }}\nkeys = ['neither is this']\n"));
    wait_for("another version", || Ok((since("pusher") != before).then_some(()))).unwrap();
    assert_eq!(given(&tell(json!(["apns", "/token", KEY_ID, TEAM_ID]))), apns);

    let vapid = given(&tell(json!(["vapid", "/token", PUSH, OPS])));
    let (token, point) = vapid.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
    assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(point).unwrap(), pair.public_key_raw());
    let (header, claims) = parts(token);
    assert_eq!(header, json!({"alg": "ES256", "typ": "JWT"}));
    let left = claims["exp"].as_i64().unwrap() - now();
    assert!(claims["aud"] == PUSH && claims["sub"] == OPS && (60 * 60..24 * 60 * 60).contains(&left), "{claims}");
    assert_eq!(given(&tell(json!(["vapid", "/token", PUSH, OPS]))), vapid);
    assert_ne!(given(&tell(json!(["vapid", "/token", "https://other.example", OPS]))), vapid);

    for (order, expected) in [
        (json!(["vapid", "/keys/0", PUSH, OPS]), "Other(\"is no private key: neither PEM, nor a JWK"),
        (json!(["apns", "/keys/0", KEY_ID, TEAM_ID]), "Other(\"is no private key: neither PEM, nor a JWK"),
        (json!(["google", "/keys/0", ["a"]]), "Other(\"is not the file of a service account: not JSON at line 1\")"),
        (json!(["google", "/token", ["a"]]), "Other(\"is not the file of a service account"),
        (json!(["apns", "/name", KEY_ID, TEAM_ID]), "Other(\"its settings have no secret there"),
        (json!(["vapid", "/name", PUSH, OPS]), "Other(\"its settings have no secret there"),
        (json!(["google", "", []]), "Other(\"its settings have no secret there"),
        (json!(["apns", "/token", "ABC123\r\nab", TEAM_ID]), "Other(\"key-id is ten letters and digits"),
        (json!(["apns", "/token", KEY_ID, "short"]), "Other(\"team-id is ten letters and digits"),
        (json!(["vapid", "/token", "https://push.example/a", OPS]), "Other(\"the audience is an origin"),
        (json!(["vapid", "/token", "push.example", OPS]), "Other(\"the audience is an origin"),
        (json!(["vapid", "/token", PUSH, "ops@example.com"]), "Other(\"the subject is a mailto: or https: address"),
        (json!(["vapid", "/token", PUSH, "mailto:a b@example.com"]), "Other(\"the subject is a mailto: or https: address"),
    ] {
        let said = tell(order.clone()).join("\n");
        assert!(said.contains(expected), "{order}: {said}");
    }
    // What it was given has no place in its log, and it is not given without end.
    let said = tell(json!(["vapid-in-clear", "/token", PUSH, OPS]));
    assert_eq!(said, ["vapid-in-clear: Ok(\"vapid [redacted]\")"]);
    let many: Vec<_> = (0..101).map(|_| json!(["vapid", "/token", PUSH, OPS])).collect();
    let said = tell(json!(["quiet", many])).join("\n");
    assert!(said.contains("quiet: 100 of 101, then Err(Refusal::OverLimit(\"100 credentials in one call of a hook\"))"), "{said}");
    let log = world.host.log();
    for line in pair.serialize_pem().lines().chain([token, apns.as_str(), "no key at all"]) {
        assert!(line.starts_with("-----") || !log.contains(line), "{line} is in the log");
    }
}

#[test]
fn a_wrong_key_is_found_out_before_the_plugin_serves() {
    let world = World::new("", &[]);
    put(&world.host.data, "pusher", "keys = ['c2hvcnQ']\npushes = true\n");
    wait_for("a refusal", || {
        let listed = world.host.data.json(&["plugin", "list"])?.to_string();
        let says = r#"/keys/0: Refusal::Other(\"is base64url of 5 bytes, and a private key has 32\")"#;
        Ok(listed.contains(says).then_some(()))
    })
    .unwrap_or_else(|error| panic!("{error}: {:?}", world.host.data.json(&["plugin", "list"])));
    let number = "1lAJthwI73d1bQm9mj3NL-tKBqHbma3rGkmD3Zd1ZMw";
    put(&world.host.data, "pusher", &format!("keys = ['{number}']\npushes = true\n"));
    world.wait_until_it_serves("pusher");
    assert!(!world.host.log().contains(number));
}

/// A service account, and who gives tokens to it.
struct Bank {
    server: Receiver,
    authority: Authority,
    pair: KeyPair,
}

impl Bank {
    fn new() -> Self {
        let authority = Authority::new();
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        Self { server: Receiver::start(&authority).unwrap(), authority, pair }
    }

    fn account(&self) -> String {
        let file = json!({
            "type": "service_account", "project_id": "p", "private_key_id": "k1", "private_key": self.pair.serialize_pem(),
            "client_email": "push@p.iam.example", "token_uri": self.server.url("/token"),
        });
        file.to_string()
    }

    fn world(&self) -> World {
        let config = "[outbound]\nprivate_networks = ['127.0.0.0/8']\ncertificate_authorities = 'authority.pem'\n";
        let data = Data::with_config(config).unwrap();
        fs::write(data.path().join("authority.pem"), self.authority.pem()).unwrap();
        fs::create_dir(data.path().join("plugins")).unwrap();
        let file = data.beside("account.json");
        fs::write(&file, self.account()).unwrap();
        for name in ["sender", "other"] {
            put(&data, name, &format!("token = {{ file = {file:?} }}\n"));
        }
        let world = World::on(data);
        world.host.data.must(&["user", "add", "teller"]).unwrap();
        for name in ["sender", "other"] {
            world.wait_until_it_serves(name);
        }
        world
    }

    fn grants(&self, token: &str, seconds: u32) -> Reply {
        let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": seconds});
        Reply::Whole(200, vec![("content-type".to_owned(), "application/json".to_owned())], body.to_string().into_bytes())
    }
}

#[test]
fn an_access_token_is_fetched_once_while_it_is_good_and_only_where_that_is_allowed() {
    let bank = Bank::new();
    let world = bank.world();
    let tell = |plugin: &str, scopes: &[&str]| world.tell(plugin, &json!([["google", "/token", scopes]]));
    let origin = bank.server.url("");
    let said = tell("sender", &["a"]);
    assert_eq!(said[0], format!("refused [not-permitted]: HTTP to {origin}. do: ciba-host plugin allow sender --http {origin}"));
    assert_eq!(said[1], format!("google: Err(Refusal::NotPermitted(\"HTTP to {origin}\"))"));
    assert!(bank.server.received().is_empty());

    world.allow("sender", &["--http", &origin]);
    world.allow("other", &["--http", &origin]);
    bank.server.answer_next([
        bank.grants("first", 3600),
        bank.grants("second", 3600),
        bank.grants("third", 60),
        bank.grants("fourth", 3600),
    ]);
    assert_eq!(given(&tell("sender", &["b", "a"])), "Bearer first");
    assert_eq!(given(&tell("sender", &["a", "b"])), "Bearer first");
    // Other scopes, and another plugin with the same key: nobody is given what was minted for somebody else.
    assert_eq!(given(&tell("other", &["a", "b"])), "Bearer second");
    // What ends within a minute is not given again.
    assert_eq!(given(&tell("sender", &["c"])), "Bearer third");
    assert_eq!(given(&tell("sender", &["c"])), "Bearer fourth");

    let received = bank.server.received();
    assert_eq!(received.len(), 4);
    let form: Vec<(String, String)> = form_urlencoded::parse(&received[0].body).into_owned().collect();
    assert_eq!((received[0].method.as_str(), received[0].path.as_str()), ("POST", "/token"));
    assert_eq!(received[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(form[0], ("grant_type".to_owned(), "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned()));
    let [_, (name, assertion)] = &*form else { panic!("{form:?}") };
    let (header, claims) = parts(assertion);
    assert_eq!((name.as_str(), header), ("assertion", json!({"alg": "RS256", "typ": "JWT", "kid": "k1"})));
    assert_eq!((&claims["iss"], &claims["scope"]), (&json!("push@p.iam.example"), &json!("a b")));
    assert_eq!(claims["aud"], bank.server.url("/token"));
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, bank.pair.public_key_raw());
    key.verify(signed.as_bytes(), &BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();

    // A permission that is taken back counts at once, also for what is kept.
    world.allow("sender", &["--http", &origin, "--revoke"]);
    assert!(tell("sender", &["a", "b"]).concat().contains("NotPermitted"));
    let log = world.host.log();
    assert!(!log.contains(assertion) && !log.contains("PRIVATE"), "{log}");
}

#[test]
fn what_a_token_server_does_wrong_is_a_refusal() {
    let bank = Bank::new();
    let world = bank.world();
    let origin = bank.server.url("");
    world.allow("sender", &["--http", &origin]);
    let whole = |status: u16, body: &str| Reply::Whole(status, Vec::new(), body.as_bytes().to_vec());
    let redirect = Reply::Whole(302, vec![("location".to_owned(), "https://127.0.0.1/token".to_owned())], Vec::new());
    for (scope, reply, expected) in [
        (
            "1",
            whole(400, r#"{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}"#),
            "it answered 400: invalid_grant: Invalid JWT Signature.\")",
        ),
        ("2", whole(400, "not json"), "it answered 400\")"),
        ("3", whole(503, "{}"), "Unavailable(\"no token from"),
        ("4", whole(429, "{}"), "it answered 429\")"),
        ("5", redirect, "it answered 302\")"),
        ("6", whole(200, "{}"), "what it answered is none (RFC 6749 5.1)\")"),
        ("7", whole(200, r#"{"access_token": "a\r\nx-evil: 1", "expires_in": 1}"#), "what it answered is none"),
        ("8", whole(200, &format!("{{\"access_token\": \"{}\"}}", "x".repeat(300 << 10))), "Unavailable(\"no token from"),
        ("9", Reply::Reset, "Unavailable(\"no token from"),
    ] {
        bank.server.answer_next([reply]);
        let said = world.tell("sender", &json!([["google", "/token", [scope]]])).join("\n");
        assert!(said.contains(expected) && said.contains(&origin), "{scope}: {said}");
    }
    // It is asked no second time by those who waited.
    let before = bank.server.received().len();
    bank.server.answer_next([whole(503, "{}")]);
    let said = world.tell("sender", &json!([["quiet", [["google", "/token", ["z"]], ["google", "/token", ["z"]]]]])).join("\n");
    assert!(said.contains("quiet: 0 of 2"), "{said}");
    assert_eq!(bank.server.received().len(), before + 1);
}

/// Also when they are different calls, which ask at the same moment.
#[test]
fn many_calls_that_need_a_token_wait_for_one() {
    let bank = Bank::new();
    let world = bank.world();
    let origin = bank.server.url("");
    world.allow("sender", &["--http", &origin]);
    let barrier = Arc::new(Barrier::new(2));
    bank.server.answer_next([Reply::Held(Arc::clone(&barrier), Box::new(bank.grants("one", 3600)))]);
    let context = json!({"to": "sender", "orders": [["google", "/token", ["a"]]]}).to_string();
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    world.shop.ask(&[("scope", "openid"), ("login_hint", "teller"), ("request_context", &context)]).unwrap().status
                })
            })
            .collect();
        bank.server.wait_for(1).unwrap();
        barrier.wait();
        assert!(calls.into_iter().all(|call| call.join().unwrap() == 200), "{:?}", world.log_of("sender"));
    });
    let said = world.log_of("sender");
    assert_eq!(said.iter().filter(|line| given(&[(*line).clone()]) == "Bearer one").count(), 8, "{said:?}");
    assert_eq!(bank.server.received().len(), 1);
}
