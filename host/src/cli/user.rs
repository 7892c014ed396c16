//! `ciba-host user …`

use std::io::{IsTerminal as _, Read as _};

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::Value;

use super::{Common, ask, print};
use crate::flow::operator::{Command, SecretText};
use crate::protocol::user::User as StoredUser;

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Add a user.
    Add {
        /// What they sign in with.
        username: String,
        /// What they are called. [default: the username]
        #[arg(long)]
        name: Option<String>,
        /// E-mail address; clients can name the user by it.
        #[arg(long)]
        email: Option<String>,
        /// Phone number with its country code; clients can name the user by it.
        #[arg(long)]
        phone: Option<String>,
        /// Preferred language, for example pt-BR.
        #[arg(long)]
        locale: Option<String>,
    },
    /// List the users.
    List,
    /// Print a one-time link that adds a phone for a user.
    Enrol {
        /// Their username.
        username: String,
    },
    /// Add an address by which a plugin reaches a user.
    Device {
        /// Their username.
        username: String,
        /// The channel, for example webhook.
        #[arg(long)]
        channel: String,
        /// The address on that channel, where it needs one.
        #[arg(long)]
        address: Option<String>,
        /// What the user calls it. [default: the channel]
        #[arg(long)]
        name: Option<String>,
    },
    /// Set the code that a user gives to clients that ask for one: read from standard input, or made where that is a
    /// terminal.
    Code {
        /// Their username.
        username: String,
        /// They have no code from now on.
        #[arg(long)]
        remove: bool,
    },
    /// Remove a user and their devices.
    Remove {
        /// Their username.
        username: String,
    },
}

impl User {
    pub(super) fn run(self, common: &Common) -> anyhow::Result<()> {
        match self {
            Self::Add { username, name, email, phone, locale } => {
                let added: StoredUser = ask::ask(common, Command::UserAdd { username: username.clone(), name, email, phone, locale })?;
                if common.json {
                    return print::json(&added);
                }
                println!("user {username} added.  next: ciba-host user enrol {username}");
                Ok(())
            }
            Self::List => {
                let users: Vec<StoredUser> = ask::ask(common, Command::UserList)?;
                if common.json {
                    return print::json(&users);
                }
                let rows: Vec<[String; 4]> = users
                    .into_iter()
                    .map(|user| [user.username, user.name, user.email.unwrap_or_default(), user.phone.unwrap_or_default()])
                    .collect();
                print::table(["USER", "NAME", "E-MAIL", "PHONE"], &rows, "No users.  do: ciba-host user add NAME");
                Ok(())
            }
            Self::Enrol { username } => {
                let link: Value = ask::ask(common, Command::UserEnrol { username: username.clone() })?;
                if common.json {
                    return print::json(&link);
                }
                println!("{}", link["link"].as_str().unwrap_or_default());
                println!("Open it on {username}'s phone within 15 minutes. It works once.");
                Ok(())
            }
            Self::Device { username, channel, address, name } => {
                let added: Value =
                    ask::ask(common, Command::UserDevice { username: username.clone(), channel: channel.clone(), address, name })?;
                if common.json {
                    return print::json(&added);
                }
                println!("{username} is reached on the channel {channel}");
                Ok(())
            }
            Self::Code { username, remove } => {
                let code = if remove { None } else { given()? };
                let set: Value = ask::ask(common, Command::UserCode { username: username.clone(), code, remove })?;
                if common.json {
                    return print::json(&set);
                }
                match set["code"].as_str() {
                    Some(code) => println!("code    {code}\nTell it to {username} now: it is not shown again."),
                    None if remove => println!("{username} has no code from now on"),
                    None => println!("the code of {username} is set"),
                }
                Ok(())
            }
            Self::Remove { username } => {
                let removed: Value = ask::ask(common, Command::UserRemove { username: username.clone() })?;
                if common.json {
                    return print::json(&removed);
                }
                println!("user {username} removed");
                Ok(())
            }
        }
    }
}

/// The code on standard input; nothing where that is a terminal or is empty.
fn given() -> anyhow::Result<Option<SecretText>> {
    let input = std::io::stdin();
    if input.is_terminal() {
        return Ok(None);
    }
    let mut code = String::new();
    input.take(1024).read_to_string(&mut code).context("the code on standard input cannot be read")?;
    let code = code.trim_end_matches(['\n', '\r']);
    Ok((!code.is_empty()).then(|| SecretText(code.to_owned())))
}
