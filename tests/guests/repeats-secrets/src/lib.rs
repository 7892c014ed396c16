//! Repeats its one secret wherever it may say something: when it is tried, and when it is called.

use ciba_guest::{Description, Notify, Outcome, Plugin, Problem, ScriptError, Transaction, log};
use hostile::Settings;

struct Guest;

impl Plugin for Guest {
    type Settings = Settings;

    fn describe() -> Description {
        hostile::describe(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
    }

    fn validate_settings(settings: &Settings) -> Result<(), Vec<Problem>> {
        log::warn!("tried with {}", settings.url);
        if settings.wait_ms > 0 {
            return Ok(());
        }
        // Behind so many words that a part of it would be cut off.
        let words = "x".repeat(1_000 - 40);
        Err(vec![Problem::new("/url", format!("`{}` is no key", settings.url)), Problem::new("", format!("{words}{}", settings.url))])
    }
}

impl Notify for Guest {
    fn notify(_: &Transaction, settings: Settings) -> Result<Outcome, ScriptError> {
        log::warn!("called with {}", settings.url);
        Err(ScriptError::Other(format!("failed with {}", settings.url)))
    }
}

ciba_guest::plugin!(Guest: notify);
