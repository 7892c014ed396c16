//! Accepts, with a reference of 1 MiB for the host to keep.

use ciba_guest::Outcome;

hostile::notify!(|_, _| Ok(Outcome::accepted("x".repeat(1 << 20))));
