//! The benchmark: every number that the project promises, measured in one run on one machine, beside
//! its goal. `scripts/bench` builds what it needs and calls it. Numbers live here, not in timed tests.

mod flow;
mod hooks;
mod hostile;
mod long_poll;
mod many;
mod options;
mod ours;
mod peer;
mod report;
mod slow_peer;
mod start;
mod store;
mod swap;

use anyhow::Result;

use crate::options::Options;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((first, rest)) if first == store::MEASURE => store::measure(rest),
        _ => measure(),
    }
}

// One thread: the driver must leave the other processors to the server it measures.
#[tokio::main(flavor = "current_thread")]
async fn measure() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    if options.wants("hooks") {
        hooks::run(&options).await?;
    }
    if options.wants("store") {
        store::run(&options).await?;
    }
    if options.wants("start") {
        start::run(&options)?;
    }
    if options.wants("swap") {
        swap::run(&options)?;
    }
    if options.wants("hostile") {
        hostile::run(&options).await?;
    }
    if options.wants("many") {
        many::run(&options).await?;
    }
    if options.wants("slow-peer") {
        slow_peer::run(&options).await?;
    }
    if options.wants("long-poll") {
        long_poll::run(&options).await?;
    }
    if options.wants("flow") {
        flow::run(&options).await?;
    }
    Ok(())
}
