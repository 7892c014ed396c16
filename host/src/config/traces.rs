//! Traces.

use serde::{Deserialize, Serialize};
use url::Url;

/// `[traces]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traces {
    /// The collector that takes them, by OTLP over HTTP. Empty: none.
    pub otlp: String,
    /// The share of traces that is sent, from 0 to 1.
    pub share: f64,
    /// Whether the trace that a caller names is continued.
    pub follow: bool,
}

impl Traces {
    /// The collector, if there is one.
    pub fn collector(&self) -> Option<&str> {
        Some(self.otlp.as_str()).filter(|otlp| !otlp.is_empty())
    }

    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let is_address = |otlp: &str| Url::parse(otlp).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if self.collector().is_some_and(|otlp| !is_address(otlp)) {
            return Err(("traces.otlp", format!("`{}` is no address; write for example \"http://127.0.0.1:4318\"", self.otlp)));
        }
        if !(0.0..=1.0).contains(&self.share) {
            return Err(("traces.share", format!("{} is no share; write a number from 0.0 to 1.0", self.share)));
        }
        Ok(())
    }
}
