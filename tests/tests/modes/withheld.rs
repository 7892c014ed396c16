//! What a shadow wants done is written down, and not done.

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use ciba_tests::host::{Data, guest, wait_for};
use ciba_tests::wire::Request;
use serde_json::{Value, json};

use super::World;

impl World {
    /// Orders for the guest `obedient` of this name, which it follows in `review-request`.
    fn order(&self, to: &str, orders: &Value) {
        let context = json!({ "to": to, "orders": orders }).to_string();
        let (status, answer) = self.ask(&[("request_context", &context)]);
        assert_eq!(status, 200, "{answer}");
    }

    fn rows(&self, table: &str) -> i64 {
        let database = rusqlite::Connection::open(self.host.data.path().join("ciba.db")).unwrap();
        database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }
}

#[test]
fn http_of_a_shadow_is_not_sent_and_the_call_is_not_comparable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let settings = format!("[settings]\nurl = '{origin}/alice/secret-path'\n");
    let world = World::with(&[
        ("inbox", "", &guest("withdraws")),
        ("next", &format!("mode = 'shadow'\nbeside = 'inbox'\n{settings}"), &guest("calls-home")),
    ]);
    world.host.data.must(&["user", "device", "alice", "--channel", "inbox"]).unwrap();
    // Without the permission it is refused as it would be, and what it does then is what it would do.
    world.start();
    let findings = world.findings("next", "notify", 1);
    assert_eq!((&findings["hooks"]["notify"]["failed"], &findings["acts"]), (&json!(1), &json!([])), "{findings}");

    world.host.data.must(&["plugin", "allow", "next", "--http", &origin]).unwrap();
    world.start();
    let findings = world.findings("next", "notify", 2);
    assert_eq!((&findings["hooks"]["notify"]["not_comparable"], &findings["withheld"]["http"]), (&json!(1), &json!(1)), "{findings}");
    assert_eq!(findings["acts"][0]["what"], format!("POST to {origin}"));
    assert!(!findings.to_string().contains("secret-path"), "an address may name a person: {findings}");
    assert!(world.log_of("next").contains(&format!("[shadow] not done: POST to {origin}")), "{}", world.log_of("next"));
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "somebody was called");

    // The same plugin, in earnest.
    fs::write(world.host.plugins().join("inbox.toml"), "mode = 'off'\n").unwrap();
    world.wait_for_state("inbox", |plugin| plugin["state"] == "off");
    world.rewrite("next", &settings);
    world.start();
    wait_for("a request arrives", || Ok(listener.accept().is_ok().then_some(()))).unwrap();
}

#[test]
fn what_a_shadow_writes_its_own_call_finds_again_and_nobody_else() {
    let world = World::with(&[("next", "mode = 'shadow'\n[settings]\nname = 'next'\n", &guest("obedient"))]);
    world.host.data.must(&["plugin", "allow", "next", "--storage"]).unwrap();
    let said = |line: &str| world.log_of("next").contains(&format!("[shadow] {line}"));
    world.order("next", &json!([["get", "k"], ["set", "k", "v", null, "absent"], ["set", "k", "w", null, "absent"], ["get", "k"]]));
    let findings = world.findings("next", "review-request", 1);
    assert!(
        said("get: Ok(None)") && said("set: Ok(Some(") && said("set: Ok(None)") && said("get: Ok(Some((\"v\","),
        "{}",
        world.log_of("next")
    );
    assert_eq!((&findings["hooks"]["review-request"]["same"], &findings["withheld"]["storage"]), (&json!(1), &json!(2)), "{findings}");
    assert_eq!(findings["acts"][1]["what"], "storage set k, 1 bytes");
    assert_eq!(world.rows("plugin_value"), 0);

    // The next call does not find what it would find: its answer says nothing.
    world.order("next", &json!([["get", "k"], ["delete", "k"]]));
    let findings = world.findings("next", "review-request", 2);
    assert_eq!(findings["hooks"]["review-request"]["not_comparable"], 1, "{findings}");
    assert!(said("delete: Ok(false)"), "{}", world.log_of("next"));

    // In earnest it is kept; and as a shadow again it reads what is kept, and leaves it there.
    world.rewrite("next", "[settings]\nname = 'next'\n");
    world.order("next", &json!([["set", "k", "kept"]]));
    assert_eq!(world.rows("plugin_value"), 1);
    world.rewrite("next", "mode = 'shadow'\n[settings]\nname = 'next'\n");
    world.order("next", &json!([["get", "k"], ["delete", "k"], ["get", "k"]]));
    let findings = world.findings("next", "review-request", 1);
    assert_eq!(findings["hooks"]["review-request"]["same"], 1, "{findings}");
    assert!(said("get: Ok(Some((\"kept\",") && said("delete: Ok(true)"), "{}", world.log_of("next"));
    assert_eq!(world.rows("plugin_value"), 1);
}

#[test]
fn a_decision_of_a_shadow_decides_nothing() {
    let toml = "mode = 'shadow'\n[settings]\nname = 'next'\n";
    let world = World::with(&[("next", toml, &guest("obedient"))]);
    world.host.data.must(&["plugin", "allow", "next", "--decide"]).unwrap();
    let users = world.host.data.json(&["user", "list"]).unwrap();
    let alice = users.as_array().unwrap().iter().find(|user| user["username"] == "alice").unwrap()["id"].clone();
    let (_, transaction) = world.start();
    let state = || world.host.data.json(&["request", "show", &transaction]).unwrap()["state"].clone();
    let orders = json!([["decide", transaction, alice, "approve"]]);
    world.order("next", &orders);
    let findings = world.findings("next", "review-request", 2);
    assert_eq!(
        (&findings["hooks"]["review-request"]["not_comparable"], &findings["withheld"]["decision"]),
        (&json!(1), &json!(1)),
        "{findings}"
    );
    assert_eq!(findings["acts"][0]["what"], "the decision to approve a request");
    assert!(world.log_of("next").contains("[shadow] decide: Err(Refusal::Unavailable(\"this is a shadow"), "{}", world.log_of("next"));
    assert_eq!(state(), "pending");

    // The same plugin, in earnest.
    world.rewrite("next", "[settings]\nname = 'next'\n");
    world.order("next", &orders);
    assert_eq!(state(), "approved", "{}", world.log_of("next"));
}

#[test]
fn a_shadow_is_not_mounted() {
    let data = Data::new().unwrap();
    fs::create_dir(data.path().join("plugins")).unwrap();
    super::put(&data, "pages", "mode = 'shadow'\n", &guest("serves-pages"));
    let host = data.demo().unwrap();
    host.data.must(&["plugin", "allow", "pages", "--inbound"]).unwrap();
    let to: SocketAddr = host.said("inbound").unwrap().strip_prefix("http://").unwrap().parse().unwrap();
    let status = || Ok(Request::new("POST", "/pages/echo").body("said").send(to)?.status);
    wait_for("it is there", || Ok((host.plugin("pages")?["state"] == "shadow").then_some(()))).unwrap();
    assert_eq!(status().unwrap_or_else(|error: anyhow::Error| panic!("{error}")), 404, "{}", host.log());
    fs::write(host.plugins().join("pages.toml"), "mode = 'enforce'\n").unwrap();
    wait_for("it is mounted", || Ok((status()? != 404).then_some(()))).unwrap();
}
