//! How long an instance of a plugin lives, through the real program: for one call, or for many where the operator says so.

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ciba_host::clock::Clock;
use ciba_host::outbound::{Door, Networks};
use ciba_host::protocol::plugin::PluginName;
use ciba_host::runtime::{Notify, Runtime, RuntimeConfig, TransactionView, Urgency, Version};
use ciba_host::store::sqlite::SqliteStore;
use ciba_tests::host::{Data, Host, PATIENCE, guest, wait_for};
use ciba_tests::party::Client;
use ciba_tests::wire::Answer;
use serde_json::{Value, json};

/// Time enough to be held up, but for the plugin that is to run out of it.
const CONFIG: &str = "[plugins.limits]\nwall_ms = 60000\ncpu_ms = 3000\n[plugins.limits_of.soon]\nwall_ms = 1500\n";

/// A host in which `obedient` serves under this name, with these lines in its file.
struct World {
    host: Host,
    shop: Client,
    name: &'static str,
}

impl World {
    fn new(name: &'static str, lines: &str) -> Self {
        let data = Data::with_config(CONFIG).unwrap();
        fs::create_dir(data.path().join("plugins")).unwrap();
        put(&data, name, lines);
        let host = data.demo().unwrap();
        let world = Self { shop: Client::demo(&host), host, name };
        wait_for("the plugin serves", || Ok(world.host.plugin(name)?["version"].is_string().then_some(()))).unwrap();
        world.host.data.must(&["plugin", "allow", name, "--storage", "--devices"]).unwrap();
        world
    }

    /// Has a call follow these orders.
    fn call(&self, orders: &Value) -> Answer {
        let context = json!({ "to": self.name, "orders": orders }).to_string();
        self.shop.ask(&[("scope", "openid"), ("login_hint", "alice"), ("request_context", &context)]).unwrap()
    }

    /// The same, and what came of each order.
    fn tell(&self, orders: &Value) -> Vec<String> {
        let before = self.log().len();
        let answer = self.call(orders);
        assert_eq!(answer.status, 200, "{}\n{:?}", answer.text(), self.log());
        self.log().split_off(before)
    }

    /// How many calls its instance had, this one included.
    fn count(&self) -> String {
        let said = self.tell(&json!([["count"]]));
        said.last().unwrap().strip_prefix("count: ").unwrap_or_else(|| panic!("{said:?}")).to_owned()
    }

    fn log(&self) -> Vec<String> {
        let lines = self.host.data.json(&["plugin", "log", self.name]).unwrap();
        lines.as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    }

    /// Instances that are kept.
    fn kept(&self) -> Value {
        self.host.plugin(self.name).unwrap()["warm"].clone()
    }

    /// Waits until the plugin has said this.
    fn wait_for_line(&self, line: &str) {
        let said = || Ok(self.log().iter().any(|said| said == line).then_some(()));
        wait_for(line, said).unwrap_or_else(|error| panic!("{error}\n{:#?}", self.log()));
    }
}

/// Puts `obedient` into the folder under this name, with these lines before its settings.
fn put(data: &Data, name: &str, lines: &str) {
    let folder = data.path().join("plugins");
    fs::write(folder.join(format!("{name}.toml")), format!("{lines}\n[settings]\nname = '{name}'\n")).unwrap();
    fs::copy(guest("obedient"), folder.join(format!("{name}.wasm"))).unwrap();
}

const WARM: &str = "instances = 'warm'";

#[test]
fn a_call_has_an_instance_of_its_own_unless_the_operator_says_otherwise() {
    for (lines, counts, kept) in
        [("", ["1", "1", "1"], Value::Null), ("instances = 'fresh'", ["1", "1", "1"], Value::Null), (WARM, ["1", "2", "3"], json!(1))]
    {
        let world = World::new("plain", lines);
        assert_eq!([world.count(), world.count(), world.count()], counts, "{lines}");
        assert_eq!(world.kept(), kept, "{lines}");
    }
}

/// A handle that a guest kept would lead to whatever the next call has at its place.
#[test]
fn whoever_keeps_a_handle_loses_the_instance() {
    let world = World::new("keeper", WARM);
    world.host.data.must(&["user", "device", "alice", "--channel", "elsewhere", "--address", "1"]).unwrap();
    assert_eq!(world.count(), "1");
    let said = world.tell(&json!([["keep-devices"], ["count"]]));
    assert_eq!(said.last().unwrap(), "count: 2");
    assert!(said[0].starts_with("keep-devices: [\""), "alice has no device: {said:?}");
    assert_eq!(world.kept(), json!(0));
    assert_eq!(world.tell(&json!([["kept-devices"], ["count"]])), ["kept-devices: []", "count: 1"]);
}

#[test]
fn an_instance_ends_with_a_call_that_did_not_end_as_calls_should() {
    let world = World::new("soon", WARM);
    assert_eq!(world.count(), "1");
    for (order, word, count) in
        [("fail", "[script-error]", "3"), ("panic", "[trap]", "1"), ("answer-other", "[answer]", "1"), ("wait", "[time-limit]", "1")]
    {
        let answer = world.call(&json!([[order]]));
        assert_eq!(answer.status, 503, "{order}: {}", answer.text());
        assert!(world.log().last().unwrap().contains(word), "{order}: {:?}", world.log());
        assert_eq!(world.count(), count, "after `{order}`");
    }
}

#[test]
fn an_instance_ends_when_it_has_had_its_calls_or_its_time() {
    let world = World::new("plain", "instances = 'warm'\nwarm_calls = 2");
    assert_eq!([(); 5].map(|()| world.count()), ["1", "2", "1", "2", "1"]);

    let world = World::new("plain", "instances = 'warm'\nwarm_seconds = 1");
    world.count();
    thread::sleep(Duration::from_millis(1_100));
    assert_eq!(world.count(), "1");
}

#[test]
fn no_more_instances_are_kept_than_the_operator_says() {
    let world = World::new("plain", "instances = 'warm'\nwarm_instances = 2");
    // More calls at the same time than that.
    thread::scope(|scope| {
        let calls: Vec<_> = (0..4).map(|_| scope.spawn(|| world.call(&json!([["count"], ["until-there", "k"]])))).collect();
        wait_for("four calls", || Ok((world.log().iter().filter(|line| *line == "count: 1").count() == 4).then_some(()))).unwrap();
        // None of them is over.
        assert_eq!(world.kept(), json!(0));
        world.tell(&json!([["set", "k", "v"]]));
        for call in calls {
            assert_eq!(call.join().unwrap().status, 200);
        }
    });
    assert_eq!(world.kept(), json!(2));
}

#[test]
fn what_an_instance_has_of_memory_counts_for_all_of_its_calls() {
    let order = json!([["keep-memory", 40], ["count"]]);
    let world = World::new("plain", "");
    for _ in 0..3 {
        assert_eq!(world.tell(&order), ["keep-memory: had", "count: 1"]);
    }
    let world = World::new("plain", WARM);
    assert_eq!(world.tell(&order), ["keep-memory: had", "count: 1"]);
    assert_eq!(world.tell(&order), ["keep-memory: not had", "count: 2"]);
}

/// Everything that is counted for one call begins again with the next.
#[test]
fn a_call_in_an_instance_that_was_there_has_what_a_fresh_one_has() {
    let world = World::new("plain", WARM);
    let storage: Vec<_> = (0..101).map(|_| json!(["get", "k"])).collect();
    for count in ["1", "2"] {
        let said = world.tell(&json!([["quiet", storage], ["count"]]));
        assert_eq!(
            said,
            [
                "quiet: 100 of 101, then Err(Refusal::OverLimit(\"100 storage calls in one call of a hook\"))".to_owned(),
                format!("count: {count}")
            ]
        );
    }
    let lines: Vec<_> = (0..100).map(|_| json!(["count"])).collect();
    for _ in 0..2 {
        let said = world.tell(&json!(lines));
        assert_eq!(said.len(), 100, "{said:?}");
    }
    assert_eq!(world.count(), "5");
}

/// It counts at the next call of the host, and nobody who was told something with it keeps their memory.
#[test]
fn a_permission_that_is_taken_away_in_the_middle_of_a_call_stops_its_next_host_call() {
    for lines in ["instances = 'fresh'", WARM] {
        let world = World::new("plain", lines);
        world.count();
        thread::scope(|scope| {
            let call = scope.spawn(|| world.call(&json!([["get", "k"], ["until-refused", "k"]])));
            // It may, at first.
            world.wait_for_line("get: Ok(None)");
            world.host.data.must(&["plugin", "allow", "plain", "--storage", "--revoke"]).unwrap();
            assert_eq!(call.join().unwrap().status, 200);
        });
        let log = world.log();
        let said = log.last().unwrap();
        assert_eq!(said, "until-refused: given, then Refusal::NotPermitted(\"storage\")", "{lines}: {log:?}");
        assert!(world.tell(&json!([["get", "k"]])).concat().contains("NotPermitted(\"storage\")"), "{lines}");
        // The instance that was in the call is not there any more; the one that was made after it is.
        assert_eq!(world.count(), if lines == WARM { "2" } else { "1" }, "{lines}");
    }
}

#[test]
fn the_instances_of_a_version_end_with_it() {
    let world = World::new("plain", WARM);
    assert_eq!([world.count(), world.count()], ["1", "2"]);
    let held = |world: &World| world.host.plugin("plain").unwrap()["since"].clone();
    let before = held(&world);
    put(&world.host.data, "plain", "instances = 'warm'\norder = 7");
    wait_for("the next version", || Ok((held(&world) != before).then_some(()))).unwrap();
    assert_eq!(world.kept(), json!(0));
    assert_eq!([world.count(), world.count()], ["1", "2"]);
    // And with a version that keeps none they are gone.
    let before = held(&world);
    put(&world.host.data, "plain", "");
    wait_for("the next version", || Ok((held(&world) != before).then_some(()))).unwrap();
    assert_eq!((world.kept(), world.count(), world.count()), (Value::Null, "1".to_owned(), "1".to_owned()));
}

#[test]
fn a_lifetime_that_is_none_is_refused_by_name() {
    let world = World::new("plain", WARM);
    for (lines, words) in [
        ("instances = 'hot'", "plain.toml:1: unknown variant `hot`, expected `fresh` or `warm`"),
        ("instances = 'warm'\nwarm_instances = 0", "`warm_instances` is 0: at least 1, or `instances = \"fresh\"` to keep none"),
        ("instances = 'warm'\nwarm_calls = 0", "`warm_calls` is 0"),
        ("instances = 'warm'\nwarm_seconds = 0", "`warm_seconds` is 0"),
    ] {
        put(&world.host.data, "plain", lines);
        let refused = || {
            let plugin = world.host.plugin("plain")?;
            Ok(plugin["message"].as_str().is_some_and(|message| message.contains(words)).then_some(()))
        };
        wait_for(words, refused).unwrap_or_else(|error| panic!("{error}\n{}", world.host.plugin("plain").unwrap()));
    }
    // What served goes on, with its instances.
    assert_eq!([world.count(), world.count()], ["1", "2"]);
}

/// Whoever still has the old version, as a call does that began before, does not keep its instances with it.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_who_still_has_a_version_that_was_replaced_or_removed_keeps_its_instances() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("plugins");
    fs::create_dir(&folder).unwrap();
    fs::copy(guest("keeps-state"), folder.join("inbox.wasm")).unwrap();
    fs::write(folder.join("inbox.toml"), WARM).unwrap();
    let config = RuntimeConfig { folder: folder.clone(), cache: data.path().join("cache"), ..RuntimeConfig::default() };
    let store = Arc::new(SqliteStore::open(&data.path().join("ciba.db")).unwrap());
    let runtime = Runtime::start(config, store, Door::new(Networks::default()), Clock::System, &[0; 32]).await.unwrap();
    let _watching = runtime.watch_folder().await.unwrap();
    let name = PluginName::parse("inbox").unwrap();
    let serving = || runtime.catalog().plugin(&name).and_then(|plugin| plugin.serving.clone());
    let call = async |version: &Arc<Version>| {
        let transaction = Arc::new(TransactionView { user_id: Some("alice".to_owned()), ..TransactionView::default() });
        let report = runtime.call(version, Notify { transaction }, Urgency::ClientWaits).await;
        (report.result.unwrap().to_json(), version.warm().map(|warm| warm.instances))
    };
    // A moment after the next catalog is there.
    let ended = async |version: &Arc<Version>| {
        let none = async {
            while version.warm().map(|warm| warm.instances) != Some(0) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, none).await.unwrap();
    };
    let (nobody, alice) = (json!({ "accepted": "" }), json!({ "accepted": "alice" }));

    let first = serving().unwrap();
    assert_eq!(call(&first).await, (nobody.clone(), Some(1)));
    assert_eq!(call(&first).await, (alice, Some(1)));
    fs::write(folder.join("inbox.toml"), format!("{WARM}\norder = 7")).unwrap();
    let mut changes = runtime.changes();
    while serving().is_some_and(|version| Arc::ptr_eq(&version, &first)) {
        changes.changed().await.unwrap();
    }
    ended(&first).await;
    // A call that comes to it late finds nothing of what was, and leaves nothing.
    assert_eq!(call(&first).await, (nobody.clone(), Some(0)));

    let second = serving().unwrap();
    assert_eq!(call(&second).await, (nobody, Some(1)));
    fs::remove_file(folder.join("inbox.wasm")).unwrap();
    while serving().is_some() {
        changes.changed().await.unwrap();
    }
    ended(&second).await;
}
