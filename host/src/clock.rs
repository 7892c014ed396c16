//! Time and randomness, handed in and never taken.
//!
//! Rules take `now` as an argument; rooms that wait or stamp hold a [`Clock`]. Whatever must be unguessable
//! comes from a [`Random`]. `clippy.toml` bans the ambient ones.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};

/// The wall clock, in whole milliseconds so that a value survives the store unchanged.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A clock that moves only when a test moves it.
    Manual(Arc<Mutex<Timestamp>>),
}

impl Clock {
    /// A manual clock that stands at `start`.
    pub fn manual(start: Timestamp) -> Self {
        Self::Manual(Arc::new(Mutex::new(start)))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clock")]
            Self::System => Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap_or(Timestamp::UNIX_EPOCH),
            Self::Manual(time) => *time.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
        }
    }

    /// Moves a manual clock on; a system clock does not move.
    pub fn advance(&self, by: SignedDuration) {
        if let Self::Manual(time) = self {
            let mut time = time.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *time = time.saturating_add(by).unwrap_or(*time);
        }
    }
}

/// The source of everything that must not be guessed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Random;

impl Random {
    /// `N` unpredictable bytes from the operating system's generator.
    ///
    /// # Panics
    /// When the operating system has no randomness left to give, in which case nothing may be issued at all.
    pub fn bytes<const N: usize>(self) -> [u8; N] {
        let mut bytes = [0; N];
        #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the operating system")]
        aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
        bytes
    }
}
