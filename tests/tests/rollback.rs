//! What served is remembered, and serves again when an operator says so, whatever lies in the folder.

use std::fs;

use ciba_tests::console::Console;
use ciba_tests::host::{Data, Host, guest, steady, wait_for};
use ciba_tests::party::{Client, Phone};
use ciba_tests::wire::Request;
use serde_json::{Value, json};

/// A demo world in which alice, who has a phone, is notified by the plugin `inbox`.
struct World {
    host: Host,
    phone: Phone,
}

impl World {
    fn new() -> Self {
        let host = Data::new().unwrap().demo().unwrap();
        let phone = Phone::of(&host, "alice").unwrap();
        Self { host, phone }
    }

    fn restarted(self) -> Self {
        let host = self.host.kill().unwrap().demo().unwrap();
        Self { phone: self.phone.moved_to(&host), host }
    }

    fn write(&self, file: &str, content: impl AsRef<[u8]>) {
        fs::write(self.host.plugins().join(file), content).unwrap();
    }

    fn wait_for_version(&self, name: &str, version: &str) {
        let serves = || Ok((self.host.plugin(name)?["version"] == version).then_some(()));
        wait_for(&format!("{name} {version} serves"), serves).unwrap_or_else(|error| panic!("{error}\n{}", self.host.log()));
    }

    /// Version `number` of the plugin `inbox` is copied and serves.
    fn take(&self, number: usize) {
        self.write("inbox.wasm", steady(number));
        self.wait_for_version("inbox", &format!("{number:04}"));
    }

    /// Everything that lies in the folder now was looked at: what is copied after it serves.
    fn has_looked(&self) {
        let file = self.host.plugins().join("later.wasm");
        let _ = fs::remove_file(&file);
        wait_for("it is gone", || Ok(self.host.plugin("later")?["version"].is_null().then_some(()))).unwrap();
        fs::copy(guest("elsewhere"), file).unwrap();
        self.wait_for_version("later", "1.0.0");
    }

    fn history(&self) -> Vec<Value> {
        self.host.data.json(&["plugin", "history", "inbox"]).unwrap().as_array().unwrap().clone()
    }

    /// Version, who rolled back to it, and whether it serves, newest first.
    fn served(&self) -> Vec<(String, Option<String>, bool)> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let one = |line: &Value| (text(&line["version"]).unwrap(), text(&line["rolled_back_by"]), line["until"].is_null());
        self.history().iter().map(one).collect()
    }

    /// What alice's phone shows of a new request.
    fn assert_notifies(&self, note: &str) {
        let known = self.phone.waiting().unwrap();
        Client::demo(&self.host).start("alice").unwrap();
        self.phone.next_card(&known).unwrap();
        let cards = self.phone.cards().unwrap();
        assert!(cards.contains(note), "{cards}");
    }

    /// The latest lines of the audit log, newest first.
    fn audit(&self) -> Value {
        let token = fs::read_to_string(self.host.data.path().join("admin.token")).unwrap();
        let request = Request::json("/admin/v1/command", "{\"command\":\"audit-list\",\"most\":9}");
        request.header("authorization", &format!("Bearer {}", token.trim())).send(self.host.admin).unwrap().json()
    }

    fn refused(&self, words: &[&str]) -> String {
        let said = self.host.data.run(words).unwrap();
        assert!(!said.status.success(), "{words:?}: {}", said.output);
        said.error
    }
}

#[test]
fn an_earlier_version_serves_again_until_another_file_is_copied() {
    let world = World::new();
    world.write("inbox.toml", "[settings]\nwait_ms = 1\n");
    world.take(1);
    world.write("inbox.toml", "[settings]\nwait_ms = 2\n");
    wait_for("other settings serve", || Ok((world.host.plugin("inbox")?["settings"]["wait_ms"] == 2).then_some(()))).unwrap();
    world.take(2);
    world.assert_notifies("version 0002");

    // The file before, with the settings before.
    let said = world.host.data.must(&["plugin", "rollback", "inbox"]).unwrap();
    assert!(said.contains("inbox serves 0001") && said.contains("not taken before it changes"), "{said}");
    let listed = world.host.plugin("inbox").unwrap();
    assert_eq!((&listed["version"], &listed["settings"]["wait_ms"]), (&json!("0001"), &json!(2)), "at once");
    world.assert_notifies("version 0001");
    // And the one before that.
    let back = world.host.data.json(&["plugin", "rollback", "inbox"]).unwrap();
    assert_eq!(world.host.plugin("inbox").unwrap()["settings"]["wait_ms"], 1);
    let by = || Some("operator".to_owned());
    let served = world.served();
    let newest = [("0001".to_owned(), by(), true), ("0001".to_owned(), by(), false), ("0002".to_owned(), None, false)];
    assert_eq!(served[..3], newest, "{served:?}");
    let settings: Vec<Value> = world.history().iter().map(|line| line["settings"]["wait_ms"].clone()).take(3).collect();
    assert_eq!(settings, [json!(1), json!(2), json!(2)]);

    // Everybody who should says so, and who did it.
    assert!(world.host.data.must(&["plugin", "list"]).unwrap().contains("inbox: rolled back by operator"));
    let page = Console::of(&world.host).unwrap().text("/plugins/inbox").unwrap();
    assert!(page.contains("rolled back by operator") && page.contains("Roll back to 0002 ("), "{page}");
    let entry = &world.audit()[0];
    assert_eq!((&entry["who"], &entry["what"]), (&json!("operator"), &json!("plugin rollback")));
    assert_eq!(entry["about"], format!("inbox {}", back["digest"].as_str().unwrap()));
    let table = world.host.data.must(&["plugin", "history", "inbox"]).unwrap();
    assert!(table.lines().nth(1).unwrap().contains("rollback by operator") && table.contains("{\"wait_ms\":1}"), "{table}");

    // What lies there does not come back: not when it is copied again, not after a kill.
    let taken = || world.host.log().matches("plugin inbox: 0002 (").count();
    let before = taken();
    world.write("inbox.wasm", steady(2));
    world.has_looked();
    assert_eq!((world.host.plugin("inbox").unwrap()["version"].as_str(), taken()), (Some("0001"), before));
    let world = world.restarted();
    world.has_looked();
    assert_eq!(world.host.plugin("inbox").unwrap()["version"], "0001");
    assert!(world.host.plugin("inbox").unwrap()["rolled_back"].is_string());
    assert_eq!(world.served().len(), served.len(), "a new start is no other version");
    // A bad file changes nothing of it.
    world.write("inbox.wasm", "this is no plugin");
    wait_for("it is refused", || Ok((world.host.plugin("inbox")?["state"] == "refused").then_some(()))).unwrap();
    world.write("inbox.wasm", steady(2));
    wait_for("that is gone", || Ok((world.host.plugin("inbox")?["state"] == "serving").then_some(()))).unwrap();
    assert_eq!(world.host.plugin("inbox").unwrap()["version"], "0001");

    // Another file ends it.
    world.take(3);
    assert!(world.host.plugin("inbox").unwrap()["rolled_back"].is_null());
    world.take(2);
    world.assert_notifies("version 0002");
    assert_eq!(world.served()[0], ("0002".to_owned(), None, true));
}

#[test]
fn what_was_rolled_back_comes_back_by_name() {
    let world = World::new();
    world.take(1);
    let first = world.history()[0]["digest"].as_str().unwrap().to_owned();
    world.take(2);
    let second = world.history()[0]["digest"].as_str().unwrap().to_owned();
    world.take(3);
    world.host.data.must(&["plugin", "rollback", "inbox", "--to", &first[..8]]).unwrap();
    world.assert_notifies("version 0001");
    world.host.data.must(&["plugin", "rollback", "inbox", "--to", &second]).unwrap();
    world.assert_notifies("version 0002");
    assert!(world.host.plugin("inbox").unwrap()["rolled_back"].is_string());
    let third = world.history().iter().find(|line| line["version"] == "0003").unwrap()["digest"].as_str().unwrap().to_owned();
    let done = world.host.data.json(&["plugin", "rollback", "inbox", "--to", &third]).unwrap();
    assert_eq!(done["set_aside"], false, "what lies in the folder serves");
    assert!(world.host.plugin("inbox").unwrap()["rolled_back"].is_null());
    let world = world.restarted();
    assert_eq!(world.host.plugin("inbox").unwrap()["version"], "0003");
}

#[test]
fn a_secret_that_changes_after_a_rollback_brings_back_no_other_version() {
    let world = World::new();
    let secret = world.host.data.path().with_file_name("word");
    fs::write(&secret, "quiet").unwrap();
    let text = format!("[settings]\nobserve = [{{ file = {:?} }}]\n", secret.display().to_string());
    world.write("watch.toml", &text);
    fs::copy(guest("scripted"), world.host.plugins().join("watch.wasm")).unwrap();
    let taken = || world.host.log().matches("plugin watch: 1.0.0 (").count() + world.host.log().matches("plugin watch: 0.1.0 (").count();
    wait_for("it serves", || Ok((taken() == 1).then_some(()))).unwrap();
    world.write("watch.toml", "[settings]\nobserve = [\"fail\"]\n");
    wait_for("other settings serve", || Ok((taken() == 2).then_some(()))).unwrap();
    world.host.data.must(&["plugin", "rollback", "watch"]).unwrap();
    assert_eq!(taken(), 3);
    world.has_looked();
    assert_eq!(taken(), 3, "nothing has changed");
    fs::write(&secret, "quiet too").unwrap();
    wait_for("the new secret is taken", || Ok((taken() == 4).then_some(())))
        .unwrap_or_else(|error| panic!("{error}\n{}", world.host.log()));
    let history = world.host.data.json(&["plugin", "history", "watch"]).unwrap();
    assert_eq!(history.as_array().unwrap().len(), 3, "no other version: {history}");
    assert!(world.host.plugin("watch").unwrap()["rolled_back"].is_string());
}

#[test]
fn what_cannot_be_rolled_back_is_said_and_changes_nothing() {
    let world = World::new();
    for (words, said) in [
        (&["plugin", "rollback", "nobody"][..], "nothing has served under the name nobody"),
        (&["plugin", "history", "nobody"], "nothing has served under the name nobody"),
        (&["plugin", "rollback", "inbox"], "no version served under the name inbox before"),
        (&["plugin", "rollback", "inbox", "--to", "0000000"], "no version with the digest 0000000 is kept"),
        (&["plugin", "rollback", "inbox", "--to", "ab"], "at least 4 characters"),
    ] {
        let error = world.refused(words);
        assert!(error.contains(said), "{error}");
    }
    // Its channel is another plugin's by now.
    world.take(1);
    fs::copy(guest("elsewhere"), world.host.plugins().join("inbox.wasm")).unwrap();
    world.wait_for_version("inbox", "1.0.0");
    world.write("other.wasm", steady(2));
    world.wait_for_version("other", "0002");
    let error = world.refused(&["plugin", "rollback", "inbox"]);
    assert!(error.contains("[channel-taken]"), "{error}");
    assert_eq!(world.host.plugin("inbox").unwrap()["version"], "1.0.0");
    let lines = world.served().len();
    // Without a file nothing serves; with one, what served does again.
    fs::remove_file(world.host.plugins().join("inbox.wasm")).unwrap();
    wait_for("it is gone", || Ok((world.host.plugin("inbox")?["state"] == "removed").then_some(()))).unwrap();
    assert!(world.refused(&["plugin", "rollback", "inbox"]).contains("there is no inbox.wasm in the plugin folder"));
    let data = world.host.stop().unwrap();
    assert_eq!(data.json(&["plugin", "history", "inbox"]).unwrap().as_array().unwrap().len(), lines, "without a host too");
    let said = data.run(&["plugin", "rollback", "inbox"]).unwrap();
    assert!(said.error.contains("the host does not run"), "{}", said.error);
}
