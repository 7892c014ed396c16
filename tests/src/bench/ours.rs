//! `ciba-host` as a target: how it is started, and how its demo users get a device.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use ciba_tests::host::limits_off;
use ciba_tests::process::Server;
use tempfile::TempDir;

use crate::options::Options;
use ciba_tests::connection::Origin;
use ciba_tests::device::{Device, Phone};
use ciba_tests::load::{Endpoints, Flow};

/// The program under measurement and the directory that it works in.
#[derive(Clone, Debug)]
pub struct Host {
    pub program: PathBuf,
    pub data: PathBuf,
}

impl Host {
    /// The program that the options name, or the release build beside this benchmark.
    pub fn new(options: &Options, data: &Path) -> Result<Self> {
        let program = options.program.clone().map_or_else(built_beside, Ok)?;
        Ok(Self { program, data: data.to_owned() })
    }

    pub fn serve(&self) -> Result<Server> {
        Server::start(self.serve_command())
    }

    pub fn serve_with_log(&self) -> Result<Server> {
        Server::start_with_log(self.serve_command())
    }

    /// In the demo mode, which brings client `demo`, on a port that the system chooses. Without limits: one client and a
    /// few people do what thousands do.
    fn serve_command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.envs(limits_off());
        command.args(["serve", "--demo", "--listen", "127.0.0.1:0", "--data"]).arg(&self.data);
        command
    }

    /// The issuer: where the demo page is.
    pub fn issuer(server: &Server) -> Result<String> {
        let (origin, _) = Origin::split(server.said("demo")?)?;
        Ok(origin.to_string())
    }

    /// One flow for each of `user0`, `user1`, …, each with a device of its own.
    pub async fn flows(&self, endpoints: &Endpoints, count: usize) -> Result<Vec<Flow>> {
        let phones = self.phones(count).await?.into_iter().enumerate();
        phones.map(|(number, phone)| Flow::new(endpoints, &format!("user{number}"), Device::Ours(phone))).collect()
    }

    /// An open device page for each of `user0`, `user1`, …, who are added.
    pub async fn phones(&self, count: usize) -> Result<Vec<Phone>> {
        let mut phones = Vec::with_capacity(count);
        for number in 0..count {
            let user = format!("user{number}");
            self.command(&["user", "add", &user])?;
            let enrolment = self.command(&["user", "enrol", &user, "--json"])?;
            let enrolment: serde_json::Value = serde_json::from_slice(&enrolment).context("user enrol --json")?;
            let link = enrolment["link"].as_str().context("user enrol --json: no link")?;
            phones.push(Phone::enrol(link, "benchmark").await?);
        }
        Ok(phones)
    }

    /// A command on its data directory, and what it printed.
    pub fn command(&self, words: &[&str]) -> Result<Vec<u8>> {
        let mut command = Command::new(&self.program);
        command.args(words).arg("--data").arg(&self.data);
        let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
        if !output.status.success() {
            bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(output.stdout)
    }
}

/// A data directory for one measurement, on the disk that the programs were built on: where temporary
/// files usually go there may be no disk at all.
pub fn data_directory() -> Result<TempDir> {
    Ok(tempfile::tempdir_in(beside()?)?)
}

/// `scripts/bench` makes it first.
fn built_beside() -> Result<PathBuf> {
    let program = beside()?.join("ciba-host");
    if !program.exists() {
        bail!("{} is missing; `scripts/bench` builds it", program.display());
    }
    Ok(program)
}

fn beside() -> Result<PathBuf> {
    let mut folder = std::env::current_exe()?;
    folder.pop();
    Ok(folder)
}

/// Where `scripts/build` puts the plugins: beside the profile's folder.
pub fn plugins_folder() -> Result<PathBuf> {
    Ok(target()?.join("plugins"))
}

/// Where `scripts/bench` builds the tests' guests.
pub fn guest(name: &str) -> Result<PathBuf> {
    let guest = target()?.join(format!("guests/{name}.wasm"));
    ensure!(guest.exists(), "{} is missing; `scripts/bench` builds it", guest.display());
    Ok(guest)
}

/// Where `scripts/build` builds all the plugins that we ship, the examples among them.
pub fn shipped(name: &str) -> Result<PathBuf> {
    let plugin = target()?.join(format!("plugins-built/{name}.wasm"));
    ensure!(plugin.exists(), "{} is missing; `scripts/build` makes it", plugin.display());
    Ok(plugin)
}

fn target() -> Result<PathBuf> {
    Ok(beside()?.parent().context("this program is in no folder")?.to_owned())
}
