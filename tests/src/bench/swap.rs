//! Section `swap`: from copying a plugin over another to the host saying that it serves it. The
//! samples are those of the demo, and so is the way: a plain copy into the folder.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ciba_tests::process::Server;

use crate::options::Options;
use crate::ours::{Host, data_directory};
use crate::report::{Goal, Table, median};

/// A swap that takes longer does not happen.
const LONGEST_SWAP: Duration = Duration::from_secs(30);

pub fn run(options: &Options) -> Result<()> {
    let (mut new, mut seen_before) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        // Everything is compiled once for each data directory, so a new one for each round.
        let data = data_directory()?;
        let host = Host::new(options, data.path())?;
        let server = host.serve_with_log()?;
        new.push(drop_to_live(&host, &server, 2)?);
        seen_before.push(drop_to_live(&host, &server, 1)?);
        seen_before.push(drop_to_live(&host, &server, 2)?);
        server.stop()?;
    }
    let mut table = Table::of_ours("drop to live");
    table.row("a plugin never seen", "ms", median(&new)).goal(Goal::AtMost(500.0));
    table.row("a plugin seen before", "ms", median(&seen_before)).goal(Goal::AtMost(100.0));
    println!("{table}");
    Ok(())
}

/// In milliseconds. Sample 1 calls itself version 1, sample 2 version 2.
fn drop_to_live(host: &Host, server: &Server, sample: usize) -> Result<f64> {
    let begun = Instant::now();
    let from = host.data.join(format!("samples/inbox-{sample}.wasm"));
    fs::copy(from, host.data.join("plugins/inbox.wasm"))?;
    let new_version = format!("plugin inbox: {sample}.");
    server
        .wait_for_line(LONGEST_SWAP, |line| line.contains(&new_version) && line.contains(" serving"))
        .with_context(|| format!("swap to sample {sample}"))?;
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}
