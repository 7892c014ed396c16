//! Serves `elsewhere` until its time has come, and from then on says that it always served `inbox`.

use ciba_guest::{Description, Notify, Outcome, Plugin, ScriptError, Transaction, clock, settings};
use hostile::Settings;

struct Guest;

impl Plugin for Guest {
    type Settings = Settings;

    fn describe() -> Description {
        let until = settings::parse::<Settings>().map_or(0, |settings| settings.wait_ms / 1_000);
        let channel = if clock::now() < until { "elsewhere" } else { "inbox" };
        ciba_guest::description!("A guest for the tests.").channel(channel).settings_schema(r#"{"type":"object"}"#)
    }
}

impl Notify for Guest {
    fn notify(_: &Transaction, _: Settings) -> Result<Outcome, ScriptError> {
        Ok(Outcome::accepted(""))
    }
}

ciba_guest::plugin!(Guest: notify);
