//! Drafts of WASI: `wasi:keyvalue`, `wasi:config` and `wasi:logging` are other names for what there is.

use serde_json::{Value, json};

use super::World;

fn tell(world: &World, orders: Value) -> Vec<String> {
    world.tell("drafts", &orders)
}

#[test]
fn key_value_is_the_plugins_storage_with_its_permission_and_its_quota() {
    let world = World::with_drafts(
        "[plugins.limits]\nstorage_keys = 300\ncpu_ms = 3000\nwall_ms = 30000\n[plugins.allow.neighbour]\nstorage = true\n",
        "",
    );
    let said = tell(&world, json!([["open", ""], ["get", "k"], ["set", "k", "v"], ["increment", "n", "1"], ["get-many", "k"], ["list"]]));
    assert_eq!(said[0], "refused [not-permitted]: storage. do: ciba-host plugin allow drafts --storage");
    assert_eq!(
        said[1..],
        ["open", "get", "set", "increment", "get-many", "list"].map(|order| format!("{order}: Err(Error::AccessDenied)"))
    );

    world.allow("drafts", &["--storage"]);
    let said = tell(
        &world,
        json!([
            ["open", ""],
            ["open", "default"],
            ["open", "neighbour"],
            ["open", "../neighbour"],
            ["set", "k", "v"],
            ["get", "k"],
            ["exists", "k"],
            ["increment", "n", "40"],
            ["increment", "n", "2"],
            ["increment", "k", "1"],
            ["get-many", "n", "none", "k"],
            ["set-many", "a", "1", "b", "2"],
            ["delete-many", "a", "none"],
            ["get-many", "a", "b"],
            ["delete", "k"],
            ["delete", "k"],
            ["exists", "k"],
            ["set", "many", "18446744073709551615"],
            ["increment", "many", "1"],
            ["set", "", "v"],
            ["set", "a\nb", "v"],
            ["cursor", "0"],
            ["cursor", "18446744073709551615"]
        ]),
    );
    let no_such_store = "open: Err(Error::NoSuchStore)";
    let no_such_cursor = "cursor: Err(Error::Other(\"this handle gave no such cursor\"))";
    let expected = [
        "open: Ok(())",
        "open: Ok(())",
        no_such_store,
        no_such_store,
        "set: Ok(())",
        "get: Ok(Some(\"v\"))",
        "exists: Ok(true)",
        "increment: Ok(40)",
        "increment: Ok(42)",
        "increment: Err(Error::Other(\"what is kept there is no number in decimal digits\"))",
        "get-many: Ok([Some(\"n=42\"), None, Some(\"k=v\")])",
        "set-many: Ok(())",
        "delete-many: Ok(())",
        "get-many: Ok([None, Some(\"b=2\")])",
        "delete: Ok(())",
        "delete: Ok(())",
        "exists: Ok(false)",
        "set: Ok(())",
        "increment: Err(Error::Other(\"the sum is larger than 64 bits\"))",
        "set: Err(Error::Other(\"a key has 1 to 256 bytes, and this one 0\"))",
        "set: Err(Error::Other(\"a key has no control characters\"))",
        no_such_cursor,
        no_such_cursor,
    ];
    assert_eq!(said, expected);
    // Nobody else's, under whatever name.
    let said = world.tell("neighbour", &json!([["keys", ""], ["get", "b"], ["get", "drafts/b"]]));
    assert_eq!(said, ["keys: Ok([])", "get: Ok(None)", "get: Ok(None)"]);

    // In pages, each key once.
    for prefix in ["x", "y"] {
        tell(&world, json!([["fill", prefix, "99"]]));
    }
    tell(&world, json!([["fill", "z", "10"]]));
    assert_eq!(tell(&world, json!([["list"]])), ["list: Ok(([100, 100, 11], true))"]);
    let said = tell(&world, json!([["fill", "full", "99"]]));
    assert_eq!(said, ["fill: Err(Error::Other(\"storage_kib = 1024 and storage_keys = 300 of plugins.limits: delete something\"))"]);
    let many: Vec<String> = ["get-many".to_owned()].into_iter().chain((0..101).map(|number| format!("x{number:04}"))).collect();
    let said = tell(&world, json!([many]));
    assert_eq!(said, ["get-many: Err(Error::Other(\"100 storage calls in one call of a hook\"))"]);

    world.allow("drafts", &["--storage", "--revoke"]);
    assert_eq!(tell(&world, json!([["get", "b"]])).last().unwrap(), "get: Err(Error::AccessDenied)");
}

#[test]
fn many_who_count_at_once_all_count() {
    let world = World::with_drafts("[plugins.allow.drafts]\nstorage = true\n", "");
    let orders: Vec<Value> = (0..5).map(|_| json!(["increment", "n", "1"])).collect();
    let context = json!({ "to": "drafts", "orders": orders }).to_string();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let asked = world.shop.ask(&[("scope", "openid"), ("login_hint", "teller"), ("request_context", &context)]).unwrap();
                assert_eq!(asked.status, 200);
            });
        }
    });
    assert_eq!(tell(&world, json!([["get", "n"]])), ["get: Ok(Some(\"40\"))"], "{:#?}", world.log_of("drafts"));
}

#[test]
fn config_has_the_settings_without_the_secrets_and_logging_is_the_plugins_log() {
    let settings =
        "[settings]\nurl = 'https://a.example'\nmost = 3\non = true\nlist = ['a']\ntoken = 'hush-hush'\n[settings.deep]\nname = 'b'\n";
    let world = World::with_drafts("", settings);
    let said = tell(
        &world,
        json!([["config", "url"], ["config", "deep.name"], ["config", "token"], ["config", "list"], ["config", ""], ["config-all"]]),
    );
    let expected = [
        "config: Ok(Some(\"https://a.example\"))",
        "config: Ok(Some(\"b\"))",
        "config: Ok(None)",
        "config: Ok(None)",
        "config: Ok(None)",
        r#"config-all: Ok([("deep.name", "b"), ("most", "3"), ("on", "true"), ("url", "https://a.example")])"#,
    ];
    assert_eq!(said, expected);
    // What is a secret of its settings is none of the log's, and a line is a line.
    let said = tell(&world, json!([["log", "says hush-hush\nand more"]]));
    assert_eq!(said[..3], ["deep: says [redacted]\\nand more", "says [redacted]\\nand more", "a\\nb: says [redacted]\\nand more"]);
    let lines = world.host.data.json(&["plugin", "log", "drafts"]).unwrap();
    let levels: Vec<&str> = lines.as_array().unwrap().iter().rev().skip(1).take(3).map(|line| line["level"].as_str().unwrap()).collect();
    assert_eq!(levels, ["error", "warn", "debug"]);
}

/// A bucket is the plugin's, so that one that is kept leads to nothing of another call.
#[test]
fn a_bucket_may_be_kept_open_between_calls() {
    let world = World::with_drafts("", "instances = 'warm'\n");
    world.allow("drafts", &["--storage"]);
    tell(&world, json!([["open-and-keep"], ["set", "k", "v"]]));
    assert_eq!(tell(&world, json!([["get-kept", "k"]])), ["get-kept: Ok(Some(\"v\"))"]);
    world.allow("drafts", &["--storage", "--revoke"]);
    assert_eq!(tell(&world, json!([["get-kept", "k"]])), ["get-kept: none"], "an instance from before the permission was taken");
}
