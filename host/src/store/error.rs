//! Why there is no answer.

/// Why the store could not answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The queue of waiting writes is full. Nothing was written; trying again later helps.
    #[error("the store is overloaded: more than {waiting} writes are waiting")]
    Overloaded {
        /// The length of the queue.
        waiting: usize,
    },
    /// A row says something that cannot be. The operator has to look.
    #[error("table {table}, row {row}: {what}")]
    Impossible {
        /// Which table.
        table: &'static str,
        /// Which row.
        row: String,
        /// What cannot be.
        what: String,
    },
    /// Something with this name or address exists.
    #[error("{0} exists already")]
    Exists(String),
    /// The database failed: disk full, file damaged, connection lost.
    #[error("database: {0}")]
    Backend(String),
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}
