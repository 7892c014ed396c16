//! The built program, run as people run it: a data directory of its own, ports that the system chooses,
//! and the command line beside it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::process::Server;
use crate::secrets;
use crate::wire::{Answer, Request};

/// Longer than anything here takes on a busy machine. It bounds a test, it measures nothing.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The program, beside the test that runs.
///
/// # Panics
/// When it was not built.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let program = test.parent().and_then(Path::parent).map(|folder| folder.join("ciba-host")).unwrap_or_default();
    assert!(program.exists(), "{} was not built: run scripts/test, or scripts/build and then this test again", program.display());
    program
}

/// The plugins that were built with it, for example `inbox-2.wasm`.
pub fn sample(name: &str) -> PathBuf {
    built("plugins", name)
}

/// One of the guests in `tests/guests`, by the name of its crate.
pub fn guest(name: &str) -> PathBuf {
    built("guests", &format!("{}.wasm", name.replace('-', "_")))
}

/// One of the plugins in `guest-ciba/examples`, by the name of its crate.
pub fn example(name: &str) -> PathBuf {
    built("plugins-built", &format!("{}.wasm", name.replace('-', "_")))
}

/// One of the plugins in `guest-ciba/other-languages`, by its name and its language: `note_python`.
pub fn other_language(name: &str) -> PathBuf {
    built("other-languages", &format!("{name}.wasm"))
}

/// The guest `steady` as this version of itself.
///
/// # Panics
/// When it was not built.
pub fn steady(version: usize) -> Vec<u8> {
    const MARK: &[u8] = b"steady-version-0001";
    let mut bytes = fs::read(guest("steady")).expect("a guest that was built can be read");
    let at = bytes.windows(MARK.len()).position(|window| window == MARK).expect("the mark is in the guest");
    bytes[at + MARK.len() - 4..at + MARK.len()].copy_from_slice(format!("{version:04}").as_bytes());
    bytes
}

fn built(folder: &str, name: &str) -> PathBuf {
    let built = program().parent().and_then(Path::parent).map(|target| target.join(folder).join(name)).unwrap_or_default();
    assert!(built.exists(), "{} was not built: run scripts/test, or scripts/build and then this test again", built.display());
    built
}

/// A data directory, whether a host runs there or not.
#[derive(Debug)]
pub struct Data {
    directory: TempDir,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub status: ExitStatus,
    pub output: String,
    pub error: String,
}

/// A running host.
#[derive(Debug)]
pub struct Host {
    pub data: Data,
    server: Server,
    /// The public listener.
    pub public: SocketAddr,
    /// Console and admin API.
    pub admin: SocketAddr,
}

impl Data {
    pub fn new() -> Result<Self> {
        let data = Self { directory: tempfile::tempdir()? };
        fs::create_dir(data.path())?;
        Ok(data)
    }

    /// The one with this configuration file.
    pub fn with_config(text: &str) -> Result<Self> {
        let data = Self::new()?;
        fs::write(data.path().join("ciba.toml"), text)?;
        Ok(data)
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Beside the data directory, for what belongs to the test.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The program with these words and `--data`, away from whatever the environment says. A test asks more in a minute
    /// than people are asked in a month, and is wrong more often: limits are on where its configuration has any.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CIBA_HOST_") {
                command.env_remove(name);
            }
        }
        let configuration = fs::read_to_string(self.path().join("ciba.toml")).unwrap_or_default();
        if !configuration.contains("[limits]") {
            command.envs(limits_off());
        }
        command.env("CIBA_HOST_LISTEN__ADMIN", "127.0.0.1:0").args(words).arg("--data").arg(self.path());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, words: &[&str]) -> Result<Said> {
        finish(self.command(words))
    }

    /// Runs it to its end, which must be a good one, and reads the JSON it prints.
    pub fn json(&self, words: &[&str]) -> Result<serde_json::Value> {
        let mut words = words.to_vec();
        words.push("--json");
        let said = self.run(&words)?;
        ensure!(said.status.success(), "{words:?}: {}", said.error);
        let answer = serde_json::from_str(&said.output).with_context(|| format!("{words:?}: {}", said.output))?;
        secrets::note_json(&answer);
        Ok(answer)
    }

    /// Runs it to its end, which must be a good one.
    pub fn must(&self, words: &[&str]) -> Result<String> {
        let said = self.run(words)?;
        ensure!(said.status.success(), "{words:?}: {}", said.error);
        Ok(said.output)
    }

    /// Starts the demo world here.
    pub fn demo(self) -> Result<Host> {
        self.serve(&["--demo"])
    }

    /// Starts a host here, on ports that the system chooses.
    pub fn serve(self, options: &[&str]) -> Result<Host> {
        self.serve_changed(options, |_| {})
    }

    /// The same, after a change to the command, for example of its environment.
    pub fn serve_changed(self, options: &[&str], change: impl FnOnce(&mut Command)) -> Result<Host> {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        change(&mut command);
        let log = fs::File::options().create(true).append(true).open(self.beside("log"))?;
        command.args(options).stderr(log);
        let server = Server::start(command).with_context(|| fs::read_to_string(self.beside("log")).unwrap_or_default())?;
        let origin = server.said("demo").or_else(|_| server.said("issuer"))?;
        let (public, admin) = (authority(origin)?, authority(server.said("console")?)?);
        Ok(Host { data: self, server, public, admin })
    }
}

/// The environment of a host that limits nobody.
pub fn limits_off() -> impl Iterator<Item = (String, &'static str)> {
    let limits = [
        "REQUESTS_PER_CLIENT_MINUTE",
        "REQUESTS_PER_USER_MINUTE",
        "REQUESTS_PER_PAIR_MINUTE",
        "PENDING_PER_USER",
        "FAILURES_PER_ADDRESS_MINUTE",
        "LOCKOUT_FAILURES",
    ];
    limits.into_iter().map(|limit| (format!("CIBA_HOST_LIMITS__{limit}"), "0"))
}

impl Drop for Data {
    /// Whatever a test is about, what its hosts wrote has no secret in it.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let log = fs::read_to_string(self.beside("log")).unwrap_or_default();
        let admin = fs::read_to_string(self.path().join("admin.token")).unwrap_or_default();
        secrets::note("token", admin.trim());
        if let Some(leak) = secrets::leaked(&log) {
            panic!("a secret is in the log: {leak}");
        }
    }
}

/// Runs a command to its end.
pub fn finish(mut command: Command) -> Result<Said> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {command:?}"))?;
    let text = |bytes| String::from_utf8(bytes).context("not UTF-8");
    Ok(Said { status: output.status, output: text(output.stdout)?, error: text(output.stderr)? })
}

pub(crate) fn authority(address: &str) -> Result<SocketAddr> {
    let (_, rest) = address.split_once("://").with_context(|| format!("not an address: {address}"))?;
    let authority = rest.split(['/', '#', ' ']).next().unwrap_or(rest);
    authority.parse().with_context(|| format!("not an IP address with a port: {authority}"))
}

impl Host {
    /// A demo world in a directory of its own.
    pub fn demo() -> Result<Self> {
        Data::new()?.demo()
    }

    pub fn issuer(&self) -> String {
        format!("http://{}", self.public)
    }

    /// The rest of the greeting's line that begins with this word.
    pub fn said(&self, word: &str) -> Result<&str> {
        self.server.said(word)
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.server.id()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.data.beside("log")).unwrap_or_default()
    }

    pub fn plugins(&self) -> PathBuf {
        self.data.path().join("plugins")
    }

    /// To the public listener.
    pub fn send(&self, request: &Request) -> Result<Answer> {
        request.send(self.public)
    }

    /// SIGKILL: it gets no chance to tidy up. The directory is as it was left.
    pub fn kill(self) -> Result<Data> {
        self.server.kill()?;
        Ok(self.data)
    }

    /// Stops it in good order, and leaves the directory.
    pub fn stop(self) -> Result<Data> {
        let status = self.server.stop()?;
        ensure!(status.success(), "it ended with {status}");
        Ok(self.data)
    }

    /// One plugin, as `plugin list --json` has it.
    pub fn plugin(&self, name: &str) -> Result<serde_json::Value> {
        let plugins = self.data.json(&["plugin", "list"])?;
        let found = plugins.as_array().and_then(|plugins| plugins.iter().find(|plugin| plugin["name"] == name));
        Ok(found.cloned().unwrap_or_default())
    }
}

/// Looks again until there is something to see.
///
/// # Errors
/// When nothing was seen for as long as a test may wait.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look()? {
            return Ok(seen);
        }
        ensure!(Instant::now() < until, "this did not happen: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
