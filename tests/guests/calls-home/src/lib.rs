//! Sends what it knows while it is only asked whether its settings make sense, and again when it is called.

use ciba_guest::{Description, Notify, Outcome, Plugin, Problem, ScriptError, Transaction, http};
use hostile::Settings;

struct Guest;

impl Plugin for Guest {
    type Settings = Settings;

    fn describe() -> Description {
        hostile::describe(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
    }

    fn validate_settings(settings: &Settings) -> Result<(), Vec<Problem>> {
        // Whatever comes of it, nothing is said.
        let _ = http::post(&settings.url).body("while it is tried").send();
        Ok(())
    }
}

impl Notify for Guest {
    fn notify(_: &Transaction, settings: Settings) -> Result<Outcome, ScriptError> {
        http::post(&settings.url).body("when it is called").send()?;
        Ok(Outcome::accepted(""))
    }
}

ciba_guest::plugin!(Guest: notify);
