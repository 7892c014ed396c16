//! How long a guest has been computing. Waiting for a host call is none of it: only what passes while the call is polled
//! counts.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time of one call. Read by whoever interrupts the guest, on the thread that polls.
#[derive(Clone, Debug)]
pub(super) struct Running(Arc<Clock>);

#[derive(Debug)]
struct Clock {
    made: Instant,
    /// Nanoseconds of polls that have ended.
    ended: AtomicU64,
    /// When this poll began, in nanoseconds since `made`.
    began: AtomicU64,
}

impl Running {
    pub(super) fn new() -> Self {
        Self(Arc::new(Clock { made: Instant::now(), ended: AtomicU64::new(0), began: AtomicU64::new(0) }))
    }

    /// For the next call of an instance.
    pub(super) fn begin_again(&self) {
        self.0.ended.store(0, Ordering::Relaxed);
        self.0.began.store(self.now(), Ordering::Relaxed);
    }

    /// So long until now, asked from within a poll.
    pub(super) fn so_far(&self) -> Duration {
        let this_poll = self.now().saturating_sub(self.0.began.load(Ordering::Relaxed));
        Duration::from_nanos(self.0.ended.load(Ordering::Relaxed) + this_poll)
    }

    /// The same future, whose polls count.
    pub(super) async fn count<F: Future>(&self, call: F) -> F::Output {
        let mut call = pin!(call);
        poll_fn(|context| {
            let began = self.now();
            self.0.began.store(began, Ordering::Relaxed);
            let polled = call.as_mut().poll(context);
            self.0.ended.fetch_add(self.now().saturating_sub(began), Ordering::Relaxed);
            polled
        })
        .await
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.made.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_is_not_computing() {
        let (running, start) = (Running::new(), Instant::now());
        let waits = async {
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            running.so_far()
        };
        let counted = running.count(waits).await;
        assert!(counted < start.elapsed() / 2, "{counted:?} of {:?}", start.elapsed());
    }

    #[tokio::test]
    async fn computing_counts_until_the_next_call_begins() {
        let running = Running::new();
        let computed = running.count(async {
            let until = Instant::now() + Duration::from_millis(20);
            while Instant::now() < until {}
            running.so_far()
        });
        assert!(computed.await >= Duration::from_millis(20));
        running.begin_again();
        assert!(running.count(async { running.so_far() }).await < Duration::from_millis(20));
    }
}
