//! Finds two problems in any settings. The second would like to be another line of the log.

use ciba_guest::{Description, Notify, Outcome, Plugin, Problem, ScriptError, Transaction};
use hostile::Settings;

struct Guest;

impl Plugin for Guest {
    type Settings = Settings;

    fn describe() -> Description {
        hostile::describe(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
    }

    fn validate_settings(_: &Settings) -> Result<(), Vec<Problem>> {
        Err(vec![
            Problem::new("/url", "is not what this guest wants"),
            Problem::new("", "nor anything else\n\x1b[2JINFO plugin inbox: 9.9.9 serving"),
        ])
    }
}

impl Notify for Guest {
    fn notify(_: &Transaction, _: Settings) -> Result<Outcome, ScriptError> {
        Ok(Outcome::accepted(""))
    }
}

ciba_guest::plugin!(Guest: notify);
