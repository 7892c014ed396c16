//! Sends to a host that it is not allowed, and answers with what it was told.

use ciba_guest::{Outcome, http};

hostile::notify!(|_, settings| {
    Ok(Outcome::Other(match http::post(&settings.url).body("hello").send() {
        Ok(answer) => format!("answered {}", answer.status),
        Err(error) => error.to_string(),
    }))
});
