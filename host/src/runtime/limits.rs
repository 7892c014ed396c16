//! What one call may use. Every limit is on by default.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmtime::ResourceLimiter;

/// What one call of a hook may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallLimits {
    /// Memory of all its linear memories together, in MiB.
    pub memory_mib: u32,
    /// Computing time in milliseconds, looked at every ten. Waiting for a host call is none of it.
    pub cpu_ms: u32,
    /// Time from start to end in milliseconds, waiting included.
    pub wall_ms: u32,
    /// Lines it may log.
    pub log_lines: u32,
    /// Bytes of one answer to an HTTP request of its own.
    pub http_response_kib: u32,
    /// HTTP requests that one call has under way at the same time. Further ones wait for their turn.
    pub http_per_call: u32,
    /// The same for all calls of one plugin together.
    pub http_per_plugin: u32,
    /// Calls of one plugin at the same time.
    pub concurrency: u32,
    /// What one plugin keeps: keys and values together, in KiB.
    pub storage_kib: u32,
    /// Keys that one plugin keeps.
    pub storage_keys: u32,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            memory_mib: 64,
            cpu_ms: 100,
            wall_ms: 5_000,
            log_lines: 100,
            http_response_kib: 256,
            http_per_call: 8,
            http_per_plugin: 64,
            concurrency: 32,
            storage_kib: 1024,
            storage_keys: 1000,
        }
    }
}

impl CallLimits {
    /// The same for the trial, in which a plugin does nothing but describe itself.
    pub fn for_trial(self) -> Self {
        Self { cpu_ms: self.cpu_ms.max(1_000), wall_ms: 2_000, ..self }
    }

    /// Limits under which nothing could ever run, or that are none.
    ///
    /// # Errors
    /// Which one, and what was expected.
    pub fn check(&self) -> Result<(), String> {
        for (limit, key, most) in [
            // No linear memory is larger.
            (self.memory_mib, "memory_mib", 4_096),
            (self.cpu_ms, "cpu_ms", u32::MAX),
            (self.wall_ms, "wall_ms", u32::MAX),
            // All of it is held in the host's memory.
            (self.http_response_kib, "http_response_kib", 1 << 20),
            (self.http_per_call, "http_per_call", u32::MAX),
            (self.http_per_plugin, "http_per_plugin", u32::MAX),
            (self.concurrency, "concurrency", u32::MAX),
        ] {
            match limit {
                0 => return Err(format!("{key} must be at least 1")),
                limit if limit > most => return Err(format!("{key} is {limit}; at most {most}")),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn wall(self) -> Duration {
        Duration::from_millis(u64::from(self.wall_ms))
    }
}

/// The longest log line that is kept, in bytes.
pub(super) const LOG_LINE_BYTES: usize = 1_024;
/// What the host copies out of a guest in one host call, in bytes: wasmtime's default is 128 MiB.
pub(super) const HOST_CALL_BYTES: usize = 4 << 20;
/// Random bytes of one host call: wasmtime's default is 64 MiB, which the host would hold beside the guest's own.
pub(super) const RANDOM_BYTES: u64 = 1 << 20;
/// The longest reference of a notification that is kept for `withdraw`, in bytes.
pub(super) const REFERENCE_BYTES: usize = 4 << 10;
/// The longest explanation of a failure that is handed on, in bytes.
pub(super) const WORDS_BYTES: usize = 1 << 10;
/// Handles one call may hold: wasmtime's default is without limit.
pub(super) const HANDLES: usize = 1_000;
/// Handles that an instance may hold between two calls, of those that lead to nothing of a call: one for each of its
/// HTTP requests, in some languages.
pub(super) const HANDLES_KEPT: usize = 100;
/// Header bytes of one HTTP message.
pub(super) const HTTP_FIELDS_BYTES: usize = 32 << 10;
/// Elements of all its tables together: function pointers, for the most part.
const TABLE_ELEMENTS: usize = 100_000;
/// Core instances of one component: componentize-py makes some fifteen.
const INSTANCES: usize = 64;

/// Adds up what wasmtime asks for one memory at a time.
#[derive(Debug)]
pub(super) struct Budget {
    memory: usize,
    memory_max: usize,
    /// What was last allowed to a memory, until it is known whether it got it.
    growth: usize,
    elements: usize,
    /// Whether a growth was refused: then a trap is said to be about memory.
    pub(super) exhausted: bool,
}

impl Budget {
    pub(super) fn new(limits: &CallLimits) -> Self {
        Self { memory: 0, memory_max: (limits.memory_mib as usize) << 20, growth: 0, elements: 0, exhausted: false }
    }

    /// What all linear memories have together, in bytes. They only grow, so it is the most that they had.
    pub(super) fn held(&self) -> usize {
        self.memory
    }
}

impl ResourceLimiter for Budget {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let growth = desired.saturating_sub(current);
        let total = self.memory.saturating_add(growth);
        let fits = total <= self.memory_max;
        if fits {
            (self.memory, self.growth) = (total, growth);
        } else {
            self.exhausted = true;
        }
        Ok(fits)
    }

    /// It was allowed, and the memory's own maximum or the operating system said no.
    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory = self.memory.saturating_sub(std::mem::take(&mut self.growth));
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.elements.saturating_add(desired.saturating_sub(current));
        let fits = total <= TABLE_ELEMENTS;
        if fits {
            self.elements = total;
        }
        Ok(fits)
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        INSTANCES
    }

    fn memories(&self) -> usize {
        INSTANCES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_was_not_had_is_not_counted() {
        let mut budget = Budget::new(&CallLimits { memory_mib: 2, ..CallLimits::default() });
        for _ in 0..10 {
            assert!(budget.memory_growing(0, 1 << 20, None).unwrap());
            budget.memory_grow_failed(wasmtime::Error::msg("no")).unwrap();
        }
        assert!(budget.memory_growing(0, 2 << 20, None).unwrap());
        assert!(!budget.memory_growing(0, 1, None).unwrap() && budget.exhausted);
    }
}
