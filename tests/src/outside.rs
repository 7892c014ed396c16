//! What plays the other side, in `node/suite` and `python`: a suite, clients in two languages, and a provider that
//! others wrote. They share a folder of keys, certificates and registrations that is made for each run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::host::{Said, finish};
use crate::node;
use crate::process::Server;

/// The files of one run, see `node/suite/target.mjs`.
#[derive(Debug)]
pub struct Prepared {
    folder: TempDir,
}

/// A provider that runs: its issuer, and what the programs must know besides, as JSON.
#[derive(Debug)]
pub struct Target {
    pub issuer: String,
    pub more: String,
}

impl Prepared {
    /// Makes every file.
    pub fn new() -> Result<Self> {
        let prepared = Self { folder: tempfile::tempdir()? };
        let mut command = node::script("suite/prepare.mjs");
        command.arg(prepared.folder());
        let said = finish(command).context("is `npm ci` done in tests/node?")?;
        ensure!(said.status.success(), "suite/prepare.mjs: {}", said.error);
        Ok(prepared)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `oidc-provider` with these clients, over TLS.
    pub fn oidc_provider(&self) -> Result<(Server, Target)> {
        let mut command = node::script("oidc_provider_fapi.mjs");
        // Its warnings, about the runtime's version and its memory adapter, are no news here.
        command.arg(self.folder()).stderr(Stdio::null());
        let server = Server::start(command)?;
        // `ready ISSUER JSON`
        let (issuer, more) = server.said("ready")?.split_once(' ').context("an issuer and JSON")?;
        let target = Target { issuer: issuer.to_owned(), more: more.to_owned() };
        Ok((server, target))
    }

    /// `openid-client`, unmodified, as every client of the folder.
    pub fn openid_client(&self, target: &Target) -> Result<Said> {
        self.client(node::script("openid_client_full.mjs"), target)
    }

    /// The client in Python, likewise.
    pub fn python_client(&self, target: &Target) -> Result<Said> {
        let mut command = Command::new(python());
        // A folder of compiled files would appear beside the sources.
        command.args(["-B", "client.py"]).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("python"));
        self.client(command, target)
    }

    fn client(&self, mut command: Command, target: &Target) -> Result<Said> {
        command.arg(self.folder()).args([&target.issuer, &target.more]);
        finish(command)
    }
}

/// The Python that `scripts/test` makes, with what `python/requirements.txt` names.
fn python() -> PathBuf {
    let tools = crate::host::program().parent().and_then(Path::parent).map(|target| target.join("tools"));
    let python = tools.unwrap_or_default().join("python/bin/python");
    assert!(python.exists(), "{} is missing: run scripts/test once, which makes it", python.display());
    python
}

/// Plays the conformance suite's part against `oidc-provider`: every module, every variant.
pub fn suite_against_oidc_provider(folder: &Path) -> Result<Said> {
    let mut command = node::script("suite/main.mjs");
    let start = serde_json::json!(["node", "oidc_provider_fapi.mjs"]).to_string();
    command.arg("--folder").arg(folder).args(["--peer", "oidc-provider", "--start", &start]);
    finish(command)
}

/// The names of all cases of the suite's part.
pub fn suite_cases() -> Result<Vec<String>> {
    let mut command = node::script("suite/main.mjs");
    command.arg("--list");
    let said = finish(command)?;
    ensure!(said.status.success(), "suite/main.mjs --list: {}", said.error);
    Ok(said.output.lines().map(str::to_owned).collect())
}
