//! `application/x-www-form-urlencoded` bodies, read strictly.
//!
//! RFC 6749 3.2: a parameter given twice is an error, a parameter without a value counts as absent. The one exception is
//! `resource`, which stands once for each resource (RFC 8707 2).

use std::collections::BTreeMap;

use zeroize::Zeroize;

use super::error::{ErrorCode, ProtocolError};

/// No parameter we know has a name longer than this many bytes, and a longer one is not repeated back.
const NAME_LENGTH_MAX: usize = 64;
/// More parameters than any request we know of, extensions included.
const PARAMETERS_MAX: usize = 64;
/// The parameter that may be repeated (RFC 8707 2).
const REPEATED: &str = "resource";

/// The parameters of one request: unique names, values that are not empty.
pub struct Form {
    parameters: BTreeMap<String, String>,
    resources: Vec<String>,
}

impl Form {
    /// Reads a body. The caller has bounded its size.
    ///
    /// # Errors
    /// `invalid_request` that names the parameter: given twice, not UTF-8, or too many of them.
    pub fn parse(body: &[u8]) -> Result<Self, ProtocolError> {
        let (mut parameters, mut resources) = (BTreeMap::new(), Vec::new());
        for (number, pair) in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).enumerate() {
            if number >= PARAMETERS_MAX {
                return Err(invalid(format!("more than {PARAMETERS_MAX} parameters")));
            }
            let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &[][..]),
            };
            let name = decode(name).ok_or_else(|| invalid("a parameter's name is not UTF-8"))?;
            if name.len() > NAME_LENGTH_MAX {
                return Err(invalid(format!("a parameter's name is longer than {NAME_LENGTH_MAX} bytes")));
            }
            let value = decode(value).ok_or_else(|| invalid(format!("{name} is not UTF-8")))?;
            if name == REPEATED {
                resources.push(value);
                continue;
            }
            if parameters.contains_key(&name) {
                return Err(invalid(format!("{name} is given twice")));
            }
            parameters.insert(name, value);
        }
        parameters.retain(|_, value| !value.is_empty());
        resources.retain(|value| !value.is_empty());
        Ok(Self { parameters, resources })
    }

    /// The value of `name`, if it was given one.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// Every `resource`, in the order given (RFC 8707 2).
    pub fn resources(&self) -> &[String] {
        &self.resources
    }

    /// The value of `name`, which must be there and at most `length` bytes long.
    ///
    /// # Errors
    /// `invalid_request` that names the parameter.
    pub fn required(&self, name: &'static str, length: usize) -> Result<&str, ProtocolError> {
        self.bounded(name, length)?.ok_or_else(|| invalid(format!("{name} is missing")))
    }

    /// The value of `name`, if given, which must be at most `length` bytes long.
    ///
    /// # Errors
    /// `invalid_request` that names the parameter.
    pub fn bounded(&self, name: &'static str, length: usize) -> Result<Option<&str>, ProtocolError> {
        match self.value(name) {
            Some(value) if value.len() > length => Err(invalid(format!("{name} is longer than {length} bytes"))),
            value => Ok(value),
        }
    }
}

/// Secrets and assertions are among the values.
impl Drop for Form {
    fn drop(&mut self) {
        self.parameters.values_mut().for_each(Zeroize::zeroize);
    }
}

fn invalid(description: impl Into<String>) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidRequest, description)
}

/// Undoes the form encoding of one name or value; `None` when the result is not UTF-8.
fn decode(encoded: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut at = 0;
    while at < encoded.len() {
        match encoded[at] {
            b'+' => bytes.push(b' '),
            b'%' => match hexadecimal(encoded.get(at + 1..at + 3)) {
                Some(byte) => {
                    bytes.push(byte);
                    at += 2;
                }
                None => bytes.push(b'%'),
            },
            byte => bytes.push(byte),
        }
        at += 1;
    }
    String::from_utf8(bytes).ok()
}

fn hexadecimal(digits: Option<&[u8]>) -> Option<u8> {
    let digits = digits?;
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_browser_and_a_client_library_send() {
        let form = Form::parse(b"a=1&b=two+words&c=%C3%A9%26&d=&e&f=%zz").ok().unwrap();
        assert_eq!(form.value("a"), Some("1"));
        assert_eq!(form.value("b"), Some("two words"));
        assert_eq!(form.value("c"), Some("é&"));
        assert_eq!(form.value("d"), None, "without a value counts as absent");
        assert_eq!(form.value("e"), None);
        assert_eq!(form.value("f"), Some("%zz"));
    }

    #[test]
    fn only_a_resource_may_be_repeated() {
        let form = Form::parse(b"resource=https://a.example&resource=&resource=https://b.example&scope=openid").ok().unwrap();
        assert_eq!(form.resources(), ["https://a.example", "https://b.example"]);
        assert_eq!(Form::parse(b"acr_values=a&acr_values=b").err().unwrap().description, "acr_values is given twice");
    }

    #[test]
    fn refuses_by_name() {
        let many = (0..65).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
        for (body, says) in [
            (&b"scope=openid&scope=openid"[..], "scope is given twice"),
            (b"scope=openid&scope=", "scope is given twice"),
            (b"login_hint=%ff", "login_hint is not UTF-8"),
            (b"%ff=1", "a parameter's name is not UTF-8"),
            (many.as_bytes(), "more than 64 parameters"),
        ] {
            let error = Form::parse(body).err().unwrap();
            assert_eq!((error.code, error.description.as_ref()), (ErrorCode::InvalidRequest, says));
        }
    }
}
