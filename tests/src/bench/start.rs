//! Section `start`: from starting the program to `ready`, first with an empty data directory and then
//! with everything in place, and what it occupies while nothing happens.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::options::Options;
use crate::ours::{Host, data_directory};
use crate::report::{Goal, Table, median};
use ciba_tests::cpu::Usage;

/// Long enough for work that a start leaves to the background.
const SETTLING: Duration = Duration::from_secs(2);

pub fn run(options: &Options) -> Result<()> {
    let data = data_directory()?;
    let host = Host::new(options, data.path())?;
    let start = || {
        let begun = Instant::now();
        let server = host.serve()?;
        anyhow::Ok((server, begun.elapsed().as_secs_f64() * 1e3))
    };

    let (server, first) = start()?;
    server.stop()?;
    let mut later = Vec::new();
    for _ in 0..options.rounds {
        let (server, milliseconds) = start()?;
        server.stop()?;
        later.push(milliseconds);
    }
    let (server, _) = start()?;
    std::thread::sleep(SETTLING);
    let idle = Usage::of(server.id())?;
    server.stop()?;

    let mut table = Table::of_ours("start");
    table.row("ready, empty data directory", "ms", first);
    table.row("ready, cached plugins", "ms", median(&later)).goal(Goal::AtMost(300.0));
    table.row("idle memory", "MiB", idle.resident_kib as f64 / 1024.0).goal(Goal::AtMost(60.0));
    println!("{table}");
    Ok(())
}
