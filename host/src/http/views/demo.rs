//! The demo page: a shop that starts an authentication (the consumption device) and what happens behind it.
//!
//! [`Started`], [`Run`] and [`Status`] are also the JSON its script reads, so page and script cannot disagree.

mod status;

use askama::Template;
use serde::Serialize;
use serde_json::Value;

pub use status::{PluginStatus, Status};

use super::{Script, Secret, html, moment::Moment, shell};

/// `GET /demo`.
#[derive(Clone, Debug, Serialize, Template)]
#[template(path = "demo/page.html")]
pub struct Page {
    pub script: Script,
    pub now_ms: i64,
    pub not_encrypted: bool,
    /// Only the script gets here; the server renders `None`.
    pub mishap: Option<Mishap>,
    pub user_name: String,
    /// Where `cp` finds the sample plugins, and where it drops them.
    pub samples_folder: String,
    pub plugins_folder: String,
    pub status: Status,
    /// `None` while nothing was started.
    pub shown: Option<Shown>,
}

/// What can go wrong between this page and the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Mishap {
    /// The server did not answer the last question.
    Away,
    /// The provider refused to start, with its sentence.
    NotStarted(String),
}

/// A payment on the screen.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    pub started: Started,
    pub run: Run,
}

/// The answer to `POST /demo/start`.
#[derive(Clone, Debug, Serialize)]
pub struct Started {
    pub run: String,
    /// Seconds.
    pub expires_in: u64,
    pub binding_message: String,
    /// The command that does the same.
    pub curl: Secret,
}

/// `GET /demo/runs/{run}`.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    pub state: RunState,
    pub notified: Option<Notified>,
    /// The whole sentence: "Alice was not notified: no notify plugin is serving".
    pub not_notified: Option<String>,
    pub expires_at_ms: i64,
    pub now_ms: i64,
    /// The ID token's claims as they are.
    pub claims: Option<Value>,
    /// The same, as far as a person makes something of them.
    pub known: Vec<Claim>,
    pub id_token: Option<Secret>,
    pub steps: Vec<Step>,
}

/// How far a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    Waiting,
    /// Still waiting, but nobody was told.
    NotNotified,
    Approved,
    Denied,
    Expired,
    /// A newer request of the shop's took its place.
    Superseded,
}

/// Which plugin told the person, and how long its call took.
#[derive(Clone, Debug, Serialize)]
pub struct Notified {
    pub plugin: String,
    pub version: String,
    pub micros: u64,
}

/// A claim in words.
#[derive(Clone, Debug, Serialize)]
pub struct Claim {
    /// "Who".
    pub term: &'static str,
    /// `sub`.
    pub name: &'static str,
    pub value: String,
    /// The value, where it is a time.
    pub at: Option<Moment>,
}

/// One exchange with the provider, repeatable by hand.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    pub title: String,
    pub curl: Secret,
    pub answer: Secret,
}

impl Claim {
    /// What people ask first comes first. What is not in this list stands in the JSON below it.
    const TERMS: [(&'static str, &'static str); 6] =
        [("Who", "sub"), ("Confirmed", "auth_time"), ("Vouched for by", "iss"), ("For", "aud"), ("Issued", "iat"), ("Good until", "exp")];

    /// The claims of an ID token that are in the list.
    #[must_use]
    pub fn known(claims: &Value) -> Vec<Self> {
        let one = |(term, name)| {
            let value = claims.get(name)?;
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Some(Self { term, name, value: text, at: value.as_i64().map(Moment) })
        };
        Self::TERMS.into_iter().filter_map(one).collect()
    }
}

impl Page {
    /// The whole document.
    #[must_use]
    pub fn render(&self) -> String {
        html(self)
    }

    fn phase(&self) -> &'static str {
        if matches!(self.mishap, Some(Mishap::NotStarted(_))) {
            return "trouble";
        }
        match self.shown.as_ref().map(|shown| shown.run.state) {
            None => "idle",
            Some(RunState::Waiting) => "waiting",
            Some(RunState::NotNotified) => "not-notified",
            Some(RunState::Approved) => "approved",
            Some(RunState::Denied) => "denied",
            Some(RunState::Expired) => "expired",
            Some(RunState::Superseded) => "superseded",
        }
    }

    fn away(&self) -> bool {
        self.mishap == Some(Mishap::Away)
    }

    fn trouble(&self) -> &str {
        match &self.mishap {
            Some(Mishap::NotStarted(sentence)) => sentence,
            _ => "",
        }
    }

    fn binding_message(&self) -> &str {
        self.shown.as_ref().map_or("", |shown| &shown.started.binding_message)
    }

    fn expires_at_ms(&self) -> i64 {
        self.shown.as_ref().map_or(0, |shown| shown.run.expires_at_ms)
    }

    fn remaining(&self) -> String {
        let run = self.shown.as_ref().map(|shown| &shown.run);
        run.map_or_else(String::new, |run| Moment(run.expires_at_ms.div_euclid(1000)).remaining(run.now_ms))
    }

    fn notified(&self) -> Option<&Notified> {
        self.shown.as_ref().and_then(|shown| shown.run.notified.as_ref())
    }

    fn not_notified(&self) -> &str {
        let sentence = self.shown.as_ref().and_then(|shown| shown.run.not_notified.as_deref());
        sentence.unwrap_or("")
    }

    fn steps(&self) -> &[Step] {
        self.shown.as_ref().map_or(&[], |shown| &shown.run.steps)
    }

    fn known(&self) -> &[Claim] {
        self.shown.as_ref().map_or(&[], |shown| &shown.run.known)
    }

    fn raw_claims(&self) -> String {
        let claims = self.shown.as_ref().and_then(|shown| shown.run.claims.as_ref());
        claims.and_then(|claims| serde_json::to_string_pretty(claims).ok()).unwrap_or_default()
    }

    /// The story of a swap, as commands to paste.
    fn tries(&self) -> Vec<(&'static str, String)> {
        let (samples, plugins) = (&self.samples_folder, &self.plugins_folder);
        let copy = |sample: &str| {
            let (from, to) = (format!("{samples}/{sample}.wasm"), format!("{plugins}/inbox.wasm"));
            format!("cp {} {}", shell::word(&from), shell::word(&to))
        };
        vec![
            ("A new version: the next card carries a note.", copy("inbox-2")),
            ("A broken file: refused, and nothing changes.", copy("broken")),
            ("Back to the first version.", copy("inbox-1")),
        ]
    }

    fn id_token(&self) -> &str {
        let token = self.shown.as_ref().and_then(|shown| shown.run.id_token.as_ref());
        token.map_or("", |token| &token.0)
    }
}
