//! Session cookies: ours alone, never readable by a script, never sent with what another site posts.

use axum::http::{HeaderMap, HeaderValue, header};

/// A kind of session.
pub(super) struct Cookie {
    pub(super) name: &'static str,
    /// Where the browser sends it.
    pub(super) path: &'static str,
    /// After so many seconds the browser forgets it.
    pub(super) seconds: u64,
    pub(super) same_site: SameSite,
}

/// What a browser does with a cookie when another site leads here.
#[derive(Clone, Copy, Debug)]
pub(super) enum SameSite {
    /// It is not sent.
    Strict,
    /// It is sent with a link that was followed, and with nothing else.
    Lax,
}

impl Cookie {
    /// The value that came with a request.
    pub(super) fn read<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == self.name)
            .map(|(_, value)| value)
    }

    /// Sets it to a value that a browser sent or we made.
    pub(super) fn set(&self, value: &str, secure: bool) -> HeaderValue {
        let Self { name, path, seconds, same_site } = self;
        let secure = if secure { "; Secure" } else { "" };
        let line = format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite={same_site:?}{secure}");
        let mut header = HeaderValue::try_from(line).unwrap_or_else(|_| HeaderValue::from_static(""));
        header.set_sensitive(true);
        header
    }
}
