//! The load: flows side by side, each starting, deciding and redeeming one authentication after the
//! other over connections that stay open. The same code drives both providers.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::header::AUTHORIZATION;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::connection::{Connection, Origin};
use crate::cpu::Usage;
use crate::device::{Device, form};

const GRANT_TYPE: &str = "urn:openid:params:grant-type:ciba";

/// A flow that takes longer has failed.
const LONGEST_FLOW: Duration = Duration::from_secs(30);

/// A flow that keeps failing stops, so that a broken server ends the measurement instead of
/// filling it.
const MOST_FAILURES: usize = 5;

/// The steps of one flow, in order; the last one is the whole of it.
pub const STEPS: [&str; 5] = ["start", "notify", "decide", "redeem", "whole flow"];

/// Where the provider wants to be asked, from its discovery document.
#[derive(Clone)]
pub struct Endpoints {
    origin: Origin,
    start: String,
    token: String,
}

impl Endpoints {
    pub async fn discover(issuer: &str) -> Result<Self> {
        let (origin, path) = Origin::split(issuer)?;
        let path = format!("{}/.well-known/openid-configuration", path.trim_end_matches('/'));
        let metadata = Connection::new(origin.clone())?.fetch(&path).await?.json("discovery")?;
        let endpoint = |name: &str| {
            let address = metadata[name].as_str().with_context(|| format!("discovery: {name}"))?;
            let (at, path) = Origin::split(address)?;
            if at != origin {
                bail!("discovery: {name} is not at {origin}");
            }
            Ok(path.to_owned())
        };
        let start = endpoint("backchannel_authentication_endpoint")?;
        let token = endpoint("token_endpoint")?;
        Ok(Self { origin, start, token })
    }
}

/// One consumption device with one person: never more than one authentication at a time.
pub struct Flow {
    endpoints: Endpoints,
    client: Connection,
    user: String,
    device: Device,
}

impl Flow {
    pub fn new(endpoints: &Endpoints, user: &str, device: Device) -> Result<Self> {
        let credential = BASE64_STANDARD.encode("demo:demo-secret");
        let client = Connection::new(endpoints.origin.clone())?.with_header(AUTHORIZATION, &format!("Basic {credential}"))?;
        Ok(Self { endpoints: endpoints.clone(), client, user: user.to_owned(), device })
    }

    /// One authentication from start to tokens. Returns when each of its steps was over.
    async fn run(&mut self) -> Result<[Instant; 5]> {
        let begun = Instant::now();
        let parameters = [("scope", "openid"), ("login_hint", &self.user), ("binding_message", "Pay 42.50 at Fern & Co")];
        let answer = self.client.post_form(&self.endpoints.start, form(&parameters)).await?;
        let started = answer.json("start")?;
        let auth_req_id = text(&started, "auth_req_id")?;
        let started = Instant::now();

        let transaction = self.device.notified().await?;
        let notified = Instant::now();

        self.device.approve(&auth_req_id, transaction).await?;
        let decided = Instant::now();

        let parameters = [("grant_type", GRANT_TYPE), ("auth_req_id", &auth_req_id)];
        let answer = self.client.post_form(&self.endpoints.token, form(&parameters)).await?;
        let id_token = text(&answer.json("redeem")?, "id_token")?;
        if id_token.split('.').count() != 3 {
            bail!("redeem: the ID token is not a signed token");
        }
        Ok([begun, started, notified, decided, Instant::now()])
    }
}

fn text(answer: &Value, member: &str) -> Result<String> {
    let text = answer[member].as_str().with_context(|| format!("the answer has no {member}"))?;
    Ok(text.to_owned())
}

/// What one round of load showed.
#[derive(Debug, Default)]
pub struct Round {
    pub flows: usize,
    pub failures: Vec<String>,
    pub elapsed: Duration,
    /// Processor time of the server and of this driver while the round lasted.
    pub server: Duration,
    pub driver: Duration,
    /// The most memory the server has had by the end of the round.
    pub peak_resident_kib: u64,
    /// Of every flow, for each of [`STEPS`], in microseconds.
    pub latencies: [Vec<f64>; 5],
}

impl Round {
    pub fn flows_per_second(&self) -> f64 {
        self.flows as f64 / self.elapsed.as_secs_f64()
    }

    pub fn server_microseconds_per_flow(&self) -> f64 {
        self.server.as_secs_f64() * 1e6 / self.flows as f64
    }

    /// How many processors the driver kept busy: near 1, the driver was the limit.
    pub fn driver_load(&self) -> f64 {
        self.driver.as_secs_f64() / self.elapsed.as_secs_f64()
    }

    /// The latency that `part` (0.5: the median) of the flows did not exceed, in microseconds.
    pub fn percentile(&self, step: usize, part: f64) -> f64 {
        let mut sorted = self.latencies[step].clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (sorted.len() as f64 * part).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }

    fn add(&mut self, times: [Instant; 5]) {
        let microseconds = |from: Instant, to: Instant| (to - from).as_secs_f64() * 1e6;
        for step in 0..4 {
            self.latencies[step].push(microseconds(times[step], times[step + 1]));
        }
        self.latencies[4].push(microseconds(times[0], times[4]));
        self.flows += 1;
    }

    fn join(&mut self, other: Self) {
        self.flows += other.flows;
        self.failures.extend(other.failures);
        for (mine, others) in self.latencies.iter_mut().zip(other.latencies) {
            mine.extend(others);
        }
    }
}

/// Runs all flows side by side for `duration`; flows that have begun by then are finished and
/// counted, and the clock and the server's processor time run until they are.
pub async fn round(flows: &mut Vec<Flow>, duration: Duration, server: u32) -> Result<Round> {
    let begun = Instant::now();
    let server_before = Usage::of(server)?.processor;
    let driver_before = Usage::of(std::process::id())?.processor;
    let mut running = JoinSet::new();
    for mut flow in flows.drain(..) {
        running.spawn(async move {
            let share = repeat(&mut flow, begun + duration).await;
            (flow, share)
        });
    }
    let mut round = Round::default();
    while let Some(finished) = running.join_next().await {
        let (flow, share) = finished.context("a flow panicked")?;
        flows.push(flow);
        round.join(share);
    }
    round.elapsed = begun.elapsed();
    let server = Usage::of(server)?;
    round.server = server.processor - server_before;
    round.peak_resident_kib = server.peak_resident_kib;
    round.driver = Usage::of(std::process::id())?.processor - driver_before;
    Ok(round)
}

async fn repeat(flow: &mut Flow, until: Instant) -> Round {
    let mut share = Round::default();
    while Instant::now() < until && share.failures.len() < MOST_FAILURES {
        match tokio::time::timeout(LONGEST_FLOW, flow.run()).await {
            Ok(Ok(times)) => share.add(times),
            Ok(Err(error)) => share.failures.push(format!("{}: {error:#}", flow.user)),
            Err(_) => share.failures.push(format!("{}: no end after {LONGEST_FLOW:?}", flow.user)),
        }
    }
    share
}

#[cfg(test)]
mod tests {
    use super::Round;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let mut round = Round::default();
        round.latencies[0] = (1..=100).rev().map(f64::from).collect();
        for (part, expected) in [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.0, 1.0)] {
            assert_eq!(round.percentile(0, part).to_bits(), f64::to_bits(expected));
        }
        assert!(round.percentile(1, 0.5).is_nan());
    }
}
