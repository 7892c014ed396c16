//! Section `hostile`: how `/token` answers while twice as many guests as there are cores loop for ever.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ciba_tests::connection::{Connection, Origin};
use ciba_tests::cpu::Usage;
use ciba_tests::device::form;
use ciba_tests::process::Server;
use hyper::header::AUTHORIZATION;
use serde_json::Value;

use crate::options::Options;
use crate::ours::{Host, data_directory, guest};
use crate::report::{Goal, Table, percentile};

const GRANT_TYPE: &str = "urn:openid:params:grant-type:ciba";

/// Longer than the measurement: a loop that ends makes room.
const LIMITS: &str = "[plugins.limits_of.inbox]\ncpu_ms = 600000\nwall_ms = 600000\nconcurrency = 1000\n";

/// For the jobs to be taken up and the loops to begin.
const SETTLING: Duration = Duration::from_secs(1);

pub async fn run(options: &Options) -> Result<()> {
    let loops = 2 * std::thread::available_parallelism()?.get();
    let data = data_directory()?;
    fs::write(data.path().join("ciba.toml"), LIMITS)?;
    fs::create_dir(data.path().join("plugins"))?;
    fs::copy(guest("loops")?, data.path().join("plugins/inbox.wasm"))?;
    let host = Host::new(options, data.path())?;
    let server = host.serve()?;
    host.command(&["user", "device", "alice", "--channel", "inbox"])?;
    // Nothing reaches them, so that nothing but the answers is measured.
    host.command(&["user", "add", "unreached"])?;
    let mut client = Client::of(&server)?;

    let duration = options.duration * u32::try_from(options.rounds)?;
    client.measure(Duration::from_secs(1)).await?;
    let quiet = client.measure(duration).await?;
    for _ in 0..loops {
        client.start("alice").await?;
    }
    tokio::time::sleep(SETTLING).await;
    let (begun, before) = (Instant::now(), Usage::of(server.id())?.processor);
    let looping = client.measure(duration).await?;
    let busy = (Usage::of(server.id())?.processor - before).as_secs_f64() / begun.elapsed().as_secs_f64();
    let listed: Value = serde_json::from_slice(&host.command(&["plugin", "list", "--json"])?)?;
    ensure!(listed[0]["counters"]["calls"] == 0, "a loop has ended: {listed:#}");
    drop(server);

    let mut table = Table::of_ours(format!("{loops} guests that loop"));
    let mut rows = |when: &str, times: &Times, goal: Option<Goal>| {
        for (name, times) in [("/bc-authorize", &times.start), ("/token", &times.token)] {
            table.row(format!("{name} p50 {when}"), "ms", percentile(times, 0.5));
            table.row(format!("{name} p99 {when}"), "ms", percentile(times, 0.99));
            if let Some(goal) = goal.filter(|_| name == "/token") {
                table.goal(goal);
            }
        }
    };
    rows("before", &quiet, None);
    rows("while they loop", &looping, Some(Goal::AtMost(100.0)));
    table.row("processors the host kept busy meanwhile", "", busy);
    println!("{table}");
    Ok(())
}

/// In milliseconds, one for each request.
#[derive(Default)]
pub struct Times {
    pub start: Vec<f64>,
    pub token: Vec<f64>,
}

/// A client with one connection.
pub struct Client {
    connection: Connection,
}

impl Client {
    pub fn of(server: &Server) -> Result<Self> {
        let (origin, _) = Origin::split(server.said("demo")?)?;
        let credential = BASE64_STANDARD.encode("demo:demo-secret");
        Ok(Self { connection: Connection::new(origin)?.with_header(AUTHORIZATION, &format!("Basic {credential}"))? })
    }

    pub async fn start(&mut self, user: &str) -> Result<String> {
        let answer = self.connection.post_form("/bc-authorize", form(&[("scope", "openid"), ("login_hint", user)])).await?;
        Ok(answer.json("start")?["auth_req_id"].as_str().context("no auth_req_id")?.to_owned())
    }

    /// Starts requests and polls each of them once, one after the other.
    pub async fn measure(&mut self, duration: Duration) -> Result<Times> {
        let mut times = Times::default();
        let until = Instant::now() + duration;
        while Instant::now() < until {
            let begun = Instant::now();
            let auth_req_id = self.start("unreached").await?;
            let started = Instant::now();
            let poll = form(&[("grant_type", GRANT_TYPE), ("auth_req_id", &auth_req_id)]);
            let answer = self.connection.post_form("/token", poll).await?;
            let milliseconds = |from: Instant, to: Instant| (to - from).as_secs_f64() * 1e3;
            times.token.push(milliseconds(started, Instant::now()));
            times.start.push(milliseconds(begun, started));
            let said: Value = serde_json::from_slice(&answer.body)?;
            if said["error"] != "authorization_pending" {
                bail!("/token: {} {said}", answer.status);
            }
        }
        Ok(times)
    }
}
