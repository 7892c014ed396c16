//! JSON in which no name is given twice.
//!
//! RFC 8259 leaves open which of two members with one name counts, and libraries differ. What one reader checks must be
//! what another acts on, so such an object is refused at every depth (RFC 7515 4, RFC 7519 4).

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Why a text is not such an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAnObject {
    /// It is something else, or nothing that can be read.
    NotJson,
    /// A name is given twice.
    Twice,
}

/// Said by the reader below and looked for above; serde carries errors as text.
const TWICE: &str = "a name is given twice";

/// Reads an object.
pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, NotAnObject> {
    match serde_json::from_slice(bytes) {
        Ok(Once(Value::Object(object))) => Ok(object),
        Ok(_) => Err(NotAnObject::NotJson),
        // What serde_json says itself repeats nothing of the text but its place.
        Err(error) if error.is_data() && error.to_string().starts_with(TWICE) => Err(NotAnObject::Twice),
        Err(_) => Err(NotAnObject::NotJson),
    }
}

/// A value in which no name is given twice. `serde_json` itself ends at a depth of 128.
struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Once(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Once(value))) = members.next_entry::<String, Once>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom(TWICE));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_once_reads_as_elsewhere() {
        let text = r#"{"a":[1,-2,3.5,18446744073709551615,true,null,"ä\n",{"a":{"a":[]}}],"b":{},"c":1e3}"#;
        assert_eq!(Value::Object(object(text.as_bytes()).unwrap()), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn a_name_given_twice_is_refused_at_every_depth() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"\u0061":3}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            r#"{"x":[[{"a":1},{"a":1,"a":2}]]}"#,
            r#"{"a":{},"a":{}}"#,
            r#"{"":1,"":2}"#,
        ] {
            assert_eq!(object(text.as_bytes()), Err(NotAnObject::Twice), "{text}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let deep = format!("{}{}", "{\"a\":".repeat(200), "1") + &"}".repeat(200);
        for text in ["", "1", "[]", "null", "{", "{}x", "{} {}", r#"{"a":}"#, r#"{"a":1e999}"#, r#"{"a":"\ud800"}"#, "{'a':1}", &deep] {
            assert_eq!(object(text.as_bytes()), Err(NotAnObject::NotJson), "{text}");
        }
        assert_eq!(object(b"{\"a\":\"\xff\"}"), Err(NotAnObject::NotJson));
        assert!(object(b" {} \n").is_ok());
    }
}
