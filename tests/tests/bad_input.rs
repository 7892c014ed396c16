//! Bad input never panics, never gets a 500, and never loses anything.

use ciba_tests::host::{Data, Host};
use ciba_tests::party::Client;
use ciba_tests::wire::Request;

#[test]
fn a_bad_request_is_refused_by_name() {
    let host = Host::demo().unwrap();
    let client = Client::demo(&host);
    let hint = "x".repeat(300);
    let message = "x".repeat(101);
    for (body, error, names) in [
        ("", "invalid_request", "scope"),
        ("scope=openid", "invalid_request", "login_hint"),
        ("login_hint=alice", "invalid_request", "scope"),
        ("scope=email&login_hint=alice", "invalid_scope", "openid"),
        ("scope=openid&scope=openid&login_hint=alice", "invalid_request", "scope is given twice"),
        ("scope=openid&login_hint=%ff", "invalid_request", "login_hint is not UTF-8"),
        (&format!("scope=openid&login_hint={hint}"), "invalid_request", "login_hint"),
        ("scope=openid&login_hint=nobody", "unknown_user_id", ""),
        (&format!("scope=openid&login_hint=alice&binding_message={message}"), "invalid_binding_message", "101"),
        ("scope=openid&login_hint=alice&requested_expiry=0", "invalid_request", "requested_expiry"),
        ("scope=openid&login_hint=alice&request=x", "request_not_supported", "request"),
        ("scope=openid&login_hint=alice&user_code=x", "invalid_request", "user_code"),
    ] {
        let request = Request::raw_form("/bc-authorize", body.as_bytes().to_vec());
        let answer = client.authenticated(request).send(host.public).unwrap();
        let said = answer.json();
        assert_eq!((answer.status, said["error"].as_str()), (400, Some(error)), "{body}");
        assert!(said["error_description"].as_str().unwrap().contains(names), "{body}: {said}");
    }
    for (body, error) in [
        ("", "invalid_request"),
        ("grant_type=password", "unsupported_grant_type"),
        ("grant_type=urn:openid:params:grant-type:ciba", "invalid_request"),
        ("grant_type=urn:openid:params:grant-type:ciba&auth_req_id=unknown", "invalid_grant"),
    ] {
        let answer = client.authenticated(Request::raw_form("/token", body.as_bytes().to_vec())).send(host.public).unwrap();
        assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some(error)), "{body}");
    }
}

#[test]
fn what_is_not_a_request_at_all_is_refused_too() {
    let host = Host::demo().unwrap();
    let client = Client::demo(&host);
    let huge = client.authenticated(Request::raw_form("/token", vec![b'a'; 70 << 10])).send(host.public).unwrap();
    assert_eq!((huge.status, huge.json()["error"].as_str()), (413, Some("invalid_request")));
    let json = client.authenticated(Request::json("/token", "{}")).send(host.public).unwrap();
    assert_eq!((json.status, json.json()["error"].as_str()), (400, Some("invalid_request")));
    assert_eq!(host.send(&Request::get("/token")).unwrap().status, 405);
    assert_eq!(host.send(&Request::get("/nowhere")).unwrap().status, 404);
    let anonymous = host.send(&Request::form("/token", &[("grant_type", "x")])).unwrap();
    assert_eq!((anonymous.status, anonymous.json()["error"].as_str()), (401, Some("invalid_client")));
    let foreign =
        Request::form("/device/decide", &[("transaction", "x"), ("decision", "approve")]).header("origin", "https://evil.example");
    assert_eq!(host.send(&foreign).unwrap().status, 403);
    assert_eq!(host.send(&Request::json("/hooks/v1/notify", "{")).unwrap().status, 401);
    assert_eq!(Request::json("/admin/v1/command", "{").send(host.admin).unwrap().status, 401);
}

#[test]
fn a_host_that_cannot_start_says_what_to_do() {
    // A wrong key: which line, which key, what was meant.
    let data = Data::with_config("name = 'Bank'\nisuer = 'https://login.example.com'\n").unwrap();
    let said = data.run(&["serve"]).unwrap();
    assert!(!said.status.success());
    assert!(said.error.contains("ciba.toml:2") && said.error.contains("did you mean `issuer`?"), "{}", said.error);

    // Everybody knows the demo's secret.
    let said = Data::new().unwrap().run(&["serve", "--demo", "--listen", "0.0.0.0:0"]).unwrap();
    assert!(!said.status.success() && said.error.contains("not on loopback"), "{}", said.error);

    // A port that is taken, and a directory that is taken; both go on as they were.
    let host = Host::demo().unwrap();
    let said = Data::new().unwrap().run(&["serve", "--listen", &host.public.to_string()]).unwrap();
    assert!(!said.status.success() && said.error.contains("another program is listening"), "{}", said.error);
    let said = host.data.run(&["serve", "--listen", "127.0.0.1:0"]).unwrap();
    assert!(!said.status.success() && said.error.contains("another ciba-host"), "{}", said.error);
    Client::demo(&host).start("alice").unwrap();
}
