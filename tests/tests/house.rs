//! The rule of the house: who may import whom. `host/ARCHITECTURE.md` is where it is written, and this is what
//! holds the code to it.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use source::{Kind, Token, files, quoted, read, repository, rows, section, tokens};

const IMPORTS: &str = "## Who may import whom";
const KEPT: &str = "## Crates kept to one place";
const PURE: &str = "## What `protocol` never names";

/// A path that a file names: from the root of our crate where it is ours, otherwise as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    line: usize,
    ours: bool,
    segments: Vec<String>,
}

/// Every path in a file of this module, in whatever way it is spelt: in `use`, in groups, in expressions, by
/// `super`, in macros, and in attributes that hold a path as text.
fn named(source: &str, module: &[String]) -> Vec<Named> {
    let tokens = tokens(source);
    let mut scan = Scan { tokens: &tokens, at: 0, found: Vec::new() };
    scan.all(module);
    scan.found
}

struct Scan<'a> {
    tokens: &'a [Token],
    at: usize,
    found: Vec<Named>,
}

impl Scan<'_> {
    fn all(&mut self, module: &[String]) {
        // One entry for each open brace: the name of the module it opened, if it did.
        let mut open: Vec<Option<String>> = Vec::new();
        while let Some(token) = self.tokens.get(self.at) {
            let here = || module.iter().cloned().chain(open.iter().flatten().cloned()).collect::<Vec<_>>();
            match &token.kind {
                Kind::Mark('{') => {
                    let name = match self.tokens[..self.at].last_chunk::<2>() {
                        Some([module, Token { kind: Kind::Word(name), .. }]) if module.is("mod") => Some(name.clone()),
                        _ => None,
                    };
                    open.push(name);
                    self.at += 1;
                }
                Kind::Mark('}') => {
                    open.pop();
                    self.at += 1;
                }
                Kind::Text(text) => {
                    let line = token.line;
                    if is_path(text) {
                        let inner = tokens(text);
                        let mut scan = Scan { tokens: &inner, at: 0, found: Vec::new() };
                        scan.all(&here());
                        self.found.extend(scan.found.into_iter().map(|named| Named { line, ..named }));
                    }
                    self.at += 1;
                }
                Kind::Word(word) if self.begins_path(word) => {
                    let here = here();
                    self.tree(&Named { line: token.line, ours: false, segments: Vec::new() }, &here, true);
                }
                _ => self.at += 1,
            }
        }
    }

    /// `a::…`, `use a`, and the two ways to give our crate another name: `use crate as a`, `extern crate self as a`.
    fn begins_path(&self, word: &str) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        let after = self.tokens.get(self.at + 1);
        if before.is_some_and(|token| token.kind == Kind::Colons) {
            return false;
        }
        after.is_some_and(|token| token.kind == Kind::Colons)
            || before.is_some_and(|token| token.is("use"))
            || (word == "crate" && after.is_some_and(|token| matches!(token.kind, Kind::Word(_))))
    }

    /// One path, or the branches of a group, from here on.
    fn tree(&mut self, stem: &Named, here: &[String], first: bool) {
        let mut path = stem.clone();
        let mut first = first;
        while let Some(token) = self.tokens.get(self.at) {
            match &token.kind {
                Kind::Word(word) => {
                    if first {
                        path.line = token.line;
                    }
                    match (word.as_str(), first) {
                        ("crate" | "ciba_host", true) => path.ours = true,
                        ("self" | "super", true) => {
                            path.ours = true;
                            path.segments = here.to_vec();
                            if word == "super" {
                                path.segments.pop();
                            }
                        }
                        ("super", false) => drop(path.segments.pop()),
                        ("self", false) => {}
                        (name, _) => path.segments.push(name.to_owned()),
                    }
                    self.at += 1;
                }
                Kind::Mark('*') => {
                    path.segments.push("*".to_owned());
                    self.at += 1;
                }
                Kind::Mark('{') => {
                    self.at += 1;
                    self.group(&path, here, first);
                    return;
                }
                // Something else that `::` led to: generic arguments, for the most part.
                _ => break,
            }
            first = false;
            if self.tokens.get(self.at).is_none_or(|token| token.kind != Kind::Colons) {
                break;
            }
            self.at += 1;
        }
        self.found.push(path);
    }

    fn group(&mut self, path: &Named, here: &[String], first: bool) {
        while let Some(token) = self.tokens.get(self.at) {
            if token.is_mark('}') {
                self.at += 1;
                return;
            }
            match &token.kind {
                Kind::Mark(',') => self.at += 1,
                // Another name for what was just read.
                Kind::Word(word) if word == "as" => self.at += 2,
                Kind::Word(_) | Kind::Mark('*' | '{') => {
                    let branch = Named { line: token.line, ..path.clone() };
                    self.tree(&branch, here, first);
                }
                _ => self.at += 1,
            }
        }
    }
}

/// Whether a literal is a path of ours and nothing else, as attributes of macros take it.
fn is_path(text: &str) -> bool {
    let mut segments = text.split("::");
    let first = segments.next().unwrap_or_default();
    matches!(first, "crate" | "super" | "self" | "ciba_host")
        && text.contains("::")
        && segments.all(|segment| !segment.is_empty() && segment.chars().all(|c| c.is_alphanumeric() || c == '_'))
}

/// What the document allows.
struct Rules {
    /// Rooms from the highest to the lowest, each with those it may import.
    imports: Vec<(String, BTreeSet<String>)>,
    /// Crates of others, each with the places that may name it.
    kept: Vec<(String, Vec<String>)>,
    /// What `protocol/` may not name.
    impure: Vec<String>,
}

impl Rules {
    fn read() -> Self {
        let document = read(&repository().join("host/ARCHITECTURE.md"));
        let one = |cell: &str| quoted(cell).into_iter().next().unwrap_or_default();
        Self {
            imports: rows(section(&document, IMPORTS)).iter().map(|row| (one(&row[0]), quoted(&row[1]).into_iter().collect())).collect(),
            kept: rows(section(&document, KEPT)).iter().map(|row| (one(&row[0]), quoted(&row[1]))).collect(),
            impure: rows(section(&document, PURE)).iter().flat_map(|row| quoted(&row[0])).collect(),
        }
    }

    fn may_import(&self, room: &str) -> Option<&BTreeSet<String>> {
        self.imports.iter().find(|(name, _)| name == room).map(|(_, allowed)| allowed)
    }

    /// What is wrong with naming this here, and the edge that was used.
    fn judge(&self, file: &str, room: &str, named: &Named) -> Result<Option<String>, String> {
        let at = format!("host/src/{file}:{}", named.line);
        if !named.ours {
            return self.judge_foreign(file, room, named).map(|()| None).map_err(|what| format!("{at}: {what}"));
        }
        let Some(to) = named.segments.first() else {
            return Err(format!("{at}: gives the whole crate another name, behind which imports cannot be seen"));
        };
        let Some(allowed) = self.may_import(room) else {
            return Err(format!("{at}: {room} is not a room of host/ARCHITECTURE.md, and so imports nothing"));
        };
        if to == room {
            return Ok(None);
        }
        if self.may_import(to).is_none() {
            return Err(format!("{at}: names `crate::{to}`, which is not a room: name the room it lives in"));
        }
        if !allowed.contains(to) {
            let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
            let allowed = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
            return Err(format!("{at}: {room} -> {to} is not allowed; {room} may import {allowed}"));
        }
        if to == "config" && room != "cli" && named.segments.get(1).is_none_or(|name| name == "Config" || name == "*") {
            return Err(format!("{at}: only cli sees the whole configuration; {room} gets its own section"));
        }
        Ok(Some(to.clone()))
    }

    fn judge_foreign(&self, file: &str, room: &str, named: &Named) -> Result<(), String> {
        let path = named.segments.join("::");
        let first = named.segments.first().map_or("", String::as_str);
        for (krate, places) in &self.kept {
            if is_of(first, krate) && !places.iter().any(|place| file.starts_with(place.as_str())) {
                return Err(format!("names `{first}`, which is kept to {}", places.join(" and ")));
            }
        }
        if room == "protocol"
            && let Some(impure) = self.impure.iter().find(|impure| path == **impure || path.starts_with(&format!("{impure}::")))
        {
            return Err(format!("names `{impure}`, and protocol/ does no I/O, reads no clock and keeps no log"));
        }
        Ok(())
    }
}

/// `wasmtime_wasi` is of `wasmtime` too.
fn is_of(name: &str, krate: &str) -> bool {
    name.strip_prefix(krate).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

/// Where a file of `host/src` is: its path, its room, and its module.
fn place_of(file: &Path) -> (String, String, Vec<String>) {
    let mut module: Vec<String> = file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let room = module[0].clone();
    if module.last().is_some_and(|last| last == "mod") || matches!(room.as_str(), "lib" | "main") {
        module.pop();
    }
    (file.to_string_lossy().into_owned(), room, module)
}

/// Every path that `host/src` names, with its file and its room.
fn everything_named() -> Vec<(String, String, Named)> {
    let root = repository().join("host/src");
    let mut all = Vec::new();
    for path in files(&root, ".rs") {
        let (file, room, module) = place_of(path.strip_prefix(&root).unwrap());
        all.extend(named(&read(&path), &module).into_iter().map(|named| (file.clone(), room.clone(), named)));
    }
    assert!(all.len() > 1000, "only {} paths were found: the scanner has gone blind", all.len());
    all
}

#[test]
fn no_room_imports_what_the_document_does_not_allow() {
    let rules = Rules::read();
    let wrong: Vec<String> = everything_named().iter().filter_map(|(file, room, named)| rules.judge(file, room, named).err()).collect();
    assert!(wrong.is_empty(), "see host/ARCHITECTURE.md:\n  {}", wrong.join("\n  "));
}

#[test]
fn the_document_allows_nothing_that_the_code_does_not_do() {
    let rules = Rules::read();
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let everything = everything_named();
    for (file, room, named) in &everything {
        if let Ok(Some(to)) = rules.judge(file, room, named) {
            used.entry(room.clone()).or_default().insert(to);
        }
    }
    for (room, allowed) in &rules.imports {
        let unused: Vec<&String> = allowed.iter().filter(|to| !used.get(room).is_some_and(|used| used.contains(*to))).collect();
        assert!(unused.is_empty(), "host/ARCHITECTURE.md lets {room} import {unused:?}, which it no longer does: take it out");
    }
    for (krate, places) in &rules.kept {
        for place in places {
            let named_there = everything.iter().any(|(file, _, named)| {
                !named.ours && file.starts_with(place.as_str()) && named.segments.first().is_some_and(|name| is_of(name, krate))
            });
            assert!(named_there, "host/ARCHITECTURE.md keeps {krate} to {place}, which does not name it: take it out");
        }
    }
}

#[test]
fn imports_point_down_only() {
    let rules = Rules::read();
    for (number, (room, allowed)) in rules.imports.iter().enumerate() {
        for to in allowed {
            let below = rules.imports[number + 1..].iter().any(|(name, _)| name == to);
            assert!(below, "host/ARCHITECTURE.md lets {room} import {to}, which does not stand below it");
        }
    }
}

#[test]
fn every_room_is_in_the_document_and_in_lib_rs() {
    let root = repository().join("host/src");
    let entries = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path());
    let rooms: BTreeSet<String> =
        entries.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).filter(|name| name != "lib").collect();
    let written: BTreeSet<String> = Rules::read().imports.into_iter().map(|(room, _)| room).collect();
    assert_eq!(rooms, written, "the entries of host/src, and the rooms of host/ARCHITECTURE.md");
    let tokens = tokens(&read(&root.join("lib.rs")));
    let declared = tokens.windows(2).filter(|pair| pair[0].is("mod")).map(|pair| match &pair[1].kind {
        Kind::Word(name) => name.clone(),
        other => panic!("mod {other:?}"),
    });
    let declared: BTreeSet<String> = declared.chain(["main".to_owned()]).collect();
    assert_eq!(rooms, declared, "the entries of host/src, and the modules of lib.rs");
}

#[test]
fn the_document_has_every_table_that_is_read_here() {
    let rules = Rules::read();
    assert!(rules.imports.len() >= 11 && rules.kept.len() >= 2 && rules.impure.len() >= 5);
    for krate in ["wasmtime", "rusqlite"] {
        assert!(rules.kept.iter().any(|(name, _)| name == krate), "{krate} has one place, and the document says which");
    }
}

mod the_scanner {
    use super::*;

    fn module(path: &str) -> Vec<String> {
        path.split("::").map(str::to_owned).collect()
    }

    fn rules() -> Rules {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Rules {
            imports: vec![
                ("cli".to_owned(), set(&["http", "config"])),
                ("http".to_owned(), set(&["flow", "config"])),
                ("flow".to_owned(), set(&["protocol"])),
                ("config".to_owned(), set(&[])),
                ("protocol".to_owned(), set(&[])),
            ],
            kept: vec![("wasmtime".to_owned(), vec!["flow/".to_owned()])],
            impure: vec!["std::fs".to_owned(), "tokio".to_owned()],
        }
    }

    fn wrongs(source: &str, in_module: &str) -> Vec<String> {
        let module = module(in_module);
        let file = format!("{}.rs", module.join("/"));
        named(source, &module).iter().filter_map(|named| rules().judge(&file, &module[0], named).err()).collect()
    }

    #[test]
    fn sees_a_forbidden_edge_in_each_spelling() {
        for source in [
            "use crate::http::App;",
            "use crate::http;",
            "pub(crate) use crate::http as door;",
            "use crate::{http, protocol};",
            "use crate::{protocol::error::{self, ErrorCode}, http::{views::{Secret}}};",
            "use {crate::http::App, std::fs};",
            "use {std::fs, crate::{http}};",
            "fn f() { crate::http::serve() }",
            "fn f() -> Vec<crate::http::App> { Vec::new() }",
            "fn f() { Vec::<crate::http::App>::new(); }",
            "use super::super::http;",
            "use super::{Flow, super::{http::App}};",
            "use self::super::super::http;",
            "fn f() { super::super::http::serve() }",
            "mod tests { use super::super::super::http::App; }",
            "mod tests { mod deeper { use super::super::super::super::http::App; } }",
            "fn f() { if true { super::super::http::serve() } }",
            "use ciba_host::http;",
            "macro_rules! m { () => { $crate::http::serve() } }",
            "#[serde(with = \"crate::http::seconds\")] struct A;",
            "#[serde(with = r#\"super::super::http\"#)] struct A;",
            "/* a /* nested */ comment */ use crate /* here */ :: http;",
            "const A: char = '\"'; use crate::http; const B: char = '\"';",
            "const A: char = '\\''; use crate::http; const B: &str = \"'\";",
            "fn f<'a>(a: &'a str) { crate::http::serve(a) }",
        ] {
            // As `flow/start.rs` would say it: three modules up is the root for what stands in a module of its own.
            let found = wrongs(source, "flow::start");
            assert_eq!(found.len(), 1, "{source}: {found:?}");
            assert!(found[0].contains("flow -> http is not allowed"), "{source}: {found:?}");
        }
    }

    #[test]
    fn sees_through_what_would_hide_an_edge() {
        for (source, says) in [
            ("use crate as host;", "another name"),
            ("extern crate self as host;", "another name"),
            ("use super::super as host;", "another name"),
            ("use crate::{self as host};", "another name"),
            ("use crate::*;", "not a room"),
            ("use super::super::*;", "not a room"),
            ("use crate::Flow;", "not a room"),
        ] {
            let found = wrongs(source, "flow::start");
            assert!(found.len() == 1 && found[0].contains(says), "{source}: {found:?}");
        }
    }

    #[test]
    fn lets_be_what_only_looks_like_an_edge() {
        for source in [
            "// use crate::http;",
            "/// See [`crate::http`].",
            "//! [`crate::http`]",
            "/* use crate::http; /* and */ crate::http */",
            "const A: &str = \"use crate::http::App;\";",
            "const A: &str = r#\"a \" crate::http\"#;",
            "pub(crate) fn http() {}",
            "pub(in crate::flow) fn http() {}",
            "use super::http;",
            "use self::http::App;",
            "mod tests { use super::*; use super::super::Flow; }",
            "use hyper::http::crate_name;",
            "use other::crate_::http;",
        ] {
            assert_eq!(wrongs(source, "flow::start"), Vec::<String>::new(), "{source}");
        }
    }

    #[test]
    fn says_file_line_edge_and_what_is_allowed() {
        let found = wrongs("// one\n/* two\n */ use std::{\n    fs,\n};\nuse crate::{\n    http,\n    protocol,\n};\n", "http::device");
        assert_eq!(found, ["host/src/http/device.rs:8: http -> protocol is not allowed; http may import config, flow"]);
    }

    #[test]
    fn lets_only_the_command_line_see_the_whole_configuration() {
        let whole = "only cli sees the whole configuration";
        for (source, in_module, wrong) in [
            ("use crate::config::Config;", "cli::serve", false),
            ("use crate::config::{Ciba, Strategy};", "http::device", false),
            ("use crate::config::{Ciba, Config};", "http::device", true),
            ("use crate::config;", "http::device", true),
            ("use crate::config::*;", "http::device", true),
            ("fn f(c: &crate::config::Config) {}", "http::device", true),
        ] {
            let found = wrongs(source, in_module);
            assert_eq!(found.iter().any(|found| found.contains(whole)), wrong, "{source}: {found:?}");
        }
    }

    #[test]
    fn keeps_a_crate_to_its_place_and_protocol_pure() {
        for (source, in_module, says) in [
            ("use wasmtime::Engine;", "flow::start", None),
            ("use wasmtime::Engine;", "http::device", Some("`wasmtime`, which is kept to flow/")),
            ("use wasmtime_wasi::p2;", "http::device", Some("`wasmtime_wasi`")),
            ("fn f() -> wasmtime::Result<()> {}", "http::device", Some("`wasmtime`")),
            ("use wasmtime;", "http::device", Some("`wasmtime`")),
            ("use wasmtimer::Engine;", "http::device", None),
            ("use std::fs;", "protocol::form", Some("`std::fs`")),
            ("use std::{fmt, fs::File};", "protocol::form", Some("`std::fs`")),
            ("fn f() { tokio::spawn(g()); }", "protocol::form", Some("`tokio`")),
            ("use std::fs;", "flow::start", None),
        ] {
            let found = wrongs(source, in_module);
            match says {
                Some(says) => assert!(found.len() == 1 && found[0].contains(says), "{source}: {found:?}"),
                None => assert_eq!(found, Vec::<String>::new(), "{source}"),
            }
        }
    }

    #[test]
    fn a_room_that_nobody_wrote_down_imports_nothing() {
        let found = wrongs("use crate::flow::Flow;", "attic::things");
        assert!(found[0].contains("attic is not a room"), "{found:?}");
        assert!(wrongs("pub use crate::flow::Flow;", "lib")[0].contains("lib is not a room"));
    }

    #[test]
    fn knows_where_a_file_is() {
        for (file, room, module) in [
            ("flow/mod.rs", "flow", "flow"),
            ("flow/start.rs", "flow", "flow::start"),
            ("http/demo/mod.rs", "http", "http::demo"),
            ("clock.rs", "clock", "clock"),
        ] {
            let (_, found_room, found_module) = place_of(Path::new(file));
            assert_eq!((found_room.as_str(), found_module.join("::").as_str()), (room, module), "{file}");
        }
        assert!(place_of(Path::new("main.rs")).2.is_empty());
    }
}
