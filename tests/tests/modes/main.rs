//! A new version is tried on real calls before it counts: as a shadow, of which nothing comes, and then in the place of the
//! old one for a share of transactions.

mod canary;
mod shadow;
mod withheld;

use std::fs;
use std::path::Path;

use ciba_tests::host::{Data, Host, guest, wait_for};
use ciba_tests::party::{Client, Phone, waiting_in};
use serde_json::Value;

/// Short, so that a slow plugin is found out soon; open, so that clients register.
const CONFIG: &str = "[registration]\nenabled = true\nopen = true\n[plugins.limits]\nwall_ms = 400\n";

struct World {
    host: Host,
    shop: Client,
}

impl World {
    /// A host in which these serve: names, what stands in their `.toml`, and their components.
    fn with(plugins: &[(&str, &str, &Path)]) -> Self {
        let data = Data::with_config(CONFIG).unwrap();
        fs::create_dir(data.path().join("plugins")).unwrap();
        for (name, toml, component) in plugins {
            put(&data, name, toml, component);
        }
        let host = data.demo().unwrap();
        let shop = Client::add(&host, "shop", &[]).unwrap();
        let world = Self { host, shop };
        plugins.iter().for_each(|(name, ..)| world.wait_for_state(name, |plugin| plugin["version"].is_string()));
        world
    }

    /// The same of scripted plugins alone.
    fn scripted(plugins: &[(&str, &str)]) -> Self {
        let guest = guest("scripted");
        Self::with(&plugins.iter().map(|(name, toml)| (*name, *toml, &*guest)).collect::<Vec<_>>())
    }

    fn wait_for_state(&self, name: &str, is: impl Fn(&Value) -> bool) {
        let mut last = Value::Null;
        let found = wait_for("the plugin is as it should be", || {
            last = self.listed(name)?;
            Ok(is(&last).then_some(()))
        });
        found.unwrap_or_else(|error| panic!("{error}: {last}\n{}", self.host.log()));
    }

    fn listed(&self, name: &str) -> anyhow::Result<Value> {
        let listed = self.host.data.json(&["plugin", "list"])?;
        Ok(listed.as_array().and_then(|all| all.iter().find(|plugin| plugin["name"] == name)).cloned().unwrap_or_default())
    }

    /// Writes another `.toml` beside a plugin, and waits until it counts.
    fn rewrite(&self, name: &str, toml: &str) {
        let since = self.listed(name).unwrap()["since"].clone();
        fs::write(self.host.plugins().join(format!("{name}.toml")), toml).unwrap();
        self.wait_for_state(name, |plugin| plugin["since"] != since);
    }

    /// What is known of a shadow, once as many calls of this hook were counted.
    fn findings(&self, shadow: &str, hook: &str, calls: u64) -> Value {
        let mut last = Value::Null;
        let found = wait_for("the shadow was asked", || {
            last = self.host.data.json(&["plugin", "shadow", shadow])?;
            let counted: u64 = last["hooks"][hook].as_object().map_or(0, |tally| tally.values().filter_map(Value::as_u64).sum());
            Ok((counted >= calls).then_some(()))
        });
        found.unwrap_or_else(|error| panic!("{error}: {hook}: {last}\n{}", self.host.log()));
        last
    }

    fn log_of(&self, plugin: &str) -> String {
        let lines = self.host.data.json(&["plugin", "log", plugin]).unwrap();
        lines.as_array().unwrap().iter().map(|line| format!("{}\n", line["text"].as_str().unwrap())).collect()
    }

    fn ask(&self, more: &[(&str, &str)]) -> (u16, Value) {
        let parameters = [&[("scope", "openid"), ("login_hint", "alice")], more].concat();
        let answer = self.shop.ask(&parameters).unwrap();
        (answer.status, answer.json())
    }

    /// Starts a request of alice's: its `auth_req_id`, and what devices and plugins call it.
    fn start(&self) -> (String, String) {
        let (status, answer) = self.ask(&[]);
        assert_eq!(status, 200, "{answer}\n{}", self.host.log());
        let id = answer["auth_req_id"].as_str().unwrap().to_owned();
        let transaction = id.split_once('.').unwrap().0.to_owned();
        (id, transaction)
    }

    fn approve(&self, phone: &Phone, transaction: &str) {
        assert!(waiting_in(&phone.check().unwrap()).iter().any(|waits| waits == transaction));
        assert_eq!(phone.decide(transaction, "approve").unwrap().status, 200, "{}", self.host.log());
        let state = self.host.data.json(&["request", "show", transaction]).unwrap()["state"].clone();
        assert_eq!(state, "approved", "{}", self.host.log());
    }
}

/// Drops a plugin into the folder, its settings first.
fn put(data: &Data, name: &str, toml: &str, component: &Path) {
    let folder = data.path().join("plugins");
    if !toml.is_empty() {
        fs::write(folder.join(format!("{name}.toml")), toml).unwrap();
    }
    fs::copy(component, folder.join(format!("{name}.wasm"))).unwrap();
}
