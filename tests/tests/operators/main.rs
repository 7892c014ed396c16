//! What operators see of plugins and do to them, through the real program: numbers that move as calls happen, mode and
//! order by command and in the console, and who did what.

mod console;
mod counted;
mod said;

use std::fs;

use ciba_tests::host::{Data, Host, guest, wait_for};
use ciba_tests::party::Client;
use serde_json::{Value, json};

/// A host in which `obedient` serves as `rules`, and does what requests say.
struct World {
    host: Host,
    shop: Client,
}

impl World {
    /// With these further keys before the settings of `rules`.
    fn new(more: &str) -> Self {
        let data = Data::with_config("[plugins.limits]\nwall_ms = 400\n").unwrap();
        fs::create_dir(data.path().join("plugins")).unwrap();
        put(&data, "rules", more);
        let world = Self::on(data);
        world.host.data.must(&["user", "add", "teller"]).unwrap();
        world.wait_for_state("rules", "serving");
        world
    }

    fn on(data: Data) -> Self {
        let host = data.demo().unwrap();
        let shop = Client::demo(&host);
        Self { host, shop }
    }

    fn restarted(self) -> Self {
        Self::on(self.host.kill().unwrap())
    }

    /// `obedient` may keep values, and is blocked until it is allowed; to these tests that is serving.
    fn wait_for_state(&self, name: &str, state: &str) {
        let is = |plugin: &Value| {
            if plugin["state"] == "blocked" { "serving".to_owned() } else { plugin["state"].as_str().unwrap_or_default().to_owned() }
        };
        let there = || Ok((is(&self.host.plugin(name)?) == state).then_some(()));
        wait_for(&format!("{name} is {state}"), there).unwrap_or_else(|error| panic!("{error}\n{}", self.host.log()));
    }

    fn run(&self, words: &[&str]) -> Value {
        self.host.data.json(words).unwrap()
    }

    fn show(&self, name: &str) -> Value {
        self.run(&["plugin", "show", name])
    }

    /// A request whose orders are for this plugin: its status.
    fn tell(&self, plugin: &str, orders: &Value) -> u16 {
        let context = json!({ "to": plugin, "orders": orders }).to_string();
        self.shop.ask(&[("scope", "openid"), ("login_hint", "teller"), ("request_context", &context)]).unwrap().status
    }

    /// What `rules` says of one hook.
    fn counted(&self, hook: &str) -> Value {
        let report = self.show("rules");
        let hooks = report["hooks_called"].as_array().unwrap();
        hooks.iter().find(|counted| counted["hook"] == hook).cloned().unwrap_or_default()
    }

    /// Who did what to what, newest first, as far as it has this word in it.
    fn audit(&self, word: &str) -> Vec<(String, String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let entries = self.run(&["audit", "--what", word]);
        let entry = |entry: &Value| {
            assert!(entry["at"].is_string(), "{entry}");
            (text(&entry["who"]), text(&entry["what"]), text(&entry["about"]))
        };
        entries.as_array().unwrap().iter().map(entry).collect()
    }

    fn log_of(&self, plugin: &str) -> Vec<String> {
        let lines = self.run(&["plugin", "log", plugin]);
        lines.as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    }

    fn refused(&self, words: &[&str]) -> String {
        let said = self.host.data.run(words).unwrap();
        assert!(!said.status.success(), "{words:?}: {}", said.output);
        said.error
    }
}

/// Puts `obedient` into the folder under this name.
fn put(data: &Data, name: &str, more: &str) {
    let folder = data.path().join("plugins");
    fs::write(folder.join(format!("{name}.toml")), format!("{more}\n[settings]\nname = '{name}'\n")).unwrap();
    fs::copy(guest("obedient"), folder.join(format!("{name}.wasm"))).unwrap();
}
