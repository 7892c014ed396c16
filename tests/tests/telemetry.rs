//! What whoever watches from outside is told, as their own programs read it: metrics as Prometheus does, traces as a
//! collector of OpenTelemetry does.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use ciba_tests::host::{Data, Host, example, guest, wait_for};
use ciba_tests::outside::python;
use ciba_tests::party::{Client, Phone};
use ciba_tests::process::Server;
use ciba_tests::receiver::{Receiver, Reply};
use ciba_tests::secure::Authority;
use ciba_tests::wire::{Answer, Request};
use serde_json::Value;

/// A line of a collector's: one span.
#[derive(Clone, Debug)]
struct Span(Value);

impl Span {
    fn text(&self, member: &str) -> &str {
        self.0[member].as_str().unwrap_or_default()
    }

    fn attribute(&self, name: &str) -> String {
        match &self.0["attributes"][name] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// A collector, and a host that tells it everything.
struct World {
    collector: Server,
    host: Host,
}

impl World {
    fn new(config: &str, prepare: impl FnOnce(&Data)) -> Self {
        let collector = Server::start(python("collector.py")).unwrap();
        let port = collector.said("ready").unwrap();
        let data = Data::with_config(&format!("{config}\n[traces]\notlp = 'http://127.0.0.1:{port}'\nfollow = true\n")).unwrap();
        fs::create_dir(data.path().join("plugins")).unwrap();
        prepare(&data);
        Self { host: data.demo().unwrap(), collector }
    }

    /// The next span of this name.
    fn span(&self, name: &str) -> Span {
        let is = |line: &str| serde_json::from_str::<Value>(line).is_ok_and(|span| span["name"] == name);
        let line = self.collector.wait_for_line(Duration::from_secs(30), is);
        Span(serde_json::from_str(&line.unwrap_or_else(|error| panic!("{name}: {error}\n{}", self.host.log()))).unwrap())
    }

    fn wait_until_it_serves(&self, plugin: &str) {
        wait_for("the plugin serves", || Ok(self.host.plugin(plugin)?["version"].is_string().then_some(()))).unwrap();
    }
}

fn install(data: &Data, plugin: &str, component: &std::path::Path, settings: &str) {
    fs::write(data.path().join(format!("plugins/{plugin}.toml")), settings).unwrap();
    fs::copy(component, data.path().join(format!("plugins/{plugin}.wasm"))).unwrap();
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A request as the demo's client sends it from within a trace of its own.
fn asked_in_a_trace(host: &Host) -> Answer {
    let request = Request::form("/bc-authorize", &[("scope", "openid"), ("login_hint", "alice")]);
    let request = request.header("traceparent", &format!("00-{TRACE}-{CALLER}-01")).header("tracestate", "vendor=theirs");
    host.send(&Client::demo(host).authenticated(request)).unwrap()
}

#[test]
fn a_plugins_span_is_a_child_of_the_requests_which_continues_its_callers_trace() {
    let world = World::new("", |data| install(data, "rules", &guest("scripted"), "[settings]\nreview-request = [\"refuse it is late\"]\n"));
    world.wait_until_it_serves("rules");
    assert_eq!(asked_in_a_trace(&world.host).status, 403);
    // A span is told of when it has ended: the plugin's comes first.
    let plugin = world.span("review-request rules");
    let request = world.span("POST /bc-authorize");
    assert_eq!((request.text("trace"), request.text("parent"), request.text("kind")), (TRACE, CALLER, "SPAN_KIND_SERVER"));
    assert_eq!((plugin.text("trace"), plugin.text("parent")), (TRACE, request.text("span")));
    assert_eq!(request.text("service"), "ciba-host");
    assert_eq!(request.attribute("http.response.status_code"), "403");
    assert_eq!(request.attribute("error.type"), "access_denied");
    assert_eq!((plugin.attribute("plugin.name").as_str(), plugin.attribute("hook").as_str()), ("rules", "review-request"));
    // A refusal is an answer.
    assert_eq!(plugin.text("status"), "STATUS_CODE_UNSET");
    assert!(plugin.0["took"].as_u64() > Some(0) && plugin.0["took"].as_u64() <= request.0["took"].as_u64(), "{plugin:?} {request:?}");
}

#[test]
fn a_plugin_that_fails_says_so_in_its_span() {
    let world = World::new("", |data| install(data, "rules", &guest("scripted"), "[settings]\nreview-request = [\"fail no rules\"]\n"));
    world.wait_until_it_serves("rules");
    assert_eq!(asked_in_a_trace(&world.host).status, 503);
    let plugin = world.span("review-request rules");
    assert_eq!((plugin.text("status"), plugin.text("said")), ("STATUS_CODE_ERROR", "script-error"));
    assert_eq!(world.span("POST /bc-authorize").text("status"), "STATUS_CODE_ERROR");
}

#[test]
fn what_is_done_afterwards_and_what_plugins_send_belong_to_the_trace_that_the_request_began_in() {
    let authority = Authority::new();
    let receiver = Receiver::start(&authority).unwrap();
    receiver.answer(Reply::Status(204));
    let url = receiver.url("/entries");
    let outbound = "[outbound]\nprivate_networks = ['127.0.0.0/8']\ncertificate_authorities = 'authority.pem'";
    let config = format!("{outbound}\n[plugins.allow.audit_collector]\nhttp = ['{}']", receiver.url(""));
    let world = World::new(&config, |data| {
        fs::write(data.path().join("authority.pem"), authority.pem()).unwrap();
        let key = data.beside("audit.key");
        fs::write(&key, "0123456789abcdef0123456789abcdef").unwrap();
        let settings = format!("[settings]\nurl = '{url}'\nsource = 'ciba'\nkey = {{ file = '{}' }}\n", key.display());
        install(data, "audit_collector", &example("audit-collector"), &settings);
    });
    world.wait_until_it_serves("audit_collector");
    assert_eq!(asked_in_a_trace(&world.host).status, 200);
    let request = world.span("POST /bc-authorize");
    let sent = world.span(&format!("POST {}", receiver.url("")));
    let plugin = world.span("observe audit_collector");
    let job = world.span("observe");
    for span in [&sent, &plugin, &job] {
        assert_eq!(span.text("trace"), TRACE, "{span:?}");
    }
    assert_eq!(job.text("parent"), request.text("span"));
    assert_eq!(plugin.text("parent"), job.text("span"));
    assert_eq!((sent.text("parent"), sent.text("kind")), (plugin.text("span"), "SPAN_KIND_CLIENT"));
    assert_eq!(sent.attribute("http.response.status_code"), "204");
    let received = receiver.wait_for(1).unwrap();
    let traceparent = format!("00-{TRACE}-{}-01", sent.text("span"));
    assert_eq!(received[0].header("traceparent"), Some(&*traceparent), "what it calls is told which span calls");
    assert_eq!(received[0].header("tracestate"), None, "and nothing that others wrote for each other");
}

#[test]
fn a_collector_that_is_away_holds_nobody_up_and_is_said_once() {
    let data = Data::with_config("[traces]\notlp = 'http://127.0.0.1:9'\n").unwrap();
    let host = data.demo().unwrap();
    for _ in 0..3 {
        assert_eq!(asked_in_a_trace(&host).status, 200);
    }
    let said = || host.log().matches("traces do not reach their collector").count();
    wait_for("it is said", || Ok((said() > 0).then_some(()))).unwrap();
    assert_eq!(asked_in_a_trace(&host).status, 200);
    assert_eq!(said(), 1, "{}", host.log());
}

#[test]
fn nobody_is_told_where_no_collector_is_configured_and_the_log_has_no_spans() {
    let data = Data::with_config("[log]\nfilter = \"trace\"\n").unwrap();
    let host = data.demo().unwrap();
    assert_eq!(asked_in_a_trace(&host).status, 200);
    assert!(!host.log().contains(TRACE) && !host.log().contains("otel.name"), "{}", host.log());
}

#[test]
fn nobody_who_calls_names_the_trace_unless_the_operator_says_so() {
    let collector = Server::start(python("collector.py")).unwrap();
    let port = collector.said("ready").unwrap();
    let host = Data::with_config(&format!("[traces]\notlp = 'http://127.0.0.1:{port}'\n")).unwrap().demo().unwrap();
    assert_eq!(asked_in_a_trace(&host).status, 200);
    let is_request = |line: &str| line.contains("POST /bc-authorize");
    let span = collector.wait_for_line(Duration::from_secs(30), is_request).unwrap();
    assert!(!span.contains(TRACE) && !span.contains(CALLER), "{span}");
}

#[test]
fn what_is_asked_of_a_shadow_is_in_the_requests_trace_and_marked() {
    let world = World::new("", |data| {
        install(data, "next", &guest("scripted"), "mode = \"shadow\"\n[settings]\nreview-request = [\"refuse it is late\"]\n");
    });
    world.wait_until_it_serves("next");
    assert_eq!(asked_in_a_trace(&world.host).status, 200, "a shadow refuses nobody");
    let plugin = world.span("review-request next");
    assert_eq!((plugin.text("trace"), plugin.attribute("plugin.mode").as_str()), (TRACE, "shadow"));
}

#[test]
fn an_address_or_a_share_that_is_none_is_refused_when_the_configuration_is_read() {
    for (config, says) in [
        ("otlp = 'localhost:4318'", "traces.otlp: `localhost:4318` is no address; write for example \"http://127.0.0.1:4318\""),
        ("share = 1.5", "traces.share: 1.5 is no share; write a number from 0.0 to 1.0"),
    ] {
        let said = Data::with_config(&format!("[traces]\n{config}\n")).unwrap().run(&["config", "check"]).unwrap();
        assert!(!said.status.success() && said.error.contains(says), "{config}: {}{}", said.output, said.error);
    }
}

/// Every sample, under `name{label=value,…}`.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut reader = python("metrics.py").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    reader.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let read = reader.wait_with_output().unwrap();
    assert!(read.status.success(), "{text}");
    let lines = String::from_utf8(read.stdout).unwrap();
    let sample = |line: &str| {
        let (name, labels, value): (String, BTreeMap<String, String>, f64) = serde_json::from_str(line).unwrap();
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (if labels.is_empty() { name } else { format!("{name}{{{}}}", labels.join(",")) }, value)
    };
    lines.lines().map(sample).collect()
}

fn metrics(host: &Host) -> BTreeMap<String, f64> {
    let answer = Request::get("/metrics").send(host.admin).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    samples(&answer.text())
}

#[test]
fn metrics_say_what_happened() {
    let data = Data::new().unwrap();
    fs::create_dir(data.path().join("plugins")).unwrap();
    install(&data, "rules", &guest("scripted"), "[settings]\nreview-request = []\n");
    let host = data.demo().unwrap();
    wait_for("the plugin serves", || Ok(host.plugin("rules")?["version"].is_string().then_some(()))).unwrap();
    let (phone, shop) = (Phone::of(&host, "alice").unwrap(), Client::demo(&host));
    let before = metrics(&host);
    let requests = [shop.start("alice").unwrap(), shop.start("alice").unwrap()];
    for (id, decision) in requests.iter().zip(["approve", "deny"]) {
        let (transaction, _) = id.split_once('.').unwrap();
        phone.decide(transaction, decision).unwrap();
    }
    assert_eq!(shop.poll(&requests[0]).unwrap().status, 200);
    assert_eq!(shop.poll(&requests[1]).unwrap().status, 400);
    let after = metrics(&host);
    let more = |sample: &str| after.get(sample).copied().unwrap_or_default() - before.get(sample).copied().unwrap_or_default();
    for (sample, expected) in [
        ("ciba_authentications_total{what=started}", 2.0),
        ("ciba_authentications_total{what=approved}", 1.0),
        ("ciba_authentications_total{what=denied}", 1.0),
        ("ciba_authentications_total{what=redeemed}", 1.0),
        ("ciba_authentications_total{what=refreshed}", 0.0),
        ("ciba_http_requests_total{error=,method=POST,route=/bc-authorize,status=200}", 2.0),
        ("ciba_http_requests_total{error=,method=POST,route=/token,status=200}", 1.0),
        ("ciba_http_requests_total{error=access_denied,method=POST,route=/token,status=400}", 1.0),
        ("ciba_http_request_duration_seconds_count{method=POST,route=/token}", 2.0),
    ] {
        assert_eq!(more(sample), expected, "{sample}: {after:#?}");
    }
    assert!(more("ciba_store_writes_total") >= 5.0 && more("ciba_store_commit_seconds_total") > 0.0, "{after:#?}");
    assert!(after["ciba_process_resident_memory_bytes"] > 1e6 && after["ciba_process_open_fds"] > 3.0, "{after:#?}");
    assert_eq!(after["ciba_jobs{kind=push}"], 0.0);
}

#[test]
fn metrics_say_how_the_calls_of_each_plugin_went() {
    let data = Data::new().unwrap();
    fs::create_dir(data.path().join("plugins")).unwrap();
    for (name, answers) in [("allows", "note Hello"), ("fails", "fail no rules")] {
        let settings = format!("fail = \"open\"\n[settings]\nreview-request = [\"{answers}\"]\n");
        install(&data, name, &guest("scripted"), &settings);
    }
    let host = data.demo().unwrap();
    for name in ["allows", "fails"] {
        wait_for("the plugin serves", || Ok(host.plugin(name)?["version"].is_string().then_some(()))).unwrap();
    }
    let shop = Client::demo(&host);
    for _ in 0..3 {
        shop.start("alice").unwrap();
    }
    let after = metrics(&host);
    let calls =
        |plugin: &str, what: &str| after[&format!("ciba_plugin_call_duration_seconds_{what}{{hook=review-request,plugin={plugin}}}")];
    assert_eq!((calls("allows", "count"), calls("fails", "count")), (3.0, 3.0), "{after:#?}");
    assert!(calls("allows", "sum") > 0.0);
    let all = "ciba_plugin_call_duration_seconds_bucket{hook=review-request,le=+Inf,plugin=allows}";
    assert_eq!(after[all], 3.0, "each call is in a bucket: {after:#?}");
    assert_eq!(after["ciba_plugin_failures_total{hook=review-request,plugin=fails,why=script-error}"], 3.0, "{after:#?}");
    assert!(!after.keys().any(|sample| sample.starts_with("ciba_plugin_failures") && sample.contains("plugin=allows")), "{after:#?}");
    assert_eq!(after["ciba_plugin_serving{plugin=fails}"], 1.0);
    assert!(after["ciba_plugin_memory_peak_bytes{hook=review-request,plugin=allows}"] >= 65_536.0, "{after:#?}");
    // The guest asks for the person's devices, which it may not see.
    assert!(after["ciba_plugin_refusals_total{permission=devices,plugin=allows}"] >= 3.0, "{after:#?}");
}

#[test]
fn what_others_write_is_in_no_label_and_whoever_hangs_up_is_counted() {
    let host = Host::demo().unwrap();
    for path in ["/no/such/address", "/token/..%2f"] {
        host.send(&Request::get(path)).unwrap();
    }
    host.send(&Request::new("SHOUT", "/token")).unwrap();
    let shop = Client::add(&host, "patient", &["--long-poll"]).unwrap();
    let id = shop.start("alice").unwrap();
    shop.poll_request(&id).send_and_hang_up(host.public, Duration::from_millis(300)).unwrap();
    let hung_up = "ciba_http_requests_total{error=,method=POST,route=/token,status=hung-up}";
    let after = wait_for("it is counted", || Ok(Some(metrics(&host)).filter(|after| after.get(hung_up) == Some(&1.0)))).unwrap();
    let routes = after.keys().filter(|sample| sample.starts_with("ciba_http_requests_total"));
    assert!(
        routes.clone().count() > 1 && !routes.clone().any(|sample| sample.contains("no/such") || sample.contains("SHOUT")),
        "{after:#?}"
    );
    assert_eq!(after["ciba_http_requests_total{error=,method=GET,route=none,status=404}"], 2.0);
}
