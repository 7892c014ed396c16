//! The protocol's numbers, and who may name people.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::protocol::hint::HintSubject;

/// `[ciba]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ciba {
    /// Seconds.
    pub expires_in: u32,
    /// Seconds.
    pub expires_in_max: u32,
    /// Seconds.
    pub interval: u32,
    /// Seconds.
    pub long_poll: u32,
    /// Characters.
    pub binding_message_characters: usize,
    /// Days.
    pub id_token_hint_days: u32,
    /// Whether nobody is told who is known here.
    pub hide_unknown_users: bool,
    /// Resources that any client may ask tokens for (RFC 8707).
    pub resources: Vec<String>,
    /// Who may name people in a `login_hint_token`.
    pub login_hint_token_issuers: Vec<LoginHintTokenIssuer>,
    /// Seconds.
    pub access_token_expires_in: u32,
    /// Seconds.
    pub id_token_expires_in: u32,
    /// Hours.
    pub keep_hours: u32,
    /// Hours.
    pub push_hours: u32,
}

/// `[[ciba.login_hint_token_issuers]]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginHintTokenIssuer {
    /// `iss` of its tokens.
    pub issuer: String,
    /// Where its keys are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// Or the file they are in, relative to the data directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_file: Option<PathBuf>,
    /// What names the person in tokens without `sub_id`.
    pub subject: HintSubject,
}

impl Ciba {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.expires_in == 0 || self.expires_in > self.expires_in_max {
            return Err(("ciba.expires_in", format!("must be between 1 and ciba.expires_in_max, which is {}", self.expires_in_max)));
        }
        if self.push_hours == 0 {
            return Err(("ciba.push_hours", "must be at least 1".to_owned()));
        }
        for resource in &self.resources {
            if url::Url::parse(resource).is_err() || resource.contains('#') {
                return Err(("ciba.resources", format!("`{resource}` is not an absolute URI without a fragment")));
            }
        }
        for (number, one) in self.login_hint_token_issuers.iter().enumerate() {
            let wrong = |what: String| Err(("ciba.login_hint_token_issuers", format!("`{}` {what}", one.issuer)));
            if one.issuer.is_empty() || self.login_hint_token_issuers[..number].iter().any(|other| other.issuer == one.issuer) {
                return wrong("must be named, and only once".to_owned());
            }
            match (&one.jwks_uri, &one.jwks_file) {
                (Some(uri), None) if !uri.starts_with("https://") => return wrong(format!("has a jwks_uri that is not https: `{uri}`")),
                (Some(_), None) | (None, Some(_)) => {}
                _ => return wrong("must have either jwks_uri or jwks_file".to_owned()),
            }
        }
        Ok(())
    }
}
