//! Plugins are replaced while 32 clients authenticate: nobody notices, whatever the new file is.
//!
//! `CIBA_SWAP_SECONDS` says for how long at least; the gate runs a minute.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use ciba_tests::cpu::Usage;
use ciba_tests::device::{Device, Phone};
use ciba_tests::host::{Data, Host, guest, sample, steady, wait_for};
use ciba_tests::load::{self, Endpoints, Flow, Round};

const FLOWS: usize = 32;
const REPLACEMENTS: usize = 50;
/// Between the two halves of a file that is written in place.
const BETWEEN_HALVES: Duration = Duration::from_millis(300);

/// What is dropped into the folder under the name that serves.
#[derive(Clone, Copy, Debug)]
enum Drop {
    /// A good version, by `cp`.
    Good,
    /// A good version, over the file that lies there, in two halves.
    InTwoHalves,
    /// A good version, renamed into place.
    Renamed,
    /// Good, but for its second half.
    Truncated,
    OtherWorld,
    /// Its validation finds problems.
    BadSettings,
    TrapsAtDescribe,
    /// It is taken, and traps whenever it is called.
    Traps,
    NotWasm,
    CoreModule,
}

const DROPS: [Drop; 10] = [
    Drop::Good,
    Drop::Truncated,
    Drop::InTwoHalves,
    Drop::OtherWorld,
    Drop::BadSettings,
    Drop::Traps,
    Drop::Renamed,
    Drop::TrapsAtDescribe,
    Drop::NotWasm,
    Drop::CoreModule,
];

fn cp(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
}

/// How often a version began to serve.
fn served(host: &Host, version: &str) -> usize {
    host.log().matches(&format!("plugin inbox: {version} (")).count()
}

/// Drops the file and, where it is to be taken, waits until it serves.
fn replace(host: &Host, number: usize, drop: Drop) {
    let version = match drop {
        Drop::Traps => "1.0.0".to_owned(),
        _ => format!("{number:04}"),
    };
    let before = served(host, &version);
    let (file, beside) = (host.plugins().join("inbox.wasm"), host.data.beside("next.wasm"));
    let good = steady(number);
    match drop {
        Drop::Good => {
            fs::write(&beside, good).unwrap();
            cp(&beside, &file);
        }
        Drop::InTwoHalves => {
            let (first, second) = good.split_at(good.len() / 2);
            let mut open = fs::File::create(&file).unwrap();
            std::io::Write::write_all(&mut open, first).unwrap();
            std::thread::sleep(BETWEEN_HALVES);
            std::io::Write::write_all(&mut open, second).unwrap();
        }
        Drop::Renamed => {
            let unseen = host.plugins().join(".inbox.new");
            fs::write(&unseen, good).unwrap();
            fs::rename(unseen, &file).unwrap();
        }
        Drop::Truncated => fs::write(&file, &good[..good.len() / 2]).unwrap(),
        Drop::OtherWorld => cp(&guest("other-world"), &file),
        Drop::BadSettings => cp(&guest("bad-settings"), &file),
        Drop::TrapsAtDescribe => cp(&guest("traps-at-describe"), &file),
        Drop::Traps => cp(&guest("panics"), &file),
        Drop::NotWasm => fs::write(&file, "this is no plugin").unwrap(),
        Drop::CoreModule => cp(&sample("broken.wasm"), &file),
    }
    if matches!(drop, Drop::Good | Drop::InTwoHalves | Drop::Renamed | Drop::Traps) {
        wait_for(&format!("{drop:?} number {number} serves"), || Ok((served(host, &version) > before).then_some(()))).unwrap();
    }
}

/// Users with a phone each, and a client that authenticates them.
async fn flows(host: &Host) -> Vec<Flow> {
    let endpoints = Endpoints::discover(&host.issuer()).await.unwrap();
    let mut flows = Vec::new();
    for number in 0..FLOWS {
        let user = format!("user{number}");
        host.data.must(&["user", "add", &user]).unwrap();
        let link = host.data.json(&["user", "enrol", &user]).unwrap()["link"].as_str().unwrap().to_owned();
        let phone = Phone::enrol(&link, "phone").await.unwrap();
        flows.push(Flow::new(&endpoints, &user, Device::Ours(phone)).unwrap());
    }
    flows
}

/// A host whose plugin `inbox` is a good version of `steady`.
fn steady_host() -> Host {
    let host = Data::new().unwrap().demo().unwrap();
    replace(&host, 0, Drop::Good);
    host
}

fn at_least() -> Duration {
    let seconds = std::env::var("CIBA_SWAP_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(15))
}

#[test]
fn nobody_notices_that_plugins_are_replaced() {
    let host = steady_host();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut flows = runtime.block_on(flows(&host));
    let (rounds, replaced) = std::thread::scope(|scope| {
        let replacing = scope.spawn(|| replace_for(&host, at_least()));
        let mut rounds: Vec<Round> = Vec::new();
        while !replacing.is_finished() {
            rounds.push(runtime.block_on(load::round(&mut flows, Duration::from_secs(2), host.id())).unwrap());
        }
        (rounds, replacing.join().unwrap())
    });

    let failures: Vec<_> = rounds.iter().flat_map(|round| &round.failures).collect();
    assert!(failures.is_empty(), "{} failed, the first: {}\n{}", failures.len(), failures[0], host.log());
    let flows: usize = rounds.iter().map(|round| round.flows).sum();
    assert!(flows > replaced, "{flows} authentications while {replaced} plugins were dropped: this shows nothing");
    // Calls trapped, and what they were to announce was announced all the same: every flow saw its card.
    let log = host.data.must(&["plugin", "log", "inbox"]).unwrap();
    assert!(host.plugin("inbox").unwrap()["counters"]["failures"].as_u64().unwrap() > 0, "no call trapped:\n{log}");
    let plugin = host.plugin("inbox").unwrap();
    assert_eq!((plugin["state"].as_str(), plugin["version"].as_str()), (Some("serving"), Some(format!("{replaced:04}").as_str())));
    assert!(!host.log().contains("nobody was notified"), "there was a moment without a plugin");
    for why in ["[not-wasm]", "[not-a-component]", "[not-a-plugin]", "[settings]", "[trial]"] {
        assert!(host.log().contains(why), "no file was refused with {why}");
    }
    eprintln!("{flows} authentications, {replaced} plugins dropped, none failed");
}

/// Drops one file after the other, a good one last. Answers how many, which is the version of the last.
fn replace_for(host: &Host, at_least: Duration) -> usize {
    let until = Instant::now() + at_least;
    let mut number = 0;
    while number < REPLACEMENTS || Instant::now() < until {
        let begun = Instant::now();
        let drop = DROPS[number % DROPS.len()];
        number += 1;
        replace(host, number, drop);
        if matches!(drop, Drop::Traps) {
            // Long enough for calls to trap; then the next good version delivers what they did not.
            std::thread::sleep(BETWEEN_HALVES);
            number += 1;
            replace(host, number, Drop::Good);
        }
        std::thread::sleep((at_least / 60).saturating_sub(begun.elapsed()));
    }
    number += 1;
    replace(host, number, Drop::Good);
    number
}

/// How many swaps there are at most in a storm: the gate does all of them.
fn storm() -> usize {
    std::env::var("CIBA_SWAPS").ok().and_then(|swaps| swaps.parse().ok()).unwrap_or(300)
}

/// Everything that a version brings goes with it: its code, its instances, what was written down of it beyond what is kept.
#[test]
fn after_a_storm_of_swaps_the_memory_is_where_it_was() {
    let host = steady_host();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut flows = runtime.block_on(flows(&host));
    let resident = || Usage::of(host.id()).unwrap().resident_kib >> 10;
    let mut measured = Vec::new();
    let (mut done, mut authenticated) = (0, 0);
    // The first hundred fill what is kept: ten versions, lines of the history, events, the allocator's own pools.
    for part in [100].into_iter().chain(std::iter::repeat_n(100, storm().saturating_sub(100) / 100)) {
        std::thread::scope(|scope| {
            let swapping = scope.spawn(|| (done + 1..=done + part).for_each(|number| swap(&host, number)));
            while !swapping.is_finished() {
                let round = runtime.block_on(load::round(&mut flows, Duration::from_secs(2), host.id())).unwrap();
                assert!(round.failures.is_empty(), "{} failed, the first: {}", round.failures.len(), round.failures[0]);
                authenticated += round.flows;
            }
            swapping.join().unwrap();
        });
        done += part;
        measured.push(resident());
        eprintln!("{done} swaps, {authenticated} authentications: {} MiB", resident());
    }
    assert!(authenticated > done, "{authenticated} authentications while {done} versions were dropped: this shows nothing");
    assert!(!host.log().contains("nobody was notified"), "there was a moment without a plugin");
    let (first, last) = (measured[0], measured[measured.len() - 1]);
    assert!(last <= first + 24, "it has {last} MiB after {done} swaps, and had {first} after a hundred: {measured:?}");
}

/// Renames the version into place, and waits until it serves.
fn swap(host: &Host, number: usize) {
    let unseen = host.plugins().join(".inbox.new");
    fs::write(&unseen, steady(number)).unwrap();
    fs::rename(unseen, host.plugins().join("inbox.wasm")).unwrap();
    let until = Instant::now() + ciba_tests::host::PATIENCE;
    while served(host, &format!("{number:04}")) == 0 {
        assert!(Instant::now() < until, "{number} never served:\n{}", host.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_waits_for_a_compile() {
    let host = steady_host();
    let mut flows = flows(&host).await;
    load::round(&mut flows, Duration::from_secs(1), host.id()).await.unwrap();

    let before = served(&host, "1.0.0");
    cp(&guest("heavy"), &host.plugins().join("inbox.wasm"));
    let mut meanwhile = 0;
    let until = Instant::now() + ciba_tests::host::PATIENCE;
    loop {
        let round = load::round(&mut flows, Duration::from_millis(100), host.id()).await.unwrap();
        assert!(round.failures.is_empty(), "{:?}", round.failures);
        if served(&host, "1.0.0") > before {
            break;
        }
        meanwhile += round.flows;
        assert!(Instant::now() < until, "the heavy guest never served:\n{}", host.log());
    }
    assert!(meanwhile > FLOWS, "{meanwhile} authentications ended while the new version was compiled");
    eprintln!("{meanwhile} authentications ended while the new version was compiled");
}
