//! What plays the other side, in `node/suite` and `python`: a suite, clients in two languages, and a provider that
//! others wrote. They share a folder of keys, certificates and registrations that is made for each run.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tempfile::TempDir;

use crate::host::{Data, Host, Said, finish};
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
        self.client(python("client.py"), target)
    }

    fn client(&self, mut command: Command, target: &Target) -> Result<Said> {
        command.arg(self.folder()).args([&target.issuer, &target.more]);
        finish(command)
    }
}

/// What a suite needs of a host: decisions without a person, and no limit on how often it asks the same one.
const FOR_A_SUITE: &str = r#"
[registration]
enabled = true
fapi_profile = "fapi_ciba_id1"

[limits]
requests_per_user_minute = 0
requests_per_pair_minute = 0
pending_per_user = 0
failures_per_address_minute = 0
lockout_failures = 0

[authenticators]
order = ["urn:example:device"]

[conformance]
automated_approval = true
registered_clients = true
authenticator = { acr = "urn:example:device", amr = ["hwk"] }
"#;

/// Our host with the clients that a folder declares, over TLS.
///
/// # Errors
/// Why it did not start.
pub fn host(folder: &Path) -> Result<(Host, Target)> {
    let declared = fs::read_dir(folder.join("clients"))?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let names: Vec<&str> = declared.iter().filter_map(|path| path.file_stem()?.to_str()).collect();
    let data = Data::with_config(&format!("{FOR_A_SUITE}clients = {}\n", json!(names)))?;
    let clients = data.path().join("declared/clients");
    let users = data.path().join("declared/users");
    fs::create_dir_all(&clients)?;
    fs::create_dir_all(&users)?;
    for path in &declared {
        fs::copy(path, clients.join(path.file_name().context("a file has a name")?))?;
    }
    fs::write(users.join("alice.json"), json!({ "name": "Alice" }).to_string())?;
    let file = |name: &str| folder.join(name).display().to_string();
    let host = data.serve_changed(&[], |command| {
        command
            .env("CIBA_HOST_TLS__CERTIFICATE", file("server.pem"))
            .env("CIBA_HOST_TLS__KEY", file("server-key.pem"))
            .env("CIBA_HOST_TLS__CLIENT_AUTHORITIES", file("ca.pem"))
            .env("CIBA_HOST_LISTEN__MTLS", "127.0.0.1:0")
            .env("CIBA_HOST_OUTBOUND__CERTIFICATE_AUTHORITIES", file("ca.pem"))
            .env("CIBA_HOST_OUTBOUND__CLIENT_NETWORKS", "['127.0.0.0/8']");
    })?;
    let (issuer, mtls) = (host.said("issuer")?.to_owned(), host.said("mtls")?.to_owned());
    let invited = host.data.json(&["client", "invite", "--uses", "1000"])?;
    // Tokens are bound to certificates, and those are asked for on one listener only.
    let more = json!({ "resource": format!("{mtls}/resource"), "initialAccessToken": invited["initial_access_token"] });
    Ok((host, Target { issuer, more: more.to_string() }))
}

/// The suite's part while it waits to be told of a provider.
#[derive(Debug)]
pub struct Suite {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Suite {
    /// Starts it and waits until it has made the folder's files.
    pub fn prepare(folder: &Path) -> Result<Self> {
        let mut command = node::script("suite/main.mjs");
        command.arg("--folder").arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let mut output = BufReader::new(child.stdout.take().context("it was piped")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        ensure!(line.starts_with("prepared"), "suite/main.mjs said: {line}");
        Ok(Self { child, output })
    }

    /// Tells it of the provider and lets it finish. All that it said, and whether it was content.
    pub fn run(mut self, target: &Target) -> Result<(bool, String)> {
        let mut told: serde_json::Value = serde_json::from_str(&target.more)?;
        told["issuer"] = target.issuer.clone().into();
        let mut input = self.child.stdin.take().context("it was piped")?;
        writeln!(input, "{told}")?;
        let mut said = String::new();
        self.output.read_to_string(&mut said)?;
        Ok((self.child.wait()?.success(), said))
    }
}

/// One of the programs in `python`, by the Python that `scripts/test` makes, with what `python/requirements.txt` names.
pub fn python(program: &str) -> Command {
    let tools = crate::host::program().parent().and_then(Path::parent).map(|target| target.join("tools"));
    let python = tools.unwrap_or_default().join("python/bin/python");
    assert!(python.exists(), "{} is missing: run scripts/test once, which makes it", python.display());
    let mut command = Command::new(python);
    // A folder of compiled files would appear beside the sources.
    command.args(["-B", program]).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("python"));
    command
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
