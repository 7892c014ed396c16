//! Asks for an origin that is a command, where the operator is told what to type.

use ciba_guest::settings::NoSettings;
use ciba_guest::{Description, Need, Notify, Outcome, Plugin, ScriptError, Transaction};

struct Guest;

impl Plugin for Guest {
    type Settings = NoSettings;

    fn describe() -> Description {
        ciba_guest::description!("A guest for the tests.").channel("inbox").needs(Need::http("https://$(touch taken).example"))
    }
}

impl Notify for Guest {
    fn notify(_: &Transaction, _: NoSettings) -> Result<Outcome, ScriptError> {
        Ok(Outcome::accepted(""))
    }
}

ciba_guest::plugin!(Guest: notify);
