//! HTTP/1.1 by hand, one connection for each request: a test says exactly what goes over the wire, right
//! or wrong.

use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::secrets;

/// Longer than anything is ever held. It bounds a test, it measures nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request. `Host`, `Content-Length` and `Connection: close` are added where they are not given.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// A form, encoded.
    pub fn form(path: &str, pairs: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        Self::raw_form(path, body.into_bytes())
    }

    /// A form as it stands.
    pub fn raw_form(path: &str, body: Vec<u8>) -> Self {
        Self::new("POST", path).header("content-type", "application/x-www-form-urlencoded").body(body)
    }

    pub fn json(path: &str, body: &str) -> Self {
        Self::new("POST", path).header("content-type", "application/json").body(body)
    }

    pub fn header(self, name: &str, value: &str) -> Self {
        self.raw_header(name, value.as_bytes())
    }

    pub fn raw_header(mut self, name: &str, value: &[u8]) -> Self {
        self.headers.push((name.to_owned(), value.to_vec()));
        self
    }

    /// The same as whoever leaves this out would send it.
    pub fn without_header(mut self, name: &str) -> Self {
        self.headers.retain(|(header, _)| header != name);
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it on a connection of its own and reads the whole answer.
    pub fn send(&self, to: SocketAddr) -> Result<Answer> {
        let mut stream = self.begin(to)?;
        // A server that has seen enough may answer before it has read everything.
        let sent = stream.write_all(&self.body);
        let answer = read(stream);
        answer.with_context(|| format!("{} {} (sent: {sent:?})", self.method, self.path))
    }

    /// Sends it whole, and closes the connection so much later without reading.
    pub fn send_and_hang_up(&self, to: SocketAddr, after: Duration) -> Result<()> {
        let mut stream = self.begin(to)?;
        stream.write_all(&self.body)?;
        std::thread::sleep(after);
        // It may be closed from the other side by then.
        drop(stream.shutdown(std::net::Shutdown::Both));
        Ok(())
    }

    /// Sends everything before the body, and leaves the rest to the caller.
    pub fn begin(&self, to: SocketAddr) -> Result<TcpStream> {
        let mut stream = TcpStream::connect(to).with_context(|| format!("cannot connect to {to}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(&self.head(to))?;
        Ok(stream)
    }

    /// All of it as it goes over the wire.
    pub fn whole(&self, to: SocketAddr) -> Vec<u8> {
        let mut whole = self.head(to);
        whole.extend_from_slice(&self.body);
        whole
    }

    fn head(&self, to: SocketAddr) -> Vec<u8> {
        self.headers.iter().for_each(|(name, value)| secrets::note(name, &String::from_utf8_lossy(value)));
        secrets::note_body(&self.body);
        let given = |name: &str| self.headers.iter().any(|(header, _)| header.eq_ignore_ascii_case(name));
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        let mut line = |name: &str, value: &[u8]| {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        };
        for (name, value) in &self.headers {
            line(name, value);
        }
        for (name, value) in [("host", to.to_string()), ("content-length", self.body.len().to_string()), ("connection", "close".to_owned())]
        {
            if !given(name) {
                line(name, value.as_bytes());
            }
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `Null` where it is something else.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Reads an answer to its end, which is where the server closes the connection.
pub fn read(mut stream: impl Read) -> Result<Answer> {
    let mut received = Vec::new();
    let ended = stream.read_to_end(&mut received);
    let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else {
        bail!("no answer: {ended:?}, {:?}", String::from_utf8_lossy(&received));
    };
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("a status line")?.parse()?;
    let headers = lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    let answer = Answer { status, headers, body: received.split_off(end + 4) };
    let length: Option<usize> = answer.header("content-length").map(str::parse).transpose()?;
    if length.is_some_and(|length| length != answer.body.len()) {
        bail!("the answer broke off after {} of {length:?} bytes: {ended:?}", answer.body.len());
    }
    answer.headers.iter().for_each(|(name, value)| secrets::note(name, value));
    secrets::note_json(&answer.json());
    Ok(answer)
}
