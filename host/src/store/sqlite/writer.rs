//! The one thread that writes, and commits many waiting requests with one fsync.
//!
//! Each piece of work runs in a savepoint, so that one that fails does not touch its neighbours. Nobody is
//! answered before the commit is durable.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::Memory;
use super::checkpoint::Wake;
use crate::store::{Answer, JobKind, Numbers, StoreError};

/// Writes that may wait. Beyond this the store says that it is overloaded.
const QUEUE: usize = 4096;
/// The most writes in one commit: bounds how long the first of them waits for the last.
const GROUP_MAX: usize = 1024;
/// How long a commit waits for more writes, once they have begun to come together: each commit has a price of its own
/// (the pages that everybody touches, the fsync, the change of threads), which more writes then share. Whoever writes
/// alone never waits.
const LINGER: Duration = Duration::from_micros(150);
/// How many writes the commit before must have had.
const TOGETHER: usize = 4;

/// One piece of work: does its writes, and gives back how to answer once they are durable. Where no transaction
/// could begin it only answers.
type Work = Box<dyn FnOnce(Result<&Connection, StoreError>) -> Done + Send>;

/// A piece of work that ran.
struct Done {
    /// Whether its writes are kept.
    keep: bool,
    /// Answers, with what became of the commit.
    answer: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

/// What the writer did.
#[derive(Default)]
pub(super) struct Commits {
    commits: AtomicU64,
    writes: AtomicU64,
    nanos: AtomicU64,
    failed: AtomicU64,
}

impl Commits {
    fn count(&self, writes: usize, took: Duration, failed: bool) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.writes.fetch_add(writes as u64, Ordering::Relaxed);
        self.nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.failed.fetch_add(u64::from(failed), Ordering::Relaxed);
    }

    pub(super) fn numbers(&self, jobs: Vec<(JobKind, usize)>) -> Numbers {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let committing = Duration::from_nanos(read(&self.nanos));
        Numbers { commits: read(&self.commits), writes: read(&self.writes), committing, failed: read(&self.failed), jobs }
    }
}

pub(super) struct Writer {
    queue: Option<SyncSender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, wake: Arc<Wake>, memory: Arc<Memory>) -> std::io::Result<Self> {
        let (queue, work) = sync_channel(QUEUE);
        let thread =
            std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || write_all(connection, &work, &wake, &memory))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Queues `work` now; the answer comes after the commit. What is kept in memory is changed by `then`, which runs on
    /// the writer's thread in the order of the commits, before the answer, and also when nobody waits for that any more.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        then: impl FnOnce(&Result<T, StoreError>) + Send + 'static,
    ) -> Answer<'static, T> {
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |connection| {
            let result = connection.and_then(|connection| {
                catch_unwind(AssertUnwindSafe(|| work(connection))).unwrap_or_else(|panic| Err(StoreError::Backend(panic_message(&*panic))))
            });
            Done {
                keep: result.is_ok(),
                answer: Box::new(move |commit| {
                    // Its own error says more than that of a commit that could not happen because of it.
                    let result = result.and_then(|written| commit.map(|()| written));
                    then(&result);
                    // The one who asked may have gone away; what they wrote stays.
                    drop(answer.send(result));
                }),
            }
        });
        let queued = match &self.queue {
            Some(queue) => queue.try_send(work),
            None => Err(TrySendError::Disconnected(work)),
        };
        Box::pin(async move {
            match queued {
                Ok(()) => answered.await.unwrap_or(Err(StoreError::Closed)),
                Err(TrySendError::Full(_)) => Err(StoreError::Overloaded { waiting: QUEUE }),
                Err(TrySendError::Disconnected(_)) => Err(StoreError::Closed),
            }
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Closing the queue lets the thread finish what waits in it.
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write_all(connection: Connection, queue: &Receiver<Work>, wake: &Wake, memory: &Memory) {
    let mut writes = 0;
    while let Ok(first) = queue.recv() {
        if writes >= TOGETHER {
            // Asleep and not waiting at the queue, where each write that comes would wake this thread.
            std::thread::sleep(LINGER);
        }
        let mut done = Vec::new();
        let start = Instant::now();
        let committed = group(&connection, first, queue, &mut done).map_err(StoreError::from);
        if committed.is_err() && !connection.is_autocommit() {
            // Whatever is left open would refuse the next BEGIN.
            if let Err(error) = connection.execute_batch("ROLLBACK") {
                tracing::error!(%error, "a transaction could not be rolled back");
            }
        }
        writes = done.len();
        memory.commits.count(writes, start.elapsed(), committed.is_err());
        // Whoever has an answer finds that those who wait for events were woken.
        memory.events.ended();
        for Done { answer, .. } in done {
            answer(committed.clone());
        }
        wake.after_commit(&connection, writes);
    }
}

/// Runs everything that waits, in one transaction.
fn group(connection: &Connection, first: Work, queue: &Receiver<Work>, done: &mut Vec<Done>) -> rusqlite::Result<()> {
    let run = |sql| connection.prepare_cached(sql)?.execute([]).map(drop);
    if let Err(error) = run("BEGIN IMMEDIATE") {
        done.push(first(Err(StoreError::Backend(error.to_string()))));
        return Err(error);
    }
    let mut next = Some(first);
    while let Some(work) = next {
        // The one after is taken first: work without neighbours needs no savepoint.
        let after = if done.len() + 1 < GROUP_MAX { queue.try_recv().ok() } else { None };
        let alone = done.is_empty() && after.is_none();
        if alone {
            let one = work(Ok(connection));
            let keep = one.keep;
            done.push(one);
            return run(if keep { "COMMIT" } else { "ROLLBACK" });
        }
        if let Err(error) = run("SAVEPOINT one") {
            for unable in [Some(work), after].into_iter().flatten() {
                done.push(unable(Err(StoreError::Backend(error.to_string()))));
            }
            return Err(error);
        }
        let one = work(Ok(connection));
        let keep = one.keep;
        done.push(one);
        if !keep {
            run("ROLLBACK TO one")?;
        }
        run("RELEASE one")?;
        next = after;
    }
    run("COMMIT")
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    format!("a write panicked: {}", text.unwrap_or_default())
}
