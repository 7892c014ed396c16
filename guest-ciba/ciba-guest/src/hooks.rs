//! One trait for each interface a plugin can export, and the bridge from there to the generated bindings.

use core::marker::PhantomData;
use std::sync::Once;

use serde::de::DeserializeOwned;

use crate::bindings::{notify, plugin, withdraw};
use crate::{Description, Outcome, Problem, Reason, ScriptError, Transaction, log, settings};

/// Who the plugin is, what it asks for, and whether its settings make sense.
#[diagnostic::on_unimplemented(message = "`{Self}` is not a plugin yet", note = "write `impl ciba_guest::Plugin for {Self}`")]
pub trait Plugin {
    /// The settings an operator may write; [`NoSettings`] for none. Derive `serde::Deserialize` and refuse
    /// unknown fields, so that a misspelt setting is an error and not a silence.
    ///
    /// [`NoSettings`]: crate::settings::NoSettings
    type Settings: DeserializeOwned;

    /// Describes the plugin. Must not depend on the settings. Start with [`description!`](crate::description).
    fn describe() -> Description;

    /// Says what is wrong with settings that already fit the type.
    ///
    /// # Errors
    ///
    /// One problem for each thing that is wrong. This version does not serve while there is one.
    fn validate_settings(settings: &Self::Settings) -> Result<(), Vec<Problem>> {
        let _ = settings;
        Ok(())
    }
}

/// Hook: tell a device that a request waits for its person.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement the hook `notify`",
    note = "write `impl ciba_guest::Notify for {Self}`, or take `notify` out of `plugin!`"
)]
pub trait Notify: Plugin {
    /// Notifies `transaction.device()`. May be called more than once for one request.
    ///
    /// # Errors
    ///
    /// When the plugin could not do its work. What the channel answered is an `Outcome`.
    fn notify(transaction: &Transaction, settings: Self::Settings) -> Result<Outcome, ScriptError>;
}

/// Hook: a request was decided or has expired; take its notification back where the channel can.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement the hook `withdraw`",
    note = "write `impl ciba_guest::Withdraw for {Self}`, or take `withdraw` out of `plugin!`"
)]
pub trait Withdraw: Plugin {
    /// Withdraws what `notify` sent. `reference` is what `notify` accepted with.
    ///
    /// # Errors
    ///
    /// When the plugin could not do its work.
    fn withdraw(transaction: &Transaction, settings: Self::Settings, reference: &str, why: Reason) -> Result<(), ScriptError>;
}

/// What `plugin!` exports in the place of the author's type.
#[doc(hidden)]
pub struct Exported<P>(PhantomData<P>);

impl<P: Plugin> plugin::exports::ciba::interception::plugin::Guest for Exported<P> {
    fn describe() -> Description {
        log_panics();
        P::describe()
    }

    fn validate_settings(json: String) -> Result<(), Vec<Problem>> {
        log_panics();
        P::validate_settings(&settings::from_json(&json)?)
    }
}

impl<P: Notify> notify::exports::ciba::interception::notify::Guest for Exported<P> {
    fn notify(transaction: &Transaction) -> Result<Outcome, ScriptError> {
        log_panics();
        P::notify(transaction, settings::parse()?)
    }
}

impl<P: Withdraw> withdraw::exports::ciba::interception::withdraw::Guest for Exported<P> {
    fn withdraw(transaction: &Transaction, reference: String, why: Reason) -> Result<(), ScriptError> {
        log_panics();
        P::withdraw(transaction, settings::parse()?, &reference, why)
    }
}

/// A panic ends the call with a trap, which says only that it happened; its words would go to a standard
/// error that is not there. So they go to the plugin's log first.
fn log_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let words = panic.payload_as_str().unwrap_or("(no message)");
            match panic.location() {
                Some(place) => log::error!("panicked at {place}: {words}"),
                None => log::error!("panicked: {words}"),
            }
        }));
    });
}

/// Makes your type a plugin: exports `plugin` and the hooks you name.
///
/// `plugin!(MyPlugin: notify, withdraw);` stands at the end of your `lib.rs`, once.
#[macro_export]
macro_rules! plugin {
    ($plugin:ty $(: $($hook:ident),+ $(,)?)?) => {
        const _: () = {
            type Exported = $crate::hooks::Exported<$plugin>;
            $crate::bindings::plugin::export!(Exported with_types_in $crate::bindings::plugin);
            $($($crate::plugin!(@ $hook Exported);)+)?
        };
    };
    (@ notify $exported:ident) => {
        $crate::bindings::notify::export!($exported with_types_in $crate::bindings::notify);
    };
    (@ withdraw $exported:ident) => {
        $crate::bindings::withdraw::export!($exported with_types_in $crate::bindings::withdraw);
    };
    (@ $unknown:ident $exported:ident) => {
        ::core::compile_error!(::core::concat!(
            "`", ::core::stringify!($unknown), "` is not a hook; the hooks are `notify` and `withdraw`"
        ));
    };
}

/// Begins a [`Description`](crate::Description) with the name and the version in your `Cargo.toml`.
#[macro_export]
macro_rules! description {
    ($summary:expr) => {
        $crate::Description::new(::core::env!("CARGO_PKG_NAME"), ::core::env!("CARGO_PKG_VERSION"), $summary)
    };
}
