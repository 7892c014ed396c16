//! What the person reads of an entry: a sentence with places for what the client wrote.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::protocol::binding_message::is_unshowable;

/// How much is shown of one value, and of one entry, in characters.
pub(super) const VALUE_MAX: usize = 100;
pub(super) const ENTRY_MAX: usize = 500;
/// What stands for a value that is not there.
const ABSENT: &str = "\u{2014}";

/// By language; English, or else the first, is for those whose language is not among them.
#[derive(Debug)]
pub(super) struct Words(BTreeMap<String, Template>);

/// Words with places for values.
#[derive(Debug)]
struct Template(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Words(String),
    /// A JSON pointer (RFC 6901) into the entry.
    Value(String),
}

impl Words {
    /// Of the languages that a file has.
    ///
    /// # Errors
    /// The language that is wrong, and why; or that there is none.
    pub(super) fn read(words: BTreeMap<String, String>) -> Result<Self, String> {
        let read = |(locale, text): (String, String)| match Template::read(&text) {
            Ok(template) => Ok((locale, template)),
            Err(what) => Err(format!("words.{locale}: {what}")),
        };
        let words: BTreeMap<String, Template> = words.into_iter().map(read).collect::<Result<_, String>>()?;
        if words.is_empty() {
            return Err("words must have a sentence in at least one language, for example en".to_owned());
        }
        Ok(Self(words))
    }

    /// Whether the person reads all of it, in every language: what they cannot see they must not be asked to approve.
    pub(super) fn fits(&self, entry: &Value) -> bool {
        let whole = |template: &Template| {
            let mut values = template.0.iter().filter_map(|piece| match piece {
                Piece::Value(pointer) => entry.pointer(pointer),
                Piece::Words(_) => None,
            });
            values.all(|value| value_in_words(value).chars().count() <= VALUE_MAX) && template.fill(entry).chars().count() <= ENTRY_MAX
        };
        self.0.values().all(whole)
    }

    /// Of the template for this language; it was checked that there is one.
    pub(super) fn fill(&self, entry: &Value, locale: Option<&str>) -> String {
        let wanted = locale.unwrap_or_default();
        let language = wanted.split('-').next().unwrap_or_default();
        let known = [wanted, language, "en"].into_iter().find_map(|tag| self.0.get(tag));
        known.or_else(|| self.0.values().next()).map_or_else(String::new, |template| template.fill(entry))
    }
}

impl Template {
    fn read(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (pointer, after) = after.split_once('}').ok_or("a brace is opened and not closed")?;
            if !pointer.starts_with('/') {
                return Err(format!("what is in braces must be a JSON pointer, for example /amount, and not `{pointer}`"));
            }
            pieces.extend([Piece::Words(before.to_owned()), Piece::Value(pointer.to_owned())]);
            rest = after;
        }
        if rest.contains('}') {
            return Err("a brace is closed that was not opened".to_owned());
        }
        pieces.push(Piece::Words(rest.to_owned()));
        Ok(Self(pieces))
    }

    fn fill(&self, entry: &Value) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Words(words) => showable(words),
            // Isolated: what the client wrote may run in another direction, and rearranges nothing around it.
            Piece::Value(pointer) => {
                let value = entry.pointer(pointer).map_or_else(|| ABSENT.to_owned(), value_in_words);
                format!("\u{2068}{}\u{2069}", bounded(&value, VALUE_MAX))
            }
        };
        self.0.iter().map(piece).collect()
    }
}

fn value_in_words(value: &Value) -> String {
    let words = match value {
        Value::Null => ABSENT.to_owned(),
        Value::String(text) => text.trim().to_owned(),
        Value::Array(items) => items.iter().map(value_in_words).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    showable(&words)
}

/// What hides or turns the rest is seen as what it is.
pub(super) fn showable(text: &str) -> String {
    text.chars().map(|character| if is_unshowable(character) { char::REPLACEMENT_CHARACTER } else { character }).collect()
}

pub(super) fn bounded(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    text.chars().take(characters - 1).chain(['\u{2026}']).collect()
}
