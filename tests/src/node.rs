//! Programs in `node/`: clients and servers from npm, which nobody here wrote. `npm ci` in that folder
//! installs them.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::process::Server;

/// A command that runs one of the scripts in `node/`, in that folder.
pub fn script(name: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(name).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("node"));
    command
}

/// `oidc-provider`, ready, and its issuer.
pub fn oidc_provider() -> Result<(Server, String)> {
    let mut command = script("oidc_provider.mjs");
    // Its two warnings, about the runtime's version and its memory adapter, are no news here.
    command.arg("--until-stdin-ends").stderr(Stdio::null());
    let server = Server::start(command).context("is `npm ci` done in tests/node?")?;
    // `ready ISSUER pid PID`
    let issuer = server.said("ready")?.split(' ').next().context("an issuer")?.to_owned();
    Ok((server, issuer))
}

/// `openid-client` against a provider: see `node/openid_client.mjs`. In `decide`, `{}` stands for what is
/// to be decided. The client is `demo`, the user `alice`.
pub fn openid_client(issuer: &str, decide: &[&str]) -> Command {
    let mut command = script("openid_client.mjs");
    command.args([issuer, "demo", "demo-secret", "alice"]).arg(serde_json::json!(decide).to_string());
    command
}
