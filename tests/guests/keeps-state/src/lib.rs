//! Remembers whom it was called for, and answers with whom it was called for before.

use std::sync::Mutex;

use ciba_guest::Outcome;

static LAST: Mutex<Option<String>> = Mutex::new(None);

hostile::notify!(|transaction, _| {
    let before = LAST.lock().expect("one thread").replace(transaction.user_id().unwrap_or_default());
    Ok(Outcome::accepted(before.unwrap_or_default()))
});
