//! `ciba-host request …`

use clap::Subcommand;
use serde_json::Value;

use super::{Common, ask, print};
use crate::flow::operator::{Command, RequestView};
use crate::protocol::identifier::TransactionId;
use crate::protocol::transaction::Decision;

#[derive(Debug, Subcommand)]
pub(super) enum Request {
    /// List the latest requests.
    List {
        /// How many at most.
        #[arg(long, default_value_t = 50)]
        most: u32,
    },
    /// Show one request.
    Show {
        /// Its transaction.
        #[arg(allow_hyphen_values = true)]
        transaction: String,
    },
    /// Approve a request for its user. Demo mode only; it is written to the audit log.
    Approve {
        /// Its transaction.
        #[arg(allow_hyphen_values = true)]
        transaction: String,
    },
    /// Deny a request for its user. Demo mode only; it is written to the audit log.
    Deny {
        /// Its transaction.
        #[arg(allow_hyphen_values = true)]
        transaction: String,
    },
}

impl Request {
    pub(super) fn run(self, common: &Common) -> anyhow::Result<()> {
        match self {
            Self::List { most } => {
                let requests: Vec<RequestView> = ask::ask(common, Command::RequestList { most })?;
                if common.json {
                    return print::json(&requests);
                }
                let rows: Vec<[String; 5]> = requests
                    .into_iter()
                    .map(|request| {
                        [request.transaction.0, user(request.user), request.client.0, request.state, print::time(request.expires_at)]
                    })
                    .collect();
                print::table(["TRANSACTION", "USER", "CLIENT", "STATE", "EXPIRES"], &rows, "No requests.");
                Ok(())
            }
            Self::Show { transaction } => {
                let request: RequestView = ask::ask(common, Command::RequestShow { transaction: TransactionId(transaction) })?;
                if common.json {
                    return print::json(&request);
                }
                println!("transaction  {}", request.transaction);
                println!("user         {}", user(request.user.clone()));
                println!("client       {}", request.client);
                println!("state        {}", request.state);
                println!("asked        {}", print::time(request.created_at));
                println!("expires      {}", print::time(request.expires_at));
                println!("told         {}", told(&request));
                for notified in &request.notified {
                    println!("notified     by {} {} in {} µs", notified.plugin, notified.version, notified.micros);
                }
                Ok(())
            }
            Self::Approve { transaction } => decide(common, transaction, Decision::Approve),
            Self::Deny { transaction } => decide(common, transaction, Decision::Deny),
        }
    }
}

/// Whom a hint named, if it named anybody.
fn user(user: Option<String>) -> String {
    user.unwrap_or_else(|| "nobody".to_owned())
}

/// Whether the client knows how its request ended.
fn told(request: &RequestView) -> String {
    let how = &request.delivery;
    let Some(told) = request.told else { return format!("nothing: the client asks by itself ({how})") };
    match (told.at, told.next, told.tries) {
        (Some(at), _, _) => format!("by {how} at {}", print::time(at)),
        (None, Some(next), 0) => format!("not yet, by {how}: when it ends, or at {}", print::time(next)),
        (None, Some(next), 1) => format!("not yet, by {how}: one try failed, the next is at {}", print::time(next)),
        (None, Some(next), tries) => format!("not yet, by {how}: {tries} tries failed, the next is at {}", print::time(next)),
        (None, None, _) if request.state == "redeemed" && how == "ping" => "nothing: the client asked before its ping came".to_owned(),
        (None, None, _) => format!("never, by {how}: its endpoint did not take it, or the client is gone; the log says which"),
    }
}

fn decide(common: &Common, transaction: String, decision: Decision) -> anyhow::Result<()> {
    let decided: Value = ask::ask(common, Command::RequestDecide { transaction: TransactionId(transaction), decision })?;
    if common.json {
        return print::json(&decided);
    }
    let by = if decided["decided_by"] == "plugin" { "a plugin, whatever the operator said" } else { "the operator" };
    println!(
        "{} for the user, by {by}. This is the demo mode; it was written to the audit log.",
        decided["state"].as_str().unwrap_or_default()
    );
    Ok(())
}
