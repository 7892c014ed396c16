//! What may be registered (RFC 7591, CIBA Core 4, RFC 8705 2.1.2, RFC 9396 10, OpenID Connect Registration 2 and 5).
//!
//! [`metadata`] reads an object, member by member, and then holds the whole against the [`rules`].

mod rules;
#[cfg(test)]
mod tests;

use serde::Deserialize as _;
use serde::de::value::Error as FieldsError;
use serde::de::{Deserializer, Visitor};
use serde_json::{Map, Value};

pub use rules::{certificate_names, check_id_token_algorithm, listed_in_sector, whole_message};

use super::metadata::{ClientMetadata, DeliveryMode};
use crate::protocol::algorithm::{JwsAlgorithm, KeyEncryption};
use crate::protocol::binding_message::is_unshowable;
use crate::protocol::fapi;
use crate::protocol::spelling::meant;

/// What is wrong with a registration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{member}: {what}")]
pub struct MetadataError {
    /// The member that has to be mended.
    pub member: String,
    /// What is wrong with it, and what was expected.
    pub what: String,
}

impl MetadataError {
    /// Of this member.
    pub fn of(member: &str, what: impl Into<String>) -> Self {
        Self { member: member.to_owned(), what: what.into() }
    }
}

/// What is found in a set of public keys. Reading one is the work of another room.
#[derive(Clone, Debug, Default)]
pub struct KeysFound {
    /// For which of these something can be encrypted.
    pub encryption: Vec<KeyEncryption>,
    /// Whether certificates stand beside the keys (`x5c`).
    pub certificates: bool,
}

/// What does not stand in the registration itself.
pub struct Circumstances<'a> {
    /// Whether an operator says it, who vouches for the client and wants to know about members that we do not know. Of a
    /// client that speaks for itself those are left out (RFC 7591 2).
    pub by_operator: bool,
    /// The delivery modes that are served.
    pub modes: &'a [DeliveryMode],
    /// What the host signs with.
    pub algorithms: &'a [JwsAlgorithm],
    /// Reads a set of public keys, or says what is wrong with it.
    pub read_keys: &'a (dyn Fn(&Value) -> Result<KeysFound, String> + Sync),
}

/// Members of RFC 7591, OpenID Connect Registration and RFC 7592 that say nothing here: they are read past, also where
/// others would be a mistake.
const READ_PAST: [&str; 19] = [
    "application_type",
    "client_id",
    "client_id_issued_at",
    "client_secret_expires_at",
    "client_uri",
    "contacts",
    "initiate_login_uri",
    "logo_uri",
    "policy_uri",
    "redirect_uris",
    "registration_access_token",
    "registration_client_uri",
    "request_object_signing_alg",
    "response_types",
    "software_id",
    "software_statement",
    "software_version",
    "tos_uri",
    "userinfo_signed_response_alg",
];

/// The longest text of any member, and the most entries of a list: what is registered is kept for years and shown.
const TEXT_MAX: usize = 2048;
const LIST_MAX: usize = 50;
/// The longest name in characters, because a card shows all of it.
const NAME_MAX: usize = 100;

/// Reads what is to be registered.
///
/// # Errors
/// The first member that cannot be used.
pub fn metadata(members: &Map<String, Value>, circumstances: &Circumstances<'_>) -> Result<ClientMetadata, MetadataError> {
    let mut kept = Map::new();
    for (name, value) in members {
        // RFC 7592 2.2: null is as good as absent.
        if value.is_null() {
            continue;
        }
        if members_kept().contains(&name.as_str()) {
            check_size(name, value)?;
            if let ("client_name", Some(text)) = (name.as_str(), value.as_str()) {
                check_name(text)?;
            }
            // Alone first, because an error of the whole would not say which member it is about.
            let alone = Map::from_iter([(name.clone(), value.clone())]);
            ClientMetadata::deserialize(Value::Object(alone)).map_err(|error| MetadataError::of(name, plain(&error.to_string())))?;
            kept.insert(name.clone(), value.clone());
        } else if circumstances.by_operator && !READ_PAST.contains(&name.as_str()) {
            return Err(unknown(name));
        }
    }
    let mut metadata = ClientMetadata::deserialize(Value::Object(kept)).map_err(|error| MetadataError::of("", error.to_string()))?;
    rules::check(members, &mut metadata, circumstances)?;
    fapi::check_registration(&metadata)?;
    Ok(metadata)
}

fn check_size(member: &str, value: &Value) -> Result<(), MetadataError> {
    let too_long = |text: &Value| text.as_str().is_some_and(|text| text.len() > TEXT_MAX || text.contains(char::is_control));
    match value {
        Value::Array(list) if list.len() > LIST_MAX => Err(MetadataError::of(member, format!("has more than {LIST_MAX} entries"))),
        Value::Array(list) if list.iter().any(too_long) => {
            Err(MetadataError::of(member, "has an entry that is too long or holds control characters"))
        }
        text if too_long(text) => Err(MetadataError::of(member, format!("is longer than {TEXT_MAX} bytes, or holds control characters"))),
        _ => Ok(()),
    }
}

/// A name stands beside what people compare: it must read as what it is, like a binding message.
fn check_name(name: &str) -> Result<(), MetadataError> {
    let wrong = |what: String| Err(MetadataError::of("client_name", what));
    if name.chars().count() > NAME_MAX {
        return wrong(format!("is longer than {NAME_MAX} characters"));
    }
    if name.trim() != name || name.is_empty() {
        return wrong("is empty, or begins or ends with white space".to_owned());
    }
    match name.chars().find(|character| is_unshowable(*character)) {
        Some(character) => wrong(format!("has U+{:04X}, which is invisible or changes how the rest is shown", u32::from(character))),
        None => Ok(()),
    }
}

/// The members that are kept, as the type itself says.
pub fn members_kept() -> &'static [&'static str] {
    struct Fields<'a>(&'a mut &'static [&'static str]);
    impl<'de> Deserializer<'de> for Fields<'_> {
        type Error = FieldsError;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, FieldsError> {
            Err(serde::de::Error::custom("only the fields are of interest"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            visitor: V,
        ) -> Result<V::Value, FieldsError> {
            *self.0 = fields;
            self.deserialize_any(visitor)
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
    let mut fields: &'static [&'static str] = &[];
    let _ = ClientMetadata::deserialize(Fields(&mut fields));
    fields
}

fn unknown(name: &str) -> MetadataError {
    let what = match meant(name, members_kept().iter().chain(&READ_PAST).copied()) {
        Some(meant) => format!("is not known; did you mean {meant}?"),
        None => "is not known; docs/clients.md has a table of all members".to_owned(),
    };
    MetadataError::of(name, what)
}

/// serde's words without its marks.
fn plain(message: &str) -> String {
    message.replace('`', "").replace("invalid type: ", "it is ").replace("unknown variant ", "there is no ")
}
