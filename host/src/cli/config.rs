//! `ciba-host config …`

use anyhow::bail;
use clap::Subcommand;

use super::serve::security::{Security, door};
use super::{Common, print};
use crate::flow::declared;

#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Print what is in force: defaults, file and environment together.
    Show {
        /// Print the commented defaults instead.
        #[arg(long)]
        defaults: bool,
    },
    /// Say what is wrong with the configuration, if anything.
    Check,
}

impl Config {
    pub(super) fn run(self, common: &Common) -> anyhow::Result<()> {
        match self {
            Self::Show { defaults: true } => print!("{}", crate::config::DEFAULTS),
            Self::Show { defaults: false } => {
                let config = common.directory().config()?;
                if common.json {
                    return print::json(&config);
                }
                print!("{}", toml::to_string(&config)?);
            }
            Self::Check => {
                let directory = common.directory();
                let config = directory.config()?;
                // What it names is looked at too: a certificate that cannot be used keeps the host from starting.
                Security::open(&config.tls, &directory)?;
                door(&config.outbound, &directory)?;
                let (_, problems) = declared::check(directory.declared_for(&config));
                if !problems.is_empty() {
                    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
                    bail!("{}", problems.join("\n       "));
                }
                if common.json {
                    return print::json(&serde_json::json!({ "valid": true }));
                }
                println!("{}: nothing wrong", directory.config_file().display());
            }
        }
        Ok(())
    }
}
