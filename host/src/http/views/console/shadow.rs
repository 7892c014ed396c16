//! How the answers of a shadow compare, as a section of its plugin's page.

use serde::Serialize;

use super::super::moment::Moment;

/// See the module.
#[derive(Clone, Debug, Serialize)]
pub struct Shadow {
    /// `a shadow beside review`.
    pub does: String,
    pub hooks: Vec<ComparedHook>,
    /// Newest first.
    pub differences: Vec<Differed>,
    /// What it wanted done and was not, newest first.
    pub withheld: Vec<NotDone>,
}

/// What became of the calls of one hook.
#[derive(Clone, Debug, Serialize)]
pub struct ComparedHook {
    pub hook: String,
    /// `12 the same, 1 different, 0 failed, 0 not comparable`.
    pub tally: String,
    pub differs: bool,
}

/// Two answers that are not the same.
#[derive(Clone, Debug, Serialize)]
pub struct Differed {
    pub at: Moment,
    pub hook: String,
    pub about: Option<String>,
    /// Whose answer counted.
    pub beside: Option<String>,
    pub enforced: String,
    pub shadow: String,
}

/// Something that was not done.
#[derive(Clone, Debug, Serialize)]
pub struct NotDone {
    pub at: Moment,
    pub hook: String,
    pub what: String,
}
