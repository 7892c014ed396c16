//! Asks to be called again at once, every time.

use ciba_guest::Outcome;

hostile::notify!(|_, _| Ok(Outcome::Retryable(0)));
