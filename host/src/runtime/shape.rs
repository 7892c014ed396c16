//! What a file is, before and after it is compiled: cheap looks that can say in plain words what does not fit.

use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use super::hooks::{self, Hook as _};
use super::refusal::Refusal;

/// Files larger than this are refused unread.
pub(super) const BYTES_MAX: u64 = 64 << 20;
/// The contract this host speaks.
const CONTRACT: &str = "ciba:interception/";
const CONTRACT_VERSION: u64 = 1;
const IMPORTS: &[&str] =
    &["transactions", "refusals", "events", "log", "settings", "inbox", "storage", "secrets", "credentials", "decisions"];
const WASI: &[&str] = &["cli", "clocks", "filesystem", "http", "io", "random", "sockets"];
/// Drafts of WASI. A draft is none of any other version.
const DRAFTS: &[&str] = &[
    "wasi:keyvalue/store@0.2.0-draft",
    "wasi:keyvalue/atomics@0.2.0-draft",
    "wasi:keyvalue/batch@0.2.0-draft",
    "wasi:config/store@0.2.0-rc.1",
    "wasi:logging/logging@0.1.0-draft",
];
/// How a component is called by HTTP.
const INCOMING_HANDLER: &str = "wasi:http/incoming-handler@0.2.";
const MORE_EXPORTS: usize = 100;

/// How a file looks from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sniffed {
    /// A whole component.
    Component,
    /// It ends in the middle: it may still be arriving.
    Unfinished,
}

/// Looks at the header and walks the sections.
pub(super) fn sniff(bytes: &[u8]) -> Result<Sniffed, Refusal> {
    const MAGIC: &[u8] = b"\0asm";
    const COMPONENT: &[u8] = &[0x0d, 0, 1, 0];
    const MODULE: &[u8] = &[1, 0, 0, 0];
    // The folder does not even read such a file; whoever else has the bytes finds out here.
    if bytes.len() as u64 > BYTES_MAX {
        return Err(too_large(format!("it is longer than {BYTES_MAX} bytes")));
    }
    let start = &bytes[..bytes.len().min(4)];
    if !MAGIC.starts_with(start) {
        return Err(Refusal::new("not-wasm", "this is not a WebAssembly file", "put the .wasm file that `ciba-host plugin build` wrote"));
    }
    let Some(version) = bytes.get(4..8) else { return Ok(Sniffed::Unfinished) };
    match version {
        COMPONENT => {}
        MODULE => {
            return Err(Refusal::new(
                "not-a-component",
                "this is a core module",
                "run `ciba-host plugin build`, which makes a component of it",
            ));
        }
        _ => return Err(Refusal::new("not-a-component", "this WebAssembly version is not known", "run `ciba-host plugin build`")),
    }
    Ok(if sections_are_whole(&bytes[8..]) { Sniffed::Component } else { Sniffed::Unfinished })
}

pub(super) fn too_large(what: String) -> Refusal {
    Refusal::new("too-large", what, "build it in release mode, without debug information")
}

/// Whether the last section ends where the file ends.
fn sections_are_whole(mut rest: &[u8]) -> bool {
    while let Some((_, after)) = rest.split_first() {
        let mut length = 0_u64;
        let mut shift = 0;
        let mut bytes = after.iter();
        loop {
            match bytes.next() {
                Some(byte) if shift < 35 => {
                    length |= u64::from(byte & 0x7f) << shift;
                    shift += 7;
                    if byte & 0x80 == 0 {
                        break;
                    }
                }
                // Too long for a length: the compiler will say what is wrong with it.
                Some(_) => return true,
                None => return false,
            }
        }
        match bytes.as_slice().split_at_checked(usize::try_from(length).unwrap_or(usize::MAX)) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

/// Compares what the component imports and exports with what this host knows. Names everything that does not fit,
/// where instantiating would name the first.
pub(super) fn compare(component: &Component) -> Result<Exported, Refusal> {
    let engine = component.engine();
    let kind = component.component_type();
    let unknown: Vec<&str> = kind.imports(engine).map(|(name, _)| name).filter(|name| !is_known_import(name)).collect();
    if !unknown.is_empty() {
        if let Some(name) = unknown.iter().find(|name| is_wasi_0_3(name)) {
            return Err(wasi_version(&format!("imports {name}")));
        }
        let what = format!("imports {}, which this host does not have", listed(&unknown));
        return Err(match unknown.iter().find(|name| name.starts_with(CONTRACT)) {
            Some(_) => Refusal::new("contract-version", format!("{what}; it speaks {CONTRACT}…@{CONTRACT_VERSION}.x"), REBUILD),
            None => Refusal::new("unknown-import", what, "leave out what needs it; the WIT in wit/ says what there is"),
        });
    }
    let mut exported = Exported { nothing: true, ..Exported::default() };
    for (number, (name, item)) in kind.exports(engine).enumerate() {
        if number >= MORE_EXPORTS {
            return Err(Refusal::new(
                "too-many-exports",
                format!("exports more than {MORE_EXPORTS} things"),
                "export `plugin` and its hooks",
            ));
        }
        exported.nothing = false;
        if is_wasi_0_3(name) {
            return Err(wasi_version(&format!("exports {name}")));
        }
        if name.starts_with(INCOMING_HANDLER) {
            exported.hooks.push(hooks::Inbound::NAME.to_owned());
        }
        let Some(interface) = name.strip_prefix(CONTRACT) else { continue };
        let (interface, version) = interface.split_once('@').unwrap_or((interface, ""));
        let major = major(version);
        let spoken = hooks::versions(interface);
        let spoken = if spoken.is_empty() { &[CONTRACT_VERSION] } else { &*spoken };
        if !major.is_some_and(|major| spoken.contains(&major)) {
            let spoken = spoken.iter().map(|version| format!("{version}.x")).collect::<Vec<_>>().join(" and ");
            return Err(Refusal::new("contract-version", format!("exports {name}; this host speaks {spoken}"), REBUILD));
        }
        match interface {
            "plugin" => exported.plugin = true,
            hook if hooks::names().contains(&hook) && matches!(item.ty, ComponentItem::ComponentInstance(_)) => {
                exported.versions.extend(major.map(|major| (hook.to_owned(), major)));
                exported.hooks.push(hook.to_owned());
            }
            _ => {
                let what = format!("exports {name}, which is not a hook of this host; it has {}", hooks::names().join(", "));
                return Err(Refusal::new("unknown-hook", what, REBUILD));
            }
        }
    }
    // Every toolchain has an order of its own.
    exported.hooks.sort_unstable();
    exported.hooks.dedup();
    Ok(exported)
}

fn is_wasi_0_3(name: &str) -> bool {
    name.starts_with("wasi:") && name.split_once('@').is_some_and(|(_, version)| version.starts_with("0.3."))
}

fn wasi_version(what: &str) -> Refusal {
    let what = format!("{what}, which is of WASI 0.3; this host has WASI 0.2, without asynchronous functions");
    Refusal::new("wasi-version", what, "build it for WASI 0.2, for example with the target wasm32-wasip2")
}

/// Why a component does not compile, where its names say more than the compiler: the asynchronous types of WASI 0.3 are
/// not switched on, so that such a component fails before its imports can be compared.
pub(super) fn does_not_compile(bytes: &[u8], why: String) -> Refusal {
    let names = bytes.windows(WASI_PREFIX.len()).enumerate().filter(|(_, window)| *window == WASI_PREFIX);
    let name = names.filter_map(|(at, _)| {
        // An interface's name ends where no character of one stands.
        let end = bytes[at..].iter().take(100).position(|byte| !byte.is_ascii_alphanumeric() && !b":/@.-".contains(byte))?;
        std::str::from_utf8(&bytes[at..at + end]).ok()
    });
    match name.into_iter().find(|name| is_wasi_0_3(name)) {
        Some(name) => wasi_version(&format!("speaks {name}")),
        None => Refusal::new("does-not-compile", why, "build it again; the file may be damaged or from a newer toolchain"),
    }
}

const WASI_PREFIX: &[u8] = b"wasi:";

const REBUILD: &str = "rebuild against this host's wit/, then `ciba-host plugin check FILE`";

/// What of the contract a component exports.
#[derive(Clone, Debug, Default)]
pub(super) struct Exported {
    nothing: bool,
    plugin: bool,
    pub(super) hooks: Vec<String>,
    /// Which major version of the contract each of them is of. One may be there in several.
    pub(super) versions: Vec<(String, u64)>,
}

/// What a plugin lacks that it cannot be without.
pub(super) enum Lacks {
    /// It has a part, or nothing at all: a file that is cut between two sections looks like this while it arrives.
    Rest(Refusal),
    /// It is something else.
    Everything(Refusal),
}

impl Exported {
    pub(super) fn lacks(&self) -> Option<Lacks> {
        if !self.plugin {
            let what = format!("it does not export {CONTRACT}plugin@{CONTRACT_VERSION}.0, by which a plugin says who it is");
            let refusal = Refusal::new("not-a-plugin", what, "use the ciba-guest crate, or a world that exports `plugin`");
            let arriving = self.nothing || !self.hooks.is_empty();
            return Some(if arriving { Lacks::Rest(refusal) } else { Lacks::Everything(refusal) });
        }
        self.hooks.is_empty().then(|| {
            let what = format!("it exports no hook, so that nothing would ever call it; there are {}", hooks::names().join(", "));
            Lacks::Rest(Refusal::new("no-hook", what, "export a hook, for example `notify`, or `wasi:http/incoming-handler@0.2`"))
        })
    }
}

fn major(version: &str) -> Option<u64> {
    version.split_once('.').and_then(|(major, _)| major.parse().ok())
}

fn is_known_import(name: &str) -> bool {
    let (path, version) = name.split_once('@').unwrap_or((name, ""));
    if let Some(interface) = path.strip_prefix(CONTRACT) {
        return IMPORTS.contains(&interface) && major(version) == Some(CONTRACT_VERSION);
    }
    if DRAFTS.contains(&name) {
        return true;
    }
    let package = path.strip_prefix("wasi:").and_then(|path| path.split_once('/')).map(|(package, _)| package);
    package.is_some_and(|package| WASI.contains(&package)) && version.starts_with("0.2.")
}

/// At most a few names, with their number.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).map(|name| name.chars().take(100).collect::<String>()).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_by_its_first_bytes_and_whether_it_ends() {
        let component = b"\0asm\x0d\0\x01\0\x00\x03\x01aX\x00\x00";
        assert_eq!(sniff(component), Ok(Sniffed::Component));
        for end in 0..component.len() {
            let whole = end == 8 || end == 13 || end == 15;
            let expected = if whole { Sniffed::Component } else { Sniffed::Unfinished };
            assert_eq!(sniff(&component[..end]), Ok(expected), "cut at {end}");
        }
        assert_eq!(sniff(b"\0asm\x01\0\0\0").unwrap_err().word, "not-a-component");
        assert_eq!(sniff(b"#!/bin/sh").unwrap_err().word, "not-wasm");
    }

    #[test]
    fn a_draft_is_none_of_another_version() {
        for (name, known) in [
            ("wasi:keyvalue/store@0.2.0-draft", true),
            ("wasi:config/store@0.2.0-rc.1", true),
            ("wasi:logging/logging@0.1.0-draft", true),
            ("wasi:keyvalue/store@0.2.0-draft2", false),
            ("wasi:keyvalue/watcher@0.2.0-draft", false),
            ("wasi:config/store@0.2.0", false),
            ("wasi:logging/logging", false),
            ("wasi:clocks/wall-clock@0.2.3", true),
            ("wasi:blobstore/container@0.2.0", false),
            ("ciba:interception/credentials@1.0.0", true),
            ("ciba:interception/credentials@2.0.0", false),
        ] {
            assert_eq!(is_known_import(name), known, "{name}");
        }
    }
}
