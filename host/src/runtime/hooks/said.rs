//! An answer as it is compared with another one, and as it may be shown to whoever runs the host.

use std::collections::BTreeMap;

use super::Hook;

/// A hook whose answer can be compared with that of another plugin.
pub trait Comparable: Hook + Clone {
    /// What it means that no plugin was asked.
    const NEUTRAL: &'static str;

    /// The transaction that it is about, or what else it is.
    fn about(&self) -> Option<&str>;

    /// The answer.
    fn said(answer: &Self::Answer) -> Said;
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    verdict: &'static str,
    /// What was said to the operator alone. It is shown, and makes no difference.
    aside: Aside,
    parts: BTreeMap<String, Part>,
}

/// Words that are equal to any others.
#[derive(Clone, Debug, Default)]
struct Aside(String);

impl PartialEq for Aside {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Aside {}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Shown(String),
    /// A person may stand in it: it is compared, and never shown.
    Hidden(String),
}

impl Said {
    /// An answer with this name.
    pub(in super::super) fn new(verdict: &'static str) -> Self {
        Self { verdict, ..Self::default() }
    }

    pub(super) fn aside(mut self, words: &str) -> Self {
        self.aside = Aside(words.to_owned());
        self
    }

    pub(super) fn shown(mut self, what: impl Into<String>, value: impl Into<String>) -> Self {
        self.parts.insert(what.into(), Part::Shown(value.into()));
        self
    }

    pub(in super::super) fn hidden(mut self, what: impl Into<String>, value: impl Into<String>) -> Self {
        self.parts.insert(what.into(), Part::Hidden(value.into()));
        self
    }

    /// What it is when no plugin is asked.
    pub(in super::super) fn neutral<H: Comparable>() -> Self {
        Self::new(H::NEUTRAL)
    }

    /// In words, beside another answer: of what is not shown is said whether it is another.
    pub(in super::super) fn in_words(&self, beside: Option<&Self>) -> String {
        let mut words = self.verdict.to_owned();
        if !self.aside.0.is_empty() {
            words.push_str(&format!(" ({})", self.aside.0));
        }
        for (index, (what, part)) in self.parts.iter().enumerate() {
            words.push_str(if index == 0 { ": " } else { "; " });
            words.push_str(what);
            match part {
                Part::Shown(value) if value.is_empty() => {}
                Part::Shown(value) => words.push_str(&format!(" {value}")),
                Part::Hidden(_) => {
                    let other = beside.and_then(|beside| beside.parts.get(what)).is_some_and(|other| other != part);
                    words.push_str(if other { " (another one)" } else { " (…)" });
                }
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_name_a_person_is_compared_and_not_shown() {
        let one = Said::new("issue").hidden("id-token groups", "[\"alice\"]").shown("access-token-within", "60");
        let other = Said::new("issue").hidden("id-token groups", "[\"bob\"]").shown("access-token-within", "60");
        assert_ne!(one, other);
        assert_eq!(one.in_words(None), "issue: access-token-within 60; id-token groups (…)");
        assert_eq!(other.in_words(Some(&one)), "issue: access-token-within 60; id-token groups (another one)");
    }

    #[test]
    fn what_only_the_operator_reads_makes_no_difference() {
        let (one, other) = (Said::new("refuse").aside("it is late"), Said::new("refuse").aside("at night"));
        assert_eq!(one, other);
        assert_eq!(one.in_words(None), "refuse (it is late)");
        assert_ne!(one, Said::new("ask"));
    }
}
