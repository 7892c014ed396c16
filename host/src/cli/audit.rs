//! `ciba-host audit`

use anyhow::Context as _;
use clap::Args;
use jiff::{Span, SpanRelativeTo, Timestamp};

use super::{Common, ask, print};
use crate::clock::Clock;
use crate::flow::operator::Command;
use crate::store::AuditEntry;

#[derive(Debug, Args)]
pub(super) struct Audit {
    /// No lines before this: a time, for example 2026-11-24T09:00Z, or how long ago, for example 2h or 7d.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only lines with this in them: who it was, what they did, or to what; for example `rollback`, or a plugin's name.
    #[arg(long, value_name = "WORD")]
    what: Option<String>,
    /// How many at most: the newest.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
}

impl Audit {
    pub(super) fn run(self, common: &Common) -> anyhow::Result<()> {
        let since = self.since.map(|text| parse(&text, Clock::System.now())).transpose()?;
        let entries: Vec<AuditEntry> = ask::ask(common, Command::AuditList { most: self.limit, since, word: self.what })?;
        if common.json {
            return print::json(&entries);
        }
        let rows: Vec<[String; 4]> = entries.into_iter().map(|entry| [print::time(entry.at), entry.who, entry.what, entry.about]).collect();
        print::table(["WHEN", "WHO", "WHAT", "ABOUT"], &rows, "Nothing.");
        Ok(())
    }
}

/// A time, or one that was so long ago.
fn parse(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let expected = || format!("`{}` is no time: write one like 2026-11-24T09:00Z, or how long ago like 2h or 7d", text.escape_debug());
    let ago: Span = text.parse().with_context(expected)?;
    let ago = ago.to_duration(SpanRelativeTo::days_are_24_hours()).with_context(expected)?;
    now.checked_sub(ago).with_context(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_one_or_how_long_ago() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (text, expected) in
            [("2026-11-24T09:00Z", "2026-11-24T09:00:00Z"), ("2h", "2026-11-24T10:00:00Z"), ("7d", "2026-11-17T12:00:00Z")]
        {
            assert_eq!(parse(text, now).unwrap().to_string(), expected);
        }
        for text in ["", "yesterday", "2 moons", "99999999999999d", "1y"] {
            assert!(format!("{:#}", parse(text, now).unwrap_err()).contains("is no time"), "{text}");
        }
    }
}
