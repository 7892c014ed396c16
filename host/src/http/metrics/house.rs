//! What happened to requests, and how the store and the process are doing.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::{family, one};
use crate::flow::Flow;
use crate::flow::tally::Happened;

pub(super) fn encode(flow: &Flow, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
    let encoder = &mut encoder;
    let version = vec![(vec![env!("CARGO_PKG_VERSION").to_owned()], ConstGauge::new(1_i64))];
    family(encoder, "build", "The version that runs; always 1", &["version"], version)?;
    let happened = Happened::ALL.map(|(happened, word)| (vec![word.to_owned()], ConstCounter::new(flow.tally.of(happened))));
    family(encoder, "authentications", "What happened to authentication requests", &["what"], happened)?;
    let numbers = flow.store.numbers();
    one(encoder, "store_commits", "Transactions that were brought to the disk", &ConstCounter::new(numbers.commits))?;
    one(encoder, "store_commit_failures", "Those that failed", &ConstCounter::new(numbers.failed))?;
    one(encoder, "store_writes", "Writes in them; those that come together share one", &ConstCounter::new(numbers.writes))?;
    let committing = ConstCounter::new(numbers.committing.as_secs_f64());
    one(encoder, "store_commit_seconds", "Time spent in them, the disk's included", &committing)?;
    let jobs = numbers.jobs.iter().map(|(kind, count)| (vec![kind.as_str().to_owned()], ConstGauge::new(*count as i64)));
    family(encoder, "jobs", "What must still happen outside, now or later", &["kind"], jobs)?;
    if let Some(process) = Process::look() {
        one(encoder, "process_cpu_seconds", "Processor time of this process", &ConstCounter::new(process.cpu_seconds))?;
        one(encoder, "process_resident_memory_bytes", "Memory of this process", &ConstGauge::new(process.resident_bytes))?;
        one(encoder, "process_open_fds", "Open files and connections", &ConstGauge::new(process.open_files))?;
    }
    Ok(())
}

/// What the system says of this process.
struct Process {
    cpu_seconds: f64,
    resident_bytes: i64,
    open_files: i64,
}

impl Process {
    /// `None` where the system has no `/proc`, or it reads in another way.
    fn look() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The second field is the program's name, in brackets, and may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?;
        Some(Self {
            // Linux counts these in hundredths of a second, on every machine that we run on.
            cpu_seconds: (field(14)? + field(15)?) / 100.0,
            resident_bytes: resident.trim().parse::<i64>().ok()? * 1024,
            open_files: i64::try_from(std::fs::read_dir("/proc/self/fd").ok()?.count()).ok()?,
        })
    }
}
