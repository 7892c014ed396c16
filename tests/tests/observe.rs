//! Plugins that observe are told what happened: all of it, in order, whatever happens to them or to the host.

use std::fs;

use ciba_host::protocol::client::DeliveryMode;
use ciba_tests::host::{Data, Host, guest, wait_for};
use ciba_tests::party::{Client, Phone, waiting_in};
use ciba_tests::receiver::Receiver;
use ciba_tests::secure::Authority;
use ciba_tests::told::{Provider, change, client};
use ciba_tests::wire::Request;
use serde_json::Value;

/// Short, so that a call that never ends is found out soon.
const LIMITS: &str = "[plugins.limits]\nwall_ms = 400\n";

/// Writes what `name` answers to events, without a word for those it hears.
fn script(data: &Data, name: &str, observe: &str) {
    fs::write(data.path().join(format!("plugins/{name}.toml")), format!("[settings]\nobserve = [{observe}]\n")).unwrap();
}

fn install(data: &Data, name: &str, observe: &str) {
    script(data, name, observe);
    fs::copy(guest("scripted"), data.path().join(format!("plugins/{name}.wasm"))).unwrap();
}

fn wait_until_it_serves(host: &Host, name: &str) {
    wait_for("the plugin serves", || Ok(host.plugin(name)?["version"].is_string().then_some(()))).unwrap();
}

/// One event as a plugin logged it, at each try.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    id: u64,
    kind: String,
    transaction: String,
}

/// What this plugin was told, by all hosts that ran here.
fn told(host: &Host, plugin: &str) -> Vec<Told> {
    let log = host.log();
    let lines = log.lines().filter(|line| line.contains(&format!("plugin={plugin}")));
    let told = lines.filter_map(|line| line.split_once(" observe: ")).map(|(_, event)| {
        let mut words = event.split(' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (id, kind, _of, transaction) = (word(), word(), word(), word());
        Told { id: id.parse().unwrap(), kind, transaction }
    });
    told.collect()
}

/// Waits until it has heard of event number `last`; each event once, in the order in which they were first told.
fn heard_up_to(host: &Host, plugin: &str, last: u64) -> Vec<Told> {
    let all = wait_for("the plugin hears of it", || Ok(Some(told(host, plugin)).filter(|all| all.iter().any(|event| event.id == last))));
    let mut once: Vec<Told> = Vec::new();
    for event in all.unwrap_or_else(|error| panic!("{error}: {:?}\n{}", told(host, plugin), host.log())) {
        if !once.contains(&event) {
            once.push(event);
        }
    }
    let ids: Vec<u64> = once.iter().map(|event| event.id).collect();
    assert_eq!(ids, (1..=last).collect::<Vec<_>>(), "{once:?}");
    once
}

/// A world in which alice has a phone and the demo's client asks her.
struct World {
    host: Host,
    phone: Phone,
}

impl World {
    fn new(data: Data) -> Self {
        let host = data.demo().unwrap();
        let phone = Phone::of(&host, "alice").unwrap();
        Self { host, phone }
    }

    /// One authentication from its start to its tokens: three events.
    fn authenticate(&self) {
        let client = Client::demo(&self.host);
        let known = self.phone.waiting().unwrap();
        let id = client.start("alice").unwrap();
        let card = self.phone.next_card(&known).unwrap();
        assert_eq!(self.phone.decide(&card, "approve").unwrap().status, 200);
        let tokens = client.poll(&id).unwrap();
        assert_eq!(tokens.status, 200, "{}", tokens.text());
    }

    fn count(&self, table: &str) -> i64 {
        let database = rusqlite::Connection::open(self.host.data.path().join("ciba.db")).unwrap();
        database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }
}

#[test]
fn every_kind_of_event_is_told_once_and_in_order() {
    let authority = Authority::new();
    let receiver = Receiver::start(&authority).unwrap();
    let mut push = client("push", DeliveryMode::Push, &receiver.url("/push"));
    change(&mut push, |metadata| {
        metadata.supersede = true;
        metadata.grant_types.push("refresh_token".into());
    });
    let provider = Provider::start(&authority, &[push]).unwrap();
    install(&provider.host.data, "watch", "");
    wait_until_it_serves(&provider.host, "watch");
    let waiting = || waiting_in(&provider.phone.check().unwrap());

    provider.start_request("push", &[]).unwrap();
    let old = waiting().remove(0);
    provider.start_request("push", &[]).unwrap();
    let new = waiting().remove(0);
    provider.alice("approve").unwrap();
    let tokens: Value = receiver.wait_for(1 + 1).unwrap().into_iter().find(|one| one.json()["refresh_token"].is_string()).unwrap().json();
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    let refreshed = Request::form("/token", &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]);
    assert_eq!(provider.host.send(&provider.client("push").authenticated(refreshed)).unwrap().status, 200);
    assert_eq!(provider.phone.decide(&new, "report").unwrap().status, 200);
    provider.start_request("push", &[]).unwrap();
    let denied = waiting().remove(0);
    provider.alice("deny").unwrap();
    let poll = Client::add(&provider.host, "poll", &[]).unwrap();
    let id = poll.start("alice").unwrap();
    let polled = waiting().remove(0);
    provider.alice("approve").unwrap();
    assert_eq!(poll.poll(&id).unwrap().status, 200);

    let expected = [
        ("request-started", &old),
        ("request-superseded", &old),
        ("request-started", &new),
        ("request-approved", &new),
        ("tokens-issued", &new),
        ("tokens-issued", &new),
        ("request-reported", &new),
        ("request-started", &denied),
        ("request-denied", &denied),
        ("request-started", &polled),
        ("request-approved", &polled),
        ("tokens-issued", &polled),
    ];
    heard_up_to(&provider.host, "watch", 12);
    let told = told(&provider.host, "watch");
    let told: Vec<_> = told.iter().map(|event| (event.kind.as_str(), &event.transaction)).collect();
    assert_eq!(told, expected);
}

#[test]
fn without_a_plugin_that_observes_nothing_is_written() {
    let world = World::new(Data::new().unwrap());
    world.authenticate();
    assert_eq!((world.count("event"), world.count("observer"), world.count("sqlite_sequence")), (0, 0, 0));
}

#[test]
fn one_that_fails_hears_of_everything_when_it_has_recovered() {
    let world = World::new(Data::with_config(LIMITS).unwrap());
    install(&world.host.data, "watch", "\"fail the collector is away\"");
    wait_until_it_serves(&world.host, "watch");
    for _ in 0..3 {
        world.authenticate();
    }
    wait_for("the first event is tried again", || Ok((told(&world.host, "watch").len() >= 3).then_some(()))).unwrap();
    assert!(told(&world.host, "watch").iter().all(|event| event.id == 1), "what came later did not wait");
    script(&world.host.data, "watch", "");
    heard_up_to(&world.host, "watch", 9);
}

#[test]
fn what_was_committed_before_a_kill_is_told_after_it() {
    let world = World::new(Data::with_config(LIMITS).unwrap());
    // It hears of nothing for as long as this host lives.
    install(&world.host.data, "watch", "\"slow\"");
    wait_until_it_serves(&world.host, "watch");
    for _ in 0..3 {
        world.authenticate();
    }
    let data = world.host.kill().unwrap();
    script(&data, "watch", "");
    let host = data.demo().unwrap();
    let told = heard_up_to(&host, "watch", 9);
    assert_eq!(told[8].kind, "tokens-issued");
    // Where it stands is written when the host stops: nothing is told twice by one that was stopped in good order.
    let told = self::told(&host, "watch").len();
    let host = host.stop().unwrap().demo().unwrap();
    let world = World { phone: Phone::of(&host, "alice").unwrap(), host };
    world.authenticate();
    heard_up_to(&world.host, "watch", 12);
    assert_eq!(self::told(&world.host, "watch").len(), told + 3);
}

#[test]
fn one_that_was_away_hears_of_what_it_missed() {
    let world = World::new(Data::new().unwrap());
    install(&world.host.data, "watch", "");
    wait_until_it_serves(&world.host, "watch");
    world.authenticate();
    heard_up_to(&world.host, "watch", 3);
    fs::remove_file(world.host.plugins().join("watch.wasm")).unwrap();
    wait_for("it is gone", || Ok((world.host.plugin("watch")?["state"] == "removed").then_some(()))).unwrap();
    world.authenticate();
    // Also over a new start.
    let host = world.host.stop().unwrap().demo().unwrap();
    let world = World { phone: world.phone.moved_to(&host), host };
    world.authenticate();
    assert_eq!(told(&world.host, "watch").len(), 3);
    install(&world.host.data, "watch", "");
    heard_up_to(&world.host, "watch", 9);
    assert_eq!(told(&world.host, "watch").len(), 9, "nothing was told twice");
}

#[test]
fn a_slow_one_holds_up_nobody() {
    // Its first call takes longer than everything here.
    let world = World::new(Data::with_config("[plugins.limits_of.slow]\nwall_ms = 600000\n").unwrap());
    install(&world.host.data, "slow", "\"slow\"");
    install(&world.host.data, "watch", "");
    wait_until_it_serves(&world.host, "slow");
    wait_until_it_serves(&world.host, "watch");
    for _ in 0..5 {
        // Its notification, its decision and its tokens.
        world.authenticate();
    }
    heard_up_to(&world.host, "watch", 15);
    heard_up_to(&world.host, "slow", 1);
    assert_eq!(told(&world.host, "slow").iter().map(|event| event.id).collect::<Vec<_>>(), [1], "it was not slow: this shows nothing");
}
