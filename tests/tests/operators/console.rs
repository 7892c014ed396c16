//! The console's forms, without a browser: who may send them, and what they do. How they look and feel is for `browser.rs`.

use ciba_tests::console::Console;
use ciba_tests::host::{steady, wait_for};
use ciba_tests::wire::Request;
use serde_json::json;

use super::*;

#[test]
fn every_form_needs_who_signed_in_and_a_page_of_this_host() {
    let world = World::new("");
    let console = Console::of(&world.host).unwrap();
    let before = world.audit("");
    for (path, form) in [
        ("/plugins/rules/set", &[("mode", "off")][..]),
        ("/plugins/rules/set", &[("order", "5")]),
        ("/plugins/rules/set", &[("as_file", "true")]),
        ("/plugins/rules/allow", &[("permission", "storage")]),
        ("/plugins/rules/rollback", &[("to", "0000")]),
    ] {
        let strange = console.sends(path, form).without_header("origin").header("origin", "https://evil.example");
        assert_eq!(strange.send(world.host.admin).unwrap().status, 403, "{path} {form:?} from another page");
        let unknown = console.sends(path, form).without_header("cookie").send(world.host.admin).unwrap();
        assert_eq!((unknown.status, unknown.header("location")), (303, Some("/")), "{path} {form:?} without a session");
    }
    for path in ["/audit", "/plugins/rules"] {
        assert_eq!(Request::get(path).send(world.host.admin).unwrap().status, 303, "{path} without a session");
    }
    assert_eq!(world.audit(""), before);
}

#[test]
fn what_the_console_does_counts_at_once_and_is_said_to_be_done_there() {
    let world = World::new("");
    let console = Console::of(&world.host).unwrap();
    let send = |path: &str, form: &[(&str, &str)]| {
        let answer = console.sends(path, form).send(world.host.admin).unwrap();
        (answer.status, answer.text())
    };
    // A permission that is taken away stops the next host call, in the middle of a call too.
    assert_eq!(send("/plugins/rules/allow", &[("permission", "storage")]).0, 303);
    std::thread::scope(|scope| {
        let calling = scope.spawn(|| world.tell("rules", &json!([["set", "a", "b"], ["until-refused", "a"]])));
        let begun = || Ok(world.log_of("rules").iter().any(|line| line.starts_with("set: Ok")).then_some(()));
        wait_for("it keeps a value", begun).unwrap();
        assert_eq!(send("/plugins/rules/allow", &[("permission", "storage"), ("revoke", "true")]).0, 303);
        assert_eq!(calling.join().unwrap(), 200);
    });
    assert!(
        world.log_of("rules").iter().any(|line| line.starts_with("until-refused: given, then Refusal::NotPermitted")),
        "{:?}",
        world.log_of("rules")
    );

    assert_eq!(send("/plugins/rules/set", &[("mode", "off")]).0, 303);
    assert_eq!(world.tell("rules", &json!([["fail"]])), 200);
    assert_eq!(send("/plugins/rules/set", &[("mode", "enforce"), ("order", " -3 ")]).0, 303);
    assert_eq!(world.tell("rules", &json!([["fail"]])), 503);
    let page = console.text("/plugins/rules").unwrap();
    for words in ["Set by operator (console)", "its file says 100", "script-error 1", "refused 2 times"] {
        assert!(page.contains(words), "no `{words}`: {page}");
    }
    let done = world.audit("operator (console)").into_iter().map(|(_, what, about)| format!("{what}: {about}")).collect::<Vec<_>>();
    assert_eq!(
        done,
        [
            "plugin set: rules set to mode enforce, order -3",
            "plugin set: rules set to mode off",
            "plugin allow --revoke: rules --storage",
            "plugin allow: rules --storage"
        ]
    );
    let page = console.text("/audit?word=--revoke").unwrap();
    assert!(page.contains("plugin allow --revoke") && !page.contains("mode off"), "{page}");
}

#[test]
fn what_cannot_be_done_is_said_and_nothing_is() {
    let world = World::new("");
    let console = Console::of(&world.host).unwrap();
    let before = world.show("rules");
    for (path, form, status, said) in [
        ("/plugins/rules/set", &[("mode", "maybe")][..], 409, "`maybe` is no mode"),
        ("/plugins/rules/set", &[("order", "first")], 409, "write a whole number"),
        ("/plugins/rules/set", &[], 409, "nothing to set"),
        ("/plugins/rules/allow", &[("permission", "everything")], 409, "`everything` cannot be allowed"),
        ("/plugins/rules/allow", &[("permission", "http https://a.example/path")], 409, "cannot be allowed"),
        ("/plugins/rules/rollback", &[("to", "ffffffff")], 409, "no version with the digest"),
        ("/plugins/nobody/set", &[("mode", "off")], 409, "there is no plugin nobody"),
        ("/plugins/no%20name/set", &[("mode", "off")], 404, "There is no plugin called"),
    ] {
        let answer = console.sends(path, form).send(world.host.admin).unwrap();
        assert_eq!(answer.status, status, "{path} {form:?}");
        assert!(answer.text().contains(said), "{path} {form:?}: {}", answer.text());
    }
    assert_eq!(world.show("rules")["said"], before["said"]);
    assert_eq!(world.show("rules")["allowed"], before["allowed"]);
    assert!(world.audit("operator (console)").is_empty());
}

#[test]
fn an_earlier_version_serves_again_by_the_button_beside_it() {
    let world = World::new("");
    for number in [1, 2] {
        fs::write(world.host.plugins().join("inbox.wasm"), steady(number)).unwrap();
        let serves = || Ok((world.host.plugin("inbox")?["version"] == format!("{number:04}")).then_some(()));
        wait_for("it serves", serves).unwrap();
    }
    let console = Console::of(&world.host).unwrap();
    let first = world.run(&["plugin", "history", "inbox"])[1]["digest"].as_str().unwrap().to_owned();
    let answer = console.sends("/plugins/inbox/rollback", &[("to", &first)]).send(world.host.admin).unwrap();
    assert_eq!((answer.status, answer.header("location")), (303, Some("/plugins/inbox")));
    let listed = world.host.plugin("inbox").unwrap();
    assert_eq!((&listed["version"], &listed["digest"]), (&json!("0001"), &json!(first)));
    assert!(listed["rolled_back"].as_str().unwrap().contains("by operator (console)"), "{listed}");
}

#[test]
fn of_one_component_with_several_files_the_button_means_the_line_beside_it() {
    let world = World::new("order = 1");
    // The settings are the same each time: that these are other versions only their files tell.
    for order in [2, 3] {
        put(&world.host.data, "rules", &format!("order = {order}"));
        wait_for("the file is taken", || Ok((world.host.plugin("rules")?["said"]["order"]["file"] == order).then_some(()))).unwrap();
    }
    let console = Console::of(&world.host).unwrap();
    let history = world.run(&["plugin", "history", "rules"]);
    let lines: Vec<&Value> = history.as_array().unwrap().iter().collect();
    assert_eq!(lines.len(), 3, "{history}");
    assert_eq!(console.text("/plugins/rules").unwrap().matches("Roll back to").count(), 2, "all but the one that serves");
    let (digest, first) = (lines[2]["digest"].as_str().unwrap(), lines[2]["since"].as_str().unwrap());
    let send = |since: &str| console.sends("/plugins/rules/rollback", &[("to", digest), ("since", since)]).send(world.host.admin).unwrap();
    assert_eq!(send(first).status, 303);
    assert_eq!(world.host.plugin("rules").unwrap()["said"]["order"]["file"], 1, "the first, and not the newest before");
    // The page is older than what serves now, or than what is kept.
    for (since, said) in [(first, "serves that version already"), ("2001-01-01T00:00:00Z", "is kept of rules"), ("then", "is no time")] {
        let answer = send(since);
        assert!(answer.status == 409 && answer.text().contains(said), "{since}: {}", answer.text());
    }
}
