//! How long calls take, without anything around them. For `plugin try` and the benchmark.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::hooks::Notify;
use super::instances::Seat;
use super::version::Version;
use super::{CallFailure, Runtime, TransactionView, Urgency};

/// The times of many calls.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Each call.
    pub each: Vec<Duration>,
    /// From the first to the last.
    pub total: Duration,
}

impl Runtime {
    /// Calls `notify` of these plugins, one after the other and again from the first, in fresh instances, on so many
    /// threads at once.
    ///
    /// # Errors
    /// The first call that failed.
    pub async fn measure_fresh(
        &self,
        versions: &[Arc<Version>],
        transaction: &TransactionView,
        calls: usize,
        threads: usize,
    ) -> Result<Measured, CallFailure> {
        let start = Instant::now();
        let tasks: Vec<_> = (0..threads)
            .map(|_| {
                let (versions, transaction) = (versions.to_vec(), Arc::new(transaction.clone()));
                self.guests().spawn(async move {
                    let mut each = Vec::with_capacity(calls);
                    for version in versions.iter().cycle().take(calls) {
                        let hook = Notify { transaction: Arc::clone(&transaction) };
                        let before = Instant::now();
                        let (report, kept) = version.callable.call(&version.shared, None, hook).await;
                        report.result?;
                        // Whoever calls pays for the end of the instance as well.
                        drop(kept);
                        each.push(before.elapsed());
                    }
                    Ok(each)
                })
            })
            .collect();
        let mut each = Vec::new();
        for task in tasks {
            each.extend(task.await.map_err(|error| CallFailure::Trap(error.to_string()))??);
        }
        Ok(Measured { each, total: start.elapsed() })
    }

    /// The same of one plugin without anything that this house adds to it: a store without limits, instantiated, called, and
    /// dropped. What the limits cost is the difference.
    ///
    /// # Errors
    /// The first call that failed.
    pub async fn measure_bare(&self, version: &Arc<Version>, transaction: &TransactionView, calls: usize) -> Result<Measured, CallFailure> {
        let (version, transaction) = (Arc::clone(version), Arc::new(transaction.clone()));
        let task = self.guests().spawn(async move {
            let start = Instant::now();
            let mut each = Vec::with_capacity(calls);
            for _ in 0..calls {
                let before = Instant::now();
                version.callable.call_bare(&version.shared, Notify { transaction: Arc::clone(&transaction) }).await?;
                each.push(before.elapsed());
            }
            Ok(Measured { each, total: start.elapsed() })
        });
        task.await.unwrap_or_else(|error| Err(CallFailure::Trap(error.to_string())))
    }

    /// Calls `notify` again and again in an instance that is kept, the way that calls of a warm plugin go.
    ///
    /// # Errors
    /// The first call that failed, or that the plugin is not warm.
    pub async fn measure_warm(&self, version: &Arc<Version>, transaction: &TransactionView, calls: usize) -> Result<Measured, CallFailure> {
        let (version, transaction) = (Arc::clone(version), Arc::new(transaction.clone()));
        let places = self.places.clone();
        let task = self.guests().spawn(async move {
            let not_kept = || CallFailure::Answer("left no instance for the next call: is it `instances = \"warm\"`?".to_owned());
            let held = places.for_call(version.callable.places, Urgency::ClientWaits).await;
            let first = Seat::fresh(held.ok_or_else(not_kept)?, &version);
            version.call(first, Notify { transaction: Arc::clone(&transaction) }).await.result?;
            let start = Instant::now();
            let mut each = Vec::with_capacity(calls);
            for _ in 0..calls {
                let before = Instant::now();
                let kept = version.instances.as_ref().and_then(|instances| instances.take(version.shared.losses()));
                let seat = kept.ok_or_else(not_kept)?;
                version.call(seat, Notify { transaction: Arc::clone(&transaction) }).await.result?;
                each.push(before.elapsed());
            }
            Ok(Measured { each, total: start.elapsed() })
        });
        task.await.unwrap_or_else(|error| Err(CallFailure::Trap(error.to_string())))
    }
}
