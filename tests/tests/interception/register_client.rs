//! `register-client`: whether a client may register or change itself, through the registration endpoints.

use std::fs;

use ciba_tests::wire::{Answer, Request};
use serde_json::{Value, json};

use super::World;

const OPEN: &str = "[registration]\nenabled = true\nopen = true\n";

fn reviewing(script: &[&str]) -> Value {
    json!({ "register-client": script })
}

impl World {
    fn register(&self, metadata: &Value) -> Answer {
        self.host.send(&Request::json("/register", &metadata.to_string())).unwrap()
    }

    /// What a client says of itself anew.
    fn change(&self, client: &Value, metadata: &Value) -> Answer {
        let mut metadata = metadata.clone();
        metadata["client_id"] = client["client_id"].clone();
        let request = Request::new("PUT", &format!("/register/{}", client["client_id"].as_str().unwrap()));
        let token = format!("Bearer {}", client["registration_access_token"].as_str().unwrap());
        let request = request.header("authorization", &token).header("content-type", "application/json");
        self.host.send(&request.body(metadata.to_string())).unwrap()
    }

    /// How many clients are registered.
    fn clients(&self) -> usize {
        self.host.data.json(&["client", "list"]).unwrap().as_array().unwrap().len()
    }

    /// Lets the plugin say something else.
    fn rewrite(&self, plugin: &str, script: &Value) {
        let lines = &script["register-client"];
        let version = || self.host.plugin(plugin).unwrap()["since"].clone();
        let before = version();
        fs::write(self.host.plugins().join(format!("{plugin}.toml")), format!("[settings]\nregister-client = {lines}\n")).unwrap();
        ciba_tests::host::wait_for("the new settings serve", || Ok((version() != before).then_some(()))).unwrap();
    }
}

fn said(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_client_is_reviewed_when_it_registers_and_when_it_changes_itself() {
    for (case, more, script, status, error) in [
        ("one that allows", "", reviewing(&[]), 201, ""),
        ("one that refuses", "", reviewing(&["refuse only partners register here"]), 400, "invalid_client_metadata"),
        ("one that fails", "", reviewing(&["fail no list"]), 503, "temporarily_unavailable"),
        ("one that traps", "", reviewing(&["trap"]), 503, "temporarily_unavailable"),
        ("one that is slow", "", reviewing(&["slow"]), 503, "temporarily_unavailable"),
        ("one of a later contract", "", reviewing(&["other maybe"]), 503, "temporarily_unavailable"),
        ("one that sets what is no JSON", "", reviewing(&["set client_name {"]), 503, "temporarily_unavailable"),
        ("one that fails open", "fail = \"open\"", reviewing(&["fail no list"]), 201, ""),
        ("one that is slow, and open", "fail = \"open\"", reviewing(&["slow"]), 201, ""),
    ] {
        let world = World::configured(OPEN, &[("partners", more, script)]);
        let before = world.clients();
        let answer = world.register(&json!({ "client_name": "Shop" }));
        assert_eq!(said(&answer), (status, error.to_owned()), "{case}: {}\n{}", answer.text(), world.log_of("partners"));
        assert_eq!(world.clients() - before, usize::from(status == 201), "{case}");
        let told = answer.json()["error_description"].as_str().unwrap_or_default().to_owned();
        assert_eq!(told == "only partners register here", status == 400, "{case}: {told}");
        assert!(!told.contains("no list"), "{case}: {told}");
    }
    let world = World::configured(OPEN, &[]);
    assert_eq!(said(&world.register(&json!({}))).0, 201, "none at all");

    // The same of one that changes itself.
    let world = World::configured(OPEN, &[("partners", "", reviewing(&[]))]);
    let client = world.register(&json!({ "client_name": "Shop" })).json();
    assert_eq!(world.change(&client, &json!({ "client_name": "Shop 2" })).json()["client_name"], "Shop 2");
    let seen = format!("register-client: update of {} {{\"client_name\":\"Shop 2\"}}", client["client_id"].as_str().unwrap());
    assert!(world.log_of("partners").contains(&seen), "{seen}\n{}", world.log_of("partners"));
    for (script, status, error) in [
        (reviewing(&["refuse not any more"]), 400, "invalid_client_metadata"),
        (reviewing(&["trap"]), 503, "temporarily_unavailable"),
        (reviewing(&["set client_name \"Shop 4\""]), 200, ""),
    ] {
        world.rewrite("partners", &script);
        assert_eq!(said(&world.change(&client, &json!({ "client_name": "Shop 3" }))), (status, error.to_owned()), "{script}");
        let name = world.host.data.json(&["client", "show", client["client_id"].as_str().unwrap()]).unwrap()["client_name"].clone();
        assert_eq!(name, if status == 200 { "Shop 4" } else { "Shop 2" }, "{script}");
    }
}

#[test]
fn what_a_plugin_changes_is_held_against_the_hosts_rules_like_what_a_client_says() {
    let register = |script: &[&str]| {
        let world = World::configured(OPEN, &[("partners", "", reviewing(script))]);
        let answer = world.register(&json!({ "client_name": "Shop", "binding_message_required": true }));
        let log = world.log_of("partners");
        (said(&answer), answer.json(), log)
    };
    let (status, client, _) = register(&["set client_name \"Partner\"", "remove binding_message_required", "set acr_minimum \"high\""]);
    assert_eq!(status.0, 201, "{client}");
    assert_eq!((&client["client_name"], &client["acr_minimum"]), (&json!("Partner"), &json!("high")));
    assert_ne!(client["binding_message_required"], json!(true));

    // What only an operator sets.
    let (status, client, log) = register(&["set interval 1", "set long_poll true", "set client_id \"mine\"", "set client_secret \"ours\""]);
    assert_eq!(status.0, 201, "{client}");
    assert!(client["interval"].is_null() && client["long_poll"] != json!(true), "{client}");
    assert!(client["client_id"] != "mine" && client["client_secret"] != "ours", "{client}");
    assert!(log.contains("it changed `interval` of a client that registers itself, which only an operator sets"), "{log}");

    // What nobody may be.
    let (status, answer, _) = register(&["set grant_types [\"password\"]"]);
    assert_eq!(status, (400, "invalid_client_metadata".to_owned()));
    assert!(answer["error_description"].as_str().unwrap().contains("grant_types"), "{answer}");
}

#[test]
fn each_plugin_sees_what_the_ones_before_it_left_and_one_refusal_is_enough() {
    let first = reviewing(&["set client_name \"First\"", "remove client_uri"]);
    let second = reviewing(&["set contacts [\"a@example.com\"]", "set client_name \"Second\""]);
    let world = World::configured(OPEN, &[("a", "order = 2", second), ("b", "order = 1", first)]);
    let client = world.register(&json!({ "client_name": "Shop", "client_uri": "https://shop.example" })).json();
    assert_eq!(client["client_name"], "Second", "{client}");
    assert!(world.log_of("b").contains("\"client_uri\":\"https://shop.example\""), "{}", world.log_of("b"));
    assert!(world.log_of("a").contains("create {\"client_name\":\"First\"}"), "{}", world.log_of("a"));

    let plugins = [("a", "", reviewing(&[])), ("b", "", reviewing(&["refuse no"])), ("c", "", reviewing(&[]))];
    let world = World::configured(OPEN, &plugins);
    assert_eq!(said(&world.register(&json!({}))).0, 400);
    assert!(world.log_of("a").contains("register-client: ") && !world.log_of("c").contains("register-client: "));
}

#[test]
fn a_refusal_is_short_plain_text_and_uses_up_no_invitation() {
    let long = format!("refuse \u{dc}ber \"{}\"", "x".repeat(300));
    let world = World::configured("[registration]\nenabled = true\n", &[("partners", "", reviewing(&[&long]))]);
    let invited = world.host.data.json(&["client", "invite"]).unwrap();
    let register = |token: &str| {
        let request = Request::json("/register", "{}").header("authorization", &format!("Bearer {token}"));
        world.host.send(&request).unwrap()
    };
    let token = invited["initial_access_token"].as_str().unwrap();
    let answer = register(token);
    let told = answer.json()["error_description"].as_str().unwrap().to_owned();
    assert_eq!(said(&answer), (400, "invalid_client_metadata".to_owned()));
    assert!(told.starts_with("?ber 'xxx") && told.len() == 200, "{told}");
    world.rewrite("partners", &reviewing(&[]));
    assert_eq!(register(token).status, 201, "the refusal used the invitation up");
    // Whoever may not register at all costs no call.
    let times = world.log_of("partners").matches("register-client: ").count();
    assert_eq!((register(token).status, register("invented").status), (401, 401));
    assert_eq!(world.log_of("partners").matches("register-client: ").count(), times);
}

#[test]
fn no_plugin_sees_a_secret_or_is_asked_about_an_operators_client() {
    let world = World::configured(OPEN, &[("partners", "", reviewing(&["refuse nobody registers"]))]);
    let metadata = world.host.data.beside("bank.json");
    fs::write(&metadata, "{\"client_name\":\"Bank\"}").unwrap();
    let metadata = metadata.to_str().unwrap();
    world.host.data.must(&["client", "add", "bank", "--metadata", metadata]).unwrap();
    world.host.data.must(&["client", "update", "bank", "--metadata", metadata]).unwrap();
    let declared = world.host.data.path().join("declared/clients");
    fs::create_dir_all(&declared).unwrap();
    let jwt = json!({ "client_name": "Declared", "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://a.example/jwks" });
    fs::write(declared.join("declared.json"), jwt.to_string()).unwrap();
    let known = || Ok(world.host.data.json(&["client", "show", "declared"]).ok());
    ciba_tests::host::wait_for("the declared client is known", known).unwrap();
    assert!(!world.log_of("partners").contains("register-client: "), "{}", world.log_of("partners"));

    world.rewrite("partners", &reviewing(&[]));
    let client = world.register(&json!({ "client_secret": "a-secret-of-its-own", "client_name": "Shop" })).json();
    let secret = client["client_secret"].as_str().unwrap().to_owned();
    let changed = world.change(&client, &json!({ "client_secret": secret, "client_name": "Shop 2" }));
    assert_eq!(changed.status, 200, "{}", changed.text());
    let log = world.log_of("partners");
    assert_eq!(log.matches("register-client: ").count(), 2, "{log}");
    assert!(!log.contains("client_secret"), "{log}");
}
