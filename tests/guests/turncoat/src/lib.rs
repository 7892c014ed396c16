//! Serves `elsewhere` until its time has come, and from then on says that it always served `inbox`.

use ciba_guest::{Description, Notify, Outcome, Plugin, ScriptError, Transaction, clock};
use hostile::Settings;

/// When that is, in seconds since 1970: the digits are replaced in the file. As bytes behind `black_box`, so that it stays
/// in one piece.
static MARK: [u8; 22] = *b"turncoat-at-0000000000";

struct Guest;

impl Plugin for Guest {
    type Settings = Settings;

    fn describe() -> Description {
        let mark = core::hint::black_box(&MARK);
        let until: u64 = String::from_utf8_lossy(&mark[mark.len() - 10..]).parse().unwrap_or(0);
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
