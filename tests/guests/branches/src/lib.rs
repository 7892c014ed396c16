//! Has a schema of its settings that doubles at each of forty levels: a million million schemas in three kilobytes.

use ciba_guest::settings::NoSettings;
use ciba_guest::{Description, Notify, Outcome, Plugin, ScriptError, Transaction};

struct Guest;

impl Plugin for Guest {
    type Settings = NoSettings;

    fn describe() -> Description {
        let levels: String = (0..40)
            .map(|level| {
                let next = level + 1;
                format!(r##""{level}":{{"allOf":[{{"$ref":"#/$defs/{next}"}},{{"$ref":"#/$defs/{next}"}}]}},"##)
            })
            .collect();
        let schema = format!(r##"{{"$ref":"#/$defs/0","$defs":{{{levels}"40":false}}}}"##);
        ciba_guest::description!("A guest for the tests.").channel("inbox").settings_schema(&schema)
    }
}

impl Notify for Guest {
    fn notify(_: &Transaction, _: NoSettings) -> Result<Outcome, ScriptError> {
        Ok(Outcome::accepted(""))
    }
}

ciba_guest::plugin!(Guest: notify);
