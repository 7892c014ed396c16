//! Where the parameters of a request stand: in the form, or in the claims of a signed request object (CIBA Core 7.1.1).
//!
//! A form is strings; claims are JSON, and so a parameter can come as a number, a list or an object there. Both are read
//! here into the same values, and nothing after this point knows which it was.

use serde_json::{Map, Value};

use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::protocol::form::Form;

/// The parameters of one request.
#[derive(Clone, Copy)]
pub enum Parameters<'a> {
    /// As they were posted.
    Form(&'a Form),
    /// As they stand in a request object whose signature was verified.
    Claims(&'a Map<String, Value>),
}

impl<'a> Parameters<'a> {
    /// Whether `name` was given a value.
    pub fn has(self, name: &str) -> bool {
        match self {
            Self::Form(form) if name == "resource" => !form.resources().is_empty(),
            Self::Form(form) => form.value(name).is_some(),
            Self::Claims(claims) => !matches!(claims.get(name), None | Some(Value::Null)) && claims[name] != "",
        }
    }

    /// A parameter that is text of at most `length` bytes. Empty counts as absent.
    ///
    /// # Errors
    /// `invalid_request` that names the parameter.
    pub fn text(self, name: &'static str, length: usize) -> Result<Option<&'a str>, ProtocolError> {
        match self {
            Self::Form(form) => form.bounded(name, length),
            Self::Claims(_) if !self.has(name) => Ok(None),
            Self::Claims(claims) => match claims.get(name).and_then(Value::as_str) {
                Some(text) if text.len() > length => Err(invalid(format!("{name} is longer than {length} bytes"))),
                Some(text) => Ok(Some(text)),
                None => Err(invalid(format!("{name} must be text"))),
            },
        }
    }

    /// The same for one that must be there.
    ///
    /// # Errors
    /// `invalid_request` that names the parameter.
    pub fn required(self, name: &'static str, length: usize) -> Result<&'a str, ProtocolError> {
        self.text(name, length)?.ok_or_else(|| invalid(format!("{name} is missing")))
    }

    /// A whole number of seconds above zero: digits, and in claims a JSON number as well (CIBA Core 7.1.1). A number too
    /// large to hold is only large.
    ///
    /// # Errors
    /// `invalid_request` when it is something else.
    pub fn seconds(self, name: &'static str) -> Result<Option<u32>, ProtocolError> {
        let wrong = || invalid(format!("{name} must be a positive number of seconds"));
        if let Self::Claims(claims) = self
            && let Some(number) = claims.get(name).filter(|value| value.is_number())
        {
            let seconds = number.as_u64().filter(|seconds| *seconds > 0).ok_or_else(wrong)?;
            return Ok(Some(u32::try_from(seconds).unwrap_or(u32::MAX)));
        }
        let Some(text) = self.text(name, usize::MAX)? else { return Ok(None) };
        let digits = text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || text.bytes().all(|byte| byte == b'0') {
            return Err(wrong());
        }
        Ok(Some(text.parse().unwrap_or(u32::MAX)))
    }

    /// `resource`: repeated in a form, one text or a list of them in claims (RFC 8707 2).
    ///
    /// # Errors
    /// `invalid_target` when it is something else.
    pub fn resources(self) -> Result<Vec<&'a str>, ProtocolError> {
        let wrong = || ProtocolError::new(ErrorCode::InvalidTarget, "resource must be text or a list of texts");
        match self {
            Self::Form(form) => Ok(form.resources().iter().map(String::as_str).collect()),
            Self::Claims(_) if !self.has("resource") => Ok(Vec::new()),
            Self::Claims(claims) => match &claims["resource"] {
                Value::String(one) => Ok(vec![one]),
                Value::Array(several) => several.iter().map(|one| one.as_str().ok_or_else(wrong)).collect(),
                _ => Err(wrong()),
            },
        }
    }

    /// A parameter that is JSON of at most `length` bytes: a text that is JSON in a form, the value itself in claims
    /// (RFC 9396 2).
    ///
    /// # Errors
    /// With `code`, when it is too long or cannot be read.
    pub fn json(self, name: &'static str, length: usize, code: ErrorCode) -> Result<Option<Value>, ProtocolError> {
        let too_long = || ProtocolError::new(code, format!("{name} is longer than {length} bytes"));
        match self {
            Self::Form(form) => {
                let Some(text) = form.value(name) else { return Ok(None) };
                if text.len() > length {
                    return Err(too_long());
                }
                // serde_json says where it failed, and repeats nothing of what stands there.
                serde_json::from_str(text).map(Some).map_err(|error| ProtocolError::new(code, format!("{name} is not JSON: {error}")))
            }
            Self::Claims(_) if !self.has(name) => Ok(None),
            Self::Claims(claims) => {
                let value = &claims[name];
                if value.to_string().len() > length {
                    return Err(too_long());
                }
                Ok(Some(value.clone()))
            }
        }
    }
}

fn invalid(description: impl Into<String>) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidRequest, description)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn item_7_requested_expiry_is_a_positive_whole_number_in_either_form() {
        for (claim, expected) in [
            (json!(30), Some(Some(30))),
            (json!("30"), Some(Some(30))),
            (json!(u64::MAX), Some(Some(u32::MAX))),
            (json!("99999999999999999999"), Some(Some(u32::MAX))),
            (json!(null), Some(None)),
            (json!(""), Some(None)),
            (json!(0), None),
            (json!("0"), None),
            (json!(-1), None),
            (json!("-1"), None),
            (json!(1.5), None),
            (json!("1.5"), None),
            (json!("+5"), None),
            (json!(true), None),
            (json!([30]), None),
        ] {
            let claims = json!({ "requested_expiry": claim });
            let read = Parameters::Claims(claims.as_object().unwrap()).seconds("requested_expiry");
            assert_eq!(read.ok(), expected, "{claim}");
            if let Some(text) = claim.as_str() {
                let form = Form::parse(format!("requested_expiry={}", text.replace('+', "%2B")).as_bytes()).ok().unwrap();
                assert_eq!(Parameters::Form(&form).seconds("requested_expiry").ok(), expected, "{claim} in a form");
            }
        }
    }

    #[test]
    fn what_is_text_in_a_form_is_text_in_claims_and_nothing_else() {
        let claims = json!({ "a": "x", "b": 7, "c": null, "d": "", "e": ["x"] });
        let parameters = Parameters::Claims(claims.as_object().unwrap());
        assert_eq!(parameters.text("a", 1), Ok(Some("x")));
        assert_eq!(parameters.text("a", 0).unwrap_err().description, "a is longer than 0 bytes");
        assert_eq!(parameters.text("b", 9).unwrap_err().description, "b must be text");
        assert_eq!(parameters.text("e", 9).unwrap_err().description, "e must be text");
        for absent in ["c", "d", "f"] {
            assert_eq!(parameters.text(absent, 9), Ok(None), "{absent}");
            assert_eq!(parameters.required(["c", "d", "f"][0], 9).unwrap_err().description, "c is missing");
        }
    }

    #[test]
    fn json_is_a_text_in_a_form_and_itself_in_claims() {
        let code = ErrorCode::InvalidAuthorizationDetails;
        let form = Form::parse(b"authorization_details=%5B%7B%22type%22%3A%22a%22%7D%5D&request_context=%7B").ok().unwrap();
        let in_form = Parameters::Form(&form).json("authorization_details", 100, code).unwrap().unwrap();
        let claims = json!({ "authorization_details": [{ "type": "a" }] });
        let in_claims = Parameters::Claims(claims.as_object().unwrap()).json("authorization_details", 100, code).unwrap().unwrap();
        assert_eq!(in_form, in_claims);
        let error = Parameters::Form(&form).json("request_context", 100, ErrorCode::InvalidRequest).unwrap_err();
        assert!(error.description.contains("request_context is not JSON"), "{}", error.description);
        for parameters in [Parameters::Form(&form), Parameters::Claims(claims.as_object().unwrap())] {
            assert!(parameters.json("authorization_details", 5, code).unwrap_err().description.contains("longer than 5"));
        }
    }

    #[test]
    fn resources_are_repeated_in_a_form_and_listed_in_claims() {
        let form = Form::parse(b"resource=https%3A%2F%2Fa.example&resource=https%3A%2F%2Fb.example").ok().unwrap();
        assert_eq!(Parameters::Form(&form).resources().unwrap(), ["https://a.example", "https://b.example"]);
        for (claim, expected) in [
            (json!("https://a.example"), Some(1)),
            (json!(["https://a.example", "b"]), Some(2)),
            (json!([]), Some(0)),
            (json!(7), None),
            (json!([7]), None),
        ] {
            let claims = json!({ "resource": claim });
            let read = Parameters::Claims(claims.as_object().unwrap()).resources();
            assert_eq!(read.ok().map(|resources| resources.len()), expected, "{claim}");
        }
    }
}
