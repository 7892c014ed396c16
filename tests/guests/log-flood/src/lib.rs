//! Writes a hundred thousand lines of four kilobytes, with line breaks and escape sequences in them.

use ciba_guest::{Outcome, log};

hostile::notify!(|_, _| {
    let line = "\x1b[31mflood\r\n".repeat(4096 / 12);
    for number in 0..100_000 {
        log::info!("{number} {line}");
    }
    Ok(Outcome::accepted(""))
});
