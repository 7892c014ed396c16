//! Shadows: asked beside those whose answers count, compared, counted and shown, and without any effect.

use std::fs;

use ciba_tests::console::Console;
use ciba_tests::host::{guest, sample, wait_for};
use ciba_tests::party::{Client, Phone};
use ciba_tests::wire::Request;
use serde_json::{Value, json};

use super::World;

/// What would end every request, every token and every registration, did it count.
const AGAINST_ALL: &str = r#"[settings]
resolve-hint = ["person carol"]
verify-user-code = ["wrong"]
review-request = ["refuse it is late"]
review-decision = ["deny not by night"]
issue-tokens = ["refuse gone away"]
shape-introspection = ["inactive"]
register-client = ["refuse only partners"]
"#;
/// What says the same as no plugin, in more words.
const NEUTRAL: &str = "[settings]\n";

/// Goes through every hook that decides something: each thing must happen.
fn everything_happens(world: &World, phone: &Phone) -> String {
    let (id, transaction) = world.start();
    world.approve(phone, &transaction);
    let tokens = world.shop.poll(&id).unwrap();
    assert_eq!(tokens.status, 200, "{}\n{}", tokens.text(), world.host.log());
    let tokens = tokens.json();
    let form = Request::form("/introspect", &[("token", tokens["access_token"].as_str().unwrap())]);
    let introspected = world.host.send(&world.shop.authenticated(form)).unwrap().json();
    assert_eq!(introspected["active"], true, "{introspected}");
    let registered = world.host.send(&Request::json("/register", r#"{"client_name":"Shop"}"#)).unwrap();
    assert_eq!(registered.status, 201, "{}", registered.text());
    transaction
}

#[test]
fn an_answer_of_a_shadow_has_no_effect_at_any_hook_and_is_compared_counted_and_shown() {
    for (beside, whose) in [("beside = 'rules'\n", "rules 1.0.0 ("), ("", "no plugin")] {
        let shadow = format!("mode = 'shadow'\n{beside}{AGAINST_ALL}");
        let plugins = [("next", &*shadow), ("rules", NEUTRAL)];
        let world = World::scripted(&plugins[..if beside.is_empty() { 1 } else { 2 }]);
        let phone = Phone::of(&world.host, "alice").unwrap();
        let transaction = everything_happens(&world, &phone);
        let mut findings = Value::Null;
        for (hook, enforced, said) in [
            ("resolve-hint", "not-mine", "person: who (…)"),
            ("review-request", "ask", "refuse (it is late)"),
            ("review-decision", "stand", "deny (not by night)"),
            ("issue-tokens", "issue", "refuse (gone away)"),
            ("shape-introspection", "answer", "inactive"),
            ("register-client", "register", "refuse: because only partners"),
        ] {
            findings = world.findings("next", hook, 1);
            let expected = json!({ "same": 0, "different": 1, "failed": 0, "not_comparable": 0, "missed": 0 });
            assert_eq!(findings["hooks"][hook], expected, "{hook}: {findings}");
            let differences = findings["differences"].as_array().unwrap();
            let difference = differences.iter().find(|difference| difference["hook"] == hook).unwrap();
            assert_eq!((&difference["enforced"], &difference["shadow"]), (&json!(enforced), &json!(said)), "{hook}");
            let about = if hook == "register-client" { Value::Null } else { json!(transaction) };
            assert_eq!(difference["about"], about, "{hook}");
            assert!(difference["beside"].as_str().unwrap_or("no plugin").starts_with(whose), "{difference}");
        }
        // Whom it named is nobody's to read.
        assert!(!findings.to_string().contains("carol"), "{findings}");
        let told = world.host.data.must(&["plugin", "shadow", "next"]).unwrap();
        assert!(told.contains("refuse (it is late)") && told.contains(whose), "{told}");
        let listed = world.host.data.must(&["plugin", "list"]).unwrap();
        assert!(listed.contains("6 different, 0 failed, 0 not comparable.  see: ciba-host plugin shadow next"), "{listed}");
        assert_eq!(world.listed("next").unwrap()["state"], "shadow");
        let page = Console::of(&world.host).unwrap().text("/plugins/next").unwrap();
        for shown in ["Shadow", "0 the same, 1 different, 0 failed, 0 not comparable", "refuse (it is late)", whose, &*transaction] {
            assert!(page.contains(shown), "{shown}: {page}");
        }
        // What it logged says whose it is.
        assert!(world.log_of("next").lines().filter(|line| line.contains("review-request: ")).all(|line| line.starts_with("[shadow] ")));
    }
}

#[test]
fn a_code_is_compared_by_a_shadow_and_counts_by_the_host() {
    let world = World::scripted(&[("next", &format!("mode = 'shadow'\n{AGAINST_ALL}"))]);
    let metadata = world.host.data.beside("coded.json");
    fs::write(&metadata, r#"{"backchannel_user_code_parameter": true}"#).unwrap();
    let world = World { shop: Client::add(&world.host, "coded", &["--metadata", metadata.to_str().unwrap()]).unwrap(), ..world };
    // Where only a shadow keeps codes, nobody must have one.
    world.start();
    let mut command = world.host.data.command(&["user", "code", "alice"]);
    let mut child = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"right-code").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(world.ask(&[("user_code", "right-code")]).0, 200);
    let findings = world.findings("next", "verify-user-code", 1);
    let difference = &findings["differences"].as_array().unwrap().iter().find(|one| one["hook"] == "verify-user-code").unwrap().clone();
    assert_eq!((&difference["enforced"], &difference["shadow"]), (&json!("not-mine"), &json!("wrong")));
    assert!(!findings.to_string().contains("right-code") && !world.log_of("next").contains("right-code"));
}

#[test]
fn the_same_answers_are_counted_as_the_same_and_words_for_the_operator_make_none_different() {
    let rules = "[settings]\nreview-request = ['note For you', 'expire-within 60']\nissue-tokens = ['id-token groups [\"a\"]']\n";
    let same = "[settings]\nreview-request = ['expire-within 60', 'note For you']\nissue-tokens = ['id-token groups [\"b\"]']\n";
    let world = World::scripted(&[("rules", rules), ("next", &format!("mode = 'shadow'\nbeside = 'rules'\n{same}"))]);
    let phone = Phone::of(&world.host, "alice").unwrap();
    everything_happens(&world, &phone);
    assert_eq!(world.findings("next", "review-request", 1)["hooks"]["review-request"]["same"], 1);
    let findings = world.findings("next", "issue-tokens", 1);
    let difference = &findings["differences"][0];
    assert_eq!(
        (&difference["enforced"], &difference["shadow"]),
        (&json!("issue: id-token groups (…)"), &json!("issue: id-token groups (another one)"))
    );
}

#[test]
fn a_shadow_that_traps_or_is_slow_changes_nothing_and_is_counted_as_failed() {
    for how in ["trap", "slow", "fail no rules", "other maybe"] {
        let lines = format!("['{how}']");
        let shadow = ["resolve-hint", "review-request", "review-decision", "issue-tokens", "shape-introspection", "register-client"]
            .map(|hook| format!("{hook} = {lines}\n"))
            .concat();
        let world = World::scripted(&[("rules", NEUTRAL), ("next", &format!("mode = 'shadow'\nbeside = 'rules'\n[settings]\n{shadow}"))]);
        let phone = Phone::of(&world.host, "alice").unwrap();
        everything_happens(&world, &phone);
        for hook in ["resolve-hint", "review-request", "review-decision", "issue-tokens", "shape-introspection", "register-client"] {
            assert_eq!(world.findings("next", hook, 1)["hooks"][hook]["failed"], 1, "{how}: {hook}");
        }
        assert!(world.log_of("next").contains("[shadow] call failed ["), "{}", world.log_of("next"));
        assert!(!world.log_of("rules").contains("call failed"));
    }
}

#[test]
fn nobody_waits_for_a_shadow() {
    // It would be asked for longer than the test may take, and the one beside it answers all the same.
    let config = "[plugins.limits]\nwall_ms = 600000\n";
    let data = ciba_tests::host::Data::with_config(config).unwrap();
    fs::create_dir(data.path().join("plugins")).unwrap();
    super::put(&data, "next", "mode = 'shadow'\n[settings]\nreview-request = ['slow']\n", &guest("scripted"));
    let host = data.demo().unwrap();
    let shop = Client::demo(&host);
    wait_for("the shadow is there", || Ok((host.plugin("next")?["state"] == "shadow").then_some(()))).unwrap();
    for _ in 0..3 {
        shop.start("alice").unwrap();
    }
    // Each of them has been asked and has not answered.
    wait_for("it is asked", || Ok((host.log().matches("[shadow] review-request: ").count() == 3).then_some(()))).unwrap();
    assert!(host.data.json(&["plugin", "shadow", "next"]).unwrap()["hooks"]["review-request"].is_null());
}

#[test]
fn a_shadow_that_is_slow_misses_what_it_has_no_place_for() {
    let config = "[plugins.limits_of.next]\nwall_ms = 600000\nconcurrency = 1\n";
    let data = ciba_tests::host::Data::with_config(config).unwrap();
    fs::create_dir(data.path().join("plugins")).unwrap();
    super::put(&data, "next", "mode = 'shadow'\n[settings]\nreview-request = ['slow']\n", &guest("scripted"));
    let host = data.demo().unwrap();
    wait_for("the shadow is there", || Ok((host.plugin("next")?["state"] == "shadow").then_some(()))).unwrap();
    let shop = Client::demo(&host);
    shop.start("alice").unwrap();
    wait_for("it is asked", || Ok(host.log().contains("[shadow] review-request: ").then_some(()))).unwrap();
    shop.start("alice").unwrap();
    let missed = || Ok((host.data.json(&["plugin", "shadow", "next"])?["hooks"]["review-request"]["missed"] == 1).then_some(()));
    wait_for("what it missed is counted", missed).unwrap_or_else(|error| panic!("{error}\n{}", host.log()));
}

#[test]
fn a_notifier_of_the_same_channel_is_a_shadow_and_shows_nobody_anything() {
    let world = World::with(&[
        ("inbox", "", &guest("withdraws")),
        ("next", "mode = 'shadow'\n[settings]\nnote = 'From the shadow'\n", &sample("inbox.wasm")),
    ]);
    world.host.data.must(&["plugin", "allow", "next", "--inbox"]).unwrap();
    let phone = Phone::of(&world.host, "alice").unwrap();
    let (_, transaction) = world.start();
    let findings = world.findings("next", "notify", 1);
    assert_eq!(findings["hooks"]["notify"]["different"], 1, "{findings}");
    let difference = &findings["differences"][0];
    assert_eq!((&difference["enforced"], &difference["shadow"]), (&json!("accepted"), &json!("accepted: device page (…)")));
    assert_eq!((&findings["withheld"]["inbox"], &findings["acts"][0]["kind"]), (&json!(1), &json!("inbox")), "{findings}");
    assert!(!findings.to_string().contains("From the shadow"), "{findings}");
    // Nobody put it on the page. What became of the call that counts is written a moment later.
    let shown = ciba_tests::host::wait_for("it is written who told her", || {
        let shown = world.host.data.json(&["request", "show", &transaction])?;
        Ok(Some(shown).filter(|shown| shown["notified"] != json!([])))
    })
    .unwrap();
    assert!(shown["notified"][0]["plugin"] == "inbox" && shown["notified"][1].is_null(), "{shown}");
    assert!(!phone.cards().unwrap().contains(&transaction));
    assert!(!phone.check().unwrap().contains("From the shadow"));
}

#[test]
fn a_shadow_takes_back_and_hears_what_the_one_beside_it_does() {
    let world = World::with(&[
        ("inbox", "", &guest("withdraws")),
        ("next", "mode = 'shadow'\nbeside = 'inbox'\n", &guest("withdraws")),
        ("watch", "mode = 'shadow'\n[settings]\n", &guest("scripted")),
        ("fails", "mode = 'shadow'\n[settings]\nobserve = ['fail no']\n", &guest("scripted")),
    ]);
    let phone = Phone::of(&world.host, "alice").unwrap();
    let (_, transaction) = world.start();
    assert_eq!(world.findings("next", "notify", 1)["hooks"]["notify"]["same"], 1);
    world.approve(&phone, &transaction);
    assert_eq!(world.findings("next", "withdraw", 1)["hooks"]["withdraw"]["same"], 1);
    assert!(world.log_of("next").contains(&format!("[shadow] sent for {transaction}, and taken back: approved")));
    let findings = world.findings("watch", "observe", 2);
    assert_eq!(findings["hooks"]["observe"]["same"], 2, "{findings}");
    assert!(world.log_of("watch").contains("request-approved"), "{}", world.log_of("watch"));
    // What fails is not told again: it goes on.
    assert_eq!(world.findings("fails", "observe", 2)["hooks"]["observe"]["failed"], 2);
}

#[test]
fn a_shadow_beside_nobody_says_so_by_a_stable_word() {
    let world = World::scripted(&[("next", "mode = 'shadow'\nbeside = 'rules'\n"), ("other", "mode = 'shadow'\nbeside = 'next'\n")]);
    let message = |name: &str| world.listed(name).unwrap()["message"].as_str().unwrap_or_default().to_owned();
    let expected = "[beside]: beside = \"rules\", and nothing serves under the name rules: it is compared with nobody";
    assert_eq!(message("next"), expected);
    assert!(message("other").contains("next is a shadow"), "{}", message("other"));
    wait_for("it is logged", || Ok(world.host.log().contains("plugin next [beside]: ").then_some(()))).unwrap();
    // When there is one, there is nothing to say any more.
    super::put(&world.host.data, "rules", NEUTRAL, &guest("scripted"));
    world.wait_for_state("next", |plugin| !plugin["message"].to_string().contains("[beside]"));
    world.start();
    assert_eq!(world.findings("next", "review-request", 1)["hooks"]["review-request"]["same"], 1);
}

#[test]
fn what_a_mode_cannot_be_is_said_where_it_stands() {
    let world = World::scripted(&[("next", "mode = 'shadow'\n")]);
    for (toml, says) in [
        ("mode = 'dark'\n", "next.toml:1: unknown variant `dark`"),
        ("share = 0\n", "next.toml: `share` is 0: 1 to 100 per cent, or `mode = \"off\"` for none"),
        ("share = 101\n", "next.toml: `share` is 101"),
        ("share = 300\n", "next.toml:1: "),
        ("beside = 'next'\n", "next.toml: `beside` is the plugin itself"),
        ("beside = '../x'\n", "next.toml: `beside`: `../x` cannot be a plugin's name"),
    ] {
        fs::write(world.host.plugins().join("next.toml"), toml).unwrap();
        world.wait_for_state("next", |plugin| {
            plugin["state"] == "refused"
                && plugin["message"].as_str().is_some_and(|message| message.starts_with("[settings-file]: ") && message.contains(says))
        });
    }
    world.rewrite("next", "mode = 'enforce'\n");
    let said = world.host.data.run(&["plugin", "shadow", "next"]).unwrap();
    assert!(!said.status.success() && said.error.contains("next is no shadow: its answers count"), "{}", said.error);
}
