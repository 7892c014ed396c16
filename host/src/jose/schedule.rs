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
            keep: SignedDuration::from_hours(90 * 24),
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
