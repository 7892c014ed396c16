//! Plugins in Python and in JavaScript, with the settings that lie beside them, through the real endpoints: in fresh
//! instances and in warm ones, and swapped for each other and for one in Rust while people authenticate.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use aws_lc_rs::hmac;
use ciba_tests::host::{Data, Host, guest, other_language, sample, wait_for};
use ciba_tests::party::{Client, Phone, waiting_in};
use ciba_tests::receiver::{Received, Receiver, Reply};
use ciba_tests::secure::Authority;
use serde_json::{Value, json};

const LANGUAGES: [&str; 2] = ["python", "javascript"];

/// Time enough on a busy machine.
const LIMITS: &str = "[plugins.limits]\nwall_ms = 60000\ncpu_ms = 10000\n";

/// The settings that a plugin comes with, changed for the test. What is changed must stand there.
fn settings(name: &str, changes: &[(&str, &str)]) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../guest-ciba/other-languages/{name}.toml"));
    let mut text = fs::read_to_string(file).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{name}: {from} in\n{text}");
        text = text.replace(from, to);
    }
    text
}

/// Puts a component and what lies beside it into the folder, and waits until both serve.
fn serve(host: &Host, name: &str, component: &PathBuf, beside: &str) {
    let since = || host.plugin(name).unwrap()["since"].clone();
    let before = since();
    // The file beside it first: until the component is there, it belongs to the one that serves.
    fs::write(host.plugins().join(format!("{name}.toml")), beside).unwrap();
    fs::copy(component, host.plugins().join(format!("{name}.wasm"))).unwrap();
    let digest = ciba_host::protocol::plugin::ArtefactDigest::of(&fs::read(component).unwrap()).0;
    let text = format!("{beside}\n");
    let serves = || {
        let plugin = host.plugin(name)?;
        let warm = text.contains("instances = \"warm\"");
        Ok((plugin["digest"] == json!(digest) && plugin["since"] != before && plugin["warm"].is_number() == warm).then_some(()))
    };
    wait_for(name, serves).unwrap_or_else(|error| panic!("{error}\n{}\n{}", host.plugin(name).unwrap(), host.log()));
}

/// What the plugin logged and what was said of it, line by line.
fn log(host: &Host, name: &str) -> Vec<String> {
    let lines = host.data.json(&["plugin", "log", name]).unwrap();
    lines.as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
}

const FRESH: &str = "instances = \"fresh\"\n";
const WARM: &str = "instances = \"warm\"\n";

#[test]
fn a_note_is_shown_in_the_persons_language() {
    let host = Data::with_config(LIMITS).unwrap().demo().unwrap();
    host.data.must(&["user", "add", "heidi", "--locale", "de-AT"]).unwrap();
    let shop = Client::demo(&host);
    let (alice, heidi) = (Phone::of(&host, "alice").unwrap(), Phone::of(&host, "heidi").unwrap());
    let shown = |user: &str, phone: &Phone| {
        shop.start(user).unwrap();
        let card = phone.next_card(&[]).unwrap();
        let cards = phone.cards().unwrap();
        assert_eq!(phone.decide(&card, "deny").unwrap().status, 200);
        cards
    };
    for (language, english, german) in [
        ("python", "This note is from Python", "Dieser Hinweis kommt aus Python"),
        ("javascript", "This note is from JavaScript", "Dieser Hinweis kommt aus JavaScript"),
    ] {
        let component = other_language(&format!("note_{language}"));
        for lifetime in [FRESH, WARM] {
            serve(&host, "inbox", &component, lifetime);
            for _ in 0..2 {
                let (to_alice, to_heidi) = (shown("alice", &alice), shown("heidi", &heidi));
                assert!(to_alice.contains(english) && to_heidi.contains(german), "{language}: {to_alice}\n{to_heidi}");
            }
            // They ended as calls should: the instance is kept.
            let kept = if lifetime == WARM { json!(1) } else { Value::Null };
            assert_eq!(host.plugin("inbox").unwrap()["warm"], kept, "{language}, {lifetime}");
        }
        assert!(log(&host, "inbox").last().unwrap().starts_with("notified about "), "{:?}", log(&host, "inbox"));

        serve(&host, "inbox", &component, &format!("{WARM}{}", settings("note", &[])));
        assert!(shown("heidi", &heidi).contains("Wir rufen nie an"), "{language}");
        assert!(shown("alice", &alice).contains("We never phone you"), "{language}");

        // A note that is too long is a mistake, and what served goes on.
        let long = settings("note", &[("Wir rufen nie an", &"Wir rufen nie an".repeat(10))]);
        fs::write(host.plugins().join("inbox.toml"), long).unwrap();
        let refused = || Ok(host.plugin("inbox")?.to_string().contains("/notes/de: 195 characters long").then_some(()));
        wait_for("a refusal", refused).unwrap_or_else(|error| panic!("{error}\n{}", host.plugin("inbox").unwrap()));
        assert!(shown("heidi", &heidi).contains("Wir rufen nie an"), "{language}");
    }
}

/// A host in which a plugin asks a risk service.
struct Risk {
    host: Host,
    service: Receiver,
    shop: Client,
    phone: Phone,
}

impl Risk {
    fn new() -> Self {
        let authority = Authority::new();
        let service = Receiver::start(&authority).unwrap();
        let config = format!(
            "{LIMITS}[outbound]\nprivate_networks = ['127.0.0.0/8']\ncertificate_authorities = 'authority.pem'\n\
            [authenticators]\norder = ['urn:example:phone', 'urn:example:passkey']\n\
            [authenticators.device_page]\nacr = 'urn:example:phone'\n"
        );
        let data = Data::with_config(&config).unwrap();
        fs::write(data.path().join("authority.pem"), authority.pem()).unwrap();
        let host = data.demo().unwrap();
        let (shop, phone) = (Client::demo(&host), Phone::of(&host, "alice").unwrap());
        Self { host, service, shop, phone }
    }

    fn serve(&self, language: &str, lifetime: &str) {
        let at = self.service.url("/score");
        let changes = [
            ("instances = \"warm\"\n", lifetime),
            ("https://risk.example.com/score", at.as_str()),
            ("{ file = \"/etc/ciba/risk.key\" }", "\"the key\""),
        ];
        serve(&self.host, "risk", &other_language(&format!("risk_{language}")), &settings("risk", &changes));
    }

    /// What the client is told when the service answers so.
    fn ask(&self, answer: Reply) -> (u16, String) {
        self.service.answer(answer);
        let context = json!({ "device": "élan" }).to_string();
        let answer = self.shop.ask(&[("scope", "openid"), ("login_hint", "alice"), ("request_context", &context)]).unwrap();
        (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
    }

    /// What becomes of alice's approval of what waits.
    fn approve(&self) -> u16 {
        let waiting = waiting_in(&self.phone.check().unwrap());
        let [transaction] = &*waiting else { panic!("{waiting:?} wait") };
        let status = self.phone.decide(transaction, "approve").unwrap().status;
        self.phone.decide(transaction, "deny").unwrap();
        status
    }

    fn log(&self) -> Vec<String> {
        log(&self.host, "risk")
    }

    /// Instances that are kept.
    fn kept(&self) -> Value {
        self.host.plugin("risk").unwrap()["warm"].clone()
    }
}

fn scores(score: impl Into<Value>) -> Reply {
    body(&json!({ "score": score.into() }).to_string())
}

fn body(text: &str) -> Reply {
    Reply::Whole(200, vec![("content-type".to_owned(), "application/json".to_owned())], text.as_bytes().to_vec())
}

/// Whether the body was signed with the key in the settings, which the plugin never had.
fn is_signed(question: &Received) -> bool {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"the key"), &question.body);
    let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    question.header("x-signature") == Some(&format!("sha256={digits}"))
}

#[test]
fn a_risk_service_is_asked_about_each_request_and_what_goes_wrong_asks_nobody() {
    const TRY_LATER: (u16, &str) = (503, "temporarily_unavailable");
    let world = Risk::new();
    let told = |(status, error): (u16, &str)| (status, error.to_owned());
    for language in LANGUAGES {
        for lifetime in [FRESH, WARM] {
            let now = format!("{language}, {lifetime}");
            // What it may not do is said: by it, and by the host.
            world.serve(language, lifetime);
            assert_eq!(world.ask(scores(10)), told(TRY_LATER), "{now}");
            let log = world.log().join("\n");
            assert!(log.contains("[settings]") && log.contains("plugin allow risk --http https://localhost:"), "{now}{log}");
            world.host.data.must(&["plugin", "allow", "risk", "--http", &world.service.url("")]).unwrap();

            assert_eq!(world.ask(scores(10)), (200, String::new()), "{now}{:?}", world.log());
            assert_eq!(world.approve(), 200, "{now}");
            assert_eq!(world.ask(scores(50.5)), (200, String::new()), "{now}");
            assert_ne!(world.approve(), 200, "{now}: approved with less proof than the plugin wants");
            assert_eq!(world.ask(scores(80)), told((403, "access_denied")), "{now}");
            assert_eq!(world.ask(Reply::Status(500)), told(TRY_LATER), "{now}");
            assert!(world.log().last().unwrap().contains("[temporary] the risk service answered 500"), "{now}{:?}", world.log());
            assert_eq!(world.ask(Reply::Reset), told(TRY_LATER), "{now}");
            assert!(world.log().last().unwrap().contains("[temporary] the risk service cannot be reached"), "{now}{:?}", world.log());

            // A script error is no reason to end an instance. What `fetch` opened JavaScript closes when it collects, which
            // is too late: such an instance ends with its call.
            let kept = if lifetime == FRESH { Value::Null } else { json!(u8::from(language == "python")) };
            assert_eq!(world.kept(), kept, "{now}");

            // An exception that nobody caught is a failure like others, and its message is in the log.
            for (answer, message) in [
                (body("{}"), if language == "python" { "KeyError: 'score'" } else { "no score: undefined" }),
                (scores("much"), if language == "python" { "could not convert string to float: 'much'" } else { "no score: much" }),
                (body("<html>"), if language == "python" { "JSONDecodeError" } else { "JSON" }),
            ] {
                let before = world.log().len();
                assert_eq!(world.ask(answer), told(TRY_LATER), "{now}{message}");
                let log = world.log().split_off(before).join("\n");
                assert!(log.contains(message) && log.contains("call failed [trap]"), "{now}{message} in:\n{log}");
                assert_eq!(world.kept(), if lifetime == WARM { json!(0) } else { Value::Null }, "{now}");
            }
            world.host.data.must(&["plugin", "allow", "risk", "--http", &world.service.url(""), "--revoke"]).unwrap();
        }
    }
    let questions = world.service.received();
    assert!(questions.iter().all(is_signed));
    let question = questions[0].json();
    assert_eq!((&question["client"], &question["context"]), (&json!("demo"), &json!({ "device": "élan" })), "{question}");
    // Each has random bytes of its own, although they are made of the same memory.
    let ids: BTreeSet<String> = questions.iter().map(|question| question.json()["id"].to_string()).collect();
    assert_eq!((ids.len(), questions.len()), (32, 32), "{ids:?}");
}

/// Somebody who asks one person after the other, and looks at each card. Answers with the notes that were on them.
fn authenticate(host: &Host, user: &str, over: &AtomicBool) -> Vec<String> {
    let (shop, phone) = (Client::demo(host), Phone::of(host, user).unwrap());
    let mut notes = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let id = shop.start(user).unwrap();
        let card = phone.next_card(&[]).unwrap();
        let cards = phone.cards().unwrap();
        let note = NOTES.iter().find(|note| !note.is_empty() && cards.contains(**note)).copied().unwrap_or_default();
        assert!(!note.is_empty() || !cards.contains("This note"), "a card of no version: {cards}");
        assert_eq!(phone.decide(&card, "approve").unwrap().status, 200, "{user}");
        let tokens = shop.poll(&id).unwrap();
        assert_eq!(tokens.status, 200, "{user}: {}", tokens.text());
        notes.push(note.to_owned());
    }
    notes
}

/// What each version says. The first is in Rust, and says nothing.
const NOTES: [&str; 3] = ["", "This note is from Python", "This note is from JavaScript"];

#[test]
fn nobody_notices_that_a_plugin_is_replaced_by_one_in_another_language() {
    let host = Data::with_config(LIMITS).unwrap().demo().unwrap();
    let users: Vec<String> = (0..4).map(|number| format!("user{number}")).collect();
    for user in &users {
        host.data.must(&["user", "add", user]).unwrap();
    }
    let over = AtomicBool::new(false);
    let notes = thread::scope(|scope| {
        let people: Vec<_> = users.iter().map(|user| scope.spawn(|| authenticate(&host, user, &over))).collect();
        let replacing = scope.spawn(|| {
            for lifetime in [FRESH, WARM] {
                for component in [other_language("note_python"), other_language("note_javascript"), sample("inbox-1.wasm")] {
                    let calls = || host.plugin("inbox").unwrap()["counters"]["calls"].as_u64().unwrap();
                    serve(&host, "inbox", &component, lifetime);
                    // Each of them serves people.
                    let before = calls();
                    wait_for("calls of this version", || Ok((calls() > before + 8).then_some(()))).unwrap();
                }
            }
        });
        let replaced = replacing.join();
        over.store(true, Ordering::Relaxed);
        let notes: Vec<String> = people.into_iter().flat_map(|person| person.join().unwrap()).collect();
        replaced.unwrap();
        notes
    });
    for note in NOTES {
        assert!(notes.iter().any(|seen| seen == note), "`{note}` was on no card of {}", notes.len());
    }
    let plugin = host.plugin("inbox").unwrap();
    assert_eq!(plugin["counters"]["failures"], 0, "{:?}", log(&host, "inbox"));
    assert!(!host.log().contains("nobody was notified"), "there was a moment without a plugin");
    eprintln!("{} authentications while a plugin was replaced six times, none failed", notes.len());
}

/// Some megabytes take seconds to compile. What is small is not held up by it.
#[test]
fn a_big_plugin_does_not_hold_up_the_swap_of_a_small_one() {
    let host = Host::demo().unwrap();
    fs::copy(other_language("note_python"), host.plugins().join("big.wasm")).unwrap();
    fs::copy(sample("inbox-2.wasm"), host.plugins().join("inbox.wasm")).unwrap();
    fs::copy(guest("elsewhere"), host.plugins().join("elsewhere.wasm")).unwrap();
    // It serves the channel of `inbox`, and is refused when it has been compiled and tried.
    let place = |words: &str| host.log().find(words);
    let big = wait_for("the big one was looked at", || Ok(place("plugin big"))).unwrap();
    for small in ["plugin inbox: 2.0.0", "plugin elsewhere: "] {
        let small = place(small).unwrap_or_else(|| panic!("{small}:\n{}", host.log()));
        assert!(small < big, "{}", host.log());
    }
}
