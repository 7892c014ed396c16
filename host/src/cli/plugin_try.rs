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
    CallLimits, Candidate, DeviceView, Loaded, LogLine, Outcome, Report, Runtime, RuntimeConfig, TransactionView, Urgency, Version,
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
    binding_message: Option<String>,
    expires_at: Option<u64>,
    locale: Option<String>,
    device: Option<DeviceView>,
    /// Instead of those in the .toml file.
    settings: Option<toml::Table>,
}

impl Case {
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        serde_json::from_str(&text).map_err(|error| anyhow::anyhow!("{}:{}: {error}", path.display(), error.line()))
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
            binding_message: self.binding_message,
            expires_at: self.expires_at,
            locale: self.locale,
            device: self.device,
            can_be_shown: true,
        }
    }
}

/// What a try showed.
pub(super) struct Tried {
    pub(super) report: Report<Outcome>,
    pub(super) log: Vec<LogLine>,
    pub(super) refused: u64,
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
        let stem = file.file_stem().and_then(|stem| stem.to_str()).with_context(|| format!("{} has no name", file.display()))?;
        let name = PluginName::parse(stem).map_err(anyhow::Error::msg)?;
        let bytes = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let beside = file.with_extension("toml");
        let mut file_text = match std::fs::read_to_string(&beside) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", beside.display())),
        };
        if let Some(settings) = settings {
            let mut table: toml::Table = file_text.parse().with_context(|| format!("{} is not TOML", beside.display()))?;
            table.insert("settings".to_owned(), toml::Value::Table(settings));
            file_text = toml::to_string(&table)?;
        }
        let candidate = Candidate { name: name.clone(), bytes: bytes.into(), file_text };
        match self.runtime.load(&candidate, self.runtime.shared_of(&name)).await {
            Ok(Loaded::Version(version)) => Ok(version),
            Ok(Loaded::Unfinished) => bail!("{} ends in the middle.  do: copy or build it again", file.display()),
            Ok(Loaded::Disabled) => bail!("{} has enabled = false", beside.display()),
            Err(refusal) => bail!("{} refused {refusal}", file.display()),
        }
    }

    /// Calls `notify` once. The plugin may do what it asks for, except HTTP, which `http` allows by origin.
    pub(super) async fn notify(&self, version: &Arc<Version>, case: Case, http: Vec<String>) -> Tried {
        let asks = version.description.needs.union(&version.file.asks);
        self.runtime.set_allowed(&version.name, Permissions { http: http.into_iter().collect(), ..asks });
        let report = self.runtime.notify(version, case.view(), Urgency::ClientWaits).await;
        Tried { report, log: version.shared.lines(), refused: version.shared.counters().refused }
    }
}

/// The settings of a case, which go with the component and not with the call.
pub(super) fn take_settings(case: &mut Case) -> Option<toml::Table> {
    case.settings.take()
}
