//! The types of `authorization_details` that the operator declares (RFC 9396): a schema for programs, and words for the
//! person who is asked.
//!
//! One file for each type stands in `declared/authorization_details` of the data directory, and is watched there like other
//! declared files. Whatever a client may write into an entry should stand in the words, because nothing else of it is
//! shown.

#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Flow;
use crate::protocol::backchannel::details::{entry_is_wrong, kind};
use crate::protocol::error::ProtocolError;
use crate::runtime::Schema;
use words::{ENTRY_MAX, Words, bounded, showable};

/// Every type that is known, by name. In memory: the files are read at each start.
#[derive(Debug, Default)]
pub struct DetailTypes(RwLock<BTreeMap<String, Known>>);

#[derive(Debug)]
struct Known {
    /// The stem of the file that declares it.
    file: String,
    declared: Arc<DetailType>,
}

/// A type, as its file declares it.
#[derive(Debug)]
pub struct DetailType {
    schema: Schema,
    words: Words,
}

/// What a file says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The type, where the name of the file cannot say it: it may be a URI.
    #[serde(rename = "type")]
    kind: Option<String>,
    schema: Value,
    words: BTreeMap<String, String>,
}

impl DetailType {
    /// The type that a file of this name declares, and how.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(super) fn read(stem: &str, members: Map<String, Value>) -> Result<(String, Self), String> {
        let file: File = serde_json::from_value(Value::Object(members)).map_err(|error| error.to_string())?;
        let schema = Schema::read(&file.schema).map_err(|what| format!("schema: {what}"))?;
        Ok((file.kind.unwrap_or_else(|| stem.to_owned()), Self { schema, words: Words::read(file.words)? }))
    }
}

impl DetailTypes {
    /// Has what a file says in force.
    ///
    /// # Errors
    /// That another file says it already; then nothing was changed.
    pub(super) fn declare(&self, file: &str, name: String, declared: DetailType) -> Result<(), String> {
        let mut types = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if types.get(&name).is_some_and(|known| known.file != file) {
            return Err(format!("another file declares the type {name} too"));
        }
        // It may have declared another one before.
        types.retain(|_, known| known.file != file);
        types.insert(name, Known { file: file.to_owned(), declared: Arc::new(declared) });
        Ok(())
    }

    /// What a file said is in force no more.
    pub(super) fn undeclare(&self, file: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|_, known| known.file != file);
    }

    /// The names of the types (`authorization_details_types_supported`, RFC 9396 10).
    pub fn names(&self) -> Vec<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    fn of(&self, entry: &Value) -> Option<Arc<DetailType>> {
        let types = self.0.read().unwrap_or_else(PoisonError::into_inner);
        types.get(kind(entry)?).map(|known| Arc::clone(&known.declared))
    }

    /// Holds each entry against the schema of its type.
    ///
    /// # Errors
    /// `invalid_authorization_details` that says which entry is wrong, and why.
    pub fn check(&self, details: &Value) -> Result<(), ProtocolError> {
        for (number, entry) in entries(details).enumerate() {
            let declared = self.of(entry).ok_or_else(|| entry_is_wrong(number, "its type is not known here"))?;
            let problems = declared.schema.problems(entry, "it").map_err(|what| entry_is_wrong(number, &what))?;
            if !problems.is_empty() {
                return Err(entry_is_wrong(number, &problems.join("; ")));
            }
            if !declared.words.fits(entry) {
                return Err(entry_is_wrong(number, "it has a value that is longer than the person can be shown"));
            }
        }
        Ok(())
    }

    /// Each entry as the person reads it, in their language as far as the type has words in it.
    pub fn in_words(&self, details: &Value, locale: Option<&str>) -> Vec<String> {
        let words = |entry: &Value| match self.of(entry) {
            Some(declared) => declared.words.fill(entry, locale),
            // Its file is gone since: better all of it than nothing.
            None => showable(&entry.to_string()),
        };
        entries(details).map(|entry| bounded(&words(entry), ENTRY_MAX)).collect()
    }
}

impl Flow {
    /// `authorization_details` as the person reads them: a sentence for each.
    pub fn details_in_words(&self, details: &Value, locale: Option<&str>) -> Vec<String> {
        self.details.in_words(details, locale)
    }
}

fn entries(details: &Value) -> impl Iterator<Item = &Value> {
    details.as_array().into_iter().flatten()
}
