//! A point in time on a page: exact for programs, UTC for readers without JavaScript, the reader's own zone with it.

use jiff::{Timestamp, fmt::strtime};
use serde::Serialize;

use super::markup::Markup;

/// Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Moment(pub i64);

impl Moment {
    /// `14:03`. A page with JavaScript says it in the reader's zone, one without says "UTC" with it.
    #[must_use]
    pub fn clock(self) -> Markup {
        self.element("clock", "%H:%M UTC")
    }

    /// `14:03:27`, for logs.
    #[must_use]
    pub fn clock_seconds(self) -> Markup {
        self.element("seconds", "%H:%M:%S UTC")
    }

    /// `2026-11-23 14:03`, for lists that span days.
    #[must_use]
    pub fn day_and_clock(self) -> Markup {
        self.element("day", "%Y-%m-%d %H:%M UTC")
    }

    /// Seconds left from `now_ms` (unix milliseconds) to this moment, as `1:42`; never negative.
    #[must_use]
    pub fn remaining(self, now_ms: i64) -> String {
        let left = (self.0 - now_ms.div_euclid(1000)).max(0);
        let (minutes, seconds) = (left / 60, left % 60);
        if minutes < 60 { format!("{minutes}:{seconds:02}") } else { format!("{}:{:02}:{seconds:02}", minutes / 60, minutes % 60) }
    }

    /// Unix milliseconds, as the pages' scripts count.
    #[must_use]
    pub fn milliseconds(self) -> i64 {
        self.0.saturating_mul(1000)
    }

    fn element(self, form: &str, pattern: &str) -> Markup {
        let shown = self.format(pattern);
        let exact = self.format("%Y-%m-%dT%H:%M:%SZ");
        Markup::trusted(format!("<time dir=\"ltr\" datetime=\"{exact}\" data-form=\"{form}\">{shown}</time>"))
    }

    /// Out of the calendar's range is shown as a number: wrong data must not take the page down.
    fn format(self, pattern: &str) -> String {
        Timestamp::from_second(self.0)
            .ok()
            .and_then(|timestamp| strtime::format(pattern, timestamp).ok())
            .unwrap_or_else(|| self.0.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_counted_from_the_handed_in_clock() {
        for (now_ms, shown) in [(0, "1:42"), (41_999, "1:01"), (102_000, "0:00"), (500_000, "0:00"), (-3_600_000, "1:01:42")] {
            assert_eq!(Moment(102).remaining(now_ms), shown, "at {now_ms}");
        }
    }

    #[test]
    fn a_time_beyond_the_calendar_is_still_a_page() {
        assert!(Moment(i64::MAX).clock().to_string().contains("<time"));
    }
}
