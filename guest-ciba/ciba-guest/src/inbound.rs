//! Requests that reach your plugin from outside, at `/NAME/…` on the plugins' own origin: how a channel calls back.
//!
//! The host has read the request whole, and sends your answer when your call has ended. Cookies and `Authorization` do
//! not reach you: have the caller prove itself by a signature, or by an address that nobody guesses. Of your answer's
//! headers it hands on those that say what the body is, `location`, `retry-after` and caching; a page runs no script.

use crate::bindings::inbound::exports::wasi::http::incoming_handler;
use crate::bindings::wasi::http::types::{ErrorCode, Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam};
use crate::bindings::wasi::io::streams::StreamError;
use crate::hooks::{Exported, Plugin, log_panics};
use crate::{log, settings};

/// What `wasi:io` takes in one blocking write.
const CHUNK: usize = 4096;

/// Answers requests from outside. The operator allows it with `--inbound`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement `inbound`",
    note = "write `impl ciba_guest::Inbound for {Self}`, or take `inbound` out of `plugin!`"
)]
pub trait Inbound: Plugin {
    /// Answers one request. Anybody may have sent it.
    fn handle(request: &Request, settings: Self::Settings) -> Response;
}

/// A request from outside.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `POST`, or another.
    pub method: String,
    /// What follows your plugin's name in the address, for example `/callback`, without the query.
    pub path: String,
    /// What follows the question mark.
    pub query: String,
    /// All headers that reach you; names are lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, of at most 64 KiB.
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of this name, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name))?;
        core::str::from_utf8(value).ok()
    }
}

/// What it is answered.
#[derive(Debug, Clone)]
#[must_use = "it is sent when `handle` returns it"]
pub struct Response {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Response {
    /// Only a status, for example 204.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// 200 with a text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::status(200).header("content-type", "text/plain; charset=utf-8").body(text.into())
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends this body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

impl<P: Inbound> incoming_handler::Guest for Exported<P> {
    fn handle(request: IncomingRequest, answer: ResponseOutparam) {
        log_panics();
        let response = match (read(&request), settings::parse()) {
            (Some(request), Ok(settings)) => P::handle(&request, settings),
            (None, _) => Response::status(400),
            (_, Err(error)) => {
                log::error!("{error:?}");
                Response::status(500)
            }
        };
        send(response, answer);
    }
}

fn read(request: &IncomingRequest) -> Option<Request> {
    let target = request.path_with_query().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut body = Vec::new();
    let incoming = request.consume().ok()?;
    let stream = incoming.stream().ok()?;
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(bytes) => body.extend_from_slice(&bytes),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(_)) => return None,
        }
    }
    let method = match request.method() {
        Method::Get => "GET".into(),
        Method::Head => "HEAD".into(),
        Method::Post => "POST".into(),
        Method::Put => "PUT".into(),
        Method::Delete => "DELETE".into(),
        Method::Connect => "CONNECT".into(),
        Method::Options => "OPTIONS".into(),
        Method::Trace => "TRACE".into(),
        Method::Patch => "PATCH".into(),
        Method::Other(method) => method,
    };
    Some(Request { method, path: path.into(), query: query.into(), headers: request.headers().entries(), body })
}

fn send(response: Response, answer: ResponseOutparam) {
    let Ok(headers) = Fields::from_list(&response.headers) else {
        log::error!("a header of the answer is one that HTTP does not allow");
        return ResponseOutparam::set(answer, Err(ErrorCode::HttpProtocolError));
    };
    let outgoing = OutgoingResponse::new(headers);
    let (Ok(()), Ok(body)) = (outgoing.set_status_code(response.status), outgoing.body()) else {
        log::error!("{} is no status", response.status);
        return ResponseOutparam::set(answer, Err(ErrorCode::HttpProtocolError));
    };
    ResponseOutparam::set(answer, Ok(outgoing));
    if let Ok(stream) = body.write() {
        for chunk in response.body.chunks(CHUNK) {
            if stream.blocking_write_and_flush(chunk).is_err() {
                return;
            }
        }
    }
    // Where it fails the host has stopped listening, and says why.
    let _ = OutgoingBody::finish(body, None);
}
