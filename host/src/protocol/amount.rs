//! Amounts of time and memory, as people read them.

/// A length of time that is a round number: `20 µs`, `5 ms`, `10 s`.
pub fn micros(micros: u64) -> String {
    match micros {
        micros if micros >= 1_000_000 => format!("{} s", micros / 1_000_000),
        micros if micros >= 1_000 => format!("{} ms", micros / 1_000),
        micros => format!("{micros} µs"),
    }
}

/// An amount of memory: `64 KiB`, `3.1 MiB`.
pub fn bytes(bytes: u64) -> String {
    if bytes < 1 << 20 { format!("{} KiB", bytes.div_ceil(1 << 10)) } else { format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_the_unit_that_people_would_use() {
        assert_eq!([micros(5), micros(500), micros(1_000), micros(10_000_000)], ["5 µs", "500 µs", "1 ms", "10 s"]);
        assert_eq!(
            [bytes(0), bytes(1), bytes(65_536), bytes(1 << 20), bytes(3_300_000)],
            ["0 KiB", "1 KiB", "64 KiB", "1.0 MiB", "3.1 MiB"]
        );
    }
}
