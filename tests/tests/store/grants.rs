//! Access and refresh tokens: what is found, what is taken back, and how a stolen one is known.

use ciba_host::protocol::tokens::NewRefreshToken;
use ciba_host::protocol::transaction::Confirmation;
use ciba_host::store::{Refresh, Refreshed};

use super::*;

fn digest(token: &str) -> Digest {
    Digest::of(token.as_bytes())
}

/// A grant with a refresh token of the first generation.
fn refreshable(name: &str) -> NewGrant {
    let refresh_token = Some(NewRefreshToken { digest: digest(&format!("{name}-refresh-0")), expires_at: later(5_000) });
    NewGrant { refresh_token, ..grant(&format!("{name}-access-0")) }
}

async fn redeemed(store: &dyn Store, name: &str) {
    store.start(request(name, "alice")).await.unwrap();
    store.decide(approve(name, "alice"), later(1)).await.unwrap();
    assert!(store.redeem(&name.into(), refreshable(name), None, later(2)).await.unwrap());
}

/// Presents one refresh token for an access token, and for the next refresh token where one is named.
async fn refresh(store: &dyn Store, name: &str, presented: &str, access: &str, next: Option<&str>) -> Refreshed {
    let access_token = NewAccessToken {
        digest: digest(access),
        expires_at: later(1_200),
        confirmation: None,
        audience: Vec::new(),
        scope: None,
        claims: None,
    };
    let refresh = Refresh { transaction: name.into(), presented: digest(presented), access_token, next: next.map(digest), last: false };
    store.refresh(refresh, later(10)).await.unwrap()
}

async fn works(store: &dyn Store, name: &str, access: &str) -> bool {
    store.grant(&name.into(), &digest(access), later(11)).await.unwrap().is_some()
}

#[tokio::test]
async fn an_access_token_is_found_with_what_was_granted_until_it_ends() {
    for (store, kept) in backends() {
        store.start(request("one", "alice")).await.unwrap();
        store.decide(approve("one", "alice"), later(1)).await.unwrap();
        let mut given = grant("token");
        given.access_token.confirmation = Some(Confirmation::Key("thumbprint".to_owned()));
        given.access_token.audience = vec!["https://a.example".to_owned(), "https://b.example".to_owned()];
        assert!(store.redeem(&"one".into(), given.clone(), None, later(2)).await.unwrap());
        drop(store);
        let store = open(kept.path());
        let found = store.grant(&"one".into(), &digest("token"), later(599)).await.unwrap().unwrap();
        assert_eq!((found.issued_at, found.expires_at), (later(2), later(600)));
        assert_eq!((found.confirmation, found.audience), (given.access_token.confirmation, given.access_token.audience));
        assert_eq!(found.request.stored, Stored::Redeemed);
        assert!(store.grant(&"one".into(), &digest("token"), later(600)).await.unwrap().is_none(), "it has ended");
        assert!(store.grant(&"one".into(), &digest("guess"), later(3)).await.unwrap().is_none());
        assert!(store.grant(&"two".into(), &digest("token"), later(3)).await.unwrap().is_none(), "it is another request's");
        assert!(store.revoke_access_token(&"one".into(), &digest("token")).await.unwrap());
        assert!(!store.revoke_access_token(&"one".into(), &digest("token")).await.unwrap());
        assert!(store.grant(&"one".into(), &digest("token"), later(3)).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_refresh_token_that_stays_the_same_works_again_and_again() {
    for (store, _kept) in backends() {
        redeemed(&*store, "one").await;
        let found = store.refresh_grant(&"one".into(), &digest("one-refresh-0"), later(4_999)).await.unwrap().unwrap();
        assert_eq!((found.request.transaction.as_str(), found.expires_at), ("one", later(5_000)));
        assert!(store.refresh_grant(&"one".into(), &digest("one-refresh-0"), later(5_000)).await.unwrap().is_none());
        for access in ["one-access-1", "one-access-2"] {
            assert_eq!(refresh(&*store, "one", "one-refresh-0", access, None).await, Refreshed::Done);
            assert!(works(&*store, "one", access).await);
        }
        assert!(works(&*store, "one", "one-access-0").await, "a refresh takes nothing away");
        assert_eq!(refresh(&*store, "one", "guess", "x", None).await, Refreshed::Unknown);
        assert_eq!(refresh(&*store, "two", "one-refresh-0", "x", None).await, Refreshed::Unknown);
        // Once everything is taken back there is nothing to refresh.
        store.revoke_grant(&"one".into()).await.unwrap();
        assert_eq!(refresh(&*store, "one", "one-refresh-0", "x", None).await, Refreshed::Unknown);
        assert!(!works(&*store, "one", "one-access-2").await);
    }
}

#[tokio::test]
async fn a_rotated_refresh_token_works_until_its_successor_was_used_and_then_it_was_stolen() {
    for (store, kept) in backends() {
        redeemed(&*store, "one").await;
        redeemed(&*store, "other").await;
        assert_eq!(refresh(&*store, "one", "one-refresh-0", "a1", Some("r1")).await, Refreshed::Done);
        // The answer was lost: the client presents the old one again, as often as it must.
        assert_eq!(refresh(&*store, "one", "one-refresh-0", "a2", Some("r1b")).await, Refreshed::Done);
        assert_eq!(refresh(&*store, "one", "r1b", "a3", Some("r2")).await, Refreshed::Done);
        // The answer to that was lost as well.
        assert_eq!(refresh(&*store, "one", "r1b", "a4", Some("r2b")).await, Refreshed::Done);
        for access in ["a1", "a2", "a3", "a4"] {
            assert!(works(&*store, "one", access).await, "{access}");
        }
        drop(store);
        let store = open(kept.path());
        assert_eq!(refresh(&*store, "one", "one-refresh-0", "thief", Some("thief")).await, Refreshed::Stolen);
        for access in ["one-access-0", "a1", "a4", "thief"] {
            assert!(!works(&*store, "one", access).await, "{access} works after a theft");
        }
        for token in ["r2", "r2b", "thief", "one-refresh-0"] {
            assert_eq!(refresh(&*store, "one", token, "x", None).await, Refreshed::Unknown, "{token}");
        }
        assert_eq!(refresh(&*store, "other", "other-refresh-0", "b1", Some("s1")).await, Refreshed::Done, "a neighbour pays for a theft");
    }
}

/// Whoever stole a token and used it first has a successor of its own. That nobody uses the old one again hides it only
/// until both use what they have.
#[tokio::test]
async fn of_two_that_were_born_side_by_side_the_second_that_is_used_was_stolen() {
    for (store, kept) in backends() {
        for (name, rotates) in [("rotates", true), ("stays", false)] {
            redeemed(&*store, name).await;
            let first = format!("{name}-refresh-0");
            for sibling in ["thief", "honest"] {
                assert_eq!(refresh(&*store, name, &first, &format!("{sibling} access"), Some(sibling)).await, Refreshed::Done);
            }
            let passed = async |token| store.refresh_grant(&name.into(), &digest(token), later(11)).await.unwrap().unwrap().passed;
            assert_eq!((passed(first.as_str()).await, passed("thief").await, passed("honest").await), (false, false, false));
            for (access, next) in [("a2", "r2"), ("a3", "r3")] {
                assert_eq!(refresh(&*store, name, "thief", access, Some(next).filter(|_| rotates)).await, Refreshed::Done);
            }
            assert_eq!((passed(first.as_str()).await, passed("thief").await, passed("honest").await), (true, false, true), "{name}");
        }
        drop(store);
        let store = open(kept.path());
        for name in ["rotates", "stays"] {
            assert_eq!(refresh(&*store, name, "honest", "x", Some("y")).await, Refreshed::Stolen, "{name}");
            for access in ["thief access", "honest access", "a2", "a3", "x"] {
                assert!(!works(&*store, name, access).await, "{name}: {access} works after a theft");
            }
            assert_eq!(refresh(&*store, name, "thief", "x", Some("y")).await, Refreshed::Unknown, "{name}");
        }
    }
}

#[tokio::test]
async fn however_often_a_token_is_rotated_a_stolen_one_is_known_and_the_table_does_not_grow() {
    for (store, kept) in backends() {
        redeemed(&*store, "one").await;
        let mut presented = "one-refresh-0".to_owned();
        for number in 1..=100 {
            let next = format!("one-refresh-{number}");
            assert_eq!(refresh(&*store, "one", &presented, &format!("a{number}"), Some(&next)).await, Refreshed::Done);
            presented = next;
        }
        let database = rusqlite::Connection::open(kept.path().join("ciba.db")).unwrap();
        let kept: i64 = database.query_row("SELECT count(*) FROM refresh_token", [], |row| row.get(0)).unwrap();
        assert!(kept < 30, "{kept} generations are kept");
        // One that is too old to be known works for nobody.
        assert_eq!(refresh(&*store, "one", "one-refresh-1", "x", Some("y")).await, Refreshed::Unknown);
        assert_eq!(refresh(&*store, "one", "one-refresh-90", "x", Some("y")).await, Refreshed::Stolen);
        assert_eq!(refresh(&*store, "one", &presented, "x", Some("y")).await, Refreshed::Unknown);
    }
}

/// A client whose answer was lost may send the same token many times at once. All of them are answered, whatever the
/// order, because none of the new tokens was used.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_refresh_at_once_nobody_is_taken_for_a_thief() {
    for (store, _kept) in backends() {
        redeemed(&*store, "one").await;
        let racing: Vec<_> = (0..32)
            .map(|number| {
                let store = Arc::clone(&store);
                tokio::spawn(
                    async move { refresh(&*store, "one", "one-refresh-0", &format!("a{number}"), Some(&format!("r{number}"))).await },
                )
            })
            .collect();
        for one in racing {
            assert_eq!(one.await.unwrap(), Refreshed::Done);
        }
        assert_eq!(refresh(&*store, "one", "r7", "last", Some("r-last")).await, Refreshed::Done);
        assert_eq!(refresh(&*store, "one", "one-refresh-0", "thief", Some("thief")).await, Refreshed::Stolen);
    }
}

/// A theft and a use of the family at the same time: whatever the order, nothing of it works afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_theft_that_races_with_a_refresh_leaves_nothing() {
    for (store, _kept) in backends() {
        for round in 0..16 {
            let name = format!("r{round}");
            redeemed(&*store, &name).await;
            let first = format!("{name}-refresh-0");
            assert_eq!(refresh(&*store, &name, &first, "a1", Some("next")).await, Refreshed::Done);
            assert_eq!(refresh(&*store, &name, "next", "a2", Some("after")).await, Refreshed::Done);
            let spawn = |presented: String, access: &'static str| {
                let (store, name) = (Arc::clone(&store), name.clone());
                tokio::spawn(async move { refresh(&*store, &name, &presented, access, Some(access)).await })
            };
            let (theft, honest) = (spawn(first, "thief"), spawn("after".to_owned(), "honest"));
            assert_eq!(theft.await.unwrap(), Refreshed::Stolen);
            assert!(matches!(honest.await.unwrap(), Refreshed::Done | Refreshed::Unknown));
            for access in ["a1", "a2", "thief", "honest"] {
                assert!(!works(&*store, &name, access).await, "{access}");
            }
        }
    }
}

#[tokio::test]
async fn what_has_ended_is_forgotten_although_what_is_older_lives() {
    for (store, kept) in backends() {
        // More families that live than one step looks at, and all of them older than what has ended.
        for number in 0..600 {
            let name = format!("lives{number}");
            let mut new = request(&name, "alice");
            new.notify = None;
            store.start(new).await.unwrap();
            store.decide(approve(&name, "alice"), later(1)).await.unwrap();
            assert!(store.redeem(&name.as_str().into(), refreshable(&name), None, later(2)).await.unwrap());
        }
        let mut new = request("ended", "alice");
        new.notify = None;
        store.start(new).await.unwrap();
        store.decide(approve("ended", "alice"), later(1)).await.unwrap();
        assert!(store.redeem(&"ended".into(), grant("ended"), None, later(2)).await.unwrap());
        // Their access tokens are renewed, so that those live as well.
        for number in 0..600 {
            let name = format!("lives{number}");
            assert_eq!(refresh(&*store, &name, &format!("{name}-refresh-0"), "renewed", None).await, Refreshed::Done);
        }
        store.forget(later(200), later(1_000)).await.unwrap();
        assert!(store.request(&"ended".into()).await.unwrap().is_none(), "the old that lives keeps what has ended");
        let database = rusqlite::Connection::open(kept.path().join("ciba.db")).unwrap();
        let count = |table: &str| database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!((count("request"), count("refresh_family"), count("refresh_token"), count("access_token")), (600, 600, 600, 600));
        store.forget(later(200), later(6_000)).await.unwrap();
        assert_eq!((count("request"), count("refresh_family"), count("refresh_token"), count("access_token")), (0, 0, 0, 0));
    }
}

#[tokio::test]
async fn what_plugins_added_to_a_token_stands_with_it() {
    use ciba_host::protocol::added_claims::AddedClaims;
    for (store, kept) in backends() {
        store.start(request("one", "alice")).await.unwrap();
        store.decide(approve("one", "alice"), later(1)).await.unwrap();
        let mut given = grant("token");
        let more = |name: &str| serde_json::Map::from_iter([(name.to_owned(), serde_json::json!({ "a": [1] }))]);
        let added = AddedClaims { id_token: more("one"), access_token: more("two") };
        given.access_token.claims = Some(added.clone());
        assert!(store.redeem(&"one".into(), given, None, later(2)).await.unwrap());
        drop(store);
        let store = open(kept.path());
        assert_eq!(store.grant(&"one".into(), &digest("token"), later(3)).await.unwrap().unwrap().claims, added);
    }
}

#[tokio::test]
async fn an_approval_is_withheld_once_and_only_before_it_gave_anything() {
    for (store, _kept) in backends() {
        store.start(request("one", "alice")).await.unwrap();
        assert!(!store.withhold(&"one".into(), "the rules", later(1)).await.unwrap(), "nobody has approved it");
        store.decide(approve("one", "alice"), later(1)).await.unwrap();
        assert!(store.withhold(&"one".into(), "the rules", later(2)).await.unwrap());
        assert!(!store.withhold(&"one".into(), "the rules", later(3)).await.unwrap());
        assert!(!store.redeem(&"one".into(), grant("token"), None, later(3)).await.unwrap());
        let card = store.card(&"alice".into(), &"one".into()).await.unwrap().unwrap();
        assert_eq!((card.request.stored, card.request.decided_at), (Stored::Denied, Some(later(2))));
        assert_eq!((card.decided_on.as_deref(), card.decided_by), (Some("the rules"), None));
        assert!(!card.request.is_given_up() && card.request.evidence.is_none());
        redeemed(&*store, "two").await;
        assert!(!store.withhold(&"two".into(), "the rules", later(3)).await.unwrap(), "it gave tokens");
        assert!(works(&*store, "two", "two-access-0").await);
    }
}

#[tokio::test]
async fn the_last_refresh_leaves_no_refresh_token_behind() {
    for (store, _kept) in backends() {
        redeemed(&*store, "one").await;
        let access_token = grant("last").access_token;
        let last = Refresh { transaction: "one".into(), presented: digest("one-refresh-0"), access_token, next: None, last: true };
        assert_eq!(store.refresh(last, later(10)).await.unwrap(), Refreshed::Done);
        assert!(works(&*store, "one", "last").await && works(&*store, "one", "one-access-0").await);
        assert_eq!(refresh(&*store, "one", "one-refresh-0", "x", None).await, Refreshed::Unknown);
    }
}
