//! The operator's console: it shows and explains. What can be changed here are plugins; everything else by command.

mod audit;
mod client;
mod conformance;
mod counted;
mod key;
mod plugin;
mod shadow;

use askama::Template;
use serde::Serialize;

pub use audit::{Audit, AuditLine};
pub use client::{Change, Client, ClientDetail, Clients, Fact, Group};
pub use conformance::Conformance;
pub use counted::{Bar, Counted};
pub use key::{Key, KeyState, Keys, NextChange};
pub use plugin::{
    Artifact, Level, LogLine, Permission, Plugin, PluginDetail, PluginState, Problem, Said, Served, Standing, Swap, SwapKind,
};
pub use shadow::{ComparedHook, Differed, NotDone, Shadow};

use super::{Script, html, moment::Moment, shell};

/// A whole page of the admin listener.
#[derive(Clone, Debug, Serialize, Template)]
#[template(path = "console/page.html")]
pub struct Page {
    pub script: Script,
    pub not_encrypted: bool,
    /// The event stream broke. Only the script gets here.
    pub away: bool,
    /// A program decides requests here.
    pub conformance: Option<Conformance>,
    pub body: Body,
}

/// What stands on the page.
#[derive(Clone, Debug, Serialize)]
pub enum Body {
    SignIn(SignIn),
    Overview(Overview),
    Plugin(Box<PluginDetail>),
    Requests(Requests),
    Clients(Clients),
    Client(Box<ClientDetail>),
    Keys(Keys),
    Audit(Audit),
    /// What the operator wanted of a plugin was not done.
    NotDone {
        name: String,
        why: String,
    },
    /// The address names a plugin that is not there (any more).
    NoSuchPlugin {
        name: String,
    },
    /// The same, of a client.
    NoSuchClient {
        id: String,
    },
    Trouble,
}

/// Signing in is by the one-time link of `ciba-host console`, whose token stands in the fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignIn {
    /// No link was opened.
    NoLink,
    /// The link was used before, or is too old.
    LinkUsed,
}

impl SignIn {
    fn failed(self) -> bool {
        self == Self::LinkUsed
    }
}

/// `GET /`.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    pub plugins: Vec<Plugin>,
    /// Where the operator drops files.
    pub plugins_folder: String,
    pub pid: u32,
    pub started_at: Moment,
}

/// `GET /requests`: no hints, no binding messages, no names of people, and no button.
#[derive(Clone, Debug, Serialize)]
pub struct Requests {
    /// Newest first.
    pub requests: Vec<RequestRow>,
    /// There are more than these.
    pub cut: bool,
}

/// One request as an operator may see it.
#[derive(Clone, Debug, Serialize)]
pub struct RequestRow {
    pub transaction: String,
    pub client: String,
    /// How the client hears of it: "ping".
    pub mode: &'static str,
    /// What the client proved to hold when it asked: "certificate".
    pub binding: Option<&'static str>,
    pub state: RequestState,
    pub started_at: Moment,
    pub expires_at: Moment,
    /// One entry per attempt to tell the person: "inbox 0.1.0, 14 µs".
    pub notified: Vec<String>,
}

/// The states of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestState {
    Pending,
    Approved,
    Denied,
    Expired,
    Redeemed,
    /// A newer one took its place.
    Superseded,
}

impl Page {
    /// The whole document.
    #[must_use]
    pub fn render(&self) -> String {
        html(self)
    }

    fn title(&self) -> String {
        match &self.body {
            Body::SignIn(_) => "Sign in".to_owned(),
            Body::Overview(overview) => overview.headline().sentence,
            Body::Plugin(detail) => detail.plugin.name.clone(),
            Body::Requests(_) => "Requests".to_owned(),
            Body::Clients(_) => "Clients".to_owned(),
            Body::Client(detail) => detail.client.name.clone(),
            Body::Keys(_) => "Keys".to_owned(),
            Body::Audit(_) => "Audit log".to_owned(),
            Body::NotDone { .. } => "It was not done".to_owned(),
            Body::NoSuchClient { .. } => "No such client".to_owned(),
            Body::NoSuchPlugin { .. } => "No such plugin".to_owned(),
            Body::Trouble => "Something went wrong".to_owned(),
        }
    }

    fn signed_in(&self) -> bool {
        !matches!(self.body, Body::SignIn(_))
    }

    /// Whether what is on it changes while it is looked at: what answers a form stays as it is.
    fn follows(&self) -> bool {
        self.signed_in() && !matches!(self.body, Body::NotDone { .. })
    }

    /// The plugin whose log is on it.
    fn logs_of(&self) -> Option<&str> {
        match &self.body {
            Body::Plugin(detail) => Some(&detail.plugin.name),
            _ => None,
        }
    }

    /// Address and name of each part, and whether this page belongs to it.
    fn parts(&self) -> [(&'static str, &'static str, bool); 5] {
        [
            ("/", "Plugins", matches!(self.body, Body::Overview(_) | Body::Plugin(_) | Body::NotDone { .. })),
            ("/requests", "Requests", matches!(self.body, Body::Requests(_))),
            ("/clients", "Clients", matches!(self.body, Body::Clients(_) | Body::Client(_))),
            ("/keys", "Keys", matches!(self.body, Body::Keys(_))),
            ("/audit", "Audit", matches!(self.body, Body::Audit(_))),
        ]
    }
}

/// The one sentence on top.
struct Headline {
    sentence: String,
    tone: &'static str,
}

impl Overview {
    /// How a plugin gets into the folder.
    fn drop_command(&self) -> String {
        format!("cp my-plugin.wasm {}", shell::word(&format!("{}/", self.plugins_folder)))
    }

    /// The worst thing first; good news only when there is nothing else to say.
    fn headline(&self) -> Headline {
        let in_state = |state| self.plugins.iter().filter(|plugin| plugin.state == state).collect::<Vec<_>>();
        let refused = in_state(PluginState::Refused);
        let blocked = in_state(PluginState::Blocked);
        let waiting = in_state(PluginState::Waiting);
        let shadows = in_state(PluginState::Shadow).len();
        let serving = self.plugins.iter().filter(|plugin| plugin.serving.is_some()).count() - shadows;
        let (sentence, tone) = if !refused.is_empty() {
            let fallen_back = refused.iter().all(|plugin| plugin.serving.is_some());
            let files = count(refused.len(), "file", "files");
            if fallen_back {
                (format!("{files} refused, last good serving"), "warning")
            } else {
                (format!("{files} refused, nothing to fall back to"), "bad")
            }
        } else if !blocked.is_empty() {
            let plugins = count(blocked.len(), "plugin", "plugins");
            (format!("{plugins} blocked until you allow what is asked for"), "warning")
        } else if self.plugins.is_empty() {
            ("No plugins yet".to_owned(), "neutral")
        } else if !waiting.is_empty() {
            (format!("{} still arriving", count(waiting.len(), "file", "files")), "neutral")
        } else if serving == 0 {
            ("No plugin is serving".to_owned(), "bad")
        } else if serving + shadows == self.plugins.len() {
            match serving {
                1 => ("1 plugin serving".to_owned(), "good"),
                2 => ("Both plugins serving".to_owned(), "good"),
                _ => (format!("All {serving} plugins serving"), "good"),
            }
        } else {
            (format!("{serving} of {} plugins serving", self.plugins.len()), "good")
        };
        Headline { sentence, tone }
    }
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

impl RequestState {
    fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Redeemed => "redeemed",
            Self::Superseded => "superseded",
        }
    }
}
