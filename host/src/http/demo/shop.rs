//! The shop: an ordinary CIBA client that speaks HTTP to the provider, and remembers what was said.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{Request, StatusCode, header};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

use super::super::App;
use super::super::views::Secret;
use super::super::views::demo::{Claim, Notified, Run, RunState, Started, Step};
use super::{Demo, SHOP};
use crate::protocol::GRANT_TYPE_CIBA;
use crate::protocol::discovery::path;
use crate::protocol::identifier::{TransactionId, UnverifiedBearer, UserId};
use crate::protocol::transaction::State;
use crate::protocol::user::CHANNEL_INBOX;
use crate::store::StoreError;

/// Before asking again a provider that could not answer, or wants to be asked less often.
const PAUSE: Duration = Duration::from_secs(5);
/// Purchases remembered; older ones are nobody's any more.
const PURCHASES: usize = 200;

/// One purchase.
pub(super) struct Purchase {
    transaction: TransactionId,
    expires_at_ms: i64,
    heard: Mutex<Heard>,
}

/// What the provider said so far.
#[derive(Default)]
struct Heard {
    steps: Vec<Step>,
    id_token: Option<String>,
}

type Refusal = (StatusCode, Value);

/// Asks the provider, and goes on polling in the background.
pub(super) async fn start(app: &App, demo: &Arc<Demo>, binding_message: String) -> Result<Started, Refusal> {
    let form = [("scope", "openid"), ("login_hint", Demo::USER), ("binding_message", binding_message.as_str())];
    let (status, answer) = ask(demo, path::BACKCHANNEL_AUTHENTICATION, &form).await.map_err(away)?;
    let curl = curl(&app.flow.issuer, path::BACKCHANNEL_AUTHENTICATION, &form);
    let (Some(auth_req_id), Some(expires_in)) = (answer["auth_req_id"].as_str(), answer["expires_in"].as_u64()) else {
        return Err((status, answer));
    };
    let stored = app.flow.store.request_by_auth_req_id(&UnverifiedBearer::read(auth_req_id)).await.ok().flatten();
    let Some(stored) = stored else { return Err(away("the request is gone".to_owned())) };
    let step = Step { title: "The shop asks".to_owned(), curl: Secret(curl.clone()), answer: Secret(pretty(&answer)) };
    let purchase = Arc::new(Purchase {
        transaction: stored.transaction.clone(),
        expires_at_ms: stored.expires_at.as_millisecond(),
        heard: Mutex::new(Heard { steps: vec![step], id_token: None }),
    });
    let run = stored.transaction.0.clone();
    {
        let mut purchases = demo.purchases.lock().unwrap_or_else(PoisonError::into_inner);
        if purchases.len() >= PURCHASES {
            let now = app.flow.clock.now().as_millisecond();
            purchases.retain(|_, purchase| purchase.expires_at_ms > now);
        }
        purchases.insert(run.clone(), Arc::clone(&purchase));
    }
    tokio::spawn(poll(app.clone(), Arc::clone(demo), purchase, auth_req_id.to_owned()));
    Ok(Started { run, expires_in, binding_message, curl: Secret(curl) })
}

/// Polls until there is an answer. The provider holds each poll, because this client opted in to that.
async fn poll(app: App, demo: Arc<Demo>, purchase: Arc<Purchase>, auth_req_id: String) {
    let form = [("grant_type", GRANT_TYPE_CIBA), ("auth_req_id", auth_req_id.as_str())];
    // The shop's own is of no use to anybody else.
    let by_hand = [("grant_type", GRANT_TYPE_CIBA), ("auth_req_id", "YOURS")];
    loop {
        let next;
        match ask(&demo, path::TOKEN, &form).await {
            Ok((_, answer)) => {
                next = pause_after(&answer);
                let step = Step {
                    title: "The shop asks for the tokens".to_owned(),
                    curl: Secret(curl(&app.flow.issuer, path::TOKEN, &by_hand)),
                    answer: Secret(pretty(&answer)),
                };
                let mut heard = purchase.heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.steps.truncate(1);
                heard.steps.push(step);
                heard.id_token = answer["id_token"].as_str().map(str::to_owned);
            }
            Err(error) => {
                tracing::warn!(error, "the demo shop's poll was not answered");
                next = Some(PAUSE);
            }
        }
        let Some(pause) = next else { return };
        tokio::time::sleep(pause).await;
    }
}

/// How long to wait before asking again; `None` once there is nothing more to ask.
fn pause_after(answer: &Value) -> Option<Duration> {
    match answer["error"].as_str() {
        // It was held for as long as the provider holds a poll: it may be asked again at once.
        Some("authorization_pending") => Some(Duration::ZERO),
        Some("slow_down" | "temporarily_unavailable") => Some(PAUSE),
        _ => None,
    }
}

/// How far it is, as the page shows it.
pub(super) async fn look(app: &App, purchase: &Purchase) -> Result<Run, StoreError> {
    let listed = app.flow.store.request(&purchase.transaction).await?;
    let now = app.flow.clock.now();
    let (steps, id_token) = {
        let heard = purchase.heard.lock().unwrap_or_else(PoisonError::into_inner);
        (heard.steps.clone(), heard.id_token.clone())
    };
    let state = listed.as_ref().map_or(State::Expired, |listed| listed.request.state(now));
    let notified = listed.as_ref().and_then(|listed| listed.notified.last()).map(|notified| Notified {
        plugin: notified.plugin.to_string(),
        version: notified.version.clone(),
        micros: notified.micros,
    });
    let not_notified = if state == State::Pending && notified.is_none() {
        why_not(app, listed.as_ref().map(|listed| &listed.request.user)).await?
    } else {
        None
    };
    let claims = id_token.as_deref().and_then(claims);
    let run_state = match state {
        State::Denied => RunState::Denied,
        State::Expired => RunState::Expired,
        State::Superseded => RunState::Superseded,
        State::Redeemed if claims.is_some() => RunState::Approved,
        State::Pending if not_notified.is_some() => RunState::NotNotified,
        // Approved, and the poll that was held is on its way.
        State::Approved | State::Redeemed | State::Pending => RunState::Waiting,
    };
    Ok(Run {
        state: run_state,
        notified,
        not_notified,
        expires_at_ms: purchase.expires_at_ms,
        now_ms: now.as_millisecond(),
        known: claims.as_ref().map(Claim::known).unwrap_or_default(),
        claims,
        id_token: id_token.map(Secret),
        steps,
    })
}

/// Why nobody was told, if the reason is known.
async fn why_not(app: &App, user: Option<&UserId>) -> Result<Option<String>, StoreError> {
    let devices = match user {
        Some(user) => app.flow.store.devices(user).await?,
        None => vec![],
    };
    let channels: Vec<&str> = devices.iter().map(|device| device.channel.as_str()).collect();
    let catalog = app.flow.runtime.catalog();
    Ok(untold(&channels, |channel| catalog.notifier(channel).is_some()).map(str::to_owned))
}

/// The same, for somebody with devices on these channels. A plugin that serves other channels is of no use to her.
fn untold(hers: &[&str], serves: impl Fn(&str) -> bool) -> Option<&'static str> {
    if hers.iter().any(|channel| serves(channel)) {
        None
    } else if hers.is_empty() && serves(CHANNEL_INBOX) {
        Some("Alice was not notified: no phone of hers is connected")
    } else {
        Some("Alice was not notified: no notify plugin is serving")
    }
}

/// One request to the provider, as any client would send it.
pub(super) async fn ask(demo: &Demo, path: &str, form: &[(&str, &str)]) -> Result<(StatusCode, Value), String> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let credential = BASE64_STANDARD.encode(format!("{SHOP}:{}", demo.secret.reveal()));
    let request = Request::post(format!("http://{}{path}", demo.links.public))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::AUTHORIZATION, format!("Basic {credential}"))
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| error.to_string())?;
    let response = demo.http.send(request).await.map_err(|error| error.to_string())?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    let answer = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    Ok((status, answer))
}

fn away(why: String) -> Refusal {
    (StatusCode::BAD_GATEWAY, json!({ "error": "temporarily_unavailable", "error_description": why }))
}

/// The command that does the same, with the credential that stands in the README.
fn curl(issuer: &str, path: &str, form: &[(&str, &str)]) -> String {
    let parameters: Vec<String> =
        form.iter().map(|(name, value)| format!("  --data-urlencode '{name}={}'", value.replace('\'', "'\\''"))).collect();
    format!("curl -u demo:demo-secret {issuer}{path} \\\n{}", parameters.join(" \\\n"))
}

fn pretty(answer: &Value) -> String {
    serde_json::to_string_pretty(answer).unwrap_or_default()
}

/// The claims inside an ID token that this same program signed a moment ago.
fn claims(id_token: &str) -> Option<Value> {
    let payload = id_token.split('.').nth(1)?;
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_for_other_channels_is_none_for_her() {
        let (no_plugin, no_phone) = (Some("no notify plugin is serving"), Some("no phone of hers is connected"));
        for (hers, serving, why) in [
            (&["inbox"][..], &["inbox"][..], None),
            (&["inbox"], &["webhook"], no_plugin),
            (&["inbox", "webhook"], &["webhook"], None),
            (&["inbox"], &[], no_plugin),
            (&[], &["inbox"], no_phone),
            (&[], &["webhook"], no_plugin),
        ] {
            let said = untold(hers, |channel| serving.contains(&channel));
            assert_eq!(said.map(|said| said.rsplit_once(": ").unwrap().1), why, "{hers:?} {serving:?}");
        }
    }

    #[test]
    fn a_poll_that_was_held_is_followed_by_the_next_at_once() {
        for (answer, pause) in [
            (json!({ "error": "authorization_pending" }), Some(Duration::ZERO)),
            (json!({ "error": "slow_down" }), Some(PAUSE)),
            (json!({ "error": "temporarily_unavailable" }), Some(PAUSE)),
            (json!({ "error": "access_denied" }), None),
            (json!({ "id_token": "…" }), None),
        ] {
            assert_eq!(pause_after(&answer), pause, "{answer}");
        }
    }
}
