//! `authorization_details` (RFC 9396): what a client may send before anybody looks at the types' schemas.

use serde_json::Value;

use super::Parameters;
use crate::protocol::client::ClientMetadata;
use crate::protocol::error::{ErrorCode, ProtocolError};

/// The longest value that is read, in bytes.
const LENGTH_MAX: usize = 16 << 10;
/// The most entries that a person can be asked to read.
const ENTRIES_MAX: usize = 20;

/// Reads the parameter: a list of objects, each of a type that is registered for this client (RFC 9396 2 and 10).
///
/// # Errors
/// `invalid_authorization_details` that says which entry is wrong, and why (RFC 9396 5).
pub fn parse(parameters: Parameters<'_>, client: &ClientMetadata) -> Result<Option<Value>, ProtocolError> {
    let Some(details) = parameters.json("authorization_details", LENGTH_MAX, ErrorCode::InvalidAuthorizationDetails)? else {
        return Ok(None);
    };
    let entries = details.as_array().ok_or_else(|| wrong("authorization_details must be a list of objects"))?;
    if entries.is_empty() {
        return Err(wrong("authorization_details is an empty list"));
    }
    if entries.len() > ENTRIES_MAX {
        return Err(wrong(format!("authorization_details has {} entries; at most {ENTRIES_MAX} are taken", entries.len())));
    }
    for (number, entry) in entries.iter().enumerate() {
        let kind = kind(entry).ok_or_else(|| entry_is_wrong(number, "must be an object with a type that is text"))?;
        if !client.authorization_details_types.iter().any(|registered| registered == kind) {
            return Err(entry_is_wrong(number, "its type is not among the client's authorization_details_types"));
        }
    }
    Ok(Some(details))
}

/// Whether the details that come with a request for tokens are those that were approved, in whatever order. RFC 9396 6 lets
/// a client ask for less; here the person has approved the whole, and the whole is given.
///
/// # Errors
/// `invalid_authorization_details` when they are others.
pub fn said_again(asked: Option<&Value>, approved: Option<&Value>) -> Result<(), ProtocolError> {
    let Some(asked) = asked else { return Ok(()) };
    let entries = |details: Option<&Value>| details.and_then(Value::as_array).cloned().unwrap_or_default();
    let (asked, approved) = (entries(Some(asked)), entries(approved));
    if let Some(number) = asked.iter().position(|entry| !approved.contains(entry)) {
        return Err(entry_is_wrong(number, "was not approved"));
    }
    if approved.iter().any(|entry| !asked.contains(entry)) {
        return Err(wrong("less was asked for than was approved, and only the whole is given; leave authorization_details out"));
    }
    Ok(())
}

/// The `type` of an entry.
pub fn kind(entry: &Value) -> Option<&str> {
    entry.as_object()?.get("type")?.as_str()
}

/// The refusal of one entry, the first of which has the number 0.
pub fn entry_is_wrong(number: usize, why: &str) -> ProtocolError {
    wrong(format!("authorization_details[{number}]: {why}"))
}

fn wrong(description: impl Into<String>) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidAuthorizationDetails, description)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn item_8_details_that_come_with_a_request_for_tokens_are_those_that_were_approved() {
        let (a, b) = (json!({"type": "payment", "amount": "1"}), json!({"type": "payment", "amount": "2"}));
        let both = json!([a, b]);
        for (asked, approved, says) in [
            (None, None, ""),
            (None, Some(&both), ""),
            (Some(json!([b, a])), Some(&both), ""),
            (Some(json!([a])), Some(&both), "only the whole"),
            (Some(json!([a, {"type": "payment", "amount": "3"}])), Some(&both), "[1]: was not approved"),
            (Some(json!([a])), None, "[0]: was not approved"),
        ] {
            let said = said_again(asked.as_ref(), approved).map_err(|error| error.description.into_owned()).err().unwrap_or_default();
            assert!(said.contains(says) && said.is_empty() == says.is_empty(), "{asked:?} {approved:?}: {said}");
        }
    }

    #[test]
    fn item_8_details_are_a_list_of_objects_of_types_that_are_the_clients() {
        let client = ClientMetadata { authorization_details_types: vec!["payment".to_owned()], ..ClientMetadata::default() };
        let many = json!(vec![json!({ "type": "payment" }); 21]);
        let long = json!([{ "type": "payment", "note": "x".repeat(LENGTH_MAX) }]);
        for (details, why) in [
            (json!([{ "type": "payment", "amount": 1 }]), None),
            (json!({ "type": "payment" }), Some("list of objects")),
            (json!("payment"), Some("list of objects")),
            (json!([]), Some("empty")),
            (json!(["payment"]), Some("[0]: must be an object")),
            (json!([{ "type": "payment" }, {}]), Some("[1]: must be an object")),
            (json!([{ "type": 7 }]), Some("[0]: must be an object")),
            (json!([{ "type": "payment" }, { "type": "account" }]), Some("[1]: its type is not among")),
            (many, Some("21 entries")),
            (long, Some("longer than 16384 bytes")),
        ] {
            let claims = json!({ "authorization_details": details });
            match (parse(Parameters::Claims(claims.as_object().unwrap()), &client), why) {
                (Ok(read), None) => assert_eq!(read, Some(details)),
                (Err(error), Some(why)) => {
                    assert_eq!(error.code, ErrorCode::InvalidAuthorizationDetails);
                    assert!(error.description.contains(why), "{}", error.description);
                }
                (read, _) => panic!("{why:?}: {read:?}"),
            }
        }
        let claims = json!({ "authorization_details": [{ "type": "payment" }] });
        let unregistered = parse(Parameters::Claims(claims.as_object().unwrap()), &ClientMetadata::default());
        assert!(unregistered.is_err(), "a client that registered no type asks for one");
    }
}
