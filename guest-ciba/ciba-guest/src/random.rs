//! Unpredictable bytes, fit for keys and nonces.

/// As many random bytes as you ask for.
pub fn bytes(count: u64) -> Vec<u8> {
    crate::bindings::wasi::random::random::get_random_bytes(count)
}
