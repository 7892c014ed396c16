//! `ciba-host client …`

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Map, Value};

use super::{Common, ask, print, read_text};
use crate::flow::declared::members_of;
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
        /// Register what this file says, JSON or TOML in the words of RFC 7591.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "hook_caller", "long_poll"])]
        metadata: Option<PathBuf>,
    },
    /// Show everything registered of a client, but its secret.
    Show {
        /// Its client_id.
        id: String,
    },
    /// Replace what is registered of a client by what a file says.
    Update {
        /// Its client_id.
        id: String,
        /// JSON or TOML in the words of RFC 7591.
        #[arg(long, value_name = "FILE")]
        metadata: PathBuf,
        /// Give it the secret in this file. [default: the one it has]
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
    },
    /// Print an initial access token, with which clients register themselves.
    Invite {
        /// For how many clients.
        #[arg(long, default_value_t = 1)]
        uses: u32,
        /// For how long.
        #[arg(long, default_value_t = 24)]
        hours: u32,
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
            Self::Add { id, name, hook_caller, long_poll, secret_file, metadata } => {
                let secret = secret_file.as_deref().map(secret).transpose()?;
                let kind = if hook_caller { ClientKind::HookCaller } else { ClientKind::Ciba };
                let name = name.unwrap_or_else(|| id.clone());
                let metadata = metadata.as_deref().map(members).transpose()?;
                let command = Command::ClientAdd { id: ClientId(id.clone()), name, kind, long_poll, secret, metadata };
                let added: Value = ask::ask(common, command)?;
                if common.json {
                    return print::json(&added);
                }
                println!("client  {id}");
                say_secret(&added, hook_caller.then_some(&id));
                Ok(())
            }
            Self::Show { id } => {
                let client: Value = ask::ask(common, Command::ClientShow { id: ClientId(id) })?;
                if common.json {
                    return print::json(&client);
                }
                for (member, value) in client.as_object().into_iter().flatten() {
                    println!("{member}  {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                }
                Ok(())
            }
            Self::Update { id, metadata, secret_file } => {
                let secret = secret_file.as_deref().map(secret).transpose()?;
                let command = Command::ClientUpdate { id: ClientId(id.clone()), metadata: members(&metadata)?, secret };
                let updated: Value = ask::ask(common, command)?;
                if common.json {
                    return print::json(&updated);
                }
                println!("client  {id} updated");
                say_secret(&updated, None);
                Ok(())
            }
            Self::Invite { uses, hours } => {
                let token: Value = ask::ask(common, Command::ClientInvite { uses, hours })?;
                if common.json {
                    return print::json(&token);
                }
                println!("{}", token["initial_access_token"].as_str().unwrap_or_default());
                println!("For {uses} registrations within {hours} hours. It is not shown again.");
                Ok(())
            }
            Self::List => {
                let clients: Vec<Value> = ask::ask(common, Command::ClientList)?;
                if common.json {
                    return print::json(&clients);
                }
                let text = |client: &Value, key: &str| client[key].as_str().unwrap_or_default().to_owned();
                let rows: Vec<[String; 5]> =
                    clients.iter().map(|client| ["client_id", "name", "kind", "delivery", "origin"].map(|key| text(client, key))).collect();
                print::table(["CLIENT", "NAME", "KIND", "DELIVERY", "FROM"], &rows, "No clients.  do: ciba-host client add NAME");
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

/// A secret that somebody chose, without the line break at its end.
fn secret(path: &Path) -> anyhow::Result<SecretText> {
    Ok(SecretText(read_text(path)?.trim_end_matches(['\n', '\r']).to_owned()))
}

/// What a file says of a client.
fn members(path: &Path) -> anyhow::Result<Map<String, Value>> {
    let text = read_text(path)?;
    members_of(path, &text).map_err(|what| anyhow::anyhow!("{}: {what}", path.display()))
}

/// Where a secret was made: the only time it is shown.
fn say_secret(client: &Value, bearer: Option<&String>) {
    let Some(secret) = client["client_secret"].as_str() else { return };
    println!("secret  {secret}");
    if let Some(id) = bearer {
        println!("bearer  {id}.{secret}");
    }
    println!("Keep it now: it is not shown again.");
}
