//! `GET /audit`: who did what, and when.

use serde::Serialize;

use super::super::moment::Moment;

/// The page.
#[derive(Clone, Debug, Serialize)]
pub struct Audit {
    /// Newest first.
    pub entries: Vec<AuditLine>,
    /// Only lines with this in them are shown.
    pub word: Option<String>,
    /// There are more than these.
    pub cut: bool,
}

/// One line.
#[derive(Clone, Debug, Serialize)]
pub struct AuditLine {
    pub at: Moment,
    pub who: String,
    pub what: String,
    pub about: String,
}
