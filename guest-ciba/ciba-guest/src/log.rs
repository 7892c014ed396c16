//! Lines for the operator's log of this plugin.
//!
//! Say what happened and what to do about it. Never log a name, a binding message, a secret or an address.

pub use crate::bindings::ciba::interception::log::{Level, write};
pub use crate::{__debug as debug, __error as error, __info as info, __warn as warn};

/// Writes a line for the plugin's author, in the words of `format!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __debug {
    ($($part:tt)+) => { $crate::log::write($crate::log::Level::Debug, &::std::format!($($part)+)) };
}

/// Writes down what happened, in the words of `format!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __info {
    ($($part:tt)+) => { $crate::log::write($crate::log::Level::Info, &::std::format!($($part)+)) };
}

/// Writes a line that the operator should know, in the words of `format!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __warn {
    ($($part:tt)+) => { $crate::log::write($crate::log::Level::Warn, &::std::format!($($part)+)) };
}

/// Writes a line about something that the operator must mend, in the words of `format!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __error {
    ($($part:tt)+) => { $crate::log::write($crate::log::Level::Error, &::std::format!($($part)+)) };
}
