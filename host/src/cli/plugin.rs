//! `ciba-host plugin …`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::plugin_build::{BuildOptions, build};
use super::plugin_history::{History, Rollback};
use super::plugin_log::{Log, level};
use super::plugin_shadow::Shadow;
use super::plugin_show::{Set, Show};
use super::plugin_try::{Bench, Case, Tried, take_settings};
use super::{Common, ask, block_on, plugin_new, print};
use crate::flow::operator::{Command, PluginView};
use crate::protocol::plugin::{Permissions, PluginName, check_origin};
use crate::runtime::{Outcome, Version};

#[derive(Debug, Subcommand)]
#[command(after_help = "A plugin is put live by copying its .wasm file into DIR/plugins. Its name is the file's, without .wasm.")]
pub(super) enum Plugin {
    /// Write a small crate that is a plugin already, into a folder of its name.
    New {
        /// The crate's name, for example hello-note.
        name: String,
    },
    /// Build a crate, or every plugin of a workspace, into .wasm files that a host takes.
    Build {
        /// The folder with the Cargo.toml.
        #[arg(default_value = ".")]
        directory: PathBuf,
        /// Where the .wasm goes: a file for one plugin, a folder for several. [default: the folder that is built]
        #[arg(long)]
        out: Option<PathBuf>,
        /// Handed on to cargo, after `--`: for example `-- --locked`.
        #[arg(last = true)]
        cargo: Vec<std::ffi::OsString>,
    },
    /// Call a plugin once, without a host, and show its answer, its log, what it was refused, and the time.
    Try {
        /// The plugin's .wasm file. Its settings are those of the .toml file of the same name beside it, if there is one.
        file: PathBuf,
        /// The request to call it with, as JSON. A new crate has an example: case.json.
        #[arg(long, value_name = "FILE")]
        input: PathBuf,
        /// Let it send HTTP to this origin, for example https://push.example.com. Everything else it asks for it may.
        #[arg(long, value_name = "ORIGIN")]
        http: Vec<String>,
    },
    /// List the plugins of a host, and say why a file was not taken.
    List,
    /// Say whether a host would take a file, and what it asks for. Installs nothing.
    Check {
        /// The plugin's .wasm file. The .toml file of the same name beside it is checked too, if there is one.
        file: PathBuf,
    },
    /// Show what a plugin calls (imports), what it offers (exports), and its settings.
    Inspect {
        /// The plugin's .wasm file.
        file: PathBuf,
    },
    /// Show which versions of a plugin served, and when, with their settings.
    History(History),
    /// Make an earlier version of a plugin serve again, with its settings, until another file is copied.
    Rollback(Rollback),
    /// Show how the answers of a shadow compare with those that count.
    Shadow(Shadow),
    /// Allow a plugin something, or take it back: HTTP to an origin, the device page, one-time links.
    Allow(Allow),
    /// Show all that is known of a plugin of the running host: how its calls went, what it was refused, what served.
    Show(Show),
    /// Turn a plugin on or off or give it another place in the order, before what its file says.
    Set(Set),
    /// Show the latest log lines of a plugin of the running host.
    Log(Log),
}

#[derive(Debug, Args)]
pub(super) struct Allow {
    /// The plugin's name: its file's, without .wasm.
    name: String,
    /// Send HTTP to this origin, for example https://push.example.com.
    #[arg(long, value_name = "ORIGIN")]
    http: Vec<String>,
    /// Put messages on the device page.
    #[arg(long)]
    inbox: bool,
    /// Make one-time links that open a request.
    #[arg(long)]
    links: bool,
    /// Keep values of its own.
    #[arg(long)]
    storage: bool,
    /// See every device of the person who is asked.
    #[arg(long)]
    devices: bool,
    /// Read this secret of its settings in clear: a JSON Pointer, for example /token.
    #[arg(long, value_name = "POINTER")]
    reveal: Vec<String>,
    /// Be called by HTTP, on the plugins' own origin.
    #[arg(long)]
    inbound: bool,
    /// Submit what people decided.
    #[arg(long)]
    decide: bool,
    /// Take these permissions away instead.
    #[arg(long)]
    revoke: bool,
}

impl Plugin {
    pub(super) fn run(self, common: &Common) -> anyhow::Result<()> {
        match self {
            Self::New { name } => new(common, &name),
            Self::Build { directory, out, cargo } => build_all(common, &directory, BuildOptions { out, cargo_arguments: cargo }),
            Self::Try { file, input, http } => attempt(common, &file, &input, http),
            Self::List => list(common),
            Self::Check { file } => check(common, &file),
            Self::Inspect { file } => inspect(common, &file),
            Self::History(history) => history.run(common),
            Self::Rollback(rollback) => rollback.run(common),
            Self::Shadow(shadow) => shadow.run(common),
            Self::Allow(allow) => allow.run(common),
            Self::Show(show) => show.run(common),
            Self::Set(set) => set.run(common),
            Self::Log(log) => log.run(common),
        }
    }
}

fn new(common: &Common, name: &str) -> anyhow::Result<()> {
    plugin_new::create(Path::new(name), name)?;
    if common.json {
        return print::json(&json!({ "crate": name }));
    }
    println!("{name}/ is ready.  next: cd {name} && ciba-host plugin build");
    Ok(())
}

fn build_all(common: &Common, directory: &Path, options: BuildOptions) -> anyhow::Result<()> {
    let built = build(directory, &options)?;
    if common.json {
        let built: Vec<_> = built.iter().map(|built| json!({ "name": built.name, "file": built.component, "bytes": built.size })).collect();
        return print::json(&built);
    }
    for built in built {
        println!("{}  {} KiB", built.component.display(), built.size.div_ceil(1024));
    }
    Ok(())
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn check(common: &Common, file: &Path) -> anyhow::Result<()> {
    let version = block_on(async { Bench::new(folder_of(file)).await?.load(file, None).await })?;
    let needs = version.description.needs.union(&version.file.asks);
    if common.json {
        return print::json(&json!({ "taken": true, "description": version.description, "hooks": version.hooks }));
    }
    println!("{} {} would be taken", version.name, version.description.version);
    println!("  {}", version.description.summary);
    println!("  hooks     {}", version.hooks.join(", "));
    println!("  channels  {}", version.description.channels.join(", "));
    if needs != Permissions::default() {
        let options = needs.as_options();
        println!("  asks for  {options}");
        println!("  allow it  ciba-host plugin allow {} {options}", version.name);
    }
    Ok(())
}

fn inspect(common: &Common, file: &Path) -> anyhow::Result<()> {
    let version = block_on(async { Bench::new(folder_of(file)).await?.load(file, None).await })?;
    let (imports, exports) = version.interfaces();
    let about = json!({
        "digest": version.digest,
        "description": version.description,
        "settings": version.redacted_settings(),
        "imports": imports,
        "exports": exports,
    });
    if common.json {
        return print::json(&about);
    }
    println!("{} {}  sha256 {}", version.description.name, version.description.version, version.digest.0);
    for (heading, names) in [("imports", &imports), ("exports", &exports)] {
        println!("{heading}");
        for name in names {
            println!("  {name}");
        }
    }
    println!("settings\n{:#}", version.redacted_settings());
    println!("settings schema\n{:#}", version.description.schema);
    Ok(())
}

fn attempt(common: &Common, file: &Path, input: &Path, http: Vec<String>) -> anyhow::Result<()> {
    let mut case = Case::read(input)?;
    for origin in &http {
        check_origin(origin).map_err(anyhow::Error::msg)?;
    }
    let settings = take_settings(&mut case);
    let (version, tried) = block_on(async {
        let bench = Bench::new(folder_of(file)).await?;
        let version = bench.load(file, settings).await?;
        let tried = bench.notify(&version, case, http).await;
        Ok((version, tried))
    })?;
    if common.json {
        return print::json(&tried_json(&version, &tried));
    }
    match &tried.report.result {
        Ok(outcome) => println!("answer   {}", in_words(&outcome.to_json())),
        Err(failure) => println!("failed   {failure}"),
    }
    if let Some(message) = &tried.report.inbox {
        println!("inbox    {}", message.note.as_deref().unwrap_or("(no note)"));
    }
    for line in &tried.log {
        println!("log      {:5}  {}", level(line.level), line.text);
    }
    match tried.refused.as_slice() {
        [] => println!("refused  nothing"),
        refused => refused.iter().for_each(|what| println!("refused  {what}")),
    }
    println!("time     {:.2} ms, starting it included", tried.report.took.as_secs_f64() * 1e3);
    anyhow::ensure!(tried.report.result.is_ok(), "the call failed");
    Ok(())
}

/// `accepted`, or `throttled 30`: the outcome's name, and what it carries.
fn in_words(outcome: &Value) -> String {
    let Some((name, carries)) = outcome.as_object().and_then(|outcome| outcome.iter().next()) else {
        return outcome.as_str().unwrap_or_default().to_owned();
    };
    match carries {
        Value::Null => name.clone(),
        Value::String(text) if text.is_empty() => name.clone(),
        Value::String(text) => format!("{name} {}", text.escape_debug()),
        other => format!("{name} {other}"),
    }
}

fn tried_json(version: &Version, tried: &Tried) -> Value {
    json!({
        "plugin": version.name,
        "version": version.description.version,
        "answer": tried.report.result.as_ref().ok().map(Outcome::to_json),
        "failure": tried.report.result.as_ref().err().map(ToString::to_string),
        "note": tried.report.inbox.as_ref().and_then(|message| message.note.clone()),
        "micros": u64::try_from(tried.report.took.as_micros()).unwrap_or(u64::MAX),
        "refused": tried.refused,
        "log": tried.log,
    })
}

fn list(common: &Common) -> anyhow::Result<()> {
    let plugins: Vec<PluginView> = ask::ask(common, Command::PluginList)?;
    if common.json {
        return print::json(&plugins);
    }
    let rows: Vec<[String; 5]> = plugins
        .iter()
        .map(|plugin| {
            let digest = plugin.digest.as_deref().map(|digest| digest.chars().take(4).collect()).unwrap_or_default();
            [plugin.name.to_string(), plugin.state.clone(), plugin.version.clone().unwrap_or_default(), digest, plugin.channels.join(", ")]
        })
        .collect();
    print::table(["PLUGIN", "STATE", "VERSION", "DIGEST", "CHANNELS"], &rows, "No plugins.  do: copy a .wasm file into the plugin folder");
    for plugin in &plugins {
        if let Some(message) = &plugin.message {
            println!("{}", why(plugin, message));
        }
        if let Some(fix) = &plugin.fix {
            println!("  do: {}", fix);
        }
        if let Some(does) = &plugin.does {
            let compared = plugin.compared.map(|tally| format!(": {tally}.  see: ciba-host plugin shadow {}", plugin.name));
            println!("{}: {does}{}", plugin.name, compared.unwrap_or_default());
        }
        if let Some(rolled_back) = &plugin.rolled_back {
            println!("{}: {rolled_back}", plugin.name);
        }
    }
    Ok(())
}

/// Why a plugin is in its state. Where a file was refused, also what goes on serving.
fn why(plugin: &PluginView, message: &str) -> String {
    if plugin.state != "refused" {
        return format!("{}: {message}", plugin.name);
    }
    let still = match (&plugin.version, &plugin.digest) {
        (Some(version), Some(digest)) => format!("still serving: {version} ({})", digest.get(..4).unwrap_or(digest)),
        _ => "nothing serves under this name".to_owned(),
    };
    format!("{}.wasm refused {message}; {still}", plugin.name)
}

impl Allow {
    fn run(self, common: &Common) -> anyhow::Result<()> {
        let name = PluginName::parse(&self.name).map_err(anyhow::Error::msg)?;
        let permissions = Permissions {
            http: self.http.into_iter().collect(),
            inbox: self.inbox,
            links: self.links,
            storage: self.storage,
            devices: self.devices,
            reveal: self.reveal.into_iter().collect(),
            inbound: self.inbound,
            decide: self.decide,
        };
        anyhow::ensure!(
            permissions != Permissions::default(),
            "nothing to change: name what to allow, for example --http ORIGIN or --inbox"
        );
        let now: Permissions = ask::ask(common, Command::PluginAllow { name: name.clone(), permissions, revoke: self.revoke })?;
        if common.json {
            return print::json(&now);
        }
        let options = now.as_options();
        println!("{name} may, by command: {}", if options.is_empty() { "nothing" } else { &options });
        // A misspelt name would otherwise show only as a refusal, much later.
        let plugins: Vec<PluginView> = ask::ask(common, Command::PluginList)?;
        if !self.revoke && !plugins.iter().any(|plugin| plugin.name == name) {
            println!("there is no plugin {name} yet; a file {name}.wasm will have this");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_shown_by_its_name_and_what_it_carries() {
        for (outcome, shown) in [
            (Outcome::Accepted(String::new()), "accepted"),
            (Outcome::Accepted("m-1".into()), "accepted m-1"),
            (Outcome::Throttled(30), "throttled 30"),
            (Outcome::EndpointGone(None), "endpoint-gone"),
            (Outcome::EndpointSuspect, "endpoint-suspect"),
            (Outcome::PayloadRejected("the receiver answered 400\u{1b}".into()), "payload-rejected the receiver answered 400\\u{1b}"),
        ] {
            assert_eq!(in_words(&outcome.to_json()), shown);
        }
    }
}
