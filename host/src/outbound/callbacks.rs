//! Calls of our own to addresses that clients registered: ping and push, keys, sector identifiers.
//!
//! Nobody here chose these addresses, so nothing about them is believed: https only, checked after DNS whether they are
//! names or numbers, no redirect, little time, little to read.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::header::{ACCEPT, CACHE_CONTROL, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response};
use tokio::sync::Semaphore;
use url::Url;

use super::{Client, SendError};

/// How long one call may take, from the look-up of the name to the last byte that is read.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much of an answer that says nothing to us is read, and for how long: so its connection can be used again.
const DRAIN_MAX: usize = 64 << 10;
const DRAIN: Duration = Duration::from_secs(1);

/// Documents that are fetched at the same time. Whoever finds no place waits for one, within its patience.
const FETCHES_MAX: usize = 64;

/// Calls addresses that clients registered. Clones share connections, and places.
#[derive(Clone)]
pub struct Caller {
    client: Client<Full<Bytes>>,
    patience: Duration,
    fetches: Arc<Semaphore>,
}

/// What came of a ping or push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallbackAnswer {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, where it says seconds; a day at most.
    pub retry_after: Option<Duration>,
}

/// What was fetched.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Bytes,
    /// `max-age` of `Cache-Control`, a day at most; zero where it must not be kept.
    pub max_age: Option<Duration>,
}

/// Why nothing came back that could be used.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The URL may not be called at all.
    #[error("{0}")]
    Url(String),
    /// It was called, and did not answer.
    #[error(transparent)]
    Send(#[from] SendError),
    /// It took too long.
    #[error("no whole answer within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// The body is longer than it may be.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

impl Caller {
    pub(super) fn new(client: Client<Full<Bytes>>) -> Self {
        Self { client, patience: PATIENCE, fetches: Arc::new(Semaphore::new(FETCHES_MAX)) }
    }

    /// The same with less time for each call, for example what is left of a job.
    pub fn within(&self, patience: Duration) -> Self {
        Self { patience: patience.min(self.patience), ..self.clone() }
    }

    /// Sends a body. What comes back in one is read and dropped.
    ///
    /// # Errors
    /// Why there is no status.
    pub async fn post(&self, url: &Url, headers: HeaderMap, body: Bytes) -> Result<CallbackAnswer, CallError> {
        let request = request(Method::POST, url, headers, body)?;
        let response = self.in_time(self.client.send(request)).await??;
        let headers = response.headers();
        let answer = CallbackAnswer {
            status: response.status().as_u16(),
            retry_after: headers.get(RETRY_AFTER).and_then(|value| seconds(value.to_str().ok()?)),
        };
        // The answer is there: whoever goes on dripping bytes only loses the connection.
        let _ = tokio::time::timeout(DRAIN.min(self.patience), read(response, DRAIN_MAX, false)).await;
        Ok(answer)
    }

    /// Fetches a document of at most `max_bytes`.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn get(&self, url: &Url, max_bytes: usize, accept: &'static str) -> Result<Fetched, CallError> {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
        let request = request(Method::GET, url, headers, Bytes::new())?;
        let fetch = async {
            let _place = self.fetches.acquire().await;
            let response = self.client.send(request).await?;
            let status = response.status().as_u16();
            let max_age = max_age(response.headers());
            Ok(Fetched { status, body: read(response, max_bytes, true).await?, max_age })
        };
        self.in_time(fetch).await?
    }

    async fn in_time<T>(&self, call: impl Future<Output = T>) -> Result<T, CallError> {
        tokio::time::timeout(self.patience, call).await.map_err(|_| CallError::TooSlow(self.patience))
    }
}

fn request(method: Method, url: &Url, headers: HeaderMap, body: Bytes) -> Result<Request<Full<Bytes>>, CallError> {
    let wrong = |what: &str| CallError::Url(format!("{} is not called: {what}", url.origin().ascii_serialization()));
    if url.scheme() != "https" {
        return Err(wrong("it is not https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("its URL has user information in it"));
    }
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = url.as_str().parse().map_err(|_| wrong("its URL is not one that HTTP can carry"))?;
    *request.headers_mut() = headers;
    request.headers_mut().entry(USER_AGENT).or_insert(HeaderValue::from_static("ciba-host"));
    Ok(request)
}

/// Reads a body up to its end, and keeps it where it is wanted.
async fn read(response: Response<Incoming>, max_bytes: usize, keep: bool) -> Result<Bytes, CallError> {
    let mut body = response.into_body();
    if body.size_hint().lower() > max_bytes as u64 {
        return Err(CallError::TooLong(max_bytes));
    }
    let (mut kept, mut length) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| SendError::NoAnswer(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > max_bytes {
            return Err(CallError::TooLong(max_bytes));
        }
        if keep {
            kept.extend_from_slice(&data);
        }
    }
    Ok(kept.freeze())
}

/// Seconds as a header has them, of which more than a day are a day.
fn seconds(text: &str) -> Option<Duration> {
    text.trim().trim_matches('"').parse().ok().map(|seconds: u64| Duration::from_secs(seconds.min(24 * 60 * 60)))
}

/// RFC 9111 5.2.2: of what a cache may do we only need how long.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let mut found = None;
    for directive in lines.flat_map(|line| line.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return Some(Duration::ZERO),
            "max-age" => found = seconds(value),
            _ => {}
        }
    }
    found
}
