//! A small blocking HTTP client: one request, one answer.
//!
//! The host sends the request, and only to origins the operator allowed. It follows no redirect, verifies
//! certificates, checks the address it connects to, and has limits of its own below the ones you set here.
//!
//! ```no_run
//! # use ciba_guest::{Outcome, ScriptError, http};
//! # fn send(message: Vec<u8>) -> Result<Outcome, ScriptError> {
//! let answer = http::post("https://push.example.com/send")
//!     .header("content-type", "application/json")
//!     .body(message)
//!     .send()?;
//! if answer.status == 429 {
//!     return Ok(Outcome::Throttled(answer.retry_after().unwrap_or(30)));
//! }
//! # Ok(Outcome::accepted(""))
//! # }
//! ```

use core::fmt;
use core::time::Duration;

use serde::de::DeserializeOwned;

use crate::ScriptError;
use crate::bindings::wasi::http::outgoing_handler;
use crate::bindings::wasi::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
};
use crate::bindings::wasi::io::streams::StreamError;
use crate::settings::in_words;

mod url;

pub use url::{Url, UrlError, encoded};

/// How much of an answer's body is kept unless you say otherwise.
const KEPT: usize = 64 * 1024;

/// What `wasi:io` takes in one blocking write.
const CHUNK: usize = 4096;

/// Begins a GET request.
pub fn get(url: &str) -> Request<'_> {
    Request::new(Method::Get, url)
}

/// Begins a POST request.
pub fn post(url: &str) -> Request<'_> {
    Request::new(Method::Post, url)
}

/// Begins a PUT request.
pub fn put(url: &str) -> Request<'_> {
    Request::new(Method::Put, url)
}

/// Begins a DELETE request.
pub fn delete(url: &str) -> Request<'_> {
    Request::new(Method::Delete, url)
}

/// A request that has not been sent yet.
#[must_use = "nothing is sent before `send`"]
pub struct Request<'a> {
    method: Method,
    url: &'a str,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    timeout: Option<Duration>,
    kept: usize,
}

impl<'a> Request<'a> {
    fn new(method: Method, url: &'a str) -> Self {
        Self { method, url, headers: Vec::new(), body: Vec::new(), timeout: None, kept: KEPT }
    }

    /// Adds a header. The host writes `Host` and what belongs to the connection.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.as_bytes().into()));
        self
    }

    /// Sends this body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Gives up when connecting, the first byte of the answer, or any pause within it takes longer than this.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Keeps at most this many bytes of the answer's body (64 KiB unless you say otherwise), and says in
    /// [`Answer::truncated`] whether there were more. With 0 the body is not read at all.
    pub fn keep(mut self, bytes: usize) -> Self {
        self.kept = bytes;
        self
    }

    /// Sends the request and waits for the answer. Every status is an answer, not an error.
    ///
    /// # Errors
    ///
    /// When there was no answer.
    pub fn send(self) -> Result<Answer, Error> {
        let url: Url = self.url.parse()?;
        let mut headers = self.headers;
        if !self.body.is_empty() {
            // Without a length the body would be sent in chunks, which some receivers do not take.
            headers.push(("content-length".into(), self.body.len().to_string().into()));
        }
        let headers = Fields::from_list(&headers).map_err(|_| Error::Header)?;

        let request = OutgoingRequest::new(headers);
        let scheme = if url.is_https() { Scheme::Https } else { Scheme::Http };
        request
            .set_method(&self.method)
            .and_then(|()| request.set_scheme(Some(&scheme)))
            .and_then(|()| request.set_authority(Some(url.authority())))
            .and_then(|()| request.set_path_with_query(Some(url.path_and_query())))
            .map_err(|()| UrlError("the host does not take this address"))?;
        let body = request.body().map_err(|()| Error::Failed("the host took no body".into()))?;

        let answer = outgoing_handler::handle(request, self.timeout.map(options)).map_err(|code| Error::from_code(code, &url))?;
        write(body, &self.body).map_err(|code| Error::from_code(code, &url))?;

        answer.subscribe().block();
        // Both can be absent only before the answer is there, or when it was taken before.
        let response = answer
            .get()
            .and_then(Result::ok)
            .ok_or_else(|| Error::Failed("the host answered nothing".into()))?
            .map_err(|code| Error::from_code(code, &url))?;
        read(&response, self.kept)
    }
}

fn options(timeout: Duration) -> RequestOptions {
    let nanoseconds = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    let options = RequestOptions::new();
    // A host that does not support one of them says so here, and its own limit holds.
    let _ = options.set_connect_timeout(Some(nanoseconds));
    let _ = options.set_first_byte_timeout(Some(nanoseconds));
    let _ = options.set_between_bytes_timeout(Some(nanoseconds));
    options
}

fn write(body: OutgoingBody, bytes: &[u8]) -> Result<(), ErrorCode> {
    if let Ok(stream) = body.write() {
        for chunk in bytes.chunks(CHUNK) {
            if stream.blocking_write_and_flush(chunk).is_err() {
                // The connection is gone; why is in the answer, which is asked next.
                return Ok(());
            }
        }
    }
    OutgoingBody::finish(body, None)
}

fn read(response: &IncomingResponse, kept: usize) -> Result<Answer, Error> {
    let mut answer = Answer { status: response.status(), headers: response.headers().entries(), body: Vec::new(), truncated: false };
    if kept == 0 {
        return Ok(answer);
    }
    let incoming = response.consume().map_err(|()| Error::Failed("the answer has no body".into()))?;
    let stream = incoming.stream().map_err(|()| Error::Failed("the answer has no body".into()))?;
    loop {
        // One byte more than is kept shows whether there is more.
        let room = kept - answer.body.len() + 1;
        match stream.blocking_read(room as u64) {
            Ok(bytes) => answer.body.extend_from_slice(&bytes),
            Err(StreamError::Closed) => return Ok(answer),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(Error::Failed(error.to_debug_string()));
            }
        }
        if answer.body.len() > kept {
            answer.body.truncate(kept);
            answer.truncated = true;
            return Ok(answer);
        }
    }
}

/// What the other side answered.
pub struct Answer {
    /// The status code, for example 204.
    pub status: u16,
    /// All headers, in the order they came; names are lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, as far as it was kept.
    pub body: Vec<u8>,
    /// Whether the body was longer than what was kept.
    pub truncated: bool,
}

impl Answer {
    /// The first header of this name, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name))?;
        core::str::from_utf8(value).ok()
    }

    /// The answer where its status is 200 to 299; look at [`status`](Self::status) before for those that mean something
    /// to you.
    ///
    /// # Errors
    ///
    /// The status was another one.
    pub fn success(self) -> Result<Self, Error> {
        if (200..=299).contains(&self.status) { Ok(self) } else { Err(Error::Status(self.status)) }
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// It is not of this type, or was longer than what was kept.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        if self.truncated {
            return Err(Error::Body(format!("is longer than {} bytes", self.body.len())));
        }
        serde_json::from_slice(&self.body).map_err(|error| Error::Body(format!("is not the JSON that was expected: {}", in_words(&error))))
    }

    /// The seconds in `Retry-After`. Its other form, a date, counts as absent: clocks differ.
    pub fn retry_after(&self) -> Option<u32> {
        self.header("retry-after")?.trim().parse().ok()
    }
}

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The address is not one a request can be sent to.
    Url(UrlError),
    /// A header has a name or a value that HTTP does not allow, or one that only the host may write.
    Header,
    /// The operator has not allowed this plugin to send to this origin.
    NotPermitted(String),
    /// The name stands for an address that the host does not connect to, such as a private one.
    Prohibited(String),
    /// It took too long.
    Timeout,
    /// The other side was not reached, or broke off. The text is for the log.
    Failed(String),
    /// It answered with this status, which is none of success.
    Status(u16),
    /// It answered with something else than what was expected: "the answer …".
    Body(String),
}

impl Error {
    fn from_code(code: ErrorCode, url: &Url) -> Self {
        match code {
            ErrorCode::HttpRequestDenied => Self::NotPermitted(url.origin()),
            ErrorCode::DestinationIpProhibited => Self::Prohibited(url.origin()),
            ErrorCode::DnsTimeout
            | ErrorCode::ConnectionTimeout
            | ErrorCode::ConnectionReadTimeout
            | ErrorCode::ConnectionWriteTimeout
            | ErrorCode::HttpResponseTimeout => Self::Timeout,
            ErrorCode::InternalError(Some(text)) => Self::Failed(text),
            // The generated names say it well enough: `ConnectionRefused`, `TlsCertificateError`.
            other => Self::Failed(format!("{other:?}").replace("ErrorCode::", "")),
        }
    }
}

impl From<UrlError> for Error {
    fn from(error: UrlError) -> Self {
        Self::Url(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(formatter),
            Self::Header => formatter.write_str("a header that HTTP does not allow"),
            Self::NotPermitted(origin) => {
                write!(formatter, "not allowed to send to {origin}: allow this plugin `http` to \"{origin}\"")
            }
            Self::Prohibited(origin) => {
                write!(formatter, "{origin} has an address that the host does not connect to")
            }
            Self::Timeout => formatter.write_str("it took too long"),
            Self::Failed(text) => formatter.write_str(text),
            Self::Status(status) => write!(formatter, "the other side answered {status}"),
            Self::Body(text) => write!(formatter, "the answer {text}"),
        }
    }
}

impl core::error::Error for Error {}

/// What a missing answer means for the hook that waited for it, so that `?` works on `send`.
impl From<Error> for ScriptError {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            // Only the operator can mend these.
            Error::Url(_) | Error::NotPermitted(_) | Error::Prohibited(_) | Error::Status(401 | 403) => Self::Settings(text),
            Error::Timeout | Error::Failed(_) | Error::Status(408 | 425 | 429 | 500..=599) => Self::Temporary(text),
            Error::Header | Error::Status(_) | Error::Body(_) => Self::Other(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: Vec::new(), body: body.into(), truncated: false }
    }

    #[test]
    fn a_status_that_is_none_of_success_says_who_can_mend_it() {
        assert!(answer(204, "").success().is_ok());
        for (status, who) in [(401, "Settings"), (403, "Settings"), (429, "Temporary"), (503, "Temporary"), (302, "Other"), (404, "Other")]
        {
            let error = answer(status, "").success().map(drop).unwrap_err();
            let error = format!("{:?}", ScriptError::from(error));
            assert!(error.contains(who) && error.contains(&status.to_string()), "{error}");
        }
    }

    #[test]
    fn a_body_is_the_json_that_was_expected_and_whole_or_an_error_that_does_not_repeat_it() {
        assert_eq!(answer(200, "[1]").json::<Vec<u8>>(), Ok(vec![1]));
        for (body, truncated, says) in [
            ("<html>", false, "the answer is not the JSON that was expected: expected value"),
            ("\"alice\"", false, "the answer is not the JSON that was expected: invalid type: string, expected a sequence"),
            ("[1]", true, "the answer is longer than 3 bytes"),
        ] {
            let answer = Answer { truncated, ..answer(200, body) };
            assert_eq!(answer.json::<Vec<u8>>().unwrap_err().to_string(), says);
        }
    }
}
