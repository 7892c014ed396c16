//! The plugins in `guest-ciba/examples`, with the settings that lie beside them, through the real endpoints; and what each
//! does when what it needs is away.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ciba_host::clock::Clock;
use ciba_tests::host::{Data, Host, example, wait_for};
use ciba_tests::party::{Client, Phone, claims, waiting_in};
use ciba_tests::receiver::{Receiver, Reply};
use ciba_tests::secure::Authority;
use ciba_tests::wire::Answer;
use jiff::SignedDuration;
use serde_json::{Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-ciba/examples")
}

/// The settings that an example comes with, changed for the test. What is changed must stand there.
fn settings(name: &str, changes: &[(&str, &str)]) -> String {
    let file = folder().join(name).join(format!("{}.toml", name.replace('-', "_")));
    let mut text = fs::read_to_string(file).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{name}: {from} in\n{text}");
        text = text.replace(from, to);
    }
    text
}

/// A host with one of the examples, and with a server of somebody else's in the network that plugins may reach.
struct World {
    host: Host,
    name: String,
    phone: Phone,
    shop: Client,
}

impl World {
    fn with(name: &str, config: &str, peer: Option<(&Authority, &Receiver)>, changes: &[(&str, &str)]) -> Self {
        let authority = peer.map(|(authority, _)| authority.pem());
        let plugin = name.replace('-', "_");
        let config = peer.map_or(config.to_owned(), |(_, peer)| {
            let outbound = "[outbound]\nprivate_networks = ['127.0.0.0/8']\ncertificate_authorities = 'authority.pem'";
            format!("{config}\n{outbound}\n[plugins.allow.{plugin}]\nhttp = ['{}']\n", peer.url(""))
        });
        let data = Data::with_config(&config).unwrap();
        if let Some(authority) = authority {
            fs::write(data.path().join("authority.pem"), authority).unwrap();
        }
        fs::create_dir(data.path().join("plugins")).unwrap();
        fs::write(data.path().join(format!("plugins/{plugin}.toml")), settings(name, changes)).unwrap();
        fs::copy(example(name), data.path().join(format!("plugins/{plugin}.wasm"))).unwrap();
        let host = data.demo().unwrap();
        wait_for("the plugin serves", || Ok(host.plugin(&plugin)?["version"].is_string().then_some(())))
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", host.plugin(&plugin).unwrap(), host.log()));
        let (phone, shop) = (Phone::of(&host, "alice").unwrap(), Client::demo(&host));
        Self { host, name: plugin, phone, shop }
    }

    /// Changes its settings, and waits until another version serves.
    fn set(&self, name: &str, changes: &[(&str, &str)]) {
        let since = || self.host.plugin(&self.name).unwrap()["since"].clone();
        let before = since();
        fs::write(self.host.plugins().join(format!("{}.toml", self.name)), settings(name, changes)).unwrap();
        wait_for("the settings serve", || Ok((since() != before).then_some(()))).unwrap();
    }

    /// What a client is told that asks for alice, or for whomever the hint means.
    fn ask(&self, more: &[(&str, &str)]) -> (u16, String) {
        let mut parameters = vec![("scope", "openid")];
        if !more.iter().any(|(name, _)| *name == "login_hint") {
            parameters.push(("login_hint", "alice"));
        }
        said(&self.shop.ask(&[&parameters, more].concat()).unwrap())
    }

    /// Alice approves what waits, which is one request.
    fn approve(&self) -> Answer {
        let waiting = waiting_in(&self.phone.check().unwrap());
        let [transaction] = &*waiting else { panic!("{waiting:?} wait") };
        self.phone.decide(transaction, "approve").unwrap()
    }

    fn alice(&self) -> String {
        let users = self.host.data.json(&["user", "list"]).unwrap();
        let alice = users.as_array().unwrap().iter().find(|user| user["username"] == "alice").unwrap();
        alice["id"].as_str().unwrap().to_owned()
    }

    fn log(&self) -> String {
        self.host.data.json(&["plugin", "log", &self.name]).unwrap().to_string()
    }
}

fn said(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
}

fn refused(status: u16, error: &str) -> (u16, String) {
    (status, error.to_owned())
}

fn accepted() -> (u16, String) {
    (200, String::new())
}

fn answers(body: &Value) -> Reply {
    Reply::Whole(200, vec![("content-type".to_owned(), "application/json".to_owned())], body.to_string().into_bytes())
}

#[test]
fn working_hours_are_those_where_people_are_unless_they_are_on_call() {
    // Wherever it is noon now, so that neither midnight nor the end of a day comes while this runs.
    let now = Clock::System.now();
    let east = 12 - now.as_second().rem_euclid(86_400) / 3_600;
    let offset = format!("\"{}{:02}:00\"", if east < 0 { '-' } else { '+' }, east.abs());
    let there = now + SignedDuration::from_hours(east);
    let today = format!("[\"{}\"]", there.strftime("%A").to_string().to_lowercase());
    let week = r#"["monday", "tuesday", "wednesday", "thursday", "friday"]"#;
    let open = vec![("\"+01:00\"", offset.as_str()), (week, &today)];
    let world = World::with("working-hours", "", None, &open);
    assert_eq!(world.ask(&[]), accepted(), "{}", world.log());

    // Not yet, no longer, and not on this day.
    for closed in [("\"08:00\"", "\"16:00\""), ("\"18:00\"", "\"09:00\""), (today.as_str(), "[]")] {
        let mut changes = open.clone();
        changes.push(closed);
        world.set("working-hours", &changes);
        assert_eq!(world.ask(&[]), refused(403, "access_denied"), "{closed:?}");
    }
    assert!(world.host.log().contains("outside working hours"), "{}", world.host.log());

    // The rota is a file, and whoever is written into it is asked a second later.
    let rota = world.host.data.beside("on-call");
    fs::write(&rota, "somebody-else\n").unwrap();
    let on_call = format!("on_call = {{ file = {rota:?} }}");
    let mut changes = open.clone();
    changes.extend([("\"08:00\"", "\"16:00\""), ("on_call = \"\"", &on_call)]);
    world.set("working-hours", &changes);
    assert_eq!(world.ask(&[]), refused(403, "access_denied"));
    fs::write(&rota, format!("somebody-else\n{}\n", world.alice())).unwrap();
    wait_for("alice is on call", || Ok((world.ask(&[]) == accepted()).then_some(()))).unwrap();

    // Hours that never come are a mistake, and what served goes on.
    let mut changes = open.clone();
    changes.push(("\"08:00\"", "\"19:00\""));
    fs::write(world.host.plugins().join("working_hours.toml"), settings("working-hours", &changes)).unwrap();
    wait_for("a refusal", || Ok(world.host.plugin("working_hours")?.to_string().contains("must be later than").then_some(()))).unwrap();
    assert_eq!(world.ask(&[]), accepted());
}

#[test]
fn amounts_above_the_limit_need_stronger_proof() {
    const PAYMENT: &str = "words = { en = 'Pay {/amount/value}' }\n[schema]\ntype = 'object'\nrequired = ['type', 'amount']\n\
        [schema.properties.amount]\ntype = 'object'\nproperties = { value = { type = 'string' } }\n";
    let config = "[authenticators]\norder = ['urn:example:phone', 'urn:example:passkey']\n\
        [authenticators.device_page]\nacr = 'urn:example:phone'\n";
    let mut world = World::with("step-up", config, None, &[]);
    let types = world.host.data.path().join("declared/authorization_details");
    fs::create_dir_all(&types).unwrap();
    fs::write(types.join("payment.toml"), PAYMENT).unwrap();
    let file = world.host.data.beside("shop.toml");
    fs::write(&file, "authorization_details_types = ['payment']\n").unwrap();
    world.shop = Client::add(&world.host, "bank", &["--metadata", file.to_str().unwrap()]).unwrap();
    let pay = |world: &World, amounts: &[&str]| {
        let details: Vec<Value> = amounts.iter().map(|amount| json!({ "type": "payment", "amount": { "value": amount } })).collect();
        world.ask(&[("authorization_details", &json!(details).to_string())])
    };
    wait_for("the type is known", || Ok((pay(&world, &["1.00"]) == accepted()).then_some(()))).unwrap();
    assert_eq!(world.approve().status, 200);

    for (amounts, approved) in [
        (&["1000.00"][..], 200),
        (&["1000.01"], 409),
        // Two halves are as much as the whole, and what cannot be read is as much as you like.
        (&["600.00", "600.00"], 409),
        (&["a fortune"], 409),
    ] {
        assert_eq!(pay(&world, amounts), accepted(), "{amounts:?}\n{}", world.log());
        let answer = world.approve();
        assert_eq!(answer.status, approved, "{amounts:?}");
        assert_eq!(answer.text().contains("wants stronger proof that it is you"), approved == 409, "{amounts:?}");
        if approved == 409 {
            let waiting = waiting_in(&world.phone.check().unwrap());
            assert_eq!(world.phone.decide(&waiting[0], "deny").unwrap().status, 200, "whoever cannot approve can deny");
        }
    }
    assert_eq!(world.ask(&[]), accepted(), "without an amount");
    assert_eq!(world.approve().status, 200);

    // Where the host does not know what is stronger, nothing above the limit passes, and the log says what is missing.
    world.set("step-up", &[("urn:example:passkey", "urn:example:oath")]);
    assert_eq!(pay(&world, &["5.00"]), accepted());
    assert_eq!(world.approve().status, 200);
    assert_eq!(pay(&world, &["5000.00"]), refused(503, "temporarily_unavailable"));
    assert!(world.log().contains("required an acr that is not in authenticators."), "{}", world.log());
}

#[test]
fn a_directory_says_whom_a_hint_means_and_nobody_is_asked_while_it_is_away() {
    let authority = Authority::new();
    let mut directory = Receiver::start(&authority).unwrap();
    let here = directory.url("");
    let at_here = ("url = \"https://directory.example.com", format!("url = \"{here}"));
    let changes = [(at_here.0, at_here.1.as_str())];
    let world = World::with("directory-person", "", Some((&authority, &directory)), &changes);
    let hinted = |hint: &str| world.ask(&[("login_hint", hint)]);
    let waiting = || waiting_in(&world.phone.check().unwrap()).len();

    directory.answer(answers(&json!({ "username": "alice", "mail": "al@example.com" })));
    assert_eq!(hinted("al@example.com&x=/../ü"), accepted(), "{}", world.log());
    assert_eq!((waiting(), world.approve().status), (1, 200));
    let asked = directory.received().remove(0);
    assert_eq!((&*asked.method, &*asked.path), ("GET", "/people?mail=al%40example.com%26x%3D%2F..%2F%C3%BC"));

    // Whoever is not in the directory is nobody, whatever the host knows; and whom it names the host must know.
    directory.answer(Reply::Status(404));
    assert_eq!(hinted("alice"), refused(400, "unknown_user_id"));
    directory.answer(answers(&json!({ "username": "carol" })));
    assert_eq!(hinted("alice"), refused(400, "unknown_user_id"));

    // It fails in every way in which a directory does.
    for (reply, says) in [
        (Reply::Status(500), "the other side answered 500"),
        (Reply::Status(401), "the other side answered 401"),
        (Reply::Reset, ""),
        (Reply::Stall, "it took too long"),
        (answers(&json!({ "mail": "alice" })), "the directory's answer has no text at /username"),
        (Reply::Whole(200, Vec::new(), b"<html>alice".to_vec()), "the answer is not the JSON that was expected"),
    ] {
        let case = format!("{reply:?}");
        directory.answer(reply);
        assert_eq!(hinted("alice"), refused(503, "temporarily_unavailable"), "{case}");
        assert!(world.log().contains(says), "{case}: {}", world.log());
    }
    directory.down().unwrap();
    assert_eq!(hinted("alice"), refused(503, "temporarily_unavailable"));
    assert_eq!(waiting(), 0, "somebody was asked");
    directory.up().unwrap();
    directory.answer(answers(&json!({ "username": "alice" })));
    assert_eq!(hinted("anybody"), accepted(), "it is back");
    assert_eq!(world.approve().status, 200);

    // As its settings say: with fail = "open" the host looks itself.
    directory.down().unwrap();
    world.set("directory-person", &[changes[0], ("fail = \"closed\"", "fail = \"open\"")]);
    assert_eq!((hinted("alice"), hinted("nobody-here")), (accepted(), refused(400, "unknown_user_id")));

    // And what it may not reach it does not.
    directory.up().unwrap();
    world.set("directory-person", &[(at_here.0, "url = \"https://localhost:1")]);
    assert_eq!(hinted("alice"), refused(503, "temporarily_unavailable"));
    assert!(world.log().contains("plugin allow directory_person --http https://localhost:1"), "{}", world.log());
}

#[test]
fn groups_of_the_directory_are_in_the_id_token_and_without_it_an_approval_waits() {
    let authority = Authority::new();
    let mut directory = Receiver::start(&authority).unwrap();
    let here = directory.url("");
    let here = ("https://directory.example.com/people", format!("{here}/people"));
    let world = World::with("directory-groups", "", Some((&authority, &directory)), &[(here.0, &here.1)]);
    let groups = |tokens: &Answer| claims(tokens)["groups"].clone();
    let approved = || {
        let id = world.shop.start("alice").unwrap();
        assert_eq!(world.approve().status, 200);
        id
    };

    // Without the directory there are no tokens, and nothing is lost.
    directory.down().unwrap();
    let id = approved();
    assert_eq!(said(&world.shop.poll(&id).unwrap()), refused(503, "temporarily_unavailable"), "{}", world.log());
    directory.up().unwrap();
    directory.answer(answers(&json!({ "groups": ["payments", "staff"] })));
    let tokens = wait_for("the tokens", || Ok(Some(world.shop.poll(&id)?).filter(|answer| answer.status == 200))).unwrap();
    assert_eq!(groups(&tokens), json!(["payments", "staff"]), "{}", world.log());
    assert_eq!(directory.received()[0].path, format!("/people/{}", world.alice()));
    // So long as it may keep nothing, it asks each time.
    assert_eq!(world.shop.poll(&approved()).unwrap().status, 200);
    assert_eq!(directory.received().len(), 2);
    for line in ["the directory is asked each time: storage", "plugin allow directory_groups --storage"] {
        assert!(world.log().contains(line), "{}", world.log());
    }

    // What it heard it keeps for a while, and the directory may be away meanwhile.
    world.host.data.must(&["plugin", "allow", "directory_groups", "--storage"]).unwrap();
    assert_eq!(world.shop.poll(&approved()).unwrap().status, 200);
    directory.down().unwrap();
    let tokens = world.shop.poll(&approved()).unwrap();
    assert_eq!((groups(&tokens), directory.received().len()), (json!(["payments", "staff"]), 3), "{}", world.log());
    directory.up().unwrap();
}

#[test]
fn a_group_that_was_taken_away_is_gone_from_tokens_when_the_cache_is_old() {
    let authority = Authority::new();
    let directory = Receiver::start(&authority).unwrap();
    let here = format!("{}/people", directory.url(""));
    let changes = [("https://directory.example.com/people", here.as_str()), ("cache_seconds = 300", "cache_seconds = 1")];
    let world = World::with("directory-groups", "", Some((&authority, &directory)), &changes);
    world.host.data.must(&["plugin", "allow", "directory_groups", "--storage"]).unwrap();
    let groups = || {
        let id = world.shop.start("alice").unwrap();
        assert_eq!(world.approve().status, 200);
        let tokens = world.shop.poll(&id).unwrap();
        assert_eq!(tokens.status, 200, "{}\n{}", tokens.text(), world.log());
        claims(&tokens)["groups"].clone()
    };
    directory.answer(answers(&json!({ "groups": ["payments"] })));
    assert_eq!(groups(), json!(["payments"]));
    // Somebody without groups has an empty list, which says so.
    directory.answer(answers(&json!({ "groups": [] })));
    wait_for("the group is gone", || Ok((groups() == json!([])).then_some(()))).unwrap();
    // An answer without a list says nothing.
    directory.answer(answers(&json!({ "groups": null })));
    let id = wait_for("nothing is kept", || {
        let id = world.shop.start("alice")?;
        world.approve();
        Ok((world.shop.poll(&id)?.status == 503).then_some(id))
    });
    assert!(world.log().contains("the directory's answer has no list of texts at /groups"), "{}", world.log());
    directory.answer(answers(&json!({ "groups": ["staff"] })));
    assert_eq!(world.shop.poll(&id.unwrap()).unwrap().status, 200, "the approval waited");
}

#[test]
fn every_event_reaches_the_collector_signed_and_in_order_although_it_was_away() {
    const KEY: &str = "a key of at least thirty-two characters";
    let authority = Authority::new();
    let mut collector = Receiver::start(&authority).unwrap();
    let key = tempfile::NamedTempFile::new().unwrap();
    fs::write(key.path(), format!("{KEY}\n")).unwrap();
    let (url, path) = (collector.url("/entries"), key.path().to_str().unwrap());
    let changes = [("https://audit.example.com/entries", url.as_str()), ("/etc/ciba/audit.key", path)];
    let world = World::with("audit-collector", "", Some((&authority, &collector)), &changes);
    let authenticate = || {
        let id = world.shop.start("alice").unwrap();
        assert_eq!(world.approve().status, 200);
        assert_eq!(world.shop.poll(&id).unwrap().status, 200);
        id.split_once('.').unwrap().0.to_owned()
    };

    // Taken, and not known to be: it is told again and is the same entry. So is one that was had before.
    collector.answer_next([Reply::Status(503), Reply::Reset, Reply::Status(409)]);
    let transaction = authenticate();
    let entries = collector.wait_for(3 + 2).unwrap();
    let seen: Vec<Value> = entries.iter().map(|entry| entry.json()).collect();
    let ids: Vec<&str> = seen.iter().map(|entry| entry["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["1", "1", "1", "2", "3"].map(|id| format!("ciba.example.com/{id}")), "{}", world.log());
    let kinds: Vec<&str> = seen[2..].iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["request-started", "request-approved", "tokens-issued"]);
    for (received, entry) in entries.iter().zip(&seen) {
        let expected = json!({ "id": entry["id"], "kind": entry["kind"], "at": entry["at"], "transaction": transaction,
            "client": "demo", "user": world.alice() });
        assert_eq!(*entry, expected);
        assert_eq!(received.header("idempotency-key"), entry["id"].as_str());
        assert_eq!(received.header("x-signature").unwrap(), format!("sha256={}", signature(KEY, &received.body)));
    }
    assert_eq!((&entries[0].body, &entries[1].body), (&entries[2].body, &entries[2].body), "another entry under the same id");

    // What happens while it is away waits for it.
    collector.down().unwrap();
    authenticate();
    authenticate();
    collector.up().unwrap();
    let entries = collector.wait_for(5 + 6).unwrap();
    let ids: Vec<String> = entries[5..].iter().map(|entry| entry.json()["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, (4..=9).map(|id| format!("ciba.example.com/{id}")).collect::<Vec<_>>());
    assert!(!world.host.log().contains(KEY));
}

/// What the collector makes of the body, in hexadecimal digits.
fn signature(key: &str, body: &[u8]) -> String {
    use aws_lc_rs::hmac;
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), body);
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn each_example_is_one_screen_or_two_and_stands_in_the_table() {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let listed: BTreeSet<&str> = readme.lines().filter_map(|line| line.strip_prefix("| [`")?.split('`').next()).collect();
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let found: BTreeSet<String> = entries.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(listed, found.iter().map(String::as_str).collect());
    for name in found {
        let source = folder().join(&name).join("src");
        let lines = fs::read_to_string(source.join("lib.rs")).unwrap().lines().count();
        assert!(lines < 100, "{name} has {lines} lines");
        let rust = fs::read_dir(source).unwrap().filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "rs"));
        assert_eq!(rust.count(), 1, "{name}");
    }
}
