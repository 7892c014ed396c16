//! `ciba-host key …`

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::Value;

use super::{Common, ask, print};
use crate::flow::operator::{Command, SecretText};
use crate::protocol::algorithm::JwsAlgorithm;

#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// List the keys that tokens are signed with, and those that are still believed.
    List,
    /// Replace keys before their time: the next one is published now, and signs in ten minutes.
    Rotate {
        /// Only the key of this algorithm: ES256, PS256, RS256, EdDSA or Ed25519.
        #[arg(long, value_parser = algorithm)]
        alg: Option<JwsAlgorithm>,
        /// How long the old one stays in the JWKS after its last signature. [default: keys.overlap_hours]
        #[arg(long, value_name = "HOURS")]
        overlap_hours: Option<u32>,
    },
    /// Take in a key that was made elsewhere: it comes next, like a rotated one.
    Import {
        /// What it signs with: ES256, PS256, RS256, EdDSA or Ed25519.
        #[arg(long, value_parser = algorithm)]
        alg: JwsAlgorithm,
        /// PEM (BEGIN PRIVATE KEY) or a private JWK.
        file: PathBuf,
    },
}

impl Key {
    pub(super) fn run(self, common: &Common) -> anyhow::Result<()> {
        match self {
            Self::List => {
                let keys: Vec<Value> = ask::ask(common, Command::KeyList)?;
                if common.json {
                    return print::json(&keys);
                }
                let text = |key: &Value, member: &str| key[member].as_str().unwrap_or_default().to_owned();
                let rows: Vec<[String; 4]> = keys
                    .iter()
                    .map(|key| {
                        let until = ["active_at", "published_until"].into_iter().map(|member| text(key, member)).collect::<String>();
                        [text(key, "alg"), text(key, "state"), text(key, "kid"), until]
                    })
                    .collect();
                print::table(["ALG", "STATE", "KID", "UNTIL"], &rows, "No keys.");
                Ok(())
            }
            Self::Rotate { alg, overlap_hours } => changed(common, Command::KeyRotate { alg, overlap_hours }),
            Self::Import { alg, file } => {
                let text = SecretText(super::read_text(&file)?);
                changed(common, Command::KeyImport { alg, key: text })
            }
        }
    }
}

fn changed(common: &Common, command: Command) -> anyhow::Result<()> {
    let changes: Vec<String> = ask::ask(common, command)?;
    if common.json {
        return print::json(&changes);
    }
    if changes.is_empty() {
        println!("Nothing to do: the next key is on its way already.");
    }
    changes.iter().for_each(|change| println!("{change}"));
    Ok(())
}

fn algorithm(name: &str) -> Result<JwsAlgorithm, String> {
    let known = JwsAlgorithm::from_name(name).filter(|alg| JwsAlgorithm::ASYMMETRIC.contains(alg));
    known.ok_or_else(|| "write ES256, PS256, RS256, EdDSA or Ed25519".to_owned())
}
