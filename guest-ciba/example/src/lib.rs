//! Shows a note beside each request, on the device page of the person who is asked.
//!
//! This runs in a sandbox: it reaches nothing but what it calls below, and only what you allow.
//! Every call gets a fresh copy with empty memory, so nothing is left over from the last person.

use ciba_guest::{Description, Need, Notify, Outcome, Plugin, ScriptError, Transaction, inbox};

struct MyPlugin;

/// What may stand under `[settings]` in the `.toml` file beside the plugin.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    note: Option<String>,
}

impl Plugin for MyPlugin {
    type Settings = Settings;

    /// Who you are, which devices you reach, and what you ask the operator to allow.
    fn describe() -> Description {
        ciba_guest::description!("Shows a note beside each request.")
            .channel("inbox")
            .needs(Need::Inbox)
            .settings_schema(include_str!("settings.schema.json"))
    }
}

impl Notify for MyPlugin {
    /// Called when a request starts, once for each device. A refusal leaves by the `?`.
    fn notify(transaction: &Transaction, settings: Settings) -> Result<Outcome, ScriptError> {
        let note = settings.note.unwrap_or("Hello from my first plugin".into());
        inbox::put(transaction, Some(&note))?;
        ciba_guest::log::info!("notified about {}", transaction.id());
        Ok(Outcome::accepted(""))
    }
}

ciba_guest::plugin!(MyPlugin: notify);
