//! `ciba-host client …`

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::Value;

use super::{Common, ask, print};
use crate::flow::operator::{Command, SecretText};
use crate::protocol::client::ClientKind;
use crate::protocol::identifier::ClientId;

#[derive(Debug, Subcommand)]
pub(super) enum Client {
    /// Register a client, and print its secret once.
    Add {
        /// Its client_id.
        id: String,
        /// The name people read when it asks. [default: the client_id]
        #[arg(long)]
        name: Option<String>,
        /// Let it call the HTTP hooks, and nothing else: another provider.
        #[arg(long)]
        hook_caller: bool,
        /// Hold its polls until there is news (long polling).
        #[arg(long, conflicts_with = "hook_caller")]
        long_poll: bool,
        /// Read its secret from this file instead of making one.
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
    },
    /// List the clients.
    List,
    /// Remove a client.
    Remove {
        /// Its client_id.
        id: String,
    },
}

impl Client {
    pub(super) fn run(self, common: &Common) -> anyhow::Result<()> {
        match self {
            Self::Add { id, name, hook_caller, long_poll, secret_file } => {
                let secret = secret_file
                    .map(|path| std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display())))
                    .transpose()?
                    .map(|text| SecretText(text.trim_end_matches(['\n', '\r']).to_owned()));
                let kind = if hook_caller { ClientKind::HookCaller } else { ClientKind::Ciba };
                let name = name.unwrap_or_else(|| id.clone());
                let added: Value = ask::ask(common, Command::ClientAdd { id: ClientId(id.clone()), name, kind, long_poll, secret })?;
                if common.json {
                    return print::json(&added);
                }
                println!("client  {id}");
                if let Some(secret) = added["client_secret"].as_str() {
                    println!("secret  {secret}");
                    if hook_caller {
                        println!("bearer  {id}.{secret}");
                    }
                    println!("Keep it now: it is not shown again.");
                }
                Ok(())
            }
            Self::List => {
                let clients: Vec<Value> = ask::ask(common, Command::ClientList)?;
                if common.json {
                    return print::json(&clients);
                }
                let text = |client: &Value, key: &str| client[key].as_str().unwrap_or_default().to_owned();
                let rows: Vec<[String; 4]> =
                    clients.iter().map(|client| ["client_id", "name", "kind", "delivery"].map(|key| text(client, key))).collect();
                print::table(["CLIENT", "NAME", "KIND", "DELIVERY"], &rows, "No clients.  do: ciba-host client add NAME");
                Ok(())
            }
            Self::Remove { id } => {
                let removed: Value = ask::ask(common, Command::ClientRemove { id: ClientId(id.clone()) })?;
                if common.json {
                    return print::json(&removed);
                }
                println!("client {id} removed");
                Ok(())
            }
        }
    }
}
