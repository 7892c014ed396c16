//! Section `slow-peer`: how `/token` answers while 64 notifications wait for a push service that never answers.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::net::TcpListener;

use crate::hostile::Client;
use crate::options::Options;
use crate::ours::{Host, data_directory, guest};
use crate::report::{Goal, Table, median, percentile};

/// Notifications that wait.
const WAITING: usize = 64;
/// The longest time until all of them do.
const SETTLING: Duration = Duration::from_secs(20);

/// Each waits for longer than is measured.
const LIMITS: &str = "[plugins.limits_of.inbox]\nwall_ms = 600000\nconcurrency = 1000\n";

pub async fn run(options: &Options) -> Result<()> {
    let peer = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", peer.local_addr()?);
    // Takes every connection, and says nothing on any.
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    let silent = tokio::spawn(async move {
        let mut streams = Vec::new();
        while let Ok((stream, _)) = peer.accept().await {
            streams.push(stream);
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let data = data_directory()?;
    fs::write(data.path().join("ciba.toml"), format!("{LIMITS}[plugins.allow.inbox]\nhttp = ['{origin}']\n"))?;
    fs::create_dir(data.path().join("plugins"))?;
    fs::write(data.path().join("plugins/inbox.toml"), format!("[settings]\nurl = '{origin}/'\n"))?;
    fs::copy(guest("calls_home")?, data.path().join("plugins/inbox.wasm"))?;
    let host = Host::new(options, data.path())?;
    let server = host.serve()?;
    // Nothing reaches them, so that nothing but the answers is measured.
    host.command(&["user", "add", "unreached"])?;
    host.command(&["user", "device", "alice", "--channel", "inbox"])?;
    let mut client = Client::of(&server)?;
    client.measure(Duration::from_secs(1)).await?;

    let duration = options.duration * u32::try_from(options.rounds)?;
    let before = client.measure(duration).await?;
    for _ in 0..WAITING {
        client.start("alice").await?;
    }
    wait_until_all_wait(&taken).await?;
    let while_waiting = client.measure(duration).await?;
    // One that was given up would be tried again.
    ensure!(taken.load(Ordering::Relaxed) == WAITING, "some notifications no longer waited");
    drop(server);
    silent.abort();

    let mut table = Table::of_ours(format!("{WAITING} notifications that wait for a silent push service"));
    for (name, times) in [("/token p50 before", &before), ("/token p50 while they wait", &while_waiting)] {
        table.row(name, "ms", median(&times.token));
    }
    table.row("p50, while they wait to before", "times", median(&while_waiting.token) / median(&before.token)).goal(Goal::AtMost(1.1));
    let p99 = percentile(&while_waiting.token, 0.99) / percentile(&before.token, 0.99);
    table.row("p99, while they wait to before", "times", p99).goal(Goal::AtMost(1.25));
    println!("{table}");
    Ok(())
}

async fn wait_until_all_wait(taken: &AtomicUsize) -> Result<()> {
    let until = tokio::time::Instant::now() + SETTLING;
    while taken.load(Ordering::Relaxed) < WAITING {
        ensure!(tokio::time::Instant::now() < until, "only {taken:?} of {WAITING} wait");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
