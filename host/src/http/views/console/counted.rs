//! What was counted of one hook: as bars for the eye, as a table for everybody.

use serde::Serialize;

/// One hook of a plugin, since the host started.
#[derive(Clone, Debug, Serialize)]
pub struct Counted {
    /// "review-request".
    pub hook: String,
    pub calls: u64,
    /// By their stable words, as `docs/errors.md` explains them.
    pub failures: Vec<(String, u64)>,
    /// "at most 20 µs", for 50, 95 and 99 in 100.
    pub parts: [(u8, String); 3],
    /// "1.1 MiB".
    pub memory: String,
    /// From the quickest calls to the slowest.
    pub bars: Vec<Bar>,
}

/// How many calls took how long.
#[derive(Clone, Debug, Serialize)]
pub struct Bar {
    /// "to 20 µs".
    pub took: String,
    pub calls: u64,
}

/// The height of the drawing, and the width of one bar with the gap beside it.
const HEIGHT: u64 = 48;
const WIDTH: usize = 8;

impl Counted {
    pub(super) fn errors(&self) -> u64 {
        self.failures.iter().map(|(_, count)| count).sum()
    }

    /// Of the drawing.
    pub(super) fn width(&self) -> usize {
        self.bars.len() * WIDTH
    }

    /// Left, top and height of each bar. One call is seen beside a million.
    pub(super) fn drawn(&self) -> Vec<(usize, u64, u64)> {
        let most = self.bars.iter().map(|bar| bar.calls).max().unwrap_or(0).max(1);
        let bars = self.bars.iter().enumerate().filter(|(_, bar)| bar.calls > 0);
        bars.map(|(place, bar)| {
            let height = (bar.calls.saturating_mul(HEIGHT) / most).max(2);
            (place * WIDTH + 1, HEIGHT - height, height)
        })
        .collect()
    }

    /// The bars that there are, for the table.
    pub(super) fn rows(&self) -> Vec<&Bar> {
        self.bars.iter().filter(|bar| bar.calls > 0).collect()
    }
}
