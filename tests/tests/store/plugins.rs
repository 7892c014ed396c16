//! What the store knows of plugins: what those that observe are to be told, and which versions served.

use ciba_host::protocol::plugin::{ArtefactDigest, Mode, PluginName, Word, Words};
use ciba_host::store::{Activation, ActivePlugin, NewWords, Refresh, Refreshed, SetAside, Switch};

use super::*;

fn name(name: &str) -> PluginName {
    PluginName::parse(name).unwrap()
}

/// A version of this component with this `name.toml` begins to serve.
fn activation(plugin: &str, component: &str, file: &str, since: Timestamp) -> Activation {
    let artefact = ArtefactDigest::of(component.as_bytes());
    Activation {
        plugin: ActivePlugin { name: name(plugin), artefact, file: file.to_owned(), since, set_aside: None, serves: true },
        bytes: Arc::from(component.as_bytes()),
        version: "1.0.0".to_owned(),
        settings: "{}".to_owned(),
        observes: false,
        rolled_back_by: None,
        audit: audit("plugin serving"),
    }
}

/// A version serves, which observes or does not.
async fn serves(store: &dyn Store, plugin: &str, observes: bool, since: Timestamp) {
    store.activate(Activation { observes, ..activation(plugin, "bytes", "", since) }).await.unwrap();
}

/// It no longer serves.
async fn gone(store: &dyn Store, plugin: &str, at: Timestamp) {
    store.deactivate(&name(plugin), AuditEntry { at, ..audit("plugin stopped") }).await.unwrap();
}

/// What this plugin has not heard of, and how much of it is gone.
async fn unheard(store: &dyn Store, plugin: &str) -> (u64, Vec<String>) {
    let unheard = store.unheard(&name(plugin), 100).await.unwrap();
    let words = unheard.events.iter().map(|event| {
        assert_eq!(event.client, "shop".into());
        format!("{} {} {} {}", event.id, event.kind.as_str(), event.transaction, event.user)
    });
    (unheard.lost, words.collect())
}

const HOUR: i64 = 3_600;

#[tokio::test]
async fn an_observer_is_told_of_all_that_happens_from_when_it_begins() {
    for (store, kept) in backends() {
        store.start(request("before", "alice")).await.unwrap();
        serves(&*store, "watch", true, now()).await;
        serves(&*store, "other", false, now()).await;
        let commits = store.events();
        store.start(request("one", "alice")).await.unwrap();
        assert!(commits.has_changed().unwrap());
        let again = NewRequest { supersedes: true, ..request("two", "alice") };
        store.start(again).await.unwrap();
        store.decide(approve("two", "alice"), later(1)).await.unwrap();
        // What changes nothing is no event.
        store.decide(approve("two", "alice"), later(1)).await.unwrap();
        let refresh_token = Digest::of(b"refresh");
        let mut given = grant("two.access");
        given.refresh_token = Some(ciba_host::protocol::tokens::NewRefreshToken { digest: refresh_token, expires_at: later(600) });
        assert!(store.redeem(&"two".into(), given.clone(), None, later(2)).await.unwrap());
        assert!(!store.redeem(&"two".into(), given, None, later(2)).await.unwrap());
        let refresh = Refresh {
            transaction: "two".into(),
            presented: refresh_token,
            access_token: grant("more").access_token,
            next: None,
            last: false,
        };
        assert_eq!(store.refresh(refresh, later(3)).await.unwrap(), Refreshed::Done);
        assert!(store.report(&"two".into(), &"alice".into(), audit("report")).await.unwrap());
        store.start(request("three", "bob")).await.unwrap();
        store.decide(decide("three", "bob", Decision::Deny), later(4)).await.unwrap();
        store.start(request("four", "bob")).await.unwrap();
        assert!(store.give_up(&"four".into(), later(5)).await.unwrap());
        store.start(request("five", "bob")).await.unwrap();
        store.decide(approve("five", "bob"), later(6)).await.unwrap();
        assert!(store.withhold(&"five".into(), "the rules", later(7)).await.unwrap());
        let all = [
            "1 request-started one alice",
            "2 request-superseded before alice",
            "3 request-superseded one alice",
            "4 request-started two alice",
            "5 request-approved two alice",
            "6 tokens-issued two alice",
            "7 tokens-issued two alice",
            "8 request-reported two alice",
            "9 request-started three bob",
            "10 request-denied three bob",
            "11 request-started four bob",
            "12 request-denied four bob",
            "13 request-started five bob",
            "14 request-approved five bob",
            "15 request-denied five bob",
        ];
        assert_eq!(unheard(&*store, "watch").await, (0, all.map(str::to_owned).to_vec()));
        assert_eq!(unheard(&*store, "other").await.1, [] as [String; 0]);
        store.heard(&name("watch"), 10).await.unwrap();
        store.heard(&name("watch"), 3).await.unwrap();
        assert_eq!(unheard(&*store, "watch").await.1.len(), 5, "nobody hears less than before");
        // A new start knows what there is, and goes on writing.
        drop(store);
        let store = open(kept.path());
        store.start(request("six", "bob")).await.unwrap();
        assert_eq!(unheard(&*store, "watch").await.1.last().unwrap(), "16 request-started six bob");
    }
}

#[tokio::test]
async fn nothing_is_written_for_nobody() {
    for (store, kept) in backends() {
        serves(&*store, "other", false, now()).await;
        store.start(request("one", "alice")).await.unwrap();
        store.decide(approve("one", "alice"), later(1)).await.unwrap();
        assert!(store.redeem(&"one".into(), grant("one.access"), None, later(2)).await.unwrap());
        let database = rusqlite::Connection::open(kept.path().join("ciba.db")).unwrap();
        let written: i64 = database.query_row("SELECT count(*) FROM sqlite_sequence WHERE name = 'event'", [], |row| row.get(0)).unwrap();
        assert_eq!(written, 0);
    }
}

#[tokio::test]
async fn a_plugin_that_is_gone_keeps_its_place_for_a_day() {
    for (store, kept) in backends() {
        let began = |number: i64| later(number * HOUR);
        let start = async |name: &str, hour: i64| {
            let mut new = request(name, "alice");
            new.request.created_at = began(hour);
            store.start(new).await.unwrap();
        };
        let forget = async |hour: i64| store.forget(now(), began(hour)).await.unwrap();
        serves(&*store, "watch", true, now()).await;
        start("one", 0).await;
        gone(&*store, "watch", now()).await;
        start("two", 1).await;
        // Also when there was another version without the hook.
        serves(&*store, "watch", false, began(2)).await;
        forget(23).await;
        serves(&*store, "watch", true, began(23)).await;
        assert_eq!(unheard(&*store, "watch").await.1.len(), 2);
        // Old ones go, heard of or not; who was to hear of them learns how many.
        forget(24).await;
        assert_eq!(unheard(&*store, "watch").await, (0, vec!["1 request-started one alice".into(), "2 request-started two alice".into()]));
        store.forget(now(), later(24 * HOUR + 1)).await.unwrap();
        assert_eq!(unheard(&*store, "watch").await, (1, vec!["2 request-started two alice".into()]));
        // What everybody has heard of goes at once.
        store.heard(&name("watch"), 2).await.unwrap();
        let database = rusqlite::Connection::open(kept.path().join("ciba.db")).unwrap();
        let count = |table: &str| -> i64 { database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap() };
        forget(24).await;
        assert_eq!((count("event"), count("observer")), (0, 1));
        // Gone for longer, it begins anew; and nothing is written for nobody.
        gone(&*store, "watch", began(24)).await;
        start("three", 25).await;
        store.forget(now(), later(48 * HOUR + 1)).await.unwrap();
        assert_eq!((count("event"), count("observer")), (0, 0));
        start("four", 49).await;
        assert_eq!(count("event"), 0);
        serves(&*store, "watch", true, began(50)).await;
        start("five", 51).await;
        assert_eq!(unheard(&*store, "watch").await, (0, vec!["4 request-started five alice".into()]));
    }
}

#[tokio::test]
async fn the_last_ten_versions_of_each_plugin_are_kept() {
    for (store, _kept) in backends() {
        let number = |number: usize| format!("component {number}");
        let kept = async |component: &str| store.artefact(&ArtefactDigest::of(component.as_bytes())).await.unwrap().is_some();
        // The oldest is another plugin's too.
        store.activate(activation("other", &number(0), "", now())).await.unwrap();
        for version in 0..12 {
            store.activate(activation("inbox", &number(version), "", later(version as i64))).await.unwrap();
        }
        let history = store.plugin_history(&name("inbox")).await.unwrap();
        assert_eq!((history.len(), history[0].since, history[0].until), (10, later(11), None));
        assert_eq!(history[9].until, Some(later(3)));
        assert_eq!((kept(&number(0)).await, kept(&number(1)).await, kept(&number(2)).await), (true, false, true));
        // Other settings are another version; the same once more, with another secret, is none.
        store.activate(activation("inbox", &number(11), "x", later(20))).await.unwrap();
        store.activate(activation("inbox", &number(11), "x", later(21))).await.unwrap();
        let history = store.plugin_history(&name("inbox")).await.unwrap();
        assert_eq!((history.len(), history[0].since, history[1].until), (10, later(20), Some(later(20))));
        assert!(!kept(&number(2)).await && kept(&number(3)).await);
        // Back and forth are lines, and no versions.
        for turn in 0..150 {
            store.activate(activation("inbox", &number(10 + turn % 2), "", later(30))).await.unwrap();
        }
        let history = store.plugin_history(&name("inbox")).await.unwrap();
        assert_eq!(history.len(), 100);
        assert!(kept(&number(11)).await && kept(&number(10)).await && !kept(&number(9)).await);
    }
}

#[tokio::test]
async fn what_was_set_aside_is_remembered_until_something_else_serves() {
    for (store, kept) in backends() {
        let mut back = activation("inbox", "one", "", now());
        let set_aside = Some(SetAside { file: ArtefactDigest("of a file".to_owned()), by: "operator".to_owned() });
        back.plugin.set_aside.clone_from(&set_aside);
        back.rolled_back_by = Some("operator".to_owned());
        back.audit = AuditEntry { who: "operator".to_owned(), ..audit("plugin rollback") };
        store.activate(back).await.unwrap();
        assert_eq!(store.audit_log(latest(1)).await.unwrap()[0].what, "plugin rollback");
        drop(store);
        let store = open(kept.path());
        assert_eq!(store.active_plugins().await.unwrap()[0].set_aside, set_aside);
        assert_eq!(store.plugin_history(&name("inbox")).await.unwrap()[0].rolled_back_by.as_deref(), Some("operator"));
        store.activate(activation("inbox", "two", "", now())).await.unwrap();
        assert_eq!(store.active_plugins().await.unwrap()[0].set_aside, None);
        gone(&*store, "inbox", later(9)).await;
        assert_eq!(store.plugin_history(&name("inbox")).await.unwrap()[0].until, Some(later(9)));
        assert!(store.active_plugins().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_operators_say_of_a_plugin_is_kept_and_what_it_turns_off_and_on_is_in_its_history() {
    for (store, kept) in backends() {
        let say = async |store: &dyn Store, words: Words, turn: Option<Switch>, at: Timestamp| {
            let audit = AuditEntry { at, ..audit("plugin set") };
            store.set_plugin_words(NewWords { plugin: name("inbox"), words, turn, audit }).await.unwrap();
        };
        let on = |version: &str| Switch::On { version: version.to_owned(), settings: "{}".to_owned(), observes: true };
        let mode = Some(Word { is: Mode::Off, who: "one".to_owned(), at: later(1) });
        let order = Some(Word { is: -5, who: "another".to_owned(), at: later(2) });
        let words = Words { mode, order };
        store.activate(Activation { observes: true, ..activation("inbox", "one", "", now()) }).await.unwrap();
        say(&*store, words.clone(), Some(Switch::Off), later(3)).await;
        drop(store);
        let store = open(kept.path());
        assert_eq!(store.plugin_words().await.unwrap(), [(name("inbox"), words.clone())]);
        let [active] = &*store.active_plugins().await.unwrap() else { panic!("it is not kept") };
        assert!(!active.serves);
        assert_eq!(store.plugin_history(&name("inbox")).await.unwrap()[0].until, Some(later(3)));
        // Other versions arrive meanwhile: they do not serve, and those that never did are nobody's.
        for component in ["two", "three"] {
            let mut waits = activation("inbox", component, "", later(4));
            waits.plugin.serves = false;
            store.activate(Activation { observes: true, ..waits }).await.unwrap();
        }
        let has = async |component: &str| store.artefact(&ArtefactDigest::of(component.as_bytes())).await.unwrap().is_some();
        assert!(has("one").await && !has("two").await && has("three").await);
        assert_eq!(store.plugin_history(&name("inbox")).await.unwrap().len(), 1);
        assert_eq!(store.audit_log(latest(1)).await.unwrap()[0].what, "plugin serving");
        // Taken back, it serves; and to say so again changes nothing.
        for at in [5, 6] {
            say(&*store, Words::default(), Some(on("3.0.0")), later(at)).await;
        }
        assert!(store.plugin_words().await.unwrap().is_empty());
        assert!(store.active_plugins().await.unwrap()[0].serves);
        let history = store.plugin_history(&name("inbox")).await.unwrap();
        assert_eq!((history.len(), &*history[0].version, history[0].since, history[0].until), (2, "3.0.0", later(5), None));
        assert_eq!(store.audit_log(latest(1)).await.unwrap()[0].what, "plugin set");
        // It hears of what happens now.
        store.start(request("tx", "alice")).await.unwrap();
        assert_eq!(unheard(&*store, "inbox").await.1.len(), 1);
    }
}

#[tokio::test]
async fn the_audit_log_is_asked_by_time_and_by_word() {
    for (store, _kept) in backends() {
        for (at, who, what, about) in [
            (1, "operator", "plugin set", "inbox mode off"),
            (2, "file", "plugin serving", "sms 1.0.0"),
            (3, "operator", "client add", "shop"),
        ] {
            store.audit(AuditEntry { at: later(at), who: who.to_owned(), what: what.to_owned(), about: about.to_owned() }).await.unwrap();
        }
        let found = async |since: Option<i64>, word: Option<&str>, most: u32| {
            let query = AuditQuery { since: since.map(later), word: word.map(str::to_owned), most };
            store.audit_log(query).await.unwrap().into_iter().map(|entry| entry.what).collect::<Vec<_>>()
        };
        assert_eq!(found(None, None, 2).await, ["client add", "plugin serving"]);
        assert_eq!(found(Some(2), None, 9).await, ["client add", "plugin serving"]);
        assert_eq!(found(None, Some("plugin"), 9).await, ["plugin serving", "plugin set"]);
        assert_eq!(found(None, Some("sms"), 9).await, ["plugin serving"]);
        assert_eq!(found(None, Some("operator"), 1).await, ["client add"]);
        assert!(found(Some(4), None, 9).await.is_empty() && found(None, Some("%"), 9).await.is_empty());
    }
}
