//! The time. Rust's own clocks do not work in a component without WASI.

use crate::bindings::wasi::clocks::wall_clock;

/// Seconds since 1970-01-01T00:00:00Z.
pub fn now() -> u64 {
    wall_clock::now().seconds
}
