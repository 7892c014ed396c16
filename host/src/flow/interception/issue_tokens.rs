//! `issue-tokens`: what goes into the tokens of an approved request.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::{Flow, Refused};
use super::unusable;
use crate::protocol::added_claims::{AddedClaims, is_reserved};
use crate::protocol::transaction::Request;
use crate::runtime::{CallFailure, Issuance, IssueTokens, Occasion};

/// The most that plugins add to one token, as JSON, in bytes: what is much longer does not fit into a header.
const CLAIMS_BYTES: usize = 4 << 10;

/// What all plugins together change of the tokens that one approval gives.
#[derive(Clone, Debug, Default)]
pub struct TokenChanges {
    /// What they add.
    pub claims: AddedClaims,
    /// How many seconds the access token works at most.
    pub access_token_within: Option<u32>,
    /// Whether there is no refresh token.
    pub no_refresh_token: bool,
}

impl Flow {
    /// Asks every plugin. `None` where one of them gives no tokens.
    ///
    /// It may be asked more than once for the same tokens: of two polls at the same time one gets them.
    ///
    /// # Errors
    /// One of them failed, and nothing changes.
    pub(in super::super) async fn issue_tokens(&self, request: &Request, occasion: Occasion) -> Result<Option<TokenChanges>, Refused> {
        let mut changes = TokenChanges::default();
        let Some(turns) = self.turns::<IssueTokens>(request.transaction.as_str()) else { return Ok(Some(changes)) };
        let parties = self.parties(request).await?;
        for turn in &turns {
            let transaction = Arc::new(self.view(turn, request, &parties, None).await);
            let Some((version, issuance)) = self.ask(turn, IssueTokens { transaction, occasion }).await? else { continue };
            match issuance {
                Issuance::Refuse(why) => {
                    tracing::info!(transaction = %request.transaction, plugin = %version.name, ?occasion, %why, "a plugin gives no tokens for an approval, which is used up");
                    return Ok(None);
                }
                issuance => match changes.with(issuance) {
                    Ok(changed) => changes = changed,
                    Err(failure) => unusable::<IssueTokens>(version, &failure)?,
                },
            }
        }
        Ok(Some(changes))
    }
}

impl TokenChanges {
    /// With all of what one more plugin says. Its word about a claim takes the place of an earlier one.
    fn with(&self, issuance: Issuance) -> Result<Self, CallFailure> {
        let mut changes = self.clone();
        if let Issuance::Issue { id_token, access_token, access_token_within, refresh_token } = issuance {
            add(&mut changes.claims.id_token, id_token)?;
            add(&mut changes.claims.access_token, access_token)?;
            if access_token_within == Some(0) {
                return Err(CallFailure::Answer("let the access token work for 0 seconds; at least 1 is taken".to_owned()));
            }
            changes.access_token_within = [changes.access_token_within, access_token_within].into_iter().flatten().min();
            changes.no_refresh_token |= !refresh_token;
        }
        Ok(changes)
    }
}

fn add(claims: &mut Map<String, Value>, more: Map<String, Value>) -> Result<(), CallFailure> {
    if let Some(name) = more.keys().find(|name| is_reserved(name)) {
        return Err(CallFailure::Answer(format!("named the claim {name}, which is the host's alone")));
    }
    claims.extend(more);
    let bytes = serde_json::to_vec(claims).map_or(usize::MAX, |json| json.len());
    if bytes > CLAIMS_BYTES {
        return Err(CallFailure::Size(format!(
            "made the claims of one token {bytes} bytes; at most {CLAIMS_BYTES} are taken of all plugins"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issue(id_token: &[(&str, &str)], within: Option<u32>, refresh_token: bool) -> Issuance {
        let id_token = id_token.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
        Issuance::Issue { id_token, access_token: Map::new(), access_token_within: within, refresh_token }
    }

    #[test]
    fn the_last_word_about_a_claim_counts_and_of_times_the_shortest() {
        let changes = TokenChanges::default().with(issue(&[("a", "1"), ("b", "1")], Some(30), true)).unwrap();
        assert!(!changes.no_refresh_token);
        let changes = changes.with(issue(&[("b", "2")], None, false)).unwrap().with(issue(&[], Some(60), true)).unwrap();
        assert_eq!(Value::Object(changes.claims.id_token), serde_json::json!({ "a": "1", "b": "2" }));
        assert_eq!((changes.access_token_within, changes.no_refresh_token), (Some(30), true));
    }

    #[test]
    fn an_answer_is_taken_whole_or_not_at_all() {
        let before = TokenChanges::default().with(issue(&[("a", "1")], Some(30), true)).unwrap();
        let long = "x".repeat(CLAIMS_BYTES);
        for (wrong, says) in [
            (issue(&[("a", "2"), ("sub", "mallory")], None, true), "sub"),
            (issue(&[("urn:openid:params:jwt:claim:auth_req_id", "x")], None, true), "auth_req_id"),
            (issue(&[("b", &long)], None, true), "4096"),
            (issue(&[], Some(0), true), "0 seconds"),
        ] {
            let failure = before.with(wrong).unwrap_err().to_string();
            assert!(failure.contains(says), "{failure}");
        }
    }
}
