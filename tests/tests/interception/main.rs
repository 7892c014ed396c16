//! Where plugins step in, through the real endpoints: for each hook one that allows, one that denies, one that fails,
//! one that is slow, and none at all.

mod issue_tokens;
mod register_client;
mod resolve_hint;
mod review_decision;
mod shape_introspection;
mod verify_user_code;

use std::fs;

use ciba_tests::host::{Data, Host, guest, wait_for};
use ciba_tests::party::{Client, Phone, waiting_in};
use serde_json::{Value, json};

/// Short, so that a slow plugin is found out soon.
const LIMITS: &str = "[plugins.limits]\nwall_ms = 400\n";

/// A host in which scripted plugins serve, each with the lines that its hook answers.
struct World {
    host: Host,
    shop: Client,
}

impl World {
    /// `plugins` are names, what stands before `[settings]`, and the script.
    fn with(plugins: &[(&str, &str, Value)]) -> Self {
        Self::configured("", plugins)
    }

    fn configured(config: &str, plugins: &[(&str, &str, Value)]) -> Self {
        Self::prepared(config, plugins, |_| {})
    }

    /// The same, after a look into the directory in which it will run.
    fn prepared(config: &str, plugins: &[(&str, &str, Value)], prepare: impl FnOnce(&Data)) -> Self {
        let data = Data::with_config(&format!("{config}{LIMITS}")).unwrap();
        prepare(&data);
        fs::create_dir(data.path().join("plugins")).unwrap();
        for (name, more, script) in plugins {
            put(&data, name, more, script);
        }
        let host = data.demo().unwrap();
        let shop = Client::add(&host, "shop", &[]).unwrap();
        wait_for("the plugins serve", || {
            let all = plugins.iter().map(|(name, ..)| serves(&host.data, name)).collect::<anyhow::Result<Vec<_>>>()?;
            Ok(all.iter().all(|serves| *serves).then_some(()))
        })
        .unwrap();
        Self { host, shop }
    }

    /// What a request for this scope, of alice, is answered.
    fn ask(&self, scope: &str) -> (u16, Value) {
        let answer = self.shop.ask(&[("scope", scope), ("login_hint", "alice")]).unwrap();
        (answer.status, answer.json())
    }

    /// A request of the shop's that waits for alice: its `auth_req_id`, and what devices call it.
    fn waits_for(&self, alice: &Phone) -> (String, String) {
        let id = self.shop.start("alice").unwrap();
        let waiting = waiting_in(&alice.check().unwrap());
        let [transaction] = &*waiting else { panic!("{waiting:?} wait") };
        (id, transaction.clone())
    }

    /// Where the request of this transaction stands.
    fn state_of(&self, transaction: &str) -> String {
        self.host.data.json(&["request", "show", transaction]).unwrap()["state"].as_str().unwrap().to_owned()
    }

    fn log_of(&self, plugin: &str) -> String {
        let lines = self.host.data.json(&["plugin", "log", plugin]).unwrap();
        lines.as_array().unwrap().iter().map(|line| format!("{}\n", line["text"].as_str().unwrap())).collect()
    }
}

/// Drops a scripted plugin into the folder.
fn put(data: &Data, name: &str, more: &str, script: &Value) {
    // A list of texts looks the same in JSON and in TOML.
    let settings: String = script.as_object().unwrap().iter().map(|(hook, lines)| format!("{hook} = {lines}\n")).collect();
    fs::write(data.path().join(format!("plugins/{name}.toml")), format!("{more}\n[settings]\n{settings}")).unwrap();
    fs::copy(guest("scripted"), data.path().join(format!("plugins/{name}.wasm"))).unwrap();
}

fn serves(data: &Data, name: &str) -> anyhow::Result<bool> {
    let listed = data.json(&["plugin", "list"])?;
    Ok(listed.as_array().is_some_and(|all| all.iter().any(|plugin| plugin["name"] == name && plugin["version"].is_string())))
}

#[test]
fn a_request_is_reviewed_before_anything_is_written() {
    for (case, more, script, status, error) in [
        ("one that allows", "", json!({}), 200, ""),
        ("one that denies", "", json!({ "review-request": ["refuse it is late"] }), 403, "access_denied"),
        ("one that fails", "", json!({ "review-request": ["fail no rules"] }), 503, "temporarily_unavailable"),
        ("one that traps", "", json!({ "review-request": ["trap"] }), 503, "temporarily_unavailable"),
        ("one that is slow", "", json!({ "review-request": ["slow"] }), 503, "temporarily_unavailable"),
        ("one of a later contract", "", json!({ "review-request": ["other maybe"] }), 503, "temporarily_unavailable"),
        ("one that asks for what nobody knows", "", json!({ "review-request": ["require-acr x"] }), 503, "temporarily_unavailable"),
        ("one that names what cannot be read", "", json!({ "review-request": ["drop-scope \u{1b}[31m"] }), 503, "temporarily_unavailable"),
        (
            "one that names at length",
            "",
            json!({ "review-request": [format!("drop-scope {}", "x".repeat(300))] }),
            503,
            "temporarily_unavailable",
        ),
        ("one that drops openid", "", json!({ "review-request": ["drop-scope openid"] }), 503, "temporarily_unavailable"),
        ("one that fails open", "fail = \"open\"", json!({ "review-request": ["fail no rules"] }), 200, ""),
        ("one that is slow, and open", "fail = \"open\"", json!({ "review-request": ["slow"] }), 200, ""),
    ] {
        let world = World::with(&[("rules", more, script)]);
        let (got, answer) = world.ask("openid");
        assert_eq!((got, answer["error"].as_str().unwrap_or_default()), (status, error), "{case}: {answer}\n{}", world.log_of("rules"));
        let waiting = world.host.data.json(&["request", "list"]).unwrap();
        assert_eq!(waiting.as_array().unwrap().len(), usize::from(status == 200), "{case}: {waiting}");
        // The reason is the operator's to read.
        assert!(!answer.to_string().contains("it is late"), "{case}: {answer}");
    }
    let world = World::with(&[]);
    assert_eq!(world.ask("openid").0, 200, "none at all");
}

#[test]
fn what_several_plugins_ask_for_adds_up() {
    let first = json!({ "review-request": ["note First", "expire-within 60", "drop-scope email"] });
    let second = json!({ "review-request": ["note Second", "expire-within 30"] });
    // By order, not by name.
    let world = World::with(&[("a", "order = 2", second), ("b", "order = 1", first)]);
    let (status, answer) = world.ask("openid email profile");
    assert_eq!((status, &answer["expires_in"]), (200, &json!(30)), "{answer}");
    // Each sees what the one before it left; and what it was not permitted is a refusal, not a trap.
    assert!(world.log_of("b").contains("for openid email profile"), "{}", world.log_of("b"));
    assert!(world.log_of("a").contains("for openid profile"), "{}", world.log_of("a"));
    assert!(world.log_of("a").contains("plugin allow a --devices"), "{}", world.log_of("a"));
}
