//! Keys that stand at an address: those of clients (`jwks_uri`), and of whoever names people. They rotate, their server may
//! be away, and whoever invents a key does not make us fetch.

use std::cell::Cell;
use std::fs;
use std::time::Instant;

use ciba_host::clock::Clock;
use ciba_host::jose::{KeyPolicy, KeyRing};
use ciba_host::protocol::algorithm::JwsAlgorithm;
use ciba_tests::host::{Data, Host, wait_for};
use ciba_tests::party::Client;
use ciba_tests::receiver::{Receiver, Reply};
use ciba_tests::secure::Authority;
use ciba_tests::wire::{Answer, Request};
use serde_json::{Value, json};

/// The least time between two fetches of one set, in seconds (`flow/kept_keys.rs`).
const PAUSE: usize = 10;

/// Where the keys are, and the directory of a host that may fetch them.
fn server_and_data(config: impl FnOnce(&Receiver) -> String) -> (Receiver, Data) {
    let authority = Authority::new();
    let server = Receiver::start(&authority).unwrap();
    let outbound = "[outbound]\nclient_networks = ['127.0.0.0/8']\ncertificate_authorities = 'authority.pem'\n";
    let data = Data::with_config(&format!("{outbound}{}", config(&server))).unwrap();
    fs::write(data.path().join("authority.pem"), authority.pem()).unwrap();
    (server, data)
}

fn key(data: &Data, name: &str) -> KeyRing {
    let directory = data.beside(name);
    fs::create_dir_all(&directory).unwrap();
    let policy = KeyPolicy { algorithms: vec![JwsAlgorithm::Es256], ..KeyPolicy::default() };
    KeyRing::open(&directory, policy, now()).unwrap()
}

fn now() -> jiff::Timestamp {
    Clock::System.now()
}

/// The set of these keys, as a server sends it.
fn set(keys: &[&KeyRing]) -> Reply {
    let keys: Vec<Value> =
        keys.iter().flat_map(|ring| serde_json::to_value(ring.jwks(now())).unwrap()["keys"].as_array().unwrap().clone()).collect();
    let content_type = ("content-type".to_owned(), "application/jwk-set+json".to_owned());
    Reply::Whole(200, vec![content_type], json!({ "keys": keys }).to_string().into_bytes())
}

fn said(answer: &Answer) -> String {
    answer.json()["error"].as_str().map_or_else(|| answer.status.to_string(), str::to_owned)
}

/// Somebody's keys live: they are fetched once, they rotate, their server goes away. `ask` says what becomes of a request
/// that is signed with a key, which is `refused` where the key is not theirs.
fn live(host: &Host, server: &mut Receiver, refused: &str, ask: impl Fn(&KeyRing) -> String) {
    let [old, new, invented] = ["old", "new", "invented"].map(|name| key(&host.data, name));
    server.answer(set(&[&old]));
    for _ in 0..3 {
        assert_eq!(ask(&old), "200");
    }
    assert_eq!(server.received().len(), 1, "it is fetched at each use");

    let begun = Instant::now();
    for _ in 0..40 {
        assert_eq!(ask(&invented), refused);
    }
    let most = 1 + usize::try_from(begun.elapsed().as_secs()).unwrap() / PAUSE;
    let fetches = server.received().len() - 1;
    assert!(fetches <= most, "who invents keys has them looked for {fetches} times in {:?}", begun.elapsed());

    // They have a new key, and the old one beside it.
    server.answer(set(&[&old, &new]));
    wait_for("the new key is known", || Ok((ask(&new) == "200").then_some(()))).unwrap();
    assert_eq!(ask(&old), "200");

    // Their server is away: what it said before goes on.
    server.down().unwrap();
    let before = host.log().matches("cannot be ").count();
    wait_for("it was asked again, and is away", || {
        assert_eq!(ask(&invented), refused);
        Ok((host.log().matches("cannot be ").count() > before).then_some(()))
    })
    .unwrap();
    assert_eq!((ask(&old).as_str(), ask(&new).as_str()), ("200", "200"));
    // It is back, and the old key is gone from it: that is seen with the next fetch.
    server.up().unwrap();
    server.answer(set(&[&new]));
    wait_for("the old key is gone", || {
        assert_eq!((ask(&new).as_str(), ask(&invented).as_str()), ("200", refused));
        Ok((ask(&old) == refused).then_some(()))
    })
    .unwrap();
}

#[test]
fn the_keys_of_a_client_rotate_and_outlive_an_outage_and_are_not_fetched_for_inventors() {
    let (mut server, data) = server_and_data(|_| String::new());
    let host = data.serve(&[]).unwrap();
    host.data.must(&["user", "add", "alice"]).unwrap();
    let metadata = host.data.beside("bank.json");
    let registered = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": server.url("/jwks") });
    fs::write(&metadata, registered.to_string()).unwrap();
    host.data.must(&["client", "add", "bank", "--metadata", metadata.to_str().unwrap()]).unwrap();

    let count = Cell::new(0);
    live(&host, &mut server, "invalid_client", |key| {
        count.set(count.get() + 1);
        let jti = format!("jti-{}", count.get());
        let claims = json!({ "iss": "bank", "sub": "bank", "aud": host.issuer(), "exp": now().as_second() + 60, "jti": jti });
        let assertion = key.sign(JwsAlgorithm::Es256, "JWT", &claims).unwrap();
        let form = [
            ("scope", "openid"),
            ("login_hint", "alice"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ];
        said(&host.send(&Request::form("/bc-authorize", &form)).unwrap())
    });
}

#[test]
fn the_keys_of_who_names_people_rotate_and_outlive_an_outage_and_are_not_fetched_for_inventors() {
    let (mut server, data) = server_and_data(|server| {
        let uri = server.url("/jwks");
        format!("[[ciba.login_hint_token_issuers]]\nissuer = 'https://hr.example'\njwks_uri = '{uri}'\nsubject = 'username'\n")
    });
    let host = data.serve(&[]).unwrap();
    host.data.must(&["user", "add", "alice"]).unwrap();
    let shop = Client::add(&host, "shop", &[]).unwrap();
    live(&host, &mut server, "invalid_request", |key| {
        let claims = json!({ "iss": "https://hr.example", "aud": host.issuer(), "exp": now().as_second() + 60, "sub": "alice" });
        let token = key.sign(JwsAlgorithm::Es256, "JWT", &claims).unwrap();
        said(&shop.ask(&[("scope", "openid"), ("login_hint_token", &token)]).unwrap())
    });
}
