//! The plugin folder is an inbox: what is dropped there serves, or is refused in plain words while the last good
//! version goes on.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use ciba_host::clock::Clock;
use ciba_host::outbound::{Door, Networks};
use ciba_host::protocol::plugin::{Permissions, PluginName};
use ciba_host::runtime::{Runtime, RuntimeConfig, Status};
use ciba_host::store::sqlite::SqliteStore;
use ciba_tests::console::Console;
use ciba_tests::cpu::Usage;
use ciba_tests::host::{Data, Host, guest, sample, steady, wait_for};
use ciba_tests::party::{Client, Phone, waiting_in};
use ciba_tests::shims::Shim;
use serde_json::Value;

/// Between the two halves of a file that is written in place.
const BETWEEN_HALVES: Duration = Duration::from_millis(300);

/// A host with a plugin folder, and alice, who is reached on the channel `inbox`.
struct Folder {
    host: Host,
}

impl Folder {
    /// With the demo's first plugin.
    fn demo() -> Self {
        Self::with_config("")
    }

    fn with_config(text: &str) -> Self {
        Self::of(Data::with_config(text).unwrap().demo().unwrap())
    }

    /// With version 1 of `steady` as the plugin `inbox`.
    fn steady() -> Self {
        let folder = Self::demo();
        folder.write("inbox.wasm", &steady(1));
        folder.wait_for_version("inbox", "0001");
        folder
    }

    fn of(host: Host) -> Self {
        host.data.must(&["user", "device", "alice", "--channel", "inbox"]).unwrap();
        Self { host }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.host.plugins().join(name)
    }

    fn cp(&self, from: &Path, name: &str) {
        assert!(Command::new("cp").arg(from).arg(self.file(name)).status().unwrap().success());
    }

    /// By `cp`, from a file beside the folder.
    fn write(&self, name: &str, content: &[u8]) {
        let beside = self.host.data.beside("next");
        fs::write(&beside, content).unwrap();
        self.cp(&beside, name);
    }

    fn plugin(&self, name: &str) -> Value {
        self.host.plugin(name).unwrap()
    }

    fn wait_for_plugin(&self, name: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        wait_for(&format!("{name} {what}"), || Ok(Some(self.host.plugin(name)?).filter(&is)))
            .unwrap_or_else(|error| panic!("{error}\n{:#}\n{}", self.plugin(name), self.host.log()))
    }

    fn wait_for_version(&self, name: &str, version: &str) -> Value {
        let is = |plugin: &Value| plugin["version"] == version && matches!(plugin["state"].as_str(), Some("serving" | "blocked"));
        self.wait_for_plugin(name, &format!("serves version {version}"), is)
    }

    fn wait_for_state(&self, name: &str, state: &str) -> Value {
        self.wait_for_plugin(name, &format!("is {state}"), |plugin| plugin["state"] == state)
    }

    /// Waits until the file was refused with a line that has these words, and everybody who should says so.
    fn wait_for_refusal(&self, name: &str, word: &str, says: &str) {
        let marked = format!("[{word}]: ");
        let is = |plugin: &Value| {
            let message = plugin["message"].as_str().unwrap_or_default();
            plugin["state"] == "refused" && message.starts_with(&marked) && message.contains(says)
        };
        let plugin = self.wait_for_plugin(name, &format!("is refused: {marked}{says}"), is);
        assert!(plugin["fix"].as_str().is_some_and(|fix| !fix.is_empty()), "nothing to do: {plugin:#}");
        let log = self.host.log();
        let lines: Vec<_> = log.lines().collect();
        let last = lines.iter().rposition(|line| line.contains(&format!("plugin {name}.wasm refused {marked}")) && line.contains(says));
        let still = lines[last.unwrap_or_else(|| panic!("not in the log: {marked}{says}\n{log}")) + 1];
        let text = self.host.data.must(&["plugin", "list"]).unwrap();
        let line = text.lines().find(|line| line.starts_with(name) && line.contains(&marked) && line.contains(says));
        assert!(line.is_some() && text.contains("\n  do: "), "{marked}{says}\n{text}");
        let console = Console::of(&self.host).unwrap();
        let serving = plugin["version"].as_str();
        for page in [console.text("/").unwrap(), console.text(&format!("/plugins/{name}")).unwrap()] {
            assert!(page.contains(says) && page.contains(word), "{page}");
            assert!(serving.is_none() || page.contains("refused, ") && page.contains(" still serving"), "{page}");
        }
        match serving {
            Some(version) => assert!(still.contains(&format!("still serving: {name} {version} (")), "{still}"),
            None => assert!(still.contains("nothing serves under this name"), "{still}"),
        }
    }

    fn requests(&self) -> Vec<Value> {
        self.host.data.json(&["request", "list"]).unwrap().as_array().unwrap().clone()
    }

    /// Asks alice. The new request's transaction.
    fn ask(&self) -> String {
        self.ask_user("alice")
    }

    fn ask_user(&self, user: &str) -> String {
        let known: Vec<_> = self.requests().iter().map(transaction).collect();
        Client::demo(&self.host).start(user).unwrap();
        let new = self.requests().iter().map(transaction).find(|transaction| !known.contains(transaction));
        new.expect("an acknowledged request is listed")
    }

    fn notified(&self, transaction: &str) -> Vec<Value> {
        let shown = self.host.data.json(&["request", "show", transaction]).unwrap();
        shown["notified"].as_array().unwrap().clone()
    }

    /// Waits until so many devices were reached: by which plugin in which version, in this order.
    fn wait_for_notified(&self, transaction: &str, devices: usize) -> Vec<String> {
        let name = |notified: &Value| format!("{} {}", notified["plugin"].as_str().unwrap(), notified["version"].as_str().unwrap());
        let notified = || Ok(Some(self.notified(transaction)).filter(|notified| notified.len() == devices));
        let notified = wait_for("the notification", notified).unwrap_or_else(|error| panic!("{error}\n{}", self.host.log()));
        notified.iter().map(name).collect()
    }

    /// A new request is notified by this plugin in this version.
    fn assert_notifies(&self, plugin_and_version: &str) {
        assert_eq!(self.wait_for_notified(&self.ask(), 1), [plugin_and_version]);
    }

    fn count_in_log(&self, text: &str) -> usize {
        self.host.log().matches(text).count()
    }
}

fn transaction(request: &Value) -> String {
    request["transaction"].as_str().unwrap().to_owned()
}

/// Where a component can be cut and still look whole: after its header and after each of its sections.
fn section_ends(component: &[u8]) -> Vec<usize> {
    let mut ends = vec![8];
    let mut at = 8;
    while at < component.len() {
        let (mut length, mut shift) = (0, 0);
        loop {
            at += 1;
            length |= usize::from(component[at] & 0x7f) << shift;
            shift += 7;
            if component[at] & 0x80 == 0 {
                break;
            }
        }
        at += 1 + length;
        ends.push(at);
    }
    assert_eq!(ends.pop(), Some(component.len()));
    ends
}

#[test]
fn a_file_serves_however_it_arrives() {
    let folder = Folder::demo();
    let file = folder.file("inbox.wasm");
    let id = folder.host.id();

    folder.write("inbox.wasm", &steady(1));
    folder.wait_for_version("inbox", "0001");
    folder.assert_notifies("inbox 0001");

    // Over the one that lies there, without emptying it first.
    let mut open = File::options().write(true).open(&file).unwrap();
    open.write_all(&steady(2)).unwrap();
    drop(open);
    folder.wait_for_version("inbox", "0002");

    let unseen = folder.file(".inbox.wasm.new");
    fs::write(&unseen, steady(3)).unwrap();
    fs::rename(&unseen, &file).unwrap();
    folder.wait_for_version("inbox", "0003");

    // A symbolic link that is swapped.
    let releases = folder.host.data.beside("releases");
    for version in 4..=7 {
        fs::create_dir_all(releases.join(version.to_string())).unwrap();
        fs::write(releases.join(format!("{version}/inbox.wasm")), steady(version)).unwrap();
    }
    for version in 4..=5 {
        symlink(releases.join(format!("{version}/inbox.wasm")), &unseen).unwrap();
        fs::rename(&unseen, &file).unwrap();
        folder.wait_for_version("inbox", &format!("000{version}"));
    }

    // A link that is swapped further up, of which nothing happens in the folder itself.
    let current = releases.join("current");
    symlink("6", &current).unwrap();
    symlink(current.join("inbox.wasm"), &unseen).unwrap();
    fs::rename(&unseen, &file).unwrap();
    folder.wait_for_version("inbox", "0006");
    symlink("7", releases.join("next")).unwrap();
    fs::rename(releases.join("next"), &current).unwrap();
    folder.wait_for_version("inbox", "0007");
    folder.assert_notifies("inbox 0007");

    // A new name is a new plugin.
    folder.cp(&guest("elsewhere"), "elsewhere.wasm");
    folder.wait_for_version("elsewhere", "1.0.0");
    assert_eq!(folder.host.id(), id);
    assert_eq!(folder.count_in_log("refused"), 0, "{}", folder.host.log());
    let named =
        folder.host.log().lines().filter(|line| line.contains("plugin inbox: 0007 (") && line.contains(", replaced 0006 (")).count();
    assert_eq!(named, 1, "{}", folder.host.log());
}

/// `install`, and `mv` from another file system, remove the old file before they write the new one. Whoever looks in
/// between finds nothing.
#[test]
fn a_file_that_is_removed_and_written_anew_never_stops() {
    let folder = Folder::steady();
    let file = folder.file("inbox.wasm");
    folder.write("inbox.toml", b"[settings]\nwait_ms = 1\n");
    folder.wait_for_plugin("inbox", "has its settings", |plugin| plugin["settings"]["wait_ms"] == 1);
    for version in 2..=4 {
        fs::remove_file(&file).unwrap();
        std::thread::sleep(BETWEEN_HALVES);
        fs::write(&file, steady(version)).unwrap();
        folder.wait_for_version("inbox", &format!("{version:04}"));
    }
    for version in 5..=8 {
        let beside = folder.host.data.beside("next");
        fs::write(&beside, steady(version)).unwrap();
        assert!(Command::new("install").args(["-m", "644"]).arg(&beside).arg(&file).status().unwrap().success());
        folder.wait_for_version("inbox", &format!("{version:04}"));
    }
    // Nor does it ever run without its settings.
    fs::remove_file(folder.file("inbox.toml")).unwrap();
    std::thread::sleep(BETWEEN_HALVES);
    fs::write(folder.file("inbox.toml"), "[settings]\nwait_ms = 2\n").unwrap();
    folder.wait_for_plugin("inbox", "has its new settings", |plugin| plugin["settings"]["wait_ms"] == 2);
    // A link that leads nowhere for a moment is like a file that nobody may read yet.
    let (unseen, target) = (folder.file(".inbox.wasm.new"), folder.host.data.beside("target.wasm"));
    symlink(&target, &unseen).unwrap();
    fs::rename(&unseen, &file).unwrap();
    std::thread::sleep(BETWEEN_HALVES);
    fs::write(&target, steady(9)).unwrap();
    folder.wait_for_version("inbox", "0009");

    assert_eq!(folder.count_in_log("any more"), 0, "{}", folder.host.log());
    assert_eq!(folder.count_in_log("refused"), 0, "{}", folder.host.log());
    // The first, its settings, seven versions, other settings, and the last.
    assert_eq!(folder.count_in_log("plugin inbox: 000"), 11, "{}", folder.host.log());
    folder.assert_notifies("inbox 0009");
}

#[test]
fn what_is_removed_stops_and_the_operator_is_told_what_no_longer_happens() {
    let folder = Folder::steady();
    let phone = Phone::of(&folder.host, "alice").unwrap();
    fs::remove_file(folder.file("inbox.wasm")).unwrap();
    let plugin = folder.wait_for_state("inbox", "removed");
    let sentence = "its file was removed; nobody is notified on the channel inbox any more";
    assert_eq!(plugin["message"], sentence);
    assert_eq!(plugin["version"], Value::Null);
    assert!(folder.host.log().contains(&format!("WARN plugin inbox: {sentence}")), "{}", folder.host.log());
    let console = Console::of(&folder.host).unwrap();
    for page in [console.text("/").unwrap(), console.text("/plugins/inbox").unwrap()] {
        assert!(page.contains(sentence), "{page}");
    }

    // The request waits, nobody was told, and the person finds it when they look.
    let transaction = folder.ask();
    let unheard = format!("transaction={transaction} channel=\"inbox\"");
    let told = || Ok(folder.host.log().lines().any(|line| line.contains("nobody was notified") && line.contains(&unheard)).then_some(()));
    wait_for("the log says that nobody was notified", told).unwrap_or_else(|error| panic!("{error}\n{}", folder.host.log()));
    let shown = folder.host.data.json(&["request", "show", &transaction]).unwrap();
    assert_eq!((&shown["state"], &shown["notified"]), (&"pending".into(), &Value::Array(Vec::new())));
    assert!(phone.waiting().unwrap().is_empty(), "a card appeared although no plugin put it there");
    assert_eq!(waiting_in(&phone.check().unwrap()), std::slice::from_ref(&transaction));
    let decided = phone.decide(&transaction, "approve").unwrap();
    assert!(decided.status < 400, "{}", decided.text());

    // Another that waits is notified as soon as there is a plugin again.
    let transaction = folder.ask();
    folder.write("inbox.wasm", &steady(2));
    assert_eq!(folder.wait_for_notified(&transaction, 2), ["inbox 0002", "inbox 0002"]);
}

/// Stopping is something that happens once, not something that goes on.
#[test]
fn a_host_without_its_plugin_has_nothing_to_do() {
    let folder = Folder::steady();
    fs::remove_file(folder.file("inbox.wasm")).unwrap();
    folder.wait_for_state("inbox", "removed");
    let before = Usage::of(folder.host.id()).unwrap().processor;
    std::thread::sleep(Duration::from_secs(2));
    let used = Usage::of(folder.host.id()).unwrap().processor - before;
    assert!(used < Duration::from_secs(1), "it used {used:?} of 2 s for nothing");
    assert_eq!(folder.plugin("inbox")["events"].as_array().unwrap().iter().filter(|event| event["kind"] == "stopped").count(), 1);
}

#[test]
fn a_file_that_ends_in_the_middle_is_waited_for_and_then_refused() {
    let folder = Folder::steady();
    let good = steady(2);
    folder.write("inbox.wasm", &good[..good.len() / 2]);
    let waiting = folder.wait_for_state("inbox", "waiting");
    assert_eq!(waiting["version"], "0001", "the last good version serves");
    assert!(Console::of(&folder.host).unwrap().text("/").unwrap().contains("waiting, 0001 still serving"));
    folder.assert_notifies("inbox 0001");
    folder.wait_for_refusal("inbox", "truncated", &format!("it ends in the middle, after {} bytes", good.len() / 2));
    folder.assert_notifies("inbox 0001");
    // The rest, late, is not too late.
    File::options().append(true).open(folder.file("inbox.wasm")).unwrap().write_all(&good[good.len() / 2..]).unwrap();
    folder.wait_for_version("inbox", "0002");
    assert_eq!(folder.count_in_log("refused"), 1, "{}", folder.host.log());
}

#[test]
fn a_file_that_arrives_in_two_halves_is_taken_and_never_refused() {
    let folder = Folder::steady();
    let whole = steady(1).len();
    let mut cuts = section_ends(&steady(1));
    cuts.extend([0, 3, whole / 2, whole - 1]);
    for (number, cut) in cuts.iter().enumerate() {
        let version = number + 2;
        let good = steady(version);
        let mut open = File::create(folder.file("inbox.wasm")).unwrap();
        open.write_all(&good[..*cut]).unwrap();
        std::thread::sleep(BETWEEN_HALVES);
        open.write_all(&good[*cut..]).unwrap();
        drop(open);
        folder.wait_for_version("inbox", &format!("{version:04}"));
        assert_eq!(folder.count_in_log("refused"), 0, "cut at {cut} of {whole}\n{}", folder.host.log());
        assert_eq!(folder.count_in_log("any more"), 0, "cut at {cut} of {whole}\n{}", folder.host.log());
    }
    let events = folder.plugin("inbox")["events"].clone();
    assert!(events.as_array().unwrap().iter().all(|event| event["kind"] == "serving"), "{events:#}");
}

/// A component of these sections, none of them long.
fn component(sections: &[(u8, &[u8])]) -> Vec<u8> {
    let sections = sections.iter().flat_map(|(id, section)| [&[*id, section.len() as u8], *section].concat());
    b"\0asm\x0d\0\x01\0".iter().copied().chain(sections).collect()
}

/// A section of any length.
fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [vec![id], leb128(content.len()), content.to_vec()].concat()
}

/// An unsigned number (WebAssembly 5.2.2).
fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A component that exports a type under so many names.
fn of_many_exports(count: usize) -> Vec<u8> {
    let export = |number: usize| {
        let name = format!("e{number}");
        [vec![0], leb128(name.len()), name.into_bytes(), vec![3, 0, 0]].concat()
    };
    let exports: Vec<u8> = (0..count).flat_map(export).collect();
    let exports = [leb128(count), exports].concat();
    [b"\0asm\x0d\0\x01\0".to_vec(), section(7, &[1, 0x7d]), section(11, &exports)].concat()
}

/// A component that imports an interface that nobody has.
fn of_unknown_import() -> Vec<u8> {
    const NAME: &[u8] = b"evil:kernel/ring-zero@1.0.0";
    let import = [&[1, 0, NAME.len() as u8], NAME, &[5, 0]].concat();
    component(&[(7, &[1, 0x42, 0]), (10, &import)])
}

/// A component of some megabytes, all of it code of functions that nothing calls.
fn that_compiles_for_long() -> Vec<u8> {
    const FUNCTIONS: usize = 1_500;
    let body: Vec<u8> = {
        // Each step needs the one before, and all of them stay alive to the end: work for whoever hands out registers.
        const STEPS: usize = 600;
        let step = |number: usize| {
            let (from, to) = (leb128(number), leb128(number + 1));
            let constant = [&[0x42][..], &leb128(number % 64)].concat();
            [&[0x20][..], &from, &constant, &[0x7e], &[0x20], &from, &[0x79, 0x85, 0x22], &to, &[0x1a]].concat()
        };
        let sum: Vec<u8> = (0..STEPS).flat_map(|number| [&[0x20][..], &leb128(number), &[0x7c]].concat()).collect();
        let code: Vec<u8> = (0..STEPS).flat_map(step).collect();
        [&[1][..], &leb128(STEPS + 1), &[0x7e], &code, &[0x42, 0], &sum, &[0x0b]].concat()
    };
    let types = [1, 0x60, 1, 0x7e, 1, 0x7e];
    let functions = [leb128(FUNCTIONS), vec![0; FUNCTIONS]].concat();
    let code: Vec<u8> = (0..FUNCTIONS).flat_map(|_| [leb128(body.len()), body.clone()].concat()).collect();
    let code = [leb128(FUNCTIONS), code].concat();
    let module = [b"\0asm\x01\0\0\0".to_vec(), section(1, &types), section(3, &functions), section(10, &code)].concat();
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, &module)].concat()
}

/// Components that no toolchain of ours makes yet: one that imports an interface of WASI 0.3, one that exports it, and one that
/// has a type, `future<u8>`, which only compiles where such functions are switched on.
fn of_wasi_0_3(how: &str) -> Vec<u8> {
    const NAME: &[u8] = b"wasi:clocks/system-clock@0.3.0";
    let named = |kind: &[u8]| [&[1, 0, NAME.len() as u8], NAME, kind].concat();
    let (types, imports, instances, exports) = (7, 10, 5, 11);
    let instance_type = &[1, 0x42, 0];
    match how {
        "imports" => component(&[(types, instance_type), (imports, &named(&[5, 0]))]),
        "exports" => component(&[(instances, &[1, 1, 0]), (exports, &named(&[5, 0, 0]))]),
        _ => component(&[(types, &[2, 0x42, 0, 0x65, 1, 0x7d]), (imports, &named(&[5, 0]))]),
    }
}

/// What each of these guests would do wrong is found before it serves.
#[test]
fn a_bad_file_is_refused_in_plain_words_and_the_last_good_version_serves() {
    let folder = Folder::steady();
    let script = folder.host.data.beside("script");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    let empty = folder.host.data.beside("empty");
    fs::write(&empty, component(&[])).unwrap();
    let of_wasi_0_3 = ["imports", "exports", "has-futures"].map(|how| {
        let file = folder.host.data.beside(how);
        fs::write(&file, of_wasi_0_3(how)).unwrap();
        file
    });
    let [imports_wasi_0_3, exports_wasi_0_3, has_futures] = of_wasi_0_3;
    let [many_exports, unknown_import] =
        [("many-exports", of_many_exports(5_000)), ("imports-more", of_unknown_import())].map(|(name, bytes)| {
            let file = folder.host.data.beside(name);
            fs::write(&file, bytes).unwrap();
            file
        });
    // What the host made of a component itself, without its seal.
    let cached = fs::read_dir(folder.host.data.path().join("cache")).unwrap().map(|entry| entry.unwrap().path()).next().unwrap();
    let machine_code = folder.host.data.beside("machine-code");
    fs::write(&machine_code, &fs::read(cached).unwrap()[32..]).unwrap();
    for (number, (file, word, says)) in [
        (machine_code, "not-wasm", "this is not a WebAssembly file"),
        (many_exports, "too-many-exports", "exports more than 100 things"),
        (unknown_import, "unknown-import", "imports evil:kernel/ring-zero@1.0.0, which this host does not have"),
        (script, "not-wasm", "this is not a WebAssembly file"),
        (sample("broken.wasm"), "not-a-component", "this is a core module"),
        (empty, "not-a-plugin", "by which a plugin says who it is"),
        (guest("other-world"), "not-a-plugin", "by which a plugin says who it is"),
        (guest("later-contract"), "contract-version", "exports ciba:interception/notify@2.0.0; this host speaks 1.x"),
        (guest("earlier-contract"), "contract-version", "exports ciba:interception/notify@0.1.0; this host speaks 1.x"),
        (guest("second-contract"), "contract-version", "exports ciba:interception/review-request@2.0.0; this host speaks 1.x"),
        (imports_wasi_0_3, "wasi-version", "imports wasi:clocks/system-clock@0.3.0, which is of WASI 0.3; this host has WASI 0.2"),
        (exports_wasi_0_3, "wasi-version", "exports wasi:clocks/system-clock@0.3.0, which is of WASI 0.3"),
        (has_futures, "wasi-version", "speaks wasi:clocks/system-clock@0.3.0, which is of WASI 0.3"),
        (guest("unknown-hook"), "unknown-hook", "telepathy@1.0.0, which is not a hook of this host"),
        (guest("unknown-import"), "contract-version", "telepathy@1.0.0, which this host does not have"),
        (guest("traps-at-describe"), "trial", "describe: [trap]"),
        (guest("bad-settings"), "settings", "/url: is not what this guest wants; settings: nor anything else\\n\\u{1b}[2JINFO"),
        (guest("asks-too-much"), "describe", "it needs HTTP to `https://$(touch taken).example`, which is not an origin"),
    ]
    .into_iter()
    .enumerate()
    {
        folder.cp(&file, "inbox.wasm");
        folder.wait_for_refusal("inbox", word, says);
        // The next good one is taken as if nothing had been.
        folder.assert_notifies(&format!("inbox {:04}", number + 1));
        folder.write("inbox.wasm", &steady(number + 2));
        folder.wait_for_version("inbox", &format!("{:04}", number + 2));
    }
    assert!(!folder.host.log().contains('\u{1b}'), "{}", folder.host.log());
}

/// What compiles for minutes is given up, and holds up no other file.
#[test]
fn a_file_that_takes_minutes_to_compile_is_refused_and_another_serves_meanwhile() {
    let folder = Folder::with_config("[plugins]\ncompile_seconds = 5\n");
    folder.write("inbox.wasm", &steady(1));
    folder.wait_for_version("inbox", "0001");
    folder.write("inbox.wasm", &that_compiles_for_long());
    folder.wait_for_refusal("inbox", "compile-time", "compiling it took more than 5 s");
    folder.assert_notifies("inbox 0001");
    // The thread that compiles has not ended, and need not.
    folder.write("inbox.wasm", &steady(2));
    folder.wait_for_version("inbox", "0002");
    folder.assert_notifies("inbox 0002");
}

#[test]
fn what_is_no_plain_file_or_has_no_good_name_is_refused_and_holds_nothing_up() {
    let folder = Folder::steady();
    assert!(Command::new("mkfifo").arg(folder.file("pipe.wasm")).status().unwrap().success());
    fs::create_dir(folder.file("directory.wasm")).unwrap();
    symlink("/nowhere", folder.file("dangling.wasm")).unwrap();
    symlink("/dev/zero", folder.file("endless.wasm")).unwrap();
    File::create(folder.file("large.wasm")).unwrap().set_len(65 << 20).unwrap();
    folder.cp(&guest("steady"), "no good name.wasm");
    folder.wait_for_refusal("pipe", "unreadable", "pipe.wasm: not a file");
    folder.wait_for_refusal("directory", "unreadable", "directory.wasm: not a file");
    folder.wait_for_refusal("dangling", "unreadable", "dangling.wasm: No such file or directory");
    folder.wait_for_refusal("endless", "unreadable", "endless.wasm: not a file");
    folder.wait_for_refusal("large", "too-large", "longer than the 65536 KiB that are read");
    assert_eq!(folder.count_in_log("was not taken [name]: `no good name` cannot be a plugin's name"), 1, "{}", folder.host.log());
    folder.write("inbox.wasm", &steady(2));
    folder.wait_for_version("inbox", "0002");
}

#[test]
fn a_settings_file_goes_through_the_same_check_and_is_live_at_once() {
    let folder = Folder::demo();
    let phone = Phone::of(&folder.host, "alice").unwrap();
    folder.write("inbox.toml", b"[settings]\nnote = 'We never phone you'\n");
    let changed = |note: &'static str| {
        move |plugin: &Value| plugin["state"] == "serving" && plugin["settings"] == serde_json::json!({ "note": note })
    };
    folder.wait_for_plugin("inbox", "serves with its settings", changed("We never phone you"));
    let version = folder.plugin("inbox")["version"].as_str().unwrap().to_owned();
    folder.ask();
    let card = || Ok(phone.cards()?.contains("We never phone you").then_some(()));
    wait_for("a card with the note of the settings", card).unwrap();

    for (text, word, says) in [
        ("mdoe = 'off'\n", "settings-file", "inbox.toml:1: unknown field `mdoe`"),
        ("mode = 'on'\n", "settings-file", "inbox.toml:1: unknown variant `on`"),
        ("order = 1\nenabled = false\n", "settings-file", "inbox.toml:2: `enabled` is not a key of it: write `mode = \"off\"`"),
        ("mode = 'enforce'\nodrer = 1\n", "settings-file", "inbox.toml:2: unknown field `odrer`"),
        ("mode = 'enforce'\n\n[settigns]\nnote = 'x'\n", "settings-file", "inbox.toml:3: unknown field `settigns`"),
        ("mode = \n", "settings-file", "inbox.toml:1: "),
        ("mode = 'enforce'\norder = 'first'\n", "settings-file", "inbox.toml:2: invalid type"),
        ("[settings]\nnote = 7\n", "settings", "/note: "),
        ("[settings]\nnoet = 'x'\n", "settings", "noet"),
        ("[settings]\nnote = \"two\\nlines\"\n", "settings", "/note: must be one line of plain text"),
        ("[settings]\nnote = { file = 'nowhere' }\n", "settings", "/note: a secret cannot be read"),
        ("[settings]\nnote = { env = 'CIBA_HOST_NOWHERE' }\n", "settings", "/note: the environment has no variable CIBA_HOST_NOWHERE"),
        ("[settings]\nnote = { file = '/dev/zero' }\n", "settings", "not a file"),
        ("[asks]\nhttp = ['https://a.example/path']\n", "settings-file", "`https://a.example/path` in [asks] is not an origin"),
    ] {
        folder.write("inbox.toml", text.as_bytes());
        folder.wait_for_refusal("inbox", word, says);
        let plugin = folder.plugin("inbox");
        assert_eq!((&plugin["version"], &plugin["settings"]["note"]), (&version.as_str().into(), &"We never phone you".into()), "{text}");
    }
    // Not UTF-8 is not a question of settings either.
    folder.write("inbox.toml", b"[settings]\nnote = '\xff'\n");
    folder.wait_for_refusal("inbox", "settings-file", "inbox.toml is not UTF-8");

    folder.write("inbox.toml", b"[settings]\nnote = 'Good again'\n");
    folder.wait_for_plugin("inbox", "serves with its settings", changed("Good again"));
    fs::remove_file(folder.file("inbox.toml")).unwrap();
    folder.wait_for_plugin("inbox", "serves without settings", |plugin| {
        plugin["state"] == "serving" && plugin["settings"] == serde_json::json!({})
    });
}

#[test]
fn a_plugin_that_is_turned_off_stops_and_stays_off_while_its_settings_are_rewritten() {
    let folder = Folder::steady();
    folder.write("inbox.toml", b"mode = 'off'\n");
    let plugin = folder.wait_for_state("inbox", "off");
    let sentence = "turned off: mode = \"off\" in its .toml file; nobody is notified on the channel inbox any more";
    assert_eq!(plugin["message"], sentence);
    assert!(folder.host.log().contains(sentence));
    let transaction = folder.ask();
    assert!(folder.notified(&transaction).is_empty());

    // An editor empties the file before it writes it.
    let mut open = File::create(folder.file("inbox.toml")).unwrap();
    folder.wait_for_state("inbox", "waiting");
    open.write_all(b"mode = 'off'\norder = 5\n").unwrap();
    drop(open);
    folder.wait_for_state("inbox", "off");
    assert_eq!(folder.count_in_log(") serving"), 2, "{}", folder.host.log());
    assert!(folder.notified(&transaction).is_empty());

    // It stays off over a restart.
    let folder = Folder { host: folder.host.stop().unwrap().demo().unwrap() };
    assert_eq!(folder.plugin("inbox")["state"], "off");
    folder.write("inbox.toml", b"mode = 'enforce'\n");
    folder.wait_for_version("inbox", "0001");
    assert_eq!(folder.wait_for_notified(&transaction, 1), ["inbox 0001"]);

    // Left empty, the file is a mistake.
    File::create(folder.file("inbox.toml")).unwrap();
    folder.wait_for_refusal("inbox", "settings-file", "inbox.toml is empty");
    folder.assert_notifies("inbox 0001");
}

#[test]
fn of_two_plugins_for_one_channel_the_second_waits_until_the_first_is_gone() {
    let folder = Folder::steady();
    folder.host.data.must(&["plugin", "allow", "second", "--inbox"]).unwrap();
    folder.write("second.wasm", &steady(2));
    folder.wait_for_refusal("second", "channel-taken", "it serves the channel `inbox`, which inbox serves already");
    folder.assert_notifies("inbox 0001");
    // A swap of the first changes nothing for the second, and says nothing again.
    folder.write("inbox.wasm", &steady(3));
    folder.wait_for_version("inbox", "0003");
    // That of an unrelated plugin neither.
    folder.cp(&guest("other-world"), "third.wasm");
    folder.wait_for_refusal("third", "not-a-plugin", "by which a plugin says who it is");
    fs::remove_file(folder.file("third.wasm")).unwrap();
    folder.wait_for_state("third", "removed");
    assert_eq!(folder.count_in_log("refused [channel-taken]"), 1, "{}", folder.host.log());

    fs::remove_file(folder.file("inbox.wasm")).unwrap();
    folder.wait_for_version("second", "0002");
    folder.assert_notifies("second 0002");

    // The other way to make room: the first takes another channel.
    folder.write("inbox.wasm", &steady(4));
    folder.wait_for_refusal("inbox", "channel-taken", "it serves the channel `inbox`, which second serves already");
    folder.cp(&guest("elsewhere"), "second.wasm");
    folder.wait_for_version("second", "1.0.0");
    folder.wait_for_version("inbox", "0004");
    folder.assert_notifies("inbox 0004");
}

/// The host has seen all of them before, so that nothing sets them apart.
#[test]
fn of_plugins_for_one_channel_that_come_together_one_serves() {
    const NAMES: [&str; 4] = ["one", "two", "three", "four"];
    let folder = Folder::demo();
    for version in 0..NAMES.len() {
        folder.write("inbox.wasm", &steady(version));
        folder.wait_for_version("inbox", &format!("{version:04}"));
    }
    let data = folder.host.stop().unwrap();
    fs::remove_file(data.path().join("plugins/inbox.wasm")).unwrap();
    for (version, name) in NAMES.iter().enumerate() {
        fs::write(data.path().join(format!("plugins/{name}.wasm")), steady(version)).unwrap();
    }
    let host = data.demo().unwrap();
    let states = NAMES.map(|name| host.plugin(name).unwrap()["state"].as_str().unwrap().to_owned());
    assert_eq!(states.iter().filter(|state| *state == "refused").count(), NAMES.len() - 1, "{states:?}\n{}", host.log());
}

/// Who served a channel keeps it, whatever another says of itself after a restart.
#[test]
fn a_plugin_that_names_other_channels_after_a_restart_gets_none_that_is_served() {
    let folder = Folder::steady();
    let until = Clock::System.now() + Duration::from_secs(4);
    folder.write("turncoat.wasm", &turncoat(until.as_second()));
    folder.wait_for_plugin("turncoat", "serves", |plugin| plugin["version"].is_string());
    assert_eq!(folder.count_in_log("refused"), 0, "{}", folder.host.log());
    let data = folder.host.stop().unwrap();
    // The guest counts whole seconds.
    let left = (until + Duration::from_secs(1)).duration_since(Clock::System.now());
    std::thread::sleep(Duration::try_from(left).unwrap_or_default());
    let folder = Folder { host: data.demo().unwrap() };
    folder.wait_for_refusal("turncoat", "channel-taken", "it serves the channel `inbox`, which inbox serves already");
    assert_eq!(folder.plugin("turncoat")["version"], Value::Null);
    folder.assert_notifies("inbox 0001");
}

/// The guest `turncoat`, which turns at this second.
fn turncoat(second: i64) -> Vec<u8> {
    const MARK: &[u8] = b"turncoat-at-0000000000";
    let mut bytes = fs::read(guest("turncoat")).unwrap();
    let at = bytes.windows(MARK.len()).position(|window| window == MARK).expect("the mark is in the guest");
    bytes[at + MARK.len() - 10..at + MARK.len()].copy_from_slice(format!("{second:010}").as_bytes());
    bytes
}

/// What takes long to compile is no reason for a person to find no page.
#[test]
fn the_host_serves_before_it_has_tried_everything() {
    const HEAVY: usize = 40;
    let data = Data::new().unwrap();
    fs::create_dir(data.path().join("plugins")).unwrap();
    for number in 0..HEAVY {
        // A section of its own at the end, or one compile would do for all.
        let mut bytes = fs::read(guest("heavy")).unwrap();
        bytes.extend([0, 3, 1, b'n', u8::try_from(number).unwrap()]);
        fs::write(data.path().join(format!("plugins/heavy{number}.wasm")), bytes).unwrap();
    }
    let folder = Folder::of(data.demo().unwrap());
    let tried =
        |plugins: &Value| plugins.as_array().unwrap().iter().filter(|plugin| plugin["name"].as_str().unwrap().starts_with("heavy")).count();
    let at_first = tried(&folder.host.data.json(&["plugin", "list"]).unwrap());
    assert!(at_first < HEAVY, "all were tried before the host served");
    assert!(folder.host.log().contains("not every plugin has been tried after 5 s; the rest follows"), "{}", folder.host.log());
    folder.ask();
    let more = || Ok((tried(&folder.host.data.json(&["plugin", "list"])?) > at_first).then_some(()));
    wait_for("the rest follows", more).unwrap();
}

#[test]
fn devices_are_reached_in_the_operators_order() {
    for (strategy, order, expected) in [
        ("all", ["elsewhere", "inbox"], &["elsewhere 1.0.0", "inbox 0001"][..]),
        ("all", ["inbox", "elsewhere"], &["inbox 0001", "elsewhere 1.0.0"]),
        ("first-accepted", ["elsewhere", "inbox"], &["elsewhere 1.0.0"]),
        ("first-accepted", ["inbox", "elsewhere"], &["inbox 0001"]),
    ] {
        let folder = Folder::with_config(&format!("[notify]\nstrategy = '{strategy}'\nchannels = {order:?}\n"));
        folder.host.data.must(&["user", "device", "alice", "--channel", "elsewhere"]).unwrap();
        folder.write("inbox.wasm", &steady(1));
        folder.wait_for_version("inbox", "0001");
        folder.cp(&guest("elsewhere"), "elsewhere.wasm");
        folder.wait_for_version("elsewhere", "1.0.0");
        let transaction = folder.ask();
        let mut notified = folder.wait_for_notified(&transaction, expected.len());
        if strategy == "all" {
            // They are told at the same time, and whoever answers first stands first.
            notified.sort_by_key(|one| expected.iter().position(|expected| expected == one));
        }
        assert_eq!(notified, expected, "{strategy} {order:?}");

        // Whose device is on one channel is not reached on another.
        folder.host.data.must(&["user", "add", "bob"]).unwrap();
        folder.host.data.must(&["user", "device", "bob", "--channel", "elsewhere"]).unwrap();
        assert_eq!(folder.wait_for_notified(&folder.ask_user("bob"), 1), ["elsewhere 1.0.0"]);

        // Without the first channel's plugin, the next one is as good.
        fs::remove_file(folder.file(&format!("{}.wasm", order[0]))).unwrap();
        folder.wait_for_state(order[0], "removed");
        let left = if order[0] == "inbox" { "elsewhere 1.0.0" } else { "inbox 0001" };
        folder.assert_notifies(left);
        assert_eq!(folder.notified(&transaction).len(), expected.len(), "nothing more was sent");
    }
}

#[test]
fn what_was_not_allowed_is_refused_as_a_value_until_it_is_allowed() {
    let folder = Folder::demo();
    fs::remove_file(folder.file("inbox.wasm")).unwrap();
    folder.wait_for_state("inbox", "removed");
    folder.write("greeter.wasm", &steady(1));
    let plugin = folder.wait_for_state("greeter", "blocked");
    assert_eq!(plugin["fix"], "ciba-host plugin allow greeter --inbox");
    let page = Console::of(&folder.host).unwrap().text("/plugins/greeter").unwrap();
    assert!(page.contains("not allowed") && page.contains("ciba-host plugin allow greeter --inbox"), "{page}");
    let transaction = folder.ask();
    let line = "refused [not-permitted]: inbox. do: ciba-host plugin allow greeter --inbox";
    wait_for("the log says what to allow", || Ok(folder.host.data.must(&["plugin", "log", "greeter"])?.contains(line).then_some(())))
        .unwrap();
    assert!(folder.host.log().contains(line), "{}", folder.host.log());
    assert!(!folder.host.log().contains("[trap]"));
    assert!(folder.notified(&transaction).is_empty());

    // The one that waits is notified, in the same process, by the same version.
    folder.host.data.must(&["plugin", "allow", "greeter", "--inbox"]).unwrap();
    assert_eq!(folder.wait_for_notified(&transaction, 1), ["greeter 0001"]);
    assert_eq!(folder.plugin("greeter")["state"], "serving");
    folder.host.data.must(&["plugin", "allow", "greeter", "--inbox", "--revoke"]).unwrap();
    assert_eq!(folder.plugin("greeter")["state"], "blocked");
}

#[test]
fn the_last_good_version_survives_a_restart_with_a_bad_file_in_the_folder() {
    let folder = Folder::steady();
    folder.write("inbox.toml", b"[settings]\nwait_ms = 7\n");
    folder.wait_for_plugin("inbox", "serves with its settings", |plugin| plugin["settings"]["wait_ms"] == 7);
    let data = folder.host.stop().unwrap();
    fs::copy(guest("other-world"), data.path().join("plugins/inbox.wasm")).unwrap();
    fs::write(data.path().join("plugins/inbox.toml"), "nonsense").unwrap();
    let folder = Folder { host: data.demo().unwrap() };
    folder.wait_for_refusal("inbox", "settings-file", "inbox.toml:1: ");
    assert_eq!(folder.plugin("inbox")["settings"]["wait_ms"], 7);
    folder.assert_notifies("inbox 0001");

    // A link that leads nowhere is a bad file too.
    let data = folder.host.stop().unwrap();
    fs::remove_file(data.path().join("plugins/inbox.wasm")).unwrap();
    symlink("/nowhere", data.path().join("plugins/inbox.wasm")).unwrap();
    let folder = Folder { host: data.demo().unwrap() };
    folder.wait_for_refusal("inbox", "unreadable", "No such file or directory");
    folder.assert_notifies("inbox 0001");

    // A file that is gone is a decision, whenever it was made.
    let data = folder.host.stop().unwrap();
    fs::remove_file(data.path().join("plugins/inbox.wasm")).unwrap();
    let folder = Folder { host: data.demo().unwrap() };
    assert_eq!(folder.plugin("inbox")["version"], Value::Null);
    assert!(folder.host.log().contains("plugin inbox: its file was removed while the host was stopped"), "{}", folder.host.log());
    assert!(folder.notified(&folder.ask()).is_empty());

    // And a good one that came meanwhile serves from the start.
    let data = folder.host.stop().unwrap();
    fs::remove_file(data.path().join("plugins/inbox.toml")).unwrap();
    fs::write(data.path().join("plugins/inbox.wasm"), steady(5)).unwrap();
    let folder = Folder { host: data.demo().unwrap() };
    assert_eq!(folder.plugin("inbox")["version"], "0005");
}

/// Whoever waits for a plugin is told of those that serve, not of every file that is looked at.
#[tokio::test]
async fn only_what_newly_serves_or_is_allowed_is_worth_another_try() {
    let data = tempfile::tempdir().unwrap();
    let name = PluginName::parse("inbox").unwrap();
    let store = Arc::new(SqliteStore::open(&data.path().join("ciba.db")).unwrap());
    let config = RuntimeConfig { folder: data.path().join("plugins"), cache: data.path().join("cache"), ..RuntimeConfig::default() };
    let runtime = Runtime::start(config, store, Door::new(Networks::default()), Clock::System, &[0; 32]).await.unwrap();
    let _watching = runtime.watch_folder().await.unwrap();
    let (mut changes, mut serving) = (runtime.changes(), runtime.serving_changes());
    let soon = ciba_tests::host::PATIENCE;

    fs::write(runtime.folder().join("inbox.wasm"), "this is no plugin").unwrap();
    tokio::time::timeout(soon, changes.changed()).await.unwrap().unwrap();
    assert!(matches!(runtime.catalog().plugin(&name).unwrap().status, Status::Refused(_)));
    assert!(!serving.has_changed().unwrap(), "a refused file is no reason");

    fs::write(runtime.folder().join("inbox.wasm"), steady(1)).unwrap();
    tokio::time::timeout(soon, serving.changed()).await.unwrap().unwrap();
    assert_eq!(runtime.catalog().notifier("inbox").unwrap().description.version, "0001");

    runtime.set_allowed(&name, Permissions { inbox: true, ..Permissions::default() });
    assert!(serving.has_changed().unwrap(), "it may do more");
    serving.mark_unchanged();
    runtime.set_allowed(&name, Permissions::default());
    assert!(!serving.has_changed().unwrap(), "it may do less");
}

/// A file system that says nothing and whose files always look the same. What is in them is read every half minute.
#[test]
fn a_file_system_that_tells_nothing_is_read_again() {
    let shim = Shim::TellsNothing.library().unwrap();
    let data = Data::new().unwrap();
    fs::create_dir(data.path().join("plugins")).unwrap();
    fs::write(data.path().join("plugins/inbox.wasm"), steady(1)).unwrap();
    let host = data.serve_changed(&["--demo"], |command| {
        command.env("LD_PRELOAD", shim);
    });
    let folder = Folder::of(host.unwrap());
    assert!(folder.host.log().contains("the folder cannot be watched; it is looked at once a second"), "{}", folder.host.log());
    folder.wait_for_version("inbox", "0001");
    // A name that comes or goes shows, without any look inside.
    folder.cp(&guest("elsewhere"), "elsewhere.wasm");
    folder.wait_for_version("elsewhere", "1.0.0");
    fs::remove_file(folder.file("elsewhere.wasm")).unwrap();
    folder.wait_for_state("elsewhere", "removed");
    folder.write("inbox.wasm", &steady(2));
    folder.wait_for_version("inbox", "0002");
    folder.assert_notifies("inbox 0002");
}

#[test]
fn secrets_of_settings_are_shown_nowhere() {
    let folder = Folder::demo();
    let secrets = ["whsec_aHVzaC1odXNoLWZpbGUtaHVzaC1odXNoISE=", "whsec_aHVzaC1odXNoLXRvbWwtaHVzaC1odXNoISE="];
    let file = folder.host.data.beside("webhook.key");
    fs::write(&file, format!("{}\n", secrets[0])).unwrap();
    folder.cp(&sample("webhook.wasm"), "webhook.wasm");
    folder.wait_for_refusal("webhook", "settings", "secrets");
    let settings = |secrets: &str| format!("[settings]\nurl = 'https://push.example.com/wake'\nsecrets = {secrets}\n");
    let written = settings(&format!("[{{ file = {file:?} }}, '{}']", secrets[1]));
    folder.write("webhook.toml", written.as_bytes());
    let plugin = folder.wait_for_plugin("webhook", "is taken", |plugin| plugin["version"].is_string());
    assert_eq!(plugin["settings"]["url"], "https://push.example.com/wake");
    assert_eq!(plugin["settings"]["secrets"], "[redacted]");

    // What is wrong with a secret is said without the secret.
    for (wrong, says) in [
        (format!("'{}'", secrets[1]), "/secrets"),
        (format!("['{}', 7]", secrets[1]), "/secrets/1"),
        (format!("['x{}']", secrets[1]), "secrets"),
        (format!("['{}']\nhush = '{}'", secrets[1], secrets[1]), "hush"),
    ] {
        folder.write("webhook.toml", settings(&wrong).as_bytes());
        folder.wait_for_refusal("webhook", "settings", says);
    }
    folder.write("webhook.toml", written.as_bytes());
    folder.wait_for_plugin("webhook", "is taken again", |plugin| plugin["state"] == "blocked");

    // Nor by a plugin that repeats what it was told.
    folder.host.data.must(&["user", "device", "alice", "--channel", "inbox"]).unwrap();
    folder.write("inbox.toml", format!("[settings]\nurl = {{ file = {file:?} }}\n").as_bytes());
    folder.cp(&guest("repeats-secrets"), "inbox.wasm");
    folder.wait_for_refusal("inbox", "settings", "/url: `[redacted]` is no key");
    folder.write("inbox.toml", format!("[settings]\nurl = {{ file = {file:?} }}\nwait_ms = 1\n").as_bytes());
    folder.wait_for_version("inbox", "1.0.0");
    folder.ask();
    for words in ["tried with [redacted]", "called with [redacted]", "call failed [script-error] failed with [redacted]"] {
        wait_for(words, || Ok(folder.host.data.must(&["plugin", "log", "inbox"])?.contains(words).then_some(())))
            .unwrap_or_else(|error| panic!("{error}\n{}", folder.host.log()));
    }

    // A secret that is changed where it is kept is checked like any other change.
    let serving = folder.count_in_log("plugin webhook: ");
    fs::write(&file, "changed for the worse").unwrap();
    folder.wait_for_refusal("webhook", "settings", "/secrets/0");
    fs::write(&file, "whsec_Y2hhbmdlZC1mb3ItdGhlLWJldHRlci0hISEhISE=").unwrap();
    folder.wait_for_plugin("webhook", "is taken again", |plugin| plugin["state"] == "blocked");
    assert!(folder.count_in_log("plugin webhook: ") > serving);

    folder.host.data.must(&["plugin", "allow", "webhook", "--http", "https://push.example.com"]).unwrap();
    folder.host.data.must(&["user", "device", "alice", "--channel", "webhook"]).unwrap();
    folder.ask();
    wait_for("the plugin is called", || Ok((folder.plugin("webhook")["counters"]["calls"] != 0).then_some(()))).unwrap();
    let console = Console::of(&folder.host).unwrap();
    let shown = [
        folder.host.log(),
        folder.host.data.must(&["plugin", "list"]).unwrap(),
        folder.host.data.must(&["plugin", "list", "--json"]).unwrap(),
        folder.host.data.must(&["plugin", "log", "webhook"]).unwrap(),
        folder.host.data.must(&["plugin", "log", "inbox"]).unwrap(),
        folder.host.data.must(&["plugin", "inspect", folder.file("webhook.wasm").to_str().unwrap()]).unwrap(),
        folder.host.data.must(&["plugin", "inspect", folder.file("webhook.wasm").to_str().unwrap(), "--json"]).unwrap(),
        console.text("/").unwrap(),
        console.text("/plugins/webhook").unwrap(),
        console.text("/plugins/inbox").unwrap(),
    ];
    for text in &shown {
        assert!(!text.contains("aHVzaC1odXNo") && !text.contains("changed for the worse") && !text.contains("Y2hhbmdlZC1mb3It"), "{text}");
    }
}
