//! A bench for one component, without a server: `plugin check`, `plugin inspect` and `plugin try`.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::clock::Clock;
use crate::outbound::{Door, Networks};
use crate::protocol::identifier::TransactionId;
use crate::protocol::plugin::{Permissions, PluginName};
use crate::runtime::{
    CallLimits, Candidate, DeviceView, Loaded, LogLine, Notify, Outcome, Report, Runtime, RuntimeConfig, TransactionView, Urgency, Version,
};
use crate::store::sqlite::SqliteStore;

/// A request made up by an author: the names of the WIT.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    #[serde(default)]
    id: String,
    client_id: Option<String>,
    client_name: Option<String>,
    user_id: Option<String>,
    user_name: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    scopes_in_words: Option<Vec<String>>,
    #[serde(default)]
    acr_values: Vec<String>,
    authorization_details: Option<serde_json::Value>,
    #[serde(default)]
    details_in_words: Vec<String>,
    request_context: Option<serde_json::Value>,
    #[serde(default)]
    resources: Vec<String>,
    binding_message: Option<String>,
    expires_at: Option<u64>,
    locale: Option<String>,
    device: Option<DeviceView>,
    /// Instead of those in the .toml file.
    settings: Option<toml::Table>,
}

impl Case {
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| {
            format!(
                "the request {} cannot be read.\n  do: name one with --input; `ciba-host plugin new` writes a case.json",
                path.display()
            )
        })?;
        serde_json::from_str(&text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let what = error.to_string();
            let what = what.trim_end_matches(&format!(" at line {line} column {column}"));
            anyhow::anyhow!("{}:{line}:{column}: {what}", path.display())
        })
    }

    fn view(self) -> TransactionView {
        TransactionView {
            one_time_link: Some(format!("https://login.example.com/device#open={}", self.id).into()),
            id: TransactionId(self.id),
            client_id: self.client_id,
            client_name: self.client_name,
            user_id: self.user_id,
            user_name: self.user_name,
            scopes: self.scopes,
            scopes_in_words: self.scopes_in_words,
            acr_values: self.acr_values,
            authorization_details: self.authorization_details.map(|details| details.to_string()),
            details_in_words: self.details_in_words,
            request_context: self.request_context.map(|context| context.to_string()),
            resources: self.resources,
            binding_message: self.binding_message,
            expires_at: self.expires_at,
            locale: self.locale,
            devices: self.device.iter().cloned().collect(),
            device: self.device,
            can_be_shown: true,
        }
    }
}

/// What a try showed.
pub(super) struct Tried {
    pub(super) report: Report<Outcome>,
    pub(super) log: Vec<LogLine>,
    /// What it was not permitted, and the option of `plugin try` that permits it.
    pub(super) refused: Vec<String>,
}

/// What a log line says was not permitted. A live host's advice, which the line ends with, is none here: there is nothing to
/// allow, only something to ask for.
fn refused(line: &str) -> Option<String> {
    let (what, fix) = line.strip_prefix("refused [not-permitted]: ")?.split_once(". do: ")?;
    Some(match what.strip_prefix("HTTP to ") {
        Some(origin) if fix.ends_with(&format!(" --http {origin}")) => format!("{what}.  do: try again with --http {origin}"),
        Some(_) => format!("{what}.  do: {fix}"),
        None => format!("{what}.  do: ask for it in `describe`, or under [asks] in the .toml file beside the plugin"),
    })
}

/// A runtime of its own, with nothing in it.
pub(super) struct Bench {
    runtime: Arc<Runtime>,
    _directory: tempfile::TempDir,
}

impl Bench {
    pub(super) async fn new(folder: &Path) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let store = Arc::new(SqliteStore::open(&directory.path().join("bench.db"))?);
        let config = RuntimeConfig {
            folder: folder.to_owned(),
            cache: directory.path().join("cache"),
            limits: CallLimits::default(),
            ..RuntimeConfig::default()
        };
        let runtime = Runtime::start(config, store, Door::new(Networks::default()), Clock::System, &[0; 32]).await?;
        Ok(Self { runtime, _directory: directory })
    }

    /// Takes a file through every step that a host would, but serves nothing.
    pub(super) async fn load(&self, file: &Path, settings: Option<toml::Table>) -> anyhow::Result<Arc<Version>> {
        if file.is_dir() {
            let folder = file.display();
            bail!("{folder} is a folder, not a plugin.\n  do: ciba-host plugin build {folder}, then name the .wasm file it wrote");
        }
        let stem = file.file_stem().and_then(|stem| stem.to_str()).with_context(|| format!("{} has no name", file.display()))?;
        let name = PluginName::parse(stem).map_err(anyhow::Error::msg)?;
        let unreadable = || format!("{} cannot be read.\n  do: name the .wasm file that `ciba-host plugin build` wrote", file.display());
        let bytes = std::fs::read(file).with_context(unreadable)?;
        let beside = file.with_extension("toml");
        let mut file_text = match std::fs::read_to_string(&beside) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", beside.display())),
        };
        let settings_of_case = settings.is_some();
        if let Some(settings) = settings {
            let mut table: toml::Table = file_text.parse().with_context(|| format!("{} is not TOML", beside.display()))?;
            table.insert("settings".to_owned(), toml::Value::Table(settings));
            file_text = toml::to_string(&table)?;
        }
        let candidate = Candidate { name: name.clone(), bytes: bytes.into(), file_text };
        match self.runtime.load(&candidate, self.runtime.shared_of(&name)).await {
            Ok(Loaded::Version(version)) => Ok(version),
            Ok(Loaded::Off) => bail!("{} would stay out of service: {} has mode = \"off\"", file.display(), beside.display()),
            Ok(Loaded::Unfinished(refusal)) | Err(refusal) => {
                let fix = if settings_of_case && refusal.word == "settings" { "mend `settings` in the request" } else { &refusal.fix };
                bail!("{} would be refused [{}]: {}.\n  do: {fix}", file.display(), refusal.word, refusal.what)
            }
        }
    }

    /// Calls `notify` once. The plugin may do what it asks for, except HTTP, which `http` allows by origin.
    pub(super) async fn notify(&self, version: &Arc<Version>, case: Case, http: Vec<String>) -> Tried {
        let asks = version.description.needs.union(&version.file.asks);
        self.runtime.set_allowed(&version.name, Permissions { http: http.into_iter().collect(), ..asks });
        let report = self.runtime.call(version, Notify { transaction: Arc::new(case.view()) }, Urgency::ClientWaits).await;
        // The host ends the log of a failed call with the failure, which is shown anyway.
        let ended = report.result.as_ref().err().map(|failure| format!("call failed {failure}"));
        let mut tried = Tried { report, log: Vec::new(), refused: Vec::new() };
        for line in version.shared.lines().into_iter().filter(|line| Some(&line.text) != ended.as_ref()) {
            match refused(&line.text) {
                Some(what) => tried.refused.push(what),
                None => tried.log.push(line),
            }
        }
        tried
    }
}

/// The settings of a case, which go with the component and not with the call.
pub(super) fn take_settings(case: &mut Case) -> Option<toml::Table> {
    case.settings.take()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_was_refused_says_how_to_try_it() {
        for (line, shown) in [
            (
                "refused [not-permitted]: HTTP to https://a.example. do: ciba-host plugin allow x --http https://a.example",
                Some("HTTP to https://a.example.  do: try again with --http https://a.example"),
            ),
            (
                "refused [not-permitted]: inbox. do: ciba-host plugin allow x --inbox",
                Some("inbox.  do: ask for it in `describe`, or under [asks] in the .toml file beside the plugin"),
            ),
            ("notified about refused [not-permitted]: inbox. do: x", None),
        ] {
            assert_eq!(super::refused(line).as_deref(), shown);
        }
    }
}
