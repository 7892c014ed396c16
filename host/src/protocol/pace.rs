//! How fast a client may poll (CIBA Core 7.3 and 11).
//!
//! Kept in memory: losing it, on a restart, means leniency and nothing worse.

use jiff::{SignedDuration, Timestamp};

/// Seconds added to the interval for each poll that came too early (CIBA Core 11).
pub const SLOW_DOWN_SECONDS: i64 = 5;
/// After so many too early in a row, a client is not only slow to hear (CIBA Core 11 wants `invalid_request` for it).
const ABUSIVE: u32 = 10;
/// Networks are not metronomes: this much too early is forgiven.
const FORGIVEN: SignedDuration = SignedDuration::from_millis(500);

/// The pace of one request's polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    interval: SignedDuration,
    last_poll: Option<Timestamp>,
    /// Those that came too early since the last that did not.
    early: u32,
}

/// Whether a poll came at a fair time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did.
    Fair,
    /// Too early: `slow_down`.
    TooEarly,
    /// Too early, after many that were: `invalid_request`. The request stays as it is.
    Abusive,
}

impl Pace {
    /// A request that was never polled.
    pub fn new(interval_seconds: u32) -> Self {
        Self { interval: SignedDuration::from_secs(i64::from(interval_seconds)), last_poll: None, early: 0 }
    }

    /// Records a poll that found nothing decided. The first one is never too early.
    pub fn poll(&mut self, now: Timestamp) -> Verdict {
        let early = self.last_poll.is_some_and(|last| now.duration_since(last) + FORGIVEN < self.interval);
        self.last_poll = Some(now);
        self.early = if early { self.early.saturating_add(1) } else { 0 };
        if self.early > ABUSIVE {
            return Verdict::Abusive;
        }
        if early {
            self.interval += SignedDuration::from_secs(SLOW_DOWN_SECONDS);
            return Verdict::TooEarly;
        }
        Verdict::Fair
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_hears_nothing_is_told_so_and_a_fair_poll_ends_it() {
        let mut pace = Pace::new(5);
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(pace.poll(at(0)), Verdict::Fair);
        for poll in 1..=30 {
            assert_eq!(pace.poll(at(poll)), if poll > 10 { Verdict::Abusive } else { Verdict::TooEarly }, "poll {poll}");
        }
        // Ten times five seconds longer than the five at the beginning, and no more.
        assert_eq!(pace.poll(at(30 + 55)), Verdict::Fair);
        assert_eq!(pace.poll(at(30 + 56)), Verdict::TooEarly);
    }

    #[test]
    fn the_first_poll_is_fair_and_each_early_one_costs_five_seconds() {
        let mut pace = Pace::new(5);
        for (milliseconds, verdict) in [
            (0, Verdict::Fair),
            (4_400, Verdict::TooEarly),
            (14_000, Verdict::Fair),
            (23_600, Verdict::Fair),
            (24_000, Verdict::TooEarly),
            (38_000, Verdict::TooEarly),
            (58_000, Verdict::Fair),
        ] {
            let now = Timestamp::from_millisecond(milliseconds).unwrap();
            assert_eq!(pace.poll(now), verdict, "at {milliseconds} ms");
        }
    }
}
