//! How the configuration is read: the file laid over the defaults and the environment over both, and where an error is.

use std::path::Path;

use super::{Config, DEFAULTS};
use crate::protocol::spelling::meant;

/// How variables of the environment begin.
const ENVIRONMENT: &str = "CIBA_HOST_";

/// What is wrong with the configuration, and where.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {what}")]
pub struct ConfigError {
    /// File and line, or the variable.
    pub at: String,
    /// What is wrong, and what was meant.
    pub what: String,
}

impl Config {
    /// Reads `path`, if it exists, over the defaults, and the environment over both.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(path: &Path, environment: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            // Where not even the directory is one, whoever makes it has more to say.
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => String::new(),
            Err(error) => return Err(ConfigError { at: shown, what: format!("cannot be read: {error}") }),
        };
        let mut merged = defaults();
        let file: toml::Table = toml::from_str(&text).map_err(|error| located(&shown, &text, &error))?;
        merge(&mut merged, file);
        let from_file = Self::from_table(merged.clone()).map_err(|error| find(&shown, &text, &error))?;
        let mut overridden = false;
        for (name, value) in environment {
            // Where the data directory is stands outside the configuration, which lies in it.
            let Some(path) = name.strip_prefix(ENVIRONMENT).filter(|path| *path != "DATA") else { continue };
            let keys: Vec<String> = path.split("__").map(str::to_lowercase).collect();
            set(&mut merged, &keys, &value);
            Self::from_table(merged.clone()).map_err(|error| ConfigError { at: name, what: explain(&error) })?;
            overridden = true;
        }
        let config = if overridden { Self::from_table(merged).map_err(|error| find(&shown, &text, &error))? } else { from_file };
        config.check().map_err(|(key, what)| ConfigError { at: format!("{shown}: {key}"), what })?;
        Ok(config)
    }

    fn from_table(mut table: toml::Table) -> Result<Self, toml::de::Error> {
        lay_limits(&mut table);
        table.try_into()
    }
}

pub(super) fn defaults() -> toml::Table {
    DEFAULTS.parse().expect("the default configuration is TOML, which a test checks")
}

/// Lays `over` on `table`, key by key.
fn merge(table: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(table)), toml::Value::Table(over)) => merge(table, over),
            (_, value) => drop(table.insert(key, value)),
        }
    }
}

/// Lays what is said of single plugins over what is said of all. What is no table at all is said by whoever reads it.
fn lay_limits(table: &mut toml::Table) {
    let Some(plugins) = table.get_mut("plugins").and_then(toml::Value::as_table_mut) else { return };
    let Some(limits) = plugins.get("limits").and_then(toml::Value::as_table).cloned() else { return };
    let Some(single) = plugins.get_mut("limits_of").and_then(toml::Value::as_table_mut) else { return };
    for over in single.iter_mut().filter_map(|(_, over)| over.as_table_mut()) {
        let own = std::mem::replace(over, limits.clone());
        merge(over, own);
    }
}

/// Puts a variable where its name says. It is TOML where it reads as TOML of the kind that stands there, and text
/// otherwise.
fn set(table: &mut toml::Table, keys: &[String], text: &str) {
    let Some((key, rest)) = keys.split_first() else { return };
    if !rest.is_empty() {
        let inner = table.entry(key.clone()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        if let toml::Value::Table(inner) = inner {
            set(inner, rest, text);
        }
        return;
    }
    let is_text = matches!(table.get(key), None | Some(toml::Value::String(_)));
    let parsed = format!("value = {text}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("value"));
    let value = parsed.filter(|_| !is_text).unwrap_or_else(|| toml::Value::String(text.to_owned()));
    table.insert(key.clone(), value);
}

/// A syntax error with its line.
fn located(path: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    ConfigError { at: format!("{path}:{line}"), what: explain(error) }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// An error in the merged table, which has no lines: the same error is looked for in the file by the key's name.
fn find(path: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let what = explain(error);
    // serde says: ... in `listen.public`
    let whole = error.to_string();
    let in_path = whole.rsplit_once("in `").and_then(|(_, rest)| rest.split_once('`')).map(|(path, _)| path.to_owned());
    let key = quoted(error.message())
        .filter(|_| error.message().starts_with("unknown field"))
        .or_else(|| in_path.as_deref().and_then(|path| path.rsplit('.').next().map(str::to_owned)));
    let line = key.as_deref().and_then(|key| text.lines().position(|line| names(line, key)));
    ConfigError { at: line.map_or_else(|| path.to_owned(), |line| format!("{path}:{}", line + 1)), what }
}

/// Whether this line gives `key` a value, or opens a table that ends in it.
fn names(line: &str, key: &str) -> bool {
    let line = line.trim();
    let table =
        line.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(path, _)| path.rsplit('.').next().unwrap_or(path).trim());
    let assigned = line.split_once('=').map(|(name, _)| name.rsplit('.').next().unwrap_or(name).trim());
    table == Some(key) || assigned == Some(key)
}

/// What serde says, with what was probably meant instead of the list of all that could have been.
fn explain(error: &toml::de::Error) -> String {
    let message = error.message();
    if let Some(unknown) = quoted(message).filter(|_| message.starts_with("unknown field")) {
        let known: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
        return match meant(&unknown, known.iter().copied()) {
            Some(meant) => format!("unknown key `{unknown}`; did you mean `{meant}`?"),
            None => format!("unknown key `{unknown}`; there are {}", known.join(", ")),
        };
    }
    let whole = error.to_string();
    let key =
        whole.rsplit_once("in `").and_then(|(_, rest)| rest.split_once('`')).map(|(path, _)| format!("`{path}`: ")).unwrap_or_default();
    format!("{key}{message}")
}

/// The first word in backquotes.
fn quoted(message: &str) -> Option<String> {
    message.split('`').nth(1).map(str::to_owned)
}
