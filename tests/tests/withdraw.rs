//! What a plugin sent is taken back when it is of no use any more, and the plugin is told why.

use std::fs;

use ciba_tests::host::{Data, Host, guest, wait_for};
use ciba_tests::party::Client;
use serde_json::{Value, json};

/// The transaction of a request, as soon as its person was notified of it.
fn notified(host: &Host, auth_req_id: &str) -> String {
    let (transaction, _) = auth_req_id.split_once('.').unwrap();
    wait_for("alice is notified", || {
        let shown = host.data.json(&["request", "show", transaction])?;
        Ok((shown["notified"] != json!([])).then_some(()))
    })
    .unwrap();
    transaction.to_owned()
}

/// Why this was taken back: what the plugin was told.
fn why(host: &Host, transaction: &str) -> String {
    let begins = format!("sent for {transaction}, and taken back: ");
    let told = || -> anyhow::Result<Vec<String>> {
        let lines = host.data.json(&["plugin", "log", "inbox"])?;
        let text = |line: &Value| Some(line["text"].as_str()?.strip_prefix(&begins)?.to_owned());
        Ok(lines.as_array().map(|lines| lines.iter().filter_map(text).collect()).unwrap_or_default())
    };
    let told = wait_for("it is taken back", || Ok(Some(told()?).filter(|told| !told.is_empty())));
    let told = told.unwrap_or_else(|error| panic!("{error}\n{}", host.log()));
    assert_eq!(told.len(), 1, "it is taken back once: {told:?}");
    told[0].clone()
}

#[test]
fn a_plugin_takes_back_what_it_sent_and_learns_why() {
    let data = Data::new().unwrap();
    fs::create_dir(data.path().join("plugins")).unwrap();
    fs::copy(guest("withdraws"), data.path().join("plugins/inbox.wasm")).unwrap();
    let host = data.demo().unwrap();
    host.data.must(&["user", "device", "alice", "--channel", "inbox"]).unwrap();
    let metadata = host.data.beside("shop.json");
    fs::write(&metadata, json!({ "supersede": true }).to_string()).unwrap();
    let shop = Client::add(&host, "shop", &["--metadata", metadata.to_str().unwrap()]).unwrap();

    let first = notified(&host, &shop.start("alice").unwrap());
    let second = notified(&host, &shop.start("alice").unwrap());
    assert_eq!(why(&host, &first), "superseded");
    host.data.must(&["request", "approve", &second]).unwrap();
    assert_eq!(why(&host, &second), "approved");
    let third = notified(&host, &shop.start("alice").unwrap());
    host.data.must(&["request", "deny", &third]).unwrap();
    assert_eq!(why(&host, &third), "denied");
    // Long enough to be notified of before it ends.
    let fourth = notified(&host, &shop.start_with("alice", &[("requested_expiry", "4")]).unwrap());
    assert_eq!(why(&host, &fourth), "expired");
}
