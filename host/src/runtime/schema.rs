//! JSON Schemas, applied within limits: those of plugins' settings, and those of `authorization_details`.
//!
//! A schema may be a stranger's, and a few lines of it can ask for more than a machine can do: two references to the next
//! definition, forty times over, are a million million schemas. So it is counted before it is applied.

use std::collections::HashMap;

use serde_json::Value;

/// The most schemas that one may amount to, when every reference is replaced by what it refers to.
const WRITTEN_OUT_MAX: u64 = 50_000;
/// How deep they may lie in each other, references included: whoever applies them has a stack like any other.
const DEPTH_MAX: usize = 200;
/// The most work: schemas, times the values they may be applied to.
const WORK_MAX: u64 = 5_000_000;
/// Up to here all problems are collected; beyond, one is enough. Each is kept in memory until all are there.
const ALL_PROBLEMS: u64 = 50_000;
/// How many schemas a pattern counts for. Compiling one takes that much longer.
const PATTERN: u64 = 50;
/// A schema that asks what was left unevaluated looks at everything inside it once more, and so does every such schema
/// inside it.
const UNEVALUATED: u64 = 3;

/// What one pattern of a schema may take: bytes when it is compiled, and steps when it is tried.
const PATTERN_BYTES: usize = 256 << 10;
const PATTERN_STEPS: usize = 10_000;
/// The most problems that are listed.
const PROBLEMS_MAX: usize = 5;

/// A schema that can be applied.
#[derive(Debug)]
pub struct Schema {
    validator: jsonschema::Validator,
    /// Its size, with its references written out.
    size: u64,
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// When it is none, or amounts to too much: in words.
    pub fn read(schema: &Value) -> Result<Self, String> {
        let size = size(schema)?;
        let patterns = jsonschema::PatternOptions::fancy_regex()
            .size_limit(PATTERN_BYTES)
            .dfa_size_limit(PATTERN_BYTES)
            .backtrack_limit(PATTERN_STEPS);
        // Masked, here and below: what stands there may be a secret, or somebody else's.
        let built = jsonschema::options().with_pattern_options(patterns).build(schema);
        Ok(Self { validator: built.map_err(|error| error.masked().to_string())?, size })
    }

    /// What it says is wrong with `value`, which is called `name` where it is wrong as a whole.
    ///
    /// # Errors
    /// When it cannot be applied to that much.
    pub fn problems(&self, value: &Value, name: &str) -> Result<Vec<String>, String> {
        let say = |error: jsonschema::ValidationError<'_>| {
            let at = error.instance_path().to_string();
            format!("{}: {}", if at.is_empty() { name } else { &at }, error.masked())
        };
        Ok(match effort(self.size, value)? {
            Effort::All => self.validator.iter_errors(value).take(PROBLEMS_MAX).map(say).collect(),
            Effort::First => self.validator.validate(value).err().map(say).into_iter().collect(),
        })
    }
}

/// Whether all problems may be asked for, or only the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effort {
    All,
    First,
}

/// Refuses a schema that amounts to too much, in words. References that cannot be followed by looking are refused too:
/// what they lead to could be anything.
fn size(schema: &Value) -> Result<u64, String> {
    let draft4 =
        schema.get("$schema").and_then(Value::as_str).is_some_and(|draft| draft.contains("draft-04") || draft.contains("draft-03"));
    let mut count = Count { root: schema, draft4, known: HashMap::new() };
    let size = count.of(schema, 0)?.size;
    if size > WRITTEN_OUT_MAX {
        return Err(format!("with its references written out it is larger than {WRITTEN_OUT_MAX} schemas"));
    }
    Ok(size)
}

/// How much may be asked of a schema of this size.
fn effort(size: u64, value: &Value) -> Result<Effort, String> {
    match size.saturating_mul(values(value)) {
        work if work > WORK_MAX => Err("it is too large for that many values".to_owned()),
        work if work > ALL_PROBLEMS => Ok(Effort::First),
        _ => Ok(Effort::All),
    }
}

fn values(value: &Value) -> u64 {
    match value {
        Value::Object(fields) => 1 + fields.values().map(values).sum::<u64>(),
        Value::Array(items) => 1 + items.iter().map(values).sum::<u64>(),
        _ => 1,
    }
}

struct Count<'a> {
    root: &'a Value,
    draft4: bool,
    /// What is known of each value, by its address. `None` while it is being counted.
    known: HashMap<*const Value, Option<Counted>>,
}

#[derive(Clone, Copy)]
struct Counted {
    size: u64,
    height: usize,
}

impl<'a> Count<'a> {
    /// Counts everything in a schema, whether it is a schema or not: what is no schema does no harm by counting.
    fn of(&mut self, value: &'a Value, depth: usize) -> Result<Counted, String> {
        match self.known.get(&std::ptr::from_ref(value)) {
            Some(Some(counted)) if depth + counted.height > DEPTH_MAX => return Err(too_deep()),
            Some(Some(counted)) => return Ok(*counted),
            Some(None) => return Err("it refers to itself".to_owned()),
            None if depth > DEPTH_MAX => return Err(too_deep()),
            None => {}
        }
        let mut counted = Counted { size: 1, height: 0 };
        match value {
            Value::Object(fields) => {
                self.known.insert(value, None);
                for (keyword, inner) in fields {
                    let target = self.follow(value, keyword, inner)?.unwrap_or(inner);
                    counted.add(self.of(target, depth + 1)?);
                    counted.size = counted.size.saturating_add(match keyword.as_str() {
                        "pattern" => PATTERN,
                        "patternProperties" => inner.as_object().map_or(0, |patterns| PATTERN.saturating_mul(patterns.len() as u64)),
                        _ => 0,
                    });
                }
                if fields.contains_key("unevaluatedProperties") || fields.contains_key("unevaluatedItems") {
                    counted.size = counted.size.saturating_mul(UNEVALUATED);
                }
                self.known.insert(value, Some(counted));
            }
            Value::Array(items) => {
                self.known.insert(value, None);
                for inner in items {
                    counted.add(self.of(inner, depth + 1)?);
                }
                self.known.insert(value, Some(counted));
            }
            _ => {}
        }
        Ok(counted)
    }

    /// Where a reference leads.
    fn follow(&self, schema: &Value, keyword: &str, inner: &Value) -> Result<Option<&'a Value>, String> {
        let Some(text) = inner.as_str() else { return Ok(None) };
        match keyword {
            "$ref" => {
                let found = text.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
                found.map(Some).ok_or_else(|| "a `$ref` of it does not lead to a place in itself, as `#/$defs/name` does".to_owned())
            }
            "$dynamicRef" | "$recursiveRef" => Err(format!("it has a `{keyword}`; use `$ref`")),
            // Below one, references count from another place.
            "$id" | "id" if (keyword == "$id" || self.draft4) && !std::ptr::eq(schema, self.root) => {
                Err(format!("it has an `{keyword}` inside; only the whole may have one"))
            }
            _ => Ok(None),
        }
    }
}

impl Counted {
    fn add(&mut self, inner: Self) {
        self.size = self.size.saturating_add(inner.size);
        self.height = self.height.max(inner.height + 1);
    }
}

fn too_deep() -> String {
    format!("it is more than {DEPTH_MAX} schemas deep")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn effort(schema: &Value, settings: &Value) -> Result<Effort, String> {
        size(schema).and_then(|size| super::effort(size, settings))
    }

    /// Definitions 0 to `levels`, each made of the next one; the last is this.
    fn chain(levels: usize, last: &Value, link: impl Fn(Value) -> Value) -> Value {
        let next = |number: usize| json!({"$ref": format!("#/$defs/{number}")});
        let definitions: serde_json::Map<_, _> =
            (0..levels).map(|number| (number.to_string(), link(next(number + 1)))).chain([(levels.to_string(), last.clone())]).collect();
        json!({"$ref": "#/$defs/0", "$defs": definitions})
    }

    #[test]
    fn a_schema_that_branches_without_an_end_is_refused_before_it_is_applied() {
        let settings = json!({"key": "x"});
        let twice = |keyword: &'static str| move |next: Value| json!({keyword: [next, next]});
        for last in [json!(true), json!(false)] {
            for keyword in ["allOf", "anyOf", "oneOf", "prefixItems"] {
                let why = effort(&chain(40, &last, twice(keyword)), &settings).unwrap_err();
                assert!(why.contains("larger than"), "{keyword}: {why}");
            }
            assert!(effort(&chain(40, &last, |next| json!({"if": next, "then": next, "else": next})), &settings).is_err());
            assert!(effort(&chain(40, &last, |next| json!({"properties": {"a": next, "b": next}})), &settings).is_err());
        }
        let deep = (0..40).fold(json!({}), |inner, _| json!({"allOf": [inner], "unevaluatedProperties": false}));
        assert!(effort(&deep, &settings).is_err());
        let circle = json!({"properties": {"a": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}});
        assert_eq!(effort(&circle, &settings), Err("it refers to itself".to_owned()));
        let list = json!(vec![json!({}); 2_000]);
        assert_eq!(effort(&chain(10, &json!(false), twice("allOf")), &list), Err("it is too large for that many values".to_owned()));
    }

    /// What cannot be followed could lead around the count.
    #[test]
    fn a_reference_that_cannot_be_followed_is_refused() {
        for schema in [
            json!({"$ref": "https://schemas.example/all"}),
            json!({"$ref": "#name", "$defs": {"a": {"$anchor": "name"}}}),
            json!({"$ref": "#/%24defs/a", "$defs": {"a": {}}}),
            json!({"$ref": "#/$defs/b", "$defs": {"a": {}}}),
            json!({"$dynamicRef": "#a", "$defs": {"a": {"$dynamicAnchor": "a"}}}),
            json!({"properties": {"a": {"$id": "https://schemas.example/a", "$ref": "#/a"}}}),
            json!({"$schema": "http://json-schema.org/draft-04/schema#", "properties": {"a": {"id": "a/", "$ref": "#/a"}}, "a": {}}),
        ] {
            assert!(effort(&schema, &json!({})).is_err(), "{schema}");
        }
    }

    #[test]
    fn a_schema_as_authors_write_them_is_taken() {
        let key = json!({"type": "string", "pattern": "^whsec_", "writeOnly": true});
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://plugins.example/settings",
            "type": "object", "properties": {"id": {"type": "string"}, "$id": {}, "keys": {"items": {"$ref": "#/$defs/key"}},
            "old": {"$ref": "#/$defs/key"}}, "additionalProperties": false, "$defs": {"key": key}
        });
        assert_eq!(effort(&schema, &json!({"keys": ["a", "b"], "old": "c"})), Ok(Effort::All));
    }
}
