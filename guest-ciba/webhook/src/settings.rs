//! What the operator may write.

use ciba_guest::Problem;
use ciba_guest::http::Url;
use serde::Deserialize;

use crate::event::Envelope;
use crate::signature::Key;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub url: String,
    pub secrets: Vec<String>,
    #[serde(default)]
    pub envelope: Envelope,
    #[serde(default = "default_timeout")]
    pub timeout_ms: u32,
}

fn default_timeout() -> u32 {
    3000
}

impl Settings {
    /// The keys to sign with, in the operator's order.
    pub fn keys(&self) -> Result<Vec<Key>, Vec<Problem>> {
        let mut keys = Vec::new();
        let mut problems = Vec::new();
        for (index, secret) in self.secrets.iter().enumerate() {
            match secret.parse() {
                Ok(key) => keys.push(key),
                Err(why) => problems.push(Problem::new(&format!("/secrets/{index}"), why)),
            }
        }
        if self.secrets.is_empty() {
            problems.push(Problem::new("/secrets", "at least one secret is needed"));
        }
        if problems.is_empty() { Ok(keys) } else { Err(problems) }
    }

    /// Everything that is wrong.
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
        problems.extend(self.keys().err().unwrap_or_default());
        if !(100..=10_000).contains(&self.timeout_ms) {
            problems.push(Problem::new("/timeout_ms", "must be from 100 to 10000"));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn problems(json: &str) -> Vec<String> {
        let settings: Settings = serde_json::from_str(json).expect(json);
        settings.problems().into_iter().map(|problem| problem.setting).collect()
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place() {
        for (json, expected) in [
            (format!(r#"{{"url":"https://push.example.com/a","secrets":["{SECRET}"]}}"#), vec![]),
            (format!(r#"{{"url":"http://127.0.0.1:9000/a","secrets":["{SECRET}"]}}"#), vec![]),
            (format!(r#"{{"url":"http://push.example.com/a","secrets":["{SECRET}"]}}"#), vec!["/url"]),
            (format!(r#"{{"url":"push.example.com","secrets":["{SECRET}","x"]}}"#), vec!["/url", "/secrets/1"]),
            (r#"{"url":"https://a.example","secrets":[]}"#.into(), vec!["/secrets"]),
            (format!(r#"{{"url":"https://a.example","secrets":["{SECRET}"],"timeout_ms":1}}"#), vec!["/timeout_ms"]),
        ] {
            assert_eq!(problems(&json), expected, "{json}");
        }
    }

    #[test]
    fn a_misspelt_setting_is_an_error() {
        let json = format!(r#"{{"url":"https://a.example","secrets":["{SECRET}"],"secret":"x"}}"#);
        assert!(serde_json::from_str::<Settings>(&json).is_err());
    }
}
