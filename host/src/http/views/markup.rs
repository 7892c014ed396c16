//! HTML that is already safe to write into a page.

use std::fmt;

use askama::filters::HtmlSafe;

use crate::protocol::binding_message::is_unshowable;

/// HTML whose foreign parts are escaped. Made by the functions below and by the sentences in `text`, nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Markup(String);

impl Markup {
    /// Our own words, which contain no foreign part (or only `Markup`).
    pub(super) fn trusted(html: impl Into<String>) -> Self {
        Self(html.into())
    }
}

impl fmt::Display for Markup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl HtmlSafe for Markup {}

/// A string somebody else chose (a client, a plugin, a device), isolated so that its writing direction and
/// its punctuation cannot rearrange our sentence.
#[must_use]
pub fn foreign(text: &str) -> Markup {
    Markup(format!("<bdi dir=\"auto\">{}</bdi>", escape(text)))
}

/// A sentence of somebody else's, with names in it that stand between U+2068 and U+2069 (first strong isolate): those
/// become elements, at most one inside the other. What is invisible or changes how the rest is shown is dropped, and what
/// is past the longest, in characters.
#[must_use]
pub(super) fn foreign_sentence(text: &str, longest: usize) -> Markup {
    const OPENS: char = '\u{2068}';
    const CLOSES: char = '\u{2069}';
    let mut inside = false;
    let mut html = String::from("<bdi dir=\"auto\">");
    for character in text.chars().take(longest) {
        match character {
            OPENS if !inside => {
                inside = true;
                html.push_str("<bdi dir=\"auto\">");
            }
            CLOSES if inside => {
                inside = false;
                html.push_str("</bdi>");
            }
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => html.push(' '),
            hidden if is_unshowable(hidden) => {}
            other => push_escaped(&mut html, other),
        }
    }
    if inside {
        html.push_str("</bdi>");
    }
    Markup(html + "</bdi>")
}

/// Digits and codes: left to right in every language.
#[must_use]
pub fn code(text: &str) -> Markup {
    Markup(format!("<bdi dir=\"ltr\">{}</bdi>", escape(text)))
}

pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    text.chars().for_each(|character| push_escaped(&mut escaped, character));
    escaped
}

fn push_escaped(html: &mut String, character: char) {
    match character {
        '&' => html.push_str("&amp;"),
        '<' => html.push_str("&lt;"),
        '>' => html.push_str("&gt;"),
        '"' => html.push_str("&quot;"),
        '\'' => html.push_str("&#39;"),
        other => html.push(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_string_cannot_leave_its_place() {
        assert_eq!(foreign("<b>\"R&D\"</b>").to_string(), "<bdi dir=\"auto\">&lt;b&gt;&quot;R&amp;D&quot;&lt;/b&gt;</bdi>");
    }

    #[test]
    fn a_name_in_a_sentence_is_isolated_and_cannot_break_out() {
        let bdi = |inner: &str| format!("<bdi dir=\"auto\">{inner}</bdi>");
        for (text, shown) in [
            ("Pay 42.50 EUR", bdi("Pay 42.50 EUR")),
            ("Pay \u{2068}بنك\u{2069} now", bdi(&format!("Pay {} now", bdi("بنك")))),
            // Never closed, opened twice, closed twice.
            ("to \u{2068}Fern", bdi(&format!("to {}", bdi("Fern")))),
            ("\u{2068}a\u{2068}b\u{2069}c\u{2069}d", bdi(&format!("{}cd", bdi("ab")))),
            // Other marks of direction, what takes no room, and lines.
            ("pay\u{202e}05.24\u{200b}\u{7}", bdi("pay05.24")),
            ("a\nb\u{2028}c", bdi("a b c")),
            ("<b>'R&D'", bdi("&lt;b&gt;&#39;R&amp;D&#39;")),
            ("", bdi("")),
        ] {
            assert_eq!(foreign_sentence(text, 300).to_string(), shown, "{text:?}");
        }
        assert_eq!(foreign_sentence("\u{2068}abc", 3).to_string(), bdi(&bdi("ab")), "cut inside a name");
    }
}
