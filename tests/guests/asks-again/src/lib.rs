//! Asks again and again for what it was not allowed: the same link, and hosts that all have another name.

use ciba_guest::{Outcome, http};

hostile::notify!(|transaction, _| {
    for number in 0..300 {
        let _ = transaction.one_time_link();
        let _ = http::get(&format!("https://host-{number}.example/")).send();
    }
    Ok(Outcome::accepted("asked"))
});
