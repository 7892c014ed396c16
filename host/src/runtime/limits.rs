//! What one call may use. Every limit is on by default.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmtime::ResourceLimiter;

/// What one call of a hook may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallLimits {
    /// Memory of all its linear memories together, in MiB.
    pub memory_mib: u32,
    /// Computing time in milliseconds, counted in ticks of ten.
    pub cpu_ms: u32,
    /// Time from start to end in milliseconds, waiting included.
    pub wall_ms: u32,
    /// Lines it may log.
    pub log_lines: u32,
    /// Bytes of one answer to an HTTP request of its own.
    pub http_response_kib: u32,
    /// Calls of one plugin at the same time.
    pub concurrency: u32,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self { memory_mib: 64, cpu_ms: 100, wall_ms: 5_000, log_lines: 100, http_response_kib: 256, concurrency: 32 }
    }
}

impl CallLimits {
    /// The same for the trial, in which a plugin does nothing but describe itself.
    pub fn for_trial(self) -> Self {
        Self { cpu_ms: self.cpu_ms.max(1_000), wall_ms: 2_000, ..self }
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
    elements: usize,
    /// Whether a growth was refused: then a trap is said to be about memory.
    pub(super) exhausted: bool,
}

impl Budget {
    pub(super) fn new(limits: &CallLimits) -> Self {
        Self { memory: 0, memory_max: (limits.memory_mib as usize) << 20, elements: 0, exhausted: false }
    }
}

impl ResourceLimiter for Budget {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_add(desired.saturating_sub(current));
        let fits = total <= self.memory_max;
        if fits {
            self.memory = total;
        } else {
            self.exhausted = true;
        }
        Ok(fits)
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
