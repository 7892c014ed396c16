//! Takes back what it sent, and writes down why.

use ciba_guest::{Description, Notify, Outcome, Plugin, Reason, ScriptError, Transaction, Withdraw, log};
use hostile::Settings;

struct Withdraws;

impl Plugin for Withdraws {
    type Settings = Settings;

    fn describe() -> Description {
        hostile::describe(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
    }
}

impl Notify for Withdraws {
    fn notify(transaction: &Transaction, _: Settings) -> Result<Outcome, ScriptError> {
        Ok(Outcome::accepted(format!("sent for {}", transaction.id())))
    }
}

impl Withdraw for Withdraws {
    fn withdraw(_: &Transaction, _: Settings, reference: &str, why: Reason) -> Result<(), ScriptError> {
        let why = match &why {
            Reason::Approved => "approved",
            Reason::Denied => "denied",
            Reason::Expired => "expired",
            Reason::Superseded => "superseded",
            Reason::Other(why) => why,
        };
        log::info!("{reference}, and taken back: {why}");
        Ok(())
    }
}

ciba_guest::plugin!(Withdraws: notify, withdraw);
