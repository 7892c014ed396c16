//! Whom the operator trusts to name people (`login_hint_token`), and their keys.
//!
//! Keys are read again when they have been kept for a while, or when a token names one that is not among them. Where they
//! cannot be read, those at hand go on being used for a day.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use crate::config::LoginHintTokenIssuer;
use crate::jose::PublicKeys;
use crate::outbound::Caller;
use crate::protocol::hint::HintSubject;

/// How long keys are kept before they are read again.
const KEPT: SignedDuration = SignedDuration::from_mins(10);
/// How long they are used when they cannot be.
const STALE_MAX: SignedDuration = SignedDuration::from_hours(24);
/// The least time between two readings: whoever invents key names does not make us fetch.
const PAUSE: SignedDuration = SignedDuration::from_secs(10);
/// The longest key set that is read, in bytes.
const LENGTH_MAX: usize = 256 << 10;

/// All of them.
#[derive(Default)]
pub struct HintIssuers(Vec<HintIssuer>);

/// One of them.
pub(super) struct HintIssuer {
    issuer: String,
    subject: HintSubject,
    source: Source,
    /// Locked while they are read, so that they are read once.
    known: Mutex<Known>,
}

enum Source {
    File(PathBuf),
    Address(Url),
}

#[derive(Default)]
struct Known {
    keys: Option<Arc<PublicKeys>>,
    read_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
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
            Ok(HintIssuer { issuer: configured.issuer.clone(), subject: configured.subject, source, known: Mutex::default() })
        };
        configured.iter().map(open).collect::<Result<_, String>>().map(Self)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn named(&self, issuer: &str) -> Option<&HintIssuer> {
        self.0.iter().find(|known| known.issuer == issuer)
    }
}

impl HintIssuer {
    pub(super) fn subject(&self) -> HintSubject {
        self.subject
    }

    /// Its keys; where `old` are not enough, newer ones if there are any.
    pub(super) async fn keys(&self, caller: &Caller, now: Timestamp, old: Option<&Arc<PublicKeys>>) -> Result<Arc<PublicKeys>, String> {
        let mut known = self.known.lock().await;
        let since = |moment: Option<Timestamp>| moment.map_or(SignedDuration::MAX, |moment| now.duration_since(moment));
        let enough = known.keys.as_ref().is_some_and(|keys| !old.is_some_and(|old| Arc::ptr_eq(old, keys)));
        if (!enough || since(known.read_at) > KEPT) && since(known.tried_at) > PAUSE {
            known.tried_at = Some(now);
            let read = match &self.source {
                Source::File(path) => read(path),
                Source::Address(url) => fetch(caller, url).await,
            };
            match read {
                Ok(keys) => (known.keys, known.read_at) = (Some(Arc::new(keys)), Some(now)),
                Err(error) => tracing::warn!(
                    issuer = self.issuer,
                    "the keys for login_hint_tokens cannot be read: {}.  do: look at ciba.login_hint_token_issuers, or ask the issuer",
                    error.escape_debug()
                ),
            }
        }
        if since(known.read_at) > STALE_MAX {
            known.keys = None;
        }
        known.keys.clone().ok_or_else(|| "the keys of its issuer cannot be read".to_owned())
    }
}

/// A small file, read when a token comes: too seldom for threads of its own.
fn read(path: &Path) -> Result<PublicKeys, String> {
    let at = |error: String| format!("{}: {error}", path.display());
    let text = std::fs::read(path).map_err(|error| at(error.to_string()))?;
    parse(&text).map_err(at)
}

async fn fetch(caller: &Caller, url: &Url) -> Result<PublicKeys, String> {
    let fetched = caller.get(url, LENGTH_MAX, "application/jwk-set+json, application/json").await.map_err(|error| error.to_string())?;
    if fetched.status != 200 {
        return Err(format!("{url} answers {}", fetched.status));
    }
    parse(&fetched.body)
}

fn parse(text: &[u8]) -> Result<PublicKeys, String> {
    let jwks: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    PublicKeys::parse(&jwks)
}
