//! Mode and order by command, over what files say; and the audit log.

use ciba_tests::host::{steady, wait_for};
use serde_json::{Value, json};

use super::*;

/// Who was asked first of `rules` and `second`: each says what it knows of when it was asked.
fn first(world: &World) -> String {
    // A refusal ends the round, and only who was asked says that it refused.
    for plugin in ["rules", "second"] {
        let calls = |name: &str| world.host.plugin(name).unwrap()["counters"]["calls"].as_u64().unwrap();
        let other = if plugin == "rules" { "second" } else { "rules" };
        let before = calls(other);
        assert_eq!(world.tell(plugin, &json!([["fail"]])), 503);
        // Whoever comes after one that failed is not asked.
        if calls(other) == before {
            return plugin.to_owned();
        }
    }
    panic!("neither comes first")
}

#[test]
fn an_order_that_was_set_changes_who_is_asked_first_until_it_is_taken_back() {
    let world = World::new("order = 10");
    put(&world.host.data, "second", "order = 20");
    world.wait_for_state("second", "serving");
    assert_eq!(first(&world), "rules");

    let digest = world.host.plugin("second").unwrap()["digest"].clone();
    let set = world.run(&["plugin", "set", "second", "--order", "5"]);
    let order = &set["said"]["order"];
    assert_eq!((&order["is"], &order["file"], &order["by"]), (&json!(5), &json!(20), &json!("operator")), "{set}");
    assert_eq!(first(&world), "second", "at once");
    assert_eq!(world.host.plugin("second").unwrap()["digest"], digest);
    let said = world.host.data.must(&["plugin", "show", "second"]).unwrap();
    assert!(said.contains("order      5, set by operator at 20") && said.contains("; its file says 20\n"), "{said}");

    // A restart keeps it, and so does another file.
    let world = world.restarted();
    world.wait_for_state("second", "serving");
    assert_eq!(first(&world), "second", "after a restart");
    put(&world.host.data, "second", "order = 30");
    wait_for("the file is taken", || Ok((world.host.plugin("second")?["said"]["order"]["file"] == 30).then_some(()))).unwrap();
    assert_eq!(first(&world), "second", "with another file");

    let back = world.run(&["plugin", "set", "second", "--as-file"]);
    assert_eq!((&back["said"]["order"]["is"], &back["said"]["order"]["by"]), (&json!(30), &Value::Null), "{back}");
    assert_eq!(first(&world), "rules", "taken back");
    let done: Vec<(String, String, String)> = world.audit("plugin set");
    let act = |about: &str| ("operator".to_owned(), "plugin set".to_owned(), about.to_owned());
    assert_eq!(done, [act("second set as its file says"), act("second set to order 5")]);
}

#[test]
fn turned_off_it_is_not_asked_and_turned_on_again_there_is_what_there_was() {
    let world = World::new("");
    let calls = |world: &World| world.host.plugin("rules").unwrap()["counters"]["calls"].as_u64().unwrap();
    let off = world.run(&["plugin", "set", "rules", "--mode", "off"]);
    assert_eq!((&off["state"], &off["version"], &off["said"]["mode"]["is"]), (&json!("off"), &Value::Null, &json!("off")), "{off}");
    assert!(off["message"].as_str().unwrap().contains("turned off by operator"), "{off}");
    assert_eq!(world.tell("rules", &json!([["fail"]])), 200, "it is not asked");
    assert_eq!(calls(&world), 0);
    let history = world.run(&["plugin", "history", "rules"]);
    assert!(history[0]["until"].is_string(), "{history}");

    // A restart keeps that. Files that come meanwhile are tried, and wait with it.
    let world = world.restarted();
    world.wait_for_state("rules", "off");
    put(&world.host.data, "rules", "order = 7");
    wait_for("the file is taken", || Ok((world.host.plugin("rules")?["said"]["order"]["file"] == 7).then_some(()))).unwrap();
    assert_eq!(world.tell("rules", &json!([["fail"]])), 200, "it is still not asked");
    assert_eq!(world.host.plugin("rules").unwrap()["state"], "off");

    let on = world.run(&["plugin", "set", "rules", "--mode", "enforce"]);
    assert_eq!((&on["said"]["mode"]["is"], &on["said"]["order"]["is"]), (&json!("enforce"), &json!(7)), "{on}");
    assert_eq!(world.tell("rules", &json!([["fail"]])), 503, "it is asked at once");
    let history = world.run(&["plugin", "history", "rules"]);
    assert_eq!((history.as_array().unwrap().len(), &history[0]["until"]), (2, &Value::Null), "{history}");
    let abouts: Vec<_> = world.audit("rules").into_iter().map(|(who, what, about)| format!("{who}: {what}: {about}")).collect();
    let says = |words: &str| abouts.iter().position(|line| line.contains(words)).unwrap_or_else(|| panic!("no `{words}`: {abouts:#?}"));
    assert!(says("operator: plugin set: rules set to mode enforce") < says("turned off by command"), "{abouts:#?}");
    assert!(says("turned off by command") < says("operator: plugin set: rules set to mode off"), "{abouts:#?}");
}

#[test]
fn a_shadow_by_command_is_asked_and_nothing_that_it_wants_is_done() {
    let world = World::new("");
    world.run(&["plugin", "allow", "rules", "--storage"]);
    let shadow = world.run(&["plugin", "set", "rules", "--mode", "shadow"]);
    assert_eq!((&shadow["state"], &shadow["said"]["mode"]["file"]), (&json!("shadow"), &json!("enforce")), "{shadow}");
    let calls = || world.host.plugin("rules").unwrap()["counters"]["calls"].as_u64().unwrap();
    assert_eq!(world.tell("rules", &json!([["set", "a", "b"], ["fail"]])), 200, "its answer counts for nothing");
    wait_for("it was asked", || Ok((calls() == 1).then_some(()))).unwrap();
    // And back: with what it keeps as it was.
    assert_eq!(world.run(&["plugin", "set", "rules", "--as-file"])["state"], "serving");
    assert_eq!(world.tell("rules", &json!([["get", "a"]])), 200);
    let log = world.log_of("rules");
    assert_eq!(log.last().unwrap(), "get: Ok(None)", "{log:?}");
    assert_eq!(world.tell("rules", &json!([["fail"]])), 503, "its answers count");
}

#[test]
fn a_word_stands_over_a_file_that_says_off_and_gives_way_to_it_again() {
    let world = World::new("");
    put(&world.host.data, "rules", "mode = \"off\"");
    world.wait_for_state("rules", "off");
    let on = world.run(&["plugin", "set", "rules", "--mode", "enforce"]);
    assert_eq!((&on["said"]["mode"]["is"], &on["said"]["mode"]["file"]), (&json!("enforce"), &json!("off")), "{on}");
    assert_eq!(world.tell("rules", &json!([["fail"]])), 503, "it is asked at once");
    let world = world.restarted();
    world.wait_for_state("rules", "serving");
    assert_eq!(world.tell("rules", &json!([["fail"]])), 503, "after a restart");
    assert_eq!(world.run(&["plugin", "set", "rules", "--as-file"])["state"], "off");
    assert_eq!(world.tell("rules", &json!([["fail"]])), 200);
    let world = world.restarted();
    world.wait_for_state("rules", "off");
}

#[test]
fn what_is_said_while_nothing_runs_counts_from_the_start() {
    let world = World::new("");
    let data = world.host.stop().unwrap();
    let mistyped = data.run(&["plugin", "set", "ruels", "--mode", "off"]).unwrap();
    assert!(!mistyped.status.success() && mistyped.error.contains("there is no plugin ruels"), "{}", mistyped.error);
    data.json(&["plugin", "set", "rules", "--mode", "off", "--order", "3"]).unwrap();
    // What lies in the folder and was never loaded may be spoken of too.
    put(&data, "later", "");
    data.json(&["plugin", "set", "later", "--mode", "off"]).unwrap();
    let world = World::on(data);
    world.wait_for_state("rules", "off");
    world.wait_for_state("later", "off");
    assert_eq!(world.host.plugin("rules").unwrap()["said"]["order"]["is"], 3);
    assert!(world.run(&["plugin", "history", "rules"])[0]["until"].is_string());
    let data = world.host.stop().unwrap();
    data.json(&["plugin", "set", "rules", "--as-file"]).unwrap();
    let world = World::on(data);
    world.wait_for_state("rules", "serving");
    assert!(world.run(&["plugin", "history", "rules"])[0]["until"].is_null());
    assert_eq!(world.tell("rules", &json!([["fail"]])), 503);
}

#[test]
fn what_was_rolled_back_is_still_there_after_off_and_on() {
    let world = World::new("");
    for number in [1, 2] {
        fs::write(world.host.plugins().join("inbox.wasm"), steady(number)).unwrap();
        let serves = || Ok((world.host.plugin("inbox")?["version"] == format!("{number:04}")).then_some(()));
        wait_for("it serves", serves).unwrap();
    }
    assert_eq!(world.run(&["plugin", "rollback", "inbox"])["version"], "0001");
    world.run(&["plugin", "set", "inbox", "--mode", "off"]);
    // Something else is looked at meanwhile: what was set aside would be, too.
    put(&world.host.data, "later", "");
    world.wait_for_state("later", "serving");
    let world = world.restarted();
    world.wait_for_state("inbox", "off");
    let on = world.run(&["plugin", "set", "inbox", "--as-file"]);
    assert_eq!(on["version"], "0001", "{}", world.host.log());
    assert!(on["rolled_back"].is_string(), "{on}");
    // Who rolls back while it is off is told so.
    world.run(&["plugin", "set", "inbox", "--mode", "off"]);
    let history = world.run(&["plugin", "history", "inbox"]);
    let newer = history.as_array().unwrap().iter().find(|line| line["version"] == "0002").unwrap()["digest"].as_str().unwrap();
    let said = world.host.data.must(&["plugin", "rollback", "inbox", "--to", newer]).unwrap();
    assert!(said.contains("is turned off, and when it is turned on it serves 0002"), "{said}");
    assert_eq!(world.run(&["plugin", "set", "inbox", "--as-file"])["version"], "0002");
}

#[test]
fn a_channel_that_was_given_up_is_not_taken_back_from_who_has_it_now() {
    let world = World::new("");
    fs::write(world.host.plugins().join("inbox.wasm"), steady(1)).unwrap();
    world.wait_for_state("inbox", "serving");
    fs::write(world.host.plugins().join("other.wasm"), steady(2)).unwrap();
    world.wait_for_state("other", "refused");
    world.run(&["plugin", "set", "inbox", "--mode", "off"]);
    world.wait_for_state("other", "serving");
    let error = world.refused(&["plugin", "set", "inbox", "--mode", "enforce"]);
    assert!(error.contains("[channel-taken]") && error.contains("other"), "{error}");
    assert_eq!(world.host.plugin("inbox").unwrap()["state"], "off");
    world.run(&["plugin", "set", "other", "--mode", "off"]);
    assert_eq!(world.run(&["plugin", "set", "inbox", "--mode", "enforce"])["version"], "0001");
}

#[test]
fn what_was_refused_for_a_channel_may_be_a_shadow_by_command() {
    let world = World::new("");
    fs::write(world.host.plugins().join("inbox.wasm"), steady(1)).unwrap();
    world.wait_for_state("inbox", "serving");
    fs::write(world.host.plugins().join("other.wasm"), steady(2)).unwrap();
    world.wait_for_state("other", "refused");
    let shadow = world.run(&["plugin", "set", "other", "--mode", "shadow"]);
    assert_eq!((&shadow["state"], &shadow["version"]), (&json!("shadow"), &json!("0002")), "{shadow}");
    let error = world.refused(&["plugin", "set", "other", "--as-file"]);
    assert!(error.contains("[channel-taken]"), "{error}");
    // A channel that falls free brings nothing about: it has been taken already.
    let history = |world: &World| world.run(&["plugin", "history", "other"]).as_array().unwrap().len();
    fs::remove_file(world.host.plugins().join("inbox.wasm")).unwrap();
    world.wait_for_state("inbox", "removed");
    put(&world.host.data, "later", "");
    world.wait_for_state("later", "serving");
    assert_eq!((history(&world), &world.host.plugin("other").unwrap()["state"]), (1, &json!("shadow")));
}

#[test]
fn whoever_stands_beside_a_plugin_that_is_turned_off_or_into_a_shadow_says_so() {
    let world = World::new("");
    put(&world.host.data, "next", "beside = 'rules'\nshare = 10");
    world.wait_for_state("next", "serving");
    let warned = |why: &str| world.host.log().matches(&format!("plugin next [beside]: beside = \"rules\", and {why}")).count();
    for (mode, why) in [("off", "nothing serves under the name rules"), ("shadow", "rules is a shadow")] {
        assert_eq!(warned(why), 0, "{}", world.host.log());
        world.run(&["plugin", "set", "rules", "--mode", mode]);
        wait_for("it is said", || Ok((warned(why) == 1).then_some(()))).unwrap_or_else(|error| panic!("{error}\n{}", world.host.log()));
        world.run(&["plugin", "set", "rules", "--as-file"]);
    }
    fs::remove_file(world.host.plugins().join("rules.wasm")).unwrap();
    let why = "nothing serves under the name rules";
    wait_for("it is said again", || Ok((warned(why) == 2).then_some(()))).unwrap_or_else(|error| panic!("{error}\n{}", world.host.log()));
}

#[test]
fn words_that_make_no_sense_change_nothing() {
    let world = World::new("");
    for (words, said) in [
        (&["plugin", "set", "rules"][..], "--as-file"),
        (&["plugin", "set", "rules", "--as-file", "--order", "1"], "cannot be used with"),
        (&["plugin", "set", "rules", "--mode", "maybe"], "enforce, shadow, off"),
        (&["plugin", "set", "rules", "--order", "99999999999"], "99999999999"),
        (&["plugin", "set", "nobody", "--mode", "off"], "there is no plugin nobody"),
        (&["audit", "--since", "yesterday"], "is no time"),
    ] {
        let error = world.refused(words);
        assert!(error.contains(said), "{words:?}: {error}");
    }
    assert!(world.audit("plugin set").is_empty());
}

#[test]
fn what_files_bring_about_is_in_the_audit_log_with_when() {
    let world = World::new("");
    fs::write(world.host.plugins().join("rules.wasm"), "no component").unwrap();
    wait_for("it is refused", || Ok((world.host.plugin("rules")?["state"] == "refused").then_some(()))).unwrap();
    fs::remove_file(world.host.plugins().join("rules.wasm")).unwrap();
    wait_for("it is gone", || Ok((world.host.plugin("rules")?["state"] == "removed").then_some(()))).unwrap();
    let lines = || world.audit("rules").into_iter().filter(|(who, ..)| who == "file").map(|(_, what, about)| format!("{what}: {about}"));
    wait_for("all is written", || Ok((lines().count() == 3).then_some(()))).unwrap();
    let lines: Vec<_> = lines().collect();
    for (line, begins) in
        lines.iter().zip(["plugin stopped: rules: its file was removed", "plugin refused: rules [", "plugin serving: rules 1.0.0 "])
    {
        assert!(line.starts_with(begins), "{begins}: {lines:#?}");
    }
    let table = world.host.data.must(&["audit", "--since", "1h", "--limit", "2"]).unwrap();
    assert!(table.starts_with("WHEN") && table.lines().count() == 3 && table.contains("plugin stopped"), "{table}");
    assert_eq!(world.host.data.must(&["audit", "--since", "2999-01-01T00:00Z"]).unwrap(), "Nothing.\n");
}
