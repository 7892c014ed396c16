//! Always works, on a channel of its own: what goes on while another plugin misbehaves.

use ciba_guest::settings::NoSettings;
use ciba_guest::{Description, Notify, Outcome, Plugin, ScriptError, Transaction};

struct Elsewhere;

impl Plugin for Elsewhere {
    type Settings = NoSettings;

    fn describe() -> Description {
        ciba_guest::description!("Reaches devices on another channel.").channel("elsewhere")
    }
}

impl Notify for Elsewhere {
    fn notify(transaction: &Transaction, _: NoSettings) -> Result<Outcome, ScriptError> {
        let address = transaction.device().and_then(|device| device.address());
        Ok(Outcome::accepted(address.unwrap_or_default()))
    }
}

ciba_guest::plugin!(Elsewhere: notify);
