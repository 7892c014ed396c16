//! Decisions that plugins submit.

use ciba_tests::host::guest;
use ciba_tests::party::{Client, Phone, claims};
use serde_json::{Value, json};

use super::{World, put};

const MAY_DECIDE: &str = "[plugins.allow.keeper]\ndecide = true\n";
const COUNTED: &str = "decide: Ok(Outcome::Counted)";
const NOT_PENDING: &str = "decide: Ok(Outcome::NotPending)";

/// A request of alice's that waits: what its client has, and what it is known by.
fn waits(shop: &Client) -> (String, String) {
    let id = shop.start("alice").unwrap();
    let transaction = id.split_once('.').unwrap().0.to_owned();
    (id, transaction)
}

fn decide(transaction: &str, user: &str, what: &str) -> Value {
    json!([["decide", transaction, user, what]])
}

fn error(shop: &Client, id: &str) -> String {
    shop.poll(id).unwrap().json()["error"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_plugin_says_what_the_person_decided_when_it_may() {
    let config = format!("{MAY_DECIDE}[authenticators.plugins.keeper]\nacr = 'urn:example:sms'\namr = ['sms']\n");
    let world = World::new(&config, &["keeper"]);
    let (alice, phone) = (world.id_of("alice"), Phone::of(&world.host, "alice").unwrap());
    let (id, transaction) = waits(&world.shop);
    assert_eq!(world.tell("keeper", &decide(&transaction, &alice, "approve")), [COUNTED]);
    // What was proved is the operator's word.
    let tokens = world.shop.poll(&id).unwrap();
    let claims = claims(&tokens);
    assert_eq!((&claims["acr"], &claims["amr"]), (&json!("urn:example:sms"), &json!(["sms"])), "{claims}");
    // The person sees how it was decided, and can say that it was not them.
    let page = phone.send(ciba_tests::wire::Request::get("/device/history")).unwrap().text();
    assert!(page.contains("keeper"), "{page}");
    // Once.
    for again in ["approve", "deny"] {
        assert_eq!(world.tell("keeper", &decide(&transaction, &alice, again)), [NOT_PENDING]);
    }
    let (id, transaction) = waits(&world.shop);
    assert_eq!(world.tell("keeper", &decide(&transaction, &alice, "deny")), [COUNTED]);
    assert_eq!(error(&world.shop, &id), "access_denied");
    // And not after the person has answered.
    let (_, transaction) = waits(&world.shop);
    assert_eq!(phone.decide(&transaction, "deny").unwrap().status, 200);
    assert_eq!(world.tell("keeper", &decide(&transaction, &alice, "approve")), [NOT_PENDING]);
}

#[test]
fn a_plugin_decides_nothing_without_permission_or_for_another() {
    let world = World::new(MAY_DECIDE, &["keeper", "thief"]);
    world.host.data.must(&["user", "add", "mallory"]).unwrap();
    let (alice, mallory) = (world.id_of("alice"), world.id_of("mallory"));
    let (id, transaction) = waits(&world.shop);
    let said = world.tell("thief", &decide(&transaction, &alice, "approve"));
    assert_eq!(
        said,
        ["refused [not-permitted]: decide. do: ciba-host plugin allow thief --decide", "decide: Err(Refusal::NotPermitted(\"decide\"))"]
    );
    for (transaction, user) in [
        (transaction.as_str(), mallory.as_str()),
        (&transaction, "alice"),
        (&transaction, ""),
        ("unknown", &alice),
        ("", &alice),
        // What its client knows it by says nothing here.
        (&id, &alice),
    ] {
        assert_eq!(world.tell("keeper", &decide(transaction, user, "approve")), [NOT_PENDING], "{transaction} for {user}");
    }
    let many: Vec<_> = (0..11).map(|_| json!(["decide", "unknown", "nobody", "approve"])).collect();
    let said = world.tell("keeper", &json!([["quiet", many]])).concat();
    assert!(said.contains("10 of 11, then Err(Refusal::OverLimit(\"10 decisions in one call of a hook\"))"), "{said}");
    // A permission that is taken back counts at once.
    world.allow("thief", &["--decide"]);
    world.allow("thief", &["--decide", "--revoke"]);
    assert!(world.tell("thief", &decide(&transaction, &alice, "approve")).concat().contains("NotPermitted"));
    assert_eq!(error(&world.shop, &id), "authorization_pending");
}

#[test]
fn what_proves_too_little_or_is_reviewed_away_does_not_count() {
    let config = format!("{MAY_DECIDE}[authenticators]\norder = ['low', 'high']\n[authenticators.plugins.keeper]\nacr = 'low'\n");
    let world = World::new(&config, &["keeper"]);
    let alice = world.id_of("alice");
    let file = world.host.data.beside("strict.toml");
    std::fs::write(&file, "acr_minimum = 'high'\n").unwrap();
    let strict = Client::add(&world.host, "strict", &["--metadata", file.to_str().unwrap()]).unwrap();
    let (id, transaction) = waits(&strict);
    let said = world.tell("keeper", &decide(&transaction, &alice, "approve"));
    assert_eq!(said, ["decide: Ok(Outcome::AskAgain(\"it proves less than this request needs (acr)\"))"]);
    assert_eq!(error(&strict, &id), "authorization_pending");

    let folder = world.host.plugins();
    std::fs::write(folder.join("rules.toml"), "[settings]\nreview-decision = ['ask-again Call us first.']\n").unwrap();
    std::fs::copy(guest("scripted"), folder.join("rules.wasm")).unwrap();
    world.wait_until_it_serves("rules");
    let (id, transaction) = waits(&world.shop);
    let said = world.tell("keeper", &decide(&transaction, &alice, "approve"));
    assert_eq!(said.last().unwrap(), "decide: Ok(Outcome::AskAgain(\"Call us first.\"))");
    assert_eq!(error(&world.shop, &id), "authorization_pending");
}

#[test]
fn a_plugin_does_not_decide_what_it_reviews() {
    let world = World::new(MAY_DECIDE, &[]);
    put(&world.host.data, "keeper", "meddles = true");
    world.wait_until_it_serves("keeper");
    let phone = Phone::of(&world.host, "alice").unwrap();
    let (id, transaction) = waits(&world.shop);
    assert_eq!(phone.decide(&transaction, "deny").unwrap().status, 200);
    let log = world.log_of("keeper").concat();
    assert!(log.contains("in review: Err(Refusal::Unavailable(\"not while a decision is reviewed"), "{log}");
    assert_eq!(error(&world.shop, &id), "access_denied");
}
