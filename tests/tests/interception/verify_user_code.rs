//! `verify-user-code`: whether a code is the person's, through the backchannel authentication endpoint.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use ciba_tests::party::Client;
use ciba_tests::wire::Answer;
use serde_json::{Value, json};

use super::World;

/// What the host keeps of alice.
const KEPT: &str = "host-keeps-this";
/// What a plugin keeps.
const OTHER: &str = "plugin-keeps-this";

fn comparing(script: &[&str]) -> Value {
    json!({ "verify-user-code": script })
}

/// A client that sends codes.
fn coded(world: &World) -> Client {
    let metadata = world.host.data.beside("coded.json");
    fs::write(&metadata, json!({ "backchannel_user_code_parameter": true }).to_string()).unwrap();
    Client::add(&world.host, "coded", &["--metadata", metadata.to_str().unwrap()]).unwrap()
}

fn keep_code(world: &World) {
    let mut command = world.host.data.command(&["user", "code", "alice"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(KEPT.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

fn ask(client: &Client, user: &str, code: &str) -> Answer {
    let parameters = [("scope", "openid"), ("login_hint", user), ("user_code", code)];
    client.ask(&parameters[..if code.is_empty() { 2 } else { 3 }]).unwrap()
}

/// The error, or the status where there is none.
fn said(answer: &Answer) -> String {
    answer.json()["error"].as_str().map_or_else(|| answer.status.to_string(), str::to_owned)
}

#[test]
fn a_plugin_compares_a_persons_code_before_the_host_does() {
    let right = format!("right {OTHER}");
    for (case, more, script, code, expected) in [
        ("one that says right", "", comparing(&[&right]), OTHER, "200"),
        ("one that says wrong", "", comparing(&[&right]), "12345678", "invalid_user_code"),
        ("one that says wrong of what the host holds for right", "", comparing(&["wrong"]), KEPT, "invalid_user_code"),
        ("one that keeps no code of hers", "", comparing(&[]), KEPT, "200"),
        ("one that keeps no code of hers, and a wrong one", "", comparing(&[]), OTHER, "invalid_user_code"),
        ("one that was sent none", "", comparing(&[&right]), "", "missing_user_code"),
        ("one that fails", "", comparing(&["fail no directory"]), KEPT, "temporarily_unavailable"),
        ("one that traps", "", comparing(&["trap"]), KEPT, "temporarily_unavailable"),
        ("one that is slow", "", comparing(&["slow"]), KEPT, "temporarily_unavailable"),
        ("one of a later contract", "", comparing(&["other maybe"]), KEPT, "temporarily_unavailable"),
        ("one that fails open", "fail = \"open\"", comparing(&["fail no directory"]), KEPT, "200"),
        ("one that fails open, and a wrong code", "fail = \"open\"", comparing(&["fail no directory"]), OTHER, "invalid_user_code"),
        ("one that is slow, and open", "fail = \"open\"", comparing(&["slow"]), KEPT, "200"),
    ] {
        let world = World::with(&[("codes", more, script)]);
        keep_code(&world);
        let answer = ask(&coded(&world), "alice", code);
        assert_eq!(said(&answer), expected, "{case}: {}\n{}", answer.text(), world.log_of("codes"));
        let waiting = world.host.data.json(&["request", "list"]).unwrap();
        assert_eq!(waiting.as_array().unwrap().len(), usize::from(expected == "200"), "{case}");
        assert_eq!(world.log_of("codes").contains("verify-user-code: of Some("), !code.is_empty(), "{case}");
    }
    let world = World::with(&[]);
    keep_code(&world);
    let coded = coded(&world);
    assert_eq!([KEPT, OTHER, ""].map(|code| said(&ask(&coded, "alice", code))), ["200", "invalid_user_code", "missing_user_code"]);
}

#[test]
fn a_person_of_whom_the_host_keeps_no_code_is_asked_about_where_a_plugin_may_keep_one() {
    let right = format!("right {OTHER}");
    let world = World::with(&[("codes", "", comparing(&[&right]))]);
    let with = coded(&world);
    assert_eq!([OTHER, KEPT, ""].map(|code| said(&ask(&with, "alice", code))), ["200", "invalid_user_code", "missing_user_code"]);
    // A client that did not register codes sends none, and nobody is asked about it.
    assert_eq!(said(&ask(&world.shop, "alice", "")), "200");
    let without = World::with(&[]);
    assert_eq!(said(&ask(&coded(&without), "alice", "")), "200", "whoever has no code is asked without");
}

#[test]
fn plugins_are_asked_in_the_operators_order_until_one_keeps_a_code() {
    let world = World::with(&[("a", "order = 2", comparing(&[&format!("right {OTHER}")])), ("b", "order = 1", comparing(&[]))]);
    let client = coded(&world);
    assert_eq!([OTHER, KEPT].map(|code| said(&ask(&client, "alice", code))), ["200", "invalid_user_code"]);
    let times = |world: &World, plugin: &str| world.log_of(plugin).matches("verify-user-code: ").count();
    assert_eq!((times(&world, "b"), times(&world, "a")), (2, 2));
    let world = World::with(&[("a", "order = 2", comparing(&[&format!("right {OTHER}")])), ("b", "order = 1", comparing(&["wrong"]))]);
    assert_eq!(said(&ask(&coded(&world), "alice", OTHER)), "invalid_user_code");
    assert_eq!((times(&world, "b"), times(&world, "a")), (1, 0), "the second was asked about what the first had decided");
}

#[test]
fn wrong_codes_lock_out_whoever_compares_and_failures_do_not() {
    let limits = "[limits]\nlockout_failures = 2\n";
    let right = format!("right {OTHER}");
    let world = World::configured(limits, &[("codes", "", comparing(&[&right]))]);
    let client = coded(&world);
    let locked = |answer: &Answer| (said(answer), answer.header("retry-after").is_some());
    let wrong = ("invalid_user_code".to_owned(), false);
    assert_eq!(locked(&ask(&client, "alice", KEPT)), wrong);
    assert_eq!(said(&ask(&client, "alice", OTHER)), "200", "what is right in between makes them forgotten");
    assert_eq!([locked(&ask(&client, "alice", KEPT)), locked(&ask(&client, "alice", KEPT))], [wrong.clone(), wrong.clone()]);
    assert_eq!(locked(&ask(&client, "alice", OTHER)), ("invalid_user_code".to_owned(), true), "what is right was looked at");
    assert_eq!(world.log_of("codes").matches("verify-user-code: ").count(), 4, "the plugin was asked about a person who is locked out");

    let world = World::configured(limits, &[("codes", "", comparing(&["fail no directory"]))]);
    let client = coded(&world);
    for round in 0..5 {
        assert_eq!(said(&ask(&client, "alice", OTHER)), "temporarily_unavailable", "{round}: an outage locked a person out");
    }
}

#[test]
fn whoever_is_not_known_has_a_code_compared_like_anybody_where_nobody_is_to_learn_it() {
    let config = "[ciba]\nhide_unknown_users = true\n";
    for (script, code, expected) in [
        (comparing(&[]), OTHER, "invalid_user_code"),
        (comparing(&["wrong"]), OTHER, "invalid_user_code"),
        (comparing(&[&format!("right {OTHER}")]), OTHER, "200"),
        (comparing(&["fail no directory"]), OTHER, "temporarily_unavailable"),
        (comparing(&[]), "", "missing_user_code"),
    ] {
        let world = World::configured(config, &[("codes", "", script)]);
        keep_code(&world);
        let client = coded(&world);
        for user in ["alice", "nobody-at-all"] {
            assert_eq!(said(&ask(&client, user, code)), expected, "{user}");
        }
        let asked = if code.is_empty() { 0 } else { 2 };
        assert_eq!(world.log_of("codes").matches("verify-user-code: ").count(), asked);
        assert_eq!(world.log_of("codes").matches("verify-user-code: of None").count(), asked / 2);
    }
}

#[test]
fn no_word_of_a_plugin_repeats_a_code() {
    for how in ["fail", "trap", "other"] {
        let world = World::with(&[("codes", "", comparing(&[&format!("repeat {how}")]))]);
        assert_eq!(said(&ask(&coded(&world), "alice", OTHER)), "temporarily_unavailable", "{how}");
        let (own, host) = (world.log_of("codes"), world.host.log());
        assert!(own.contains("the code is [redacted]"), "{how}: {own}");
        assert!(!own.contains(OTHER) && !host.contains(OTHER), "{how}: {own}\n{host}");
    }
}
