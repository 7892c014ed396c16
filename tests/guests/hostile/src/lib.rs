//! What the guests have in common: each is a plugin like any other, but for one thing.

use ciba_guest::Description;
use serde::Deserialize;

/// What some of them read from their settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where `forbidden-host` sends.
    #[serde(default = "forbidden")]
    pub url: String,
    /// How long `slow` waits.
    #[serde(default)]
    pub wait_ms: u64,
}

fn forbidden() -> String {
    "https://forbidden.example/".into()
}

/// Describes a guest that could take the place of `inbox`.
pub fn describe(name: &str, version: &str) -> Description {
    Description::new(name, version, "A guest for the tests.")
        .channel("inbox")
        .needs(ciba_guest::Need::Inbox)
        .settings_schema(r#"{"type":"object"}"#)
}

/// Makes a plugin of what happens in `notify`.
#[macro_export]
macro_rules! notify {
    ($notify:expr) => {
        struct Guest;

        impl ciba_guest::Plugin for Guest {
            type Settings = $crate::Settings;

            fn describe() -> ciba_guest::Description {
                $crate::describe(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
            }
        }

        impl ciba_guest::Notify for Guest {
            fn notify(
                transaction: &ciba_guest::Transaction,
                settings: $crate::Settings,
            ) -> Result<ciba_guest::Outcome, ciba_guest::ScriptError> {
                let notify: fn(&ciba_guest::Transaction, $crate::Settings) -> _ = $notify;
                notify(transaction, settings)
            }
        }

        ciba_guest::plugin!(Guest: notify);
    };
}
