//! Section `many`: a thousand plugins in the folder. How long a start takes that finds them compiled, what each occupies, and
//! what a call costs when it is another plugin's each time.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ciba_host::protocol::plugin::{Permissions, PluginName};
use ciba_host::runtime::{Candidate, Loaded, Version};
use ciba_tests::cpu::Usage;
use serde_json::Value;

use crate::hooks::{Bench, micros};
use crate::options::Options;
use crate::ours::{Host, data_directory, guest, shipped};
use crate::report::{Goal, Table, median};

const PLUGINS: usize = 1_000;
/// The longest that compiling all of them may take.
const COMPILING: Duration = Duration::from_secs(600);
/// Long enough for work that a start leaves to the background.
const SETTLING: Duration = Duration::from_secs(3);
/// Calls in one measurement: each plugin's twenty times.
const CALLS: usize = 20 * PLUGINS;

pub async fn run(options: &Options) -> Result<()> {
    let mut table = Table::of_ours(format!("{PLUGINS} plugins"));
    let data = data_directory()?;
    let host = Host::new(options, data.path())?;
    let first = start_with(&host, 1)?;
    // Once for the compiler.
    let compiling = start_with(&host, PLUGINS)?;
    table.row("start to all serving, none compiled before", "s", compiling.all_serve);
    let starts = (0..options.rounds).map(|_| start_with(&host, PLUGINS)).collect::<Result<Vec<_>>>()?;
    let ready: Vec<f64> = starts.iter().map(|start| start.ready).collect();
    table.row("ready, all cached", "s", median(&ready)).goal(Goal::AtMost(1.0));
    let kib: Vec<f64> = starts.iter().map(|start| (start.resident_kib - first.resident_kib) / (PLUGINS - 1) as f64).collect();
    table.row("memory of each", "KiB", median(&kib)).goal(Goal::AtMost(150.0));

    let data = data_directory()?;
    let bench = Bench::new(data.path(), true, "").await?;
    let mut versions = Vec::with_capacity(PLUGINS);
    for number in 0..PLUGINS {
        versions.push(load(&bench, number).await?);
    }
    let mut ratios = Vec::new();
    for _ in 0..options.rounds {
        let mut one_and_all = Vec::new();
        for measured in [&versions[..1], &versions[..]] {
            bench.runtime.measure_fresh(measured, &bench.transaction, PLUGINS, 1).await?;
            one_and_all.push(micros(&bench.runtime.measure_fresh(measured, &bench.transaction, CALLS, 1).await?));
        }
        ratios.push(one_and_all[1] / one_and_all[0]);
    }
    table.row("a call, each time of another plugin, to calls of one", "times", median(&ratios)).goal(Goal::AtMost(2.5));
    println!("{table}");
    Ok(())
}

/// A start of the program.
struct Start {
    /// Seconds until it said that it was ready.
    ready: f64,
    /// Seconds until all of its plugins served.
    all_serve: f64,
    /// What it occupied when nothing happened any more.
    resident_kib: f64,
}

/// Starts it with so many plugins, of different bytes each, and waits until all of them serve.
fn start_with(host: &Host, plugins: usize) -> Result<Start> {
    let folder = host.data.join("plugins");
    fs::create_dir_all(&folder)?;
    let rules = fs::read(shipped("working_hours")?)?;
    for number in 0..plugins {
        let path = folder.join(format!("rules_{number:04}.wasm"));
        if !path.exists() {
            fs::write(path.with_extension("toml"), settings())?;
            fs::write(path, marked(&rules, number)?)?;
        }
    }
    let begun = Instant::now();
    let server = host.serve()?;
    let ready = begun.elapsed().as_secs_f64();
    wait_until_serving(host, plugins)?;
    let all_serve = begun.elapsed().as_secs_f64();
    std::thread::sleep(SETTLING);
    let resident_kib = Usage::of(server.id())?.resident_kib as f64;
    server.stop()?;
    Ok(Start { ready, all_serve, resident_kib })
}

fn settings() -> &'static str {
    include_str!("../../../guest-ciba/examples/working-hours/working_hours.toml")
}

fn wait_until_serving(host: &Host, plugins: usize) -> Result<()> {
    let until = Instant::now() + COMPILING;
    loop {
        let listed: Value = serde_json::from_slice(&host.command(&["plugin", "list", "--json"])?)?;
        let listed = listed.as_array().context("a list")?;
        let is_ours = |plugin: &&Value| plugin["name"].as_str().is_some_and(|name| name.starts_with("rules_"));
        if listed.iter().filter(is_ours).filter(|plugin| plugin["version"].is_string()).count() == plugins {
            return Ok(());
        }
        ensure!(Instant::now() < until, "not all serve: {:?}", listed.iter().find(|plugin| !plugin["version"].is_string()));
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// The same component with a section that says which one it is, and that nothing reads.
fn marked(component: &[u8], number: usize) -> Result<Vec<u8>> {
    let name = b"which";
    let text = format!("{number:04}");
    let length = u8::try_from(1 + name.len() + text.len())?;
    Ok([component, &[0, length, u8::try_from(name.len())?], name, text.as_bytes()].concat())
}

/// Loads it without serving it: all of them notify on the same channel.
async fn load(bench: &Bench, number: usize) -> Result<Arc<Version>> {
    let name = PluginName::parse(&format!("steady_{number:04}")).map_err(anyhow::Error::msg)?;
    bench.runtime.set_allowed(&name, Permissions { inbox: true, ..Permissions::default() });
    let candidate = Candidate { name: name.clone(), bytes: marked(&fs::read(guest("steady")?)?, number)?.into(), file_text: String::new() };
    match bench.runtime.load(&candidate, bench.runtime.shared_of(&name)).await? {
        Loaded::Version(version) => Ok(version),
        Loaded::Unfinished(_) | Loaded::Off => bail!("steady does not load"),
    }
}
