//! The types of `authorization_details` that the operator declares (RFC 9396): a schema for programs, and words for the
//! person who is asked.
//!
//! One file for each type stands in `declared/authorization_details` of the data directory, in JSON or TOML. Whatever a
//! client may write into an entry should stand in the words, because nothing else of it is shown.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::Flow;
use crate::protocol::backchannel::details::{entry_is_wrong, kind};
use crate::protocol::binding_message::is_unshowable;
use crate::protocol::error::ProtocolError;
use crate::runtime::Schema;

/// The longest file that is read, in bytes.
const FILE_MAX: u64 = 256 << 10;
/// How much is shown of one value, and of one entry, in characters.
const VALUE_MAX: usize = 100;
const ENTRY_MAX: usize = 500;
/// What stands for a value that is not there.
const ABSENT: &str = "\u{2014}";

/// Every type that is known, by name.
#[derive(Debug, Default)]
pub struct DetailTypes(BTreeMap<String, DetailType>);

#[derive(Debug)]
struct DetailType {
    schema: Schema,
    /// By language; English, or else the first, is for those whose language is not among them.
    words: BTreeMap<String, Template>,
}

/// A file, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    /// The type, where the name of the file cannot say it: it may be a URI.
    #[serde(rename = "type")]
    kind: Option<String>,
    schema: Value,
    words: BTreeMap<String, String>,
}

/// Words with places for values.
#[derive(Debug)]
struct Template(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Words(String),
    /// A JSON pointer (RFC 6901) into the entry.
    Value(String),
}

impl DetailTypes {
    /// Reads the files in `directory`, where there is one.
    ///
    /// # Errors
    /// The first file that cannot be used, and why.
    pub fn load(directory: &Path) -> Result<Self, String> {
        let at = |path: &Path, what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(at(directory, &error)),
        };
        let mut types = BTreeMap::new();
        for entry in entries {
            let path = entry.map_err(|error| at(directory, &error))?.path();
            let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
            if !matches!(extension, "json" | "toml") {
                continue;
            }
            let (name, declared) = read(&path, extension).map_err(|what| at(&path, &what))?;
            if types.insert(name.clone(), declared).is_some() {
                return Err(at(&path, &format!("another file declares the type {name} too")));
            }
        }
        Ok(Self(types))
    }

    /// The names of the types (`authorization_details_types_supported`, RFC 9396 10).
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Holds each entry against the schema of its type.
    ///
    /// # Errors
    /// `invalid_authorization_details` that says which entry is wrong, and why.
    pub fn check(&self, details: &Value) -> Result<(), ProtocolError> {
        for (number, entry) in entries(details).enumerate() {
            let declared = kind(entry).and_then(|kind| self.0.get(kind));
            let declared = declared.ok_or_else(|| entry_is_wrong(number, "its type is not known here"))?;
            let problems = declared.schema.problems(entry, "it").map_err(|what| entry_is_wrong(number, &what))?;
            if !problems.is_empty() {
                return Err(entry_is_wrong(number, &problems.join("; ")));
            }
            if !declared.fits(entry) {
                return Err(entry_is_wrong(number, "it has a value that is longer than the person can be shown"));
            }
        }
        Ok(())
    }

    /// Each entry as the person reads it, in their language as far as the type has words in it.
    pub fn in_words(&self, details: &Value, locale: Option<&str>) -> Vec<String> {
        let words = |entry: &Value| match kind(entry).and_then(|kind| self.0.get(kind)) {
            Some(declared) => declared.fill(entry, locale),
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

fn read(path: &Path, extension: &str) -> Result<(String, DetailType), String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > FILE_MAX {
        return Err(format!("it is longer than {FILE_MAX} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let declared: Declared = match extension {
        "json" => serde_json::from_str(&text).map_err(|error| error.to_string())?,
        _ => toml::from_str(&text).map_err(|error| error.to_string())?,
    };
    let stem = path.file_stem().and_then(|stem| stem.to_str()).ok_or("its name is not UTF-8")?;
    let schema = Schema::read(&declared.schema).map_err(|what| format!("schema: {what}"))?;
    let read = |(locale, text): (String, String)| match Template::read(&text) {
        Ok(template) => Ok((locale, template)),
        Err(what) => Err(format!("words.{locale}: {what}")),
    };
    let words: BTreeMap<String, Template> = declared.words.into_iter().map(read).collect::<Result<_, String>>()?;
    if words.is_empty() {
        return Err("words must have a sentence in at least one language, for example en".to_owned());
    }
    Ok((declared.kind.unwrap_or_else(|| stem.to_owned()), DetailType { schema, words }))
}

impl DetailType {
    /// Whether the person reads all of it, in every language: what they cannot see they must not be asked to approve.
    fn fits(&self, entry: &Value) -> bool {
        let whole = |template: &Template| {
            let mut values = template.0.iter().filter_map(|piece| match piece {
                Piece::Value(pointer) => entry.pointer(pointer),
                Piece::Words(_) => None,
            });
            values.all(|value| value_in_words(value).chars().count() <= VALUE_MAX) && template.fill(entry).chars().count() <= ENTRY_MAX
        };
        self.words.values().all(whole)
    }

    /// Of the template for this language; it was checked that there is one.
    fn fill(&self, entry: &Value, locale: Option<&str>) -> String {
        let wanted = locale.unwrap_or_default();
        let language = wanted.split('-').next().unwrap_or_default();
        let known = [wanted, language, "en"].into_iter().find_map(|tag| self.words.get(tag));
        known.or_else(|| self.words.values().next()).map_or_else(String::new, |template| template.fill(entry))
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
fn showable(text: &str) -> String {
    text.chars().map(|character| if is_unshowable(character) { char::REPLACEMENT_CHARACTER } else { character }).collect()
}

fn bounded(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    text.chars().take(characters - 1).chain(['\u{2026}']).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PAYMENT: &str = r#"
        [words]
        en = "Pay {/amount/value} {/amount/currency} to {/creditor}"
        ar = "ادفع {/amount/value} إلى {/creditor}"
        [schema]
        type = "object"
        required = ["type", "amount", "creditor"]
        additionalProperties = false
        [schema.properties]
        type = {}
        creditor = { type = "string", maxLength = 70 }
        note = { type = "array", items = { type = "string" } }
        amount = { type = "object", required = ["value"], properties = { value = { type = "string", pattern = "^[0-9]+(\\.[0-9]{2})?$" } } }
    "#;

    fn types() -> (tempfile::TempDir, DetailTypes) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("payment.toml"), PAYMENT).unwrap();
        let account = json!({ "type": "https://bank.example/account", "schema": true, "words": { "de": "Konto {/accounts}" } });
        std::fs::write(directory.path().join("account.json"), account.to_string()).unwrap();
        std::fs::write(directory.path().join("README.md"), "no type").unwrap();
        let types = DetailTypes::load(directory.path()).unwrap();
        (directory, types)
    }

    #[test]
    fn item_8_an_entry_is_held_against_the_schema_of_its_type() {
        let (_directory, types) = types();
        assert_eq!(types.names().collect::<Vec<_>>(), ["https://bank.example/account", "payment"]);
        let good = json!({ "type": "payment", "amount": { "value": "12.50", "currency": "EUR" }, "creditor": "Fern & Co" });
        for (details, why) in [
            (json!([good, { "type": "https://bank.example/account" }]), None),
            (json!([good, { "type": "payment", "creditor": "x" }]), Some("authorization_details[1]: it: ")),
            (json!([{ "type": "payment", "creditor": "x", "amount": { "value": "secret" } }]), Some("[0]: /amount/value: ")),
            (json!([{ "type": "payment", "creditor": "x", "amount": { "value": "1" }, "hidden": 1 }]), Some("[0]: it: ")),
            (json!([{ "type": "payment", "creditor": "x".repeat(70), "amount": { "value": "1", "currency": "y".repeat(100) } }]), None),
            (
                json!([{ "type": "payment", "creditor": "x", "amount": { "value": "1", "currency": "y".repeat(101) } }]),
                Some("[0]: it has a value that is longer than the person can be shown"),
            ),
            (json!([{ "type": "unheard" }]), Some("[0]: its type is not known here")),
        ] {
            match (types.check(&details), why) {
                (Ok(()), None) => {}
                (Err(error), Some(why)) => {
                    assert!(error.description.contains(why) && !error.description.contains("secret"), "{}", error.description);
                }
                (said, _) => panic!("{details}: {said:?}"),
            }
        }
    }

    #[test]
    fn item_8_the_person_reads_words_and_no_more_than_they_can_see() {
        let (_directory, types) = types();
        let entry = json!({ "type": "payment", "amount": { "value": "12.50", "currency": "EUR" }, "creditor": "Fern \u{202e}& Co" });
        assert_eq!(
            types.in_words(&json!([entry]), None),
            ["Pay \u{2068}12.50\u{2069} \u{2068}EUR\u{2069} to \u{2068}Fern \u{fffd}& Co\u{2069}"],
            "what the client wrote is isolated"
        );
        let isolates = ['\u{2068}', '\u{2069}'];
        let plain = |details: &Value, locale| -> Vec<String> {
            types.in_words(details, locale).iter().map(|line| line.replace(isolates, "")).collect()
        };
        assert_eq!(plain(&json!([entry]), None), ["Pay 12.50 EUR to Fern \u{fffd}& Co"]);
        assert_eq!(plain(&json!([entry]), Some("pt-BR")), ["Pay 12.50 EUR to Fern \u{fffd}& Co"]);
        assert_eq!(plain(&json!([entry]), Some("ar-EG")), ["ادفع 12.50 إلى Fern \u{fffd}& Co"]);
        assert_eq!(plain(&json!([{ "type": "payment" }]), Some("en")), ["Pay — — to —"]);
        let account = json!({ "type": "https://bank.example/account", "accounts": ["1", 2, { "a": null }] });
        assert_eq!(plain(&json!([account]), None), ["Konto 1, 2, {\"a\":null}"]);
        let long = json!({ "type": "https://bank.example/account", "accounts": "x".repeat(1000) });
        assert_eq!(plain(&json!([long]), None)[0].chars().count(), "Konto ".len() + VALUE_MAX);
        let gone = json!([{ "type": "gone", "note": "y\n".repeat(1000) }]);
        assert_eq!(types.in_words(&gone, None)[0].chars().count(), ENTRY_MAX);
    }

    #[test]
    fn a_file_that_cannot_be_used_says_why() {
        for (text, why) in [
            ("schema = true", "words"),
            ("schema = true\n[words]", "at least one language"),
            ("schema = true\n[words]\nen = \"{/a\"", "words.en: a brace is opened"),
            ("schema = true\n[words]\nen = \"a}\"", "words.en: a brace is closed"),
            ("schema = true\n[words]\nen = \"{a}\"", "JSON pointer"),
            ("[words]\nen = \"x\"\n[schema]\ntype = \"nothing\"", "schema: "),
            ("[words]\nen = \"x\"\n[schema]\n\"$ref\" = \"https://x.example\"", "schema: "),
            ("shema = true", "shema"),
        ] {
            let directory = tempfile::tempdir().unwrap();
            std::fs::write(directory.path().join("a.toml"), text).unwrap();
            let error = DetailTypes::load(directory.path()).unwrap_err();
            assert!(error.contains("a.toml: ") && error.contains(why), "{error}");
        }
        assert_eq!(DetailTypes::load(Path::new("/nowhere/at/all")).unwrap().names().count(), 0);
        let (directory, _) = types();
        std::fs::write(directory.path().join("again.json"), r#"{"type": "payment", "schema": {}, "words": {"en": "x"}}"#).unwrap();
        assert!(DetailTypes::load(directory.path()).unwrap_err().contains("payment too"));
    }
}
