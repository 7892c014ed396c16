//! `ciba-host user …`

use clap::Subcommand;
use serde_json::Value;

use super::{Common, ask, print};
use crate::flow::operator::Command;
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
