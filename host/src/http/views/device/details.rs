//! What a person allows beyond scopes (RFC 9396), in sentences that somebody else's words stand in.

use super::super::markup::{Markup, foreign_sentence};

/// The sentences of one request, bounded for a phone. A person can only approve what they can read: where not
/// everything is shown, [`Details::are_cut`] and the card has no *Approve*.
#[derive(Clone, Copy, Debug)]
pub struct Details<'a>(pub &'a [String]);

impl Details<'_> {
    /// The most sentences.
    pub const LINES: usize = 20;
    /// The longest sentence in characters.
    pub const LONGEST: usize = 500;

    /// The sentences as far as they are shown.
    #[must_use]
    pub fn lines(self) -> Vec<Markup> {
        self.0.iter().take(Self::LINES).map(|line| foreign_sentence(line, Self::LONGEST)).collect()
    }

    /// Whether there is nothing beyond scopes.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Whether some of it is not shown.
    #[must_use]
    pub fn are_cut(self) -> bool {
        self.0.len() > Self::LINES || self.0.iter().any(|line| line.chars().count() > Self::LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_not_shown_and_said() {
        let line = |characters: usize| "x".repeat(characters);
        for (lines, shown, cut) in [
            (vec![], 0, false),
            (vec![line(500)], 1, false),
            (vec![line(501)], 1, true),
            (vec![line(3); 20], 20, false),
            (vec![line(3); 21], 20, true),
        ] {
            let details = Details(&lines);
            assert_eq!((details.lines().len(), details.are_cut()), (shown, cut), "{lines:?}");
            assert!(details.lines().iter().all(|line| line.to_string().matches('x').count() <= 500));
        }
    }
}
