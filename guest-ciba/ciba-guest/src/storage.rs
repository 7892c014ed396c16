//! Values that outlast the call and a restart, your plugin's own. The operator allows it with `--storage`.
//!
//! Calls run at the same time, also of one plugin: a value that depends on the one before is written with
//! [`Condition::Unchanged`], and read again where that answers nothing.

pub use crate::bindings::ciba::interception::storage::{Condition, Entry, delete, get, keys, set};

use crate::Refusal;

/// Writes a value whatever was there, and keeps it.
///
/// # Errors
///
/// When the operator has not allowed `storage`, or there is no room.
pub fn put(key: &str, value: &[u8]) -> Result<(), Refusal> {
    set(key, value, None, Condition::Always).map(drop)
}

/// Writes a value that nobody has written before, and that is forgotten after so many seconds: answers whether it did.
/// So something happens once, however often the hook is called.
///
/// # Errors
///
/// When the operator has not allowed `storage`, or there is no room.
pub fn once(key: &str, seconds: u32) -> Result<bool, Refusal> {
    Ok(set(key, b"", Some(seconds), Condition::Absent)?.is_some())
}
