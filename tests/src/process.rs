//! Programs that tests start: waited for until they say that they are ready, ended by their own id,
//! and never left behind.

use std::io::{BufRead, BufReader, PipeReader, pipe};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, TrySendError, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Generous: a first start may compile plugins on a busy machine.
const LONGEST_START: Duration = Duration::from_secs(120);

/// Lines that may wait to be looked at. Later ones are dropped: the server must never wait for us.
const WAITING_LINES: usize = 10_000;

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    lines: Mutex<Receiver<String>>,
    /// What it printed up to and including the line that said it was ready.
    pub greeting: Vec<String>,
}

impl Server {
    /// Starts a program and waits for a line that begins with `ready` on its standard output. Its
    /// standard input stays open until it is dropped, so a program that watches it ends with us.
    pub fn start(mut command: Command) -> Result<Self> {
        let (reader, writer) = pipe()?;
        command.stdout(writer);
        Self::wait_until_ready(command, reader)
    }

    /// The same, with its standard error among the lines: for a program that logs there.
    pub fn start_with_log(mut command: Command) -> Result<Self> {
        let (reader, writer) = pipe()?;
        command.stderr(writer.try_clone()?).stdout(writer);
        Self::wait_until_ready(command, reader)
    }

    fn wait_until_ready(mut command: Command, reader: PipeReader) -> Result<Self> {
        let child = command.stdin(Stdio::piped()).spawn();
        let child = child.with_context(|| format!("cannot start {command:?}"))?;
        let what = format!("{command:?}");
        // It holds our end of the pipe, without which the lines end when the program does.
        drop(command);
        let mut server = Self { child, lines: Mutex::new(read_lines(reader)), greeting: Vec::new() };
        loop {
            let next = server.lines().recv_timeout(LONGEST_START);
            match next {
                Ok(line) => server.greeting.push(line),
                Err(error) => bail!("{what} is not ready ({error}): {:#?}", server.greeting),
            }
            if server.greeting.last().is_some_and(|line| line.starts_with("ready")) {
                return Ok(server);
            }
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn lines(&self) -> MutexGuard<'_, Receiver<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rest of the greeting's line that begins with this word.
    pub fn said(&self, word: &str) -> Result<&str> {
        let rest = self.greeting.iter().find_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
        Ok(rest.with_context(|| format!("no line `{word} …` in {:#?}", self.greeting))?.trim())
    }

    /// The next line, of those printed since the last one looked at, that fits.
    pub fn wait_for_line(&self, at_most: Duration, fits: impl Fn(&str) -> bool) -> Result<String> {
        let until = Instant::now() + at_most;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.lines().recv_timeout(left).context("the expected line was not printed")?;
            if fits(&line) {
                return Ok(line);
            }
        }
    }

    /// SIGTERM, and how it ended.
    pub fn stop(mut self) -> Result<ExitStatus> {
        let sent = Command::new("kill").arg(self.child.id().to_string()).status()?;
        if !sent.success() {
            bail!("kill: {sent}");
        }
        Ok(self.child.wait()?)
    }

    /// SIGKILL: the program gets no chance to tidy up.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn read_lines(reader: PipeReader) -> Receiver<String> {
    let (sender, lines) = sync_channel(WAITING_LINES);
    std::thread::spawn(move || {
        for line in BufReader::new(reader).lines().map_while(Result::ok) {
            if let Err(TrySendError::Disconnected(_)) = sender.try_send(line) {
                break;
            }
        }
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_server_greets_then_logs_then_ends_with_us() {
        let script = "echo demo  there; echo ready; echo late >&2; cat >/dev/null";
        let server = Server::start_with_log(shell(script)).unwrap();
        assert_eq!(server.said("demo").unwrap(), "there");
        assert!(server.said("dem").is_err());
        let line = server.wait_for_line(LONGEST_START, |line| line.contains("late")).unwrap();
        assert_eq!(line, "late");
    }

    #[test]
    fn one_that_ends_before_it_is_ready_is_an_error_with_its_words() {
        let error = Server::start(shell("echo port in use")).unwrap_err();
        assert!(error.to_string().contains("port in use"), "{error}");
    }
}
