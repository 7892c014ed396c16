//! How a client hears of the end of its request: superseded ones, ping and push jobs, what they are told with.

use ciba_host::protocol::client::DeliveryMode;
use ciba_host::store::{Heard, PushBody};

use super::*;

/// A request whose client is told how it ends.
fn told(name: &str, user: &str, delivery: DeliveryMode) -> NewRequest {
    let mut new = request(name, user);
    new.request.delivery = delivery;
    new.to_notify = Some(format!("sealed {name}").into_bytes());
    new.notify = None;
    new
}

/// The jobs that tell clients, as far as they are due.
async fn due(store: &dyn Store, at: Timestamp) -> Vec<(JobKind, String, State)> {
    let jobs = store.reserve_jobs(Lane::Clients, at, 10).await.unwrap();
    jobs.iter().map(|job| (job.kind, job.request.transaction.0.clone(), job.request.state(at))).collect()
}

#[tokio::test]
async fn a_client_is_told_when_its_request_ends_however_it_ends() {
    for (store, kept) in backends() {
        for (name, delivery) in [("poll", DeliveryMode::Poll), ("ping", DeliveryMode::Ping), ("push", DeliveryMode::Push)] {
            store.start(told(name, "alice", delivery)).await.unwrap();
        }
        for name in ["denied", "approved", "given up", "removed"] {
            store.start(told(name, if name == "removed" { "bob" } else { "alice" }, DeliveryMode::Ping)).await.unwrap();
        }
        let bob = user("bob");
        store.add_user(User { id: "bob".into(), ..bob }, audit("add")).await.unwrap();
        assert!(due(&*store, later(119)).await.is_empty(), "told before there is anything to tell");
        store.decide(approve("approved", "alice"), later(1)).await.unwrap();
        store.decide(decide("denied", "alice", Decision::Deny), later(2)).await.unwrap();
        assert!(store.give_up(&"given up".into(), later(3)).await.unwrap());
        assert!(store.remove_user(&"bob".into(), audit("remove")).await.unwrap());
        let ping = |name: &str, state| (JobKind::Ping, name.to_owned(), state);
        let decided = [
            ping("removed", State::Denied),
            ping("approved", State::Approved),
            ping("denied", State::Denied),
            ping("given up", State::Denied),
        ];
        assert_eq!(due(&*store, later(3)).await, decided);
        assert_eq!(due(&*store, later(120)).await, [ping("ping", State::Expired), (JobKind::Push, "push".to_owned(), State::Expired)]);
        assert!(due(&*store, later(1_000)).await.is_empty(), "a client that polls is told, or one is told twice");
        // The same from the tables alone.
        drop(store);
        let store = open(kept.path());
        assert_eq!(due(&*store, later(3)).await, decided);
        assert_eq!(due(&*store, later(120)).await.len(), 2);
    }
}

#[tokio::test]
async fn neither_lane_gives_out_jobs_of_the_other() {
    for (store, _kept) in backends() {
        let mut new = told("one", "alice", DeliveryMode::Ping);
        new.notify = Some(Parties::default());
        store.start(new).await.unwrap();
        store.decide(approve("one", "alice"), later(1)).await.unwrap();
        let kinds = async |lane| {
            let jobs = store.reserve_jobs(lane, later(1), 10).await.unwrap();
            jobs.iter().map(|job| job.kind).collect::<Vec<_>>()
        };
        assert_eq!(kinds(Lane::Clients).await, [JobKind::Ping]);
        assert_eq!(kinds(Lane::Plugins).await, [JobKind::Notify]);
    }
}

#[tokio::test]
async fn what_a_client_is_told_with_is_kept_until_it_was_told() {
    for (store, kept) in backends() {
        for (name, delivery) in [("ping", DeliveryMode::Ping), ("push", DeliveryMode::Push)] {
            store.start(told(name, "alice", delivery)).await.unwrap();
            store.decide(approve(name, "alice"), later(1)).await.unwrap();
        }
        let sealed = || {
            let database = rusqlite::Connection::open(kept.path().join("ciba.db")).unwrap();
            let mut statement = database.prepare("SELECT token FROM request WHERE to_notify IS NOT NULL ORDER BY id").unwrap();
            let found = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
            found.map(Result::unwrap).collect::<Vec<_>>()
        };
        let jobs = store.reserve_jobs(Lane::Clients, later(1), 10).await.unwrap();
        for job in &jobs {
            let expected = format!("sealed {}", job.request.transaction).into_bytes();
            assert_eq!(job.to_notify.as_deref(), Some(&*expected));
            store.finish_job(job, Next::NotBefore(later(5))).await.unwrap();
        }
        assert_eq!(sealed(), ["ping", "push"]);
        let again = store.reserve_jobs(Lane::Clients, later(5), 10).await.unwrap();
        assert_eq!(again.iter().map(|job| (job.attempts, job.to_notify.is_some())).collect::<Vec<_>>(), [(1, true); 2]);
        store.finish_job(&again[0], Next::End).await.unwrap();
        assert_eq!(sealed(), ["push"]);
        store.finish_telling(&again[1], Heard::At(later(6))).await.unwrap();
        assert!(sealed().is_empty());
        assert!(store.reserve_jobs(Lane::Clients, later(1_000), 10).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_newer_request_takes_the_place_of_what_waits_for_the_same_person_and_client() {
    for (store, kept) in backends() {
        let alice = UserId::from("alice");
        for (name, user) in
            [("waits", "alice"), ("decided", "alice"), ("other person", "bob"), ("expired", "alice"), ("other client", "alice")]
        {
            let mut new = told(name, user, DeliveryMode::Ping);
            match name {
                "expired" => new.request.expires_at = later(5),
                "other client" => new.request.client = "bank".into(),
                _ => {}
            }
            assert!(matches!(store.start(new).await.unwrap(), ciba_host::store::Start::Stored(superseded) if superseded.is_empty()));
        }
        store.decide(approve("decided", "alice"), later(1)).await.unwrap();
        store.show_all(&alice, later(2)).await.unwrap();
        // The page is open, the poll remembered.
        let page = async |at| store.waiting(&alice, at).await.unwrap().iter().map(|one| one.0.clone()).collect::<Vec<_>>();
        assert_eq!(page(later(4)).await, ["waits", "expired", "other client"]);

        let mut newer = told("newer", "alice", DeliveryMode::Ping);
        newer.request.created_at = later(10);
        newer.supersedes = true;
        let started = store.start(newer).await.unwrap();
        let ciba_host::store::Start::Stored(superseded) = started else { panic!("{started:?}") };
        let seen: Vec<_> = superseded.iter().map(|request| (request.transaction.as_str(), request.stored, request.decided_at)).collect();
        assert_eq!(seen, [("waits", Stored::Superseded, Some(later(10)))]);
        assert_eq!(page(later(10)).await, ["other client"]);
        let expected = [
            ("waits", State::Superseded),
            ("decided", State::Approved),
            ("other person", State::Pending),
            ("expired", State::Expired),
            ("other client", State::Pending),
            ("newer", State::Pending),
        ];
        for (name, is) in expected {
            assert_eq!(state(&*store, name, later(10)).await, is, "{name}");
        }
        // It was superseded, and nobody can approve it any more.
        assert!(matches!(store.decide(approve("waits", "alice"), later(11)).await.unwrap(), Decided::Not(Some(_))));
        assert!(!store.redeem(&"waits".into(), grant("waits"), None, later(11)).await.unwrap());
        let told: Vec<_> = due(&*store, later(10)).await.into_iter().map(|(_, name, state)| (name, state)).collect();
        let is = |name: &str, state| (name.to_owned(), state);
        assert_eq!(told, [is("decided", State::Approved), is("expired", State::Expired), is("waits", State::Superseded)]);

        drop(store);
        let store = open(kept.path());
        for (name, is) in expected {
            assert_eq!(state(&*store, name, later(10)).await, is, "{name} after a restart");
        }
    }
}

#[tokio::test]
async fn a_request_that_uses_up_what_was_used_changes_nothing() {
    for (store, _kept) in backends() {
        store.start(told("waits", "alice", DeliveryMode::Ping)).await.unwrap();
        let spent = |name: &str| Spent { what: Digest::of(name.as_bytes()), until: later(600) };
        assert!(store.spend(spent("jti")).await.unwrap());
        let mut replayed = told("replayed", "alice", DeliveryMode::Ping);
        replayed.supersedes = true;
        replayed.spends = vec![spent("fresh"), spent("jti")];
        assert!(matches!(store.start(replayed).await.unwrap(), ciba_host::store::Start::Spent));
        assert!(store.request(&"replayed".into()).await.unwrap().is_none());
        assert_eq!(state(&*store, "waits", later(1)).await, State::Pending);
        // What came with it was not used up either: the same request without the replay may come again.
        let mut again = told("again", "alice", DeliveryMode::Ping);
        again.spends = vec![spent("fresh")];
        assert!(matches!(store.start(again).await.unwrap(), ciba_host::store::Start::Stored(_)));
        assert!(!store.spend(spent("fresh")).await.unwrap());
    }
}

#[tokio::test]
async fn what_nobody_decides_is_a_denial_by_nobody() {
    for (store, _kept) in backends() {
        for name in ["one", "decided"] {
            store.start(told(name, "alice", DeliveryMode::Push)).await.unwrap();
        }
        store.decide(approve("decided", "alice"), later(1)).await.unwrap();
        store.show_all(&"alice".into(), later(1)).await.unwrap();
        let give_up = async |name: &str, at| store.give_up(&name.into(), at).await.unwrap();
        assert!(!give_up("decided", later(2)).await);
        assert!(!give_up("none", later(2)).await);
        assert!(!give_up("one", later(120)).await, "it has expired, which is something else");
        assert!(give_up("one", later(2)).await);
        assert!(!give_up("one", later(3)).await);
        let found = store.request_by_auth_req_id(&presented("one")).await.unwrap().unwrap();
        assert!(found.is_given_up());
        assert_eq!(found, store.request(&"one".into()).await.unwrap().unwrap().request, "what is remembered is not what is stored");
        assert!(store.waiting(&"alice".into(), later(3)).await.unwrap().is_empty());
        assert!(matches!(store.decide(approve("one", "alice"), later(3)).await.unwrap(), Decided::Not(Some(_))));
        store.decide(decide("decided", "alice", Decision::Deny), later(3)).await.unwrap();
        assert!(!store.request(&"decided".into()).await.unwrap().unwrap().request.is_given_up());
    }
}

#[tokio::test]
async fn what_is_pushed_is_stored_with_its_grant_and_revoked_when_it_never_arrives() {
    for (store, kept) in backends() {
        let body = |name: &str| PushBody { sealed: format!("body of {name}").into_bytes(), deadline: later(86_400) };
        for name in ["arrives", "never", "reported"] {
            store.start(told(name, "alice", DeliveryMode::Push)).await.unwrap();
            assert!(!store.redeem(&name.into(), grant(name), Some(body(name)), later(1)).await.unwrap(), "nobody approved");
            assert!(store.push_body(&name.into()).await.unwrap().is_none());
            store.decide(approve(name, "alice"), later(1)).await.unwrap();
            assert!(store.redeem(&name.into(), grant(name), Some(body(name)), later(2)).await.unwrap());
            assert!(!store.redeem(&name.into(), grant("again"), Some(body("again")), later(2)).await.unwrap());
        }
        // The host was killed before it could send anything.
        drop(store);
        let store = open(kept.path());
        let works = async |name: &str| store.grant(&name.into(), &Digest::of(name.as_bytes()), later(3)).await.unwrap().is_some();
        let jobs = store.reserve_jobs(Lane::Clients, later(3), 10).await.unwrap();
        assert_eq!(jobs.len(), 3);
        for job in &jobs {
            let name = job.request.transaction.as_str();
            let kept = store.push_body(&name.into()).await.unwrap().unwrap();
            assert_eq!((kept.sealed, kept.deadline), (body(name).sealed, later(86_400)));
            assert!(works(name).await);
        }
        store.finish_telling(&jobs[0], Heard::At(later(4))).await.unwrap();
        store.finish_telling(&jobs[1], Heard::Never).await.unwrap();
        assert!(store.report(&"reported".into(), &"alice".into(), audit("report")).await.unwrap());
        for (name, worth) in [("arrives", true), ("never", false), ("reported", false)] {
            assert!(store.push_body(&name.into()).await.unwrap().is_none(), "{name}");
            assert_eq!(works(name).await, worth, "{name}");
        }
        // Ended twice is ended once: what arrived is not revoked by a late word.
        store.finish_telling(&jobs[0], Heard::Never).await.unwrap();
        assert!(works("arrives").await);
        assert!(store.reserve_jobs(Lane::Clients, later(1_000), 10).await.unwrap().len() <= 1);
    }
}
