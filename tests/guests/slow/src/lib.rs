//! Waits as long as its settings say before it answers. It computes nothing meanwhile.

use ciba_guest::Outcome;
use ciba_guest::bindings::wasi::clocks::monotonic_clock;

hostile::notify!(|_, settings| {
    monotonic_clock::subscribe_duration(settings.wait_ms * 1_000_000).block();
    Ok(Outcome::accepted("waited"))
});
