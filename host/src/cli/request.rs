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
                    .map(|request| [request.transaction.0, request.user, request.client.0, request.state, print::time(request.expires_at)])
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
                println!("user         {}", request.user);
                println!("client       {}", request.client);
                println!("state        {}", request.state);
                println!("asked        {}", print::time(request.created_at));
                println!("expires      {}", print::time(request.expires_at));
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

fn decide(common: &Common, transaction: String, decision: Decision) -> anyhow::Result<()> {
    let decided: Value = ask::ask(common, Command::RequestDecide { transaction: TransactionId(transaction), decision })?;
    if common.json {
        return print::json(&decided);
    }
    println!(
        "{} for the user, by the operator. This is the demo mode; it was written to the audit log.",
        decided["state"].as_str().unwrap_or_default()
    );
    Ok(())
}
