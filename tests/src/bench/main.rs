//! The benchmark: every number that the project promises, measured in one run on one machine, beside
//! its goal. `scripts/bench` builds what it needs and calls it. Numbers live here, not in timed tests.

mod connection;
mod cpu;
mod device;
mod flow;
mod load;
mod options;
mod ours;
mod peer;
mod report;
mod start;
mod swap;

use anyhow::Result;

use crate::options::Options;

// One thread: the driver must leave the other processors to the server it measures.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    // The in-process sections, `hooks` and `store`, belong here, before any server runs.
    if options.wants("start") {
        start::run(&options)?;
    }
    if options.wants("swap") {
        swap::run(&options)?;
    }
    if options.wants("flow") {
        flow::run(&options).await?;
    }
    Ok(())
}
