//! How long calls take, without anything around them. For `plugin try` and the benchmark.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::hooks::{Hook as _, Notify};
use super::version::Version;
use super::{CallFailure, Runtime, TransactionView};

/// The times of many calls.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Each call.
    pub each: Vec<Duration>,
    /// From the first to the last.
    pub total: Duration,
}

impl Runtime {
    /// Calls `notify` again and again, in fresh instances, on so many threads at once.
    ///
    /// # Errors
    /// The first call that failed.
    pub async fn measure_fresh(
        &self,
        version: &Arc<Version>,
        transaction: &TransactionView,
        calls: usize,
        threads: usize,
    ) -> Result<Measured, CallFailure> {
        let start = Instant::now();
        let tasks: Vec<_> = (0..threads)
            .map(|_| {
                let (version, transaction) = (Arc::clone(version), Arc::new(transaction.clone()));
                self.guests().spawn(async move {
                    let mut each = Vec::with_capacity(calls);
                    for _ in 0..calls {
                        let report = version.callable.call(&version.shared, Notify { transaction: Arc::clone(&transaction) }).await;
                        report.result?;
                        each.push(report.took);
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

    /// Calls `notify` again and again in one instance.
    ///
    /// # Errors
    /// The first call that failed.
    pub async fn measure_warm(&self, version: &Arc<Version>, transaction: &TransactionView, calls: usize) -> Result<Measured, CallFailure> {
        let (version, transaction) = (Arc::clone(version), Arc::new(transaction.clone()));
        let task = self.guests().spawn(async move {
            let callable = &version.callable;
            let mut store = callable.store(&version.shared);
            let trap = |error: wasmtime::Error| CallFailure::Trap(error.root_cause().to_string());
            let instance = callable.pre.instantiate_async(&mut store).await.map_err(trap)?;
            let start = Instant::now();
            let mut each = Vec::with_capacity(calls);
            for _ in 0..calls {
                // Each call gets what a fresh one would have.
                store.data_mut().ticks = 0;
                store.set_hostcall_fuel(super::limits::HOST_CALL_BYTES);
                let before = Instant::now();
                Notify { transaction: Arc::clone(&transaction) }.call(callable, &mut store, &instance).await.map_err(trap)??;
                each.push(before.elapsed());
            }
            Ok(Measured { each, total: start.elapsed() })
        });
        task.await.unwrap_or_else(|error| Err(CallFailure::Trap(error.to_string())))
    }
}
