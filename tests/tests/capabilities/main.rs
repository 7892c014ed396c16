//! What plugins can be allowed, through the real program: with the permission and without it, and what somebody who has
//! the plugin in their hands cannot do with it.

mod credentials;
mod decisions;
mod drafts;
mod inbound;
mod log;
mod outgoing;
mod secrets;
mod storage;

use std::fs;

use ciba_tests::host::{Data, Host, guest, wait_for};
use ciba_tests::party::Client;
use serde_json::{Value, json};

/// A host in which `obedient` serves, under one name or several.
struct World {
    host: Host,
    shop: Client,
}

impl World {
    fn new(config: &str, names: &[&str]) -> Self {
        let data = Data::with_config(config).unwrap();
        fs::create_dir(data.path().join("plugins")).unwrap();
        for name in names {
            put(&data, name, "");
        }
        let world = Self::on(data);
        // Whose requests carry the orders.
        world.host.data.must(&["user", "add", "teller"]).unwrap();
        for name in names {
            world.wait_until_it_serves(name);
        }
        world
    }

    /// The one in which `serves-pages` serves, as `pages`.
    fn with_pages(config: &str) -> Self {
        let world = Self::new(config, &[]);
        fs::copy(guest("serves-pages"), world.host.plugins().join("pages.wasm")).unwrap();
        world.wait_until_it_serves("pages");
        world
    }

    /// The one in which `speaks-drafts` serves with this file beside it, as `drafts`, and `obedient` as `neighbour`.
    fn with_drafts(config: &str, file: &str) -> Self {
        let world = Self::new(config, &["neighbour"]);
        fs::write(world.host.plugins().join("drafts.toml"), format!("order = 100\n{file}")).unwrap();
        fs::copy(guest("speaks-drafts"), world.host.plugins().join("drafts.wasm")).unwrap();
        world.wait_until_it_serves("drafts");
        world
    }

    fn on(data: Data) -> Self {
        let host = data.demo().unwrap();
        let shop = Client::demo(&host);
        Self { host, shop }
    }

    fn wait_until_it_serves(&self, name: &str) {
        wait_for("the plugin serves", || {
            let listed = self.host.data.json(&["plugin", "list"])?;
            let serves = |plugin: &Value| plugin["name"] == name && plugin["version"].is_string();
            Ok(listed.as_array().is_some_and(|all| all.iter().any(serves)).then_some(()))
        })
        .unwrap();
    }

    fn allow(&self, name: &str, options: &[&str]) {
        let words: Vec<&str> = ["plugin", "allow", name].iter().chain(options).copied().collect();
        self.host.data.json(&words).unwrap();
    }

    /// Has a plugin follow these orders, and answers what came of each.
    fn tell(&self, plugin: &str, orders: &Value) -> Vec<String> {
        let before = self.log_of(plugin).len();
        let context = json!({ "to": plugin, "orders": orders }).to_string();
        let answer = self.shop.ask(&[("scope", "openid"), ("login_hint", "teller"), ("request_context", &context)]).unwrap();
        assert_eq!(answer.status, 200, "{}\n{:?}", answer.text(), self.log_of(plugin));
        self.log_of(plugin).split_off(before)
    }

    /// What the host knows a person by.
    fn id_of(&self, username: &str) -> String {
        let users = self.host.data.json(&["user", "list"]).unwrap();
        let user = users.as_array().unwrap().iter().find(|user| user["username"] == username).unwrap();
        user["id"].as_str().unwrap().to_owned()
    }

    fn log_of(&self, plugin: &str) -> Vec<String> {
        let lines = self.host.data.json(&["plugin", "log", plugin]).unwrap();
        lines.as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    }
}

/// Puts `obedient` into the folder under this name, with these further settings.
fn put(data: &Data, name: &str, settings: &str) {
    let folder = data.path().join("plugins");
    fs::write(folder.join(format!("{name}.toml")), format!("[settings]\nname = '{name}'\n{settings}")).unwrap();
    fs::copy(guest("obedient"), folder.join(format!("{name}.wasm"))).unwrap();
}

/// What it sees names the request, and redeems nothing.
#[test]
fn a_plugin_sees_nothing_that_redeems() {
    let world = World::new("[plugins.allow.seer]\ndevices = true\n", &["seer"]);
    let context = json!({"to": "seer", "orders": [["sees"], ["settings"]]}).to_string();
    let asked = world.shop.ask(&[("scope", "openid"), ("login_hint", "teller"), ("request_context", &context)]).unwrap();
    let id = asked.json()["auth_req_id"].as_str().unwrap().to_owned();
    let (transaction, secret) = id.split_once('.').unwrap();
    let said: String = world.log_of("seer").join("\n").chars().rev().collect();
    assert!(said.contains(&format!("{transaction} ")) && !said.contains(secret), "{said}");
    for other in [format!("{transaction}."), format!("{transaction}.{}", "A".repeat(secret.len()))] {
        let answer = world.shop.poll(&other).unwrap();
        assert_eq!(answer.json()["error"], "invalid_grant", "{other}: {}", answer.text());
    }
    assert_eq!(world.shop.poll(&id).unwrap().json()["error"], "authorization_pending");
}
