//! A share of transactions goes to the new version, and each transaction with all of its hooks.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use ciba_tests::host::guest;
use ciba_tests::party::{Phone, claims};
use ciba_tests::wire::Request;
use serde_json::json;

use super::World;

/// Each says at every hook who it is.
fn script(name: &str, expires: u32) -> String {
    format!(
        "[settings]\nreview-request = ['expire-within {expires}']\nissue-tokens = ['id-token by \"{name}\"']\n\
         shape-introspection = ['set by \"{name}\"']\nobserve = []\n"
    )
}

fn old() -> String {
    script("rules", 60)
}

fn new(more: &str) -> String {
    format!("beside = 'rules'\n{more}{}", script("next", 90))
}

impl World {
    /// Starts so many requests: of each transaction, who reviewed it.
    fn reviewed(&self, count: usize) -> BTreeMap<String, &'static str> {
        let one = |_| {
            let (status, answer) = self.ask(&[]);
            assert_eq!(status, 200, "{answer}");
            let id = answer["auth_req_id"].as_str().unwrap();
            let by = match answer["expires_in"].as_u64() {
                Some(60) => "rules",
                Some(90) => "next",
                Some(70) => "third",
                _ => "nobody",
            };
            (id.split_once('.').unwrap().0.to_owned(), by)
        };
        (0..count).map(one).collect()
    }

    /// Who logged this of a transaction.
    fn logged(&self, hook: &str, transaction: &str) -> Vec<&'static str> {
        let log = self.host.log();
        let by = |name: &&str| {
            log.lines()
                .any(|line| line.contains(&format!("plugin={name}")) && line.contains(&format!(" {hook}: ")) && line.contains(transaction))
        };
        ["rules", "next"].into_iter().filter(by).collect()
    }
}

fn count(reviewed: &BTreeMap<String, &str>, by: &str) -> usize {
    reviewed.values().filter(|one| **one == by).count()
}

#[test]
fn each_transaction_goes_to_one_of_both_at_every_hook_and_about_its_share_to_the_new_one() {
    let world = World::scripted(&[("rules", &old()), ("next", &new("share = 30\n"))]);
    let listed = world.host.data.must(&["plugin", "list"]).unwrap();
    assert!(listed.contains("next: serving for 30 % of transactions in the place of rules"), "{listed}");
    let reviewed = world.reviewed(200);
    // Of 200 fair draws it is outside of this once in a million.
    let share = count(&reviewed, "next");
    assert!((28..=94).contains(&share) && count(&reviewed, "rules") + share == 200, "{share}");
    for (transaction, by) in &reviewed {
        assert_eq!(world.logged("resolve-hint", transaction), [*by], "{transaction}");
        // Whose place it is hears of everything.
        let expected: &[&str] = if *by == "next" { &["next", "rules"] } else { &["rules"] };
        let heard = || {
            let mut heard = world.logged("observe", transaction);
            heard.sort_unstable();
            Ok(Some(heard).filter(|heard| heard.len() >= expected.len()))
        };
        assert_eq!(ciba_tests::host::wait_for("who is to hear of it does", heard).unwrap(), expected, "{transaction}");
    }
}

#[test]
fn a_transaction_stays_with_the_one_that_had_it_to_its_last_token_and_over_a_restart() {
    let world = World::scripted(&[("rules", &old()), ("next", &new("share = 50\n"))]);
    let phone = Phone::of(&world.host, "alice").unwrap();
    let (mut seen, mut last) = (BTreeMap::new(), None);
    for _ in 0..12 {
        let (status, answer) = world.ask(&[]);
        assert_eq!(status, 200, "{answer}");
        let by = if answer["expires_in"] == 90 { "next" } else { "rules" };
        let id = answer["auth_req_id"].as_str().unwrap().to_owned();
        world.approve(&phone, id.split_once('.').unwrap().0);
        let tokens = world.shop.poll(&id).unwrap();
        assert_eq!(claims(&tokens)["by"], by, "{}", tokens.text());
        let introspect = Request::form("/introspect", &[("token", tokens.json()["access_token"].as_str().unwrap())]);
        assert_eq!(world.host.send(&world.shop.authenticated(introspect.clone())).unwrap().json()["by"], by);
        *seen.entry(by).or_insert(0) += 1;
        last = Some((introspect, by));
    }
    assert_eq!(seen.len(), 2, "one of them had all: {seen:?}");
    let (introspect, by) = last.unwrap();
    let (shop, data) = (world.shop, world.host.stop().unwrap());
    let host = data.demo().unwrap();
    assert_eq!(host.send(&shop.authenticated(introspect)).unwrap().json()["by"], by);
}

#[test]
fn shares_have_edges() {
    let world = World::scripted(&[("rules", &old()), ("next", &new("share = 100\n"))]);
    let who = |count: usize| world.reviewed(count).into_values().collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>();
    assert_eq!(who(20), ["next"], "all of them");
    // A second one has what is left by the first: nothing, or all of the rest.
    world.rewrite("next", &new("share = 40\norder = 1\n"));
    super::put(&world.host.data, "third", &format!("beside = 'rules'\nshare = 100\n{}", script("third", 70)), &guest("scripted"));
    world.wait_for_state("third", |plugin| plugin["version"].is_string());
    assert_eq!(who(60), ["next", "third"]);
    // One without another beside it is asked about its share, and nobody about the rest.
    for name in ["rules", "third"] {
        fs::write(world.host.plugins().join(format!("{name}.toml")), "mode = 'off'\n").unwrap();
        world.wait_for_state(name, |plugin| plugin["state"] == "off");
    }
    assert_eq!(who(60), ["next", "nobody"]);
    world.rewrite("next", &format!("share = 50\n{}", script("next", 90)));
    assert_eq!(who(60), ["next", "nobody"]);
}

#[test]
fn a_hook_that_the_new_one_does_not_serve_is_nobodys_for_its_share() {
    let toml = "beside = 'rules'\nshare = 50\n[settings]\nname = 'next'\n";
    let world = World::with(&[("rules", &old(), &guest("scripted")), ("next", toml, &guest("obedient"))]);
    let listed = world.host.data.must(&["plugin", "list"]).unwrap();
    let says = "serving for 50 % of transactions in the place of rules, without issue-tokens, observe, register-client, resolve-hint";
    assert!(listed.contains(says), "{listed}");
    let phone = Phone::of(&world.host, "alice").unwrap();
    let mut seen = BTreeMap::new();
    for _ in 0..12 {
        let (_, answer) = world.ask(&[]);
        let id = answer["auth_req_id"].as_str().unwrap().to_owned();
        world.approve(&phone, id.split_once('.').unwrap().0);
        let by = claims(&world.shop.poll(&id).unwrap())["by"].clone();
        assert_eq!(by == "rules", answer["expires_in"] == 60, "a mixture of both: {by}, {answer}");
        *seen.entry(by.to_string()).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
}

#[test]
fn a_shadow_may_be_asked_about_a_share_as_well() {
    let world = World::scripted(&[("rules", &old()), ("next", &new("mode = 'shadow'\nshare = 50\n"))]);
    world.reviewed(100);
    // It is asked after the answer that counts: with the last of a hundred others it is at its end.
    world.rewrite("next", &new("mode = 'shadow'\nshare = 100\n"));
    let log = world.host.log();
    let asked = log.lines().filter(|line| line.contains("[shadow] review-request: ")).count();
    assert!((20..=80).contains(&asked), "{asked}");
}

#[test]
fn two_notify_on_one_channel_by_turns_and_each_takes_back_its_own() {
    let component = guest("withdraws");
    let world = World::with(&[("rules", "", &component), ("next", "beside = 'rules'\nshare = 50\n", &component)]);
    world.host.data.must(&["user", "device", "alice", "--channel", "inbox"]).unwrap();
    let mut seen = BTreeMap::new();
    for _ in 0..16 {
        let (_, transaction) = world.start();
        let notified = ciba_tests::host::wait_for("alice is notified", || {
            let shown = world.host.data.json(&["request", "show", &transaction])?;
            Ok(shown["notified"].as_array().filter(|notified| !notified.is_empty()).cloned())
        })
        .unwrap();
        let by = notified[0]["plugin"].as_str().unwrap().to_owned();
        assert_eq!(notified.len(), 1);
        world.host.data.must(&["request", "deny", &transaction]).unwrap();
        let taken = format!("sent for {transaction}, and taken back: denied");
        ciba_tests::host::wait_for("it is taken back", || Ok(world.log_of(&by).contains(&taken).then_some(()))).unwrap();
        *seen.entry(by).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 2, "one of them had all: {seen:?}");

    // Whoever stands beside nobody there is refused, as ever.
    super::put(&world.host.data, "third", "", &component);
    world.wait_for_state("third", |plugin| plugin["state"] == "refused");
    let third = world.listed("third").unwrap();
    assert!(third["message"].as_str().unwrap().starts_with("[channel-taken]") && third["fix"].to_string().contains("beside = "), "{third}");
}

#[test]
fn a_new_version_goes_from_shadow_to_all_of_it_and_no_request_is_lost() {
    let world = World::scripted(&[("rules", &old()), ("next", &new("mode = 'shadow'\n"))]);
    let done = AtomicBool::new(false);
    let by = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut by: BTreeMap<&str, u32> = BTreeMap::new();
            while !done.load(Ordering::Relaxed) {
                for one in world.reviewed(1).into_values() {
                    *by.entry(one).or_default() += 1;
                }
            }
            by
        });
        for toml in ["share = 10\n", "share = 60\n", "mode = 'shadow'\n", "share = 100\n"] {
            world.rewrite("next", &new(toml));
        }
        // Copied over the old one, and then gone.
        fs::write(world.host.plugins().join("rules.toml"), script("next", 90)).unwrap();
        world.wait_for_state("rules", |plugin| plugin["settings"]["issue-tokens"] == json!(["id-token by \"next\""]));
        fs::remove_file(world.host.plugins().join("next.wasm")).unwrap();
        world.wait_for_state("next", |plugin| plugin["state"] == "removed");
        done.store(true, Ordering::Relaxed);
        asking.join().unwrap()
    });
    assert!(!by.contains_key("nobody"), "a request that neither of them reviewed: {by:?}");
    assert_eq!(world.reviewed(5).into_values().collect::<Vec<_>>(), ["next"; 5]);
}
