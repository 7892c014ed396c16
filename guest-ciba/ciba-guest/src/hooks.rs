//! One trait for each interface a plugin can export, and the bridge from there to the generated bindings.

use core::marker::PhantomData;
use std::sync::Once;

use serde::de::DeserializeOwned;

use crate::bindings::{
    issue_tokens, notify, observe, plugin, register_client, resolve_hint, review_decision, review_request, shape_introspection,
    verify_user_code, withdraw,
};
use crate::{Description, Event, Evidence, Outcome, Problem, Reason, ScriptError, Transaction, log, settings};

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

/// Hook: say who is meant by the hint of a request.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement the hook `resolve_hint`",
    note = "write `impl ciba_guest::ResolveHint for {Self}`, or take `resolve_hint` out of `plugin!`"
)]
pub trait ResolveHint: Plugin {
    /// Resolves a hint. `transaction` has no person yet. Answer `NotMine` for hints you know nothing of.
    ///
    /// # Errors
    ///
    /// When the plugin could not do its work.
    fn resolve(
        transaction: &Transaction,
        settings: Self::Settings,
        kind: crate::resolve_hint::HintKind,
        hint: &str,
    ) -> Result<crate::resolve_hint::Resolution, ScriptError>;
}

/// Hook: compare the code that the client was told by the person.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement the hook `verify_user_code`",
    note = "write `impl ciba_guest::VerifyUserCode for {Self}`, or take `verify_user_code` out of `plugin!`"
)]
pub trait VerifyUserCode: Plugin {
    /// Compares. Never log the code, and never keep it.
    ///
    /// # Errors
    ///
    /// When the plugin could not do its work.
    fn verify(transaction: &Transaction, settings: Self::Settings, code: &str) -> Result<crate::verify_user_code::Verdict, ScriptError>;
}

/// Hook: look at a request before the person is asked.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement the hook `review_request`",
    note = "write `impl ciba_guest::ReviewRequest for {Self}`, or take `review_request` out of `plugin!`"
)]
pub trait ReviewRequest: Plugin {
    /// Reviews the request.
    ///
    /// # Errors
    ///
    /// When the plugin could not do its work.
    fn review(transaction: &Transaction, settings: Self::Settings) -> Result<crate::review_request::Verdict, ScriptError>;
}

/// Hook: look at what the person answered, before it counts.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement the hook `review_decision`",
    note = "write `impl ciba_guest::ReviewDecision for {Self}`, or take `review_decision` out of `plugin!`"
)]
pub trait ReviewDecision: Plugin {
    /// Reviews the decision.
    ///
    /// # Errors
    ///
    /// When the plugin could not do its work.
    fn review(
        transaction: &Transaction,
        settings: Self::Settings,
        answer: crate::review_decision::Decision,
        evidence: &Evidence,
    ) -> Result<crate::review_decision::Verdict, ScriptError>;
}

/// Hook: say what goes into the tokens of an approved request.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement the hook `issue_tokens`",
    note = "write `impl ciba_guest::IssueTokens for {Self}`, or take `issue_tokens` out of `plugin!`"
)]
pub trait IssueTokens: Plugin {
    /// Says what goes into the tokens.
    ///
    /// # Errors
    ///
    /// When the plugin could not do its work.
    fn issue(
        transaction: &Transaction,
        settings: Self::Settings,
        occasion: crate::issue_tokens::Occasion,
    ) -> Result<crate::issue_tokens::Verdict, ScriptError>;
}

/// Hook: shape what introspection says of an access token.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement the hook `shape_introspection`",
    note = "write `impl ciba_guest::ShapeIntrospection for {Self}`, or take `shape_introspection` out of `plugin!`"
)]
pub trait ShapeIntrospection: Plugin {
    /// Shapes the answer to `caller`. `members` is the answer so far, a JSON object.
    ///
    /// # Errors
    ///
    /// When the plugin could not do its work.
    fn shape(
        transaction: &Transaction,
        settings: Self::Settings,
        caller: &str,
        members: &str,
    ) -> Result<crate::shape_introspection::Verdict, ScriptError>;
}

/// Hook: look at a client that registers or changes itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement the hook `register_client`",
    note = "write `impl ciba_guest::RegisterClient for {Self}`, or take `register_client` out of `plugin!`"
)]
pub trait RegisterClient: Plugin {
    /// Reviews the registration. `metadata` is a JSON object.
    ///
    /// # Errors
    ///
    /// When the plugin could not do its work.
    fn review(
        settings: Self::Settings,
        occasion: crate::register_client::Occasion,
        metadata: &str,
    ) -> Result<crate::register_client::Verdict, ScriptError>;
}

/// Hook: be told what happened.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement the hook `observe`",
    note = "write `impl ciba_guest::Observe for {Self}`, or take `observe` out of `plugin!`"
)]
pub trait Observe: Plugin {
    /// Takes note of one event. It may come again: `event.id()` stays the same.
    ///
    /// # Errors
    ///
    /// When the plugin could not do its work.
    fn observe(settings: Self::Settings, event: &Event) -> Result<(), ScriptError>;
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

impl<P: ResolveHint> resolve_hint::exports::ciba::interception::resolve_hint::Guest for Exported<P> {
    fn resolve(
        transaction: &Transaction,
        kind: crate::resolve_hint::HintKind,
        hint: String,
    ) -> Result<crate::resolve_hint::Resolution, ScriptError> {
        log_panics();
        P::resolve(transaction, settings::parse()?, kind, &hint)
    }
}

impl<P: VerifyUserCode> verify_user_code::exports::ciba::interception::verify_user_code::Guest for Exported<P> {
    fn verify(transaction: &Transaction, code: String) -> Result<crate::verify_user_code::Verdict, ScriptError> {
        log_panics();
        P::verify(transaction, settings::parse()?, &code)
    }
}

impl<P: ReviewRequest> review_request::exports::ciba::interception::review_request::Guest for Exported<P> {
    fn review(transaction: &Transaction) -> Result<crate::review_request::Verdict, ScriptError> {
        log_panics();
        P::review(transaction, settings::parse()?)
    }
}

impl<P: ReviewDecision> review_decision::exports::ciba::interception::review_decision::Guest for Exported<P> {
    fn review(
        transaction: &Transaction,
        answer: crate::review_decision::Decision,
        evidence: &Evidence,
    ) -> Result<crate::review_decision::Verdict, ScriptError> {
        log_panics();
        P::review(transaction, settings::parse()?, answer, evidence)
    }
}

impl<P: IssueTokens> issue_tokens::exports::ciba::interception::issue_tokens::Guest for Exported<P> {
    fn issue(transaction: &Transaction, occasion: crate::issue_tokens::Occasion) -> Result<crate::issue_tokens::Verdict, ScriptError> {
        log_panics();
        P::issue(transaction, settings::parse()?, occasion)
    }
}

impl<P: ShapeIntrospection> shape_introspection::exports::ciba::interception::shape_introspection::Guest for Exported<P> {
    fn shape(transaction: &Transaction, caller: String, members: String) -> Result<crate::shape_introspection::Verdict, ScriptError> {
        log_panics();
        P::shape(transaction, settings::parse()?, &caller, &members)
    }
}

impl<P: RegisterClient> register_client::exports::ciba::interception::register_client::Guest for Exported<P> {
    fn review(occasion: crate::register_client::Occasion, metadata: String) -> Result<crate::register_client::Verdict, ScriptError> {
        log_panics();
        P::review(settings::parse()?, occasion, &metadata)
    }
}

impl<P: Observe> observe::exports::ciba::interception::observe::Guest for Exported<P> {
    fn observe(event: &Event) -> Result<(), ScriptError> {
        log_panics();
        P::observe(settings::parse()?, event)
    }
}

/// A panic ends the call with a trap, which says only that it happened; its words would go to a standard
/// error that is not there. So they go to the plugin's log first.
pub(crate) fn log_panics() {
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
    (@ resolve_hint $exported:ident) => {
        $crate::bindings::resolve_hint::export!($exported with_types_in $crate::bindings::resolve_hint);
    };
    (@ verify_user_code $exported:ident) => {
        $crate::bindings::verify_user_code::export!($exported with_types_in $crate::bindings::verify_user_code);
    };
    (@ review_request $exported:ident) => {
        $crate::bindings::review_request::export!($exported with_types_in $crate::bindings::review_request);
    };
    (@ review_decision $exported:ident) => {
        $crate::bindings::review_decision::export!($exported with_types_in $crate::bindings::review_decision);
    };
    (@ issue_tokens $exported:ident) => {
        $crate::bindings::issue_tokens::export!($exported with_types_in $crate::bindings::issue_tokens);
    };
    (@ shape_introspection $exported:ident) => {
        $crate::bindings::shape_introspection::export!($exported with_types_in $crate::bindings::shape_introspection);
    };
    (@ register_client $exported:ident) => {
        $crate::bindings::register_client::export!($exported with_types_in $crate::bindings::register_client);
    };
    (@ observe $exported:ident) => {
        $crate::bindings::observe::export!($exported with_types_in $crate::bindings::observe);
    };
    (@ inbound $exported:ident) => {
        $crate::bindings::inbound::export!($exported with_types_in $crate::bindings::inbound);
    };
    (@ $unknown:ident $exported:ident) => {
        ::core::compile_error!(::core::concat!(
            "`", ::core::stringify!($unknown), "` is not a hook; the hooks are `notify`, `withdraw`, `resolve_hint`, `verify_user_code`, `review_request`, `review_decision`, \
             `issue_tokens`, `shape_introspection`, `register_client`, `observe` and `inbound`"
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
