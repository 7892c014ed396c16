//! Which plugin reaches which device, in the operator's order.

use std::sync::Arc;

use jiff::SignedDuration;

use super::again_at;
use crate::config::Strategy;
use crate::flow::Flow;
use crate::protocol::user::Device;
use crate::runtime::{CallFailure, DeviceView, Outcome, Report, TransactionView, Urgency, Version, WithdrawReason};
use crate::store::{Job, Notified, NotifyResult, Shown};

/// Tries the user's devices. What comes back is everything to be written down.
pub(super) async fn notify(flow: &Flow, job: &Job) -> NotifyResult {
    let now = flow.clock.now();
    let mut result = NotifyResult { notified: job.notified.clone(), ..NotifyResult::default() };
    let mut again: Option<Option<SignedDuration>> = None;
    let devices = match devices(flow, job).await {
        Ok(devices) => devices,
        Err(error) => {
            tracing::error!(transaction = %job.request.transaction, %error, "the user's devices cannot be read; trying again");
            result.again_at = again_at(now, job, None);
            return result;
        }
    };
    if devices.is_empty() {
        // A device may be enrolled while the request lives.
        result.again_at = again_at(now, job, None);
        return result;
    }
    for device in devices {
        if result.notified.iter().any(|notified| notified.device == device.id) {
            continue;
        }
        let catalog = flow.runtime.catalog();
        let Some(version) = catalog.notifier(&device.channel).cloned() else {
            // Once for each request, although it is tried again until there is one.
            if job.attempts == 0 {
                tracing::warn!(transaction = %job.request.transaction, channel = device.channel, "nobody was notified: no notify plugin is serving this channel");
            }
            again.get_or_insert(None);
            continue;
        };
        let view = view(flow, job, &device, &version);
        let report = flow.runtime.notify(&version, view, Urgency::Background).await;
        match reached(&device, &version, &report, job) {
            Reached::Accepted(reference) => {
                result.withdraw |= version.can_withdraw();
                if let Some(message) = report.inbox {
                    result.shown = Some(Shown { at: now, note: message.note });
                }
                result.notified.push(Notified {
                    device: device.id,
                    plugin: version.name.clone(),
                    version: version.description.version.clone(),
                    reference,
                    micros: u64::try_from(report.took.as_micros()).unwrap_or(u64::MAX),
                });
                if flow.notify.strategy == Strategy::FirstAccepted {
                    again = None;
                    break;
                }
            }
            Reached::Gone => result.gone.push(device.id),
            Reached::Again(after) => again = Some(after),
            Reached::Not => {}
        }
    }
    result.again_at = again.and_then(|after| again_at(flow.clock.now(), job, after));
    result
}

/// What became of one device.
enum Reached {
    Accepted(String),
    Gone,
    Again(Option<SignedDuration>),
    Not,
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
/// place for a call.
pub(super) async fn withdraw(flow: &Flow, job: &Job, why: WithdrawReason) -> bool {
    let mut again = false;
    let catalog = flow.runtime.catalog();
    let devices = flow.store.devices(&job.request.user).await.unwrap_or_default();
    for notified in &job.notified {
        let Some(version) =
            catalog.plugin(&notified.plugin).and_then(|plugin| plugin.serving.clone()).filter(|version| version.can_withdraw())
        else {
            continue;
        };
        let Some(device) = devices.iter().find(|device| device.id == notified.device) else { continue };
        let view = view(flow, job, device, &version);
        // A notification that stays is a nuisance, not a danger: it opens a request that says it has ended.
        let report = flow.runtime.withdraw(&version, view, notified.reference.clone(), why).await;
        again |= matches!(report.result, Err(CallFailure::Busy(_)));
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

/// What the plugin may know.
fn view(flow: &Flow, job: &Job, device: &Device, version: &Version) -> TransactionView {
    let request = &job.request;
    TransactionView {
        id: request.transaction.clone(),
        client_id: Some(request.client.0.clone()),
        client_name: job.parties.client_name.clone(),
        user_id: Some(request.user.0.clone()),
        user_name: job.parties.user_name.clone(),
        scopes: request.scope.split(' ').map(str::to_owned).collect(),
        scopes_in_words: None,
        binding_message: request.binding_message.clone(),
        expires_at: u64::try_from(request.expires_at.as_second()).ok(),
        locale: job.parties.locale.clone(),
        device: Some(DeviceView {
            id: device.id.0.clone(),
            name: device.name.clone(),
            channel: device.channel.clone(),
            address: device.address.clone(),
        }),
        one_time_link: version.shared.permissions().links.then(|| flow.links.to(&request.transaction)),
        can_be_shown: true,
    }
}
