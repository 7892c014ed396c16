//! Telling plugins that observe what happened: each of every event, in order, one at a time, until it has heard.
//!
//! Each observer has a task of its own, so that one that is slow or fails holds up nobody else. Where it stands is written
//! after many events rather than after each: whoever is told by a host that was killed may be told twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tracing::Instrument as _;

use super::{LOOK, span_of};
use crate::flow::Flow;
use crate::protocol::plugin::PluginName;
use crate::runtime::{CallFailure, Hook as _, Observe, ObservedEvent, Urgency, Version};
use crate::store::{EVENTS_KEPT, RequestEvent, StoreError};

/// Events that are read at once.
const AT_ONCE: u32 = 100;
/// The longest that what a slow observer has heard stays unwritten.
const UNWRITTEN: Duration = Duration::from_secs(1);
/// The first and the longest pause between two tries of one event.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_LONGEST: Duration = Duration::from_secs(300);

/// Tells whoever observes, until the host stops. Calls that are under way then are waited for.
pub(super) async fn tell_all(flow: Arc<Flow>) {
    let (mut changes, mut stopping) = (flow.runtime.changes(), flow.stopping.clone());
    let mut tasks = JoinSet::new();
    let mut observers: HashMap<PluginName, AbortHandle> = HashMap::new();
    loop {
        let serving = changes.borrow_and_update().of_hook::<Observe>().map(Arc::clone);
        for version in serving.iter().flat_map(|serving| serving.iter()) {
            if observers.get(&version.name).is_none_or(AbortHandle::is_finished) {
                let observer = Observer { flow: Arc::clone(&flow), name: version.name.clone(), stopping: flow.stopping.clone() };
                observers.insert(version.name.clone(), tasks.spawn(observer.tell()));
            }
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { break },
            // It may serve again since it was found that it does not.
            Some(_) = tasks.join_next() => {}
            _ = stopping.wait_for(|stopping| *stopping) => break,
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// One plugin that is told.
struct Observer {
    flow: Arc<Flow>,
    name: PluginName,
    stopping: watch::Receiver<bool>,
}

/// Why nothing more is told.
enum Ended {
    /// No version that observes serves, or the host stops.
    Over,
    /// The store gave no answer.
    Store(StoreError),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Observer {
    /// Tells it of everything, for as long as it serves.
    async fn tell(mut self) {
        let (mut events, mut changes) = (self.flow.store.events(), self.flow.runtime.changes());
        loop {
            events.borrow_and_update();
            changes.borrow_and_update();
            match self.tell_next().await {
                Ok(true) => {}
                Ok(false) => tokio::select! {
                    _ = events.changed() => {}
                    _ = changes.changed() => {}
                    _ = self.stopping.wait_for(|stopping| *stopping) => return,
                },
                Err(Ended::Over) => return,
                Err(Ended::Store(error)) => {
                    tracing::error!(plugin = %self.name, %error, "what a plugin observes cannot be read or written; trying again");
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    /// Tells it of the next events; whether there were any.
    async fn tell_next(&mut self) -> Result<bool, Ended> {
        self.serving()?;
        let unheard = self.flow.store.unheard(&self.name, AT_ONCE).await?;
        if unheard.lost > 0 {
            tracing::error!(plugin = %self.name, events = unheard.lost, "a plugin was not told of events before they were a day old; they are left out");
        }
        let mut place = Place { heard: None, since: Instant::now() };
        for event in &unheard.events {
            let told = self.tell_of(event, &mut place).await;
            if told.is_ok() {
                place.heard = Some(event.id);
            }
            if told.is_err() || place.since.elapsed() >= UNWRITTEN {
                self.write(&mut place).await?;
            }
            told?;
        }
        self.write(&mut place).await?;
        Ok(!unheard.events.is_empty())
    }

    /// Tells it of one event, until it has heard or the event is too old.
    async fn tell_of(&mut self, event: &RequestEvent, place: &mut Place) -> Result<(), Ended> {
        let mut pause = PAUSE_FIRST;
        loop {
            let mut better = self.flow.runtime.serving_changes();
            let version = self.serving()?;
            let span = span_of(&self.flow, Observe::NAME, &event.transaction);
            let call = self.flow.runtime.call(&version, Observe { event: seen(event) }, Urgency::Background);
            let report = call.instrument(span).await;
            let Err(failure) = report.result else { return Ok(()) };
            if self.flow.clock.now().duration_since(event.at) >= EVENTS_KEPT {
                tracing::error!(plugin = %self.name, event = event.id, transaction = %event.transaction, %failure, "an observer failed for a day; this event is left out, and it is told of the next");
                return Ok(());
            }
            if pause == PAUSE_FIRST && !matches!(failure, CallFailure::Busy(_)) {
                tracing::warn!(plugin = %self.name, event = event.id, transaction = %event.transaction, %failure, "an observer failed; it is told again, and what happened since waits");
            }
            // Whatever comes of this one, those before it were heard.
            self.write(place).await?;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // A new version, or one that may do more.
                _ = better.changed() => {}
                _ = self.stopping.wait_for(|stopping| *stopping) => {}
            }
            pause = (pause * 2).min(PAUSE_LONGEST);
        }
    }

    /// Who is told now.
    fn serving(&self) -> Result<Arc<Version>, Ended> {
        if *self.stopping.borrow() {
            return Err(Ended::Over);
        }
        let catalog = self.flow.runtime.catalog();
        let serving = catalog.of_hook::<Observe>().and_then(|serving| serving.iter().find(|version| version.name == self.name));
        serving.map(Arc::clone).ok_or(Ended::Over)
    }

    async fn write(&self, place: &mut Place) -> Result<(), StoreError> {
        if let Some(heard) = place.heard.take() {
            self.flow.store.heard(&self.name, heard).await?;
        }
        place.since = Instant::now();
        Ok(())
    }
}

/// Where an observer stands.
struct Place {
    /// What it has heard of since that was last written.
    heard: Option<i64>,
    /// When it was.
    since: Instant,
}

/// An event as plugins see it.
fn seen(event: &RequestEvent) -> ObservedEvent {
    ObservedEvent {
        id: event.id.unsigned_abs(),
        kind: event.kind.as_str().to_owned(),
        at: u64::try_from(event.at.as_millisecond()).unwrap_or_default(),
        transaction_id: event.transaction.0.clone(),
        client_id: event.client.0.clone(),
        user_id: (!event.user.is_nobody()).then(|| event.user.0.clone()),
    }
}
