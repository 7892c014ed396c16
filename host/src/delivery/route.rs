//! Which plugin reaches which device, in the operator's order.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use jiff::SignedDuration;

use super::again_at;
use crate::config::Strategy;
use crate::flow::Flow;
use crate::protocol::user::Device;
use crate::runtime::{CallFailure, Notify, Outcome, Report, Turn, Urgency, Version, Withdraw, WithdrawReason};
use crate::store::{Job, Next, Notified, NotifyResult, Shown};

/// Tries the user's devices. What comes back is everything to be written down; what is there before the slowest device
/// has answered is written down before.
pub(super) async fn notify(flow: &Flow, job: &Job) -> NotifyResult {
    let mut result = NotifyResult { notified: job.notified.clone(), ..NotifyResult::default() };
    let devices = match devices(flow, job).await {
        Ok(devices) => devices,
        Err(error) => {
            tracing::error!(transaction = %job.request.transaction, %error, "the user's devices cannot be read; trying again");
            result.next = Reached::Again(None).next(flow, job);
            return result;
        }
    };
    let mut next = Next::End;
    if devices.is_empty() {
        if job.attempts == 0 {
            tracing::info!(transaction = %job.request.transaction, "nobody was notified: the person has no device yet");
        }
        next = unserved(flow, job).await.next(flow, job);
    }
    let told = |device: &Device| job.notified.iter().any(|notified| notified.device == device.id);
    let untold: Vec<Device> = devices.into_iter().filter(|device| !told(device)).collect();
    match flow.notify.strategy {
        Strategy::FirstAccepted => {
            for device in &untold {
                let (reached, notified) = tell(flow, job, device).await;
                if reached.note(&mut result, device, notified) {
                    next = Next::End;
                    break;
                }
                next = earliest(next, reached.next(flow, job));
            }
        }
        Strategy::All => {
            let mut telling: FuturesUnordered<_> = untold.iter().map(async |device| (device, tell(flow, job, device).await)).collect();
            while let Some((device, (reached, notified))) = telling.next().await {
                next = earliest(next, reached.next(flow, job));
                if reached.note(&mut result, device, notified) && !telling.is_empty() {
                    let so_far = NotifyResult { next: Next::GoOn, ..result.clone() };
                    if let Err(error) = super::write_down(flow, job, so_far).await {
                        tracing::warn!(transaction = %job.request.transaction, %error, "what was reached so far could not be written; it will be with the rest");
                    }
                }
            }
        }
    }
    result.next = next;
    result
}

/// Calls the plugin that serves the device's channel.
async fn tell(flow: &Flow, job: &Job, device: &Device) -> (Reached, Option<(Notified, Told)>) {
    let turn = flow.runtime.catalog().turn_to_notify(&device.channel, job.request.transaction.as_str()).unwrap_or_default();
    let Some(version) = &turn.version else {
        // Once for each request, although it is tried again until there is one.
        if job.attempts == 0 {
            // Shadows, if anybody.
            flow.runtime.ask(&turn, notify_of(flow, job, device, &turn).await, Urgency::Background).await;
            tracing::warn!(transaction = %job.request.transaction, channel = device.channel, "nobody was notified: no notify plugin is serving this channel");
        }
        return (unserved(flow, job).await, None);
    };
    let at = flow.clock.now();
    let hook = notify_of(flow, job, device, &turn).await;
    let Some(report) = flow.runtime.ask(&turn, hook, Urgency::Background).await else { return (Reached::Again(None), None) };
    let reached = reached(device, version, &report, job);
    let Reached::Accepted(reference) = &reached else { return (reached, None) };
    let notified = Notified {
        device: device.id.clone(),
        plugin: version.name.clone(),
        version: version.description.version.clone(),
        reference: reference.clone(),
        micros: u64::try_from(report.took.as_micros()).unwrap_or(u64::MAX),
    };
    let shown = report.inbox.map(|message| Shown { at, note: message.note });
    (reached, Some((notified, Told { shown, withdraw: version.can_withdraw() })))
}

async fn notify_of(flow: &Flow, job: &Job, device: &Device, turn: &Turn) -> Notify {
    Notify { transaction: Arc::new(flow.view(turn, &job.request, &job.parties, Some(device)).await) }
}

/// A device may be enrolled, or a plugin come that serves it, while the request lives. Not every client waits for that.
async fn unserved(flow: &Flow, job: &Job) -> Reached {
    if fails_fast(flow, job).await { Reached::Not } else { Reached::Unserved }
}

/// Whether the client wants to know at once that nobody can be reached. Where strangers are not to learn who is known
/// (PROTOCOL 10), no client learns that: what ends at once would be somebody without a device, and what waits nobody.
pub(super) async fn fails_fast(flow: &Flow, job: &Job) -> bool {
    !flow.ciba.hide_unknown_users && matches!(flow.store.client(&job.request.client).await, Ok(Some(client)) if client.metadata.fail_fast)
}

/// What else an accepted notification brought about.
struct Told {
    shown: Option<Shown>,
    withdraw: bool,
}

/// What became of one device.
enum Reached {
    Accepted(String),
    Gone,
    /// After a pause: the channel's own, or ours where it names none.
    Again(Option<SignedDuration>),
    /// Nothing here reaches it, yet.
    Unserved,
    Not,
}

impl Reached {
    /// Enters it into the result; says whether the device was reached.
    fn note(&self, result: &mut NotifyResult, device: &Device, told: Option<(Notified, Told)>) -> bool {
        if matches!(self, Self::Gone) {
            result.gone.push(device.id.clone());
        }
        let Some((notified, Told { shown, withdraw })) = told else { return false };
        result.notified.push(notified);
        result.withdraw |= withdraw;
        result.shown = shown.or(result.shown.take());
        true
    }

    /// When it is tried again, if it is.
    fn next(&self, flow: &Flow, job: &Job) -> Next {
        let now = flow.clock.now();
        match self {
            Self::Accepted(_) | Self::Gone | Self::Not => Next::End,
            Self::Unserved | Self::Again(None) => again_at(now, job, None).map_or(Next::End, Next::Wait),
            Self::Again(asked) => again_at(now, job, *asked).map_or(Next::End, Next::NotBefore),
        }
    }
}

/// The earlier of two: a device that is to be left alone for long must not keep another one waiting.
fn earliest(one: Next, other: Next) -> Next {
    let at = |next: &Next| match next {
        Next::Wait(at) | Next::NotBefore(at) => Some(*at),
        Next::End | Next::GoOn => None,
    };
    match (at(&one), at(&other)) {
        (Some(first), Some(second)) if second < first => other,
        (None, Some(_)) => other,
        _ => one,
    }
}

fn reached(device: &Device, version: &Arc<Version>, report: &Report<Outcome>, job: &Job) -> Reached {
    let (plugin, transaction) = (&version.name, &job.request.transaction);
    match &report.result {
        Ok(Outcome::Accepted(reference)) => Reached::Accepted(reference.clone()),
        Ok(Outcome::Throttled(after) | Outcome::Retryable(after)) => {
            tracing::info!(%plugin, %transaction, after, "the channel asks to try again later");
            Reached::Again(Some(SignedDuration::from_secs(i64::from(*after))))
        }
        // An address that is newer than what the channel knows as gone is kept.
        Ok(Outcome::EndpointGone(since))
            if since.is_none_or(|since| device.added_at.as_second() <= i64::try_from(since).unwrap_or(i64::MAX)) =>
        {
            // A device page has no address that a channel could know of.
            if device.address.is_none() {
                tracing::warn!(%plugin, %transaction, device = %device.id, "the plugin says that a device without an address is gone; it is kept");
                return Reached::Not;
            }
            tracing::warn!(%plugin, %transaction, device = %device.id, "the address no longer exists; it is dropped");
            Reached::Gone
        }
        Ok(Outcome::EndpointGone(_) | Outcome::EndpointSuspect) => {
            tracing::warn!(%plugin, %transaction, device = %device.id, "the address looks wrong");
            Reached::Not
        }
        Ok(Outcome::CredentialRejected(why)) => {
            tracing::error!(%plugin, %transaction, "the channel does not accept our credential: {}.  do: renew it in {plugin}.toml", why.escape_debug());
            Reached::Again(None)
        }
        Ok(Outcome::PayloadRejected(why)) => {
            tracing::error!(%plugin, %transaction, "the channel did not understand the message: {}", why.escape_debug());
            Reached::Not
        }
        Ok(Outcome::Other(why)) => {
            tracing::error!(%plugin, %transaction, "an outcome this host does not know: {}", why.escape_debug());
            Reached::Not
        }
        // The plugin's own log has the reason. The next good version may do better.
        Err(CallFailure::Script(_)) => Reached::Not,
        Err(_) => Reached::Again(None),
    }
}

/// Takes back what was sent, as far as the plugins that sent it still can. Whether to try again, because there was no
/// place for a call or the store did not answer.
pub(super) async fn withdraw(flow: &Flow, job: &Job, why: WithdrawReason) -> bool {
    let mut again = false;
    let catalog = flow.runtime.catalog();
    let Ok(devices) = flow.store.devices(&job.request.user).await else { return true };
    for notified in &job.notified {
        let Some(turn) = catalog.turn_to_withdraw(&notified.plugin, job.request.transaction.as_str()) else { continue };
        let Some(device) = devices.iter().find(|device| device.id == notified.device) else { continue };
        let view = flow.view(&turn, &job.request, &job.parties, Some(device)).await;
        // A notification that stays is a nuisance, not a danger: it opens a request that says it has ended.
        let report = {
            let hook = Withdraw { transaction: Arc::new(view), reference: notified.reference.clone(), why: why.clone() };
            flow.runtime.ask(&turn, hook, Urgency::Background).await
        };
        again |= report.is_some_and(|report| matches!(report.result, Err(CallFailure::Busy(_))));
    }
    again
}

/// The user's devices in the order of their channels, then of their age.
async fn devices(flow: &Flow, job: &Job) -> Result<Vec<Device>, crate::store::StoreError> {
    let mut devices = flow.store.devices(&job.request.user).await?;
    let rank = |device: &Device| flow.notify.channels.iter().position(|channel| *channel == device.channel).unwrap_or(usize::MAX);
    devices.sort_by_key(rank);
    Ok(devices)
}
