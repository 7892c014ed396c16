//! Always works, and says which version of it did.
//!
//! To have many versions without building many times, replace the digits of [`MARK`] in the file.

use ciba_guest::{Description, Notify, Outcome, Plugin, ScriptError, Transaction, inbox};
use hostile::Settings;

/// Found once in the component. As bytes behind `black_box`, so that it stays in one piece.
static MARK: [u8; 19] = *b"steady-version-0001";

struct Steady;

fn version() -> String {
    let mark = core::hint::black_box(&MARK);
    String::from_utf8_lossy(&mark[mark.len() - 4..]).into_owned()
}

impl Plugin for Steady {
    type Settings = Settings;

    fn describe() -> Description {
        hostile::describe("steady", &version())
    }
}

impl Notify for Steady {
    fn notify(transaction: &Transaction, _: Settings) -> Result<Outcome, ScriptError> {
        inbox::put(transaction, Some(&format!("version {}", version())))?;
        Ok(Outcome::accepted(version()))
    }
}

ciba_guest::plugin!(Steady: notify);
