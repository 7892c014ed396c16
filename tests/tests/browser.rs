//! What needs a browser: people's screens, played and looked at. The scripts are in `browser/`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ciba_tests::host::{Data, Host, Said, finish, guest, program, steady, wait_for};
use ciba_tests::party::{Client, Phone};
use ciba_tests::process::Server;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A command that runs one of the scripts in `browser/`.
fn script(name: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("browser").join(name));
    command
}

/// Plays a script that must succeed to its last step.
#[track_caller]
fn plays(mut command: Command, log: impl FnOnce() -> String) {
    command.stderr(Stdio::inherit());
    let said = finish(command).unwrap();
    assert!(said.status.success() && said.output.ends_with("ok all\n"), "{}{}\n{}", said.output, said.error, log());
}

/// The program in this folder, away from whatever the environment says.
fn program_in(folder: &Path) -> Command {
    let mut command = Command::new(program());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CIBA_HOST_") {
            command.env_remove(name);
        }
    }
    command.env("CIBA_HOST_LISTEN__ADMIN", "127.0.0.1:0").current_dir(folder);
    command
}

/// The demo as people start it: in a folder of their own, beneath which its data lie. So the commands that the demo
/// page shows are short, and the pictures say nothing of this machine.
struct Demo {
    folder: TempDir,
    server: Server,
}

impl Demo {
    fn start() -> Self {
        Self::start_with(&[], &[])
    }

    fn start_with(options: &[&str], environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = program_in(folder.path());
        command.args(["serve", "--demo", "--listen", "127.0.0.1:0", "--data", "data"]).args(options);
        command.envs(environment.iter().copied());
        command.stderr(File::create(folder.path().join("log")).unwrap());
        let server = Server::start(command).unwrap();
        Self { folder, server }
    }

    /// The story, played here.
    fn story(&self, pictures: &Path) -> Command {
        let mut story = script("story.mjs");
        story.args(["demo", "phone", "console"].map(|word| self.server.said(word).unwrap())).arg(self.server.id().to_string());
        story.arg("--shots").arg(pictures).current_dir(&self.folder);
        story
    }

    /// Takes the only notify plugin away, and waits until that was noticed.
    fn remove_plugin(&self) {
        fs::remove_file(self.folder.path().join("data/plugins/inbox.wasm")).unwrap();
        wait_for("the plugin stops", || {
            let mut command = program_in(self.folder.path());
            command.args(["plugin", "list", "--json", "--data", "data"]);
            let plugins: Value = serde_json::from_str(&finish(command)?.output)?;
            Ok((plugins[0]["state"] == "removed").then_some(()))
        })
        .unwrap();
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// Pictures go to the folder that `CIBA_PICTURES` names: `docs/pictures` makes the README's anew.
fn pictures(demo: &Demo) -> PathBuf {
    match std::env::var_os("CIBA_PICTURES") {
        Some(folder) => Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder),
        None => demo.folder.path().to_owned(),
    }
}

/// The sixty seconds, with `cp`: the card appears by itself, approved and denied; a new version, a broken file and the
/// way back while others' authentications run; same process, none failed.
#[test]
fn the_sixty_seconds_are_played_on_the_real_pages() {
    let demo = Demo::start();
    let pictures = pictures(&demo);
    plays(demo.story(&pictures), || demo.log());
    for name in ["demo.png", "phone.png"] {
        let bytes = fs::metadata(pictures.join(name)).unwrap().len();
        assert!(bytes < 150_000, "{name} has {bytes} bytes, too many for a README");
    }
}

/// The plugin is load-bearing: the same story stops where it would have lit up the phone.
#[test]
fn without_its_plugin_the_same_story_fails_at_the_card() {
    let demo = Demo::start();
    demo.remove_plugin();
    let Said { status, output, .. } = finish(demo.story(demo.folder.path())).unwrap();
    assert_eq!(status.code(), Some(1), "{output}{}", demo.log());
    assert!(output.contains("failed the card appears by itself"), "{output}");
    assert!(output.contains("Alice was not notified: no notify plugin is serving"), "{output}");
}

/// And what a person sees then: nothing comes by itself, the shop says so, and *Check now* finds it.
#[test]
fn without_a_plugin_only_check_now_finds_the_request() {
    let demo = Demo::start();
    demo.remove_plugin();
    let mut enrol = program_in(demo.folder.path());
    enrol.args(["user", "enrol", "alice", "--json", "--data", "data"]);
    let second: Value = serde_json::from_str(&finish(enrol).unwrap().output).unwrap();
    let mut command = script("unnotified.mjs");
    command.args(["demo", "phone"].map(|word| demo.server.said(word).unwrap())).arg(second["link"].as_str().unwrap());
    plays(command, || demo.log());
}

/// `--phone`, under a name that is neither https nor loopback: there browsers say less of who sends a form.
#[test]
fn a_phone_on_the_local_network_is_enrolled_and_answers() {
    let demo = Demo::start_with(&["--phone", "127.0.0.1:0"], &[("CIBA_HOST_LISTEN__HOSTS", "['phone.test', 'console.test']")]);
    let mut command = script("network.mjs");
    command.args(["demo", "phone", "console"].map(|word| demo.server.said(word).unwrap()));
    plays(command, || demo.log());
}

/// A plugin's page, opened where the person is signed in: it runs nothing, and if it did, it would read and send nothing.
#[test]
fn a_page_of_a_plugins_steals_no_approval() {
    let host = Data::with_config("[plugins.allow.pages]\ninbound = true\n").unwrap().demo().unwrap();
    fs::copy(guest("serves-pages"), host.plugins().join("pages.wasm")).unwrap();
    wait_for("the plugin serves", || Ok(host.plugin("pages")?["version"].is_string().then_some(()))).unwrap();
    let client = Client::demo(&host);
    let id = client.start("alice").unwrap();
    let mut command = script("theft.mjs");
    command.args([host.said("phone").unwrap(), &host.issuer(), host.said("inbound").unwrap()]);
    plays(command, || host.log());
    assert_eq!(client.poll(&id).unwrap().json()["error"], "authorization_pending");
}

/// The two buttons of the demo page make a link of their own each time.
#[test]
fn the_demo_page_opens_phone_and_console_as_often_as_one_likes() {
    let demo = Demo::start_with(&["--phone", "127.0.0.1:0"], &[]);
    let mut command = script("demo_links.mjs");
    command.arg(demo.server.said("demo").unwrap());
    plays(command, || demo.log());
}

/// Every state of every page: phone and desktop, light and dark, English and Arabic, 200 % text.
#[test]
fn every_state_fits_is_accessible_and_says_everything() {
    let host = Host::demo().unwrap();
    let mut command = script("states.mjs");
    command.arg(host.issuer());
    let said = finish(command).unwrap();
    assert!(said.status.success() && said.output.ends_with(", 0 failures\n"), "{}{}", said.error, said.output);
    // Five looks at each state and screen: two schemes, and the larger text.
    let looks: usize = said.output.split(' ').next().unwrap().parse().unwrap();
    assert!(looks > 500, "only {}", said.output);
}

/// The phone's clock is an hour ahead: nothing has expired too early.
#[test]
fn a_phone_that_is_an_hour_ahead_is_right() {
    wrong_clock("60");
}

/// The phone's clock is an hour behind: nothing expires too late.
#[test]
fn a_phone_that_is_an_hour_behind_is_right() {
    wrong_clock("-60");
}

fn wrong_clock(minutes: &str) {
    let host = Host::demo().unwrap();
    let mut command = script("wrong_clock.mjs");
    command.args([&host.issuer(), host.said("phone").unwrap(), minutes]);
    plays(command, || host.log());
}

/// One of the cases of `browser/phone_cases.mjs`, on phones of their own.
#[track_caller]
fn case(name: &str) {
    let host = Host::demo().unwrap();
    play_case(&host, name, "alice");
}

/// The second link is for `second`.
#[track_caller]
fn play_case(host: &Host, name: &str, second: &str) {
    let second = host.data.json(&["user", "enrol", second]).unwrap();
    let mut command = script("phone_cases.mjs");
    command.args([name, &host.issuer(), host.said("phone").unwrap(), second["link"].as_str().unwrap()]);
    plays(command, || host.log());
}

#[test]
fn arrivals_join_below_and_move_nothing() {
    case("several");
}

#[test]
fn without_a_connection_there_is_no_answer_to_give() {
    case("offline");
}

#[test]
fn a_lost_reply_is_looked_up_and_never_guessed() {
    case("no reply");
}

#[test]
fn an_answer_given_elsewhere_is_shown_and_can_be_disowned() {
    case("elsewhere");
}

#[test]
fn a_removed_phone_shows_nothing_any_more() {
    case("removed");
}

#[test]
fn a_link_that_adds_a_phone_works_once() {
    case("links again");
}

#[test]
fn two_people_of_one_name_can_share_a_phone() {
    let host = Host::demo().unwrap();
    host.data.must(&["user", "add", "alice-2", "--name", "Alice"]).unwrap();
    play_case(&host, "namesakes", "alice-2");
}

#[test]
fn a_link_from_another_site_finds_the_phone_connected() {
    case("another site");
}

#[test]
fn a_phone_that_is_used_stays_connected() {
    case("a year");
}

/// A demo world with a client besides that may ask for payments, and whose newer requests take the place of the older.
fn with_a_bank() -> Host {
    let data = Data::new().unwrap();
    let types = data.path().join("declared/authorization_details");
    fs::create_dir_all(&types).unwrap();
    let payment = json!({
        "words": { "en": "Pay {/amount} to {/creditor}" },
        "schema": { "type": "object", "required": ["type", "amount", "creditor"] },
    });
    fs::write(types.join("payment.json"), payment.to_string()).unwrap();
    let host = data.demo().unwrap();
    let bank = json!({ "client_name": "Harbour Bank", "authorization_details_types": ["payment"], "supersede": true });
    let (metadata, secret) = (host.data.beside("bank.json"), host.data.beside("bank.secret"));
    fs::write(&metadata, bank.to_string()).unwrap();
    fs::write(&secret, "a secret of the bank's").unwrap();
    let [metadata, secret] = [&metadata, &secret].map(|path| path.to_str().unwrap());
    host.data.must(&["client", "add", "bank", "--metadata", metadata, "--secret-file", secret]).unwrap();
    host
}

#[test]
fn what_is_approved_beyond_scopes_is_read_before_it_is_approved() {
    play_case(&with_a_bank(), "payments", "alice");
}

#[test]
fn a_newer_request_takes_the_place_of_the_one_that_waits() {
    play_case(&with_a_bank(), "superseded", "alice");
}

/// What an operator does to plugins in the console, with every button.
#[test]
fn the_console_turns_orders_allows_and_rolls_back_plugins() {
    let data = Data::new().unwrap();
    fs::create_dir(data.path().join("plugins")).unwrap();
    fs::write(data.path().join("plugins/rules.toml"), "[settings]\nname = 'rules'\n").unwrap();
    fs::copy(guest("obedient"), data.path().join("plugins/rules.wasm")).unwrap();
    let host = data.demo().unwrap();
    let _phone = Phone::of(&host, "alice").unwrap();
    for number in [1, 2] {
        fs::write(host.plugins().join("inbox.wasm"), steady(number)).unwrap();
        let serves = || Ok((host.plugin("inbox")?["version"] == format!("{number:04}")).then_some(()));
        wait_for("it serves", serves).unwrap();
    }
    let mut command = script("operators.mjs");
    command.args([host.said("console").unwrap(), &host.issuer()]);
    if let Some(folder) = std::env::var_os("CIBA_PICTURES") {
        command.arg("--shots").arg(folder);
    }
    plays(command, || host.log());
}

/// Clients, keys and requests in the console, and no banner where nothing is decided by a program.
#[test]
fn the_console_says_who_is_registered_and_what_signs() {
    console(Data::new().unwrap(), None);
}

/// The same, where a program decides: that stands on every page.
#[test]
fn the_console_says_on_every_page_that_a_program_decides() {
    let config = "[conformance]\nautomated_approval = true\nclients = ['demo', 'suite-1']\n\n\
                  [outbound]\nclient_networks = ['127.0.0.0/8']\n";
    console(Data::with_config(config).unwrap(), Some("demo, suite-1|127.0.0.0/8"));
}

#[track_caller]
fn console(data: Data, banner: Option<&str>) {
    const ODD: &str = "https://c.example/?a=1&b=50%#c";
    let host = data.demo().unwrap();
    host.data.must(&["client", "add", ODD]).unwrap();
    let mut command = script("console.mjs");
    command.args([host.said("console").unwrap(), &host.issuer(), ODD]).args(banner);
    plays(command, || host.log());
}

#[test]
fn without_javascript_the_same_forms_answer() {
    case("no JavaScript");
}
