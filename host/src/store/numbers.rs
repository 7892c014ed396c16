//! How the store is doing, for whoever watches from outside.

use std::time::Duration;

use super::JobKind;

/// Counted since the start, and what there is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Transactions that were brought to the disk.
    pub commits: u64,
    /// Writes in them: many that came together share a commit.
    pub writes: u64,
    /// Time spent in commits, the disk's included.
    pub committing: Duration,
    /// Commits that failed.
    pub failed: u64,
    /// What must still happen outside, now or later.
    pub jobs: Vec<(JobKind, usize)>,
}
