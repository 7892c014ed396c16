//! `wasi:config` and `wasi:logging`: the plugin's settings and its log under names that components were written for
//! elsewhere.
//!
//! `wasmtime-wasi-config` would do for the first but that it gives settings in another order each time; there is no such
//! crate for the second.

use super::super::contract::drafts::wasi::{config, logging};
use super::super::guest::Guest;
use super::super::shared::LogLevel;

impl config::store::Host for Guest {
    fn get(&mut self, key: String) -> Result<Option<String>, config::store::Error> {
        Ok(self.given.flat().remove(&key))
    }

    fn get_all(&mut self) -> Result<Vec<(String, String)>, config::store::Error> {
        Ok(self.given.flat().into_iter().collect())
    }
}

impl logging::logging::Host for Guest {
    fn log(&mut self, level: logging::logging::Level, context: String, message: String) {
        use logging::logging::Level;
        let level = match level {
            Level::Trace | Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error | Level::Critical => LogLevel::Error,
        };
        if context.is_empty() {
            self.log.write(level, &message);
        } else {
            self.log.write(level, &format!("{context}: {message}"));
        }
    }
}
