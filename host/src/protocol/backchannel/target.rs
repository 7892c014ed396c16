//! `resource` (RFC 8707): where the access token is to be used.

use url::Url;

use super::Parameters;
use crate::protocol::client::ClientMetadata;
use crate::protocol::error::{ErrorCode, ProtocolError};

/// The most resources that one token can be for.
const RESOURCES_MAX: usize = 10;
/// The longest resource, in bytes.
const LENGTH_MAX: usize = 512;

/// Reads the parameter: absolute URIs without a fragment (RFC 8707 2), each once.
///
/// # Errors
/// `invalid_target` that says which is wrong.
pub fn parse(parameters: Parameters<'_>) -> Result<Vec<String>, ProtocolError> {
    let given = parameters.resources()?;
    if given.len() > RESOURCES_MAX {
        return Err(invalid_target(format!("resource is given {} times; at most {RESOURCES_MAX} are taken", given.len())));
    }
    let mut resources: Vec<String> = Vec::new();
    for resource in given {
        if resource.len() > LENGTH_MAX {
            return Err(invalid_target(format!("a resource is longer than {LENGTH_MAX} bytes")));
        }
        if Url::parse(resource).is_err() || resource.contains('#') {
            return Err(invalid_target("a resource must be an absolute URI without a fragment"));
        }
        if !resources.iter().any(|known| known == resource) {
            resources.push(resource.to_owned());
        }
    }
    Ok(resources)
}

/// Whether the client may ask for these: those that are registered of it, else those that the host knows.
///
/// # Errors
/// `invalid_target` that names the one it may not ask for.
pub fn allowed(resources: &[String], client: &ClientMetadata, known: &[String]) -> Result<(), ProtocolError> {
    let may = if client.resources.is_empty() { known } else { &client.resources };
    match resources.iter().find(|resource| !may.contains(resource)) {
        Some(other) => Err(invalid_target(format!("the resource {other} is not known here, or not for this client"))),
        None => Ok(()),
    }
}

/// What an access token is for: all that was granted, or what the client names of it when it asks for the token (RFC 8707
/// 2.2).
///
/// # Errors
/// `invalid_target` that names what was not granted.
pub fn narrowed(asked: Vec<String>, granted: &[String]) -> Result<Vec<String>, ProtocolError> {
    match asked.iter().find(|resource| !granted.contains(resource)) {
        Some(other) => Err(invalid_target(format!("the resource {other} was not granted: it has to stand in the authentication request"))),
        None if asked.is_empty() => Ok(granted.to_vec()),
        None => Ok(asked),
    }
}

fn invalid_target(description: impl Into<String>) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidTarget, description)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn item_8_a_resource_is_an_absolute_uri_without_a_fragment() {
        let long = format!("https://a.example/{}", "x".repeat(LENGTH_MAX));
        for (resource, expected) in [
            (json!(["https://a.example/v1", "urn:example:b", "https://a.example/v1"]), Some(2)),
            (json!("https://a.example"), Some(1)),
            (json!("/v1"), None),
            (json!("a.example"), None),
            (json!("https://a.example/#part"), None),
            (json!("https://a.example/#"), None),
            (json!(["https://a.example", "https://"]), None),
            (json!(long), None),
            (json!(vec!["https://a.example"; 11]), None),
        ] {
            let claims = json!({ "resource": resource });
            let read = parse(Parameters::Claims(claims.as_object().unwrap()));
            if let Err(error) = &read {
                assert_eq!(error.code, ErrorCode::InvalidTarget);
            }
            assert_eq!(read.ok().map(|resources| resources.len()), expected, "{resource}");
        }
    }

    #[test]
    fn item_8_a_token_is_for_what_was_granted_or_less() {
        let (a, b) = ("https://a.example".to_owned(), "https://b.example".to_owned());
        let both = [a.clone(), b.clone()];
        for (asked, granted, expected) in [
            (vec![], &both[..], Some(both.to_vec())),
            (vec![b.clone()], &both, Some(vec![b.clone()])),
            (both.to_vec(), &both, Some(both.to_vec())),
            (both.to_vec(), &both[..1], None),
            (vec![a], &[], None),
            (vec![], &[], Some(vec![])),
        ] {
            let narrowed = narrowed(asked.clone(), granted);
            if let Err(error) = &narrowed {
                assert_eq!(error.code, ErrorCode::InvalidTarget);
            }
            assert_eq!(narrowed.ok(), expected, "{asked:?} of {granted:?}");
        }
    }

    #[test]
    fn item_8_a_client_asks_for_its_own_resources_or_for_those_that_the_host_knows() {
        let (a, b) = (vec!["https://a.example".to_owned()], vec!["https://b.example".to_owned()]);
        let (any, of_a) = (ClientMetadata::default(), ClientMetadata { resources: a.clone(), ..ClientMetadata::default() });
        assert_eq!(allowed(&[], &any, &[]), Ok(()));
        assert_eq!(allowed(&a, &any, &a), Ok(()));
        assert_eq!(allowed(&a, &of_a, &b), Ok(()));
        for (asked, client, known) in [(&a, &any, &[][..]), (&a, &any, &b), (&b, &of_a, &b)] {
            assert_eq!(allowed(asked, client, known).unwrap_err().code, ErrorCode::InvalidTarget);
        }
    }
}
