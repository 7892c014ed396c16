//! Traces leave by the door, on this process's own threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use tokio::runtime::Handle;

use crate::config::Traces;
use crate::outbound::{Client, Door};
use crate::traces::{Exporter, SendError};

/// How much of a collector's answer is read: it says how many spans it did not take.
const ANSWER_MAX: usize = 64 << 10;
/// How long a collector has for a batch.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of so many batches in a row that did not arrive, one is said: about one in a minute.
const SAID_EVERY: u64 = 60;

/// Starts sending, if there is somebody who takes it.
pub(super) fn exporter(config: &Traces, door: &Door, threads: &Handle) -> anyhow::Result<Option<Exporter>> {
    let Some(collector) = config.collector() else { return Ok(None) };
    let client = door.own_client::<Full<Bytes>>();
    let (threads, failed) = (threads.clone(), Arc::new(AtomicU64::new(0)));
    let send = move |request: Request<Bytes>| -> futures_util::future::BoxFuture<'static, _> {
        // The exporter waits on a thread that has no runtime.
        let sent = threads.spawn(sent(client.clone(), request, Arc::clone(&failed)));
        Box::pin(async move { sent.await? })
    };
    Exporter::start(collector, config.share, Arc::new(send)).context("traces.otlp").map(Some)
}

async fn sent(client: Client<Full<Bytes>>, request: Request<Bytes>, failed: Arc<AtomicU64>) -> Result<Response<Bytes>, SendError> {
    let answered = async {
        let (parts, body) = client.send(request.map(Full::new)).await?.into_parts();
        let body = Limited::new(body, ANSWER_MAX).collect().await?.to_bytes();
        if !parts.status.is_success() {
            return Err(format!("it answered {}", parts.status).into());
        }
        Ok(Response::from_parts(parts, body))
    };
    let answered = tokio::time::timeout(PATIENCE, answered).await.unwrap_or_else(|_| Err("it did not answer in time".into()));
    match &answered {
        Ok(_) => failed.store(0, Ordering::Relaxed),
        Err(error) => {
            if failed.fetch_add(1, Ordering::Relaxed).is_multiple_of(SAID_EVERY) {
                tracing::warn!(%error, "traces do not reach their collector, and are dropped.  do: see traces.otlp, and whether it runs");
            }
        }
    }
    answered
}
