//! Puts the person's groups in a directory into the ID token.

use core::time::Duration;

use ciba_guest::http::{self, Url};
use ciba_guest::issue_tokens::{Change, Occasion, Verdict};
use ciba_guest::storage::{self, Condition};
use ciba_guest::{Description, IssueTokens, Need, Plugin, Problem, ScriptError, Transaction, log};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// With `{user}` where the person's subject identifier goes.
    url: String,
    /// Where the answer has the groups, a list of texts: a JSON Pointer.
    groups: String,
    cache_seconds: u32,
    timeout_ms: u64,
}

struct DirectoryGroups;

impl Plugin for DirectoryGroups {
    type Settings = Settings;

    fn describe() -> Description {
        ciba_guest::description!("Puts the person's groups in a directory into the ID token.")
            .needs(Need::http("*"))
            .needs(Need::Storage)
            .settings_schema(include_str!("settings.schema.json"))
    }

    fn validate_settings(settings: &Settings) -> Result<(), Vec<Problem>> {
        match settings.url.replace("{user}", "a").parse::<Url>() {
            Ok(url) if url.is_https() || url.is_loopback() => Ok(()),
            Ok(_) => Err(vec![Problem::new("/url", "must begin with https://: whoever answers says who may do what")]),
            Err(error) => Err(vec![Problem::new("/url", error.to_string())]),
        }
    }
}

impl IssueTokens for DirectoryGroups {
    fn issue(transaction: &Transaction, settings: Settings, _: Occasion) -> Result<Verdict, ScriptError> {
        // Nobody is left to have groups: the person was removed.
        let Some(user) = transaction.user_id() else { return Ok(Verdict::Issue(Vec::new())) };
        let groups = match kept(&user) {
            Some(groups) => groups,
            None => settings.ask_and_keep(&user)?,
        };
        Ok(Verdict::Issue(vec![Change::IdToken(("groups".into(), groups))]))
    }
}

/// The groups as they were not long ago. The host deletes them when they are too old.
fn kept(user: &str) -> Option<String> {
    // A cache that is refused costs time, and no tokens. The host says in the log what to allow.
    String::from_utf8(storage::get(user).ok()??.value).ok()
}

impl Settings {
    /// The `?` of a directory that is away: no tokens now. The approval stays, and the client polls again.
    fn ask_and_keep(&self, user: &str) -> Result<String, ScriptError> {
        let url = self.url.replace("{user}", &http::encoded(user));
        let answer = http::get(&url).timeout(Duration::from_millis(self.timeout_ms)).send()?.success()?;
        let groups = groups(&answer.json()?, &self.groups)?;
        if let Err(refusal) = storage::set(user, groups.as_bytes(), Some(self.cache_seconds), Condition::Always) {
            log::warn!("the directory is asked each time: {}", refusal.text());
        }
        Ok(groups)
    }
}

/// The list in the directory's answer, as JSON. A person without groups has an empty one; one that is missing is an error.
fn groups(answer: &Value, pointer: &str) -> Result<String, ScriptError> {
    let list = answer.pointer(pointer).filter(|value| value.as_array().is_some_and(|list| list.iter().all(Value::is_string)));
    list.map(Value::to_string).ok_or_else(|| ScriptError::Other(format!("the directory's answer has no list of texts at {pointer}")))
}

ciba_guest::plugin!(DirectoryGroups: issue_tokens);

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_no_list_of_texts_says_nothing_about_groups() {
        for (answer, expected) in [(r#"{"g":["a"]}"#, Some(r#"["a"]"#)), (r#"{"g":[]}"#, Some("[]")), (r#"{"g":[7]}"#, None), ("{}", None)]
        {
            assert_eq!(super::groups(&serde_json::from_str(answer).expect(answer), "/g").ok().as_deref(), expected);
        }
    }
}
