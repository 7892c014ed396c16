//! Of those who come at the same time, one wins and the others hear so; and what the winner has is good.
//!
//! A thousand rounds go through the store, where races are decided; fewer through the whole program.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use ciba_host::protocol::client::DeliveryMode;
use ciba_host::protocol::identifier::{Digest, TransactionId, UnverifiedBearer};
use ciba_host::protocol::tokens::{NewAccessToken, NewGrant, NewRefreshToken};
use ciba_host::protocol::transaction::{Decision, Request, State, Stored};
use ciba_host::store::sqlite::SqliteStore;
use ciba_host::store::{Decided, DecisionBy, NewRequest, Parties, Refresh, Refreshed, Start, Store};
use ciba_tests::host::Host;
use ciba_tests::party::{Client, Phone};
use ciba_tests::wire::{Answer, Request as HttpRequest};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use tokio::task::JoinSet;

const ROUNDS: usize = 1_000;
const AT_ONCE: usize = 64;

/// The moment at which everything in the store happens.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap() + SignedDuration::from_secs(seconds)
}

fn open() -> (Arc<dyn Store>, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (Arc::new(SqliteStore::open(&directory.path().join("ciba.db")).unwrap()), directory)
}

fn presented(name: &str) -> UnverifiedBearer {
    UnverifiedBearer::read(&format!("{name}.secret"))
}

fn request(name: &str) -> NewRequest {
    let request = Request {
        transaction: name.into(),
        client: "shop".into(),
        user: "alice".into(),
        scope: "openid".to_owned(),
        binding_message: None,
        acr_values: Vec::new(),
        stored: Stored::Pending,
        created_at: at(0),
        expires_at: at(120),
        decided_at: None,
        delivery: DeliveryMode::Poll,
        particulars: None,
        evidence: None,
    };
    NewRequest::polled(request, presented(name).digest, Parties::default())
}

fn decision(name: &str, decision: Decision) -> DecisionBy {
    let device_name = "Pixel 8".to_owned();
    let user = "alice".into();
    DecisionBy { transaction: name.into(), user, decision, device: None, device_name, evidence: None, audit: None }
}

fn token(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn access(name: &str) -> NewAccessToken {
    NewAccessToken { digest: token(name), expires_at: at(600), confirmation: None, audience: Vec::new(), scope: None, claims: None }
}

async fn state(store: &dyn Store, name: &str, when: Timestamp) -> State {
    store.request_by_auth_req_id(&presented(name)).await.unwrap().unwrap().state(when)
}

/// Does all of these at the same time, on as many threads as there are, and answers in their order.
async fn at_once<T: Send + 'static>(all: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    let mut running = JoinSet::new();
    for (number, one) in all.into_iter().enumerate() {
        running.spawn(async move { (number, one.await) });
    }
    let mut answers = running.join_all().await;
    answers.sort_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixty_four_that_redeem_one_approval_one_has_tokens_and_they_work() {
    let (store, _kept) = open();
    for round in 0..ROUNDS {
        let name = format!("r{round}");
        store.start(request(&name)).await.unwrap();
        let Decided::Now(_) = store.decide(decision(&name, Decision::Approve), at(1)).await.unwrap() else { panic!("round {round}") };
        let redeemed = at_once((0..AT_ONCE).map(|poll| {
            let (store, name) = (Arc::clone(&store), name.clone());
            let grant = NewGrant { access_token: access(&format!("{name}-{poll}")), refresh_token: None };
            async move { store.redeem(&TransactionId(name), grant, None, at(2)).await.unwrap() }
        }))
        .await;
        assert_eq!(redeemed.iter().filter(|redeemed| **redeemed).count(), 1, "round {round}");
        for (poll, redeemed) in redeemed.into_iter().enumerate() {
            let works = store.grant(&name.as_str().into(), &token(&format!("{name}-{poll}")), at(3)).await.unwrap().is_some();
            assert_eq!(works, redeemed, "round {round}: a token that was given does not work, or one that was not does");
        }
        assert_eq!(state(&*store, &name, at(3)).await, State::Redeemed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_answers_around_the_end_one_counts_and_none_after_it() {
    let (store, _kept) = open();
    for round in 0..100 {
        let name = format!("r{round}");
        store.start(request(&name)).await.unwrap();
        // The end, and the last moment before it, by two phones each.
        let answers = [(Decision::Deny, 120), (Decision::Approve, 119), (Decision::Approve, 120), (Decision::Deny, 119)];
        let decided = at_once(answers.map(|(answer, second)| {
            let (store, name) = (Arc::clone(&store), name.clone());
            async move { matches!(store.decide(decision(&name, answer), at(second)).await.unwrap(), Decided::Now(_)) }
        }))
        .await;
        assert!(!decided[0] && !decided[2], "round {round}: decided after the end");
        assert!(decided[1] != decided[3], "round {round}: {decided:?}");
        let expected = if decided[1] { State::Approved } else { State::Denied };
        assert_eq!(state(&*store, &name, at(121)).await, expected, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_request_is_decided_or_superseded_and_never_both() {
    let (store, _kept) = open();
    let mut superseded = 0;
    for round in 0..200 {
        let (old, new) = (format!("old{round}"), format!("new{round}"));
        store.start(request(&old)).await.unwrap();
        let deciding = {
            let (store, old) = (Arc::clone(&store), old.clone());
            async move { matches!(store.decide(decision(&old, Decision::Approve), at(1)).await.unwrap(), Decided::Now(_)) }
        };
        let starting = {
            let (store, new) = (Arc::clone(&store), NewRequest { supersedes: true, ..request(&new) });
            async move {
                let Start::Stored(superseded) = store.start(new).await.unwrap() else { panic!("nothing was spent") };
                !superseded.is_empty()
            }
        };
        let begun: [std::pin::Pin<Box<dyn Future<Output = bool> + Send>>; 2] =
            if round % 2 == 0 { [Box::pin(deciding), Box::pin(starting)] } else { [Box::pin(starting), Box::pin(deciding)] };
        let mut answers = at_once(begun).await;
        if round % 2 == 1 {
            answers.reverse();
        }
        assert!(answers[0] != answers[1], "round {round}: decided {}, superseded {}", answers[0], answers[1]);
        superseded += usize::from(answers[1]);
        let expected = if answers[0] { State::Approved } else { State::Superseded };
        assert_eq!((state(&*store, &old, at(2)).await, state(&*store, &new, at(2)).await), (expected, State::Pending), "round {round}");
        // Nothing waits for the next round to take its place.
        store.decide(decision(&new, Decision::Deny), at(3)).await.unwrap();
    }
    assert!((1..200).contains(&superseded), "one of the two always won: this shows nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_that_refresh_at_once_keep_what_they_got_until_one_of_them_uses_it() {
    let (store, _kept) = open();
    let mut survived = 0;
    for round in 0..100 {
        let name = format!("r{round}");
        let transaction: TransactionId = name.as_str().into();
        store.start(request(&name)).await.unwrap();
        store.decide(decision(&name, Decision::Approve), at(1)).await.unwrap();
        let refresh_token = Some(NewRefreshToken { digest: token(&format!("{name} first")), expires_at: at(10_000) });
        let grant = NewGrant { access_token: access(&format!("{name} access")), refresh_token };
        assert!(store.redeem(&transaction, grant, None, at(2)).await.unwrap());

        let refresh = |presented: String, next: String| {
            let (store, transaction) = (Arc::clone(&store), transaction.clone());
            let access_token = access(&format!("{next} access"));
            let refresh = Refresh { transaction, presented: token(&presented), access_token, next: Some(token(&next)), last: false };
            async move { store.refresh(refresh, at(3)).await.unwrap() }
        };
        let racers = 8;
        let refreshed = at_once((0..racers).map(|racer| refresh(format!("{name} first"), format!("{name} {racer}")))).await;
        assert!(refreshed.iter().all(|refreshed| *refreshed == Refreshed::Done), "round {round}: {refreshed:?}");
        for racer in 0..racers {
            let got = format!("{name} {racer}");
            assert!(store.refresh_grant(&transaction, &token(&got), at(4)).await.unwrap().is_some(), "round {round}, {racer}");
            assert!(store.grant(&transaction, &token(&format!("{got} access")), at(4)).await.unwrap().is_some(), "round {round}, {racer}");
        }

        // A successor is used while somebody presents the first one again: both orders are possible, and each has one end.
        let mut both: [std::pin::Pin<Box<dyn Future<Output = Refreshed> + Send>>; 2] = [
            Box::pin(refresh(format!("{name} 0"), format!("{name} next"))),
            Box::pin(refresh(format!("{name} first"), format!("{name} again"))),
        ];
        if round % 2 == 1 {
            both.reverse();
        }
        let mut ended = at_once(both).await;
        if round % 2 == 1 {
            ended.reverse();
        }
        let left = store.refresh_grant(&transaction, &token(&format!("{name} next")), at(4)).await.unwrap();
        match ended[..] {
            [Refreshed::Done, Refreshed::Done] => assert!(left.is_some(), "round {round}"),
            [Refreshed::Done, Refreshed::Stolen] => {
                assert!(left.is_none(), "round {round}: what was stolen is revoked");
                assert!(store.grant(&transaction, &token(&format!("{name} access")), at(4)).await.unwrap().is_none(), "round {round}");
            }
            _ => panic!("round {round}: {ended:?}"),
        }
        if left.is_some() {
            // Two use what they got: whoever comes second holds a copy.
            let late = ["1", "again", "first"][survived % 3];
            survived += 1;
            let stolen = refresh(format!("{name} {late}"), format!("{name} late")).await;
            assert_eq!(stolen, Refreshed::Stolen, "round {round}: another took the place of {late}");
            let left = store.refresh_grant(&transaction, &token(&format!("{name} next")), at(4)).await.unwrap();
            assert!(left.is_none(), "round {round}: what was stolen is revoked");
        }
    }
    assert!((3..100).contains(&survived), "one of the two always came first: this shows too little");
}

fn error(answer: &Answer) -> String {
    answer.json()["error"].as_str().map_or_else(|| answer.status.to_string(), str::to_owned)
}

/// Sends all of these at the same moment, each from a thread of its own.
fn send_at_once<T: Sync, A: Send>(all: &[T], send: impl Fn(&T) -> A + Sync) -> Vec<A> {
    let barrier = Barrier::new(all.len());
    std::thread::scope(|scope| {
        let senders: Vec<_> = all
            .iter()
            .map(|one| {
                let (barrier, send) = (&barrier, &send);
                scope.spawn(move || {
                    barrier.wait();
                    send(one)
                })
            })
            .collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    })
}

#[test]
fn of_sixty_four_polls_of_one_approved_request_one_gets_tokens_and_they_are_good() {
    let host = Host::demo().unwrap();
    let (client, phone) = (Client::demo(&host), Phone::of(&host, "alice").unwrap());
    for round in 0..20 {
        let id = client.start("alice").unwrap();
        let card = phone.next_card(&[]).unwrap();
        assert_eq!(phone.decide(&card, "approve").unwrap().status, 200);
        let answers = send_at_once(&[id.as_str(); AT_ONCE], |id| client.poll(id).unwrap());
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!(won.len(), 1, "round {round}");
        assert!(
            lost.iter().all(|answer| error(answer) == "invalid_grant"),
            "round {round}: {:?}",
            lost.iter().map(error).collect::<Vec<_>>()
        );
        // That the others came at once is no theft.
        let access_token = won[0].json()["access_token"].as_str().unwrap().to_owned();
        let user_info = HttpRequest::get("/userinfo").header("authorization", &format!("Bearer {access_token}"));
        let answer = host.send(&user_info).unwrap();
        assert_eq!(answer.status, 200, "round {round}: the winner's token does not work: {}", answer.text());
    }
}

#[test]
fn of_sixty_four_that_refresh_at_once_nobody_is_lost_and_whoever_comes_late_is_a_thief() {
    let host = Host::demo().unwrap();
    let phone = Phone::of(&host, "alice").unwrap();
    let metadata = host.data.beside("shop.json");
    std::fs::write(&metadata, r#"{"grant_types":["urn:openid:params:grant-type:ciba","refresh_token"]}"#).unwrap();
    let shop = Client::add(&host, "shop", &["--metadata", metadata.to_str().unwrap()]).unwrap();
    let refresh = |token: &str| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        host.send(&shop.authenticated(HttpRequest::form("/token", &form))).unwrap()
    };
    let opens = |tokens: &Answer| {
        let bearer = format!("Bearer {}", tokens.json()["access_token"].as_str().unwrap());
        host.send(&HttpRequest::get("/userinfo").header("authorization", &bearer)).unwrap().status
    };
    let refresh_token = |tokens: &Answer| tokens.json()["refresh_token"].as_str().unwrap().to_owned();
    for round in 0..3 {
        let id = shop.start("alice").unwrap();
        assert_eq!(phone.decide(&phone.next_card(&[]).unwrap(), "approve").unwrap().status, 200);
        let first = shop.poll(&id).unwrap();
        let born = refresh_token(&first);

        // Nothing that came of it was used yet: an answer may have been lost, and everybody gets one.
        let siblings = send_at_once(&[born.as_str(); AT_ONCE], |token| refresh(token));
        let told: Vec<_> = siblings.iter().map(error).collect();
        assert!(told.iter().all(|told| told == "200"), "round {round}: {told:?}");
        assert!(siblings.iter().all(|tokens| opens(tokens) == 200), "round {round}: a token that was given does not work");

        // Now all of those are used at once. Whoever is heard gets tokens, and nobody gets anything but an answer.
        let siblings: Vec<String> = siblings.iter().map(refresh_token).collect();
        let answers = send_at_once(&siblings, |token| refresh(token));
        let told: Vec<_> = answers.iter().map(error).collect();
        assert!(told.iter().all(|told| ["200", "invalid_grant"].contains(&told.as_str())), "round {round}: {told:?}");
        assert!(told.iter().any(|told| told == "200"), "round {round}: all of them lost");

        // The one that they all came of has a successor that was used: it was stolen, and everything ends.
        assert_eq!(error(&refresh(&born)), "invalid_grant", "round {round}");
        let given = answers.iter().filter(|answer| answer.status == 200).chain([&first]);
        for tokens in given {
            assert_eq!(opens(tokens), 401, "round {round}: what a thief may share still works");
            assert_eq!(error(&refresh(&refresh_token(tokens))), "invalid_grant", "round {round}");
        }
    }
}

#[test]
fn who_decides_in_the_last_moment_is_heard_or_told_so() {
    let host = Host::demo().unwrap();
    let (client, phone) = (Client::demo(&host), Phone::of(&host, "alice").unwrap());
    let begun = Instant::now();
    let asked: Vec<String> = (0..24).map(|_| client.start_with("alice", &[("requested_expiry", "6")]).unwrap()).collect();
    let mut cards = Vec::new();
    while cards.len() < asked.len() {
        cards.push(phone.next_card(&cards).unwrap());
    }
    // From a third of a second before the first ends until as long after the last has.
    let all: Vec<(usize, &String)> = cards.iter().enumerate().collect();
    let answers = send_at_once(&all, |(number, card)| {
        let when = Duration::from_millis(5_700 + 40 * *number as u64);
        std::thread::sleep(when.saturating_sub(begun.elapsed()));
        phone.decide(card, "approve").unwrap()
    });
    let counted = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(answers.iter().all(|answer| [200, 409].contains(&answer.status)), "{:?}", answers.iter().map(|a| a.status).collect::<Vec<_>>());
    let ended: Vec<String> = asked.iter().map(|id| error(&client.poll(id).unwrap())).collect();
    assert!(ended.iter().all(|ended| ["200", "expired_token"].contains(&ended.as_str())), "{ended:?}");
    assert_eq!(ended.iter().filter(|ended| *ended == "200").count(), counted, "who was told that it counts is not heard, or the other way");
}
