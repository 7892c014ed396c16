//! What a call of a shadow wants done: written down, and not done.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::comparison::Comparison;
use super::guest::InboxMessage;

/// Things of one call that are written down. More are counted.
const ACTS_MAX: usize = 20;

/// The kinds of things that shadows do not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActKind {
    /// It sends an HTTP request.
    Http,
    /// It writes a value of its own, or deletes one.
    Storage,
    /// It puts the request on the device page.
    Inbox,
    /// It submits a decision.
    Decision,
}

impl ActKind {
    /// Whether the plugin goes on with an answer that is not the one it would have had.
    fn answers(self) -> bool {
        matches!(self, Self::Http | Self::Decision)
    }
}

/// What one call wanted done.
#[derive(Clone, Debug, Default)]
pub struct Withheld {
    pub(super) acts: Vec<(ActKind, String)>,
    pub(super) counts: BTreeMap<ActKind, u64>,
    /// Whether its course depended on something that was not done: then its answer says nothing.
    pub(super) depends: bool,
    /// What it put on the device page.
    pub(super) inbox: Option<InboxMessage>,
}

/// The same while the call runs.
pub(super) struct Withholding {
    pub(super) comparison: Arc<Comparison>,
    so_far: Mutex<Withheld>,
}

impl Withholding {
    pub(super) fn new(comparison: Arc<Comparison>) -> Self {
        Self { comparison, so_far: Mutex::default() }
    }

    pub(super) fn note(&self, kind: ActKind, what: String) {
        let mut so_far = self.so_far.lock().unwrap_or_else(PoisonError::into_inner);
        so_far.depends |= kind.answers();
        *so_far.counts.entry(kind).or_default() += 1;
        if so_far.acts.len() < ACTS_MAX {
            so_far.acts.push((kind, what));
        }
    }

    /// What it goes on with is not what it would have had.
    pub(super) fn depends(&self) {
        self.so_far.lock().unwrap_or_else(PoisonError::into_inner).depends = true;
    }

    pub(super) fn take(&self) -> Withheld {
        std::mem::take(&mut self.so_far.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
