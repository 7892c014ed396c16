//! `resolve-hint`: who is meant, through the backchannel authentication endpoint.

use std::fs;

use ciba_host::clock::Clock;
use ciba_host::jose::{KeyPolicy, KeyRing};
use ciba_host::protocol::algorithm::JwsAlgorithm;
use ciba_tests::host::{Data, wait_for};
use ciba_tests::party::{Phone, waiting_in};
use ciba_tests::wire::Answer;
use serde_json::{Value, json};

use super::World;

const HIDDEN: &str = "[ciba]\nhide_unknown_users = true\n";

fn resolving(script: &[&str]) -> Value {
    json!({ "resolve-hint": script })
}

impl World {
    fn hinted(&self, hint: &str) -> Answer {
        self.shop.ask(&[("scope", "openid"), ("login_hint", hint)]).unwrap()
    }

    /// Who is asked by the requests that wait, the latest first.
    fn asked(&self) -> Vec<String> {
        let waiting = self.host.data.json(&["request", "list"]).unwrap();
        waiting.as_array().unwrap().iter().map(|request| request["user"].as_str().unwrap().to_owned()).collect()
    }

    fn user(&self, name: &str) -> String {
        let users = self.host.data.json(&["user", "list"]).unwrap();
        let user = users.as_array().unwrap().iter().find(|user| user["username"] == name).unwrap();
        user["id"].as_str().unwrap().to_owned()
    }

    /// How often this plugin's hook was called.
    fn times(&self, plugin: &str, hook: &str) -> usize {
        self.log_of(plugin).matches(&format!("{hook}: ")).count()
    }
}

fn said(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_plugin_says_who_is_meant_before_the_host_looks() {
    for (case, more, script, hint, status, error) in [
        ("one that names somebody", "", resolving(&["person alice"]), "emp-7", 200, ""),
        ("one that names an address", "", resolving(&["person Alice@Example.com"]), "emp-7", 200, ""),
        ("one that names nobody", "", resolving(&["nobody"]), "alice", 400, "unknown_user_id"),
        ("one that names somebody whom nobody knows", "", resolving(&["person carol"]), "alice", 400, "unknown_user_id"),
        ("one that does not know such hints", "", resolving(&[]), "alice", 200, ""),
        ("one that does not, of a hint that the host does not know either", "", resolving(&[]), "emp-7", 400, "unknown_user_id"),
        ("one that fails", "", resolving(&["fail no directory"]), "alice", 503, "temporarily_unavailable"),
        ("one that traps", "", resolving(&["trap"]), "alice", 503, "temporarily_unavailable"),
        ("one that is slow", "", resolving(&["slow"]), "alice", 503, "temporarily_unavailable"),
        ("one of a later contract", "", resolving(&["other maybe"]), "alice", 503, "temporarily_unavailable"),
        ("one that fails open", "fail = \"open\"", resolving(&["fail no directory"]), "alice", 200, ""),
        ("one that is slow, and open", "fail = \"open\"", resolving(&["slow"]), "alice", 200, ""),
    ] {
        let world = World::with(&[("directory", more, script)]);
        world.host.data.must(&["user", "add", "bob"]).unwrap();
        let answer = world.hinted(hint);
        assert_eq!(said(&answer), (status, error.to_owned()), "{case}: {}\n{}", answer.text(), world.log_of("directory"));
        let asked = if status == 200 { vec!["alice".to_owned()] } else { vec![] };
        assert_eq!(world.asked(), asked, "{case}");
        assert!(!answer.text().contains("no directory"), "{case}: {}", answer.text());
    }
    let world = World::with(&[]);
    assert_eq!((said(&world.hinted("alice")).0, said(&world.hinted("emp-7")).0), (200, 400), "none at all");
}

#[test]
fn plugins_are_asked_in_the_operators_order_until_one_knows_such_hints() {
    let first = resolving(&["when emp-7 person alice", "when left nobody"]);
    let second = resolving(&["person bob"]);
    let world = World::with(&[("a", "order = 2", second), ("b", "order = 1", first)]);
    world.host.data.must(&["user", "add", "bob"]).unwrap();
    assert_eq!((said(&world.hinted("emp-7")).0, said(&world.hinted("left")).0), (200, 400));
    assert_eq!(
        (world.times("b", "resolve-hint"), world.times("a", "resolve-hint")),
        (2, 0),
        "the second was asked about what the first knows"
    );
    assert_eq!(said(&world.hinted("alice")).0, 200);
    assert_eq!((world.times("b", "resolve-hint"), world.times("a", "resolve-hint")), (3, 1));
    assert_eq!(world.asked(), ["bob", "alice"]);

    // One that is passed over leaves it to the next, and one that is not ends it.
    for (fail, status, times) in [("fail = \"open\"", 200, 1), ("", 503, 0)] {
        let failing = (fail, resolving(&["fail no directory"]));
        let world = World::with(&[("a", failing.0, failing.1), ("b", "", resolving(&["person alice"]))]);
        assert_eq!((said(&world.hinted("emp-7")).0, world.times("b", "resolve-hint")), (status, times), "{fail}");
    }
}

#[test]
fn a_plugin_sees_the_hint_as_it_came_and_a_request_that_has_no_person_yet() {
    let world = World::with(&[("directory", "", resolving(&["person alice"]))]);
    let answer = world.hinted(" Emp 7, \u{dc}BER ");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (transaction, _) =
        answer.json()["auth_req_id"].as_str().unwrap().split_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let seen = format!("resolve-hint: login-hint  Emp 7, \u{dc}BER , {transaction} of Some(\"shop\") for (None, None)");
    assert!(world.log_of("directory").contains(&seen), "{seen}\n{}", world.log_of("directory"));
    // By the identifier of a subject as well, which is written as it is.
    let id = world.user("alice");
    drop(world);
    let by_id = World::prepared("", &[("directory", "", resolving(&[&format!("person {id}")]))], |_| {});
    assert_eq!(said(&by_id.hinted("emp-7")), (400, "unknown_user_id".to_owned()), "of another installation");
    let data = by_id.host.stop().unwrap();
    let alice = data.json(&["user", "list"]).unwrap()[0]["id"].as_str().unwrap().to_owned();
    fs::write(data.path().join("plugins/directory.toml"), format!("[settings]\nresolve-hint = [\"person {alice}\"]\n")).unwrap();
    let host = data.demo().unwrap();
    let shop = ciba_tests::party::Client::add(&host, "again", &[]).unwrap();
    wait_for("the settings serve", || {
        let answer = shop.ask(&[("scope", "openid"), ("login_hint", "emp-7")])?;
        Ok((answer.status == 200).then_some(()))
    })
    .unwrap();
}

#[test]
fn an_id_token_hint_is_ours_and_no_plugin_is_asked_about_it() {
    let world = World::with(&[("directory", "", resolving(&["when alice person alice", "nobody"]))]);
    let auth_req_id = world.shop.start("alice").unwrap();
    let phone = Phone::of(&world.host, "alice").unwrap();
    let card = wait_for("the card", || Ok(waiting_in(&phone.check()?).into_iter().next())).unwrap();
    assert_eq!(phone.decide(&card, "approve").unwrap().status, 200);
    let tokens = wait_for("the tokens", || Ok(Some(world.shop.poll(&auth_req_id)?).filter(|answer| answer.status == 200))).unwrap().json();
    let hint = tokens["id_token"].as_str().unwrap();
    assert_eq!(world.times("directory", "resolve-hint"), 1);
    let answer = world.shop.ask(&[("scope", "openid"), ("id_token_hint", hint)]).unwrap();
    assert_eq!((answer.status, world.times("directory", "resolve-hint")), (200, 1), "{}", answer.text());
}

/// Whoever issues hints, and what they are known by.
fn issuer(data: &Data) -> KeyRing {
    let directory = data.beside("issuer");
    fs::create_dir_all(&directory).unwrap();
    let ring = KeyRing::open(&directory, KeyPolicy::default(), Clock::System.now()).unwrap();
    fs::write(data.path().join("hr.json"), serde_json::to_string(&ring.jwks(Clock::System.now())).unwrap()).unwrap();
    ring
}

#[test]
fn a_login_hint_token_is_verified_and_its_claims_are_resolved() {
    let config = "[[ciba.login_hint_token_issuers]]\nissuer = \"https://hr.example\"\njwks_file = \"hr.json\"\nsubject = \"email\"\n";
    for (case, more, script, names_by_email, expected) in [
        ("one that names somebody", "", resolving(&["person alice"]), false, "200"),
        ("one that names nobody", "", resolving(&["nobody"]), true, "unknown_user_id"),
        ("one that names nobody, as the host could not either", "", resolving(&["nobody"]), false, "unknown_user_id"),
        ("one that does not know such hints", "", resolving(&[]), true, "200"),
        ("one that does not, nor does the host", "", resolving(&[]), false, "invalid_request"),
        ("one that fails", "", resolving(&["fail no directory"]), true, "temporarily_unavailable"),
        ("one that fails open", "fail = \"open\"", resolving(&["fail no directory"]), true, "200"),
    ] {
        let mut keys = None;
        let world = World::prepared(config, &[("directory", more, script)], |data| keys = Some(issuer(data)));
        world.host.data.must(&["user", "add", "carol", "--email", "carol@example.com"]).unwrap();
        let mut claims = json!({ "iss": "https://hr.example", "aud": world.host.issuer(), "exp": Clock::System.now().as_second() + 60 });
        if names_by_email {
            claims["email"] = json!("carol@example.com");
        } else {
            claims["badge"] = json!("emp-7");
        }
        let sign = |claims: &Value| keys.as_ref().unwrap().sign(JwsAlgorithm::Es256, "JWT", claims).unwrap();
        let answer = world.shop.ask(&[("scope", "openid"), ("login_hint_token", &sign(&claims))]).unwrap();
        let error = answer.json()["error"].as_str().map_or_else(|| answer.status.to_string(), str::to_owned);
        assert_eq!(error, expected, "{case}: {}\n{}", answer.text(), world.log_of("directory"));
        let log = world.log_of("directory");
        let seen = if names_by_email { "\"email\":\"carol@example.com\"" } else { "\"badge\":\"emp-7\"" };
        assert!(log.contains("resolve-hint: login-hint-token {") && log.contains(seen), "{case}: {log}");

        // What was not verified is nobody's business.
        claims["exp"] = json!(Clock::System.now().as_second() - 120);
        let before = world.times("directory", "resolve-hint");
        let expired = world.shop.ask(&[("scope", "openid"), ("login_hint_token", &sign(&claims))]).unwrap();
        assert_eq!(said(&expired), (400, "expired_login_hint_token".to_owned()), "{case}");
        assert_eq!(world.times("directory", "resolve-hint"), before, "{case}");
    }
}

/// The members of an answer and how long it lives: everything that does not differ each time.
fn shape(answer: &Answer) -> Value {
    let mut shape = answer.json();
    shape["auth_req_id"] = json!(shape["auth_req_id"].as_str().unwrap_or_default().len());
    json!([answer.status, shape])
}

#[test]
fn whom_a_plugin_names_and_nobody_knows_is_hidden_like_any_other() {
    let script = resolving(&["when emp-7 person alice", "when emp-8 person carol", "when left nobody"]);
    let limits = "[limits]\nrequests_per_pair_minute = 2\n";
    let world = World::configured(&format!("{HIDDEN}{limits}"), &[("directory", "", script)]);
    let hints = ["emp-7", "emp-8", "left", "nobody-at-all"];
    let first: Vec<Answer> = hints.iter().map(|hint| world.hinted(hint)).collect();
    for (hint, answer) in hints.iter().zip(&first) {
        assert_eq!(shape(answer), shape(&first[0]), "{hint}");
        let poll = world.shop.poll(answer.json()["auth_req_id"].as_str().unwrap()).unwrap();
        assert_eq!(said(&poll), (400, "authorization_pending".to_owned()), "{hint}");
    }
    // Each is somebody of their own, who is asked so often and no more.
    for hint in hints {
        let again: Vec<u16> = (0..2).map(|_| world.hinted(hint).status).collect();
        assert_eq!(again, [200, 429], "{hint}");
    }
    // And whoever is meant by two hints is one, known or not.
    let script = resolving(&["when a person alice", "when b person alice", "when c person carol", "when d person Carol"]);
    let world = World::configured(&format!("{HIDDEN}[limits]\nrequests_per_pair_minute = 1\n"), &[("directory", "", script)]);
    let statuses: Vec<u16> = ["a", "b", "c", "d"].iter().map(|hint| world.hinted(hint).status).collect();
    assert_eq!(statuses, [200, 429, 200, 429]);
    assert!(!world.host.log().contains("user=carol"), "{}", world.host.log());
}

#[test]
fn what_is_asked_of_somebody_whom_nobody_knows_is_reviewed_like_what_is_asked_of_anybody() {
    let world = World::configured(HIDDEN, &[("rules", "", json!({}))]);
    for hint in ["alice", "nobody-at-all"] {
        let context = [("scope", "openid"), ("login_hint", hint), ("request_context", r#"{"ip":"192.0.2.1"}"#)];
        assert_eq!(world.shop.ask(&context).unwrap().status, 200, "{hint}");
    }
    let log = world.log_of("rules");
    for hook in ["resolve-hint", "review-request"] {
        let seen = log.lines().filter(|line| line.starts_with(hook) && line.contains("192.0.2.1")).count();
        assert_eq!(seen, 2, "{hook}: one who refuses by what is asked would tell who is known: {log}");
    }
}

#[test]
fn a_client_that_asks_too_much_costs_no_call() {
    let config = "[limits]\nrequests_per_client_minute = 2\n";
    let world = World::configured(config, &[("directory", "", resolving(&["nobody"]))]);
    let statuses: Vec<u16> = (0..4).map(|_| world.hinted("emp-7").status).collect();
    assert_eq!(statuses, [400, 400, 429, 429]);
    assert_eq!(world.times("directory", "resolve-hint"), 2);
    // Nor does a request that is wrong for reasons of its own.
    let world = World::with(&[("directory", "", resolving(&["nobody"]))]);
    assert_eq!(said(&world.shop.ask(&[("scope", "email"), ("login_hint", "emp-7")]).unwrap()).1, "invalid_scope");
    assert_eq!(world.times("directory", "resolve-hint"), 0);
}
