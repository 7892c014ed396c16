//! Section `store`: authentications started per second, each one durable before it is acknowledged. On this disk,
//! and in a process of its own on one whose every sync takes 7 ms.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ciba_host::clock::{Clock, Random};
use ciba_host::protocol::client::DeliveryMode;
use ciba_host::protocol::identifier::{Bearer, TransactionId};
use ciba_host::protocol::transaction::{Request, Stored};
use ciba_host::store::sqlite::SqliteStore;
use ciba_host::store::{NewRequest, Parties, Store};
use ciba_tests::shims;

use crate::options::Options;
use crate::ours::data_directory;
use crate::report::{Goal, Table, median};

const CALLERS: [usize; 3] = [1, 32, 256];
const SLOW: Duration = Duration::from_millis(7);
/// How this program is called to measure in a process of its own.
pub const MEASURE: &str = "measure-store";

/// What one measurement found.
struct Figures {
    per_second: f64,
    p99_ms: f64,
    cpu_us: f64,
}

pub async fn run(options: &Options) -> Result<()> {
    let mut table = Table::of_ours("the store");
    for (disk, slow) in [("this disk", None), ("7 ms fsync", Some(SLOW))] {
        for callers in CALLERS {
            let rounds: Vec<Figures> = (0..options.rounds).map(|_| in_a_process(callers, options.duration, slow)).collect::<Result<_>>()?;
            let all = |figure: fn(&Figures) -> f64| median(&rounds.iter().map(figure).collect::<Vec<_>>());
            table.row(format!("{disk}, {callers} callers"), "transactions/s", all(|figures| figures.per_second));
            if callers == 256 {
                table.goal(Goal::AtLeast(if slow.is_some() { 8_000.0 } else { 15_000.0 }));
                table.row(format!("{disk}, {callers} callers, p99"), "ms", all(|figures| figures.p99_ms)).goal(Goal::AtMost(60.0));
                table.row(format!("{disk}, {callers} callers, CPU"), "µs/transaction", all(|figures| figures.cpu_us));
            }
        }
    }
    println!("{table}");
    Ok(())
}

fn in_a_process(callers: usize, duration: Duration, slow: Option<Duration>) -> Result<Figures> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([MEASURE, &callers.to_string(), &duration.as_secs().to_string()]);
    if let Some(at_least) = slow {
        shims::with_slow_fsync(&mut command, at_least)?;
    }
    let output = command.output()?;
    let text = String::from_utf8(output.stdout)?;
    let figures: Vec<f64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>().unwrap_or_default();
    let [per_second, p99_ms, cpu_us] = figures[..] else { bail!("{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr)) };
    Ok(Figures { per_second, p99_ms, cpu_us })
}

/// What the process of its own does: measures and prints three figures.
pub fn measure(arguments: &[String]) -> Result<()> {
    let [callers, seconds] = arguments else { bail!("{MEASURE} CALLERS SECONDS") };
    let (callers, seconds): (usize, u64) = (callers.parse()?, seconds.parse()?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let figures = runtime.block_on(write(callers, Duration::from_secs(seconds)))?;
    println!("{} {} {}", figures.per_second, figures.p99_ms, figures.cpu_us);
    Ok(())
}

async fn write(callers: usize, duration: Duration) -> Result<Figures> {
    let data = data_directory()?;
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&data.path().join("bench.db"))?);
    let before = ciba_tests::cpu::Usage::of(std::process::id())?;
    let begun = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut each = Vec::new();
                while begun.elapsed() < duration {
                    let start = Instant::now();
                    store.start(new_request()).await?;
                    each.push(start.elapsed().as_secs_f64() * 1e3);
                }
                anyhow::Ok(each)
            })
        })
        .collect();
    let mut each = Vec::new();
    for task in tasks {
        each.extend(task.await??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let used = ciba_tests::cpu::Usage::of(std::process::id())?;
    each.sort_by(f64::total_cmp);
    let p99_ms = *each.get(each.len() * 99 / 100).context("nothing was written")?;
    let count = each.len() as f64;
    Ok(Figures { per_second: count / seconds, p99_ms, cpu_us: (used.processor - before.processor).as_secs_f64() * 1e6 / count })
}

fn new_request() -> NewRequest {
    let now = Clock::System.now();
    let transaction = TransactionId::new(now, Random.bytes());
    let auth_req_id = Bearer::of_request(&transaction, Random.bytes()).digest();
    let request = Request {
        transaction,
        client: "demo".into(),
        user: "alice".into(),
        scope: "openid".to_owned(),
        binding_message: Some("W4SCT".to_owned()),
        acr_values: Vec::new(),
        stored: Stored::Pending,
        created_at: now,
        expires_at: now + Duration::from_secs(120),
        decided_at: None,
        delivery: DeliveryMode::Poll,
        particulars: None,
        evidence: None,
    };
    NewRequest::polled(request, auth_req_id, Parties::default())
}
