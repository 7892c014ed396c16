//! Values that plugins keep.

use serde_json::json;

use super::World;

#[test]
fn a_plugin_keeps_values_of_its_own_and_only_when_it_may() {
    let world = World::new("", &["keeper", "thief"]);
    let said = world.tell("keeper", &json!([["set", "k", "v"], ["get", "k"], ["delete", "k"], ["keys", ""]]));
    // Once for the operator, however often it asked.
    assert_eq!(said[0], "refused [not-permitted]: storage. do: ciba-host plugin allow keeper --storage");
    let refused = "Err(Refusal::NotPermitted(\"storage\"))";
    assert_eq!(said[1..], ["set", "get", "delete", "keys"].map(|order| format!("{order}: {refused}")));

    world.allow("keeper", &["--storage"]);
    world.allow("thief", &["--storage"]);
    let said = world.tell("keeper", &json!([["set", "k", "v"], ["get", "k"], ["set", "k", "w", null, 1], ["set", "k", "x", null, 1]]));
    assert_eq!(said, ["set: Ok(Some(1))", "get: Ok(Some((\"v\", 1)))", "set: Ok(Some(2))", "set: Ok(None)"]);
    // Whatever it calls it, another plugin's key is none of its own.
    let said = world.tell(
        "thief",
        &json!([
            ["keys", ""],
            ["get", "k"],
            ["get", "keeper/k"],
            ["get", "../keeper/k"],
            ["delete", "k"],
            ["set", "k", "mine", null, "absent"],
            ["keys", ""]
        ]),
    );
    assert_eq!(
        said,
        ["keys: Ok([])", "get: Ok(None)", "get: Ok(None)", "get: Ok(None)", "delete: Ok(false)", "set: Ok(Some(1))", "keys: Ok([\"k\"])"]
    );
    // What is written is there after the host was killed.
    let World { host, shop: _ } = world;
    let data = host.kill().unwrap();
    let world = World::on(data);
    world.wait_until_it_serves("keeper");
    assert_eq!(world.tell("keeper", &json!([["get", "k"]])), ["get: Ok(Some((\"w\", 2)))"]);
    // A permission that is taken back counts at once.
    world.allow("keeper", &["--storage", "--revoke"]);
    assert_eq!(world.tell("keeper", &json!([["get", "k"]])).last().unwrap(), &format!("get: {refused}"));
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let limits = "[plugins.limits]\nstorage_kib = 64\nstorage_keys = 10\n[plugins.allow.keeper]\nstorage = true";
    let world = World::new(limits, &["keeper"]);
    let (longest, too_long) = ("k".repeat(256), "k".repeat(257));
    for (order, expected) in [
        (json!(["set", longest, "v"]), "Ok(Some("),
        (json!(["delete", longest]), "Ok(true)"),
        (json!(["set", too_long, "v"]), "OverLimit(\"a key has 1 to 256 bytes, and this one 257\")"),
        (json!(["get", ""]), "OverLimit(\"a key has 1 to 256 bytes, and this one 0\")"),
        (json!(["set", "a\nb", "v"]), "Other(\"a key has no control characters\")"),
        (json!(["get", "a\u{0}b"]), "Other(\"a key has no control characters\")"),
        (json!(["keys", "\u{1b}[31m"]), "Other(\"a key has no control characters\")"),
        (json!(["keys", "", "\u{7f}"]), "Other(\"a key has no control characters\")"),
        (json!(["set", "a", 65_537]), "OverLimit(\"a value has at most 65536 bytes, and this one 65537\")"),
        // The key counts too.
        (json!(["set", "a", 65_536]), "OverLimit(\"storage_kib = 64 and storage_keys = 10 of plugins.limits: delete something\")"),
        (json!(["set", "a", 65_535]), "Ok(Some("),
        (json!(["set", "b", ""]), "OverLimit(\"storage_kib = 64"),
        (json!(["delete", "a"]), "Ok(true)"),
        (json!(["fill", "n", 1]), "10, then Refusal::OverLimit(\"storage_kib = 64"),
        (json!(["keys-count", "n"]), "Ok(10)"),
    ] {
        let said = world.tell("keeper", &json!([order])).join("\n");
        assert!(said.contains(expected), "{order}: {said}");
    }
    // Nobody writes to the disk as often as they like. What was written before stays.
    let many: Vec<_> = (0..60).map(|_| json!(["delete", "n0"])).chain((0..41).map(|_| json!(["keys-count", "n"]))).collect();
    let said = world.tell("keeper", &json!([["quiet", many]])).join("\n");
    assert!(said.contains("quiet: 100 of 101, then Err(Refusal::OverLimit(\"100 storage calls in one call of a hook\"))"), "{said}");
}

#[test]
fn what_expires_is_gone_and_a_quota_that_is_full_of_it_is_free() {
    let limits = "[plugins.limits]\nstorage_keys = 1\n[plugins.allow.keeper]\nstorage = true";
    let world = World::new(limits, &["keeper"]);
    let said =
        world.tell("keeper", &json!([["set", "gone", "v", 0], ["get", "gone"], ["keys", ""], ["set", "next", "v", 3600], ["get", "next"]]));
    assert_eq!(said, ["set: Ok(Some(1))", "get: Ok(None)", "keys: Ok([])", "set: Ok(Some(2))", "get: Ok(Some((\"v\", 2)))"]);
}
