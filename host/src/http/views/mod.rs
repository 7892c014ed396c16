//! What people see: plain structs with a `render()`; handlers fill them, nothing here reads or waits.
//!
//! - [`device`] the phone, [`demo`] the consumption device, [`console`] the operator's pages
//! - [`text`] every sentence of the phone, one table per language
//! - [`states`] a fixture of every state, through the same templates
//! - [`assets`] the static files, compiled in
//! - [`markup`] and [`moment`] the two value types the templates share
//! - [`shell`] how a command that people paste is written

pub mod assets;
pub mod console;
pub mod demo;
pub mod device;
pub mod markup;
pub mod moment;
pub mod shell;
pub mod states;
pub mod text;

use askama::Template;
use serde::Serialize;

/// How much a page does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Script {
    /// A real page: it connects, counts down and answers.
    Live,
    /// A fixture: looks the same, but asks the server nothing and decides nothing.
    Fixture,
    /// As a browser without JavaScript shows it.
    Absent,
}

impl Script {
    /// Whether the page carries its script at all.
    #[must_use]
    pub fn runs(self) -> bool {
        self != Self::Absent
    }

    /// Whether this is a fixture, which must not talk to the server.
    #[must_use]
    pub fn is_fixture(self) -> bool {
        self == Self::Fixture
    }
}

/// Something a page shows on purpose and a log must not: a one-time link, a token, a `curl` with a credential.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("[redacted]")
    }
}

impl std::fmt::Display for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Renders a template. Writing into a `String` cannot fail, so there is no error to hand on.
fn html(template: &impl Template) -> String {
    let mut page = String::with_capacity(8 * 1024);
    let outcome = template.render_into(&mut page);
    debug_assert!(outcome.is_ok(), "a template failed: {outcome:?}");
    page
}

/// The version as people say it: `2.0.0` is "2", everything else stays.
fn spoken_version(version: &str) -> &str {
    version.strip_suffix(".0.0").unwrap_or(version)
}
