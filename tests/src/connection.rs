//! One HTTP/1.1 connection that is kept alive, with as little work per request as `hyper` allows:
//! the driver shares the machine with the server it measures.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// No answer in a flow is longer; anything else is a mistake worth hearing of.
const LONGEST_ANSWER: usize = 1 << 20;

/// An origin such as `http://127.0.0.1:8080`. Measurements are of plain HTTP on loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    address: SocketAddr,
}

impl Origin {
    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The origin of an absolute `http` address whose host is an IP address, and its path with
    /// query and fragment.
    pub fn split(address: &str) -> Result<(Self, &str)> {
        let rest = address.strip_prefix("http://").with_context(|| format!("not a plain http address: {address}"))?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let address = authority.parse().with_context(|| format!("not an IP address with a port: {authority}"))?;
        Ok((Self { address }, path))
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "http://{}", self.address)
    }
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The answer's JSON, if its status is 200.
    pub fn json(&self, what: &str) -> Result<serde_json::Value> {
        if self.status != StatusCode::OK {
            bail!("{what}: {} {}", self.status, String::from_utf8_lossy(&self.body));
        }
        serde_json::from_slice(&self.body).with_context(|| format!("{what}: not JSON"))
    }
}

/// Connects when first used and again when the server closed the connection between two requests.
pub struct Connection {
    origin: Origin,
    /// Sent with every request, `Host` among them.
    headers: HeaderMap,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    pub fn new(origin: Origin) -> Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(&origin.address.to_string())?);
        Ok(Self { origin, headers, sender: None })
    }

    /// Sends this header with every request from now on.
    pub fn with_header(mut self, name: HeaderName, value: &str) -> Result<Self> {
        self.headers.insert(name, HeaderValue::from_str(value)?);
        Ok(self)
    }

    pub async fn fetch(&mut self, path: &str) -> Result<Answer> {
        let request = self.request(Method::GET, path, Bytes::new())?;
        collect(self.send(request).await?).await
    }

    pub async fn post_form(&mut self, path: &str, form: String) -> Result<Answer> {
        let mut request = self.request(Method::POST, path, Bytes::from(form))?;
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, form_type);
        collect(self.send(request).await?).await
    }

    /// A `GET` whose body is read as it arrives.
    pub async fn stream(&mut self, path: &str) -> Result<Incoming> {
        let request = self.request(Method::GET, path, Bytes::new())?;
        let response = self.send(request).await?;
        if response.status() != StatusCode::OK {
            let answer = collect(response).await?;
            bail!("{path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        Ok(response.into_body())
    }

    fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().with_context(|| format!("not a path: {path}"))?;
        request.headers_mut().clone_from(&self.headers);
        Ok(request)
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        let ready = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !ready {
            self.sender = Some(self.connect().await?);
        }
        let sender = self.sender.as_mut().context("connected above")?;
        Ok(sender.send_request(request).await?)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.origin.address).await.with_context(|| format!("cannot connect to {}", self.origin))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // How the connection ends is seen by whoever sends the next request.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }
}

async fn collect(response: Response<Incoming>) -> Result<Answer> {
    let (parts, body) = response.into_parts();
    let body =
        Limited::new(body, LONGEST_ANSWER).collect().await.map_err(|error| anyhow::anyhow!("reading an answer: {error}"))?.to_bytes();
    Ok(Answer { status: parts.status, headers: parts.headers, body })
}

#[cfg(test)]
mod tests {
    use super::Origin;

    #[test]
    fn an_address_is_an_origin_and_the_rest() {
        let (origin, path) = Origin::split("http://127.0.0.1:81/device#enrol=x").unwrap();
        assert_eq!(origin.to_string(), "http://127.0.0.1:81");
        assert_eq!(path, "/device#enrol=x");
        for not_ours in ["https://127.0.0.1:81/", "http://localhost/", "127.0.0.1:81"] {
            assert!(Origin::split(not_ours).is_err(), "{not_ours}");
        }
    }
}
