//! Settings: secrets fetched from where they are kept, and hidden where settings are shown.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::refusal::Refusal;

/// Stands wherever a secret stood.
const REDACTED: &str = "[redacted]";

/// The settings as the plugin gets them. `{ file = "…" }` and `{ env = "…" }` become what they point to; a relative
/// path counts from `directory`.
pub(super) fn resolve(settings: &toml::Table, directory: &Path) -> Result<Value, Refusal> {
    let value = serde_json::to_value(settings).map_err(|error| refused(error.to_string()))?;
    resolve_value(value, directory, "")
}

fn resolve_value(value: Value, directory: &Path, at: &str) -> Result<Value, Refusal> {
    Ok(match value {
        Value::Object(fields) => match reference(&fields) {
            Some(reference) => Value::String(fetch(&reference, directory, at)?),
            None => Value::Object(
                fields
                    .into_iter()
                    .map(|(name, value)| {
                        let at = format!("{at}/{name}");
                        resolve_value(value, directory, &at).map(|value| (name, value))
                    })
                    .collect::<Result<_, _>>()?,
            ),
        },
        Value::Array(items) => {
            let resolved = items.into_iter().enumerate().map(|(number, item)| resolve_value(item, directory, &format!("{at}/{number}")));
            Value::Array(resolved.collect::<Result<_, _>>()?)
        }
        plain => plain,
    })
}

enum Reference {
    File(PathBuf),
    Environment(String),
}

fn reference(fields: &serde_json::Map<String, Value>) -> Option<Reference> {
    let (name, value) = fields.iter().next().filter(|_| fields.len() == 1)?;
    let text = value.as_str()?;
    match name.as_str() {
        "file" => Some(Reference::File(text.into())),
        "env" => Some(Reference::Environment(text.to_owned())),
        _ => None,
    }
}

fn fetch(reference: &Reference, directory: &Path, at: &str) -> Result<String, Refusal> {
    match reference {
        Reference::File(path) => {
            let path = directory.join(path);
            let text =
                std::fs::read_to_string(&path).map_err(|error| refused(format!("{at}: {} cannot be read: {error}", path.display())))?;
            Ok(text.trim_end_matches(['\n', '\r']).to_owned())
        }
        Reference::Environment(name) => {
            std::env::var(name).map_err(|_| refused(format!("{at}: the environment has no variable {name}, or it is not UTF-8")))
        }
    }
}

fn refused(what: impl Into<String>) -> Refusal {
    Refusal::new("settings", what, "mend the [settings] in the .toml file beside the plugin")
}

/// What `schema` says is wrong with `settings`, if anything.
pub(super) fn check(schema: &Value, settings: &Value) -> Result<(), Refusal> {
    let describe =
        |what: String| Refusal::new("describe", format!("its settings schema cannot be used: {what}"), "this is for the plugin's author");
    let validator = jsonschema::validator_for(schema).map_err(|error| describe(error.masked().to_string()))?;
    // Masked: the value may be a secret.
    let problems: Vec<String> = validator
        .iter_errors(settings)
        .take(5)
        .map(|error| {
            let at = error.instance_path().to_string();
            format!("{}: {}", if at.is_empty() { "settings" } else { &at }, error.masked())
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(refused(problems.join("; "))) }
}

/// The settings as they may be shown: what the schema marks `writeOnly`, and what came from a file or the
/// environment, is hidden.
pub(super) fn redact(settings: &toml::Table, schema: &Value) -> Value {
    redact_value(serde_json::to_value(settings).unwrap_or_default(), schema)
}

fn redact_value(value: Value, schema: &Value) -> Value {
    if schema.get("writeOnly") == Some(&Value::Bool(true)) {
        return Value::String(REDACTED.to_owned());
    }
    match value {
        Value::Object(fields) if reference(&fields).is_some() => Value::String(REDACTED.to_owned()),
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| {
                    let schema = schema.get("properties").and_then(|properties| properties.get(&name)).unwrap_or(&Value::Null);
                    (name, redact_value(value, schema))
                })
                .collect(),
        ),
        Value::Array(items) => {
            let schema = schema.get("items").unwrap_or(&Value::Null);
            Value::Array(items.into_iter().map(|item| redact_value(item, schema)).collect())
        }
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn table(text: &str) -> toml::Table {
        text.parse().unwrap()
    }

    #[test]
    fn a_secret_is_fetched_and_never_shown() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("key"), "whsec_abc\n").unwrap();
        let settings = table("url = 'https://x'\nsecrets = [{ file = 'key' }]\nplain = 'y'");
        let schema = json!({"properties": {"plain": {"writeOnly": true}}});
        assert_eq!(resolve(&settings, directory.path()).unwrap()["secrets"], json!(["whsec_abc"]));
        assert_eq!(redact(&settings, &schema), json!({"url": "https://x", "secrets": [REDACTED], "plain": REDACTED}));
        let missing = resolve(&table("key = { file = 'none' }"), directory.path()).unwrap_err();
        assert!(missing.what.starts_with("/key: "), "{missing}");
        assert!(resolve(&table("key = { env = 'CIBA_HOST_NO_SUCH_VARIABLE' }"), directory.path()).is_err());
    }

    #[test]
    fn a_wrong_setting_is_named_and_its_value_is_not_repeated() {
        let schema = json!({"type": "object", "properties": {"key": {"type": "integer"}}, "additionalProperties": false});
        let refusal = check(&schema, &json!({"key": "hush"})).unwrap_err();
        assert!(refusal.what.contains("/key") && !refusal.what.contains("hush"), "{refusal}");
        assert!(check(&schema, &json!({"kye": 1})).is_err());
        assert!(check(&schema, &json!({"key": 1})).is_ok());
    }
}
