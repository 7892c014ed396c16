//! `ciba-host plugin show` and `plugin set`

use clap::{Args, ValueEnum};

use super::plugin_history::print_versions;
use super::{Common, ask, print};
use crate::flow::operator::{Command, PluginReport, PluginView, Said};
use crate::protocol::amount;
use crate::protocol::plugin::{self, Permissions, PluginName};
use crate::runtime::HookTally;

/// The widest bar of a histogram.
const BAR: u64 = 40;

#[derive(Debug, Args)]
pub(super) struct Show {
    /// The plugin's name: its file's, without .wasm.
    name: String,
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// The plugin's name: its file's, without .wasm.
    name: String,
    /// What becomes of its answers.
    #[arg(long)]
    mode: Option<Mode>,
    /// Its place among other plugins: lower numbers come first, equal ones in the order of their names.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    order: Option<i32>,
    /// Take back what was said: its file counts again.
    #[arg(long, conflicts_with_all = ["mode", "order"], required_unless_present_any = ["mode", "order"])]
    as_file: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    /// They count.
    Enforce,
    /// It is asked, and its answers are only compared with those that count.
    Shadow,
    /// It is not asked.
    Off,
}

impl From<Mode> for plugin::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Enforce => Self::Enforce,
            Mode::Shadow => Self::Shadow,
            Mode::Off => Self::Off,
        }
    }
}

impl Set {
    pub(super) fn run(self, common: &Common) -> anyhow::Result<()> {
        let name = PluginName::parse(&self.name).map_err(anyhow::Error::msg)?;
        let (mode, order) = (self.mode.map(Into::into), self.order);
        let plugin: PluginView = ask::ask(common, Command::PluginSet { name, mode, order, as_file: self.as_file })?;
        if common.json {
            return print::json(&plugin);
        }
        let (mode, order) = standing(&plugin);
        println!("{} is {}\n  mode {mode}\n  order {order}", plugin.name, plugin.state);
        if let Some(message) = &plugin.message {
            println!("  {message}");
        }
        Ok(())
    }
}

impl Show {
    pub(super) fn run(self, common: &Common) -> anyhow::Result<()> {
        let name = PluginName::parse(&self.name).map_err(anyhow::Error::msg)?;
        let report: PluginReport = ask::ask(common, Command::PluginShow { name })?;
        if common.json {
            return print::json(&report);
        }
        facts(&report);
        for hook in &report.hooks_called {
            show_hook(hook);
        }
        println!("\nWhat served:");
        print_versions(&report.versions);
        println!("\nIts log: ciba-host plugin log {}", report.plugin.name);
        Ok(())
    }
}

fn facts(report: &PluginReport) {
    let plugin = &report.plugin;
    let fact = |name: &str, text: &str| println!("{name:<10} {text}");
    let list = |words: &[String]| if words.is_empty() { "none".to_owned() } else { words.join(", ") };
    let may = |what: &Permissions| Some(what.as_options()).filter(|options| !options.is_empty()).unwrap_or_else(|| "nothing".to_owned());
    fact("plugin", plugin.name.as_str());
    fact("state", &plugin.state);
    if let Some(message) = &plugin.message {
        fact("why", message);
    }
    if let Some(fix) = &plugin.fix {
        fact("do", fix);
    }
    match (&plugin.version, &plugin.digest, plugin.since) {
        (Some(version), Some(digest), Some(since)) => {
            fact("version", &format!("{version} ({}), since {}", digest.get(..12).unwrap_or(digest), print::time(since)));
        }
        _ => fact("version", "none serving"),
    }
    if let Some(summary) = &plugin.summary {
        fact("summary", summary);
    }
    if let Some(rolled_back) = &plugin.rolled_back {
        fact("", rolled_back);
    }
    let (mode, order) = standing(plugin);
    fact("mode", &mode);
    fact("order", &order);
    fact("channels", &list(&plugin.channels));
    fact("hooks", &list(&plugin.hooks));
    fact("asks for", &may(&plugin.asks));
    fact("may", &may(&plugin.allowed));
    for (what, count) in &report.refused {
        let fix =
            Permissions::named(what).map(|allow| format!("; to allow it: ciba-host plugin allow {} {}", plugin.name, allow.as_options()));
        fact("refused", &format!("{what}, {}{}", times(*count), fix.unwrap_or_default()));
    }
    match report.kept {
        Some(kept) => fact("instances", &format!("warm: {} kept, which hold {}", kept.instances, amount::bytes(kept.bytes as u64))),
        None => fact("instances", "fresh: one for each call"),
    }
    fact("calls", &plugin.counters.calls.to_string());
    fact("errors", &plugin.counters.failures.to_string());
}

/// Mode and order, and who said so.
fn standing(plugin: &PluginView) -> (String, String) {
    (said(&plugin.said.mode, |mode| mode.as_str().to_owned()), said(&plugin.said.order, |order| order.to_string()))
}

/// `5, set by operator at TIME; its file says 10`.
fn said<T: Copy>(said: &Said<T>, word: impl Fn(T) -> String) -> String {
    let is = said.is.map_or_else(|| "as its file says".to_owned(), &word);
    let Some((by, at)) = said.by.as_ref().zip(said.at) else { return is };
    let file = said.file.map_or_else(String::new, |file| format!("; its file says {}", word(file)));
    format!("{is}, set by {by} at {}{file}", print::time(at))
}

fn show_hook(hook: &HookTally) {
    let memory = amount::bytes(hook.memory);
    println!(
        "\n{}: {}, at most {memory} of memory",
        hook.hook,
        if hook.calls == 1 { "1 call".to_owned() } else { format!("{} calls", hook.calls) }
    );
    for (word, count) in &hook.failures {
        println!("  failed [{word}] {}", times(*count));
    }
    if hook.calls == 0 {
        return;
    }
    let part =
        |micros: Option<u64>| micros.map_or_else(|| "more than 10 s".to_owned(), |micros| format!("at most {}", amount::micros(micros)));
    println!("  50 % took {}, 95 % {}, 99 % {}", part(hook.p50), part(hook.p95), part(hook.p99));
    let most = hook.latency.counts.iter().copied().max().unwrap_or(1).max(1);
    let used = |(_, count): &(Option<u64>, u64)| *count > 0;
    let buckets: Vec<_> = hook.latency.buckets().collect();
    let (first, last) = (buckets.iter().position(used).unwrap_or(0), buckets.iter().rposition(used).unwrap_or(0));
    for (bound, count) in &buckets[first..=last] {
        let bound = bound.map_or_else(|| "longer".to_owned(), |micros| format!("to {}", amount::micros(micros)));
        let bar = usize::try_from((count * BAR).div_ceil(most)).unwrap_or(0);
        println!("  {}", format!("{bound:>10}  {count:>8}  {}", "#".repeat(bar)).trim_end());
    }
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}
