//! How often somebody may do something, and how long whoever keeps failing has to wait.
//!
//! Only the rules: who is counted, and where that is remembered, is `flow/limits.rs`.

use jiff::{SignedDuration, Timestamp};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// So many a minute (the generic cell rate algorithm). A minute's worth may come at once; after that, each place comes
/// back in its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What one of them costs.
    cost: SignedDuration,
}

/// What one party has used of its rate: everything, at that moment, will have come back. Nothing was used by default.
pub type Used = Timestamp;

impl Rate {
    /// `None` for 0, which is no limit.
    pub fn per_minute(most: u32) -> Option<Self> {
        (most > 0).then(|| Self { cost: MINUTE / i32::try_from(most).unwrap_or(i32::MAX) })
    }

    /// Uses one, if there is one left.
    ///
    /// # Errors
    /// How long it takes until there is one. Nothing was used: whoever insists waits no longer for it.
    pub fn take(self, used: &mut Used, now: Timestamp) -> Result<(), SignedDuration> {
        self.left(*used, now)?;
        self.count(used, now);
        Ok(())
    }

    /// Whether there is one left.
    ///
    /// # Errors
    /// How long it takes until there is one.
    pub fn left(self, used: Used, now: Timestamp) -> Result<(), SignedDuration> {
        let too_much = self.after(used, now).duration_since(now) - MINUTE;
        if too_much.is_positive() { Err(too_much) } else { Ok(()) }
    }

    /// Uses one, whether there is one left or not. Never more than are left after a minute: so a flood ends with it.
    pub fn count(self, used: &mut Used, now: Timestamp) {
        *used = self.after(*used, now).min(now + MINUTE);
    }

    fn after(self, used: Used, now: Timestamp) -> Timestamp {
        // A clock that was set back must not lock anybody out for long.
        used.clamp(now, now + MINUTE) + self.cost
    }
}

/// After so many failures, nobody looks at what is shown for a while, and for twice as long after each further one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockout {
    failures: u32,
    longest: SignedDuration,
}

/// How often one party has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    count: u32,
    /// When the last one was, or until when it is locked out.
    until: Timestamp,
}

impl Failures {
    /// The last failure was none. A lockout that it began ends with it.
    pub fn take_back(&mut self) {
        self.count = self.count.saturating_sub(1);
    }
}

impl Lockout {
    /// Locked out are those who fail so often, each time no more than `minutes` after the time before; first for a
    /// minute, and for `minutes` at the most. `None` for 0, which is no lockout.
    pub fn new(failures: u32, minutes: u32) -> Option<Self> {
        (failures > 0 && minutes > 0).then(|| Self { failures, longest: SignedDuration::from_mins(i64::from(minutes)) })
    }

    /// The same with so many times as many failures.
    #[must_use]
    pub fn times(self, factor: u32) -> Self {
        Self { failures: self.failures.saturating_mul(factor), ..self }
    }

    /// Whether what is shown may be looked at.
    ///
    /// # Errors
    /// How long it is not.
    pub fn open(self, failures: &Failures, now: Timestamp) -> Result<(), SignedDuration> {
        let wait = failures.until.duration_since(now);
        // No longer than the longest, even if the clock was set back.
        if failures.count >= self.failures && wait.is_positive() { Err(wait.min(self.longest)) } else { Ok(()) }
    }

    /// Counts a failure. Answers for how long nobody looks now, if this one locks out.
    pub fn failed(self, failures: &mut Failures, now: Timestamp) -> Option<SignedDuration> {
        if now.duration_since(failures.until) >= self.longest {
            *failures = Failures::default();
        }
        failures.count = failures.count.saturating_add(1);
        let beyond = failures.count.checked_sub(self.failures);
        let locked = beyond.map(|beyond| (MINUTE * (1 << beyond.min(20))).min(self.longest));
        failures.until = now + locked.unwrap_or_default();
        locked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_minutes_worth_may_come_at_once_and_each_place_comes_back_in_its_turn() {
        let rate = Rate::per_minute(4).unwrap();
        let mut used = Used::default();
        for (second, taken) in [
            (0, Ok(())),
            (0, Ok(())),
            (0, Ok(())),
            (0, Ok(())),
            (0, Err(15)),
            // Who insists waits no longer.
            (5, Err(10)),
            (15, Ok(())),
            (15, Err(15)),
            (45, Ok(())),
            (45, Ok(())),
            (45, Err(15)),
            (1000, Ok(())),
        ] {
            assert_eq!(rate.take(&mut used, at(second)).map_err(|wait| wait.as_secs()), taken, "at {second} s");
        }
    }

    #[test]
    fn what_is_counted_in_any_case_never_waits_longer_than_for_one() {
        let rate = Rate::per_minute(60).unwrap();
        let mut used = Used::default();
        for _ in 0..1000 {
            rate.count(&mut used, at(0));
        }
        assert_eq!(rate.left(used, at(0)), Err(SignedDuration::from_secs(1)));
        assert_eq!(rate.left(used, at(1)), Ok(()));
        // The clock is set back by a day.
        assert_eq!(rate.left(used, at(-86_400)), Err(SignedDuration::from_secs(1)));
    }

    #[test]
    fn nothing_is_no_limit() {
        assert_eq!(Rate::per_minute(0), None);
        assert_eq!((Lockout::new(0, 15), Lockout::new(5, 0)), (None, None));
        assert!(Rate::per_minute(u32::MAX).unwrap().take(&mut Used::default(), at(0)).is_ok());
    }

    #[test]
    fn after_three_failures_nobody_looks_for_longer_and_longer() {
        let lockout = Lockout::new(3, 15).unwrap();
        let mut failures = Failures::default();
        let mut second = 0;
        for locked in [0, 0, 1, 2, 4, 8, 15, 15] {
            assert_eq!(lockout.open(&failures, at(second)), Ok(()), "at {second} s");
            let minutes = lockout.failed(&mut failures, at(second)).map_or(0, |locked| locked.as_secs() / 60);
            assert_eq!(minutes, locked, "at {second} s");
            if locked > 0 {
                assert_eq!(lockout.open(&failures, at(second + 1)), Err(SignedDuration::from_secs(locked * 60 - 1)));
            }
            second += locked * 60;
        }
        // Fifteen minutes after the end they are forgotten.
        assert_eq!(lockout.failed(&mut failures.clone(), at(second + 899)), Some(SignedDuration::from_mins(15)));
        assert_eq!(lockout.failed(&mut failures, at(second + 900)), None);
    }

    #[test]
    fn a_failure_that_was_none_is_taken_back_with_the_lockout_it_began() {
        let lockout = Lockout::new(2, 15).unwrap();
        let mut failures = Failures::default();
        lockout.failed(&mut failures, at(0));
        assert!(lockout.failed(&mut failures, at(0)).is_some() && lockout.open(&failures, at(1)).is_err());
        failures.take_back();
        assert_eq!(lockout.open(&failures, at(1)), Ok(()));
        assert!(lockout.failed(&mut failures, at(1)).is_some(), "the one before it was forgotten as well");
        let mut none = Failures::default();
        none.take_back();
        assert_eq!(none, Failures::default());
    }

    #[test]
    fn failures_that_lie_far_apart_lock_nobody_out() {
        let lockout = Lockout::new(2, 15).unwrap();
        let mut failures = Failures::default();
        for day in 0..100 {
            assert_eq!(lockout.failed(&mut failures, at(day * 86_400)), None);
        }
        assert_eq!(lockout.times(3).failures, 6);
    }
}
