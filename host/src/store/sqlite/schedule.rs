//! Which jobs there are, when they fall due, and which are given out: the table `job` as this process remembers it.
//!
//! The table is the truth and survives; this is read from it when the database is opened and changed after each commit
//! that changed the table. Looking for work then costs nothing while there is none, and a request that was just stored
//! need not be read back to be announced.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::rows::millis;
use crate::store::{Job, JobKind, Lane, Next};

/// Jobs kept whole. Those beyond are read back when they are due.
const WHOLE: usize = 10_000;

/// See the module. Times are milliseconds, as in the table.
#[derive(Default)]
pub(super) struct Schedule {
    /// Due time and row of every job that nobody works on, for each lane.
    for_plugins: BTreeSet<(i64, i64)>,
    for_clients: BTreeSet<(i64, i64)>,
    /// Every job, by row.
    jobs: HashMap<i64, Entry>,
    /// Those that need not be read back.
    whole: HashMap<i64, Job>,
}

#[derive(Clone, Copy)]
struct Entry {
    kind: JobKind,
    due_at: i64,
    leased: bool,
    /// Whoever is asked said when to come back: nothing that appears here changes that.
    patient: bool,
}

impl Schedule {
    /// There is a job, and it is free from `due_at` on.
    pub(super) fn add(&mut self, id: i64, kind: JobKind, due_at: i64) {
        self.remove(id);
        self.free(kind.lane()).insert((due_at, id));
        self.jobs.insert(id, Entry { kind, due_at, leased: false, patient: false });
    }

    /// Whoever works on a job says what becomes of it.
    pub(super) fn worked_on(&mut self, id: i64, kind: JobKind, next: Next) {
        match next {
            Next::End => self.remove(id),
            Next::GoOn => {}
            Next::Wait(at) => self.add(id, kind, millis(at)),
            Next::NotBefore(at) => {
                self.add(id, kind, millis(at));
                if let Some(entry) = self.jobs.get_mut(&id) {
                    entry.patient = true;
                }
            }
        }
    }

    /// There is a job, and this is all of it.
    pub(super) fn add_whole(&mut self, job: Job, due_at: i64) {
        self.add(job.id, job.kind, due_at);
        if self.whole.len() < WHOLE {
            self.whole.insert(job.id, job);
        }
    }

    /// The job is due at another time, unless somebody works on it and will say so themselves.
    pub(super) fn reschedule(&mut self, id: i64, due_at: i64) {
        if let Some(entry) = self.jobs.get(&id).filter(|entry| !entry.leased) {
            self.add(id, entry.kind, due_at);
        }
    }

    /// Every notification that waits for something to appear here is due at once.
    pub(super) fn hasten_notifications(&mut self, now: Timestamp) {
        let late = |(id, entry): (&i64, &Entry)| {
            (!entry.leased && !entry.patient && entry.kind == JobKind::Notify && entry.due_at > millis(now)).then_some(*id)
        };
        for id in self.jobs.iter().filter_map(late).collect::<Vec<_>>() {
            self.reschedule(id, millis(now));
        }
    }

    /// How many jobs there are of each kind, due or not.
    pub(super) fn count(&self) -> Vec<(JobKind, usize)> {
        let mut counts = JobKind::ALL.map(|kind| (kind, 0));
        for entry in self.jobs.values() {
            counts.iter_mut().filter(|(kind, _)| *kind == entry.kind).for_each(|(_, count)| *count += 1);
        }
        counts.to_vec()
    }

    /// The job has ended.
    pub(super) fn remove(&mut self, id: i64) {
        self.whole.remove(&id);
        if let Some(entry) = self.jobs.remove(&id) {
            self.free(entry.kind.lane()).remove(&(entry.due_at, id));
        }
    }

    /// Gives out up to `most` jobs of this lane that are due, the longest due first: the row, and the job where it is
    /// known whole.
    pub(super) fn lease(&mut self, lane: Lane, now: Timestamp, most: usize) -> Vec<(i64, Option<Job>)> {
        let mut given = Vec::new();
        while given.len() < most
            && let Some((due_at, id)) = self.free(lane).first().copied()
            && due_at <= millis(now)
        {
            self.free(lane).pop_first();
            if let Some(entry) = self.jobs.get_mut(&id) {
                entry.leased = true;
            }
            given.push((id, self.whole.remove(&id)));
        }
        given
    }

    /// Nobody works on it any more.
    pub(super) fn release(&mut self, id: i64, at: Timestamp) {
        if let Some(entry) = self.jobs.get(&id).filter(|entry| entry.leased).copied() {
            self.add(id, entry.kind, millis(at));
        }
    }

    fn free(&mut self, lane: Lane) -> &mut BTreeSet<(i64, i64)> {
        match lane {
            Lane::Plugins => &mut self.for_plugins,
            Lane::Clients => &mut self.for_clients,
        }
    }
}
