//! `ciba-host plugin shadow`

use clap::Args;

use super::{Common, ask, print};
use crate::flow::operator::{Command, ShadowView};
use crate::protocol::plugin::PluginName;

#[derive(Debug, Args)]
pub(super) struct Shadow {
    /// The plugin's name: its file's, without .wasm.
    name: String,
}

impl Shadow {
    pub(super) fn run(self, common: &Common) -> anyhow::Result<()> {
        let name = PluginName::parse(&self.name).map_err(anyhow::Error::msg)?;
        let view: ShadowView = ask::ask(common, Command::PluginShadow { name: name.clone() })?;
        if common.json {
            return print::json(&view);
        }
        let digest = view.digest.get(..4).unwrap_or(&view.digest);
        println!("{name} {} ({digest}): {}, since {}", view.version, view.does, print::time(view.since));
        let rows: Vec<[String; 6]> = view
            .findings
            .hooks
            .iter()
            .map(|(hook, tally)| {
                let [same, different, failed, not_comparable, missed] =
                    [tally.same, tally.different, tally.failed, tally.not_comparable, tally.missed].map(|count| count.to_string());
                [hook.clone(), same, different, failed, not_comparable, missed]
            })
            .collect();
        print::table(["HOOK", "SAME", "DIFFERENT", "FAILED", "NOT COMPARABLE", "MISSED"], &rows, "It has not been asked yet.");
        for difference in &view.findings.differences {
            let beside = difference.beside.as_deref().unwrap_or("no plugin");
            println!("{} {} {}", print::time(difference.at), difference.hook, difference.about.as_deref().unwrap_or("-"));
            println!("  {beside}: {}", difference.enforced);
            println!("  {name}: {}", difference.shadow);
        }
        for act in &view.findings.acts {
            println!("{} {} {} not done: {}", print::time(act.at), act.hook, act.about.as_deref().unwrap_or("-"), act.what);
        }
        Ok(())
    }
}
