//! Section `long-poll`: ten thousand polls that are held at the same time. What each costs in memory, and how long after
//! its person's decision a client has its tokens while all the others are held.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ciba_tests::connection::{Connection, Origin};
use ciba_tests::cpu::Usage;
use ciba_tests::device::{Device, Phone, form};
use hyper::header::AUTHORIZATION;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::options::Options;
use crate::ours::{Host, data_directory};
use crate::report::{Table, percentile};

const GRANT_TYPE: &str = "urn:openid:params:grant-type:ciba";
/// Everything outlives the measurement.
const CONFIG: &str = "[ciba]\nlong_poll = 900\nexpires_in = 900\nexpires_in_max = 900\n";
/// Each with a phone that is open.
const USERS: usize = 50;
/// Decisions under way at the same time.
const DECIDERS: usize = 4;
/// Connections over which requests are started.
const STARTERS: usize = 32;
/// For files, sockets and what else a process has open besides its polls.
const OTHER_FILES: usize = 500;
/// How many polls are decided while the others are held: one of so many.
const DECIDED: usize = 10;

/// A request that is waited for.
#[derive(Clone)]
struct Asked {
    user: usize,
    auth_req_id: String,
}

/// A poll that was answered.
struct Answered {
    number: usize,
    at: Instant,
    answer: Result<()>,
}

pub async fn run(options: &Options) -> Result<()> {
    let held = options.held.min(open_files_max()?.saturating_sub(OTHER_FILES));
    if held < options.held {
        println!("  only {held} polls: this process may have no more files open; `ulimit -n` says how many");
    }
    let data = data_directory()?;
    std::fs::write(data.path().join("ciba.toml"), CONFIG)?;
    let host = Host::new(options, data.path())?;
    let server = host.serve()?;
    let added: serde_json::Value = serde_json::from_slice(&host.command(&["client", "add", "patient", "--long-poll", "--json"])?)?;
    let secret = added["client_secret"].as_str().context("client add --json: no client_secret")?;
    let authorization = format!("Basic {}", BASE64_STANDARD.encode(format!("patient:{secret}")));
    let (origin, _) = Origin::split(server.said("demo")?)?;
    let phones = host.phones(USERS).await?;

    let asked = ask(&origin, &authorization, held).await?;
    quiet(server.id()).await?;
    let before = Usage::of(server.id())?;
    let (answers, mut answered) = unbounded_channel();
    for (number, asked) in asked.iter().enumerate() {
        let poll = poll(&origin, &authorization, &asked.auth_req_id);
        let stream = TcpStream::connect(origin.address()).await.with_context(|| format!("poll {number}: cannot connect"))?;
        tokio::spawn(hold(number, stream, poll, answers.clone()));
    }
    quiet(server.id()).await?;
    let during = Usage::of(server.id())?;
    if let Ok(early) = answered.try_recv() {
        bail!("poll {} was not held: {:?}", early.number, early.answer);
    }

    let decided = decide(&asked, phones).await?;
    let mut milliseconds = Vec::with_capacity(decided.len());
    for _ in 0..decided.len() {
        let next = tokio::time::timeout(Duration::from_secs(30), answered.recv()).await.context("a decided poll is not answered")?;
        let Answered { number, at, answer } = next.context("all polls have ended")?;
        answer.with_context(|| format!("poll {number}"))?;
        let sent = decided.iter().find(|(decided, _)| *decided == number).context("a poll that nobody decided was answered")?.1;
        milliseconds.push(at.duration_since(sent).as_secs_f64() * 1e3);
    }
    ensure!(answered.is_empty(), "more polls were answered than decided");
    drop(server);

    let mut table = Table::of_ours(format!("{held} held polls, {} of them decided", decided.len()));
    table.row("memory per held poll", "KiB", during.resident_kib.saturating_sub(before.resident_kib) as f64 / held as f64);
    table.row("memory with all of them", "MiB", during.resident_kib as f64 / 1024.0);
    table.row("decision to tokens p50", "ms", percentile(&milliseconds, 0.5));
    table.row("decision to tokens p99", "ms", percentile(&milliseconds, 0.99));
    println!("{table}");
    Ok(())
}

/// Starts so many requests, for each person in turn.
async fn ask(origin: &Origin, authorization: &str, count: usize) -> Result<Vec<Asked>> {
    let mut starting = JoinSet::new();
    for starter in 0..STARTERS {
        let mut connection = Connection::new(origin.clone())?.with_header(AUTHORIZATION, authorization)?;
        starting.spawn(async move {
            let mut asked = Vec::new();
            for number in (starter..count).step_by(STARTERS) {
                let user = number % USERS;
                let parameters = form(&[("scope", "openid"), ("login_hint", &format!("user{user}"))]);
                let answer = connection.post_form("/bc-authorize", parameters).await?.json("start")?;
                let auth_req_id = answer["auth_req_id"].as_str().context("start: no auth_req_id")?.to_owned();
                asked.push(Asked { user, auth_req_id });
            }
            anyhow::Ok(asked)
        });
    }
    let mut asked = Vec::with_capacity(count);
    while let Some(part) = starting.join_next().await {
        asked.extend(part??);
    }
    Ok(asked)
}

/// A poll as it goes over the wire.
fn poll(origin: &Origin, authorization: &str, auth_req_id: &str) -> Vec<u8> {
    let body = form(&[("grant_type", GRANT_TYPE), ("auth_req_id", auth_req_id)]);
    let head = format!(
        "POST /token HTTP/1.1\r\nhost: {}\r\nauthorization: {authorization}\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
        origin.address(),
        body.len()
    );
    [head, body].concat().into_bytes()
}

/// Sends a poll and says when it was answered.
async fn hold(number: usize, mut stream: TcpStream, poll: Vec<u8>, answers: UnboundedSender<Answered>) {
    let answer = async {
        stream.write_all(&poll).await?;
        drop(poll);
        // As little as there can be while nothing comes: it is the server that is measured.
        stream.readable().await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let text = String::from_utf8_lossy(&answer);
        ensure!(text.starts_with("HTTP/1.1 200 ") && text.contains("\"id_token\""), "no tokens: {text}");
        Ok(())
    };
    let answer = answer.await;
    // Nobody listens any more once the measurement is over.
    drop(answers.send(Answered { number, at: Instant::now(), answer }));
}

/// Approves a part of them. Answers which, and when each decision was sent.
async fn decide(asked: &[Asked], phones: Vec<Phone>) -> Result<Vec<(usize, Instant)>> {
    let asked: Arc<[Asked]> = asked.into();
    let mut work: Vec<Vec<(usize, Device)>> = (0..DECIDERS).map(|_| Vec::new()).collect();
    for (user, phone) in phones.into_iter().enumerate() {
        work[user % DECIDERS].push((user, Device::Ours(phone)));
    }
    let mut deciding = JoinSet::new();
    for mut devices in work {
        let asked = Arc::clone(&asked);
        deciding.spawn(async move {
            let mut decided = Vec::new();
            for (number, asked) in asked.iter().enumerate().filter(|(number, _)| number % DECIDED == 0) {
                let Some((_, device)) = devices.iter_mut().find(|(user, _)| *user == asked.user) else { continue };
                let (transaction, _) = asked.auth_req_id.split_once('.').context("auth_req_id does not name its transaction")?;
                decided.push((number, Instant::now()));
                device.approve(&asked.auth_req_id, Some(transaction.to_owned())).await?;
            }
            anyhow::Ok(decided)
        });
    }
    let mut decided = Vec::new();
    while let Some(part) = deciding.join_next().await {
        decided.extend(part??);
    }
    Ok(decided)
}

/// Waits until the server has nothing to do.
async fn quiet(server: u32) -> Result<()> {
    const LOOK: Duration = Duration::from_millis(500);
    for _ in 0..240 {
        let before = Usage::of(server)?.processor;
        tokio::time::sleep(LOOK).await;
        if Usage::of(server)?.processor - before <= LOOK / 20 {
            return Ok(());
        }
    }
    bail!("the server does not come to rest")
}

/// How many files this process, and the server that it starts, may have open.
fn open_files_max() -> Result<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).context("/proc/self/limits: no open files")?;
    let soft = line.split_whitespace().next().context("/proc/self/limits: no limit")?;
    Ok(soft.parse().unwrap_or(usize::MAX))
}
