//! `ciba-host plugin build [DIR] [--out FILE]`: cargo makes a core module, this makes it a component.
//!
//! Nothing has to be installed beside Rust and its `wasm32-unknown-unknown` target. That target is chosen
//! because it gives a component the smallest authority: it imports what its author calls, and no WASI.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

const TARGET: &str = "wasm32-unknown-unknown";

/// What the author asked for.
#[derive(Debug, Default)]
pub(super) struct BuildOptions {
    /// Where the component goes: a file that ends in `.wasm` for one plugin, otherwise a folder. The folder
    /// of the crate where this is absent.
    pub out: Option<PathBuf>,
    /// Handed on to cargo, for example `--locked` or `--features`.
    pub cargo_arguments: Vec<OsString>,
}

/// A plugin that was built.
#[derive(Debug)]
pub(super) struct Built {
    /// The library's name, which is the stem of the file and so the plugin's name: `hello_note`.
    pub name: String,
    /// The component.
    pub component: PathBuf,
    /// The component's size in bytes.
    pub size: u64,
}

/// Builds every plugin of the crate or the workspace in this folder, in the order of their names. Cargo
/// reports its progress on standard error.
pub(super) fn build(directory: &Path, options: &BuildOptions) -> Result<Vec<Built>> {
    ensure!(
        directory.join("Cargo.toml").is_file(),
        "{} has no Cargo.toml.\n  do: name the folder of a plugin's crate, or make one: ciba-host plugin new NAME",
        named(directory)
    );
    check_toolchain(directory)?;
    let modules = compile(directory, &options.cargo_arguments)?;
    let destination = Destination::new(directory, options.out.as_deref(), &modules)?;
    modules.into_iter().map(|module| module.into_component(&destination)).collect()
}

/// The folder in a sentence.
fn named(directory: &Path) -> String {
    if directory == Path::new(".") { "this folder".to_owned() } else { format!("the folder {}", directory.display()) }
}

/// Says how to get what is missing before cargo says it in five hundred lines.
fn check_toolchain(directory: &Path) -> Result<()> {
    const RUST: &str = "install Rust from https://rustup.rs";
    if let Err(error) = Command::new(cargo()).arg("--version").stdout(Stdio::null()).status() {
        bail!("cargo, which builds Rust, does not start: {error}.\n  do: {RUST}, then: rustup target add {TARGET}");
    }
    let libraries = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
        .args(["--print", "target-libdir", "--target", TARGET])
        // A `rust-toolchain.toml` in the folder decides which Rust answers.
        .current_dir(directory)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("rustc does not start.\n  do: {RUST}"))?;
    ensure!(libraries.status.success(), "rustc does not know the target {TARGET}.\n  do: {RUST}");
    let libraries = PathBuf::from(String::from_utf8_lossy(&libraries.stdout).trim());
    ensure!(libraries.is_dir(), "Rust cannot build for WebAssembly yet.\n  do: rustup target add {TARGET}");
    Ok(())
}

/// Cargo names itself in this variable for the programs it starts, so that they use the same one.
fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or("cargo".into())
}

/// A core module, as cargo reported it.
struct Module {
    name: String,
    path: PathBuf,
}

fn compile(directory: &Path, arguments: &[OsString]) -> Result<Vec<Module>> {
    let output = Command::new(cargo())
        .args(["build", "--release", "--target", TARGET])
        .arg("--message-format=json-render-diagnostics")
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo does not start")?;
    ensure!(output.status.success(), "cargo could not build {}: see above", named(directory));

    let mut modules = Vec::new();
    for line in output.stdout.split(|&byte| byte == b'\n') {
        // What a build script prints can stand between cargo's own lines.
        let Ok(message) = serde_json::from_slice::<Value>(line) else { continue };
        modules.extend(module_in(&message));
    }
    ensure!(
        !modules.is_empty(),
        "{} has no plugin.\n  do: put this into its Cargo.toml\n\n    [lib]\n    crate-type = [\"cdylib\"]\n",
        named(directory)
    );
    modules.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(modules)
}

/// The module in cargo's message, if it is about a library that becomes one.
fn module_in(message: &Value) -> Option<Module> {
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    let target = &message["target"];
    target["kind"].as_array()?.iter().find(|kind| *kind == "cdylib")?;
    let files = message["filenames"].as_array()?.iter().filter_map(Value::as_str);
    let path = files.map(PathBuf::from).find(|file| file.extension().is_some_and(|end| end == "wasm"))?;
    Some(Module { name: path.file_stem()?.to_str()?.to_owned(), path })
}

/// Where components go.
enum Destination {
    File(PathBuf),
    Folder(PathBuf),
}

impl Destination {
    fn new(directory: &Path, out: Option<&Path>, modules: &[Module]) -> Result<Self> {
        let Some(out) = out else {
            // Named as a person would: `hello_note.wasm`, without `./`.
            return Ok(Self::Folder(directory.strip_prefix(".").unwrap_or(directory).to_owned()));
        };
        if out.extension().is_none_or(|end| end != "wasm") {
            return Ok(Self::Folder(out.to_owned()));
        }
        if let [_, _, ..] = modules {
            let names: Vec<_> = modules.iter().map(|module| module.name.as_str()).collect();
            bail!(
                "{} holds {} plugins ({}), and {} is one file.\n  do: name a folder with --out, or build the folder of one plugin",
                named(directory),
                names.len(),
                names.join(", "),
                out.display()
            );
        }
        Ok(Self::File(out.to_owned()))
    }

    fn path(&self, name: &str) -> PathBuf {
        match self {
            Self::File(file) => file.clone(),
            Self::Folder(folder) => folder.join(format!("{name}.wasm")),
        }
    }
}

impl Module {
    fn into_component(self, destination: &Destination) -> Result<Built> {
        let bytes = fs::read(&self.path).with_context(|| format!("cannot read {}", self.path.display()))?;
        let component = encode(&self.name, &bytes)?;
        let path = destination.path(&self.name);
        write_whole(&path, &component).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Built { name: self.name, component: path, size: component.len() as u64 })
    }
}

fn encode(name: &str, module: &[u8]) -> Result<Vec<u8>> {
    // `cargo component` leaves its component where cargo put the module, and cargo then sees nothing to do.
    if Parser::is_component(module) {
        return Ok(module.to_vec());
    }
    let surroundings = Surroundings::of(module).with_context(|| format!("{name} is not a WebAssembly module"))?;
    ensure!(
        surroundings.has_world && surroundings.exports_interface,
        "{name} offers nothing that a host could call, so it is no plugin.\n  \
         do: end its lib.rs with ciba_guest::plugin!(…), as the one that `ciba-host plugin new` writes"
    );
    if let Some((module, field)) = surroundings.foreign_import {
        bail!(
            "{name} needs `{field}` from `{module}`, which no plugin can have: one of its dependencies expects a browser or an \
             operating system.\n  do: find it with `cargo tree --target {TARGET}`; often a feature of that crate turns it off"
        );
    }
    ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|mut encoder| encoder.encode())
        .with_context(|| format!("{name} cannot be made a component"))
}

/// What a module says about the component it wants to be.
#[derive(Default)]
struct Surroundings {
    /// Whether `wit-bindgen` left a description of the interfaces.
    has_world: bool,
    /// Whether it exports a function of one: they are called `INTERFACE#FUNCTION`.
    exports_interface: bool,
    /// An import that is not from an interface.
    foreign_import: Option<(String, String)>,
}

impl Surroundings {
    fn of(module: &[u8]) -> Result<Self> {
        let mut found = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::CustomSection(section) if section.name().starts_with("component-type") => {
                    found.has_world = true;
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        found.exports_interface |= export?.name.contains('#');
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import?;
                        // These two have other means of reaching a module than an interface's name.
                        let foreign = matches!(import.module, "env" | "wasi_snapshot_preview1") || import.module.starts_with("__wbindgen");
                        if foreign && found.foreign_import.is_none() {
                            found.foreign_import = Some((import.module.into(), import.name.into()));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

/// Writes beside the destination and renames, so that nobody ever sees half a component: the destination may
/// well be the folder that a running host watches.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let name = path.file_name().context("it has no file name")?.to_string_lossy();
    let unfinished = folder.join(format!(".{name}.{}", std::process::id()));
    fs::write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, path)).inspect_err(|_| drop(fs::remove_file(&unfinished)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn artifact(kind: &str) -> Value {
        json!({
            "reason": "compiler-artifact",
            "target": { "kind": [kind], "name": "hello_note" },
            "filenames": ["/somewhere/target/hello_note.d", "/somewhere/target/hello_note.wasm"],
        })
    }

    #[test]
    fn cargo_says_which_libraries_become_plugins() {
        assert_eq!(module_in(&artifact("cdylib")).map(|module| module.name).as_deref(), Some("hello_note"));
        assert!(module_in(&artifact("lib")).is_none());
        assert!(module_in(&json!({ "reason": "build-finished", "success": true })).is_none());
    }

    #[test]
    fn one_file_cannot_hold_two_plugins() {
        let module = |name: &str| Module { name: name.into(), path: PathBuf::new() };
        let here = Path::new("crates");
        let path = |out: Option<&str>| {
            let destination = Destination::new(here, out.map(Path::new), &[module("one")]).expect("one plugin goes anywhere");
            destination.path("one")
        };
        assert_eq!(path(None), Path::new("crates/one.wasm"));
        assert_eq!(path(Some("out")), Path::new("out/one.wasm"));
        assert_eq!(path(Some("out/other.wasm")), Path::new("out/other.wasm"));
        let Err(error) = Destination::new(here, Some(Path::new("x.wasm")), &[module("one"), module("two")]) else { panic!("taken") };
        assert!(error.to_string().contains("2 plugins (one, two)"), "{error}");
    }

    #[test]
    fn what_cannot_become_a_plugin_says_why() {
        let error = encode("empty", b"\0asm\x01\0\0\0").expect_err("an empty module");
        assert!(error.to_string().contains("ciba_guest::plugin!"), "{error}");
        let error = encode("text", b"#!/bin/sh\n").expect_err("no module");
        assert!(error.to_string().contains("not a WebAssembly module"), "{error}");
        let component = b"\0asm\x0d\0\x01\0";
        assert_eq!(encode("done", component).expect("already a component"), component);
    }

    #[test]
    fn a_folder_without_a_crate_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = build(folder.path(), &BuildOptions::default()).expect_err("it is empty");
        assert!(error.to_string().contains("has no Cargo.toml"), "{error}");
    }

    #[test]
    fn what_is_written_is_whole_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deeper/one.wasm");
        write_whole(&path, b"first").expect("written");
        write_whole(&path, b"second").expect("written over");
        assert_eq!(fs::read(&path).expect("there"), b"second");
        assert_eq!(fs::read_dir(folder.path().join("deeper")).expect("there").count(), 1);
    }
}
