//! Settings: secrets fetched from where they are kept, and hidden where settings and words about them are shown.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use zeroize::Zeroizing;

use super::files;
use super::refusal::Refusal;
use super::schema::Schema;
use crate::protocol::plugin::PluginFile;

/// Stands wherever a secret stood.
pub(super) const REDACTED: &str = "[redacted]";

/// The shortest text that is blanked. Less is no secret, and would be found in every other word.
pub(super) const SECRET_MIN: usize = 4;

/// Texts that must not be repeated.
#[derive(Clone, Default)]
pub(super) struct Secrets(Vec<Zeroizing<String>>);

impl Secrets {
    /// Keeps each line by itself: a log has lines.
    fn add(&mut self, secret: &str) {
        self.0.extend(secret.lines().map(str::trim).filter(|line| line.len() >= SECRET_MIN).map(|line| line.to_owned().into()));
        // The longest first, or a part of it would keep it from being found.
        self.0.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    /// These, and one that a single call is told.
    pub(super) fn and(&self, secret: &str) -> Self {
        let mut all = self.clone();
        all.add(secret);
        all
    }

    /// The text without them. Whoever means to repeat one can write it otherwise; this is for those who do not.
    pub(super) fn blank<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.0
            .iter()
            .filter(|secret| text.contains(secret.as_str()))
            .fold(Cow::Borrowed(text), |text, secret| Cow::Owned(text.replace(secret.as_str(), REDACTED)))
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets([redacted])")
    }
}

/// The settings as the plugin gets them, and the secrets among them. `{ file = "…" }` and `{ env = "…" }` become what
/// they point to; a relative path counts from `directory`. Nothing else in `own`, the host's directory, can be pointed
/// to.
pub(super) fn resolve(settings: &toml::Table, directory: &Path, own: &Path) -> Result<(Value, Secrets), Refusal> {
    let value = serde_json::to_value(settings).map_err(|error| refused(error.to_string()))?;
    let mut secrets = Secrets::default();
    let value = resolve_value(value, Places { directory, own }, "", &mut secrets)?;
    Ok((value, secrets))
}

/// Where files of secrets lie, and where they do not.
#[derive(Clone, Copy)]
struct Places<'a> {
    directory: &'a Path,
    own: &'a Path,
}

impl Places<'_> {
    /// Whether a file is the host's own: its keys, its database. Whoever may write into the folder may not read those.
    fn forbid(self, file: &Path) -> bool {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let file = real(file);
        !self.own.as_os_str().is_empty() && file.starts_with(real(self.own)) && !file.starts_with(real(self.directory))
    }
}

fn resolve_value(value: Value, places: Places<'_>, at: &str, secrets: &mut Secrets) -> Result<Value, Refusal> {
    Ok(match value {
        Value::Object(fields) => match reference(&fields) {
            Some(reference) => {
                let secret = fetch(&reference, places, at)?;
                secrets.add(&secret);
                Value::String(secret)
            }
            None => Value::Object(
                fields
                    .into_iter()
                    .map(|(name, value)| {
                        let at = format!("{at}/{name}");
                        resolve_value(value, places, &at, secrets).map(|value| (name, value))
                    })
                    .collect::<Result<_, _>>()?,
            ),
        },
        Value::Array(items) => {
            let items = items.into_iter().enumerate();
            let resolved = items.map(|(number, item)| resolve_value(item, places, &format!("{at}/{number}"), secrets));
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

/// The files that the settings in this text point to. None where it cannot be read, which is said elsewhere.
pub(super) fn files(text: &str, directory: &Path) -> Vec<PathBuf> {
    fn collect(value: &Value, directory: &Path, found: &mut Vec<PathBuf>) {
        match value {
            Value::Object(fields) => match reference(fields) {
                Some(Reference::File(path)) => found.push(directory.join(path)),
                Some(Reference::Environment(_)) => {}
                None => fields.values().for_each(|value| collect(value, directory, found)),
            },
            Value::Array(items) => items.iter().for_each(|item| collect(item, directory, found)),
            _ => {}
        }
    }
    let file: PluginFile = toml::from_str(text).unwrap_or_default();
    let mut found = Vec::new();
    collect(&serde_json::to_value(file.settings).unwrap_or_default(), directory, &mut found);
    found
}

fn fetch(reference: &Reference, places: Places<'_>, at: &str) -> Result<String, Refusal> {
    match reference {
        Reference::File(path) if places.forbid(&places.directory.join(path)) => {
            Err(refused(format!("{at}: {} is the host's own and no plugin's secret", path.display())))
        }
        Reference::File(path) => {
            files::read_secret(&places.directory.join(path)).map_err(|error| refused(format!("{at}: a secret cannot be read: {error}")))
        }
        Reference::Environment(name) => {
            std::env::var(name).map_err(|_| refused(format!("{at}: the environment has no variable {name}, or it is not UTF-8")))
        }
    }
}

fn refused(what: impl AsRef<str>) -> Refusal {
    Refusal::new("settings", what, "mend the [settings] in the .toml file beside the plugin")
}

/// What `schema` says is wrong with `settings`, if anything.
pub(super) fn check(schema: &Value, settings: &Value) -> Result<(), Refusal> {
    let describe =
        |what: String| Refusal::new("describe", format!("its settings schema cannot be used: {what}"), "this is for the plugin's author");
    let problems = Schema::read(schema).and_then(|schema| schema.problems(settings, "settings")).map_err(describe)?;
    if problems.is_empty() { Ok(()) } else { Err(refused(problems.join("; "))) }
}

/// The JSON Pointer (RFC 6901) of a member of what stands at `at`.
pub(super) fn below(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// The settings as they may be shown: what the schema marks `writeOnly`, and what came from a file or the
/// environment, is hidden. What was hidden is added to `secrets`.
pub(super) fn redact(settings: &toml::Table, schema: &Value, secrets: &mut Secrets) -> Value {
    let settings = serde_json::to_value(settings).unwrap_or_default();
    each_secret(settings, &[schema], schema, "", &mut |value, _| {
        hide(&value, secrets);
        Value::String(REDACTED.to_owned())
    })
}

/// The settings with something else in the place of each secret: of what is marked `writeOnly`, and of what still only
/// points to where a secret is kept. `schemas` are those that are written for this value, which stands at `at`; `root`
/// is where their references start.
pub(super) fn each_secret(
    value: Value,
    schemas: &[&Value],
    root: &Value,
    at: &str,
    instead: &mut dyn FnMut(Value, &str) -> Value,
) -> Value {
    let plain = applying(schemas, root).filter(|schemas| !schemas.iter().any(|schema| schema.get("writeOnly") == Some(&Value::Bool(true))));
    let Some(schemas) = plain else { return instead(value, at) };
    match value {
        Value::Object(fields) if reference(&fields).is_some() => instead(Value::Object(fields), at),
        Value::Object(fields) => {
            let each = fields.into_iter().map(|(name, value)| {
                let inner: Vec<_> = schemas.iter().flat_map(|schema| for_property(schema, &name)).collect();
                let value = each_secret(value, &inner, root, &below(at, &name), instead);
                (name, value)
            });
            Value::Object(each.collect())
        }
        Value::Array(items) => {
            let inner: Vec<_> = schemas.iter().flat_map(|schema| for_items(schema)).collect();
            let items = items.into_iter().enumerate();
            Value::Array(items.map(|(number, item)| each_secret(item, &inner, root, &format!("{at}/{number}"), instead)).collect())
        }
        plain => plain,
    }
}

/// Every text in a value that is not shown. Where it only points to a secret, that one is known already.
fn hide(value: &Value, secrets: &mut Secrets) {
    match value {
        Value::String(text) => secrets.add(text),
        Value::Object(fields) if reference(fields).is_some() => {}
        Value::Object(fields) => fields.values().for_each(|value| hide(value, secrets)),
        Value::Array(items) => items.iter().for_each(|value| hide(value, secrets)),
        _ => {}
    }
}

/// These schemas and all that they draw in. `None` when a reference leads out of sight: then nothing may be shown.
fn applying<'a>(schemas: &[&'a Value], root: &'a Value) -> Option<Vec<&'a Value>> {
    let mut all: Vec<&Value> = Vec::new();
    let mut known: HashSet<*const Value> = HashSet::new();
    let mut next = schemas.to_vec();
    while let Some(schema) = next.pop() {
        if !known.insert(schema) {
            continue;
        }
        all.push(schema);
        for keyword in ["$ref", "$dynamicRef", "$recursiveRef"] {
            if let Some(reference) = schema.get(keyword) {
                next.push(root.pointer(reference.as_str()?.strip_prefix('#')?)?);
            }
        }
        for keyword in ["allOf", "anyOf", "oneOf"] {
            next.extend(schema.get(keyword).and_then(Value::as_array).into_iter().flatten());
        }
        next.extend(["if", "then", "else"].iter().filter_map(|keyword| schema.get(keyword)));
        next.extend(schema.get("dependentSchemas").and_then(Value::as_object).into_iter().flat_map(|schemas| schemas.values()));
    }
    Some(all)
}

/// What a schema says of one property. Patterns are not tried: any of them may be meant.
fn for_property<'a>(schema: &'a Value, name: &str) -> Vec<&'a Value> {
    let named = schema.get("properties").and_then(|properties| properties.get(name));
    let patterns = schema.get("patternProperties").and_then(Value::as_object);
    let others = ["additionalProperties", "unevaluatedProperties"].into_iter().filter_map(|keyword| schema.get(keyword));
    let others = others.filter(|_| named.is_none());
    named.into_iter().chain(patterns.into_iter().flat_map(|patterns| patterns.values())).chain(others).collect()
}

/// What a schema says of items, wherever they stand.
fn for_items(schema: &Value) -> Vec<&Value> {
    let keywords = ["items", "prefixItems", "additionalItems", "unevaluatedItems", "contains"];
    let found = keywords.into_iter().filter_map(|keyword| schema.get(keyword));
    found.flat_map(|found| found.as_array().map_or_else(|| vec![found], |list| list.iter().collect())).collect()
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
        let resolve = |settings: &toml::Table| resolve(settings, directory.path(), Path::new(""));
        let (resolved, mut secrets) = resolve(&settings).unwrap();
        assert_eq!(resolved["secrets"], json!(["whsec_abc"]));
        assert_eq!(redact(&settings, &schema, &mut secrets), json!({"url": "https://x", "secrets": [REDACTED], "plain": REDACTED}));
        assert_eq!(secrets.blank("not whsec_abc but https://x"), format!("not {REDACTED} but https://x"));
        let missing = resolve(&table("key = { file = 'none' }")).unwrap_err();
        assert!(missing.what.starts_with("/key: "), "{missing}");
        assert!(resolve(&table("key = { env = 'CIBA_HOST_NO_SUCH_VARIABLE' }")).is_err());
    }

    #[test]
    fn the_hosts_own_files_are_nobodys_secret() {
        let own = tempfile::tempdir().unwrap();
        let folder = own.path().join("plugins");
        std::fs::create_dir(&folder).unwrap();
        for file in [own.path().join("admin.token"), folder.join("key")] {
            std::fs::write(file, "hush").unwrap();
        }
        std::os::unix::fs::symlink("../admin.token", folder.join("link")).unwrap();
        for (file, allowed) in [("key", true), ("../plugins/key", true), ("../admin.token", false), ("link", false)] {
            let settings = table(&format!("key = {{ file = '{file}' }}"));
            assert_eq!(resolve(&settings, &folder, own.path()).is_ok(), allowed, "{file}");
        }
    }

    #[test]
    fn a_secret_is_found_wherever_the_schema_marks_it() {
        let settings = table("key = 'hush'\nplain = 'seen'\n[auth]\ntoken = 'hush'\n[[keys]]\nkey = 'hush'");
        let secret = json!({"type": "string", "writeOnly": true});
        let hidden = |schema: Value| {
            let shown = redact(&settings, &schema, &mut Secrets::default()).to_string();
            (shown.matches("hush").count(), shown.contains("seen"))
        };
        let auth = json!({"properties": {"token": secret}});
        let keys = json!({"items": {"properties": {"key": secret}}});
        let properties = json!({"key": secret, "plain": {}, "auth": auth, "keys": keys});
        assert_eq!(hidden(json!({})), (3, true));
        assert_eq!(hidden(json!({"properties": properties})), (0, true));
        assert_eq!(hidden(json!({"allOf": [{"anyOf": [{"then": {"properties": properties}}]}]})), (0, true));
        assert_eq!(hidden(json!({"$ref": "#/$defs/all", "$defs": {"all": {"properties": properties}}})), (0, true));
        let refers = json!({"key": {"$ref": "#/$defs/secret"}, "auth": {"additionalProperties": {"$ref": "#/$defs/secret"}},
            "keys": {"prefixItems": [{"patternProperties": {"^k": {"$ref": "#/$defs/secret"}}}]}});
        assert_eq!(hidden(json!({"properties": refers, "$defs": {"secret": secret}})), (0, true));
        // Out of sight, or in a circle.
        assert_eq!(hidden(json!({"$ref": "https://schemas.example/all"})), (0, false));
        assert_eq!(hidden(json!({"$ref": "#", "properties": properties})), (0, true));
    }

    /// The schema is a stranger's, and the thread that applies it has a stack like any other.
    #[test]
    fn a_schema_that_turns_in_circles_or_goes_deep_is_no_danger() {
        let settings = json!({"key": "x"});
        for circle in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"not": {"$ref": "#/$defs/a"}}}}),
        ] {
            let _ = check(&circle, &settings);
        }
        // As long a chain as fits into a description.
        for link in [
            |next: usize| json!({"$ref": format!("#/$defs/{next}")}),
            |next| json!({"not": {"anyOf": [{"$ref": format!("#/$defs/{next}")}]}}),
        ] {
            let definitions: serde_json::Map<_, _> =
                (0..2_300).map(|number| (number.to_string(), link(number + 1))).chain([("2300".to_owned(), json!(false))]).collect();
            let deep = json!({"$ref": "#/$defs/0", "$defs": definitions});
            assert!(deep.to_string().len() > 64 << 10);
            let settings = settings.clone();
            let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(move || check(&deep, &settings).is_err());
            assert!(thread.unwrap().join().unwrap());
        }
    }

    #[test]
    fn a_secret_is_blanked_line_by_line_and_the_longest_first() {
        let mut secrets = Secrets::default();
        for secret in ["hush", "hush-hush-hush", "-----BEGIN\nbGluZQ==\nab\n", ""] {
            secrets.add(secret);
        }
        assert_eq!(secrets.blank("/key: `hush-hush-hush` is no key"), "/key: `[redacted]` is no key");
        assert_eq!(secrets.blank("line bGluZQ== of hush, ab"), "line [redacted] of [redacted], ab");
        assert_eq!(format!("{secrets:?}"), "Secrets([redacted])");
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
