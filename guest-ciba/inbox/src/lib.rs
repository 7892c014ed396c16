//! The default plugin: each request appears on the person's device page, with a note if you like.

use ciba_guest::{Description, Need, Notify, Outcome, Plugin, Problem, ScriptError, Transaction, inbox};
use serde::Deserialize;

/// The longest note the host shows, in characters.
const LONGEST_NOTE: usize = 120;

const DEFAULT_NOTE: Option<&str> = if cfg!(feature = "safety-note") { Some("We never phone you to ask you to approve") } else { None };

struct Inbox;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    note: Option<String>,
}

impl Plugin for Inbox {
    type Settings = Settings;

    fn describe() -> Description {
        let version = env!("CARGO_PKG_VERSION");
        Description::new("inbox", version, "Puts each request on the person's device page.")
            .channel("inbox")
            .needs(Need::Inbox)
            .settings_schema(include_str!("settings.schema.json"))
    }

    fn validate_settings(settings: &Settings) -> Result<(), Vec<Problem>> {
        let Some(note) = &settings.note else {
            return Ok(());
        };
        let mut problems = Vec::new();
        let length = note.chars().count();
        if length > LONGEST_NOTE {
            let message = format!("{length} characters long; a note has at most {LONGEST_NOTE}");
            problems.push(Problem::new("/note", message));
        }
        if note.chars().any(char::is_control) {
            problems.push(Problem::new("/note", "must be one line of plain text"));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

impl Notify for Inbox {
    fn notify(transaction: &Transaction, settings: Settings) -> Result<Outcome, ScriptError> {
        inbox::put(transaction, settings.note.as_deref().or(DEFAULT_NOTE))?;
        Ok(Outcome::accepted(""))
    }
}

ciba_guest::plugin!(Inbox: notify);
