//! `ciba-host plugin history` and `plugin rollback`

use clap::Args;
use serde_json::Value;

use super::{Common, ask, print};
use crate::flow::operator::{Command, VersionView};
use crate::protocol::plugin::PluginName;

#[derive(Debug, Args)]
pub(super) struct History {
    /// The plugin's name: its file's, without .wasm.
    name: String,
}

#[derive(Debug, Args)]
pub(super) struct Rollback {
    /// The plugin's name: its file's, without .wasm.
    name: String,
    /// The version with this digest, or this beginning of it, as `plugin history` shows it. [default: the one before the one
    /// that serves]
    #[arg(long, value_name = "DIGEST")]
    to: Option<String>,
}

impl History {
    pub(super) fn run(self, common: &Common) -> anyhow::Result<()> {
        let name = PluginName::parse(&self.name).map_err(anyhow::Error::msg)?;
        let versions: Vec<VersionView> = ask::ask(common, Command::PluginHistory { name })?;
        if common.json {
            return print::json(&versions);
        }
        print_versions(&versions);
        Ok(())
    }
}

pub(super) fn print_versions(versions: &[VersionView]) {
    let rows: Vec<[String; 6]> = versions
        .iter()
        .map(|version| {
            [
                print::time(version.since),
                version.until.map_or_else(|| "serving".to_owned(), print::time),
                version.version.clone(),
                version.digest.chars().take(12).collect(),
                version.rolled_back_by.as_ref().map_or_else(|| "folder".to_owned(), |who| format!("rollback by {who}")),
                version.settings.to_string(),
            ]
        })
        .collect();
    print::table(["SINCE", "UNTIL", "VERSION", "DIGEST", "FROM", "SETTINGS"], &rows, "Nothing.");
}

impl Rollback {
    pub(super) fn run(self, common: &Common) -> anyhow::Result<()> {
        let name = PluginName::parse(&self.name).map_err(anyhow::Error::msg)?;
        let done: Value = ask::ask(common, Command::PluginRollback { name: name.clone(), to: self.to, since: None })?;
        if common.json {
            return print::json(&done);
        }
        let (version, digest) = (done["version"].as_str().unwrap_or_default(), done["digest"].as_str().unwrap_or_default());
        let folder = if done["set_aside"] == true { "; what lies in the folder is not taken before it changes" } else { "" };
        let serves = if done["off"] == true { "is turned off, and when it is turned on it serves" } else { "serves" };
        println!("{name} {serves} {version} ({}){folder}", digest.get(..4).unwrap_or(digest));
        Ok(())
    }
}
