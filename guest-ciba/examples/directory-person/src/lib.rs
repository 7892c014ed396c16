//! Finds out in a directory whom a client means by its hint.

use core::time::Duration;

use ciba_guest::http::{self, Url};
use ciba_guest::resolve_hint::{HintKind, Resolution};
use ciba_guest::{Description, Need, Plugin, Problem, ResolveHint, ScriptError, Transaction};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// With `{hint}` where the hint goes.
    url: String,
    /// Where the answer says who it is: a JSON Pointer.
    username: String,
    #[serde(default = "default_timeout")]
    timeout_ms: u64,
}

fn default_timeout() -> u64 {
    1000
}

struct DirectoryPerson;

impl Plugin for DirectoryPerson {
    type Settings = Settings;

    fn describe() -> Description {
        ciba_guest::description!("Finds out in a directory whom a client means by its hint.")
            .needs(Need::http("*"))
            .settings_schema(include_str!("settings.schema.json"))
    }

    fn validate_settings(settings: &Settings) -> Result<(), Vec<Problem>> {
        match settings.address("a hint").parse::<Url>() {
            Ok(url) if url.is_https() || url.is_loopback() => Ok(()),
            Ok(_) => Err(vec![Problem::new("/url", "must begin with https://: it carries who is asked for")]),
            Err(error) => Err(vec![Problem::new("/url", error.to_string())]),
        }
    }
}

impl ResolveHint for DirectoryPerson {
    fn resolve(_: &Transaction, settings: Settings, kind: HintKind, hint: &str) -> Result<Resolution, ScriptError> {
        let HintKind::LoginHint = kind else { return Ok(Resolution::NotMine) };
        // A directory that is away is an error, and never nobody: the `?` makes it `Temporary`, and the client is told to
        // try again. The client waits meanwhile, so the time is short.
        let answer = http::get(&settings.address(hint)).timeout(Duration::from_millis(settings.timeout_ms)).send()?;
        if answer.status == 404 {
            // Nor does the host look itself: whoever has left the directory is not to be found by an old account here.
            return Ok(Resolution::Nobody);
        }
        person(&answer.success()?.json()?, &settings.username)
    }
}

impl Settings {
    /// Encoded, or a client's hint could change which address is asked: `../groups/admins?`.
    fn address(&self, hint: &str) -> String {
        self.url.replace("{hint}", &http::encoded(hint))
    }
}

/// Who the directory's answer names.
fn person(answer: &Value, pointer: &str) -> Result<Resolution, ScriptError> {
    let name = answer.pointer(pointer).and_then(Value::as_str).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| ScriptError::Other(format!("the directory's answer has no text at {pointer}")))?;
    Ok(Resolution::Person(name.into()))
}

ciba_guest::plugin!(DirectoryPerson: resolve_hint);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_stays_where_it_belongs_in_the_address() {
        let settings = Settings { url: "https://directory.example/{hint}/name".into(), username: String::new(), timeout_ms: 1 };
        assert_eq!(settings.address("../admins?x=1 "), "https://directory.example/..%2Fadmins%3Fx%3D1%20/name");
    }

    #[test]
    fn an_answer_that_names_nobody_is_an_error() {
        for (answer, names) in [(r#"{"a":{"b":"alice"}}"#, true), (r#"{"a":{"b":""}}"#, false), (r#"{"a":{"b":7}}"#, false), ("[]", false)]
        {
            assert_eq!(person(&serde_json::from_str(answer).expect(answer), "/a/b").is_ok(), names, "{answer}");
        }
    }
}
