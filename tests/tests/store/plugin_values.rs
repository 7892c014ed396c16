//! What plugins keep.

use ciba_host::protocol::plugin::PluginName;
use ciba_host::store::{Condition, NewValue, Quota, Store, Written};

use super::{backends, later, now, open};

const WIDE: Quota = Quota { keys: 100, bytes: 1 << 20 };

fn plugin(name: &str) -> PluginName {
    PluginName::parse(name).unwrap()
}

fn value(key: &str, value: &str) -> NewValue {
    NewValue { plugin: plugin("a"), key: key.to_owned(), value: value.into(), expires_at: None, when: Condition::Always }
}

async fn text(store: &dyn Store, owner: &str, key: &str, seconds: i64) -> Option<String> {
    let found = store.plugin_value(&plugin(owner), key, later(seconds)).await.unwrap();
    found.map(|kept| String::from_utf8(kept.value).unwrap())
}

async fn put(store: &dyn Store, new: NewValue) -> Written {
    store.put_plugin_value(new, WIDE, now()).await.unwrap()
}

#[tokio::test]
async fn a_value_is_its_plugins_own_and_survives_a_restart() {
    for (store, directory) in backends() {
        let first = put(&*store, value("k", "one")).await;
        put(&*store, NewValue { plugin: plugin("b"), ..value("k", "theirs") }).await;
        let Written::Version(first) = first else { panic!("{first:?}") };
        drop(store);
        let store = open(directory.path());
        assert_eq!(text(&*store, "a", "k", 0).await.as_deref(), Some("one"));
        assert_eq!(text(&*store, "b", "k", 0).await.as_deref(), Some("theirs"));
        assert!(store.remove_plugin_value(&plugin("a"), "k", Condition::Always, now()).await.unwrap());
        assert!(!store.remove_plugin_value(&plugin("a"), "k", Condition::Always, now()).await.unwrap());
        assert_eq!(text(&*store, "a", "k", 0).await, None);
        assert_eq!(text(&*store, "b", "k", 0).await.as_deref(), Some("theirs"));
        // What was deleted in between is not taken for what it was.
        let Written::Version(second) = put(&*store, value("k", "one")).await else { panic!("it was not written") };
        assert!(second > first, "{second} after {first}");
    }
}

#[tokio::test]
async fn a_write_depends_on_what_it_says() {
    for (store, _directory) in backends() {
        let store = &*store;
        let when = |condition, text: &str| NewValue { when: condition, ..value("k", text) };
        assert_eq!(put(store, when(Condition::Unchanged(1), "a")).await, Written::Differs);
        let Written::Version(one) = put(store, when(Condition::Absent, "b")).await else { panic!("absent") };
        assert_eq!(put(store, when(Condition::Absent, "c")).await, Written::Differs);
        let Written::Version(two) = put(store, when(Condition::Unchanged(one), "d")).await else { panic!("unchanged") };
        assert_eq!(put(store, when(Condition::Unchanged(one), "e")).await, Written::Differs);
        assert_eq!(text(store, "a", "k", 0).await.as_deref(), Some("d"));
        for (condition, there) in [(Condition::Absent, false), (Condition::Unchanged(one), false), (Condition::Unchanged(two), true)] {
            assert_eq!(store.remove_plugin_value(&plugin("a"), "k", condition, now()).await.unwrap(), there, "{condition:?}");
        }
    }
}

#[tokio::test]
async fn of_many_that_write_the_same_version_one_wins() {
    for (store, _directory) in backends() {
        let Written::Version(version) = put(&*store, value("k", "0")).await else { panic!("it was not written") };
        let writes = (0..20).map(|number| {
            let new = NewValue { when: Condition::Unchanged(version), ..value("k", &number.to_string()) };
            store.put_plugin_value(new, WIDE, now())
        });
        let mut won = 0;
        for written in writes.collect::<Vec<_>>() {
            won += usize::from(matches!(written.await.unwrap(), Written::Version(_)));
        }
        assert_eq!(won, 1);
    }
}

#[tokio::test]
async fn what_has_expired_is_gone_at_once_and_forgotten_later() {
    for (store, _directory) in backends() {
        let store = &*store;
        put(store, NewValue { expires_at: Some(later(10)), ..value("short", "x") }).await;
        put(store, value("kept", "y")).await;
        assert_eq!(text(store, "a", "short", 9).await.as_deref(), Some("x"));
        assert_eq!(text(store, "a", "short", 10).await, None);
        let keys = |seconds| store.plugin_keys(&plugin("a"), "", None, 100, later(seconds));
        assert_eq!(keys(9).await.unwrap(), ["kept", "short"]);
        assert_eq!(keys(10).await.unwrap(), ["kept"]);
        assert!(!store.remove_plugin_value(&plugin("a"), "short", Condition::Always, later(10)).await.unwrap());
        // It is absent, as far as a condition goes.
        put(store, NewValue { expires_at: Some(later(10)), ..value("short", "x") }).await;
        let again = NewValue { when: Condition::Absent, expires_at: Some(later(20)), ..value("short", "z") };
        assert!(matches!(store.put_plugin_value(again, WIDE, later(10)).await.unwrap(), Written::Version(_)));
        assert_eq!(store.forget(later(-1), later(15)).await.unwrap(), 0);
        assert_eq!(store.forget(later(-1), later(20)).await.unwrap(), 1);
        assert_eq!(text(store, "a", "kept", 20).await.as_deref(), Some("y"));
    }
}

#[tokio::test]
async fn a_quota_counts_keys_and_bytes_of_one_plugin() {
    for (store, _directory) in backends() {
        let store = &*store;
        let quota = Quota { keys: 2, bytes: 10 };
        let put = |new: NewValue, seconds| store.put_plugin_value(new, quota, later(seconds));
        let full = |written: Written| written == Written::Full;
        // Keys count as well: four bytes and one.
        assert!(!full(put(NewValue { expires_at: Some(later(10)), ..value("a", "1234") }, 0).await.unwrap()));
        assert!(!full(put(value("b", "1234"), 0).await.unwrap()));
        for refused in [value("c", ""), value("b", "12345")] {
            assert!(full(put(refused.clone(), 0).await.unwrap()), "{}", refused.key);
        }
        // Not a byte of what did not fit was written; and another plugin has its own.
        assert_eq!(text(store, "a", "b", 0).await.as_deref(), Some("1234"));
        assert!(!full(put(NewValue { plugin: plugin("b"), ..value("c", "12345678") }, 0).await.unwrap()));
        // What shrinks fits, also where the quota is less than what there is.
        let less = Quota { keys: 0, bytes: 1 };
        assert!(!full(store.put_plugin_value(value("b", "123"), less, now()).await.unwrap()));
        assert!(full(store.put_plugin_value(value("b", "1234"), less, now()).await.unwrap()));
        // What has expired gives its room to the next, whether or not anybody forgot it.
        assert!(!full(put(value("c", "12345"), 10).await.unwrap()));
        // And what is deleted.
        assert!(store.remove_plugin_value(&plugin("a"), "c", Condition::Always, now()).await.unwrap());
        assert!(!full(put(value("d", "12345"), 10).await.unwrap()));
        assert!(full(put(value("e", ""), 10).await.unwrap()));
    }
}

#[tokio::test]
async fn what_is_forgotten_gives_its_room_back() {
    for (store, _directory) in backends() {
        let quota = Quota { keys: 1000, bytes: 100_000 };
        for number in 0..1000 {
            let new = NewValue { expires_at: Some(later(1)), ..value(&number.to_string(), "x") };
            assert!(matches!(store.put_plugin_value(new, quota, now()).await.unwrap(), Written::Version(_)));
        }
        assert_eq!(store.put_plugin_value(value("more", ""), quota, now()).await.unwrap(), Written::Full);
        assert_eq!(store.forget(later(-1), later(1)).await.unwrap(), 1000);
        // At a time at which nothing has expired: the sums themselves went down.
        assert!(matches!(
            store.put_plugin_value(value("more", ""), Quota { keys: 1, bytes: 4 }, now()).await.unwrap(),
            Written::Version(_)
        ));
    }
}

#[tokio::test]
async fn keys_are_listed_in_the_order_of_their_bytes() {
    for (store, _directory) in backends() {
        let store = &*store;
        for key in ["b/2", "a", "b/", "b/10", "é", "b%", "b_1", "B/1", "c"] {
            put(store, value(key, "")).await;
        }
        put(store, NewValue { plugin: plugin("b"), ..value("b/other", "") }).await;
        for (prefix, after, most, expected) in [
            ("", None, 100, &["B/1", "a", "b%", "b/", "b/10", "b/2", "b_1", "c", "é"][..]),
            ("b/", None, 100, &["b/", "b/10", "b/2"]),
            ("b/", Some("b/"), 100, &["b/10", "b/2"]),
            ("b/", None, 2, &["b/", "b/10"]),
            ("b/", Some("b/10"), 2, &["b/2"]),
            // No character of a pattern means anything.
            ("b%", None, 100, &["b%"]),
            ("b_", None, 100, &["b_1"]),
            ("x", None, 100, &[]),
        ] {
            let keys = store.plugin_keys(&plugin("a"), prefix, after, most, now()).await.unwrap();
            assert_eq!(keys, expected, "{prefix} after {after:?}");
        }
    }
}
