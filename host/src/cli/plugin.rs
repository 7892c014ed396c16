//! `ciba-host plugin …`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::plugin_build::{BuildOptions, build};
use super::plugin_try::{Bench, Case, Tried, take_settings};
use super::{Common, ask, block_on, plugin_new, print};
use crate::flow::operator::{Command, PluginView};
use crate::protocol::plugin::{Permissions, PluginName};
use crate::runtime::{LogLine, Version};

#[derive(Debug, Subcommand)]
pub(super) enum Plugin {
    /// Write a new plugin's crate into a folder of its name.
    New {
        /// The crate's name.
        name: String,
    },
    /// Build the plugins of a crate or a workspace.
    Build {
        /// The folder with its Cargo.toml.
        #[arg(default_value = ".")]
        directory: PathBuf,
        /// Where the component goes: a .wasm file for one plugin, a folder for several. [default: the crate's folder]
        #[arg(long)]
        out: Option<PathBuf>,
        /// Handed on to cargo, after `--`.
        #[arg(last = true)]
        cargo: Vec<std::ffi::OsString>,
    },
    /// Call a plugin once, without a server: its answer, its log, what it was refused, and the time.
    Try {
        /// The component.
        file: PathBuf,
        /// The request, as JSON in the names of the WIT.
        #[arg(long, value_name = "FILE")]
        input: PathBuf,
        /// Let it send HTTP to this origin. Whatever else it asks for it may.
        #[arg(long, value_name = "ORIGIN")]
        http: Vec<String>,
    },
    /// List the plugins, and why a file was not taken.
    List,
    /// Say whether a host would take a file, and what it wants.
    Check {
        /// The component.
        file: PathBuf,
    },
    /// Show what a component imports, exports and says of itself.
    Inspect {
        /// The component.
        file: PathBuf,
    },
    /// Say what a plugin may do.
    Allow(Allow),
    /// Show a plugin's latest log lines.
    Log {
        /// Its name.
        name: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Allow {
    /// The plugin's name: the stem of its file.
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
            Self::Allow(allow) => allow.run(common),
            Self::Log { name } => log(common, &name),
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
        println!("  asks for  {}", needs.as_options());
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
    println!("settings schema\n{:#}", version.description.schema);
    Ok(())
}

fn attempt(common: &Common, file: &Path, input: &Path, http: Vec<String>) -> anyhow::Result<()> {
    let mut case = Case::read(input)?;
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
        Ok(outcome) => println!("answer   {outcome:?}"),
        Err(failure) => println!("failed   {failure}"),
    }
    if let Some(message) = &tried.report.inbox {
        println!("inbox    {}", message.note.as_deref().unwrap_or("(no note)"));
    }
    println!("time     {} µs, instantiation included", tried.report.took.as_micros());
    println!("refused  {}", tried.refused);
    for line in &tried.log {
        println!("log      {:?} {}", line.level, line.text);
    }
    anyhow::ensure!(tried.report.result.is_ok(), "the call failed");
    Ok(())
}

fn tried_json(version: &Version, tried: &Tried) -> serde_json::Value {
    json!({
        "plugin": version.name,
        "version": version.description.version,
        "answer": tried.report.result.as_ref().ok().map(|outcome| format!("{outcome:?}")),
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
            println!("{}: {message}", plugin.name);
        }
        if let Some(fix) = &plugin.fix {
            println!("  do: {fix}");
        }
    }
    Ok(())
}

impl Allow {
    fn run(self, common: &Common) -> anyhow::Result<()> {
        let name = PluginName::parse(&self.name).map_err(anyhow::Error::msg)?;
        let permissions = Permissions { http: self.http.into_iter().collect(), inbox: self.inbox, links: self.links };
        anyhow::ensure!(permissions != Permissions::default(), "nothing to change: name --http ORIGIN, --inbox or --links");
        let now: Permissions = ask::ask(common, Command::PluginAllow { name: name.clone(), permissions, revoke: self.revoke })?;
        if common.json {
            return print::json(&now);
        }
        let options = now.as_options();
        println!("{name} may, by command: {}", if options.is_empty() { "nothing" } else { &options });
        Ok(())
    }
}

fn log(common: &Common, name: &str) -> anyhow::Result<()> {
    let name = PluginName::parse(name).map_err(anyhow::Error::msg)?;
    let lines: Vec<LogLine> = ask::ask(common, Command::PluginLog { name })?;
    if common.json {
        return print::json(&lines);
    }
    for line in lines {
        println!("{} {:?} {}", print::time(line.at), line.level, line.text);
    }
    Ok(())
}
