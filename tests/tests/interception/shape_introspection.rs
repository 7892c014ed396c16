//! `shape-introspection`: what a resource server is told of an access token that works.

use ciba_tests::party::{Client, Phone, waiting_in};
use ciba_tests::wire::{Answer, Request};
use serde_json::{Value, json};

use super::World;

fn shaping(lines: &[&str]) -> Value {
    json!({ "shape-introspection": lines })
}

impl World {
    /// Tokens of the shop's.
    fn tokens(&self) -> Value {
        let alice = Phone::of(&self.host, "alice").unwrap();
        let id = self.shop.start("alice").unwrap();
        for transaction in waiting_in(&alice.check().unwrap()) {
            assert_eq!(alice.decide(&transaction, "approve").unwrap().status, 200);
        }
        self.shop.poll(&id).unwrap().json()
    }

    fn described(&self, asks: &Client, token: &str) -> Answer {
        self.host.send(&asks.authenticated(Request::form("/introspect", &[("token", token)]))).unwrap()
    }
}

#[test]
fn plugins_shape_what_is_said_of_a_token_that_works() {
    for (case, more, lines, status) in [
        ("one that allows", "", &[][..], 200),
        ("one that adds", "", &["set tier 3", "set gone 1", "remove gone"], 200),
        ("one that denies", "", &["inactive"], 200),
        ("one that fails", "", &["fail no rules"], 503),
        ("one that traps", "", &["trap"], 503),
        ("one that is slow", "", &["slow"], 503),
        ("one of a later contract", "", &["other maybe"], 503),
        ("one that sets what is the host's", "", &["set tier 3", "set sub \"mallory\""], 503),
        ("one that removes what is the host's", "", &["remove exp"], 503),
        ("one whose value is no JSON", "", &["set tier three"], 503),
        ("one that fails open", "fail = \"open\"", &["fail no rules"], 200),
        ("one that sets what is the host's, and open", "fail = \"open\"", &["set tier 3", "set sub \"mallory\""], 200),
        ("one that is slow, and open", "fail = \"open\"", &["slow"], 200),
    ] {
        let world = World::with(&[("rules", more, shaping(lines))]);
        let tokens = world.tokens();
        let answer = world.described(&world.shop, tokens["access_token"].as_str().unwrap());
        let described = answer.json();
        assert_eq!(answer.status, status, "{case}: {described}\n{}", world.log_of("rules"));
        match (status, lines) {
            (503, _) => {
                assert_eq!((&described["error"], &described["active"]), (&json!("temporarily_unavailable"), &Value::Null), "{case}")
            }
            (_, ["inactive"]) => assert_eq!(described, json!({ "active": false }), "{case}"),
            _ => {
                assert_eq!((&described["active"], &described["client_id"]), (&json!(true), &json!("shop")), "{case}");
                let adds = case == "one that adds";
                assert_eq!(described["tier"], if adds { json!(3) } else { Value::Null }, "{case}: taken whole or not at all");
                assert!(described["gone"].is_null() && described["sub"] != "mallory", "{case}: {described}");
            }
        }
    }
}

#[test]
fn each_plugin_sees_what_the_ones_before_it_left() {
    // By order, not by name.
    let world = World::with(&[
        ("c", "order = 1", shaping(&["set first 1", "set both 1"])),
        ("b", "order = 2", shaping(&["remove first", "set both 2"])),
        ("a", "order = 3", shaping(&["inactive"])),
    ]);
    let tokens = world.tokens();
    assert_eq!(world.described(&world.shop, tokens["access_token"].as_str().unwrap()).json(), json!({ "active": false }));
    assert!(world.log_of("c").contains("for shop: {"), "{}", world.log_of("c"));
    assert!(world.log_of("b").contains("\"first\":1"), "{}", world.log_of("b"));
    let last = world.log_of("a");
    assert!(last.contains("\"both\":2") && !last.contains("\"first\""), "{last}");
}

#[test]
fn plugins_are_asked_about_access_tokens_that_work_alone() {
    let world = World::with(&[("rules", "", shaping(&["set tier 3"]))]);
    let other = Client::add(&world.host, "other", &[]).unwrap();
    let token = world.tokens()["access_token"].as_str().unwrap().to_owned();
    let (inactive, invented) = (json!({ "active": false }), format!("{}x", &token[..token.len() - 1]));
    assert_eq!(world.described(&other, &token).json(), inactive, "another client's");
    assert_eq!(world.described(&world.shop, &invented).json(), inactive);
    assert!(!world.log_of("rules").contains("shape-introspection"), "{}", world.log_of("rules"));
    assert_eq!(world.described(&world.shop, &token).json()["tier"], 3);
}
