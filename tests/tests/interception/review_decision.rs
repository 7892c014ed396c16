//! `review-decision`: what a person answers counts when the plugins let it.

use ciba_tests::host::Data;
use ciba_tests::party::Phone;
use ciba_tests::wire::Request;
use serde_json::{Value, json};

use super::World;

/// What stands on the card of an answer that could not be reviewed.
const TRY_AGAIN: &str = "Please answer again in a moment.";
/// What stands on every card whose answer does not count.
const NOT_YET: &str = "Your answer does not count yet";

fn reviewing(lines: &[&str]) -> Value {
    json!({ "review-decision": lines })
}

#[test]
fn an_answer_is_reviewed_before_it_counts() {
    for (case, more, line, answer, status, state, says) in [
        ("one that allows", "", "", "approve", 200, "approved", "Approved."),
        ("one that allows a denial", "", "", "deny", 200, "denied", "Denied."),
        ("one that denies", "", "deny too late", "approve", 200, "denied", "Denied by the rules of this provider"),
        ("one that denies what was denied", "", "deny too late", "deny", 200, "denied", "Denied."),
        ("one that asks again", "", "ask-again Call <b>us</b> first.", "approve", 409, "pending", "Call &#60;b&#62;us&#60;/b&#62; first."),
        ("one that asks again for a denial", "", "ask-again Say why.", "deny", 409, "pending", "Say why."),
        ("one that asks again without a word", "", "ask-again \n", "approve", 409, "pending", TRY_AGAIN),
        ("one that fails", "", "fail no rules", "approve", 409, "pending", TRY_AGAIN),
        ("one that traps", "", "trap", "approve", 409, "pending", TRY_AGAIN),
        ("one that is slow", "", "slow", "approve", 409, "pending", TRY_AGAIN),
        ("one of a later contract", "", "other maybe", "approve", 409, "pending", TRY_AGAIN),
        ("one that fails at a denial", "", "trap", "deny", 200, "denied", "Denied."),
        ("one that fails open", "fail = \"open\"", "fail no rules", "approve", 200, "approved", "Approved."),
        ("one that is slow, and open", "fail = \"open\"", "slow", "approve", 200, "approved", "Approved."),
    ] {
        let world = World::with(&[("rules", more, reviewing(&[line]))]);
        let alice = Phone::of(&world.host, "alice").unwrap();
        let (id, transaction) = world.waits_for(&alice);
        let answered = alice.decide(&transaction, answer).unwrap();
        let log = world.log_of("rules");
        assert_eq!(answered.status, status, "{case}: {}\n{log}", answered.text());
        assert!(answered.text().contains(says), "{case}: {}", answered.text());
        assert_eq!(answered.text().contains(NOT_YET), status == 409, "{case}: {}", answered.text());
        assert_eq!(world.state_of(&transaction), state, "{case}");
        let polled = world.shop.poll(&id).unwrap();
        let expected = match state {
            "approved" => None,
            "denied" => Some("access_denied"),
            _ => Some("authorization_pending"),
        };
        assert_eq!(polled.json()["error"].as_str(), expected, "{case}: {}", polled.text());
        // The reason is the operator's to read, and theirs alone.
        assert!(!answered.text().contains("too late") && !polled.text().contains("too late"), "{case}");
        assert_eq!(world.host.log().contains("too late"), line.starts_with("deny"), "{case}");
    }
}

#[test]
fn a_plugin_sees_who_answers_what_how_and_where() {
    let config = "[authenticators]\norder = ['page', 'key']\n[authenticators.device_page]\nacr = 'page'\namr = ['user']\n";
    let world = World::configured(config, &[("rules", "", reviewing(&[]))]);
    let alice = Phone::of(&world.host, "alice").unwrap();
    let (_, transaction) = world.waits_for(&alice);
    assert_eq!(alice.decide(&transaction, "approve").unwrap().status, 200);
    let log = world.log_of("rules");
    let said = log.lines().find(|line| line.starts_with("review-decision: Some(")).unwrap_or_else(|| panic!("{log}"));
    assert!(said.contains("says approve on Some(") && said.contains("with Some(\"page\") [\"user\"] at 1"), "{said}");
    // Who only tries, and may not answer, is nothing to ask a plugin about.
    assert_eq!(alice.decide(&transaction, "deny").unwrap().status, 409, "decided twice");
    world.host.data.must(&["user", "add", "bob"]).unwrap();
    let bob = Phone::of(&world.host, "bob").unwrap();
    let (_, transaction) = world.waits_for(&alice);
    assert_eq!(bob.decide(&transaction, "approve").unwrap().status, 404);
    assert_eq!(world.log_of("rules").matches("review-decision:").count(), 1, "{}", world.log_of("rules"));
}

#[test]
fn without_plugins_an_answer_counts_at_once() {
    let world = World::with(&[]);
    let alice = Phone::of(&world.host, "alice").unwrap();
    let (_, transaction) = world.waits_for(&alice);
    assert_eq!(alice.decide(&transaction, "approve").unwrap().status, 200);
    assert_eq!(world.state_of(&transaction), "approved");
}

#[test]
fn of_several_plugins_the_strictest_counts_and_each_is_asked() {
    for (case, first, second, third, status, says) in [
        ("deny", "ask-again First.", "deny no", "", 200, "Denied by the rules of this provider"),
        ("deny beside a failure", "trap", "", "deny no", 200, "Denied by the rules of this provider"),
        ("the first that asks again", "", "ask-again Second.", "ask-again Third.", 409, "Second."),
        ("asking again beside a failure", "trap", "", "ask-again Third.", 409, "Third."),
        ("a failure", "", "trap", "", 409, TRY_AGAIN),
        ("none", "", "", "", 200, "Approved."),
    ] {
        // By order, not by name.
        let plugins =
            [("c", "order = 1", reviewing(&[first])), ("b", "order = 2", reviewing(&[second])), ("a", "order = 3", reviewing(&[third]))];
        let world = World::with(&plugins);
        let alice = Phone::of(&world.host, "alice").unwrap();
        let (_, transaction) = world.waits_for(&alice);
        let answered = alice.decide(&transaction, "approve").unwrap();
        assert_eq!(answered.status, status, "{case}: {}", answered.text());
        assert!(answered.text().contains(says), "{case}: {}", answered.text());
        for plugin in ["a", "b", "c"] {
            assert!(world.log_of(plugin).contains("review-decision:"), "{case}: {plugin} was not asked");
        }
    }
}

#[test]
fn whoever_has_no_javascript_reads_the_same_on_the_whole_page() {
    for (line, says) in [("ask-again Call us first.", "Call us first."), ("trap", TRY_AGAIN)] {
        let world = World::with(&[("rules", "", reviewing(&[line]))]);
        let alice = Phone::of(&world.host, "alice").unwrap();
        let (_, other) = world.waits_for(&alice);
        world.shop.start("alice").unwrap();
        let waiting = ciba_tests::party::waiting_in(&alice.check().unwrap());
        let second = waiting.iter().find(|transaction| **transaction != other).unwrap();
        let page = alice.decide_by_hand(second, "approve").unwrap();
        assert_eq!(page.status, 409, "{}", page.text());
        let (before, card) = page.text().split_once(&format!("id=\"card-{second}\"")).map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let card = card.split("</details>").next().unwrap().to_owned();
        assert!(before.starts_with("<!doctype html>") && card.contains(says) && card.contains(NOT_YET), "{}", page.text());
        assert_eq!(page.text().matches(NOT_YET).count(), 1, "only at the one that was answered");
        // It stands open, so that it is read.
        assert!(card.split('>').next().unwrap().trim_end().ends_with(" open"), "{card}");
        // It says so once: what is shown later is a request that waits.
        assert!(!alice.cards().unwrap().contains(NOT_YET));
    }
    // What counts leads to the list, as ever.
    let world = World::with(&[("rules", "", reviewing(&[]))]);
    let alice = Phone::of(&world.host, "alice").unwrap();
    let (_, transaction) = world.waits_for(&alice);
    let answered = alice.decide_by_hand(&transaction, "approve").unwrap();
    assert_eq!((answered.status, answered.header("location")), (303, Some("/device")));
}

#[test]
fn a_denial_by_a_plugin_stands_in_the_history_as_that() {
    let world = World::with(&[("rules", "", reviewing(&["deny too late"]))]);
    let alice = Phone::of(&world.host, "alice").unwrap();
    let (_, transaction) = world.waits_for(&alice);
    assert_eq!(alice.decide(&transaction, "approve").unwrap().status, 200);
    let history = alice.send(Request::get("/device/history")).unwrap().text();
    assert!(history.contains("by the rules of this provider") && !history.contains("on <bdi dir=\"auto\">Test phone"), "{history}");
    // What was denied stays so: whatever is answered after it finds a request that is decided.
    assert_eq!(alice.decide(&transaction, "approve").unwrap().status, 409);
    assert_eq!(world.state_of(&transaction), "denied");
}

#[test]
fn of_two_answers_that_are_reviewed_at_the_same_time_one_counts() {
    // Both are with the slow plugin at the same time, which is passed over then.
    let world = World::with(&[("rules", "fail = \"open\"", reviewing(&["slow"]))]);
    let alice = Phone::of(&world.host, "alice").unwrap();
    let (_, transaction) = world.waits_for(&alice);
    let answers = std::thread::scope(|scope| {
        let answers = ["approve", "deny"].map(|answer| scope.spawn(|| alice.decide(&transaction, answer).unwrap().status));
        answers.map(|answer| answer.join().unwrap())
    });
    let state = if answers[0] == 200 { "approved" } else { "denied" };
    assert!(answers == [200, 409] || answers == [409, 200], "{answers:?}");
    assert_eq!(world.state_of(&transaction), state);
}

#[test]
fn what_was_superseded_while_its_answer_was_reviewed_is_not_approved() {
    let world = World::with(&[("rules", "fail = \"open\"", reviewing(&["slow"]))]);
    let metadata = world.host.data.beside("newest.json");
    std::fs::write(&metadata, json!({ "supersede": true }).to_string()).unwrap();
    let newest = ciba_tests::party::Client::add(&world.host, "newest", &["--metadata", metadata.to_str().unwrap()]).unwrap();
    let alice = Phone::of(&world.host, "alice").unwrap();
    newest.start("alice").unwrap();
    let [old] = &*ciba_tests::party::waiting_in(&alice.check().unwrap()) else { panic!("one waits") };
    let status = std::thread::scope(|scope| {
        let answer = scope.spawn(|| alice.decide(old, "approve").unwrap().status);
        let asked = || Ok(world.log_of("rules").contains("review-decision:").then_some(()));
        ciba_tests::host::wait_for("the plugin is asked", asked).unwrap();
        newest.start("alice").unwrap();
        answer.join().unwrap()
    });
    assert_eq!((status, &*world.state_of(old)), (409, "superseded"));
}

#[test]
fn operators_and_programs_that_answer_for_a_person_are_reviewed_too() {
    for (line, says, state) in [
        ("ask-again Call first.", "Call first.", "pending"),
        ("trap", "a plugin that reviews decisions failed", "pending"),
        ("deny too late", "denied", "denied"),
    ] {
        let config = "[conformance]\nautomated_approval = true\nclients = ['shop']\n";
        let world = World::configured(config, &[("rules", "", reviewing(&[line]))]);
        let alice = Phone::of(&world.host, "alice").unwrap();
        let (_, transaction) = world.waits_for(&alice);
        let said = world.host.data.run(&["request", "approve", &transaction]).unwrap();
        assert_eq!(said.status.success(), state == "denied", "{line}: {}{}", said.output, said.error);
        assert!(format!("{}{}", said.output, said.error).contains(says), "{line}: {}{}", said.output, said.error);
        assert_eq!(world.state_of(&transaction), state, "{line}");
        if state == "denied" {
            let audit = audit_of(&world.host.data, &transaction);
            assert_eq!(audit, ["request approve, denied by the plugin rules"]);
        }

        let id = world.shop.start("alice").unwrap();
        let address = format!("/conformance/decide?auth_req_id={id}&action=allow");
        let answer = world.host.send(&Request::new("POST", &address)).unwrap();
        let polled = world.shop.poll(&id).unwrap().json()["error"].clone();
        let (status, error) = match line {
            "trap" => (503, "authorization_pending"),
            "deny too late" => (204, "access_denied"),
            _ => (400, "authorization_pending"),
        };
        assert_eq!((answer.status, polled), (status, json!(error)), "{line}: {}", answer.text());
    }
}

/// What was written of this request.
fn audit_of(data: &Data, transaction: &str) -> Vec<String> {
    let database = rusqlite::Connection::open(data.path().join("ciba.db")).unwrap();
    let mut statement = database.prepare("SELECT what FROM audit WHERE about = ?1 ORDER BY id").unwrap();
    statement.query_map([transaction], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_phone_that_was_taken_away_while_its_answer_was_reviewed_answers_nothing() {
    let world = World::with(&[("rules", "fail = \"open\"", reviewing(&["slow"]))]);
    let (stolen, kept) = (Phone::of(&world.host, "alice").unwrap(), Phone::of(&world.host, "alice").unwrap());
    let (_, transaction) = world.waits_for(&stolen);
    let status = std::thread::scope(|scope| {
        let answer = scope.spawn(|| stolen.decide(&transaction, "approve").unwrap().status);
        let asked = || Ok(world.log_of("rules").contains("review-decision:").then_some(()));
        ciba_tests::host::wait_for("the plugin is asked", asked).unwrap();
        stolen.send(Request::form("/device/remove", &[])).unwrap();
        answer.join().unwrap()
    });
    assert_eq!((status, &*world.state_of(&transaction)), (409, "pending"));
    assert_eq!(kept.decide(&transaction, "deny").unwrap().status, 200);
}
