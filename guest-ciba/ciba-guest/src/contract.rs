//! The contract's types, and the few conveniences that make them short to write.

pub use crate::bindings::ciba::interception::events::Event;
pub use crate::bindings::ciba::interception::refusals::{Refusal, ScriptError};
pub use crate::bindings::ciba::interception::transactions::{Device, Evidence, Transaction};
pub use crate::bindings::notify::exports::ciba::interception::notify::Outcome;
pub use crate::bindings::plugin::exports::ciba::interception::plugin::{Description, Need, Problem};
pub use crate::bindings::withdraw::exports::ciba::interception::withdraw::Reason;

impl Description {
    /// A plugin that has no settings, serves no channel and asks for nothing. [`description!`] takes name
    /// and version from your `Cargo.toml`.
    ///
    /// [`description!`]: crate::description
    pub fn new(name: &str, version: &str, summary: &str) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            summary: summary.into(),
            channels: Vec::new(),
            needs: Vec::new(),
            settings_schema: r#"{"type":"object","additionalProperties":false}"#.into(),
        }
    }

    /// Adds a channel whose devices the plugin can reach.
    #[must_use]
    pub fn channel(mut self, channel: &str) -> Self {
        self.channels.push(channel.into());
        self
    }

    /// Adds something to ask the operator for. Asking grants nothing.
    #[must_use]
    pub fn needs(mut self, need: Need) -> Self {
        self.needs.push(need);
        self
    }

    /// The JSON Schema of the settings. Mark secrets `"writeOnly": true` and they are never shown again.
    #[must_use]
    pub fn settings_schema(mut self, schema: &str) -> Self {
        self.settings_schema = schema.into();
        self
    }
}

impl Need {
    /// To send HTTP requests to this origin. `*` says that the origin stands in the settings.
    pub fn http(origin: &str) -> Self {
        Self::Http(origin.into())
    }
}

impl Problem {
    /// What is wrong with the setting at this JSON Pointer, for example `/url`.
    pub fn new(setting: &str, message: impl Into<String>) -> Self {
        Self { setting: setting.into(), message: message.into() }
    }
}

impl Outcome {
    /// The channel took it. `reference` comes back in `withdraw` and may be empty.
    pub fn accepted(reference: impl Into<String>) -> Self {
        Self::Accepted(reference.into())
    }
}

impl Refusal {
    /// What the host said, for your log: which permission, which limit, or why.
    pub fn text(&self) -> &str {
        let (Self::NotPermitted(text) | Self::OverLimit(text) | Self::Unavailable(text) | Self::Other(text)) = self;
        text
    }
}

/// What a refusal means for the hook that met it, so that `?` works on every call to the host.
impl From<Refusal> for ScriptError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            // Only the operator can change what is permitted, exactly as with a wrong setting.
            Refusal::NotPermitted(text) => Self::Settings(text),
            Refusal::Unavailable(text) => Self::Temporary(text),
            Refusal::OverLimit(text) | Refusal::Other(text) => Self::Other(text),
        }
    }
}
