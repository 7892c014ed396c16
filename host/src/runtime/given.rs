//! The settings as a plugin gets them: with handles in the place of secrets.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::settings::{REDACTED, below, each_secret};

/// The settings as a plugin has them, and what stands behind the handles in them.
pub(super) struct Given {
    /// Every secret is `{"secret": "/pointer"}`.
    pub(super) settings: Value,
    secrets: HashMap<String, Zeroizing<String>>,
}

impl Given {
    /// What is given of these settings where `schema` says which of them are secret.
    pub(super) fn of(settings: Value, schema: &Value) -> Self {
        let mut secrets = HashMap::new();
        let settings = each_secret(settings, &[schema], schema, "", &mut |value, at| keep(value, at, &mut secrets));
        Self { settings, secrets }
    }

    /// Texts, numbers and truth values by their names, those in an object behind its name and a dot. Lists and secrets are
    /// none of these.
    pub(super) fn flat(&self) -> BTreeMap<String, String> {
        let mut flat = BTreeMap::new();
        self.flatten(&self.settings, "", "", &mut flat);
        flat
    }

    fn flatten(&self, value: &Value, name: &str, at: &str, flat: &mut BTreeMap<String, String>) {
        let text = match value {
            Value::Object(_) if self.secrets.contains_key(at) => return,
            Value::Object(fields) => {
                for (inner, value) in fields {
                    let name = if name.is_empty() { inner.clone() } else { format!("{name}.{inner}") };
                    self.flatten(value, &name, &below(at, inner), flat);
                }
                return;
            }
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            Value::Array(_) | Value::Null => return,
        };
        flat.insert(name.to_owned(), text);
    }

    /// The secret at this JSON Pointer.
    pub(super) fn secret(&self, pointer: &str) -> Option<&str> {
        self.secrets.get(pointer).map(|secret| secret.as_str())
    }
}

impl Default for Given {
    fn default() -> Self {
        Self { settings: json!({}), secrets: HashMap::new() }
    }
}

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Given").field("settings", &self.settings).field("secrets", &REDACTED).finish()
    }
}

/// Keeps each part of what is secret, and leaves a handle in its place.
fn keep(value: Value, at: &str, secrets: &mut HashMap<String, Zeroizing<String>>) -> Value {
    let text = match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().map(|(name, value)| {
                let value = keep(value, &below(at, &name), secrets);
                (name, value)
            });
            return Value::Object(kept.collect());
        }
        Value::Array(items) => {
            let items = items.into_iter().enumerate();
            return Value::Array(items.map(|(number, item)| keep(item, &format!("{at}/{number}"), secrets)).collect());
        }
        Value::String(text) => text,
        other => other.to_string(),
    };
    secrets.insert(at.to_owned(), text.into());
    json!({ "secret": at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_gets_a_handle_in_the_place_of_each_secret() {
        let secret = json!({"writeOnly": true});
        let schema = json!({"properties": {"token": secret, "keys": secret, "pin": secret, "a/b~": {"properties": {"c": secret}}}});
        let settings =
            json!({"token": "hush", "keys": ["hush", {"key": "hush"}], "pin": 1234, "a/b~": {"c": "hush", "d": "seen"}, "token2": "seen"});
        let given = Given::of(settings, &schema);
        let handle = |pointer: &str| json!({ "secret": pointer });
        let expected = json!({
            "token": handle("/token"), "keys": [handle("/keys/0"), {"key": handle("/keys/1/key")}], "pin": handle("/pin"),
            "a/b~": {"c": handle("/a~1b~0/c"), "d": "seen"}, "token2": "seen",
        });
        assert_eq!(given.settings, expected);
        for (pointer, secret) in [
            ("/token", Some("hush")),
            ("/keys/0", Some("hush")),
            ("/keys/1/key", Some("hush")),
            ("/pin", Some("1234")),
            ("/a~1b~0/c", Some("hush")),
            ("/token2", None),
            ("/keys", None),
            ("", None),
        ] {
            assert_eq!(given.secret(pointer), secret, "{pointer}");
        }
        assert!(!format!("{given:?}").contains("hush"));
    }

    #[test]
    fn flat_settings_have_no_secrets_and_no_lists() {
        let schema = json!({"properties": {"token": {"writeOnly": true}, "deep": {"properties": {"keys": {"writeOnly": true}}}}});
        let settings = json!({
            "url": "https://a", "most": 1.5, "on": true, "none": null, "list": ["a"], "token": "hush",
            "deep": {"keys": ["hush", {"key": "hush"}], "er": {"name": "b"}}, "secret": {"secret": "/no handle"},
        });
        let flat = Given::of(settings, &schema).flat();
        let flat: Vec<(&str, &str)> = flat.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let expected = [("deep.er.name", "b"), ("most", "1.5"), ("on", "true"), ("secret.secret", "/no handle"), ("url", "https://a")];
        assert_eq!(flat, expected);
    }
}
