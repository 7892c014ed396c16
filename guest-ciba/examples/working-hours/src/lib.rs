//! Asks nobody outside working hours, unless they are on call.

use ciba_guest::review_request::Verdict;
use ciba_guest::{Description, Plugin, Problem, ReviewRequest, ScriptError, Transaction, clock};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// From UTC, `+01:00`. A plugin has no table of time zones: whoever has summer time writes another one twice a year.
    offset: String,
    days: Vec<String>,
    from: String,
    to: String,
    /// Subject identifiers with white space between them: what a script that knows the rota writes into a file.
    #[serde(default)]
    on_call: String,
}

struct WorkingHours;

impl Plugin for WorkingHours {
    type Settings = Settings;

    fn describe() -> Description {
        ciba_guest::description!("Asks nobody outside working hours, unless they are on call.")
            .settings_schema(include_str!("settings.schema.json"))
    }

    /// What the schema lets pass and makes no sense. So `review` can rely on it.
    fn validate_settings(settings: &Settings) -> Result<(), Vec<Problem>> {
        if settings.from < settings.to {
            return Ok(());
        }
        Err(vec![Problem::new("/to", "must be later than `from`, on the same day")])
    }
}

impl ReviewRequest for WorkingHours {
    fn review(transaction: &Transaction, settings: Settings) -> Result<Verdict, ScriptError> {
        let person = transaction.user_id();
        let on_call = person.is_some_and(|person| settings.on_call.split_whitespace().any(|one| one == person));
        if on_call || settings.is_open(clock::now()) {
            return Ok(Verdict::Ask(Vec::new()));
        }
        Ok(Verdict::Refuse("outside working hours, and the person is not on call".into()))
    }
}

impl Settings {
    /// Whether people work at this moment, in seconds since 1970.
    fn is_open(&self, now: u64) -> bool {
        // 1970 began on a Thursday.
        const DAYS: [&str; 7] = ["thursday", "friday", "saturday", "sunday", "monday", "tuesday", "wednesday"];
        let east = if self.offset.starts_with('-') { -1 } else { 1 };
        let minute = (now / 60).cast_signed() + east * minutes(&self.offset[1..]);
        let day = DAYS[minute.div_euclid(24 * 60).rem_euclid(7).unsigned_abs() as usize];
        let hours = minutes(&self.from)..minutes(&self.to);
        self.days.iter().any(|open| open == day) && hours.contains(&minute.rem_euclid(24 * 60))
    }
}

/// The minutes of `07:30`, which the schema has looked at.
fn minutes(time: &str) -> i64 {
    let number = |part: &str| part.parse().unwrap_or(0);
    time.split_once(':').map_or(0, |(hours, minutes)| 60 * number(hours) + number(minutes))
}

ciba_guest::plugin!(WorkingHours: review_request);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_looked_at_where_people_are() {
        // A Tuesday, 23:30 in Greenwich.
        let tuesday = 1_763_508_600;
        for (offset, day, from, to, open) in [
            ("+00:00", "tuesday", "23:30", "24:00", true),
            ("+00:00", "tuesday", "08:00", "23:30", false),
            ("+00:00", "wednesday", "00:00", "24:00", false),
            ("+01:00", "wednesday", "00:30", "01:00", true),
            ("-08:00", "tuesday", "15:00", "16:00", true),
            ("-08:00", "wednesday", "00:00", "24:00", false),
            ("+05:45", "wednesday", "05:15", "05:16", true),
        ] {
            let (offset, from, to, days) = (offset.to_owned(), from.to_owned(), to.to_owned(), vec![day.to_owned()]);
            let settings = Settings { offset, days, from, to, on_call: String::new() };
            assert_eq!(settings.is_open(tuesday), open, "{} {day} {}", settings.offset, settings.from);
        }
    }
}
