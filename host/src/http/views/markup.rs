//! HTML that is already safe to write into a page.

use std::fmt;

use askama::filters::HtmlSafe;

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

/// Digits and codes: left to right in every language.
#[must_use]
pub fn code(text: &str) -> Markup {
    Markup(format!("<bdi dir=\"ltr\">{}</bdi>", escape(text)))
}

pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_string_cannot_leave_its_place() {
        assert_eq!(foreign("<b>\"R&D\"</b>").to_string(), "<bdi dir=\"auto\">&lt;b&gt;&quot;R&amp;D&quot;&lt;/b&gt;</bdi>");
    }
}
