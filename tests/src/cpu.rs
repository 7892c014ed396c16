//! What a process has cost so far, as the kernel counts it.

use std::time::Duration;

use anyhow::{Context, Result};

/// `/proc` reports processor time in hundredths of a second to every program, whatever the kernel's
/// own tick is (`USER_HZ`). So measure for seconds, not for milliseconds.
const TICK: Duration = Duration::from_millis(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// User and system time of all threads, finished ones included.
    pub processor: Duration,
    pub resident_kib: u64,
    pub peak_resident_kib: u64,
}

impl Usage {
    pub fn of(process_id: u32) -> Result<Self> {
        let file = |name| {
            let path = format!("/proc/{process_id}/{name}");
            std::fs::read_to_string(&path).with_context(|| format!("{path}: has it ended?"))
        };
        let status = file("status")?;
        Ok(Self {
            processor: processor_time(&file("stat")?).context("/proc/PID/stat")?,
            resident_kib: kib(&status, "VmRSS:").context("VmRSS")?,
            peak_resident_kib: kib(&status, "VmHWM:").context("VmHWM")?,
        })
    }
}

/// Fields 14 and 15 of `proc_pid_stat(5)`. The program's name, field 2, may contain anything, so the
/// count starts after the last closing parenthesis, at field 3.
fn processor_time(stat: &str) -> Option<Duration> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(14 - 3);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(TICK * (user + system))
}

fn kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_lines() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194304 90 0 0 0 123 45 6 7 20 0 9 0 100 1 2 3";
        assert_eq!(processor_time(stat), Some(Duration::from_millis(1_680)));
        let status = "Name:\tx\nVmHWM:\t   2048 kB\nVmRSS:\t   1024 kB\n";
        assert_eq!(kib(status, "VmRSS:"), Some(1_024));
        assert_eq!(kib(status, "VmSwap:"), None);
    }

    #[test]
    fn reads_its_own() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.peak_resident_kib >= usage.resident_kib);
    }
}
