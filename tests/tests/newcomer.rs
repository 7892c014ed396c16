//! A stranger's ten minutes: `docs/plugins.md` is the script. What it tells a newcomer to type is typed here, in its
//! order, and what it promises is looked for where it says.
//!
//! `cargo component` is looked for on the path and in `target/tools`, where `scripts/test` puts it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, PipeReader, Write as _, pipe};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use ciba_tests::host::{Host, program, sample, wait_for};
use ciba_tests::party::{Client, Phone};
use ciba_tests::wire::Request;
use serde_json::{Value, json};
use tempfile::TempDir;

const TARGETS: [&str; 3] = ["wasm32-unknown-unknown", "wasm32-wasip1", "wasm32-wasip2"];

#[test]
fn a_stranger_follows_the_guide_with_plugin_build() {
    follow(&Guide::read());
}

#[test]
fn a_stranger_follows_the_guide_with_cargo_component() {
    const BUILD: &str = "ciba-host plugin build\n";
    let mut guide = Guide::read();
    let instead = guide.scripts("sh cargo-component").next().expect("the guide has the other way").to_owned();
    let mut replaced = 0;
    for block in guide.blocks.iter_mut().filter(|block| block.info == "sh") {
        replaced += block.text.matches(BUILD).count();
        block.text = block.text.replace(BUILD, &instead);
    }
    assert_eq!(replaced, 2, "it is built, and built again when it was changed");
    follow(&guide);
}

/// Every way to build that the guide lists makes a plugin that a host takes and that runs. It imports what the guide says.
#[test]
fn all_four_builds_of_the_guide_are_plugins() {
    let guide = Guide::read();
    let workshop = Workshop::open();
    let mut shell = workshop.shell(&[]);
    shell.run("ciba-host plugin new hello-note\ncd hello-note").unwrap();
    workshop.keep_target();
    let mut built = 0;
    for (command, place, imports) in guide.builds() {
        let file = if place.ends_with('/') { format!("target/{place}hello_note.wasm") } else { "hello_note.wasm".to_owned() };
        // What another one built must not pass for its own.
        shell.run(&format!("rm -f {file}\n{command}\nciba-host plugin check {file}")).unwrap();
        let tried = shell.json(&format!("ciba-host plugin try {file} --input case.json --json")).unwrap();
        assert_eq!(tried["answer"], json!({ "accepted": "" }), "{command}: {tried}");
        assert_eq!(tried["note"], "Hello from case.json", "{command}: {tried}");
        assert_eq!(tried["log"][0]["text"], "notified about tx_example", "{command}: {tried}");
        let about = shell.json(&format!("ciba-host plugin inspect {file} --json")).unwrap();
        let wasi = about["imports"].as_array().unwrap().iter().any(|name| name.as_str().unwrap().starts_with("wasi:"));
        assert_eq!(wasi, imports != "nothing", "{command} imports {}, and the guide says: {imports}", about["imports"]);
        built += 1;
    }
    assert_eq!(built, 4);
}

/// What we ship is what anybody makes of the same source with `cargo component`.
#[test]
fn the_shipped_plugins_build_with_cargo_component() {
    const WEBHOOK: &str = "[settings]\nurl = 'https://push.example.com/wake'\nsecrets = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw']\n";
    let workshop = Workshop::open();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-ciba");
    let kept = workshop.kept.join("shipped");
    let mut shell = workshop.shell(&[("SOURCE", source.as_os_str()), ("CARGO_TARGET_DIR", kept.as_os_str())]);
    for folder in ["shipped", "built"] {
        fs::create_dir(workshop.folder.join(folder)).unwrap();
        fs::write(workshop.folder.join(folder).join("webhook.toml"), WEBHOOK).unwrap();
    }
    for plugin in ["inbox.wasm", "webhook.wasm"] {
        fs::copy(sample(plugin), workshop.folder.join("shipped").join(plugin)).unwrap();
    }
    fs::write(workshop.folder.join("case.json"), r#"{ "id": "tx_example", "device": { "id": "1", "channel": "webhook" } }"#).unwrap();

    for (target, options) in [("wasm32-wasip1", ""), ("wasm32-unknown-unknown", "--target wasm32-unknown-unknown")] {
        let files = format!("$CARGO_TARGET_DIR/{target}/release/{{inbox,webhook}}.wasm");
        shell
            .run(&format!("rm -f {files}\n(cd $SOURCE; cargo component build --release --locked {options})\ncp -f {files} built"))
            .unwrap();
        for plugin in ["inbox", "webhook"] {
            let mut checked = |folder: &str| {
                let mut checked = shell.json(&format!("ciba-host plugin check {folder}/{plugin}.wasm --json")).unwrap();
                // Two linkers need not put them into the same order.
                checked["hooks"].as_array_mut().unwrap().sort_by_key(|hook| hook.to_string());
                checked
            };
            let built = checked("built");
            assert_eq!(built["taken"], true, "{built}");
            assert_eq!(built, checked("shipped"));
        }
        let inbox = shell.json("ciba-host plugin try built/inbox.wasm --input case.json --json").unwrap();
        assert_eq!(inbox["answer"], json!({ "accepted": "" }), "{inbox}");
        // It may do nothing that was not allowed, and says what to type.
        let webhook = shell.run("ciba-host plugin try built/webhook.wasm --input case.json 2>&1 || echo failed").unwrap();
        for line in ["refused  HTTP to https://push.example.com.  do: try again with --http https://push.example.com", "failed"] {
            assert!(webhook.lines().any(|said| said == line), "{webhook}");
        }
    }
}

/// Whoever has never seen any of this reads what is wrong and what to do.
#[test]
fn what_a_newcomer_gets_wrong_is_said_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    let inbox = fs::read(sample("inbox.wasm")).unwrap();
    write("inbox.wasm", &inbox);
    write("half.wasm", &inbox[..inbox.len() / 2]);
    write("my plugin.wasm", &inbox);
    write("misspelt.wasm", &inbox);
    write("misspelt.toml", b"[settings]\nnose = 'x'\n");
    write("off.wasm", &inbox);
    write("off.toml", b"mode = 'off'\n");
    write("text.wasm", b"#!/bin/sh\n");
    write("module.wasm", b"\0asm\x01\0\0\0");
    write("typo.json", b"{ \"clent_id\": \"demo\" }");
    write("settings.json", b"{ \"settings\": { \"nose\": \"x\" } }");
    write("no-target", b"#!/bin/sh\necho /nowhere\n");
    fs::set_permissions(folder.path().join("no-target"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(folder.path().join("stopped")).unwrap();
    fs::create_dir_all(folder.path().join("made")).unwrap();
    write("made/Cargo.toml", b"");

    for (words, what, fix) in [
        ("new Hello", "`Hello` cannot be the name of a plugin's crate", "use lower-case letters"),
        ("new made", "made exists and is not an empty folder", "do: choose another name"),
        (
            "build stopped",
            "the folder stopped has no Cargo.toml",
            "do: name the folder of a plugin's crate, or make one: ciba-host plugin new",
        ),
        ("check nowhere.wasm", "nowhere.wasm cannot be read", "do: name the .wasm file that `ciba-host plugin build` wrote"),
        ("check made", "made is a folder, not a plugin", "do: ciba-host plugin build made"),
        ("check text.wasm", "text.wasm would be refused [not-wasm]: this is not a WebAssembly file", "`ciba-host plugin build`"),
        ("check module.wasm", "refused [not-a-component]: this is a core module", "do: run `ciba-host plugin build`"),
        ("check half.wasm", "half.wasm would be refused [truncated]: it ends in the middle", "do: copy it again"),
        ("check my_plugin.wasm", "`my plugin` cannot be a plugin's name", "use letters, digits, - and _"),
        ("check misspelt.wasm", "nose", "do: mend the [settings] in the .toml file"),
        ("check off.wasm", "off.wasm would stay out of service", "off.toml has mode = \"off\""),
        ("inspect text.wasm", "this is not a WebAssembly file", "do: "),
        ("try inbox.wasm --input nowhere.json", "the request nowhere.json cannot be read", "`ciba-host plugin new` writes a case.json"),
        ("try inbox.wasm --input typo.json", "typo.json:1:12: unknown field `clent_id`", "expected one of `id`, `client_id`"),
        ("try inbox.wasm --input settings.json", "nose", "do: mend `settings` in the request"),
        ("list --data nowhere", "there is no data directory nowhere", "do: name it with --data"),
        ("log inbox --data stopped", "the host does not run", "log"),
        ("allow inbox --data stopped", "nothing to change", "name what to allow, for example --http ORIGIN or --inbox"),
        ("allow inbox --http https://a.example/b --data stopped", "is not an origin", "write https://a.example"),
    ] {
        let words = words.split(' ').map(|word| word.replace("my_plugin", "my plugin"));
        refused_with(Command::new(program()).arg("plugin").args(words).current_dir(folder.path()), what, fix);
    }

    // Without Rust, and with a Rust that lacks the target.
    let mut build = Command::new(program());
    build.args(["plugin", "build", "made"]).current_dir(folder.path()).env_remove("CARGO").env("PATH", folder.path());
    refused_with(&mut build, "cargo, which builds Rust, does not start", "do: install Rust from https://rustup.rs");
    let mut build = Command::new(program());
    build.args(["plugin", "build", "made"]).current_dir(folder.path()).env("RUSTC", folder.path().join("no-target"));
    refused_with(&mut build, "Rust cannot build for WebAssembly yet", "do: rustup target add wasm32-unknown-unknown");
}

fn refused_with(command: &mut Command, what: &str, fix: &str) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{command:?}: {said}");
    assert!(said.starts_with("error: ") && said.contains(what) && said.contains(fix), "{command:?}: {said}");
}

/// Types what the guide says, and looks for what it promises.
fn follow(guide: &Guide) {
    let workshop = Workshop::open();
    let host = Host::demo().unwrap();
    let mut shell = workshop.shell(&[("DATA", host.data.path().as_os_str())]);
    let mut bank = Bank { client: Client::demo(&host), phone: Phone::of(&host, "alice").unwrap(), cards: Vec::new() };
    let process = host.data.json(&["status"]).unwrap()["pid"].clone();
    assert_eq!(process, host.id());

    let mut steps = guide.blocks.iter().filter(|block| block.info == "sh");
    let mut step = |title: &str| {
        let block = steps.next().unwrap_or_else(|| panic!("the guide ends before: {title}"));
        assert_eq!(block.step, title);
        block.text.as_str()
    };

    shell.run(step("Make one.")).unwrap();
    let source = fs::read_to_string(workshop.folder.join("hello-note/src/lib.rs")).unwrap();
    assert!(guide.text.contains(&format!("`src/lib.rs`, {} lines", source.lines().count())));
    assert!(source.contains(guide.scripts("rust").next().unwrap()), "the guide shows other code than `plugin new` writes");
    workshop.keep_target();

    shell.run(step("Build it.")).unwrap();
    let said = shell.run(step("Ask whether this host would take it")).unwrap();
    assert!(said.starts_with("hello_note 0.1.0 would be taken\n"), "{said}");

    let said = shell.run(step("Try it")).unwrap();
    let untimed = |text: &str| text.lines().filter(|line| !line.starts_with("time ")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(untimed(&said), untimed(guide.scripts("text").next().unwrap()));

    // The default plugin is what the newcomer finds.
    let before = host.plugin("inbox").unwrap();
    assert!(!bank.next_card().unwrap().contains("class=\"note\""));
    shell.run(step("Put it live.")).unwrap();
    let first = swapped(&host, &before);
    assert!(bank.next_card().unwrap().contains("Hello from my first plugin"));

    shell.run(step("Change it while it serves.")).unwrap();
    let second = swapped(&host, &first);
    assert_ne!(second["digest"], first["digest"]);
    assert!(bank.next_card().unwrap().contains("We never phone you to ask you to approve"));

    shell.run(step("Change only its settings.")).unwrap();
    let third = swapped(&host, &second);
    assert_eq!(third["digest"], second["digest"]);
    assert!(bank.next_card().unwrap().contains("Hello from the settings"));

    // A text file; then a good plugin with a setting that it does not have. The list, the log and the console say so.
    let console = console(&host).unwrap();
    for (reason, named) in
        [("inbox.wasm refused [not-wasm]: ", "this is not a WebAssembly file"), ("inbox.wasm refused [settings]: ", "nose")]
    {
        shell.run(step("Try to break it.")).unwrap();
        let listed = wait_for(reason, || {
            let list = shell.run("ciba-host plugin list --data \"$DATA\"")?;
            Ok(list.lines().find(|line| line.starts_with(reason)).map(str::to_owned))
        });
        let listed = listed.unwrap();
        assert!(listed.contains(named), "{listed}");
        assert!(listed.ends_with(&format!("; still serving: 0.1.0 ({:.4})", third["digest"].as_str().unwrap())), "{listed}");
        let log = host.log();
        assert!(log.lines().any(|line| line.contains(reason) && line.contains(named)), "{log}");
        let page = console.send(host.admin).unwrap().text();
        assert!(page.contains(named), "{page}");
        assert!(bank.next_card().unwrap().contains("Hello from the settings"));
    }
    assert!(steps.next().is_none(), "the guide goes on");

    // Nothing was restarted, everybody was notified, and what was asked before the first swap is answered after the last.
    assert_eq!(host.data.json(&["status"]).unwrap()["pid"], process);
    assert_eq!(host.plugin("inbox").unwrap()["counters"]["failures"], 0);
    let requests = host.data.json(&["request", "list"]).unwrap();
    assert_eq!(requests.as_array().unwrap().len(), bank.cards.len());
    for request in requests.as_array().unwrap() {
        assert_eq!(request["notified"].as_array().unwrap().len(), 1, "{request}");
    }
    let (auth_req_id, transaction) = &bank.cards[0];
    bank.phone.decide(transaction, "approve").unwrap();
    let tokens = bank.client.poll(auth_req_id).unwrap();
    assert_eq!(tokens.status, 200, "{}", tokens.text());
}

/// Waits until another version serves than before.
fn swapped(host: &Host, before: &Value) -> Value {
    wait_for("a swap", || {
        let plugin = host.plugin("inbox")?;
        Ok((plugin["state"] == "serving" && plugin["since"] != before["since"]).then_some(plugin))
    })
    .unwrap()
}

/// Asks for the console's first page, signed in.
fn console(host: &Host) -> Result<Request> {
    let link = host.data.json(&["console"])?;
    let (_, token) = link["link"].as_str().and_then(|link| link.split_once("#login=")).context("a link")?;
    let origin = format!("http://{}", host.admin);
    let answer = Request::form("/login", &[("token", token)]).header("origin", &origin).send(host.admin)?;
    let cookie = answer.header("set-cookie").and_then(|line| line.split(';').next()).with_context(|| answer.text())?;
    Ok(Request::get("/").header("cookie", cookie))
}

/// Whoever asks Alice, and what her phone shows.
struct Bank {
    client: Client,
    phone: Phone,
    /// What the client was given, and what the phone showed.
    cards: Vec<(String, String)>,
}

impl Bank {
    /// Starts a request, which must be acknowledged, and waits for its card.
    fn next_card(&mut self) -> Result<String> {
        let auth_req_id = self.client.start("alice")?;
        let known: Vec<String> = self.cards.iter().map(|(_, transaction)| transaction.clone()).collect();
        let transaction = self.phone.next_card(&known)?;
        let cards = self.phone.cards()?;
        let mut each = cards.split("data-transaction=\"");
        let card = each.find(|card| card.starts_with(&transaction)).context("the card is gone")?.to_owned();
        self.cards.push((auth_req_id, transaction));
        Ok(card)
    }
}

/// `docs/plugins.md`.
struct Guide {
    text: String,
    blocks: Vec<Block>,
}

/// What stands between two lines of backticks.
struct Block {
    /// The words in bold type before it.
    step: String,
    /// What stands behind the backticks.
    info: String,
    text: String,
}

impl Guide {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plugins.md");
        let text = fs::read_to_string(path).unwrap();
        let mut blocks = Vec::new();
        let mut step = String::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some((title, _)) = line.strip_prefix("**").and_then(|rest| rest.split_once("**")) {
                title.clone_into(&mut step);
            }
            if let Some(info) = line.strip_prefix("```") {
                let inside = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n"));
                blocks.push(Block { step: step.clone(), info: info.to_owned(), text: inside.collect() });
            }
        }
        Self { text, blocks }
    }

    /// The texts of the blocks of one kind.
    fn scripts(&self, info: &str) -> impl Iterator<Item = &str> {
        self.blocks.iter().filter(move |block| block.info == info).map(|block| block.text.as_str())
    }

    /// The table of builds: the command, where its file is, and what that imports.
    fn builds(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let (_, section) = self.text.split_once("### With cargo component").expect("the guide has that section");
        let rows = section.lines().take_while(|line| !line.starts_with("## ")).filter(|line| line.starts_with("| `"));
        rows.map(|row| {
            let mut cells = row.trim_matches(['|', ' ']).split(" | ").map(|cell| cell.trim_matches('`'));
            let mut cell = || cells.next().expect("three cells");
            (cell(), cell(), cell())
        })
    }
}

/// A folder to work in, outside the repository, where one newcomer at a time finds nothing but what cargo built for the
/// last one.
struct Workshop {
    folder: PathBuf,
    kept: PathBuf,
    _folder: TempDir,
    _place: File,
}

impl Workshop {
    fn open() -> Self {
        let kept = target().join("newcomer");
        fs::create_dir_all(&kept).unwrap();
        // Two that build into one folder would find each other's files under their own names.
        let place = File::create(kept.join("lock")).unwrap();
        place.lock().unwrap();
        forget_crates_of_others(&kept).unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self { folder: folder.path().to_owned(), kept, _folder: folder, _place: place }
    }

    /// All that is not as the guide has it: cargo finds what it built the last time.
    fn keep_target(&self) {
        symlink(&self.kept, self.folder.join("hello-note/target")).unwrap();
    }

    /// A shell as a newcomer has it, with `ciba-host` on the path, and these variables.
    fn shell(&self, variables: &[(&str, &OsStr)]) -> Shell {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let ours = [program().parent().unwrap().to_owned(), target().join("tools/bin")];
        let path = std::env::join_paths(ours.into_iter().chain(std::env::split_paths(&path))).unwrap();
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail"]).current_dir(&self.folder).env("PATH", path);
        for (name, _) in std::env::vars_os() {
            // What cargo told this test is none of theirs.
            let ours = ["CIBA_HOST_", "CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix));
            let builds = ["CARGO", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"];
            if ours || builds.iter().any(|build| name == *build) {
                command.env_remove(name);
            }
        }
        command.envs(variables.iter().copied());
        Shell::start(command).unwrap()
    }
}

/// Cargo keeps a crate by the path of its folder, and those folders are gone.
fn forget_crates_of_others(kept: &Path) -> std::io::Result<()> {
    for target in TARGETS {
        for folder in ["deps", ".fingerprint"] {
            let Ok(entries) = fs::read_dir(kept.join(target).join("release").join(folder)) else { continue };
            for entry in entries {
                let path = entry?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy().replace('-', "_");
                if !["hello_note", "ciba_guest", "libciba_guest"].iter().any(|crate_name| name.starts_with(crate_name)) {
                    continue;
                }
                if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
            }
        }
    }
    Ok(())
}

fn target() -> PathBuf {
    program().parent().and_then(Path::parent).unwrap().to_owned()
}

/// One shell, in which what was typed before still holds. It ends at the first command that fails.
struct Shell {
    process: Child,
    input: ChildStdin,
    output: BufReader<PipeReader>,
}

impl Shell {
    fn start(mut command: Command) -> Result<Self> {
        let (reader, writer) = pipe()?;
        let mut process = command.stdin(Stdio::piped()).stderr(writer.try_clone()?).stdout(writer).spawn()?;
        let input = process.stdin.take().context("a shell reads")?;
        Ok(Self { process, input, output: BufReader::new(reader) })
    }

    /// Types this, and returns what it printed.
    fn run(&mut self, script: &str) -> Result<String> {
        const DONE: &str = "-- that was all --";
        // Ended by a line of its own: a command must not read what we type next.
        writeln!(self.input, "{{\n{script}\n}} </dev/null\necho '{DONE}'")?;
        let mut said = String::new();
        loop {
            let start = said.len();
            let more = self.output.read_line(&mut said)?;
            ensure!(more > 0, "{script}\nfailed: {said}");
            if said[start..].trim_end() == DONE {
                said.truncate(start);
                return Ok(said);
            }
        }
    }

    /// Types this, and reads the JSON it printed.
    fn json(&mut self, script: &str) -> Result<Value> {
        let said = self.run(script)?;
        serde_json::from_str(&said).with_context(|| format!("{script}: {said}"))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
