//! Secrets of a plugin's settings, which it works with and does not see.

use std::fs;

use ciba_tests::host::wait_for;
use serde_json::json;

use super::{World, put};

/// HMAC-SHA-256 with the key `hush-hush`, of nothing and of `what`.
const OF_NOTHING: &str = "1fa0d14351f71447e1136c955d25b2d3d87c11d34a963cb5f01d81d05918c28c";
const OF_WHAT: &str = "d7a3e7da5c91618c9b6952c15c2d0f868206169e71cb2e6c12a8cc0a2ca3bfa3";
const WEBHOOK: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn a_plugin_works_with_a_secret_that_it_does_not_see() {
    let world = World::new("", &[]);
    let file = world.host.data.beside("token");
    fs::write(&file, "hush-hush\n").unwrap();
    let settings = format!("token = {{ file = {file:?} }}\nkeys = ['{WEBHOOK}', 'no-secret-of-webhooks']\n");
    put(&world.host.data, "signer", &format!("{settings}expected = '{OF_NOTHING}'"));
    world.wait_until_it_serves("signer");

    let said =
        world.tell("signer", &json!([["settings"], ["setting", "/token"], ["setting", "/keys/1"], ["hmac", "/token", "what"]])).join("\n");
    let handles = r#"settings: {"expected":"EXPECTED","keys":[{"secret":"/keys/0"},{"secret":"/keys/1"}],"name":"signer","token":{"secret":"/token"}}"#;
    assert!(said.contains(&handles.replace("EXPECTED", OF_NOTHING)), "{said}");
    assert!(said.contains(r#"setting: Some("{\"secret\":\"/token\"}")"#), "{said}");
    assert!(said.contains(&format!("hmac: Ok(\"{OF_WHAT}\")")), "{said}");

    let message = "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}";
    for (order, expected) in [
        (json!(["webhook-signature", "/keys/0", message]), "Ok(\"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=\")"),
        (json!(["webhook-signature", "/keys/1", message]), "Other(\"must begin with whsec_ (HMAC-SHA256) or whsk_ (Ed25519)\")"),
        // What is no secret has no handle, whatever it is called.
        (json!(["hmac", "/name", ""]), "Other(\"its settings have no secret there"),
        (json!(["hmac", "/keys", ""]), "Other(\"its settings have no secret there"),
        (json!(["hmac", "", ""]), "Other(\"its settings have no secret there"),
        (json!(["reveal", "/name"]), "Other(\"its settings have no secret there"),
        (json!(["hmac-size", "/token", 262_145]), "OverLimit(\"a message has at most 262144 bytes, and this one 262145\")"),
    ] {
        let said = world.tell("signer", &json!([order])).join("\n");
        assert!(said.contains(expected), "{order}: {said}");
    }

    // Exactly what was allowed is shown, as long as it is.
    let reveal = json!([["reveal", "/token"], ["reveal", "/keys/0"]]);
    let said = world.tell("signer", &reveal);
    assert_eq!(said[0], "refused [not-permitted]: reveal /token. do: ciba-host plugin allow signer --reveal /token");
    assert_eq!(said[1], "reveal: Err(Refusal::NotPermitted(\"reveal /token\"))");
    world.allow("signer", &["--reveal", "/token"]);
    let said = world.tell("signer", &reveal);
    assert_eq!(
        (said[0].as_str(), said.last().unwrap().as_str()),
        ("reveal: Ok(\"hsuh-hsuh\")", "reveal: Err(Refusal::NotPermitted(\"reveal /keys/0\"))")
    );
    world.allow("signer", &["--reveal", "/token", "--revoke"]);
    assert!(world.tell("signer", &reveal).concat().contains("NotPermitted(\"reveal /token\")"));

    // What the plugin checks with a secret keeps a wrong one from serving.
    fs::write(&file, "other-than-that\n").unwrap();
    wait_for("a refusal", || {
        let listed = world.host.data.json(&["plugin", "list"])?.to_string();
        Ok(listed.contains("/token: is Ok(").then_some(()))
    })
    .unwrap();
    assert!(world.tell("signer", &json!([["hmac", "/token", "what"]]))[0].contains(OF_WHAT));
    assert!(!world.host.log().contains("hush-hush") && !world.host.log().contains(WEBHOOK));
}

#[test]
fn what_is_asked_to_be_revealed_is_no_command() {
    let world = World::new("", &[]);
    put(&world.host.data, "asks", "[asks]\nreveal = ['/token; rm -rf /']");
    wait_for("a refusal", || {
        let listed = world.host.data.json(&["plugin", "list"])?.to_string();
        Ok(listed.contains("is not a JSON Pointer of letters, digits and ._~-").then_some(()))
    })
    .unwrap();
}
