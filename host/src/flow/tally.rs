//! How often what happens happens, since the start. The history is the store's; this is for whoever watches from outside.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A client started a request.
    Started,
    /// A person approved it.
    Approved,
    /// A person denied it, or a plugin for them.
    Denied,
    /// A person said that this was not them.
    Reported,
    /// Nobody could be reached, and the client did not want to wait.
    Unreachable,
    /// A newer request took its place.
    Superseded,
    /// A client fetched its tokens.
    Redeemed,
    /// A client was sent its tokens, or they are on their way.
    Pushed,
    /// A client refreshed its tokens.
    Refreshed,
    /// A plugin gave no tokens for an approval.
    Withheld,
}

impl Happened {
    /// Everything that is counted, with its word.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::Started, "started"),
        (Self::Approved, "approved"),
        (Self::Denied, "denied"),
        (Self::Reported, "reported"),
        (Self::Unreachable, "unreachable"),
        (Self::Superseded, "superseded"),
        (Self::Redeemed, "redeemed"),
        (Self::Pushed, "pushed"),
        (Self::Refreshed, "refreshed"),
        (Self::Withheld, "withheld"),
    ];
}

/// A counter for each.
#[derive(Debug, Default)]
pub struct Tally([AtomicU64; Happened::ALL.len()]);

impl Tally {
    /// One more.
    pub(super) fn count(&self, happened: Happened) {
        self.count_many(happened, 1);
    }

    /// So many more.
    pub(super) fn count_many(&self, happened: Happened, many: usize) {
        self.0[happened as usize].fetch_add(many as u64, Ordering::Relaxed);
    }

    /// How many since the start.
    pub fn of(&self, happened: Happened) -> u64 {
        self.0[happened as usize].load(Ordering::Relaxed)
    }
}
