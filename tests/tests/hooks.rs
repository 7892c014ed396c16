//! The HTTP hook: a provider that stands elsewhere has the same plugins called.

use ciba_tests::host::{Host, guest, wait_for};
use ciba_tests::party::Client;
use ciba_tests::wire::{Answer, Request};
use serde_json::{Value, json};

/// A demo host with a plugin for the channel `elsewhere`, and the credential of a registered caller.
fn host_with_caller() -> (Host, String) {
    let host = Host::demo().unwrap();
    serve(&host, "elsewhere");
    let caller = host.data.json(&["client", "add", "gluu", "--hook-caller"]).unwrap();
    let bearer = format!("Bearer gluu.{}", caller["client_secret"].as_str().unwrap());
    (host, bearer)
}

fn serve(host: &Host, name: &str) {
    std::fs::copy(guest(name), host.plugins().join(format!("{name}.wasm"))).unwrap();
    wait_for(name, || Ok((host.plugin(name)?["state"] == "serving").then_some(()))).unwrap();
}

fn call(host: &Host, bearer: &str, transaction: &Value) -> Answer {
    let body = json!({ "transaction": transaction }).to_string();
    host.send(&Request::json("/hooks/v1/notify", &body).header("authorization", bearer)).unwrap()
}

fn to(channel: &str, address: &str) -> Value {
    json!({ "id": "order-7", "device": { "id": "phone-1", "channel": channel, "address": address } })
}

#[test]
fn the_plugin_of_the_channel_is_called_and_its_outcome_told() {
    let (host, bearer) = host_with_caller();
    let answer = call(&host, &bearer, &to("elsewhere", "1234"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let said = answer.json();
    assert_eq!((said["plugin"].as_str(), said["outcome"].clone()), (Some("elsewhere"), json!({ "accepted": "1234" })));
    assert!(said["version"].is_string() && said["micros"].is_u64(), "{said}");

    // The names of the contract, with its own hyphens or with what JSON is usually written with.
    for (client, until) in [("client_id", "expires_at"), ("client-id", "expires-at")] {
        let mut transaction = to("elsewhere", "1234");
        transaction[client] = "shop".into();
        transaction[until] = 1_893_456_000_u64.into();
        let answer = call(&host, &bearer, &transaction);
        assert_eq!(answer.status, 200, "{client}: {}", answer.text());
    }
}

#[test]
fn what_cannot_be_done_is_said_by_a_word() {
    let (host, bearer) = host_with_caller();
    for (transaction, status, error, names) in [
        (to("pigeon", ""), 404, "no_plugin", "pigeon"),
        (json!({ "id": "x" }), 400, "invalid_request", "device"),
        (json!({ "clent_id": "x", "device": { "id": "d", "channel": "elsewhere" } }), 400, "invalid_request", "clent_id"),
        // There is no device page of this host that could show somebody else's request.
        (to("inbox", ""), 502, "plugin_failed", "device page"),
    ] {
        let answer = call(&host, &bearer, &transaction);
        let said = answer.json();
        assert_eq!((answer.status, said["error"].as_str()), (status, Some(error)), "{transaction}: {}", answer.text());
        assert!(said["error_description"].as_str().unwrap().contains(names), "{transaction}: {said}");
    }
}

#[test]
fn only_a_registered_caller_has_plugins_called() {
    let (host, bearer) = host_with_caller();
    let ordinary = Client::add(&host, "shop", &[]).unwrap();
    let body = json!({ "transaction": to("elsewhere", "1") }).to_string();
    let request = || Request::json("/hooks/v1/notify", &body);
    for (who, request) in [
        ("nobody", request()),
        ("a wrong secret", request().header("authorization", "Bearer gluu.wrong")),
        ("an unknown caller", request().header("authorization", "Bearer who.wrong")),
        ("a client", ordinary.authenticated(request())),
        ("no scheme", request().header("authorization", bearer.trim_start_matches("Bearer "))),
    ] {
        let answer = host.send(&request).unwrap();
        assert_eq!((answer.status, answer.json()["error"].as_str()), (401, Some("invalid_token")), "{who}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{who}");
    }
    let removed = host.data.must(&["client", "remove", "gluu"]).unwrap();
    assert!(removed.contains("gluu"), "{removed}");
    assert_eq!(call(&host, &bearer, &to("elsewhere", "1")).status, 401, "a caller that was removed");
}
