//! The provider's keys, as operators see them.

use jiff::Timestamp;
use serde::Serialize;

use super::Flow;
use crate::jose::schedule::{Entry, KeyState, PUBLISH_AHEAD};
use crate::protocol::algorithm::JwsAlgorithm;

/// One key, without its secret.
#[derive(Clone, Debug, Serialize)]
pub struct KeyView {
    /// The one algorithm it is for.
    pub alg: JwsAlgorithm,
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// `next`, `active` or `retired`.
    pub state: &'static str,
    /// Since when.
    pub since: Timestamp,
    /// Whether it was made elsewhere: the schedule does not replace it.
    pub imported: bool,
    /// What happens to it next, and when, where that is known.
    pub next: Option<(&'static str, Timestamp)>,
}

impl Flow {
    /// All keys of the ring, by algorithm; of each the one that signs comes first.
    pub fn key_views(&self) -> Vec<KeyView> {
        let (entries, now) = (self.keys.list(), self.clock.now());
        let rotate_after = self.keys.rotate_after();
        let mut views: Vec<_> = entries
            .iter()
            .map(|entry| KeyView {
                alg: entry.alg,
                kid: entry.kid.clone(),
                state: word(entry.state),
                since: entry.since,
                imported: entry.imported,
                next: next(entry, &entries, rotate_after, now),
            })
            .collect();
        // "active", "next", "retired".
        views.sort_by_key(|view| (view.alg, view.state, view.since));
        views
    }
}

const fn word(state: KeyState) -> &'static str {
    match state {
        KeyState::Next { .. } => "next",
        KeyState::Active => "active",
        KeyState::Retired { .. } => "retired",
    }
}

fn next(entry: &Entry, entries: &[Entry], rotate_after: Option<jiff::SignedDuration>, now: Timestamp) -> Option<(&'static str, Timestamp)> {
    match entry.state {
        KeyState::Next { active_at, .. } => Some(("signs", active_at)),
        KeyState::Retired { published_until, .. } if now < published_until => Some(("leaves the JWKS", published_until)),
        KeyState::Retired { verifies_until, .. } => Some(("is forgotten", verifies_until)),
        KeyState::Active => {
            let successor = entries.iter().filter(|other| other.alg == entry.alg).find_map(|other| match other.state {
                KeyState::Next { active_at, .. } => Some(active_at),
                _ => None,
            });
            let scheduled =
                || rotate_after.filter(|_| !entry.imported).and_then(|after| entry.since.checked_add(after - PUBLISH_AHEAD).ok());
            match successor {
                Some(at) => Some(("is replaced", at)),
                None => scheduled().map(|at| ("gets a successor", at)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// As `ring.json` has it.
    fn entry(alg: &str, imported: bool, state: &serde_json::Value) -> Entry {
        let mut entry = json!({
            "kid": "k", "alg": alg, "since": at(0), "created_at": at(0), "imported": imported, "file": "k.pkcs8", "public": {},
        });
        entry.as_object_mut().unwrap().extend(state.as_object().unwrap().clone());
        serde_json::from_value(entry).unwrap()
    }

    #[test]
    fn what_comes_next_is_read_off_the_ring_and_its_schedule() {
        let active = json!({ "state": "active" });
        let next_key = json!({ "state": "next", "active_at": at(600), "overlap": "PT1H" });
        let retired = json!({ "state": "retired", "published_until": at(100), "verifies_until": at(900) });
        let (day, ring) = (SignedDuration::from_hours(24), [entry("ES256", false, &next_key)]);
        for (what, entry, others, rotate, now, expected) in [
            ("no schedule", entry("ES256", false, &active), &[][..], None, 0, None),
            ("scheduled", entry("ES256", false, &active), &[], Some(day), 0, Some(("gets a successor", at(86_400) - PUBLISH_AHEAD))),
            ("made elsewhere", entry("ES256", true, &active), &[], Some(day), 0, None),
            ("another on its way", entry("ES256", false, &active), &ring, Some(day), 0, Some(("is replaced", at(600)))),
            ("one of another algorithm", entry("PS256", false, &active), &ring, None, 0, None),
            ("next", entry("ES256", false, &next_key), &[], None, 0, Some(("signs", at(600)))),
            ("retired", entry("ES256", false, &retired), &[], None, 99, Some(("leaves the JWKS", at(100)))),
            ("retired and unpublished", entry("ES256", false, &retired), &[], None, 100, Some(("is forgotten", at(900)))),
        ] {
            assert_eq!(next(&entry, others, rotate, at(now)), expected, "{what}");
        }
    }
}
