//! Instances that serve one call after the other, where the operator chose that.
//!
//! They belong to their version. While a call runs, its instance is the call's alone; the others wait here, each with
//! the places that it takes of the pool. An instance comes back only from a call that ended as calls should
//! ([`CallFailure::spares_the_instance`]) and that left nothing open ([`Guest::has_let_go`]). It ends when it has had its
//! calls, when it is too old or was idle too long, and when the plugin lost a permission: what it was once told may still be
//! in its memory. With the version that was replaced end all of its instances.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::Store;
use wasmtime::component::Instance;

use super::Runtime;
use super::guest::Guest;
use super::hooks::Hook;
use super::places::{Held, Places};
use super::version::{CallFailure, Report, Version};
use crate::protocol::plugin::{Lifetime, PluginFile};

/// An instance that nobody has called for so long gives its places back.
const IDLE: Duration = Duration::from_secs(60);
/// How often idle ones are looked for.
const LOOK: Duration = Duration::from_secs(5);

/// An instance, in the store that it lives in.
pub(super) struct Live {
    pub(super) store: Store<Guest>,
    pub(super) instance: Instance,
}

/// What one call runs in.
pub(super) struct Seat {
    held: Held,
    life: Life,
    /// Nothing where the instance is made for this call.
    live: Option<Live>,
    /// Its place among those that are kept, once it is.
    own: Option<Kept>,
}

/// A place among those that are kept, and how much memory is kept there.
struct Kept {
    _place: OwnedSemaphorePermit,
    bytes: usize,
    all: Arc<AtomicUsize>,
}

impl Kept {
    fn holds(&mut self, bytes: usize) {
        self.all.fetch_add(bytes, Ordering::Relaxed);
        self.all.fetch_sub(std::mem::replace(&mut self.bytes, bytes), Ordering::Relaxed);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.holds(0);
    }
}

/// Instances that are kept between calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warm {
    /// How many, those included that are in a call.
    pub instances: usize,
    /// How much memory they had after their last calls, in bytes.
    pub bytes: usize,
}

/// What an instance has behind it.
#[derive(Clone, Copy, Debug)]
struct Life {
    born: Instant,
    /// When its latest call ended.
    last: Instant,
    calls: u32,
    /// How often the plugin had lost a permission when it was born.
    losses: u64,
}

/// How long an instance may serve.
#[derive(Clone, Copy, Debug)]
struct Span {
    calls: u32,
    age: Duration,
}

impl Life {
    fn has_ended(&self, span: Span, now: Instant, losses: u64) -> bool {
        self.calls >= span.calls || now.duration_since(self.born) >= span.age || self.losses != losses
    }

    fn is_idle(&self, now: Instant) -> bool {
        now.duration_since(self.last) >= IDLE
    }
}

impl Seat {
    /// Places for an instance that is made by whoever sits down.
    pub(super) fn fresh(held: Held, version: &Version) -> Self {
        let now = Instant::now();
        // Before anything of the guest runs: what is taken from it later was taken from this instance.
        Self { held, life: Life { born: now, last: now, calls: 0, losses: version.shared.losses() }, live: None, own: None }
    }
}

/// See the module.
pub(super) struct Instances {
    span: Span,
    most: usize,
    places: Places,
    /// How many more there may be, idle or not.
    own: Arc<Semaphore>,
    /// What all of them hold.
    bytes: Arc<AtomicUsize>,
    /// Those that wait, the one that served last at the end. `None` when the version no longer serves.
    idle: Mutex<Option<Vec<Seat>>>,
}

impl Instances {
    /// `None` where each call has an instance of its own.
    pub(super) fn of(file: &PluginFile, places: &Places) -> Option<Self> {
        let most = file.warm_instances as usize;
        (file.instances == Lifetime::Warm).then(|| Self {
            span: Span { calls: file.warm_calls, age: Duration::from_secs(u64::from(file.warm_seconds)) },
            most,
            places: places.clone(),
            own: Arc::new(Semaphore::new(most)),
            bytes: Arc::default(),
            idle: Mutex::new(Some(Vec::new())),
        })
    }

    /// One that waits, with its places.
    pub(super) fn take(&self, losses: u64) -> Option<Seat> {
        let now = Instant::now();
        loop {
            let seat = self.idle.lock().unwrap_or_else(PoisonError::into_inner).as_mut()?.pop()?;
            if !seat.life.has_ended(self.span, now, losses) {
                return Some(seat);
            }
        }
    }

    /// Keeps an instance after its call, if there is room for it.
    fn keep(&self, mut seat: Seat, losses: u64) {
        seat.life.calls += 1;
        seat.life.last = Instant::now();
        if seat.life.has_ended(self.span, seat.life.last, losses) {
            return;
        }
        if seat.own.is_none() {
            let Ok(own) = Arc::clone(&self.own).try_acquire_owned() else { return };
            let Some(held) = self.places.keep(seat.held) else { return };
            seat = Seat { held, own: Some(Kept { _place: own, bytes: 0, all: Arc::clone(&self.bytes) }), ..seat };
        }
        if let (Some(kept), Some(live)) = (&mut seat.own, &seat.live) {
            kept.holds(live.store.data().budget.held());
        }
        if let Some(idle) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            idle.push(seat);
        }
    }

    /// Ends those that nobody needed for long.
    fn release(&self, now: Instant, losses: u64) {
        let ended = |seat: &mut Seat| seat.life.is_idle(now) || seat.life.has_ended(self.span, now, losses);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let ended: Vec<Seat> = idle.as_mut().map_or_else(Vec::new, |idle| idle.extract_if(.., ended).collect());
        drop(idle);
        // It takes a while, and nobody should wait for it.
        drop(ended);
    }

    /// Ends all of them, and those that are in a call when it ends.
    pub(super) fn close(&self) {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(idle);
    }

    /// How many there are, and what they hold.
    fn kept(&self) -> Warm {
        Warm { instances: self.most - self.own.available_permits(), bytes: self.bytes.load(Ordering::Relaxed) }
    }
}

impl Version {
    /// One call, in an instance that waits for one or is made for it. Runs on a thread for guests.
    pub(super) async fn call<H: Hook>(&self, mut seat: Seat, hook: H) -> Report<H::Answer> {
        let (report, live) = self.callable.call(&self.shared, seat.live.take(), hook).await;
        if let (Some(instances), Some(live)) = (&self.instances, live) {
            seat.live = Some(live);
            instances.keep(seat, self.shared.losses());
        }
        report
    }

    /// Instances that are kept between calls, and those of them that are in a call. `None` where each call has its own.
    pub fn warm(&self) -> Option<Warm> {
        self.instances.as_ref().map(Instances::kept)
    }
}

impl CallFailure {
    /// Whether the guest ended its call as it should, if only to say that it failed. Whatever else happened, nobody knows in
    /// what state it left its memory.
    fn spares_the_instance(&self) -> bool {
        matches!(self, Self::Settings(_) | Self::Temporary(_) | Self::Script(_))
    }
}

impl Live {
    /// The same for another call, if there may be one.
    pub(super) fn for_another<T>(mut self, result: &Result<T, CallFailure>) -> Option<Self> {
        let ended_well = result.as_ref().map_or_else(CallFailure::spares_the_instance, |_| true);
        (ended_well && self.store.data_mut().has_let_go()).then_some(self)
    }
}

impl Runtime {
    /// Has idle instances give back their places, for as long as there is a runtime.
    pub(super) fn release_idle_instances(self: &Arc<Self>) {
        let runtime = Arc::downgrade(self);
        self.guests().spawn(async move {
            let mut look = tokio::time::interval(LOOK);
            loop {
                look.tick().await;
                let Some(runtime) = runtime.upgrade() else { return };
                let catalog = runtime.catalog();
                for version in catalog.plugins().filter_map(|(_, plugin)| plugin.serving.as_ref()) {
                    if let Some(instances) = &version.instances {
                        instances.release(Instant::now(), version.shared.losses());
                    }
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_ends_by_its_calls_its_age_what_it_lost_and_for_want_of_work() {
        let born = Instant::now();
        let after = |seconds| born + Duration::from_secs(seconds);
        let span = Span { calls: 10, age: Duration::from_secs(600) };
        let life = |calls, losses| Life { born, last: born, calls, losses };
        for (life, now, ended) in
            [(life(9, 0), after(599), false), (life(10, 0), after(0), true), (life(0, 0), after(600), true), (life(0, 1), after(0), true)]
        {
            assert_eq!(life.has_ended(span, now, 0), ended, "{life:?}");
        }
        assert!(!life(0, 0).is_idle(after(59)) && life(0, 0).is_idle(after(60)));
        assert!(!Life { last: after(59), ..life(0, 0) }.is_idle(after(60)));
    }

    #[test]
    fn only_a_guest_that_says_so_itself_fails_without_losing_its_instance() {
        let why = String::new;
        for failure in [CallFailure::Settings(why()), CallFailure::Temporary(why()), CallFailure::Script(why())] {
            assert!(failure.spares_the_instance(), "{failure}");
        }
        for failure in [
            CallFailure::Trap(why()),
            CallFailure::CpuTime(IDLE),
            CallFailure::WallTime(IDLE),
            CallFailure::Memory(1),
            CallFailure::Size(why()),
            CallFailure::Stack,
            CallFailure::Answer(why()),
            CallFailure::NoHook(""),
        ] {
            assert!(!failure.spares_the_instance(), "{failure}");
        }
    }
}
