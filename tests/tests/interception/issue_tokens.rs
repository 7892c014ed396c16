//! `issue-tokens`: what plugins put into tokens, or keep back, at each occasion on which tokens are made.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ciba_host::protocol::client::DeliveryMode;
use ciba_tests::host::wait_for;
use ciba_tests::party::{Client, Phone, claims};
use ciba_tests::receiver::Receiver;
use ciba_tests::secure::Authority;
use ciba_tests::told::{Provider, client};
use ciba_tests::wire::{Answer, Request};
use serde_json::{Value, json};

use super::{World, put, serves};

/// What is refused with, where tokens may come later.
const LATER: (u16, &str) = (503, "temporarily_unavailable");

fn issuing(lines: &[&str]) -> Value {
    json!({ "issue-tokens": lines })
}

impl World {
    /// A client that refreshes, with access tokens of this format.
    fn refreshing(&self, id: &str, format: &str) -> Client {
        let metadata = json!({
            "grant_types": ["urn:openid:params:grant-type:ciba", "refresh_token"],
            "access_token_format": format,
        });
        let file = self.host.data.beside(&format!("{id}.json"));
        std::fs::write(&file, metadata.to_string()).unwrap();
        Client::add(&self.host, id, &["--metadata", file.to_str().unwrap()]).unwrap()
    }

    /// `auth_req_id` of a request that alice has approved.
    fn approved(&self, client: &Client) -> String {
        let alice = Phone::of(&self.host, "alice").unwrap();
        let id = client.start("alice").unwrap();
        for transaction in ciba_tests::party::waiting_in(&alice.check().unwrap()) {
            assert_eq!(alice.decide(&transaction, "approve").unwrap().status, 200);
        }
        id
    }

    fn form(&self, client: &Client, path: &str, form: &[(&str, &str)]) -> Answer {
        self.host.send(&client.authenticated(Request::form(path, form))).unwrap()
    }

    fn refresh(&self, client: &Client, tokens: &Value) -> Answer {
        self.form(client, "/token", &[("grant_type", "refresh_token"), ("refresh_token", text(tokens, "refresh_token"))])
    }

    fn introspect(&self, client: &Client, tokens: &Value) -> Value {
        self.form(client, "/introspect", &[("token", text(tokens, "access_token"))]).json()
    }

    fn user_info(&self, tokens: &Value) -> Answer {
        let authorization = format!("Bearer {}", text(tokens, "access_token"));
        self.host.send(&Request::get("/userinfo").header("authorization", &authorization)).unwrap()
    }
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap_or_else(|| panic!("no {name}: {tokens}"))
}

fn said(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
}

/// The claims of an access token that is a JWT.
fn inside(tokens: &Value) -> Value {
    let payload = text(tokens, "access_token").split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[test]
fn plugins_are_asked_before_tokens_are_made() {
    let (denied, none) = ((400, "access_denied"), (200, ""));
    for (case, more, line, expected) in [
        ("one that allows", "", "", none),
        ("one that denies", "", "refuse gone away", denied),
        ("one that fails", "", "fail no rules", LATER),
        ("one that traps", "", "trap", LATER),
        ("one that is slow", "", "slow", LATER),
        ("one of a later contract", "", "other maybe", LATER),
        ("one that names a claim of the host's", "", "id-token sub \"mallory\"", LATER),
        ("one that names one of the access token's", "", "access-token scope \"all\"", LATER),
        ("one that names one of CIBA's", "", "id-token urn:openid:params:jwt:claim:auth_req_id \"x\"", LATER),
        ("one whose claim is no JSON", "", "id-token groups nonsense", LATER),
        ("one that lets it work for no time", "", "access-token-within 0", LATER),
        ("one that fails open", "fail = \"open\"", "fail no rules", none),
        ("one that is slow, and open", "fail = \"open\"", "slow", none),
        ("one that names a claim of the host's, and open", "fail = \"open\"", "id-token sub \"mallory\"", none),
    ] {
        let world = World::with(&[("rules", more, issuing(&[line, "id-token groups [\"a\"]"]))]);
        let id = world.approved(&world.shop);
        let (transaction, _) = id.split_once('.').unwrap();
        let answer = world.shop.poll(&id).unwrap();
        let log = world.log_of("rules");
        assert_eq!(said(&answer), (expected.0, expected.1.to_owned()), "{case}: {}\n{log}", answer.text());
        let state = match expected {
            (200, _) => "redeemed",
            LATER => "approved",
            _ => "denied",
        };
        assert_eq!(world.state_of(transaction), state, "{case}");
        // The same once more: a denial stays one, and an approval whose plugin failed stays too.
        let again = said(&world.shop.poll(&id).unwrap());
        assert_eq!(again, if expected == none { (400, "invalid_grant".to_owned()) } else { (expected.0, expected.1.to_owned()) }, "{case}");
        if expected == none {
            assert_ne!(claims(&answer)["sub"], "mallory", "{case}");
            // An answer is taken whole or not at all.
            assert_eq!(claims(&answer)["groups"].is_array(), more.is_empty(), "{case}");
        }
        assert!(!answer.text().contains("gone away"), "{case}");
        assert_eq!(world.host.log().contains("gone away"), line.starts_with("refuse"), "{case}");
    }
}

#[test]
fn without_plugins_nothing_is_added() {
    let world = World::with(&[]);
    let tokens = world.shop.poll(&world.approved(&world.shop)).unwrap();
    assert_eq!(tokens.status, 200, "{}", tokens.text());
    assert!(claims(&tokens)["groups"].is_null());
}

#[test]
fn what_a_plugin_denies_after_the_approval_the_person_reads_as_that() {
    let world = World::with(&[("rules", "", issuing(&["refuse gone away"]))]);
    let alice = Phone::of(&world.host, "alice").unwrap();
    let id = world.approved(&world.shop);
    assert_eq!(world.shop.poll(&id).unwrap().json()["error"], "access_denied");
    assert!(alice.cards().unwrap().contains("Denied by the rules of this provider"), "{}", alice.cards().unwrap());
}

#[test]
fn an_approval_waits_for_a_plugin_that_failed() {
    let world = World::with(&[("rules", "", issuing(&["trap"]))]);
    let id = world.approved(&world.shop);
    assert_eq!(world.shop.poll(&id).unwrap().status, 503);
    put(&world.host.data, "rules", "", &issuing(&["id-token groups [\"a\"]"]));
    let tokens = wait_for("tokens", || Ok(Some(world.shop.poll(&id)?).filter(|answer| answer.status != 503))).unwrap();
    assert_eq!((tokens.status, &claims(&tokens)["groups"]), (200, &json!(["a"])), "{}", tokens.text());
}

#[test]
fn claims_are_in_the_tokens_and_wherever_they_are_asked_about_later() {
    let script = ["id-token groups [\"a\",\"b\"]", "id-token name \"Al\"", "access-token tier {\"level\":3}", "access-token-within 90"];
    let world = World::with(&[("rules", "", issuing(&script))]);
    for format in ["opaque", "jwt"] {
        let shop = world.refreshing(&format!("shop-{format}"), format);
        let answer = shop.poll(&world.approved(&shop)).unwrap();
        let tokens = answer.json();
        assert_eq!((&claims(&answer)["groups"], &tokens["expires_in"]), (&json!(["a", "b"]), &json!(90)), "{tokens}");
        assert!(claims(&answer)["tier"].is_null(), "it is the access token's");
        assert_eq!(world.user_info(&tokens).json()["groups"], json!(["a", "b"]));
        assert_eq!(world.user_info(&tokens).json()["name"], "Al");
        let described = world.introspect(&shop, &tokens);
        assert_eq!((&described["tier"], &described["groups"]), (&json!({ "level": 3 }), &Value::Null), "{described}");
        assert_eq!(described["exp"].as_i64().unwrap() - described["iat"].as_i64().unwrap(), 90, "{described}");
        if format == "jwt" {
            assert_eq!(inside(&tokens)["tier"], json!({ "level": 3 }));
            assert_eq!(inside(&tokens)["exp"].as_i64().unwrap() - inside(&tokens)["iat"].as_i64().unwrap(), 90);
        }
    }
}

#[test]
fn a_later_plugin_has_the_last_word_about_a_claim_and_the_shortest_time_counts() {
    let first = issuing(&["id-token groups [\"first\"]", "id-token desk 1", "access-token-within 30", "no-refresh-token"]);
    let second = issuing(&["id-token groups [\"second\"]", "access-token-within 60"]);
    // By order, not by name.
    let world = World::with(&[("a", "order = 2", second), ("b", "order = 1", first)]);
    let shop = world.refreshing("shop-2", "opaque");
    let answer = shop.poll(&world.approved(&shop)).unwrap();
    let tokens = answer.json();
    assert_eq!((&claims(&answer)["groups"], &claims(&answer)["desk"]), (&json!(["second"]), &json!(1)), "{tokens}");
    assert_eq!((&tokens["expires_in"], &tokens["refresh_token"]), (&json!(30), &Value::Null), "{tokens}");
}

#[test]
fn what_does_not_fit_into_a_token_is_a_failure() {
    let long = format!("access-token groups \"{}\"", "x".repeat(3_000));
    let world = World::with(&[("a", "", issuing(&[&long])), ("b", "", issuing(&[&long.replace("groups", "more")]))]);
    let id = world.approved(&world.shop);
    assert_eq!(world.shop.poll(&id).unwrap().status, 503);
    assert!(world.log_of("b").contains("its answer was not taken [size-limit]"), "{}", world.log_of("b"));
    assert!(!world.log_of("a").contains("not taken"), "{}", world.log_of("a"));
}

#[test]
fn plugins_are_asked_again_at_each_refresh() {
    let script = ["on-redeem id-token groups [\"old\"]", "on-refresh id-token groups [\"new\"]", "on-refresh access-token-within 45"];
    let world = World::with(&[("rules", "", issuing(&script))]);
    let shop = world.refreshing("shop-2", "opaque");
    let first = shop.poll(&world.approved(&shop)).unwrap();
    let second = world.refresh(&shop, &first.json());
    assert_eq!((&claims(&first)["groups"], &claims(&second)["groups"]), (&json!(["old"]), &json!(["new"])));
    assert_eq!(second.json()["expires_in"], 45);
    // What was said with a token stays said with it.
    assert_eq!(world.user_info(&first.json()).json()["groups"], json!(["old"]));
    assert_eq!(world.user_info(&second.json()).json()["groups"], json!(["new"]));
}

#[test]
fn a_refresh_that_a_plugin_refuses_ends_everything_that_the_approval_gave() {
    let world = World::with(&[("rules", "", issuing(&["on-refresh refuse gone away"]))]);
    let shop = world.refreshing("shop-2", "opaque");
    let tokens = shop.poll(&world.approved(&shop)).unwrap().json();
    assert_eq!(world.user_info(&tokens).status, 200);
    assert_eq!(said(&world.refresh(&shop, &tokens)), (400, "access_denied".to_owned()));
    assert_eq!(said(&world.refresh(&shop, &tokens)), (400, "invalid_grant".to_owned()));
    assert_eq!(world.user_info(&tokens).status, 401);
}

#[test]
fn a_refresh_whose_plugin_failed_changes_nothing() {
    for (line, more, status) in [
        ("on-refresh trap", "", 503),
        ("on-refresh id-token sub \"mallory\"", "", 503),
        ("on-refresh slow", "", 503),
        ("on-refresh trap", "fail = \"open\"", 200),
    ] {
        let world = World::with(&[("rules", more, issuing(&[line]))]);
        let shop = world.refreshing("shop-2", "opaque");
        let tokens = shop.poll(&world.approved(&shop)).unwrap().json();
        assert_eq!(world.refresh(&shop, &tokens).status, status, "{line}");
        std::fs::remove_file(world.host.plugins().join("rules.wasm")).unwrap();
        let answer = wait_for("tokens", || Ok(Some(world.refresh(&shop, &tokens)).filter(|answer| answer.status != 503))).unwrap();
        assert_eq!(answer.status, 200, "{line}: {}", answer.text());
    }
}

#[test]
fn a_stolen_refresh_token_is_found_out_whatever_a_plugin_says() {
    let world = World::with(&[("rules", "", issuing(&[]))]);
    let shop = world.refreshing("shop-2", "opaque");
    let first = shop.poll(&world.approved(&shop)).unwrap().json();
    let second = world.refresh(&shop, &first).json();
    let third = world.refresh(&shop, &second).json();
    put(&world.host.data, "rules", "", &issuing(&["trap"]));
    wait_for("it fails", || Ok((world.refresh(&shop, &third).status == 503).then_some(()))).unwrap();
    assert_eq!(said(&world.refresh(&shop, &first)), (400, "invalid_grant".to_owned()));
    assert_eq!(world.user_info(&third).status, 401);
}

#[test]
fn a_plugin_can_end_refreshing() {
    let world = World::with(&[("rules", "", issuing(&["on-refresh no-refresh-token"]))]);
    let shop = world.refreshing("shop-2", "opaque");
    let first = shop.poll(&world.approved(&shop)).unwrap().json();
    let last = world.refresh(&shop, &first).json();
    assert!(last["refresh_token"].is_null(), "{last}");
    assert_eq!((world.user_info(&first).status, world.user_info(&last).status), (200, 200));
    assert_eq!(said(&world.refresh(&shop, &first)), (400, "invalid_grant".to_owned()));
}

/// A provider with a client in push mode, and one plugin.
fn pushing(lines: &[&str]) -> (Provider, Receiver) {
    let authority = Authority::new();
    let receiver = Receiver::start(&authority).unwrap();
    let provider = Provider::start(&authority, &[client("pushed", DeliveryMode::Push, &receiver.url("/told"))]).unwrap();
    put(&provider.host.data, "rules", "", &issuing(lines));
    wait_for("the plugin serves", || Ok(serves(&provider.host.data, "rules")?.then_some(()))).unwrap();
    (provider, receiver)
}

#[test]
fn what_is_pushed_is_what_plugins_made_of_it() {
    let (provider, receiver) = pushing(&["on-push id-token groups [\"a\"]", "on-push access-token-within 45", "on-redeem trap"]);
    provider.approved("pushed").unwrap();
    let pushed = receiver.wait_for(1).unwrap().remove(0).json();
    let payload = text(&pushed, "id_token").split('.').nth(1).unwrap();
    let id_token: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    assert_eq!((&id_token["groups"], &pushed["expires_in"]), (&json!(["a"]), &json!(45)), "{pushed}");
    assert_eq!(id_token["urn:openid:params:jwt:claim:auth_req_id"], pushed["auth_req_id"]);
}

#[test]
fn a_client_whose_tokens_a_plugin_refuses_is_pushed_the_denial() {
    let (provider, receiver) = pushing(&["on-push refuse gone away"]);
    let id = provider.approved("pushed").unwrap();
    let pushed = receiver.wait_for(1).unwrap().remove(0).json();
    assert_eq!((&pushed["error"], text(&pushed, "auth_req_id")), (&json!("access_denied"), &*id), "{pushed}");
    let (transaction, _) = id.split_once('.').unwrap();
    assert_eq!(provider.host.data.json(&["request", "show", transaction]).unwrap()["state"], "denied");
    assert_eq!(provider.count("access_token").unwrap(), 0);
    assert!(provider.host.log().contains("gone away") && !pushed.to_string().contains("gone away"));
}

#[test]
fn a_push_whose_plugin_failed_is_tried_again() {
    let (provider, receiver) = pushing(&["on-push trap"]);
    provider.approved("pushed").unwrap();
    wait_for("the plugin is asked", || Ok(provider.host.log().contains("a client could not be told yet").then_some(()))).unwrap();
    assert_eq!((receiver.received().len(), provider.count("access_token").unwrap()), (0, 0));
    put(&provider.host.data, "rules", "", &issuing(&["id-token groups [\"a\"]"]));
    let pushed = receiver.wait_for(1).unwrap().remove(0).json();
    assert!(pushed["id_token"].is_string(), "{pushed}");
}
