//! The plugin's settings, as the operator wrote them.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Problem, ScriptError};

pub use crate::bindings::ciba::interception::settings::{all, get};

/// For plugins that have no settings: anything the operator writes is a mistake and is said to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

/// The settings as your type.
///
/// # Errors
///
/// `ScriptError::Settings` when they do not fit the type. `validate_settings` has refused such settings
/// before, so you see this only where your type changed and your check did not.
pub fn parse<T: DeserializeOwned>() -> Result<T, ScriptError> {
    serde_json::from_str(&all()).map_err(|error| ScriptError::Settings(in_words(&error)))
}

/// The JSON the host sent for checking, as your type.
pub(crate) fn from_json<T: DeserializeOwned>(json: &str) -> Result<T, Vec<Problem>> {
    serde_json::from_str(json).map_err(|error| vec![Problem::new("", in_words(&error))])
}

/// The error without the place, which is one in JSON that the operator never saw, and without the text it is about:
/// `invalid type: string "…", expected a sequence` would write a secret that stands in the wrong place into the log.
pub(crate) fn in_words(error: &serde_json::Error) -> String {
    let words = error.to_string();
    let words = words.rfind(" at line ").map_or(words.as_str(), |place| &words[..place]);
    let quoted = words.find(": string \"").map(|start| start + ": string".len());
    match (quoted, words.rfind("\", expected ")) {
        (Some(start), Some(end)) if start <= end => format!("{}{}", &words[..start], &words[end + 1..]),
        _ => words.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        #[expect(dead_code, reason = "only whether it can be read matters")]
        secrets: Vec<String>,
    }

    #[test]
    fn a_value_in_the_wrong_place_is_not_repeated() {
        for (json, expected) in [
            (r#"{"secrets":"hunter2"}"#, "invalid type: string, expected a sequence"),
            (r#"{"secrets":"a\", expected b"}"#, "invalid type: string, expected a sequence"),
            (r#"{"secrets":7}"#, "invalid type: integer `7`, expected a sequence"),
            (r#"{"secret":"hunter2"}"#, "unknown field `secret`, expected `secrets`"),
            ("{}", "missing field `secrets`"),
        ] {
            let problems = from_json::<Settings>(json).expect_err(json);
            assert_eq!(problems[0].message, expected);
        }
    }
}
