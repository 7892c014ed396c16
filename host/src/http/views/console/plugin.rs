//! One plugin, as a row of the list and as a page.

use serde::Serialize;

use super::super::{
    markup::{Markup, escape},
    moment::Moment,
    spoken_version,
};
use super::Shadow;
use super::counted::Counted;

/// Whether a plugin does its work, in the words of the console and of `ciba-host plugin list`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PluginState {
    Serving,
    /// Its answers are only compared.
    Shadow,
    /// Its file is not complete yet.
    Waiting,
    /// It needs something the operator has not allowed.
    Blocked,
    /// The last file was not taken. The version before it may still be serving.
    Refused,
    /// Switched off by its settings.
    Off,
}

impl PluginState {
    /// The word people and style sheets see.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Shadow => "shadow",
            Self::Waiting => "waiting",
            Self::Blocked => "blocked",
            Self::Refused => "refused",
            Self::Off => "off",
        }
    }
}

/// One plugin.
#[derive(Clone, Debug, Serialize)]
pub struct Plugin {
    /// The file's stem.
    pub name: String,
    pub state: PluginState,
    /// What answers calls now.
    pub serving: Option<Artifact>,
    pub channels: Vec<String>,
    pub calls: u64,
    pub errors: u64,
    pub problem: Option<Problem>,
}

/// One version of a plugin.
#[derive(Clone, Debug, Serialize)]
pub struct Artifact {
    pub version: String,
    /// The first digits of its SHA-256.
    pub digest: String,
    pub since: Moment,
}

/// Why a file was not taken.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// The stable word that `docs/errors.md` explains: `contract-version`.
    pub word: String,
    /// One line in plain words.
    pub line: String,
    /// What to do: a command, or a sentence.
    pub remedy: Option<String>,
}

/// `GET /plugins/{name}`.
#[derive(Clone, Debug, Serialize)]
pub struct PluginDetail {
    pub plugin: Plugin,
    /// The interfaces it exports: `notify`, `withdraw`.
    pub hooks: Vec<String>,
    pub standing: Standing,
    /// What was counted since the host started, of each hook that was called.
    pub counted: Vec<Counted>,
    /// "2 kept between calls, which hold 3.1 MiB"; absent where each call has an instance of its own.
    pub kept: Option<String>,
    /// Newest first.
    pub timeline: Vec<Swap>,
    /// What served and serves, newest first.
    pub versions: Vec<Served>,
    /// That an operator rolled back, and what that means.
    pub rolled_back: Option<String>,
    /// How its answers compare, of a shadow.
    pub shadow: Option<Shadow>,
    pub permissions: Vec<Permission>,
    /// Newest last, as a log is read.
    pub log: Vec<LogLine>,
}

/// A version that served.
#[derive(Clone, Debug, Serialize)]
pub struct Served {
    pub artifact: Artifact,
    /// Absent while it serves.
    pub until: Option<Moment>,
    /// Who rolled back to it; absent where it came out of the folder.
    pub rolled_back_by: Option<String>,
    /// JSON, secrets hidden.
    pub settings: String,
    /// The digest by which it is made to serve again, and since when it served, because others may have that digest; absent for
    /// the one that serves.
    pub roll_back_to: Option<(String, String)>,
}

/// Whether its answers count, and when it is asked.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    pub mode: Said,
    pub order: Said,
}

/// Something that its file says, and that an operator may say over it.
#[derive(Clone, Debug, Serialize)]
pub struct Said {
    /// What counts; empty where nothing was loaded.
    pub is: String,
    /// Who said so, when, and what its file says.
    pub over: Option<(String, Moment, Option<String>)>,
}

impl Standing {
    /// What its mode means.
    pub(super) fn meaning(&self) -> &'static str {
        match &*self.mode.is {
            "enforce" => "Its answers count.",
            "shadow" => "It is asked, and its answers are only compared with those that count.",
            "off" => "It is not asked.",
            _ => "Nothing of it was loaded.",
        }
    }

    /// The modes that it can be given, with the words on their buttons.
    pub(super) fn others(&self) -> Vec<(&'static str, &'static str)> {
        let all = [("enforce", "Turn on"), ("shadow", "Only compare"), ("off", "Turn off")];
        all.into_iter().filter(|(mode, _)| *mode != self.mode.is).collect()
    }

    pub(super) fn is_over_file(&self) -> bool {
        self.mode.over.is_some() || self.order.over.is_some()
    }
}

/// Something that happened to the file.
#[derive(Clone, Debug, Serialize)]
pub struct Swap {
    pub at: Moment,
    pub kind: SwapKind,
    pub version: Option<String>,
    pub digest: Option<String>,
    /// "replaced 1.0.0 (3f9a); 2 calls finish on the old one".
    pub line: String,
    pub took_ms: Option<u64>,
}

/// The kinds of entries on the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SwapKind {
    Serving,
    Refused,
    Stopped,
}

impl SwapKind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Refused => "refused",
            Self::Stopped => "stopped",
        }
    }
}

/// One thing a plugin asks for, tried, or may do.
#[derive(Clone, Debug, Serialize)]
pub struct Permission {
    /// `http https://hooks.example.com`.
    pub what: String,
    pub allowed: bool,
    /// Whether it says that it needs it.
    pub asked: bool,
    /// How often it tried without being allowed.
    pub refused_calls: u64,
    /// Whether a button can allow it, or take it back.
    pub button: bool,
    /// The command that allows it: `ciba-host plugin allow webhook --http …`. Absent where nothing can.
    pub allow_command: Option<String>,
}

/// One line the plugin, or the host about it, wrote.
#[derive(Clone, Debug, Serialize)]
pub struct LogLine {
    pub at: Moment,
    pub level: Level,
    pub line: String,
}

/// How bad a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Debug,
    Info,
    Warning,
    Error,
}

impl Level {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl Plugin {
    /// The badge: the state, and what still works in spite of it.
    pub(super) fn sentence(&self) -> String {
        let word = self.state.word();
        match (self.state, &self.serving) {
            (PluginState::Waiting | PluginState::Blocked | PluginState::Refused, Some(artifact)) => {
                format!("{word}, {} still serving", spoken_version(&artifact.version))
            }
            _ => word.to_owned(),
        }
    }

    /// What the person is to do when a file only waits or is switched off.
    pub(super) fn without_problem(&self) -> Option<&'static str> {
        match (self.state, &self.problem) {
            (PluginState::Waiting, None) => Some("The file is not complete yet. It is read again by itself."),
            (PluginState::Off, None) => Some("Switched off in its settings: mode = \"off\"."),
            _ => None,
        }
    }
}

impl Problem {
    /// What stands between backquotes is a command, and so is a remedy that starts like one.
    pub(super) fn remedy(&self) -> Option<Markup> {
        let remedy = self.remedy.as_deref()?;
        let marked = if remedy.starts_with("ciba-host ") && !remedy.contains('`') { format!("`{remedy}`") } else { remedy.to_owned() };
        let parts = marked.split('`').enumerate().map(|(index, part)| {
            let part = escape(part);
            if index % 2 == 1 { format!("<code>{part}</code>") } else { part }
        });
        Some(Markup::trusted(parts.collect::<String>()))
    }
}

impl PluginDetail {
    /// The commands that allow what only a command can, because it has to say more.
    pub(super) fn commands(&self) -> Vec<&str> {
        let missing = self.permissions.iter().filter(|permission| !permission.allowed && !permission.button);
        missing.filter_map(|permission| permission.allow_command.as_deref()).collect()
    }
}
