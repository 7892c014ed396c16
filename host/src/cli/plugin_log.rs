//! `ciba-host plugin log`

use std::io::Write as _;
use std::time::Duration;

use clap::Args;

use super::{Common, ask, print};
use crate::flow::operator::{Command, LogTail};
use crate::protocol::plugin::PluginName;
use crate::runtime::{LogLevel, LogLine};

/// How a host is looked for that answers no more: it takes up to fifteen seconds to stop.
const STOPPING_LOOKS: u32 = 80;
const STOPPING_PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(super) struct Log {
    /// The plugin's name: its file's, without .wasm.
    name: String,
    /// Go on: show each line when it is written, until the host stops.
    #[arg(long, short)]
    follow: bool,
}

impl Log {
    pub(super) fn run(self, common: &Common) -> anyhow::Result<()> {
        let name = PluginName::parse(&self.name).map_err(anyhow::Error::msg)?;
        if self.follow {
            return follow(common, &name);
        }
        let lines: Vec<LogLine> = ask::ask(common, Command::PluginLog { name: name.clone() })?;
        if common.json {
            return print::json(&lines);
        }
        if lines.is_empty() {
            println!("{name} has logged nothing since the host started");
        }
        lines.iter().for_each(show);
        Ok(())
    }
}

/// What there is, then what comes. In JSON, a line for each.
fn follow(common: &Common, name: &PluginName) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let asked = ask::ask(common, Command::PluginLogAfter { name: name.clone(), after });
        let tail: LogTail = match asked {
            Ok(tail) => tail,
            // It stopped between two questions.
            Err(_) if after.is_some() && has_stopped(common) => return Ok(()),
            Err(error) => return Err(error),
        };
        for line in &tail.lines {
            if common.json {
                println!("{}", serde_json::to_string(line)?);
            } else {
                show(line);
            }
        }
        // Whoever reads it through a pipe reads it now, or no longer.
        if std::io::stdout().flush().is_err() || tail.stopping {
            return Ok(());
        }
        after = Some(tail.next);
    }
}

/// Whether a host that does not answer has stopped, or does so within a while.
fn has_stopped(common: &Common) -> bool {
    for _ in 0..STOPPING_LOOKS {
        if matches!(common.directory().host(), Ok(Err(_lock))) {
            return true;
        }
        std::thread::sleep(STOPPING_PAUSE);
    }
    false
}

fn show(line: &LogLine) {
    println!("{} {:5} {}", print::time(line.at), level(line.level), line.text);
}

pub(super) fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}
