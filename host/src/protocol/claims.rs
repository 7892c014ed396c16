//! Reading claims that somebody else wrote (RFC 7519 4.1).

use jiff::Timestamp;
use serde_json::{Map, Value};

/// How far clocks may differ, in seconds.
pub const SKEW: i64 = 60;

/// The claims of a JWT whose signature was verified.
#[derive(Clone, Copy)]
pub struct Claims<'a>(pub &'a Map<String, Value>);

impl<'a> Claims<'a> {
    /// A claim that is text.
    ///
    /// # Errors
    /// When it is missing, or something else.
    pub fn text(self, name: &str) -> Result<&'a str, String> {
        match self.0.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text),
            Some(_) => Err(format!("{name} is not text")),
            None => Err(format!("{name} is missing")),
        }
    }

    /// A claim that is a time, in whole seconds since 1970; absent is `None`. A fraction is cut, as RFC 7519 2 allows one.
    ///
    /// # Errors
    /// When it is something else.
    pub fn time(self, name: &str) -> Result<Option<i64>, String> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let seconds = value.as_i64().or_else(|| value.as_f64().filter(|seconds| seconds.abs() < 1e12).map(|seconds| seconds as i64));
        seconds.map(Some).ok_or_else(|| format!("{name} is not a number of seconds since 1970"))
    }

    /// The same for one that must be there.
    ///
    /// # Errors
    /// When it is missing, or something else.
    pub fn required_time(self, name: &str) -> Result<i64, String> {
        self.time(name)?.ok_or_else(|| format!("{name} is missing"))
    }

    /// `aud`, which is one text or several (RFC 7519 4.1.3).
    ///
    /// # Errors
    /// When it is missing, or something else.
    pub fn audience(self) -> Result<Vec<&'a str>, String> {
        let wrong = || "aud is neither text nor a list of texts".to_owned();
        match self.0.get("aud") {
            Some(Value::String(one)) => Ok(vec![one]),
            Some(Value::Array(several)) => several.iter().map(|one| one.as_str().ok_or_else(wrong)).collect(),
            Some(_) => Err(wrong()),
            None => Err("aud is missing".to_owned()),
        }
    }

    /// Checks `exp`, and `nbf` and `iat` where they are there, against the clock.
    ///
    /// # Errors
    /// When it has ended, or has not begun.
    pub fn in_force(self, now: Timestamp) -> Result<i64, String> {
        let now = now.as_second();
        let ends = self.required_time("exp")?;
        if ends <= now - SKEW {
            return Err("exp is in the past".to_owned());
        }
        for name in ["nbf", "iat"] {
            if self.time(name)?.is_some_and(|begins| begins > now + SKEW) {
                return Err(format!("{name} is in the future"));
            }
        }
        Ok(ends)
    }
}
