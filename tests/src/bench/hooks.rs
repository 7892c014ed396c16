//! Section `hooks`: one call of a hook, with nothing around it. The plugin is the one we ship, `inbox`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ciba_host::clock::Clock;
use ciba_host::outbound::{Door, Networks};
use ciba_host::protocol::plugin::{Permissions, PluginName};
use ciba_host::runtime::{CallLimits, Candidate, DeviceView, Loaded, Measured, Runtime, RuntimeConfig, TransactionView, Version};
use ciba_host::store::sqlite::SqliteStore;

use crate::options::Options;
use crate::ours::{data_directory, plugins_folder};
use crate::report::{Goal, Table, median};

/// Calls in one measurement, after as many for warming up.
const CALLS: usize = 20_000;

/// The one instance is kept for all of them.
const WARM: &str = "instances = 'warm'\nwarm_calls = 1000000\nwarm_seconds = 1000000\n";

/// A runtime with one plugin, outside any server.
pub struct Bench {
    pub runtime: Arc<Runtime>,
    pub version: Arc<Version>,
    pub transaction: TransactionView,
}

pub async fn run(options: &Options) -> Result<()> {
    let mut table = Table::of_ours("a call of notify");
    for (pagemap_scan, title, goal) in [(false, "fresh", 25.0), (true, "fresh, with pagemap_scan", 12.0)] {
        let data = data_directory()?;
        let bench = Bench::new(data.path(), pagemap_scan, "").await?;
        let (mut one, mut two) = (Vec::new(), Vec::new());
        for _ in 0..options.rounds {
            one.push(bench.fresh(1).await?);
            two.push(bench.fresh(2).await?);
        }
        let medians: Vec<f64> = one.iter().map(micros).collect();
        table.row(format!("{title}, median"), "µs", median(&medians)).goal(Goal::AtMost(goal));
        let ratios: Vec<f64> = one.iter().zip(&two).map(|(one, two)| rate(two) / rate(one)).collect();
        table.row(format!("{title}, two threads to one"), "times", median(&ratios)).goal(Goal::AtLeast(1.7));
        let mut to_bare = Vec::new();
        for _ in 0..options.rounds {
            let bare = bench.runtime.measure_bare(&bench.version, &bench.transaction, CALLS).await?;
            to_bare.push(micros(&bench.fresh(1).await?) / micros(&bare));
        }
        table.row(format!("{title}, to one without limits"), "times", median(&to_bare)).goal(Goal::AtMost(1.15));
        if pagemap_scan {
            let data = data_directory()?;
            let bench = Bench::new(data.path(), pagemap_scan, WARM).await?;
            let mut warm = Vec::new();
            for _ in 0..options.rounds {
                warm.push(micros(&bench.runtime.measure_warm(&bench.version, &bench.transaction, CALLS).await?));
            }
            table.row("warm, median", "µs", median(&warm)).goal(Goal::AtMost(3.0));
        }
    }
    println!("{table}");
    Ok(())
}

impl Bench {
    pub async fn new(data: &Path, pagemap_scan: bool, file_text: &str) -> Result<Self> {
        let store = Arc::new(SqliteStore::open(&data.join("bench.db"))?);
        let name = PluginName::parse("inbox").map_err(anyhow::Error::msg)?;
        let config = RuntimeConfig {
            folder: data.join("plugins"),
            cache: data.join("cache"),
            limits: CallLimits::default(),
            pagemap_scan,
            allowed: [(name.clone(), Permissions { inbox: true, ..Permissions::default() })].into(),
            ..RuntimeConfig::default()
        };
        let runtime = Runtime::start(config, store, Door::new(Networks::default()), Clock::System, &[0; 32]).await?;
        let file = plugins_folder()?.join("inbox.wasm");
        let bytes = std::fs::read(&file).with_context(|| format!("{} is missing; `scripts/build` makes it", file.display()))?;
        let candidate = Candidate { name: name.clone(), bytes: bytes.into(), file_text: file_text.to_owned() };
        let Loaded::Version(version) = runtime.load(&candidate, runtime.shared_of(&name)).await? else { bail!("inbox.wasm does not load") };
        let transaction = TransactionView {
            id: "tx_benchmark".into(),
            client_id: Some("demo".to_owned()),
            user_id: Some("alice".to_owned()),
            scopes: vec!["openid".to_owned()],
            device: Some(DeviceView { id: "d".to_owned(), name: "Phone".to_owned(), channel: "inbox".to_owned(), address: None }),
            can_be_shown: true,
            ..TransactionView::default()
        };
        Ok(Self { runtime, version, transaction })
    }

    async fn fresh(&self, threads: usize) -> Result<Measured> {
        let version = std::slice::from_ref(&self.version);
        self.runtime.measure_fresh(version, &self.transaction, CALLS / 4, threads).await?;
        Ok(self.runtime.measure_fresh(version, &self.transaction, CALLS, threads).await?)
    }
}

/// The median call.
pub fn micros(measured: &Measured) -> f64 {
    let each: Vec<f64> = measured.each.iter().map(Duration::as_secs_f64).map(|seconds| seconds * 1e6).collect();
    median(&each)
}

/// Calls per second, all threads together.
fn rate(measured: &Measured) -> f64 {
    measured.each.len() as f64 / measured.total.as_secs_f64()
}
