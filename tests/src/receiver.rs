//! What stands at a client's notification endpoint: it writes down what it gets, and answers as it is told.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::{Domain, Socket, Type};

use crate::host::wait_for;
use crate::secure::{Authority, Identity};

/// Longer than anything waits. It bounds a test, it measures nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: String,
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// How it answers.
#[derive(Clone, Debug)]
pub enum Reply {
    /// With this status and nothing else.
    Status(u16),
    /// With headers and a body too.
    Whole(u16, Vec<(String, String)>, Vec<u8>),
    /// It breaks the connection once it has read the request.
    Reset,
    /// It reads the request and says nothing until the other side has had enough.
    Stall,
    /// It answers 200 with a body of which a byte comes now and then.
    Drip,
    /// It answers 200 with a body that has no end.
    Endless,
    /// It answers 200 with headers that have no end.
    EndlessHead,
    /// It waits for somebody else at the barrier, and answers so then.
    Held(Arc<Barrier>, Box<Reply>),
}

/// An https endpoint on loopback.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    up: bool,
}

struct Shared {
    state: Mutex<State>,
    tls: Arc<ServerConfig>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

struct State {
    received: Vec<Received>,
    /// Answers for the next requests, after which `then` holds.
    next: Vec<Reply>,
    then: Reply,
    /// Counts how often it went down: connections of an earlier life answer nothing any more.
    life: usize,
    /// Keeps the port while nobody listens.
    holding: Option<Socket>,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; `Null` where it is something else.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Receiver {
    /// Starts one whose certificate the authority signed. It answers 204.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start(authority: &Authority) -> Result<Self> {
        Self::showing(&authority.server("localhost"))
    }

    /// Starts one that shows this certificate.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn showing(identity: &Identity) -> Result<Self> {
        let state = State { received: Vec::new(), next: Vec::new(), then: Reply::Status(204), life: 0, holding: None };
        let shared = Arc::new(Shared { state: Mutex::new(state), tls: identity.server_config() });
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let receiver = Self { address: listener.local_addr()?, shared, up: true };
        receiver.accept_on(listener);
        Ok(receiver)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a client registers.
    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    /// How it answers from now on.
    pub fn answer(&self, reply: Reply) {
        let mut state = self.shared.state();
        state.next.clear();
        state.then = reply;
    }

    /// How it answers the next requests, one after the other; later ones are answered as before.
    pub fn answer_next(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.state().next = replies.into_iter().collect();
    }

    /// Everything that has arrived.
    pub fn received(&self) -> Vec<Received> {
        self.shared.state().received.clone()
    }

    /// Waits until so many requests have arrived.
    ///
    /// # Errors
    /// When they do not.
    pub fn wait_for(&self, count: usize) -> Result<Vec<Received>> {
        wait_for(&format!("{count} requests arrive at {}", self.address), || {
            Ok(Some(self.received()).filter(|received| received.len() >= count))
        })
    }

    /// Nobody listens any more: connections are refused, and those that are open get no answer.
    ///
    /// # Errors
    /// When the port cannot be kept.
    pub fn down(&mut self) -> Result<()> {
        self.shared.state().life += 1;
        self.up = false;
        // The thread wakes, sees that its life is over, and closes the listener.
        drop(TcpStream::connect(self.address));
        let socket = wait_for("the listener is closed", || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            socket.set_reuse_address(true)?;
            Ok(socket.bind(&self.address.into()).is_ok().then_some(socket))
        })?;
        self.shared.state().holding = Some(socket);
        Ok(())
    }

    /// It is back on the same port.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn up(&mut self) -> Result<()> {
        let socket = self.shared.state().holding.take().context("it is up")?;
        socket.listen(128)?;
        self.up = true;
        self.accept_on(socket.into());
        Ok(())
    }

    fn accept_on(&self, listener: TcpListener) {
        let shared = Arc::clone(&self.shared);
        let life = shared.state().life;
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.state().life != life {
                    break;
                }
                let shared = Arc::clone(&shared);
                // A connection that breaks is the other side's affair.
                std::thread::spawn(move || drop(shared.serve(stream, life)));
            }
        });
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.state().life += 1;
        if self.up {
            drop(TcpStream::connect(self.address));
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: TcpStream, life: usize) -> Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let plain = stream.try_clone()?;
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&self.tls))?, stream);
        let received = read(&mut stream)?;
        let reply = {
            let mut state = self.state();
            if state.life != life {
                return Ok(());
            }
            state.received.push(received);
            if state.next.is_empty() { state.then.clone() } else { state.next.remove(0) }
        };
        self.reply(reply, stream, plain, life)
    }

    fn reply(&self, reply: Reply, mut stream: StreamOwned<ServerConnection, TcpStream>, plain: TcpStream, life: usize) -> Result<()> {
        match reply {
            Reply::Held(barrier, reply) => {
                barrier.wait();
                self.reply(*reply, stream, plain, life)?;
            }
            Reply::Status(status) => write(&mut stream, status, &[], b"")?,
            Reply::Whole(status, headers, body) => write(&mut stream, status, &headers, &body)?,
            Reply::Reset => {
                let socket = Socket::from(plain);
                socket.set_linger(Some(Duration::ZERO))?;
            }
            Reply::Stall => drop(stream.read_exact(&mut [0])),
            Reply::Endless => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
                while self.state().life == life {
                    stream.write_all(b"1000\r\n")?;
                    stream.write_all(&[b'x'; 0x1000])?;
                    stream.write_all(b"\r\n")?;
                    stream.flush()?;
                }
            }
            Reply::EndlessHead => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
                while self.state().life == life {
                    stream.write_all(b"x-more: of the same\r\n")?;
                    stream.flush()?;
                }
            }
            Reply::Drip => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")?;
                while self.state().life == life {
                    stream.write_all(b"x")?;
                    stream.flush()?;
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
        Ok(())
    }
}

fn read(stream: impl Read) -> Result<Received> {
    let mut reader = BufReader::new(stream);
    let mut line = || -> Result<String> {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().context("a request line")?);
    let mut headers = Vec::new();
    loop {
        let line = line()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut received = Received { method, path, headers, body: Vec::new() };
    let length = received.header("content-length").map(str::parse).transpose()?.unwrap_or(0);
    received.body = vec![0; length];
    reader.read_exact(&mut received.body)?;
    Ok(received)
}

fn write(stream: &mut StreamOwned<ServerConnection, TcpStream>, status: u16, headers: &[(String, String)], body: &[u8]) -> Result<()> {
    let mut head = format!("HTTP/1.1 {status} Status\r\nconnection: close\r\n");
    if status != 204 {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    stream.conn.send_close_notify();
    stream.flush()?;
    Ok(())
}
