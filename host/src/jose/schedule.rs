//! When each of the provider's keys changes its state. Pure: `now` is an argument.
//!
//! ```text
//! next ───────────────> active ───────────────> retired ──────────> retired ───────────> gone
//! published, so that    signs                   still published:     in no JWKS: an old
//! caches can learn it                           its tokens live      id_token_hint only
//! ```

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::protocol::algorithm::JwsAlgorithm;
use crate::protocol::discovery::JWKS_MAX_AGE;

/// How long a key is published before it signs: twice as long as a JWKS may be kept by whoever fetched it, so that no
/// token is signed with a key that a cache has not seen.
pub const PUBLISH_AHEAD: SignedDuration = SignedDuration::from_secs(2 * JWKS_MAX_AGE as i64);

/// How keys are kept and replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPolicy {
    /// One key for each of these.
    pub algorithms: Vec<JwsAlgorithm>,
    /// How long a key signs before it is replaced; never, where there is none.
    pub rotate_after: Option<SignedDuration>,
    /// How long a key is published after its last signature: at least as long as what it signed is good for.
    pub overlap: SignedDuration,
    /// How long a key verifies an `id_token_hint` after its last signature.
    pub keep: SignedDuration,
}

impl Default for KeyPolicy {
    fn default() -> Self {
        Self {
            algorithms: JwsAlgorithm::ASYMMETRIC.to_vec(),
            rotate_after: None,
            overlap: SignedDuration::from_hours(24),
            keep: SignedDuration::from_hours(91 * 24),
        }
    }
}

/// A key of the ring without its secret: what is remembered of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// The one algorithm it is for.
    pub alg: JwsAlgorithm,
    /// What it is doing.
    #[serde(flatten)]
    pub state: KeyState,
    /// When it began to.
    pub since: Timestamp,
    /// When it was made, or came to this ring.
    pub created_at: Timestamp,
    /// Whether it was made elsewhere: such a key is replaced by whoever made it, and not by the schedule.
    pub imported: bool,
    /// The name of its file among the keys.
    pub(super) file: String,
    /// Its public part (RFC 7517).
    pub(super) public: serde_json::Value,
}

/// What a key is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum KeyState {
    /// Published, and not used.
    Next {
        /// When it takes over.
        active_at: Timestamp,
        /// How long the key that it replaces is published then.
        overlap: SignedDuration,
    },
    /// Signs.
    Active,
    /// Signs no more, and its private part is gone.
    Retired {
        /// Until when it stands in the JWKS.
        published_until: Timestamp,
        /// Until when it verifies what it signed.
        verifies_until: Timestamp,
    },
}

/// What happened to a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "lowercase")]
pub enum Change {
    /// Made, or taken in, and published.
    Published {
        /// Of the key.
        kid: String,
        /// Its algorithm.
        alg: JwsAlgorithm,
        /// When it begins to sign.
        active_at: Timestamp,
    },
    /// Began to sign.
    Activated {
        /// Of the key.
        kid: String,
        /// Its algorithm.
        alg: JwsAlgorithm,
    },
    /// Signed for the last time.
    Retired {
        /// Of the key.
        kid: String,
        /// Its algorithm.
        alg: JwsAlgorithm,
        /// Until when it stands in the JWKS.
        published_until: Timestamp,
    },
    /// Forgotten.
    Dropped {
        /// Of the key.
        kid: String,
        /// Its algorithm.
        alg: JwsAlgorithm,
    },
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Published { kid, alg, active_at } => write!(f, "the {alg} key {kid} is published, and signs from {active_at} on"),
            Self::Activated { kid, alg } => write!(f, "the {alg} key {kid} signs"),
            Self::Retired { kid, alg, published_until } => {
                write!(f, "the {alg} key {kid} signs no more, and is published until {published_until}")
            }
            Self::Dropped { kid, alg } => write!(f, "the {alg} key {kid} is forgotten"),
        }
    }
}

impl Entry {
    /// Whether it stands in the JWKS.
    pub fn is_published(&self, now: Timestamp) -> bool {
        match self.state {
            KeyState::Next { .. } | KeyState::Active => true,
            KeyState::Retired { published_until, .. } => now < published_until,
        }
    }

    pub(super) fn is_active(&self) -> bool {
        self.state == KeyState::Active
    }

    pub(super) fn is_next(&self) -> bool {
        matches!(self.state, KeyState::Next { .. })
    }

    pub(super) fn is_retired(&self) -> bool {
        matches!(self.state, KeyState::Retired { .. })
    }

    fn retire(&mut self, overlap: SignedDuration, policy: &KeyPolicy, now: Timestamp) -> Change {
        let published_until = after(now, overlap);
        self.state = KeyState::Retired { published_until, verifies_until: after(now, policy.keep.max(overlap)) };
        self.since = now;
        Change::Retired { kid: self.kid.clone(), alg: self.alg, published_until }
    }
}

/// Does everything that has fallen due, and says what. It makes no key: [`wants_next`] says when one is wanted.
pub(super) fn advance(entries: &mut Vec<Entry>, policy: &KeyPolicy, now: Timestamp) -> Vec<Change> {
    let mut changes = Vec::new();
    // An algorithm that is no longer configured: what it signed is still verified.
    for entry in entries.iter_mut().filter(|entry| !policy.algorithms.contains(&entry.alg) && !entry.is_retired()) {
        changes.push(entry.retire(policy.overlap, policy, now));
    }
    let due = |entry: &Entry| match entry.state {
        KeyState::Next { active_at, overlap } if active_at <= now => Some((entry.alg, overlap)),
        _ => None,
    };
    while let Some((alg, overlap)) = entries.iter().find_map(due) {
        for entry in entries.iter_mut().filter(|entry| entry.alg == alg) {
            if entry.is_active() {
                changes.push(entry.retire(overlap, policy, now));
            } else if due(entry).is_some() {
                entry.state = KeyState::Active;
                entry.since = now;
                changes.push(Change::Activated { kid: entry.kid.clone(), alg });
            }
        }
    }
    entries.retain(|entry| {
        let gone = matches!(entry.state, KeyState::Retired { verifies_until, .. } if verifies_until <= now);
        if gone {
            changes.push(Change::Dropped { kid: entry.kid.clone(), alg: entry.alg });
        }
        !gone
    });
    changes
}

/// For which algorithms the key has signed long enough, and no other is on its way.
pub(super) fn wants_next(entries: &[Entry], policy: &KeyPolicy, now: Timestamp) -> Vec<JwsAlgorithm> {
    let Some(rotate_after) = policy.rotate_after else { return Vec::new() };
    let old = |entry: &&Entry| entry.is_active() && !entry.imported && after(entry.since, rotate_after - PUBLISH_AHEAD) <= now;
    let next = |alg| entries.iter().any(|entry| entry.alg == alg && entry.is_next());
    entries.iter().filter(old).map(|entry| entry.alg).filter(|alg| !next(*alg)).collect()
}

/// Time has an end, in the year 9999, and no setting may reach beyond it.
pub(super) fn after(now: Timestamp, duration: SignedDuration) -> Timestamp {
    now.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: SignedDuration = SignedDuration::from_hours(24);

    fn policy() -> KeyPolicy {
        KeyPolicy { rotate_after: Some(90 * DAY), overlap: DAY, keep: 30 * DAY, ..KeyPolicy::default() }
    }

    fn entry(kid: &str, alg: JwsAlgorithm, state: KeyState) -> Entry {
        let (since, created_at) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        let (kid, file, public) = (kid.to_owned(), format!("{kid}.pkcs8"), serde_json::Value::Null);
        Entry { kid, alg, state, since, created_at, imported: false, file, public }
    }

    fn at(duration: SignedDuration) -> Timestamp {
        Timestamp::UNIX_EPOCH + duration
    }

    fn states(entries: &[Entry]) -> Vec<(&str, KeyState)> {
        entries.iter().map(|entry| (entry.kid.as_str(), entry.state)).collect()
    }

    #[test]
    fn a_key_takes_over_and_the_one_before_it_retires_and_goes() {
        let (es, ps) = (JwsAlgorithm::Es256, JwsAlgorithm::Ps256);
        let next = KeyState::Next { active_at: at(DAY), overlap: 2 * DAY };
        let mut entries = vec![entry("old", es, KeyState::Active), entry("other", ps, KeyState::Active), entry("new", es, next)];
        let before = entries.clone();
        let second = SignedDuration::from_secs(1);
        assert_eq!(advance(&mut entries, &policy(), at(DAY - second)), []);
        assert_eq!(entries, before);

        let changes = advance(&mut entries, &policy(), at(DAY));
        let retired = KeyState::Retired { published_until: at(3 * DAY), verifies_until: at(31 * DAY) };
        assert_eq!(states(&entries), [("old", retired), ("other", KeyState::Active), ("new", KeyState::Active)]);
        assert_eq!(
            changes,
            [
                Change::Retired { kid: "old".to_owned(), alg: es, published_until: at(3 * DAY) },
                Change::Activated { kid: "new".to_owned(), alg: es }
            ]
        );
        assert_eq!(entries[0].since, at(DAY));
        assert!(entries[0].is_published(at(3 * DAY - second)) && !entries[0].is_published(at(3 * DAY)));
        assert!(entries[1].is_published(at(1000 * DAY)));

        assert_eq!(advance(&mut entries, &policy(), at(31 * DAY - second)), []);
        assert_eq!(advance(&mut entries, &policy(), at(31 * DAY)), [Change::Dropped { kid: "old".to_owned(), alg: es }]);
        assert_eq!(states(&entries), [("other", KeyState::Active), ("new", KeyState::Active)]);
    }

    #[test]
    fn a_host_that_was_away_does_it_late_and_counts_from_then() {
        let es = JwsAlgorithm::Es256;
        let next = KeyState::Next { active_at: at(DAY), overlap: DAY };
        let mut entries = vec![entry("old", es, KeyState::Active), entry("new", es, next)];
        advance(&mut entries, &policy(), at(500 * DAY));
        // Its last token was made just now, as far as anybody knows.
        let retired = KeyState::Retired { published_until: at(501 * DAY), verifies_until: at(530 * DAY) };
        assert_eq!(states(&entries), [("old", retired), ("new", KeyState::Active)]);
    }

    #[test]
    fn a_key_verifies_at_least_as_long_as_it_is_published() {
        let next = KeyState::Next { active_at: at(DAY), overlap: 60 * DAY };
        let mut entries = vec![entry("old", JwsAlgorithm::Es256, KeyState::Active), entry("new", JwsAlgorithm::Es256, next)];
        advance(&mut entries, &policy(), at(DAY));
        assert_eq!(entries[0].state, KeyState::Retired { published_until: at(61 * DAY), verifies_until: at(61 * DAY) });
    }

    #[test]
    fn an_algorithm_that_is_no_longer_configured_retires() {
        let next = KeyState::Next { active_at: at(DAY), overlap: DAY };
        let rs = JwsAlgorithm::Rs256;
        let mut entries =
            vec![entry("es", JwsAlgorithm::Es256, KeyState::Active), entry("rs", rs, KeyState::Active), entry("next", rs, next)];
        let policy = KeyPolicy { algorithms: vec![JwsAlgorithm::Es256], ..policy() };
        assert_eq!(advance(&mut entries, &policy, at(DAY)).len(), 2);
        assert!(entries[0].is_active() && entries[1].is_retired() && entries[2].is_retired());
    }

    #[test]
    fn a_successor_is_made_in_time_and_once() {
        let due = at(90 * DAY - PUBLISH_AHEAD);
        let mut entries = vec![entry("es", JwsAlgorithm::Es256, KeyState::Active), entry("ps", JwsAlgorithm::Ps256, KeyState::Active)];
        entries[1].imported = true;
        assert_eq!(wants_next(&entries, &policy(), due - SignedDuration::from_secs(1)), []);
        assert_eq!(
            wants_next(&entries, &policy(), due),
            [JwsAlgorithm::Es256],
            "one that was made elsewhere is replaced by whoever made it"
        );
        assert_eq!(wants_next(&entries, &KeyPolicy { rotate_after: None, ..policy() }, due), []);
        entries.push(entry("next", JwsAlgorithm::Es256, KeyState::Next { active_at: due + DAY, overlap: DAY }));
        assert_eq!(wants_next(&entries, &policy(), due), []);
    }

    #[test]
    fn no_setting_reaches_beyond_the_end_of_time() {
        let policy = KeyPolicy { overlap: SignedDuration::MAX, keep: SignedDuration::MAX, ..policy() };
        let next = KeyState::Next { active_at: at(DAY), overlap: SignedDuration::MAX };
        let mut entries = vec![entry("old", JwsAlgorithm::Es256, KeyState::Active), entry("new", JwsAlgorithm::Es256, next)];
        advance(&mut entries, &policy, at(DAY));
        assert_eq!(entries[0].state, KeyState::Retired { published_until: Timestamp::MAX, verifies_until: Timestamp::MAX });
    }

    #[test]
    fn what_is_remembered_reads_as_it_was_written() {
        let states = [
            KeyState::Active,
            KeyState::Next { active_at: at(DAY), overlap: DAY },
            KeyState::Retired { published_until: at(DAY), verifies_until: at(2 * DAY) },
        ];
        for state in states {
            let entry = entry("a", JwsAlgorithm::EdDsa, state);
            let text = serde_json::to_string(&entry).unwrap();
            assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry, "{text}");
        }
    }
}
