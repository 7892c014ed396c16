//! What the operator may write.

use ciba_guest::http::Url;
use ciba_guest::{Problem, Secret};
use serde::Deserialize;

use crate::event::Envelope;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub url: String,
    pub secrets: Vec<Secret>,
    #[serde(default)]
    pub envelope: Envelope,
    #[serde(default = "default_timeout")]
    pub timeout_ms: u32,
}

fn default_timeout() -> u32 {
    3000
}

impl Settings {
    /// What is wrong with the secrets, which only the host sees: it signs nothing with each.
    pub fn unusable_secrets(&self) -> impl Iterator<Item = Problem> {
        self.secrets.iter().filter_map(|secret| {
            let refusal = secret.webhook_signature(b"").err()?;
            Some(Problem::new(secret.pointer(), refusal.text()))
        })
    }

    /// Everything else that is wrong.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        match self.url.parse::<Url>() {
            Err(error) => problems.push(Problem::new("/url", error.to_string())),
            // Over plain HTTP anyone on the way learns the one-time link and can use it first.
            Ok(url) if !url.is_https() && !url.is_loopback() => {
                let message = "must begin with https://; http:// is for a receiver on this machine";
                problems.push(Problem::new("/url", message));
            }
            Ok(_) => {}
        }
        if self.secrets.is_empty() {
            problems.push(Problem::new("/secrets", "at least one secret is needed"));
        }
        if !(100..=10_000).contains(&self.timeout_ms) {
            problems.push(Problem::new("/timeout_ms", "must be from 100 to 10000"));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = r#"{"secret":"/secrets/0"}"#;

    fn problems(json: &str) -> Vec<String> {
        let settings: Settings = serde_json::from_str(json).expect(json);
        settings.problems().into_iter().map(|problem| problem.setting).collect()
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place() {
        for (json, expected) in [
            (format!(r#"{{"url":"https://push.example.com/a","secrets":[{SECRET}]}}"#), vec![]),
            (format!(r#"{{"url":"http://127.0.0.1:9000/a","secrets":[{SECRET}]}}"#), vec![]),
            (format!(r#"{{"url":"http://push.example.com/a","secrets":[{SECRET}]}}"#), vec!["/url"]),
            (format!(r#"{{"url":"push.example.com","secrets":[{SECRET},{SECRET}]}}"#), vec!["/url"]),
            (r#"{"url":"https://a.example","secrets":[]}"#.into(), vec!["/secrets"]),
            (format!(r#"{{"url":"https://a.example","secrets":[{SECRET}],"timeout_ms":1}}"#), vec!["/timeout_ms"]),
        ] {
            assert_eq!(problems(&json), expected, "{json}");
        }
    }

    #[test]
    fn a_misspelt_setting_is_an_error() {
        let json = format!(r#"{{"url":"https://a.example","secrets":[{SECRET}],"secret":"x"}}"#);
        assert!(serde_json::from_str::<Settings>(&json).is_err());
    }
}
