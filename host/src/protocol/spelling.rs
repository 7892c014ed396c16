//! What was probably meant by a word that we do not know.

/// The closest of the words that we know, if any is close.
pub fn meant<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let closest = known.into_iter().map(|known| (distance(unknown, known), known)).min()?;
    (closest.0 <= 1 + unknown.len() / 3).then_some(closest.1)
}

/// How many letters differ (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["jwks", "jwks_uri", "client_name"];
        assert_eq!(meant("jwk_uri", known), Some("jwks_uri"));
        assert_eq!(meant("clientname", known), Some("client_name"));
        assert_eq!(meant("favourite_colour", known), None);
    }
}
