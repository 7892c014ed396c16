//! Scopes (RFC 6749 3.3), and what they mean in words.

use super::error::{ErrorCode, ProtocolError};

/// The longest scope parameter that is read, in bytes.
const LENGTH_MAX: usize = 1024;

/// The scope values of a request, in the order asked, each once. Contains `openid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope(Vec<String>);

impl Scope {
    /// Reads the parameter.
    ///
    /// # Errors
    /// `invalid_scope` when it is too long, malformed, or lacks `openid` (CIBA Core 7.1).
    pub fn parse(text: &str) -> Result<Self, ProtocolError> {
        if text.len() > LENGTH_MAX {
            return Err(ProtocolError::new(ErrorCode::InvalidScope, format!("scope is longer than {LENGTH_MAX} bytes")));
        }
        let is_scope_character = |c: char| matches!(c, '!' | '#'..='[' | ']'..='~');
        let mut values: Vec<String> = Vec::new();
        for value in text.split(' ').filter(|value| !value.is_empty()) {
            if !value.chars().all(is_scope_character) {
                return Err(ProtocolError::new(ErrorCode::InvalidScope, "scope has a character that RFC 6749 does not allow"));
            }
            if !values.iter().any(|known| known == value) {
                values.push(value.to_owned());
            }
        }
        if !values.iter().any(|value| value == "openid") {
            return Err(ProtocolError::new(ErrorCode::InvalidScope, "scope must contain openid"));
        }
        Ok(Self(values))
    }

    /// The values, in the order asked.
    pub fn values(&self) -> &[String] {
        &self.0
    }

    /// As it goes over the wire.
    pub fn to_wire(&self) -> String {
        self.0.join(" ")
    }
}

/// What `value` lets the client do, as the person reads it. A value the specification does not define is shown
/// as it is, because a guess would be worse.
pub fn in_words(value: &str, locale: Option<&str>) -> String {
    let arabic = locale.is_some_and(|tag| tag == "ar" || tag.starts_with("ar-"));
    let words = match (value, arabic) {
        ("openid", false) => "Know who you are",
        ("openid", true) => "معرفة من أنت",
        ("profile", false) => "See your name and picture",
        ("profile", true) => "رؤية اسمك وصورتك",
        ("email", false) => "See your e-mail address",
        ("email", true) => "رؤية عنوان بريدك الإلكتروني",
        ("phone", false) => "See your phone number",
        ("phone", true) => "رؤية رقم هاتفك",
        ("address", false) => "See your postal address",
        ("address", true) => "رؤية عنوانك البريدي",
        ("offline_access", false) => "Keep access while you are away",
        ("offline_access", true) => "الاحتفاظ بالوصول أثناء غيابك",
        (other, _) => other,
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openid_is_required_and_values_are_kept_once_in_order() {
        assert_eq!(Scope::parse("openid  email openid").unwrap().to_wire(), "openid email");
        for text in ["", " ", "email", "openidx", "openid \"x\"", "openid a\\b", "openid é"] {
            assert_eq!(Scope::parse(text).unwrap_err().code, ErrorCode::InvalidScope, "{text:?}");
        }
        assert_eq!(Scope::parse(&format!("openid {}", "x".repeat(1024))).unwrap_err().code, ErrorCode::InvalidScope);
    }
}
