//! Calls itself until the stack is used up.

use ciba_guest::Outcome;

hostile::notify!(|_, _| Ok(Outcome::accepted(deeper(u64::MAX).to_string())));

/// Each step needs the result of the next, in a way that no compiler turns into a loop.
#[inline(never)]
#[expect(unconditional_recursion, reason = "that is what this guest is for")]
fn deeper(step: u64) -> u64 {
    core::hint::black_box(deeper(core::hint::black_box(step) - 1)).rotate_left(7) ^ step
}
