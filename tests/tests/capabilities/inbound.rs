//! Plugins that are called by HTTP, on an origin of their own.

use std::net::SocketAddr;

use ciba_tests::party::Phone;
use ciba_tests::wire::{Answer, Request};
use serde_json::Value;

use super::World;

const CONFIG: &str = "[plugins.allow.pages]\ninbound = true\n[plugins.limits_of.pages]\nhttp_response_kib = 100\nwall_ms = 500\n";

fn pages(config: &str) -> (World, SocketAddr) {
    let world = World::with_pages(config);
    let inbound = world.host.said("inbound").unwrap().strip_prefix("http://").unwrap().parse().unwrap();
    (world, inbound)
}

fn send(to: SocketAddr, request: Request) -> Answer {
    request.send(to).unwrap()
}

#[test]
fn a_plugin_is_called_when_it_may_be_and_sees_nothing_that_is_ours() {
    let (world, inbound) = pages("");
    let echo = || Request::new("POST", "/pages/echo?a=b&c=%2f..").body("said").header("x-signature", "s");
    assert_eq!(send(inbound, echo()).status, 404);
    let log = world.log_of("pages").concat();
    assert!(log.contains("refused [not-permitted]: inbound. do: ciba-host plugin allow pages --inbound"), "{log}");
    // It is asked for by whoever can be called, whether or not the plugin says so.
    assert_eq!(world.host.plugin("pages").unwrap()["state"], "blocked");
    world.allow("pages", &["--inbound"]);

    let phone = Phone::of(&world.host, "alice").unwrap();
    let ours = [
        ("cookie", format!("device={}", phone.session())),
        ("authorization", "Bearer ours".to_owned()),
        ("proxy-authorization", "Basic b3Vycw==".to_owned()),
        ("dpop", "ours".to_owned()),
        ("client-cert", ":b3Vycw==:".to_owned()),
        ("x-forwarded-for", "192.0.2.7".to_owned()),
        ("forwarded", "for=192.0.2.7".to_owned()),
        ("te", "trailers".to_owned()),
    ];
    let request = ours.iter().fold(echo(), |request, (name, value)| request.header(name, value)).header("Cookie", "second=1");
    let answer = send(inbound, request);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = answer.json();
    assert_eq!((&seen["method"], &seen["query"], &seen["body"]), (&"POST".into(), &"a=b&c=%2f..".into(), &"said".into()), "{seen}");
    let names: Vec<&str> = seen["headers"].as_array().unwrap().iter().map(|header| header[0].as_str().unwrap()).collect();
    assert!(names.contains(&"x-signature"), "{names:?}");
    for (name, _) in &ours {
        assert!(!names.contains(name), "{name} in {names:?}");
    }
    // The name stands first, exactly; nothing of another is reached by it.
    for path in ["/", "/other/echo", "/Pages/echo", "/%70ages/echo", "/../pages/echo", "//pages/echo", "/pages%2fecho"] {
        assert_eq!(send(inbound, Request::get(path)).status, 404, "{path}");
    }
    for (path, inner) in [("/pages", "/"), ("/pages/", "/"), ("/pages//a/../b", "//a/../b"), ("/pages/%0d%0aa", "/%0d%0aa")] {
        assert_eq!(send(inbound, Request::get(path)).text(), format!("nothing at {inner}"), "{path}");
    }
    // Under the name of the provider there is no plugin: its pages would be of that origin.
    let elsewhere = world.host.issuer();
    let named = Request::get("/pages/echo").header("host", elsewhere.strip_prefix("http://").unwrap());
    assert_eq!(send(inbound, named).status, 421);
    // And none on the other listeners.
    assert_eq!(send(world.host.public, Request::get("/pages/echo")).status, 404);
    world.allow("pages", &["--inbound", "--revoke"]);
    assert_eq!(send(inbound, echo()).status, 404);
}

#[test]
fn a_page_of_a_plugins_can_do_nothing() {
    let (_world, inbound) = pages(CONFIG);
    let answer = send(inbound, Request::get("/pages/theft"));
    assert!(answer.status == 200 && answer.text().contains("<h1>served</h1>"), "{}", answer.text());
    let policy = answer.header("content-security-policy").unwrap();
    for rule in ["sandbox;", "default-src 'none';", "form-action 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("allow-") && !policy.contains("script-src"), "{policy}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    for name in [
        "set-cookie",
        "access-control-allow-origin",
        "strict-transport-security",
        "clear-site-data",
        "service-worker-allowed",
        "x-accel-redirect",
        "refresh",
        "link",
        "www-authenticate",
    ] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    let answer = send(inbound, Request::get("/pages/moved"));
    assert_eq!(
        (answer.status, answer.header("location"), answer.header("retry-after")),
        (303, Some("https://push.example.com/"), Some("7"))
    );
}

#[test]
fn an_answer_that_is_none_is_not_handed_on() {
    let (world, inbound) = pages(CONFIG);
    for (case, path, status, said) in [
        ("a header of two lines", "/pages/inject", 502, "a header of the answer is one that HTTP does not allow"),
        ("a status that is none", "/pages/status?99", 502, "99 is no status"),
        ("a status that goes on", "/pages/status?101", 502, ""),
        ("a status without a body", "/pages/status?204", 204, ""),
        ("as much as is taken", "/pages/huge?102400", 200, ""),
        ("more than is taken", "/pages/huge?102401", 502, "[size-limit] answered with more than 100 KiB (http_response_kib)"),
        ("a trap", "/pages/trap", 502, "[trap]"),
        ("a loop", "/pages/loop", 502, "[cpu-limit]"),
        ("one that waits", "/pages/slow", 502, "[time-limit]"),
    ] {
        let answer = send(inbound, Request::get(path));
        let log = world.log_of("pages").join("\n");
        assert_eq!(answer.status, status, "{case}: {}\n{log}", answer.text());
        assert!(log.contains(said), "{case}: {log}");
        assert!(answer.header("content-security-policy").is_some() && answer.header("set-cookie").is_none(), "{case}");
    }
    // What a stranger sends is bounded before the plugin is called.
    let calls = || world.host.plugin("pages").unwrap()["counters"]["calls"].clone();
    let before = calls();
    assert_eq!(send(inbound, Request::new("POST", "/pages/echo").body(vec![b'x'; 65_537])).status, 413);
    assert_eq!(calls(), before);
    assert_eq!(send(inbound, Request::new("POST", "/pages/echo").body(vec![b'x'; 65_536])).status, 200);
}

#[test]
fn a_channel_calls_back_with_what_the_person_decided() {
    let (world, inbound) = pages(&format!("{CONFIG}[plugins.allow.other]\ndecide = true\n"));
    let id = world.shop.start("alice").unwrap();
    let (transaction, alice) = (id.split_once('.').unwrap().0, world.id_of("alice"));
    let call_back = || send(inbound, Request::new("POST", &format!("/pages/decide?{transaction}&{alice}"))).text();
    assert_eq!(call_back(), "Err(Refusal::NotPermitted(\"decide\"))");
    world.allow("pages", &["--decide"]);
    assert_eq!(call_back(), "Ok(Outcome::Counted)");
    assert_eq!(call_back(), "Ok(Outcome::NotPending)");
    assert!(matches!(world.shop.poll(&id).unwrap().json()["id_token"], Value::String(_)));
}

#[test]
fn those_who_flood_a_plugin_are_told_to_come_later() {
    let (world, inbound) = pages("[plugins.allow.pages]\ninbound = true\n[plugins.limits_of.pages]\nconcurrency = 4\nwall_ms = 3000\n");
    // Half of its places are taken, and those stay that nobody outside may have.
    let mut slow = Vec::new();
    let refused = ciba_tests::host::wait_for("a refusal", || {
        // Each time one more, in case the one before found no place itself.
        slow.push(Request::get("/pages/slow").begin(inbound)?);
        let answer = send(inbound, Request::get("/pages/echo"));
        Ok((answer.status == 503).then_some(answer))
    });
    assert_eq!(refused.unwrap().header("retry-after"), Some("1"));
    drop(slow);
    // A caller that hangs up leaves its call to its own end, and then there is room again.
    ciba_tests::host::wait_for("room", || Ok((send(inbound, Request::get("/pages/echo")).status == 200).then_some(()))).unwrap();
    assert!(world.host.log().contains("[time-limit]"), "{}", world.host.log());
}
