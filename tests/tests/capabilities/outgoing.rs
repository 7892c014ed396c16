//! HTTP requests of plugins, and servers that mean no good.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;

use ciba_tests::host::Data;
use ciba_tests::receiver::{Receiver, Reply};
use ciba_tests::secure::Authority;
use serde_json::{Value, json};

use super::{World, put};

/// A host in which `obedient` may send to a server, as `sender`, and has these limits.
fn world(limits: &str) -> (World, Receiver) {
    let authority = Authority::new();
    let server = Receiver::start(&authority).unwrap();
    let config = format!(
        "[outbound]\nprivate_networks = ['127.0.0.0/8']\ncertificate_authorities = 'authority.pem'\n\
         [plugins.allow.sender]\nhttp = ['{}']\n[plugins.limits_of.sender]\n{limits}",
        server.url("")
    );
    let data = Data::with_config(&config).unwrap();
    fs::write(data.path().join("authority.pem"), authority.pem()).unwrap();
    fs::create_dir(data.path().join("plugins")).unwrap();
    put(&data, "sender", "");
    let world = World::on(data);
    world.host.data.must(&["user", "add", "teller"]).unwrap();
    world.wait_until_it_serves("sender");
    (world, server)
}

/// Has it follow these orders although it fails: nobody is asked then.
fn fails(world: &World, orders: &Value) -> String {
    let before = world.log_of("sender").len();
    let context = json!({ "to": "sender", "orders": orders }).to_string();
    let answer = world.shop.ask(&[("scope", "openid"), ("login_hint", "teller"), ("request_context", &context)]).unwrap();
    assert_eq!(answer.status, 503, "{}", answer.text());
    world.log_of("sender").split_off(before).join("\n")
}

#[test]
fn an_answer_that_never_ends_ends_at_a_limit() {
    let (world, server) = world("wall_ms = 2000\nhttp_response_kib = 100\ncpu_ms = 2000\n");
    let fetch = json!([["fetch", server.url("/")]]);
    for (reply, said) in [(Reply::Endless, "failed: "), (Reply::Whole(200, Vec::new(), vec![b'x'; (100 << 10) + 1]), "failed: ")] {
        server.answer_next([reply.clone()]);
        let lines = world.tell("sender", &fetch).join("\n");
        assert!(lines.contains(said) && lines.contains("body size exceeds limit: 102400 bytes"), "{reply:?}: {lines}");
    }
    server.answer_next([Reply::Whole(200, Vec::new(), vec![b'x'; 100 << 10])]);
    assert_eq!(world.tell("sender", &fetch), ["fetch: 200 to None, 102400 bytes"]);
    server.answer_next([Reply::EndlessHead]);
    let lines = world.tell("sender", &fetch).join("\n");
    assert!(lines.contains("fetch: failed: ") && lines.contains(&format!("HTTP to {}: no answer", server.url(""))), "{lines}");
    // What drips, and what says nothing at all, ends with the time of the call.
    for reply in [Reply::Drip, Reply::Stall] {
        server.answer_next([reply.clone()]);
        let lines = fails(&world, &fetch);
        assert!(lines.contains("call failed [time-limit] took more than 2000 ms"), "{reply:?}: {lines}");
    }
    // Nothing of it is left: the plugin is called again, and sends again.
    assert_eq!(world.tell("sender", &fetch), ["fetch: 204 to None, 0 bytes"]);
}

#[test]
fn a_redirect_is_an_answer_and_leads_nowhere() {
    let (world, server) = world("");
    let inside = TcpListener::bind("127.0.0.1:0").unwrap();
    inside.set_nonblocking(true).unwrap();
    let secret = format!("http://{}", inside.local_addr().unwrap());
    for (status, location) in [(302, format!("{secret}/")), (307, format!("{secret}/")), (301, "http://169.254.169.254/latest".to_owned())]
    {
        server.answer_next([Reply::Whole(status, vec![("location".to_owned(), location.clone())], Vec::new())]);
        let lines = world.tell("sender", &json!([["fetch", server.url("/")]]));
        assert_eq!(lines, [format!("fetch: {status} to Some({location:?}), 0 bytes")]);
    }
    // Nor where the plugin goes there itself.
    let lines = world.tell("sender", &json!([["fetch", secret]])).join("\n");
    assert!(lines.contains(&format!("refused [not-permitted]: HTTP to {secret}")), "{lines}");
    assert_eq!(inside.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

/// The origin is compared, and not how the address begins.
#[test]
fn an_address_that_looks_like_an_allowed_one_is_another() {
    let (world, server) = world("");
    let port = server.address().port();
    let before = server.received().len();
    for url in [
        format!("http://localhost:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        "https://localhost/".to_owned(),
        format!("https://localhost:{}/", u32::from(port) + 65_536),
        format!("https://localhost.:{port}/"),
        format!("https://localhost:{port}@127.0.0.1:{port}/"),
        format!("https://localhost:{port}.evil.example/"),
    ] {
        let lines = world.tell("sender", &json!([["fetch", url]])).join("\n");
        assert!(lines.contains("fetch: failed: "), "{url}: {lines}");
    }
    assert_eq!(server.received().len(), before);
}

#[test]
fn a_header_of_two_lines_is_none_and_some_are_the_hosts_own() {
    let (world, server) = world("");
    let url = server.url("/");
    for (name, value) in [
        ("x-a", "b\r\nx-forged: 1"),
        ("x-a", "b\nx-forged: 1"),
        ("x-a", "b\u{0}"),
        ("x-a\r\nx-forged", "1"),
        ("x a", "b"),
        ("", "b"),
        ("host", "other.example"),
        ("connection", "close, x-hop"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("proxy-authorization", "Basic eA=="),
    ] {
        let lines = world.tell("sender", &json!([["fetch-with", url, name, value]])).join("\n");
        assert!(lines.contains("fetch-with: failed: "), "{name:?} {value:?}: {lines}");
    }
    assert!(server.received().is_empty(), "{:?}", server.received());
    let authority = url.strip_prefix("https://").unwrap().trim_end_matches('/');
    let lines = world.tell("sender", &json!([["forge", authority]]));
    assert_eq!(lines, ["forge: [Err(()), Err(()), Err(()), Err(())]"]);
    // What is one is sent, and the host's name is the host's.
    assert_eq!(world.tell("sender", &json!([["fetch-with", url, "x-a", "b"]])), ["fetch-with: 204"]);
    let [request] = &*server.received() else { panic!("{:?}", server.received()) };
    assert_eq!((request.header("x-a"), request.header("x-forged"), request.header("host")), (Some("b"), None, Some(authority)));
}
