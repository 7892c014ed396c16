//! Files that are renewed while the host runs, and a certificate that nobody renews.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::MissedTickBehavior;

use super::{ClientAuthorities, OwnCertificate, read};

/// How often it is looked whether files have changed: a renewal needs no restart.
const LOOK: Duration = Duration::from_secs(1);
/// How long before its end a certificate should have been renewed. Programs that renew do so a month before.
const RENEWED_BY: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How often that is said.
const REMIND: SignedDuration = SignedDuration::from_hours(24);

/// Looks for renewed files until it is dropped, and says when none come.
pub async fn keep_fresh(own: Option<OwnCertificate>, authorities: ClientAuthorities, now: impl Fn() -> Timestamp) {
    if own.is_none() && authorities.is_empty() {
        return;
    }
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut remind_at = Timestamp::MIN;
    loop {
        looks.tick().await;
        let files = (own.clone(), authorities.clone());
        let look = move || {
            files.0.inspect(|own| own.0.look());
            files.1.look();
        };
        if tokio::task::spawn_blocking(look).await.is_err() {
            return;
        }
        let now = now();
        if now >= remind_at
            && let Some(ends) = own.as_ref().and_then(ends)
            && ends - RENEWED_BY <= now
        {
            remind_at = now + REMIND;
            warn(ends, now);
        }
    }
}

/// When the host's certificate ends.
fn ends(own: &OwnCertificate) -> Option<Timestamp> {
    let key = own.0.get();
    read::certificate(key.cert.first()?, false).ok().map(|certificate| certificate.not_after)
}

fn warn(ends: Timestamp, now: Timestamp) {
    if ends < now {
        tracing::error!(%ends, "the host's certificate has ended: clients and phones refuse it.  do: renew the files of [tls]");
    } else {
        tracing::warn!(%ends, "the host's certificate ends soon.  do: renew the files of [tls], and see why nobody did");
    }
}
