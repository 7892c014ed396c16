//! What every backend of the store promises, verb by verb. There is one backend yet; a second joins [`backends`].

mod grants;
mod outcomes;
mod plugin_values;
mod plugins;

use std::path::Path;
use std::sync::Arc;

use ciba_host::protocol::client::{Client, ClientKind, DeliveryMode, Origin};
use ciba_host::protocol::identifier::{Digest, TransactionId, UnverifiedBearer, UserId};
use ciba_host::protocol::tokens::{NewAccessToken, NewGrant};
use ciba_host::protocol::transaction::{Decision, REDEEM_GRACE_SECONDS, Request, State, Stored};
use ciba_host::protocol::user::{Device, User};
use ciba_host::store::sqlite::SqliteStore;
use ciba_host::store::{
    AuditEntry, AuditQuery, Decided, DecisionBy, JobKind, Lane, NewDevice, NewRequest, Next, Notified, NotifyResult, Parties, Shown, Spent,
    Store, StoreError,
};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

/// The moment at which everything here begins.
fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn later(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

/// An empty store of each kind, and where it is kept.
fn backends() -> Vec<(Arc<dyn Store>, TempDir)> {
    let directory = tempfile::tempdir().unwrap();
    vec![(open(directory.path()), directory)]
}

fn open(directory: &Path) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(&directory.join("ciba.db")).unwrap())
}

fn audit(what: &str) -> AuditEntry {
    AuditEntry { at: now(), who: "test".to_owned(), what: what.to_owned(), about: "test".to_owned() }
}

/// So many lines of the audit log.
fn latest(most: u32) -> AuditQuery {
    AuditQuery { most, ..AuditQuery::default() }
}

fn request(name: &str, user: &str) -> NewRequest {
    let request = Request {
        transaction: name.into(),
        client: "shop".into(),
        user: user.into(),
        scope: "openid".to_owned(),
        binding_message: Some("W4SCT".to_owned()),
        acr_values: vec!["urn:example:gold".to_owned()],
        stored: Stored::Pending,
        created_at: now(),
        expires_at: later(120),
        decided_at: None,
        delivery: DeliveryMode::Poll,
        particulars: None,
        evidence: None,
    };
    NewRequest::polled(request, presented(name).digest, Parties::default())
}

/// What the client of this request presents.
fn presented(name: &str) -> UnverifiedBearer {
    UnverifiedBearer::read(&format!("{name}.secret"))
}

fn approve(name: &str, user: &str) -> DecisionBy {
    decide(name, user, Decision::Approve)
}

fn decide(name: &str, user: &str, decision: Decision) -> DecisionBy {
    let (device, device_name) = (Some("phone".into()), "Pixel 8".to_owned());
    DecisionBy { transaction: name.into(), user: user.into(), decision, device, device_name, evidence: None, audit: None }
}

fn grant(token: &str) -> NewGrant {
    let access_token = NewAccessToken {
        digest: Digest::of(token.as_bytes()),
        expires_at: later(600),
        confirmation: None,
        audience: Vec::new(),
        scope: None,
        claims: None,
    };
    NewGrant { access_token, refresh_token: None }
}

/// A grant whose access token ends then.
fn lasting(mut grant: NewGrant, expires_at: Timestamp) -> NewGrant {
    grant.access_token.expires_at = expires_at;
    grant
}

async fn state(store: &dyn Store, name: &str, at: Timestamp) -> State {
    store.request_by_auth_req_id(&presented(name)).await.unwrap().unwrap().state(at)
}

#[tokio::test]
async fn a_request_comes_back_as_it_was_stored() {
    for (store, _kept) in backends() {
        let new = request("one", "alice");
        store.start(new.clone()).await.unwrap();
        let found = store.request_by_auth_req_id(&presented("one")).await.unwrap().unwrap();
        assert_eq!(found, new.request);
        for invented in ["one.guess", "one.", "one", "two.secret", ".secret", ""] {
            assert!(store.request_by_auth_req_id(&UnverifiedBearer::read(invented)).await.unwrap().is_none(), "{invented}");
        }
        assert_eq!(store.request(&"one".into()).await.unwrap().unwrap().request, new.request);
    }
}

#[tokio::test]
async fn whose_requests_wait_for_a_person_is_known_whether_they_were_shown_or_not() {
    for (store, _kept) in backends() {
        for (name, user) in [("one", "alice"), ("two", "alice"), ("three", "alice"), ("other", "bob")] {
            store.start(request(name, user)).await.unwrap();
        }
        let pending = async |at| store.pending_of(&"alice".into(), at).await.unwrap().len();
        assert_eq!((pending(later(1)).await, pending(later(119)).await, pending(later(120)).await), (3, 3, 0));
        store.decide(decide("one", "alice", Decision::Deny), later(1)).await.unwrap();
        store.decide(approve("two", "alice"), later(1)).await.unwrap();
        assert_eq!(store.pending_of(&"alice".into(), later(2)).await.unwrap(), ["shop".into()]);
        assert!(store.pending_of(&"nobody".into(), later(2)).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn only_the_user_who_was_asked_decides_once_and_in_time() {
    for (store, _kept) in backends() {
        for name in ["one", "two"] {
            store.start(request(name, "alice")).await.unwrap();
        }
        let decided = async |by, at| store.decide(by, at).await.unwrap();
        assert!(matches!(decided(approve("one", "mallory"), later(1)).await, Decided::Not(None)));
        assert!(matches!(decided(approve("none", "alice"), later(1)).await, Decided::Not(None)));
        // At its end it has ended.
        assert!(matches!(decided(approve("one", "alice"), later(120)).await, Decided::Not(Some(_))));
        assert!(matches!(decided(approve("one", "alice"), later(119)).await, Decided::Now(_)));
        let Decided::Not(Some(card)) = decided(decide("one", "alice", Decision::Deny), later(119)).await else { panic!("decided twice") };
        assert_eq!((card.request.stored, card.decided_on.as_deref()), (Stored::Approved, Some("Pixel 8")));
        assert_eq!(card.decided_by, Some("phone".into()));
        assert!(matches!(decided(decide("two", "alice", Decision::Deny), later(2)).await, Decided::Now(_)));
        assert!(matches!(decided(approve("two", "alice"), later(3)).await, Decided::Not(Some(_))));
        assert_eq!(state(&*store, "two", later(3)).await, State::Denied);
    }
}

#[tokio::test]
async fn tokens_are_given_once_after_an_approval_and_not_for_ever() {
    for (store, _kept) in backends() {
        for name in ["pending", "denied", "approved", "late"] {
            store.start(request(name, "alice")).await.unwrap();
        }
        store.decide(decide("denied", "alice", Decision::Deny), later(1)).await.unwrap();
        for name in ["approved", "late"] {
            store.decide(approve(name, "alice"), later(1)).await.unwrap();
        }
        let redeem = async |name: &str, at| store.redeem(&name.into(), grant(name), None, at).await.unwrap();
        for name in ["pending", "denied", "none"] {
            assert!(!redeem(name, later(2)).await, "{name}");
        }
        assert!(redeem("approved", later(120 + REDEEM_GRACE_SECONDS - 1)).await);
        assert!(!redeem("approved", later(3)).await, "redeemed twice");
        assert!(!redeem("late", later(120 + REDEEM_GRACE_SECONDS)).await, "redeemed after its end");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_redeem_at_once_one_wins() {
    for (store, _kept) in backends() {
        store.start(request("one", "alice")).await.unwrap();
        store.decide(approve("one", "alice"), later(1)).await.unwrap();
        let racing: Vec<_> = (0..64)
            .map(|number| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.redeem(&"one".into(), grant(&number.to_string()), None, later(2)).await.unwrap() })
            })
            .collect();
        let mut won = 0;
        for one in racing {
            won += usize::from(one.await.unwrap());
        }
        assert_eq!(won, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_write_that_fails_does_not_touch_its_neighbours() {
    for (store, _kept) in backends() {
        store.start(request("taken", "alice")).await.unwrap();
        // Many at once, so that they share commits; every third asks for a name that is taken.
        let writing: Vec<_> = (0..90)
            .map(|number| {
                let store = Arc::clone(&store);
                let name = if number % 3 == 0 { "taken".to_owned() } else { format!("r{number}") };
                tokio::spawn(async move { (store.start(request(&name, "alice")).await, name) })
            })
            .collect();
        for one in writing {
            let (result, name) = one.await.unwrap();
            assert_eq!(result.is_ok(), name != "taken", "{name}: {result:?}");
            assert_eq!(state(&*store, &name, now()).await, State::Pending);
        }
        // A request that was refused left no job behind either.
        assert_eq!(store.reserve_jobs(Lane::Plugins, now(), 1_000).await.unwrap().len(), 61);
    }
}

#[tokio::test]
async fn a_job_is_given_to_one_worker_at_a_time_until_it_ends() {
    for (store, kept) in backends() {
        for name in ["one", "two"] {
            store.start(request(name, "alice")).await.unwrap();
        }
        assert!(store.reserve_jobs(Lane::Plugins, now() - SignedDuration::from_secs(1), 10).await.unwrap().is_empty(), "not due yet");
        let mut jobs = store.reserve_jobs(Lane::Plugins, now(), 10).await.unwrap();
        assert_eq!(jobs.iter().map(|job| (job.kind, job.attempts)).collect::<Vec<_>>(), [(JobKind::Notify, 0); 2]);
        assert!(store.reserve_jobs(Lane::Plugins, now(), 10).await.unwrap().is_empty(), "given out twice");
        let (two, one) = (jobs.pop().unwrap(), jobs.pop().unwrap());

        store.release(&one, now());
        let again = store.reserve_jobs(Lane::Plugins, now(), 10).await.unwrap();
        assert_eq!(again.iter().map(|job| job.id).collect::<Vec<_>>(), [one.id]);

        store.finish_job(&one, Next::Wait(later(5))).await.unwrap();
        store.finish_job(&two, Next::End).await.unwrap();
        assert!(store.reserve_jobs(Lane::Plugins, later(4), 10).await.unwrap().is_empty());
        let postponed = store.reserve_jobs(Lane::Plugins, later(5), 10).await.unwrap();
        assert_eq!(postponed.iter().map(|job| (job.id, job.attempts)).collect::<Vec<_>>(), [(one.id, 1)]);

        // What it waited for is there: it is due at once, but not for a second worker.
        store.finish_job(&postponed[0], Next::Wait(later(500))).await.unwrap();
        store.hasten_notifications(later(6));
        assert_eq!(store.reserve_jobs(Lane::Plugins, later(6), 10).await.unwrap().len(), 1);
        store.hasten_notifications(later(7));
        assert!(store.reserve_jobs(Lane::Plugins, later(7), 10).await.unwrap().is_empty(), "given out twice");
        // Where a channel said when to come back, nothing here changes that.
        store.finish_job(&postponed[0], Next::NotBefore(later(500))).await.unwrap();
        store.hasten_notifications(later(8));
        assert!(store.reserve_jobs(Lane::Plugins, later(8), 10).await.unwrap().is_empty(), "a channel that asked for patience was hurried");
        assert_eq!(store.reserve_jobs(Lane::Plugins, later(500), 10).await.unwrap().len(), 1);

        // A worker that died holds nothing: after a restart the job is free.
        drop(store);
        let store = open(kept.path());
        assert_eq!(store.reserve_jobs(Lane::Plugins, later(500), 10).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn what_a_notification_brought_about_is_written_with_the_end_of_its_job() {
    for (store, _kept) in backends() {
        store.start(request("one", "alice")).await.unwrap();
        let alice = UserId::from("alice");
        assert!(store.waiting(&alice, now()).await.unwrap().is_empty(), "shown before anybody announced it");
        let job = store.reserve_jobs(Lane::Plugins, now(), 1).await.unwrap().pop().unwrap();
        let notified = Notified {
            device: "phone".into(),
            plugin: ciba_host::protocol::plugin::PluginName::parse("inbox").unwrap(),
            version: "1.0.0".to_owned(),
            reference: "r".to_owned(),
            micros: 14,
        };
        let result = NotifyResult {
            notified: vec![notified.clone()],
            shown: Some(Shown { at: later(1), note: Some("We never phone you".to_owned()) }),
            withdraw: true,
            ..NotifyResult::default()
        };
        store.finish_notify(&job, result).await.unwrap();
        assert_eq!(store.waiting(&alice, later(1)).await.unwrap(), [TransactionId::from("one")]);
        let card = store.card(&alice, &"one".into()).await.unwrap().unwrap();
        assert_eq!((card.shown, card.note.as_deref()), (true, Some("We never phone you")));
        assert_eq!(store.request(&"one".into()).await.unwrap().unwrap().notified, [notified]);

        // Taking it back is due when there is nothing left to decide: at its end, or at the decision.
        assert!(store.reserve_jobs(Lane::Plugins, later(119), 10).await.unwrap().is_empty());
        store.decide(approve("one", "alice"), later(10)).await.unwrap();
        let withdraw = store.reserve_jobs(Lane::Plugins, later(10), 10).await.unwrap();
        assert_eq!(withdraw.iter().map(|job| job.kind).collect::<Vec<_>>(), [JobKind::Withdraw]);
    }
}

#[tokio::test]
async fn what_the_person_reports_is_taken_back() {
    for (store, _kept) in backends() {
        for name in ["pending", "approved", "redeemed"] {
            store.start(request(name, "alice")).await.unwrap();
        }
        for name in ["approved", "redeemed"] {
            store.decide(approve(name, "alice"), later(1)).await.unwrap();
        }
        assert!(store.redeem(&"redeemed".into(), grant("token"), None, later(2)).await.unwrap());
        let report = async |name: &str, user: &str| store.report(&name.into(), &user.into(), audit("report")).await.unwrap();
        assert!(!report("pending", "alice").await, "what waits is denied, not reported");
        assert!(!report("approved", "mallory").await);
        assert!(report("approved", "alice").await);
        assert!(!report("approved", "alice").await, "reported twice");
        assert!(!store.redeem(&"approved".into(), grant("stolen"), None, later(3)).await.unwrap());
        assert!(report("redeemed", "alice").await);
        assert_eq!(store.audit_log(latest(10)).await.unwrap().len(), 2);
    }
}

fn user(name: &str) -> User {
    User {
        id: format!("id-of-{name}").as_str().into(),
        username: name.to_owned(),
        name: name.to_owned(),
        email: Some(format!("{name}@example.com")),
        phone: None,
        locale: None,
        declared: false,
    }
}

#[tokio::test]
async fn a_user_is_found_by_each_hint_and_nobody_shares_one() {
    for (store, _kept) in backends() {
        store.add_user(user("Alice"), audit("add")).await.unwrap();
        for hint in ["alice", "alice@example.com"] {
            assert_eq!(store.user_by_hint(hint).await.unwrap().unwrap().username, "Alice", "{hint}");
        }
        let twin = User { id: "other".into(), username: "bob".to_owned(), ..user("alice") };
        assert!(matches!(store.add_user(twin, audit("add")).await, Err(StoreError::Exists(_))));
        assert_eq!(store.users().await.unwrap().len(), 1);
        assert_eq!(store.audit_log(latest(10)).await.unwrap().len(), 1, "what was refused was audited as done");
    }
}

#[tokio::test]
async fn a_one_time_link_works_once_and_in_time() {
    for (store, _kept) in backends() {
        let alice = user("alice");
        store.add_user(alice.clone(), audit("add")).await.unwrap();
        let token = |name: &str| Digest::of(name.as_bytes());
        for name in ["used", "expired"] {
            store.put_enrolment(token(name), &alice.id, later(900), audit("enrol")).await.unwrap();
        }
        let device = |name: &str| NewDevice { id: name.into(), name: name.to_owned(), session: Digest::of(name.as_bytes()) };
        // Looking does not use it up.
        for _ in 0..2 {
            assert_eq!(store.enrolment(&token("used"), later(1)).await.unwrap().unwrap().id, alice.id);
        }
        assert!(store.enrol(&token("expired"), device("late"), later(900)).await.unwrap().is_none());
        assert!(store.enrol(&token("used"), device("phone"), later(899)).await.unwrap().is_some());
        assert!(store.enrol(&token("used"), device("second"), later(899)).await.unwrap().is_none());
        assert_eq!(store.devices(&alice.id).await.unwrap().len(), 1);
        let (found, person) = store.device_by_session(&Digest::of(b"phone")).await.unwrap().unwrap();
        assert_eq!((found.id.as_str(), person.id.as_str()), ("phone", alice.id.as_str()));

        let link = Spent { what: Digest::of(b"link"), until: later(120) };
        assert!(store.spend(link).await.unwrap());
        assert!(!store.spend(link).await.unwrap());
        assert!(store.remove_user(&alice.id, audit("remove")).await.unwrap());
        assert!(store.device_by_session(&Digest::of(b"phone")).await.unwrap().is_none(), "a removed user's phone is still theirs");
    }
}

#[tokio::test]
async fn what_ended_is_forgotten_and_what_lives_is_not() {
    for (store, _kept) in backends() {
        for name in ["one", "two"] {
            store.start(request(name, "alice")).await.unwrap();
        }
        assert_eq!(store.forget(later(1_000), later(2_000)).await.unwrap(), 0, "its job has not ended");
        let jobs = store.reserve_jobs(Lane::Plugins, now(), 10).await.unwrap();
        store.finish_job(&jobs[0], Next::End).await.unwrap();
        assert_eq!(store.forget(later(120), later(2_000)).await.unwrap(), 0, "it has only just ended");
        assert_eq!(store.forget(later(121), later(2_000)).await.unwrap(), 1);
        assert_eq!(store.requests(10).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn what_clients_did_to_themselves_is_audited_for_a_while_and_what_others_did_for_good() {
    for (store, _kept) in backends() {
        for who in ["operator", "client", "client shop", "clients of mine"] {
            store.audit(AuditEntry { who: who.to_owned(), ..audit("client update") }).await.unwrap();
        }
        let who = async || store.audit_log(latest(10)).await.unwrap().into_iter().map(|entry| entry.who).collect::<Vec<_>>();
        assert_eq!((store.forget(now(), later(2_000)).await.unwrap(), who().await.len()), (0, 4));
        assert_eq!(store.forget(later(1), later(2_000)).await.unwrap(), 1);
        assert!(!who().await.contains(&"client shop".to_owned()));
    }
}

#[tokio::test]
async fn however_much_has_ended_is_looked_for_once_and_forgotten_step_by_step() {
    for (store, kept) in backends() {
        let lives_on = |name: &str| {
            let mut new = request(name, "alice");
            new.notify = None;
            new
        };
        for number in 0..1_200 {
            store.start(lives_on(&format!("r{number}"))).await.unwrap();
        }
        let mut late = lives_on("late");
        late.request.expires_at = later(5_000);
        store.start(late).await.unwrap();
        store.decide(approve("r0", "alice"), later(1)).await.unwrap();
        assert!(store.redeem(&"r0".into(), lasting(grant("long"), later(9_000)), None, later(2)).await.unwrap());

        // A step is begun when the future is polled, so that between two looks of ours at most one has been written.
        let database = rusqlite::Connection::open(kept.path().join("ciba.db")).unwrap();
        let count = || database.query_row("SELECT count(*) FROM request", [], |row| row.get::<_, i64>(0)).unwrap();
        let mut counts = vec![count()];
        let mut forgetting = store.forget(later(121), later(2_000));
        let forgotten = std::future::poll_fn(|context| {
            counts.push(count());
            if counts.len() > 2 && counts[counts.len() - 1] < counts[0] {
                // By now it has ended too: whoever looked once does not know.
                database.execute("UPDATE request SET expires_at = 0 WHERE token = 'late'", []).unwrap();
            }
            forgetting.as_mut().poll(context)
        });
        assert_eq!(forgotten.await.unwrap(), 1_199);
        counts.push(count());
        let steps: Vec<_> = counts.windows(2).map(|two| two[0] - two[1]).filter(|step| *step > 0).collect();
        assert!(steps.len() > 2 && steps.iter().all(|step| *step <= 500), "{steps:?} in one step each, for which everybody waits");
        // What it gave can still be used, so that it can still be taken back.
        let left = async || store.requests(10).await.unwrap().into_iter().map(|listed| listed.request.transaction.0).collect::<Vec<_>>();
        assert_eq!(left().await, ["late", "r0"]);
        assert_eq!(store.forget(later(121), later(2_000)).await.unwrap(), 1);
        assert_eq!(left().await, ["r0"]);
        // The token, and what it kept.
        assert_eq!(store.forget(later(121), later(9_001)).await.unwrap(), 2);
        assert!(left().await.is_empty());
    }
}

/// What is remembered says what the tables say, at every step and after a restart.
#[tokio::test]
async fn polls_and_pages_see_every_change() {
    for (store, kept) in backends() {
        let alice = UserId::from("alice");
        let page = async |store: &dyn Store, at| {
            let waiting = store.waiting(&alice, at).await.unwrap();
            waiting.iter().map(|one| one.as_str().to_owned()).collect::<Vec<_>>()
        };
        for name in ["one", "two", "three"] {
            store.start(request(name, "alice")).await.unwrap();
        }
        // The page is open before anything is shown on it.
        assert!(page(&*store, now()).await.is_empty());
        for job in store.reserve_jobs(Lane::Plugins, now(), 2).await.unwrap() {
            let shown = Some(Shown { at: now(), note: None });
            store.finish_notify(&job, NotifyResult { shown, ..NotifyResult::default() }).await.unwrap();
        }
        assert_eq!(page(&*store, now()).await, ["one", "two"]);
        store.show_all(&alice, later(1)).await.unwrap();
        assert_eq!(page(&*store, later(1)).await, ["one", "two", "three"]);

        store.decide(approve("one", "alice"), later(2)).await.unwrap();
        store.decide(decide("two", "alice", Decision::Deny), later(2)).await.unwrap();
        assert_eq!(page(&*store, later(2)).await, ["three"]);
        assert_eq!(state(&*store, "one", later(2)).await, State::Approved);
        assert_eq!(state(&*store, "two", later(2)).await, State::Denied);
        assert!(page(&*store, later(120)).await.is_empty(), "shown after its end");
        assert_eq!(state(&*store, "three", later(120)).await, State::Expired);

        assert!(store.report(&"one".into(), &alice, audit("report")).await.unwrap());
        assert_eq!(state(&*store, "one", later(3)).await, State::Denied);
        // A job that was not done yet knows what became of its request.
        store.decide(approve("three", "alice"), later(4)).await.unwrap();
        let late = store.reserve_jobs(Lane::Plugins, later(4), 10).await.unwrap();
        assert_eq!(late.iter().map(|job| job.request.state(later(4))).collect::<Vec<_>>(), [State::Approved]);
        assert!(store.redeem(&"three".into(), grant("three"), None, later(5)).await.unwrap());
        assert_eq!(state(&*store, "three", later(5)).await, State::Redeemed);

        drop(store);
        let store = open(kept.path());
        for (name, expected) in [("one", State::Denied), ("two", State::Denied), ("three", State::Redeemed)] {
            assert_eq!(state(&*store, name, later(6)).await, expected, "{name} after a restart");
        }
    }
}

#[tokio::test]
async fn what_is_reached_is_written_before_the_slowest_device_answers() {
    for (store, _kept) in backends() {
        store.start(request("one", "alice")).await.unwrap();
        let job = store.reserve_jobs(Lane::Plugins, now(), 1).await.unwrap().pop().unwrap();
        let so_far = NotifyResult { shown: Some(Shown { at: now(), note: None }), next: Next::GoOn, ..NotifyResult::default() };
        store.finish_notify(&job, so_far).await.unwrap();
        assert_eq!(store.waiting(&"alice".into(), now()).await.unwrap().len(), 1);
        assert!(store.reserve_jobs(Lane::Plugins, later(1), 10).await.unwrap().is_empty(), "it goes on, and was given out again");
        store.finish_notify(&job, NotifyResult::default()).await.unwrap();
        store.release(&job, now());
        assert!(store.reserve_jobs(Lane::Plugins, later(1), 10).await.unwrap().is_empty(), "it has ended");
    }
}

#[tokio::test]
async fn who_is_removed_has_approved_nothing() {
    for (store, _kept) in backends() {
        let (alice, bob) = (user("alice"), user("bob"));
        for person in [&alice, &bob] {
            store.add_user(person.clone(), audit("add")).await.unwrap();
            store.start(request(&person.username, person.id.as_str())).await.unwrap();
            store.decide(approve(&person.username, person.id.as_str()), later(1)).await.unwrap();
        }
        assert!(store.remove_user(&alice.id, audit("remove")).await.unwrap());
        assert_eq!(state(&*store, "alice", later(2)).await, State::Denied);
        assert!(!store.redeem(&"alice".into(), grant("alice"), None, later(2)).await.unwrap());
        assert!(store.redeem(&"bob".into(), grant("bob"), None, later(2)).await.unwrap());
        assert!(store.user_by_hint("alice").await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_channel_takes_away_an_address_and_never_a_page() {
    for (store, _kept) in backends() {
        let alice = user("alice");
        store.add_user(alice.clone(), audit("add")).await.unwrap();
        let token = Digest::of(b"enrol");
        store.put_enrolment(token, &alice.id, later(900), audit("enrol")).await.unwrap();
        let page = NewDevice { id: "page".into(), name: "Phone".to_owned(), session: Digest::of(b"session") };
        store.enrol(&token, page, now()).await.unwrap().unwrap();
        let address = Device {
            id: "address".into(),
            user: alice.id.clone(),
            name: "Pager".to_owned(),
            channel: "pager".to_owned(),
            address: Some("1234".to_owned()),
            added_at: later(1),
        };
        store.add_device(address, audit("device")).await.unwrap();
        assert_eq!(store.devices(&alice.id).await.unwrap().len(), 2);
        store.start(request("one", alice.id.as_str())).await.unwrap();
        let job = store.reserve_jobs(Lane::Plugins, now(), 1).await.unwrap().pop().unwrap();
        let gone = vec!["page".into(), "address".into()];
        store.finish_notify(&job, NotifyResult { gone, ..NotifyResult::default() }).await.unwrap();
        let left = store.devices(&alice.id).await.unwrap();
        assert_eq!(left.iter().map(|device| device.id.as_str()).collect::<Vec<_>>(), ["page"]);
        assert!(store.remove_device(&alice.id, &"page".into()).await.unwrap());
        assert!(store.devices(&alice.id).await.unwrap().is_empty());
        assert!(store.device_by_session(&Digest::of(b"session")).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_client_is_replaced_and_removed() {
    for (store, _kept) in backends() {
        let client = |name: &str| Client::with_secret("shop".into(), name, ClientKind::Ciba, Digest::of(b"secret"), Origin::Command);
        let named = async || store.client(&"shop".into()).await.unwrap().map(|client| client.name().to_owned());
        for name in ["Fern", "Fern & Co"] {
            store.put_client(client(name), audit("put")).await.unwrap();
            assert_eq!(named().await.as_deref(), Some(name));
        }
        assert!(matches!(store.add_client(client("Other"), audit("add")).await, Err(StoreError::Exists(_))));
        assert_eq!(store.clients().await.unwrap().len(), 1);
        let demo = Client { id: "demo".into(), origin: Origin::Demo, ..client("Demo") };
        store.put_client(demo, audit("demo")).await.unwrap();
        store.remove_demo_clients(audit("remove")).await.unwrap();
        assert!(store.client(&"demo".into()).await.unwrap().is_none());
        assert!(store.remove_client(&"shop".into(), audit("remove")).await.unwrap().is_some());
        assert!(store.remove_client(&"shop".into(), audit("remove")).await.unwrap().is_none());
        assert_eq!(named().await, None);
    }
}

/// Rows that cannot be are errors that name the table and the row, and nothing else stops for them.
#[tokio::test]
async fn a_row_that_cannot_be_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for name in ["good", "bad"] {
        store.start(request(name, "alice")).await.unwrap();
    }
    let database = rusqlite::Connection::open(directory.path().join("ciba.db")).unwrap();
    database.execute("UPDATE request SET state = 'maybe' WHERE token = 'bad'", []).unwrap();
    let error = store.request(&"bad".into()).await.unwrap_err().to_string();
    for part in ["request", "bad", "maybe"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(store.request(&"good".into()).await.unwrap().is_some());
}
