//! `kill -9` in the middle of load, on a disk that keeps what a dead program wrote and on one that forgets what was
//! not synced: what was acknowledged is there, nothing is redeemed twice, and notifications that were due go out.

use std::sync::atomic::{AtomicUsize, Ordering};

use ciba_host::protocol::algorithm::KeyEncryption;
use ciba_host::protocol::client::DeliveryMode;
use ciba_tests::crash::ForgetfulDisk;
use ciba_tests::host::{Data, Host, wait_for};
use ciba_tests::party::{Client, Phone};
use ciba_tests::receiver::{Receiver, Reply};
use ciba_tests::secure::Authority;
use ciba_tests::told::{Provider, change, client};
use ciba_tests::wire::{Answer, Request};

const USERS: usize = 8;
/// Authentications that must be acknowledged before the host is killed.
const STARTED: usize = 150;

/// How far an authentication was when the host was killed, as its client and its person saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    Started,
    /// The answer was sent; whether it arrived is not known.
    Approving,
    Approved,
    /// The poll was sent; whether it was answered is not known.
    Redeeming,
    Redeemed,
}

/// One user's authentications, one after the other, until the host answers no more; and the access tokens that arrived.
fn authenticate(client: &Client, phone: &Phone, user: &str, started: &AtomicUsize) -> (Vec<(String, Reached)>, Vec<String>) {
    let (mut all, mut arrived) = (Vec::new(), Vec::new());
    let mut left_waiting = Vec::new();
    while let Ok(id) = client.start(user) {
        started.fetch_add(1, Ordering::Relaxed);
        all.push((id.clone(), Reached::Started));
        let number = all.len();
        let reached = &mut all[number - 1].1;
        let Ok(card) = phone.next_card(&left_waiting) else { break };
        if number % 7 == 0 {
            left_waiting.push(card);
            continue;
        }
        *reached = Reached::Approving;
        let Ok(answer) = phone.decide(&card, "approve") else { break };
        assert_eq!(answer.status, 200, "{}", answer.text());
        *reached = Reached::Approved;
        if number % 5 == 0 {
            continue;
        }
        *reached = Reached::Redeeming;
        let Ok(tokens) = client.poll(&id) else { break };
        assert_eq!(tokens.status, 200, "{}", tokens.text());
        *reached = Reached::Redeemed;
        arrived.push(tokens.json()["access_token"].as_str().unwrap().to_owned());
    }
    (all, arrived)
}

/// The key that tokens are signed with.
fn key_of(host: &Host) -> String {
    host.send(&Request::get("/jwks")).unwrap().json()["keys"][0]["kid"].as_str().unwrap().to_owned()
}

fn said(answer: &Answer) -> String {
    answer.json()["error"].as_str().map_or_else(|| answer.status.to_string(), str::to_owned)
}

/// `start` begins a host on a directory, `lose` is what the crash does to the directory afterwards.
fn survives(data: Data, start: impl Fn(Data) -> Host, lose: impl FnOnce(&Data)) {
    let host = start(data);
    let client = Client::demo(&host);
    let key = key_of(&host);
    let users: Vec<String> = (0..USERS).map(|number| format!("user{number}")).collect();
    let phones: Vec<Phone> = users
        .iter()
        .map(|user| {
            host.data.must(&["user", "add", user]).unwrap();
            Phone::of(&host, user).unwrap()
        })
        .collect();
    // Nobody can be told of this one yet: its job is due when the host dies.
    host.data.must(&["user", "add", "late"]).unwrap();
    let unnotified = client.start("late").unwrap();

    let started = AtomicUsize::new(0);
    let (data, all, arrived) = std::thread::scope(|scope| {
        let running: Vec<_> = users
            .iter()
            .zip(&phones)
            .map(|(user, phone)| {
                let (client, started) = (&client, &started);
                scope.spawn(move || authenticate(client, phone, user, started))
            })
            .collect();
        wait_for("enough authentications", || Ok((started.load(Ordering::Relaxed) >= STARTED).then_some(()))).unwrap();
        let data = host.kill().unwrap();
        let (all, arrived): (Vec<Vec<_>>, Vec<Vec<_>>) = running.into_iter().map(|user| user.join().unwrap()).unzip();
        (data, all, arrived)
    });
    lose(&data);

    let host = start(data);
    assert_eq!(key_of(&host), key, "the signing key was lost, and with it every token");
    let client = Client::demo(&host);
    for (phone, all) in phones.iter().zip(&all) {
        let phone = phone.moved_to(&host);
        let pending = all.iter().filter(|(_, reached)| *reached == Reached::Started).count();
        // Announced before the crash or only now, each is on the page.
        wait_for("the notifications that were due", || Ok(Some(phone.waiting()?).filter(|cards| cards.len() >= pending))).unwrap();
    }
    for (id, reached) in all.iter().flatten() {
        let now = said(&client.poll(id).unwrap());
        let possible: &[&str] = match reached {
            Reached::Started => &["authorization_pending"],
            Reached::Approving => &["authorization_pending", "200"],
            Reached::Approved => &["200"],
            Reached::Redeeming => &["200", "invalid_grant"],
            Reached::Redeemed => &["invalid_grant"],
        };
        assert!(possible.contains(&now.as_str()), "{reached:?} before the crash, and {now} after it");
        if now == "200" {
            assert_eq!(said(&client.poll(id).unwrap()), "invalid_grant", "redeemed twice");
        }
    }
    // No answer left before its grant was on the disk.
    for access_token in arrived.iter().flatten() {
        let user_info = Request::get("/userinfo").header("authorization", &format!("Bearer {access_token}"));
        let answer = host.send(&user_info).unwrap();
        assert_eq!(answer.status, 200, "a token that arrived does not work: {}", answer.text());
    }
    for reached in [Reached::Started, Reached::Approved, Reached::Redeemed] {
        assert!(
            all.iter().flatten().any(|(_, one)| *one == reached),
            "nothing was {reached:?} when the host was killed: this shows nothing"
        );
    }

    assert_eq!(said(&client.poll(&unnotified).unwrap()), "authorization_pending");
    Phone::of(&host, "late").unwrap().next_card(&[]).unwrap();
}

/// The plugin folder is the operator's and lies elsewhere: a copy in progress is not what this is about.
const CONFIG: &str = "[plugins]\nfolder = '../plugins'\n[ciba]\nexpires_in = 600\n";

#[test]
fn what_was_acknowledged_survives_a_kill() {
    survives(Data::with_config(CONFIG).unwrap(), |data| data.demo().unwrap(), |_| {});
}

#[test]
fn what_was_acknowledged_survives_a_power_cut() {
    let data = Data::with_config(CONFIG).unwrap();
    let disk = ForgetfulDisk::holding(&data.path()).unwrap();
    let start = |data: Data| data.serve_changed(&["--demo"], |command| disk.attach(command)).unwrap();
    survives(data, start, |_| disk.lose_unsynced().unwrap());
}

/// What failed before there was something to say are no tries of saying it.
#[test]
fn that_no_tokens_could_be_made_is_said_again_where_the_endpoint_does_not_take_it() {
    let authority = Authority::new();
    let receiver = Receiver::start(&authority).unwrap();
    let mut push = client("push", DeliveryMode::Push, &receiver.url("/push"));
    let provider = Provider::start(&authority, &[push.clone()]).unwrap();
    receiver.answer(Reply::Status(503));
    let id = provider.start_request("push", &[]).unwrap();
    // Once it has asked, nothing can be encrypted for it: it has no key.
    change(&mut push, |metadata| metadata.id_token_encrypted_response_alg = Some(KeyEncryption::EcdhEs));
    let provider = provider.killed_and_started_with(&[push]).unwrap();
    provider.alice("approve").unwrap();
    let fails = || provider.host.log().matches("a client could not be told yet").count();
    wait_for("tokens could not be made three times", || Ok((fails() >= 3).then_some(()))).unwrap();
    assert!(receiver.received().is_empty());
    let database = rusqlite::Connection::open(provider.host.data.path().join("ciba.db")).unwrap();
    assert_eq!(database.execute("UPDATE request SET expires_at = expires_at - 3600000", []).unwrap(), 1);
    drop(database);
    let _provider = provider.killed_and_started().unwrap();
    for received in receiver.wait_for(2).unwrap() {
        let said = received.json();
        assert_eq!((said["error"].as_str(), said["auth_req_id"].as_str()), (Some("transaction_failed"), Some(&*id)));
    }
}
