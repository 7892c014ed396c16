//! The operator's browser, without a browser.

use anyhow::{Context as _, Result, ensure};

use crate::host::Host;
use crate::wire::Request;

/// Signed in to a host's console.
#[derive(Debug)]
pub struct Console<'a> {
    host: &'a Host,
    cookie: String,
    origin: String,
}

impl<'a> Console<'a> {
    /// Signs in with a link that the command makes.
    ///
    /// # Errors
    /// When that does not work.
    pub fn of(host: &'a Host) -> Result<Self> {
        let made = host.data.json(&["console"])?;
        let (origin, token) = made["link"].as_str().and_then(|link| link.split_once("/#login=")).context("a link")?;
        let answer = Request::form("/login", &[("token", token)]).header("origin", origin).send(host.admin)?;
        let origin = origin.to_owned();
        let cookie = answer.header("set-cookie").and_then(|line| line.split(';').next()).with_context(|| answer.text())?;
        Ok(Self { host, cookie: cookie.to_owned(), origin })
    }

    /// A form of one of its pages, on its way.
    pub fn sends(&self, path: &str, form: &[(&str, &str)]) -> Request {
        Request::form(path, form).header("cookie", &self.cookie).header("origin", &self.origin)
    }

    /// A page without its markup.
    ///
    /// # Errors
    /// When there is no such page.
    pub fn text(&self, path: &str) -> Result<String> {
        let answer = Request::get(path).header("cookie", &self.cookie).send(self.host.admin)?;
        ensure!(answer.status == 200, "{path}: {}", answer.status);
        let html = answer.text();
        let pieces = html.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
        let text = pieces.collect::<String>();
        let coded = [("&#39;", "'"), ("&#34;", "\""), ("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
        Ok(coded.iter().fold(text, |text, (coded, plain)| text.replace(coded, plain)))
    }
}
