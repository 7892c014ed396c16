//! The provider's signing keys, looked after while the host runs.

use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::config::Keys;
use crate::jose::{KeyPolicy, KeyRing};

/// How often what has fallen due is done: often against the ten minutes a key is published before it signs.
const EVERY: Duration = Duration::from_secs(60);

pub(super) fn policy(keys: &Keys) -> KeyPolicy {
    let days = |days: u32| SignedDuration::from_hours(i64::from(days) * 24);
    KeyPolicy {
        algorithms: keys.algorithms.clone(),
        rotate_after: (keys.rotate_days > 0).then(|| days(keys.rotate_days)),
        overlap: SignedDuration::from_hours(i64::from(keys.overlap_hours)),
        keep: days(keys.keep_days),
    }
}

/// Has the keys take over, retire and be replaced when it is time, until the host stops.
pub(super) fn look_after(ring: KeyRing, clock: Clock, mut stopping: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _ = stopping.wait_for(|stopping| *stopping) => return,
            }
            let (ring, now) = (ring.clone(), clock.now());
            // It may make an RSA key, which takes a good part of a second.
            match tokio::task::spawn_blocking(move || ring.advance(now)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::error!("the signing keys could not be looked after: {error:#}"),
                Err(error) => tracing::error!("looking after the signing keys ended early: {error}"),
            }
        }
    })
}
