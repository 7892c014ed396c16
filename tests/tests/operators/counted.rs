//! What is counted of a plugin.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use ciba_tests::host::{guest, wait_for};
use ciba_tests::party::Phone;
use serde_json::{Value, json};

use super::*;

/// How many calls a hook's histogram has.
fn sum(hook: &Value) -> u64 {
    hook["latency"]["counts"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum()
}

#[test]
fn every_call_is_counted_by_its_hook_and_every_failure_by_its_word() {
    let world = World::new("");
    assert_eq!(world.show("rules")["hooks_called"], json!([]), "its trial is no call");
    for _ in 0..7 {
        assert_eq!(world.tell("rules", &json!([["count"]])), 200);
    }
    let hook = world.counted("review-request");
    assert_eq!((&hook["calls"], sum(&hook), &hook["failures"]), (&json!(7), 7, &json!({})), "{hook}");
    let first = hook["memory"].as_u64().unwrap();
    assert!(first >= 64 << 10 && hook["micros"].as_u64().unwrap() > 0 && hook["p99"].as_u64() >= hook["p50"].as_u64(), "{hook}");

    for (order, word) in [("panic", "trap"), ("fail", "script-error"), ("answer-other", "answer"), ("wait", "time-limit")] {
        assert_eq!(world.tell("rules", &json!([[order]])), 503, "{order}");
        let failures = world.counted("review-request")["failures"].clone();
        assert_eq!(failures[word], 1, "{order}: {failures}");
    }
    assert_eq!(world.tell("rules", &json!([["keep-memory", 20]])), 200);
    let hook = world.counted("review-request");
    assert_eq!((&hook["calls"], sum(&hook)), (&json!(12), 12), "{hook}");
    assert_eq!(hook["failures"].as_object().unwrap().len(), 4, "{hook}");
    assert!(hook["memory"].as_u64().unwrap() >= first + (20 << 20), "the most that a call had: {hook}");
    // The one that waited is where nothing that is quick can be.
    let slow: u64 = hook["latency"]["counts"].as_array().unwrap()[15..].iter().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(slow, 1, "{hook}");
    let counters = &world.host.plugin("rules").unwrap()["counters"];
    assert_eq!((&counters["calls"], &counters["failures"]), (&json!(12), &json!(4)));

    // The same to be read aloud.
    let said = world.host.data.must(&["plugin", "show", "rules"]).unwrap();
    for words in
        ["review-request: 12 calls", "failed [time-limit] once", "50 % took at most", "calls      12", "errors     4", "What served:"]
    {
        assert!(said.contains(words), "no `{words}`:\n{said}");
    }
    assert!(world.refused(&["plugin", "show", "nobody"]).contains("there is no plugin nobody"));
}

#[test]
fn the_limits_of_a_notification_are_counted_by_their_words_too() {
    let world = World::new("");
    let _phone = Phone::of(&world.host, "alice").unwrap();
    let guests = [("loops", "cpu-limit"), ("recurses", "stack-limit"), ("grows", "memory-limit"), ("huge_answer", "size-limit")];
    for (name, word) in guests {
        fs::copy(guest(name), world.host.plugins().join("inbox.wasm")).unwrap();
        world.wait_for_state("inbox", "serving");
        // Where the one before is still asked, this one is too: what failed is tried again when another serves.
        world.shop.start("alice").unwrap();
        let counted = || {
            let report = world.show("inbox");
            let failed = report["hooks_called"].as_array().unwrap().iter().any(|hook| hook["failures"][word].as_u64() > Some(0));
            Ok(failed.then_some(()))
        };
        wait_for(&format!("{name} has failed by {word}"), counted).unwrap_or_else(|error| panic!("{error}\n{}", world.host.log()));
    }
}

#[test]
fn what_is_refused_is_counted_by_the_name_that_allows_it() {
    let world = World::new("");
    assert_eq!(world.tell("rules", &json!([["get", "a"], ["get", "a"], ["decide", "tx", "user", "approve"]])), 200);
    assert_eq!(world.show("rules")["refused"], json!({ "decide": 1, "storage": 2 }));
    let said = world.host.data.must(&["plugin", "show", "rules"]).unwrap();
    assert!(said.contains("refused    storage, 2 times; to allow it: ciba-host plugin allow rules --storage"), "{said}");
    world.run(&["plugin", "allow", "rules", "--storage"]);
    assert_eq!(world.tell("rules", &json!([["get", "a"]])), 200);
    assert_eq!(world.show("rules")["refused"], json!({ "decide": 1, "storage": 2 }));
}

#[test]
fn warm_instances_say_how_many_they_are_and_what_they_hold() {
    let world = World::new("instances = \"warm\"");
    assert_eq!(world.show("rules")["kept"], json!({ "instances": 0, "bytes": 0 }));
    assert_eq!(world.tell("rules", &json!([["count"]])), 200);
    let kept = |report: Value| (report["kept"]["instances"].as_u64().unwrap(), report["kept"]["bytes"].as_u64().unwrap());
    let (instances, little) = kept(world.show("rules"));
    assert!(instances == 1 && little > 0, "{little}");
    assert_eq!(world.tell("rules", &json!([["keep-memory", 20]])), 200);
    let (instances, bytes) = kept(world.show("rules"));
    assert!(instances == 1 && bytes >= little + (20 << 20), "{bytes}");
    // One that traps is kept no longer, and holds nothing.
    assert_eq!(world.tell("rules", &json!([["panic"]])), 503);
    assert_eq!(kept(world.show("rules")), (0, 0));
}

/// `plugin log --follow`, until it is dropped.
struct Following(Child);

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_log_that_is_followed_says_each_line_when_it_is_written() {
    let world = World::new("");
    assert_eq!(world.tell("rules", &json!([["get", "before"]])), 200);
    let mut command = world.host.data.command(&["plugin", "log", "rules", "--follow"]);
    let mut following = Following(command.stdout(Stdio::piped()).spawn().unwrap());
    let (said, lines) = std::sync::mpsc::channel();
    let output = BufReader::new(following.0.stdout.take().unwrap());
    std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| said.send(line)));
    let next = |words: &str| {
        let line = lines.recv_timeout(Duration::from_secs(30)).unwrap_or_else(|error| panic!("{error}: no `{words}`"));
        assert!(line.contains(words), "`{words}` was to come: {line}");
    };
    next("refused [not-permitted]: storage");
    next("get: Err(");
    // And then, one after the other, what was not there when it began; nothing twice.
    for key in ["one", "two"] {
        assert_eq!(world.tell("rules", &json!([["setting", key], ["keep-memory", 1]])), 200);
        next("setting: None");
        next("keep-memory: had");
    }
    // With the host it ends, in good order.
    let _data = world.host.stop().unwrap();
    let ended = following.0.wait().unwrap();
    assert!(ended.success(), "{ended}");
}
