//! Answers with a text of 1 GiB, or with the largest it can get memory for.

use ciba_guest::Outcome;

hostile::notify!(|_, _| {
    let mut text = Vec::new();
    let mut size = 1_usize << 30;
    while text.try_reserve_exact(size).is_err() {
        size /= 2;
    }
    text.resize(size, b'x');
    Ok(Outcome::accepted(String::from_utf8(text).unwrap_or_default()))
});
