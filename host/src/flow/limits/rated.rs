//! A rate, and who has used how much of it.

use std::hash::Hash;

use jiff::{SignedDuration, Timestamp};

use super::recent::Recent;
use crate::protocol::rate::{Rate, Used};

/// A rate, where there is one, and what each party has used of it.
pub(super) struct Rated {
    rate: Option<Rate>,
    used: Recent<Used>,
}

impl Rated {
    pub(super) fn new(most: u32) -> Self {
        Self { rate: Rate::per_minute(most), used: Recent::default() }
    }

    pub(super) fn take(&self, party: &impl Hash, now: Timestamp) -> Result<(), SignedDuration> {
        self.rate.map_or(Ok(()), |rate| self.used.with(party, |used| rate.take(used, now)))
    }

    pub(super) fn left(&self, party: &impl Hash, now: Timestamp) -> Result<(), SignedDuration> {
        self.rate.map_or(Ok(()), |rate| rate.left(self.used.of(party), now))
    }

    /// Uses one, and says whether that was the last.
    pub(super) fn count(&self, party: &impl Hash, now: Timestamp) -> bool {
        self.rate.is_some_and(|rate| {
            self.used.with(party, |used| {
                rate.count(used, now);
                rate.left(*used, now).is_err()
            })
        })
    }
}
