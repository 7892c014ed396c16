//! What a plugin may show to a person: one short line of plain text, in a box of its own.

use super::binding_message::is_unshowable;

/// The longest note, in characters.
const CHARACTERS_MAX: usize = 120;

/// A note that can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note(String);

impl Note {
    /// Takes white space from both ends; what is left is 1 to 120 characters that can be seen.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let characters = text.chars().count();
        if characters == 0 {
            return Err("the note is empty".to_owned());
        }
        if characters > CHARACTERS_MAX {
            return Err(format!("the note has {characters} characters; at most {CHARACTERS_MAX} are shown"));
        }
        if text.chars().any(is_unshowable) {
            return Err("the note has a character that is invisible or changes how the rest is shown".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same, for good.
    pub fn into_text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_one_short_line_that_can_be_seen() {
        for (text, kept) in [(" We never phone you. ", Some("We never phone you.")), (&"x".repeat(120), Some(&*"x".repeat(120)))] {
            assert_eq!(Note::parse(text).ok().map(Note::into_text).as_deref(), kept, "{text}");
        }
        for text in ["", "  ", "a\nb", "a\u{202e}b", &"x".repeat(121)] {
            assert!(Note::parse(text).is_err(), "{text:?}");
        }
    }
}
