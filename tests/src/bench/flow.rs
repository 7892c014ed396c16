//! Section `flow`: complete authentications, by `ciba-host` and by `oidc-provider`, in one run and in
//! alternation, so that whatever else the machine does meets both alike.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use ciba_tests::node;
use ciba_tests::process::Server;

use crate::options::Options;
use crate::ours::{Host, data_directory};
use crate::peer;
use crate::report::{Goal, Table, median};
use ciba_tests::cpu::Usage;
use ciba_tests::load::{self, Endpoints, Flow, Round, STEPS};

const WARM_UP: Duration = Duration::from_secs(3);

/// A provider that is being measured.
struct Target {
    server: Server,
    flows: Vec<Flow>,
    idle: Usage,
    rounds: Vec<Round>,
}

impl Target {
    async fn ours(options: &Options, data: &std::path::Path) -> Result<Self> {
        let host = Host::new(options, data)?;
        let server = host.serve()?;
        let idle = Usage::of(server.id())?;
        let endpoints = Endpoints::discover(&Host::issuer(&server)?).await?;
        let flows = host.flows(&endpoints, options.flows).await?;
        Ok(Self { server, flows, idle, rounds: Vec::new() })
    }

    async fn peer(options: &Options) -> Result<Self> {
        let (server, issuer) = node::oidc_provider()?;
        let idle = Usage::of(server.id())?;
        let endpoints = Endpoints::discover(&issuer).await?;
        let flows = peer::flows(&endpoints, &issuer, options.flows)?;
        Ok(Self { server, flows, idle, rounds: Vec::new() })
    }

    async fn round(&mut self, duration: Duration) -> Result<Round> {
        let round = load::round(&mut self.flows, duration, self.server.id()).await?;
        if let Some(first) = round.failures.first() {
            bail!("{} flows failed, the first: {first}", round.failures.len());
        }
        Ok(round)
    }

    fn median(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        median(&self.rounds.iter().map(figure).collect::<Vec<_>>())
    }
}

pub async fn run(options: &Options) -> Result<()> {
    let data = data_directory()?;
    let mut targets = Vec::new();
    if options.measures("ciba-host") {
        targets.push(("ciba-host", Target::ours(options, data.path()).await?));
    }
    if options.measures(peer::NAME) {
        targets.push((peer::NAME, Target::peer(options).await?));
    }
    for (name, target) in &mut targets {
        target.round(WARM_UP).await.with_context(|| format!("{name}: warm-up"))?;
    }
    for number in 1..=options.rounds {
        for (name, target) in &mut targets {
            let round = target.round(options.duration).await.with_context(|| (*name).to_owned())?;
            println!(
                "  round {number} {name}: {:.0} flows/s, {:.0} µs of server CPU each, driver {:.0} % busy",
                round.flows_per_second(),
                round.server_microseconds_per_flow(),
                round.driver_load() * 100.0,
            );
            target.rounds.push(round);
        }
    }
    let of = |name| targets.iter().find(|(named, _)| *named == name).map(|(_, target)| target);
    println!("\n{}", table(options, of("ciba-host"), of(peer::NAME)));
    Ok(())
}

fn table(options: &Options, ours: Option<&Target>, theirs: Option<&Target>) -> Table {
    let mut table = Table::beside(
        format!("{} concurrent flows, median of {} rounds of {} s", options.flows, options.rounds, options.duration.as_secs(),),
        peer::NAME,
    );
    let both = |figure: &dyn Fn(&Round) -> f64| {
        let median = |target: Option<&Target>| target.map(|target| target.median(figure));
        (median(ours), median(theirs))
    };

    let (a, b) = both(&Round::server_microseconds_per_flow);
    table.compare("server CPU per complete flow", "µs", a, b).goal(Goal::PartOfTheirs(1.0 / 3.0));
    let (a, b) = both(&Round::flows_per_second);
    table.compare("complete flows", "1/s", a, b);
    for (step, name) in STEPS.iter().enumerate() {
        for (part, percentile) in [(0.5, "p50"), (0.99, "p99")] {
            let (a, b) = both(&|round| round.percentile(step, part) / 1e3);
            // A provider that notifies nobody takes no time for it.
            let b = b.filter(|_| *name != "notify");
            table.compare(format!("{name} {percentile}"), "ms", a, b);
        }
    }
    let mebibytes = |kib: u64| kib as f64 / 1024.0;
    let idle = |target: &Target| mebibytes(target.idle.resident_kib);
    table.compare("idle memory", "MiB", ours.map(idle), theirs.map(idle));
    let (a, b) = both(&|round| mebibytes(round.peak_resident_kib));
    table.compare("peak memory", "MiB", a, b);
    let (a, b) = both(&Round::driver_load);
    table.compare("processors the driver kept busy", "", a, b);
    table
}
