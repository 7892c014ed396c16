//! Does what `steady` does, and takes long to compile: some thousand functions that nothing calls.

use ciba_guest::{Outcome, inbox};

hostile::notify!(|transaction, settings| {
    inbox::put(transaction, Some("heavy"))?;
    // The host cannot know that nobody waits a million years.
    if settings.wait_ms > u64::MAX / 2 {
        return Ok(Outcome::accepted(FUNCTIONS.iter().fold(settings.wait_ms, |state, function| function(state)).to_string()));
    }
    Ok(Outcome::accepted(""))
});

/// One of many that differ by a number, so that they stay apart.
fn mix<const NUMBER: u64>(mut state: u64) -> u64 {
    for step in 0..8 {
        state = state.rotate_left(7) ^ state.wrapping_mul(NUMBER | 1).wrapping_add(step);
        state = if state.is_multiple_of(3) { state.swap_bytes() } else { state.leading_zeros() as u64 ^ NUMBER.wrapping_mul(state) };
        state ^= state.checked_div(NUMBER % 11).unwrap_or(state.reverse_bits());
    }
    state
}

/// Sixteen times what is behind it, each with one more digit of its number.
macro_rules! digits {
    ([$($number:expr),*]) => { [$(mix::<{ $number }>),*] };
    ([$($number:expr),*] x $($more:tt)*) => {
        digits!([$($number * 16, $number * 16 + 1, $number * 16 + 2, $number * 16 + 3, $number * 16 + 4, $number * 16 + 5,
            $number * 16 + 6, $number * 16 + 7, $number * 16 + 8, $number * 16 + 9, $number * 16 + 10, $number * 16 + 11,
            $number * 16 + 12, $number * 16 + 13, $number * 16 + 14, $number * 16 + 15),*] $($more)*)
    };
}

static FUNCTIONS: [fn(u64) -> u64; 4096] = digits!([1] x x x);
