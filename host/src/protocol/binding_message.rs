//! The message that the person must see on both devices (CIBA Core 7.1).

use super::client::registration::whole_message;
use super::error::{ErrorCode, ProtocolError};

/// How many characters fit on a phone without scrolling, unless the operator says otherwise.
pub const CHARACTERS_MAX_DEFAULT: usize = 100;

/// A message that may be shown exactly as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingMessage(String);

impl BindingMessage {
    /// Accepts any language. A message that would have to be changed before it is shown is refused instead,
    /// because the two screens would no longer say the same.
    ///
    /// # Errors
    /// `invalid_binding_message` that says what is wrong.
    pub fn parse(text: &str, characters_max: usize) -> Result<Self, ProtocolError> {
        let refuse = |why: String| Err(ProtocolError::new(ErrorCode::InvalidBindingMessage, why));
        let count = text.chars().count();
        if count > characters_max {
            return refuse(format!("binding_message has {count} characters; at most {characters_max} can be shown"));
        }
        if text.trim().is_empty() {
            return refuse("binding_message is only white space".to_owned());
        }
        if text.trim() != text {
            return refuse("binding_message begins or ends with white space".to_owned());
        }
        if let Some(character) = text.chars().find(|c| is_unshowable(*c)) {
            return refuse(format!(
                "binding_message has U+{:04X}, which is invisible or changes how the rest is shown",
                u32::from(character)
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// Checks the whole message against a regular expression of the client's registration.
    ///
    /// # Errors
    /// `invalid_binding_message`, also when the pattern cannot be used: nothing may pass that it was meant to stop.
    pub fn must_match(&self, pattern: &str) -> Result<(), ProtocolError> {
        let refuse = |why| Err(ProtocolError::new(ErrorCode::InvalidBindingMessage, why));
        match whole_message(pattern) {
            Ok(pattern) if pattern.is_match(&self.0) => Ok(()),
            Ok(_) => refuse("binding_message does not match the pattern that is registered for this client"),
            Err(_) => refuse("binding_message cannot be checked: the pattern that is registered for this client cannot be used"),
        }
    }

    /// The message.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Controls, line breaks, bidirectional overrides and isolates, and characters that take no room:
/// with them a message can read differently from what it is. The zero-width joiners stay, because
/// Persian, Hindi and emoji need them.
pub fn is_unshowable(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
                | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0e}'
                | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_language_is_welcome() {
        for text in ["Pay 42.50 at Fern & Co", "W4SCT", "ادفع ٤٢٫٥٠", "付款 42.50", "می‌خواهم", "Zahlung bestätigen: 3 €", "👨‍👩‍👧 plan ❤️"]
        {
            assert_eq!(BindingMessage::parse(text, 100).map(|message| message.0).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_cannot_be_shown_as_it_is_gets_refused() {
        let long = "x".repeat(101);
        for pattern in ["(", "a)|(b", "[0-9]{1000}{1000}"] {
            assert!(BindingMessage("a".to_owned()).must_match(pattern).is_err(), "{pattern}");
        }
        for text in ["", "  ", " a", "a ", "a\nb", "pay\u{202e}05.24", "a\u{200b}b", "a\u{0}", long.as_str()] {
            let error = BindingMessage::parse(text, 100).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidBindingMessage, "{text:?}");
        }
    }
}
