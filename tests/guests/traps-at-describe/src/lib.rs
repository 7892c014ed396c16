//! Traps when it is asked who it is.

use ciba_guest::settings::NoSettings;
use ciba_guest::{Description, Notify, Outcome, Plugin, ScriptError, Transaction};

struct Guest;

impl Plugin for Guest {
    type Settings = NoSettings;

    fn describe() -> Description {
        #[cfg(target_arch = "wasm32")]
        core::arch::wasm32::unreachable();
        #[cfg(not(target_arch = "wasm32"))]
        unreachable!();
    }
}

impl Notify for Guest {
    fn notify(_: &Transaction, _: NoSettings) -> Result<Outcome, ScriptError> {
        Ok(Outcome::accepted(""))
    }
}

ciba_guest::plugin!(Guest: notify);
