//! Whom the operator trusts to name people (`login_hint_token`), and their keys.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::SignedDuration;
use url::Url;

use super::client_keys::{fetch_key_set, read_key_set};
use super::kept_keys::{Fetched, KeptKeys};
use crate::clock::Clock;
use crate::config::LoginHintTokenIssuer;
use crate::jose::PublicKeys;
use crate::outbound::Caller;
use crate::protocol::hint::HintSubject;

/// How long the keys of a file are kept before it is read again.
const FILE_KEPT: SignedDuration = SignedDuration::from_mins(10);

/// All of them.
#[derive(Default)]
pub struct HintIssuers(Vec<Arc<HintIssuer>>);

/// One of them.
pub(super) struct HintIssuer {
    issuer: String,
    subject: HintSubject,
    source: Source,
    kept: Arc<KeptKeys>,
}

enum Source {
    File(PathBuf),
    Address(Url),
}

impl HintIssuers {
    /// Those that are configured. Files are looked for in `directory`.
    ///
    /// # Errors
    /// When an address is none, or a file cannot be used: in words for the operator.
    pub fn open(configured: &[LoginHintTokenIssuer], directory: &Path) -> Result<Self, String> {
        let open = |configured: &LoginHintTokenIssuer| {
            let source = match &configured.jwks_uri {
                Some(address) => Source::Address(Url::parse(address).map_err(|error| format!("{address}: {error}"))?),
                None => Source::File(directory.join(configured.jwks_file.as_deref().unwrap_or(Path::new("")))),
            };
            if let Source::File(path) = &source {
                read(path)?;
            }
            Ok(Arc::new(HintIssuer { issuer: configured.issuer.clone(), subject: configured.subject, source, kept: Arc::default() }))
        };
        configured.iter().map(open).collect::<Result<_, String>>().map(Self)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn named(&self, issuer: &str) -> Option<&Arc<HintIssuer>> {
        self.0.iter().find(|known| known.issuer == issuer)
    }
}

impl HintIssuer {
    pub(super) fn subject(&self) -> HintSubject {
        self.subject
    }

    /// Its keys.
    pub(super) async fn keys(self: &Arc<Self>, caller: &Caller, clock: &Clock) -> Result<Arc<PublicKeys>, String> {
        self.kept.get(clock, Arc::clone(self).fetch(caller.clone())).await.ok_or_else(|| "the keys of its issuer cannot be read".to_owned())
    }

    /// Others than `old`, where it has them now.
    pub(super) async fn newer_keys(self: &Arc<Self>, old: &Arc<PublicKeys>, caller: &Caller, clock: &Clock) -> Option<Arc<PublicKeys>> {
        self.kept.newer(old, clock, Arc::clone(self).fetch(caller.clone())).await
    }

    async fn fetch(self: Arc<Self>, caller: Caller) -> Option<Fetched> {
        let fetched = match &self.source {
            Source::File(path) => read(path).map(|keys| (keys, FILE_KEPT)),
            Source::Address(url) => fetch_key_set(&caller, url).await,
        };
        if let Err(error) = &fetched {
            tracing::warn!(
                issuer = self.issuer,
                "the keys for login_hint_tokens cannot be read: {}.  do: look at ciba.login_hint_token_issuers, or ask the issuer",
                error.escape_debug()
            );
        }
        fetched.ok()
    }
}

/// A small file, read when a token comes: too seldom for threads of its own.
fn read(path: &Path) -> Result<PublicKeys, String> {
    let at = |error: String| format!("{}: {error}", path.display());
    let text = std::fs::read(path).map_err(|error| at(error.to_string()))?;
    read_key_set(&text).map_err(at)
}
