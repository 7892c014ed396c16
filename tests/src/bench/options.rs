//! What to measure and how long, from the command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

pub const USAGE: &str = "\
bench [SECTION…] [--rounds N] [--seconds N] [--flows N] [--held N] [--only ciba-host|oidc-provider] [--program PATH]

sections (all, unless some are named):
  hooks     a hook call, fresh and warm
  store     transactions per second, on this disk and with a slow fsync
  flow      complete authentications beside oidc-provider
  start     from start to ready, idle memory
  swap      from a dropped plugin to serving it
  many      a thousand plugins: start, memory, calls
  hostile   /token while guests loop on every processor
  slow-peer /token while 64 notifications wait for a push service
  long-poll polls that are held: memory, and time from decision to tokens";

pub const SECTIONS: [&str; 9] = ["hooks", "store", "flow", "start", "swap", "many", "hostile", "slow-peer", "long-poll"];

#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    sections: Vec<String>,
    only: Option<String>,
    pub rounds: usize,
    /// Of one round.
    pub duration: Duration,
    /// Concurrent flows.
    pub flows: usize,
    /// Polls that are held.
    pub held: usize,
    /// The `ciba-host` to measure, instead of the one built beside this benchmark.
    pub program: Option<PathBuf>,
}

impl Options {
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut options =
            Self { sections: Vec::new(), only: None, rounds: 3, duration: Duration::from_secs(5), flows: 32, held: 10_000, program: None };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--rounds" => options.rounds = positive(&value()?)?,
                "--seconds" => options.duration = Duration::from_secs(positive(&value()?)? as u64),
                "--flows" => options.flows = positive(&value()?)?,
                "--held" => options.held = positive(&value()?)?,
                "--only" => options.only = Some(value()?),
                "--program" => options.program = Some(value()?.into()),
                "help" | "--help" => bail!("{USAGE}"),
                section if SECTIONS.contains(&section) => options.sections.push(argument),
                _ => bail!("unknown: {argument}\n\n{USAGE}"),
            }
        }
        Ok(options)
    }

    pub fn wants(&self, section: &str) -> bool {
        self.sections.is_empty() || self.sections.iter().any(|wanted| wanted == section)
    }

    pub fn measures(&self, target: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == target)
    }
}

fn positive(text: &str) -> Result<usize> {
    match text.parse() {
        Ok(0) | Err(_) => bail!("not a positive number: {text}"),
        Ok(number) => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn sections_are_all_or_those_named() {
        let all = parse("").unwrap();
        assert!(SECTIONS.iter().all(|section| all.wants(section)));
        let some = parse("flow start --flows 8 --only oidc-provider").unwrap();
        assert!(some.wants("flow") && some.wants("start") && !some.wants("hooks"));
        assert_eq!(some.flows, 8);
        assert!(some.measures("oidc-provider") && !some.measures("ciba-host"));
    }

    #[test]
    fn mistakes_are_named() {
        for (line, word) in [("flows", "flows"), ("--rounds", "--rounds"), ("--flows 0", "0")] {
            assert!(parse(line).unwrap_err().to_string().contains(word), "{line}");
        }
    }
}
