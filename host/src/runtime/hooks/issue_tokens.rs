//! `issue-tokens`: say what goes into tokens.

use std::sync::Arc;

use serde_json::{Map, Value};
use wasmtime::Store;
use wasmtime::component::Instance;

use super::super::guest::Guest;
use super::super::transaction::TransactionView;
use super::super::version::{CallFailure, Callable};
use super::exported::issue_tokens as wit;
use super::{Comparable, Hook, Lent, Said, few, member};

/// Asks what goes into the tokens of a request.
#[derive(Clone)]
pub struct IssueTokens {
    /// The request.
    pub transaction: Arc<TransactionView>,
    /// What they are made for.
    pub occasion: Occasion,
}

/// What tokens are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The client polls for them.
    Redeem,
    /// They are sent to the client.
    Push,
    /// The client shows a refresh token.
    Refresh,
}

/// What goes into tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issuance {
    /// They are made, with these changes.
    Issue {
        /// Claims of the ID token.
        id_token: Map<String, Value>,
        /// Claims of the access token.
        access_token: Map<String, Value>,
        /// How many seconds the access token works at most.
        access_token_within: Option<u32>,
        /// Whether a refresh token may be given.
        refresh_token: bool,
    },
    /// They are not made, and why.
    Refuse(String),
}

impl Hook for IssueTokens {
    const NAME: &'static str = "issue-tokens";
    type Answer = Issuance;

    async fn call(
        self,
        plugin: &Callable,
        store: &mut Store<Guest>,
        instance: &Instance,
    ) -> wasmtime::Result<Result<Issuance, CallFailure>> {
        let Some(indices) = &plugin.hooks.issue_tokens else { return Ok(Err(CallFailure::NoHook(Self::NAME))) };
        let guest = indices.load(&mut *store, instance)?;
        let lent = Lent::new(store, self.transaction)?;
        let why = match self.occasion {
            Occasion::Redeem => wit::Occasion::Redeem,
            Occasion::Push => wit::Occasion::Push,
            Occasion::Refresh => wit::Occasion::Refresh,
        };
        let said = guest.call_issue(&mut *store, lent.borrow(), &why).await?;
        lent.take_back(store)?;
        Ok(said.map_err(|error| plugin.failed(error)).and_then(|verdict| match verdict {
            wit::Verdict::Issue(changes) => read(plugin, changes),
            wit::Verdict::Refuse(why) => Ok(Issuance::Refuse(plugin.words(&why))),
            wit::Verdict::Other(what) => Err(plugin.unknown(&what)),
        }))
    }
}

impl Comparable for IssueTokens {
    const NEUTRAL: &'static str = "issue";

    fn about(&self) -> Option<&str> {
        Some(self.transaction.id.as_str())
    }

    fn said(answer: &Self::Answer) -> Said {
        match answer {
            Issuance::Refuse(why) => Said::new("refuse").aside(why),
            Issuance::Issue { id_token, access_token, access_token_within, refresh_token } => {
                let mut said = Said::new(Self::NEUTRAL);
                for (which, claims) in [("id-token", id_token), ("access-token", access_token)] {
                    for (name, value) in claims {
                        said = said.hidden(format!("{which} {name}"), value.to_string());
                    }
                }
                if let Some(seconds) = access_token_within {
                    said = said.shown("access-token-within", seconds.to_string());
                }
                if *refresh_token { said } else { said.shown("no-refresh-token", "") }
            }
        }
    }
}

fn read(plugin: &Callable, changes: Vec<wit::Change>) -> Result<Issuance, CallFailure> {
    let (mut id_token, mut access_token) = (Map::new(), Map::new());
    let (mut access_token_within, mut refresh_token) = (None, true);
    for change in few(changes)? {
        match change {
            wit::Change::IdToken((name, json)) => id_token.extend([member(name, &json)?]),
            wit::Change::AccessToken((name, json)) => access_token.extend([member(name, &json)?]),
            wit::Change::AccessTokenWithin(seconds) => {
                access_token_within = Some(access_token_within.map_or(seconds, |others: u32| others.min(seconds)));
            }
            wit::Change::NoRefreshToken => refresh_token = false,
            wit::Change::Other(what) => return Err(plugin.unknown(&what)),
        }
    }
    Ok(Issuance::Issue { id_token, access_token, access_token_within, refresh_token })
}
