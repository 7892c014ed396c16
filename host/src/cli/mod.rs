//! The command line: one file per group of commands. `serve` is the composition root.

mod ask;
mod audit;
mod client;
mod config;
mod console;
mod data;
mod key;
mod plugin;
mod plugin_build;
mod plugin_history;
mod plugin_log;
mod plugin_new;
mod plugin_shadow;
mod plugin_show;
mod plugin_try;
mod print;
mod request;
mod serve;
mod user;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use data::DataDirectory;

/// An OpenID Provider for CIBA whose interception scripts are WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "ciba-host", version, arg_required_else_help = true, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
struct Common {
    /// The directory with database, keys, admin token and plugins.
    #[arg(long, global = true, value_name = "DIR", env = "CIBA_HOST_DATA", default_value = "data")]
    data: PathBuf,
    /// Answer in JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the provider.
    Serve(serve::Serve),
    /// Make, build, try and watch plugins, and say what they may do.
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// Print a one-time link that signs in to the console.
    Console,
    /// Say how the running host is doing.
    Status,
    /// Register and remove clients.
    #[command(subcommand)]
    Client(client::Client),
    /// Add, enrol and remove users.
    #[command(subcommand)]
    User(user::User),
    /// See, replace and import the keys that tokens are signed with.
    #[command(subcommand)]
    Key(key::Key),
    /// See authentication requests; in the demo mode, also decide them.
    #[command(subcommand)]
    Request(request::Request),
    /// Show who did what, and when: operators, files that came and went, people who reported.
    Audit(audit::Audit),
    /// See and check the configuration.
    #[command(subcommand)]
    Config(config::Config),
}

/// Runs the command that was asked for, and says on standard error why it failed.
pub fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The causes go on one line each: the first says what, the last says why.
            eprintln!("error: {error}");
            for cause in error.chain().skip(1) {
                eprintln!("  because: {cause}");
            }
            ExitCode::FAILURE
        }
    }
}

impl Cli {
    fn run(self) -> anyhow::Result<()> {
        let Self { common, command } = self;
        match command {
            Command::Serve(serve) => serve.run(&common),
            Command::Plugin(plugin) => plugin.run(&common),
            Command::Console => console::link(&common),
            Command::Status => console::status(&common),
            Command::Client(client) => client.run(&common),
            Command::User(user) => user.run(&common),
            Command::Key(key) => key.run(&common),
            Command::Request(request) => request.run(&common),
            Command::Audit(audit) => audit.run(&common),
            Command::Config(config) => config.run(&common),
        }
    }
}

impl Common {
    fn directory(&self) -> DataDirectory {
        DataDirectory::new(self.data.clone())
    }
}

/// A file that a command names.
fn read_text(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// A runtime for commands that wait for one thing.
fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(future)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn every_command_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
