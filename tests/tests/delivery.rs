//! Ping and push from outside: that clients are told how their requests ended, whatever their endpoints do.

use std::collections::BTreeSet;
use std::net::TcpListener;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ciba_host::protocol::client::DeliveryMode;
use ciba_tests::host::wait_for;
use ciba_tests::party::waiting_in;
use ciba_tests::receiver::{Received, Receiver, Reply};
use ciba_tests::secure::Authority;
use ciba_tests::told::{Provider, TOKEN, change, client};
use ciba_tests::wire::{Answer, Request};
use serde_json::{Value, json};

/// A provider, its clients `ping` and `push`, and the endpoint of both.
fn provider() -> (Provider, Receiver, Authority) {
    let authority = Authority::new();
    let receiver = Receiver::start(&authority).unwrap();
    let clients =
        [client("ping", DeliveryMode::Ping, &receiver.url("/ping")), client("push", DeliveryMode::Push, &receiver.url("/push?a=b"))];
    (Provider::start(&authority, &clients).unwrap(), receiver, authority)
}

/// What was refused, or the status where nothing was.
fn said(answer: &Answer) -> String {
    answer.json()["error"].as_str().map_or_else(|| answer.status.to_string(), str::to_owned)
}

/// What arrived at an endpoint is a call as it should be, at this path.
fn body_at(received: &Received, path: &str) -> Value {
    assert_eq!((received.method.as_str(), received.path.as_str()), ("POST", path));
    assert_eq!(received.header("authorization"), Some(&*format!("Bearer {TOKEN}")));
    assert_eq!(received.header("content-type"), Some("application/json"));
    received.json()
}

/// The one that is about this request: two ends that come together are told in any order.
fn about<'a>(received: &'a [Received], auth_req_id: &str) -> &'a Received {
    let mut found = received.iter().filter(|received| received.json()["auth_req_id"] == auth_req_id);
    match (found.next(), found.next()) {
        (Some(one), None) => one,
        other => panic!("not one call, but {other:?}"),
    }
}

/// Waits until nothing is left to do.
fn idle(provider: &Provider) {
    wait_for("every job has ended", || Ok((provider.count("job WHERE kind IN ('ping', 'push')")? == 0).then_some(()))).unwrap();
    // What a client is told with is kept no longer than that.
    assert_eq!(provider.count("request WHERE to_notify IS NOT NULL").unwrap(), 0);
    assert_eq!(provider.count("push_body").unwrap(), 0);
}

/// The log never has what whoever reads it could use.
fn assert_discreet(provider: &Provider, secrets: &[&str]) {
    let log = provider.host.log();
    for secret in secrets.iter().chain(&[TOKEN]) {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

fn logged(provider: &Provider, what: &str) {
    wait_for(what, || Ok(provider.host.log().contains(what).then_some(()))).unwrap();
}

fn user_info(provider: &Provider, access_token: &str) -> Answer {
    provider.host.send(&Request::get("/userinfo").header("authorization", &format!("Bearer {access_token}"))).unwrap()
}

/// Starts and ends a request in each way there is, and says how it ended.
fn every_end(provider: &Provider, name: &str) -> Vec<(String, &'static str)> {
    let mut ends = Vec::new();
    for (decision, end) in [("approve", "200"), ("deny", "access_denied")] {
        ends.push((provider.start_request(name, &[]).unwrap(), end));
        provider.alice(decision).unwrap();
    }
    ends.push((provider.start_request(name, &[("requested_expiry", "1")]).unwrap(), "expired_token"));
    ends
}

#[test]
fn a_ping_says_only_that_there_is_news_and_says_it_for_every_end() {
    let (provider, receiver, _authority) = provider();
    let ends = every_end(&provider, "ping");
    let received = receiver.wait_for(3).unwrap();
    // The news is there when the ping is: no interval counts.
    for (id, end) in &ends {
        assert_eq!(body_at(about(&received, id), "/ping"), json!({ "auth_req_id": id }));
        assert_eq!(said(&provider.client("ping").poll(id).unwrap()), *end);
    }
    idle(&provider);
    assert_eq!(receiver.received().len(), 3, "somebody was told twice");
    assert_discreet(&provider, &ends.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>());
}

#[test]
fn a_push_brings_the_tokens_or_says_why_there_are_none() {
    let (provider, receiver, _authority) = provider();
    let ends = every_end(&provider, "push");
    let mut received = receiver.wait_for(3).unwrap();
    // Two that end at nearly the same time may overtake each other.
    received.sort_by_key(|received| ends.iter().position(|(id, _)| received.json()["auth_req_id"] == *id));
    let (approved, _) = &ends[0];
    let tokens = body_at(about(&received, approved), "/push?a=b");
    let members: BTreeSet<&str> = tokens.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, BTreeSet::from(["access_token", "auth_req_id", "expires_in", "id_token", "scope", "token_type"]));
    assert_eq!((tokens["auth_req_id"].as_str(), tokens["token_type"].as_str()), (Some(approved.as_str()), Some("Bearer")));
    let id_token = tokens["id_token"].as_str().unwrap();
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(id_token.split('.').nth(1).unwrap()).unwrap()).unwrap();
    assert_eq!(claims["urn:openid:params:jwt:claim:auth_req_id"], json!(approved));
    assert_eq!(claims["aud"], "push");
    assert!(claims["at_hash"].is_string());
    let access_token = tokens["access_token"].as_str().unwrap();
    assert_eq!(user_info(&provider, access_token).json()["sub"], claims["sub"]);
    for (id, end) in &ends[1..] {
        let body = body_at(about(&received, id), "/push?a=b");
        assert_eq!((body["error"].as_str(), body["auth_req_id"].as_str()), (Some(*end), Some(id.as_str())));
        assert!(body["error_description"].is_string() && body["access_token"].is_null(), "{body}");
    }
    // What is pushed is not fetched.
    assert_eq!(said(&provider.client("push").poll(approved).unwrap()), "unauthorized_client");
    idle(&provider);
    assert_eq!((receiver.received().len(), provider.count("access_token").unwrap()), (3, 1));
    assert_discreet(&provider, &[access_token, approved, id_token]);
}

#[test]
fn who_may_refresh_is_pushed_a_refresh_token_that_the_id_token_vouches_for() {
    let authority = Authority::new();
    let receiver = Receiver::start(&authority).unwrap();
    let mut refreshes = client("push", DeliveryMode::Push, &receiver.url("/"));
    change(&mut refreshes, |metadata| metadata.grant_types.push("refresh_token".to_owned()));
    let provider = Provider::start(&authority, &[refreshes]).unwrap();
    provider.approved("push").unwrap();
    let tokens = receiver.wait_for(1).unwrap()[0].json();
    let payload = tokens["id_token"].as_str().unwrap().split('.').nth(1).unwrap().to_owned();
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    assert!(claims["urn:openid:params:jwt:claim:rt_hash"].is_string(), "{claims}");
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    let refreshed = Request::form("/token", &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]);
    let refreshed = provider.host.send(&provider.client("push").authenticated(refreshed)).unwrap();
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    assert_discreet(&provider, &[refresh_token]);
}

#[test]
fn a_superseded_request_is_told_as_denied() {
    let authority = Authority::new();
    let receiver = Receiver::start(&authority).unwrap();
    let clients = [("ping", DeliveryMode::Ping), ("push", DeliveryMode::Push)].map(|(id, mode)| {
        let mut client = client(id, mode, &receiver.url("/"));
        change(&mut client, |metadata| metadata.supersede = true);
        client
    });
    let provider = Provider::start(&authority, &clients).unwrap();
    let old = ["ping", "push"].map(|id| provider.start_request(id, &[]).unwrap());
    provider.start_request("ping", &[]).unwrap();
    assert_eq!(receiver.wait_for(1).unwrap()[0].json(), json!({ "auth_req_id": old[0] }));
    assert_eq!(said(&provider.client("ping").poll(&old[0]).unwrap()), "access_denied");
    provider.start_request("push", &[]).unwrap();
    let pushed = receiver.wait_for(2).unwrap()[1].json();
    assert_eq!((pushed["error"].as_str(), pushed["auth_req_id"].as_str()), (Some("access_denied"), Some(old[1].as_str())));
    assert_eq!(receiver.received().len(), 2);
}

#[test]
fn an_endpoint_that_was_down_is_told_when_it_is_back() {
    let (provider, mut receiver, _authority) = provider();
    receiver.down().unwrap();
    let pinged = provider.approved("ping").unwrap();
    let pushed = provider.approved("push").unwrap();
    // Neither the person nor anybody else noticed.
    wait_for("both were tried and failed", || {
        let tried = |kind| provider.host.log().lines().any(|line| line.contains("trying again") && line.contains(kind));
        Ok((tried("kind=\"ping\"") && tried("kind=\"push\"")).then_some(()))
    })
    .unwrap();
    receiver.up().unwrap();
    let received = receiver.wait_for(2).unwrap();
    let ids: BTreeSet<String> = received.iter().map(|one| one.json()["auth_req_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, BTreeSet::from([pinged, pushed]));
    idle(&provider);
    assert_eq!((receiver.received().len(), provider.count("access_token").unwrap()), (2, 1));
}

#[test]
fn whatever_an_endpoint_answers_to_a_ping_the_client_gets_its_tokens() {
    let (provider, receiver, authority) = provider();
    let elsewhere = Receiver::start(&authority).unwrap();
    let whole = |status, headers: &[(&str, &str)], body: &[u8]| {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Reply::Whole(status, headers, body.to_vec())
    };
    let to = elsewhere.url("/");
    for (replies, times) in [
        (vec![whole(200, &[], b"{\"error\":\"nothing that anybody reads\"}")], 1),
        (vec![whole(200, &[("content-type", "text/html")], &[b'x'; 1 << 20])], 1),
        (vec![Reply::Drip], 1),
        // These are answers, and final ones.
        (vec![Reply::Status(401)], 1),
        (vec![Reply::Status(403)], 1),
        (vec![whole(301, &[("location", &to)], b"")], 1),
        (vec![whole(302, &[("location", &to)], b"")], 1),
        (vec![whole(307, &[("location", &to)], b"")], 1),
        // These are not.
        (vec![Reply::Status(500), whole(503, &[("retry-after", "0")], b""), Reply::Status(204)], 3),
        (vec![Reply::Reset, Reply::Status(404), Reply::Status(204)], 3),
    ] {
        let before = receiver.received().len();
        receiver.answer_next(replies.clone());
        let id = provider.approved("ping").unwrap();
        let received = receiver.wait_for(before + times).unwrap();
        for one in &received[before..] {
            assert_eq!(one.json(), json!({ "auth_req_id": id }), "{replies:?}");
        }
        idle(&provider);
        assert_eq!(receiver.received().len(), before + times, "{replies:?}");
        assert_eq!(provider.client("ping").poll(&id).unwrap().status, 200, "{replies:?}");
    }
    assert!(elsewhere.received().is_empty(), "a redirect was followed");
}

#[test]
fn a_client_that_asked_by_itself_is_not_pinged_any_more() {
    let (provider, mut receiver, _authority) = provider();
    receiver.down().unwrap();
    let id = provider.approved("ping").unwrap();
    // A ping that is under way when the client asks may arrive all the same.
    wait_for("a ping failed", || Ok(provider.host.log().contains("trying again").then_some(()))).unwrap();
    assert_eq!(provider.client("ping").poll(&id).unwrap().status, 200);
    receiver.up().unwrap();
    idle(&provider);
    assert!(receiver.received().is_empty());
}

#[test]
fn an_endpoint_inside_the_house_is_never_connected_to() {
    let authority = Authority::new();
    let inside = TcpListener::bind("127.0.0.1:0").unwrap();
    inside.set_nonblocking(true).unwrap();
    let port = inside.local_addr().unwrap().port();
    let hosts = [("name", "localhost"), ("literal", "127.0.0.1"), ("mapped", "[::ffff:127.0.0.1]"), ("number", "2130706433")];
    let clients: Vec<_> = hosts.iter().map(|(id, host)| client(id, DeliveryMode::Ping, &format!("https://{host}:{port}/"))).collect();
    let provider = Provider::reaching("[]", &authority, &clients).unwrap();
    for (client, _) in hosts {
        let id = provider.approved(client).unwrap();
        wait_for("it was tried and refused", || {
            let log = provider.host.log();
            Ok(log.lines().any(|line| line.contains("trying again") && line.contains(&format!("client={client}"))).then_some(()))
        })
        .unwrap();
        assert_eq!(provider.client(client).poll(&id).unwrap().status, 200);
    }
    assert!(inside.accept().is_err(), "an address inside the house was called");
}

/// Between the commit and the answer of the endpoint the host is killed: the same bytes are sent by the next one.
#[test]
fn a_push_that_was_cut_off_is_sent_again_byte_by_byte() {
    let (provider, receiver, _authority) = provider();
    receiver.answer(Reply::Stall);
    provider.approved("push").unwrap();
    receiver.wait_for(1).unwrap();
    let provider = provider.killed_and_started().unwrap();
    receiver.wait_for(2).unwrap();
    receiver.answer(Reply::Status(200));
    let provider = provider.killed_and_started().unwrap();
    let received = receiver.wait_for(3).unwrap();
    for again in &received[1..] {
        assert_eq!(again.body, received[0].body, "another body at another try");
    }
    idle(&provider);
    assert_eq!(provider.count("access_token").unwrap(), 1, "more was minted than sent");
    let access_token = received[0].json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(user_info(&provider, &access_token).status, 200);
}

#[test]
fn a_push_that_the_person_reports_before_it_arrives_says_that_access_is_denied() {
    let (provider, receiver, _authority) = provider();
    receiver.answer(Reply::Status(503));
    let id = provider.start_request("push", &[]).unwrap();
    let card = waiting_in(&provider.phone.check().unwrap()).remove(0);
    assert_eq!(provider.phone.decide(&card, "approve").unwrap().status, 200);
    receiver.wait_for(1).unwrap();
    assert_eq!(provider.phone.decide(&card, "report").unwrap().status, 200);
    receiver.answer(Reply::Status(204));
    idle(&provider);
    let told = receiver.received().last().unwrap().json();
    assert_eq!((told["error"].as_str(), told["auth_req_id"].as_str()), (Some("access_denied"), Some(id.as_str())));
    assert_eq!(provider.count("access_token").unwrap(), 0);
}

#[test]
fn tokens_that_are_refused_are_revoked() {
    let (provider, receiver, _authority) = provider();
    for (number, status) in [400, 401, 403, 410, 302].into_iter().enumerate() {
        receiver.answer(Reply::Status(status));
        provider.approved("push").unwrap();
        let received = receiver.wait_for(number + 1).unwrap();
        idle(&provider);
        let access_token = received[number].json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(user_info(&provider, &access_token).status, 401, "{status}");
        assert_eq!(receiver.received().len(), number + 1, "{status} was not final");
    }
    assert_eq!(provider.count("access_token").unwrap(), 0);
    logged(&provider, "tokens could not be pushed and are revoked");
    logged(&provider, "status 302, a redirect, which is never followed");
}

/// What an operator reads of a request, from the command.
fn told(provider: &Provider, auth_req_id: &str) -> String {
    let (transaction, _) = auth_req_id.split_once('.').unwrap();
    let shown = provider.host.data.must(&["request", "show", transaction]).unwrap();
    let line = shown.lines().find_map(|line| line.strip_prefix("told ")).unwrap_or_else(|| panic!("{shown}"));
    line.trim().to_owned()
}

#[test]
fn an_operator_sees_whether_a_client_was_told_and_when_it_is_tried_next() {
    let authority = Authority::new();
    let receiver = Receiver::start(&authority).unwrap();
    let clients = [("ping", DeliveryMode::Ping), ("push", DeliveryMode::Push), ("poll", DeliveryMode::Poll)];
    let provider = Provider::start(&authority, &clients.map(|(id, mode)| client(id, mode, &receiver.url("/")))).unwrap();
    let id = provider.start_request("ping", &[]).unwrap();
    assert!(told(&provider, &id).starts_with("not yet, by ping: when it ends, or at 20"), "{}", told(&provider, &id));
    provider.alice("approve").unwrap();
    receiver.wait_for(1).unwrap();
    idle(&provider);
    assert!(told(&provider, &id).starts_with("by ping at 20"), "{}", told(&provider, &id));

    receiver.answer(Reply::Status(500));
    let [ping, push] = ["ping", "push"].map(|client| {
        let id = provider.approved(client).unwrap();
        wait_for("a try that failed is seen", || Ok(told(&provider, &id).contains("failed, the next is at 20").then_some(()))).unwrap();
        id
    });
    let shown = provider.host.data.json(&["request", "show", push.split_once('.').unwrap().0]).unwrap();
    assert!(shown["told"]["tries"].as_u64() >= Some(1) && shown["told"]["next"].is_string(), "{shown}");
    assert_eq!(provider.client("ping").poll(&ping).unwrap().status, 200);
    receiver.answer(Reply::Status(410));
    idle(&provider);
    assert_eq!(told(&provider, &ping), "nothing: the client asked before its ping came");
    assert!(told(&provider, &push).starts_with("never, by push"), "{}", told(&provider, &push));

    let id = provider.start_request("poll", &[]).unwrap();
    assert_eq!(told(&provider, &id), "nothing: the client asks by itself (poll)");
}

/// `ciba.push_hours` after they were made; here the deadline comes to the host, not the host to the deadline.
#[test]
fn tokens_that_could_not_be_pushed_in_time_are_revoked_and_never_sent_again() {
    let (provider, receiver, _authority) = provider();
    receiver.answer(Reply::Status(500));
    provider.approved("push").unwrap();
    logged(&provider, "trying again");
    let tokens = receiver.wait_for(1).unwrap()[0].json();
    let access_token = tokens["access_token"].as_str().unwrap();
    assert_eq!(user_info(&provider, access_token).status, 200);
    let Provider { host, phone } = provider;
    let data = host.kill().unwrap();
    let database = rusqlite::Connection::open(data.path().join("ciba.db")).unwrap();
    let day: i64 = database
        .query_row("SELECT deadline - redeemed_at FROM push_body JOIN request ON request.id = push_body.request", [], |row| row.get(0))
        .unwrap();
    assert!((86_400_000..86_460_000).contains(&day), "{day}");
    database.execute("UPDATE push_body SET deadline = deadline - 2 * 86400000", []).unwrap();
    drop(database);
    let tried = receiver.received().len();
    receiver.answer(Reply::Status(204));
    let host = data.serve(&[]).unwrap();
    let provider = Provider { phone: phone.moved_to(&host), host };
    idle(&provider);
    assert_eq!(receiver.received().len(), tried, "it was sent after its time");
    assert_eq!((user_info(&provider, access_token).status, provider.count("access_token").unwrap()), (401, 0));
    logged(&provider, "tokens could not be pushed and are revoked");
}

#[test]
fn a_client_that_polls_by_now_is_not_told_any_more() {
    let (provider, mut receiver, _authority) = provider();
    receiver.down().unwrap();
    let id = provider.approved("ping").unwrap();
    logged(&provider, "trying again");
    let polls = client("ping", DeliveryMode::Poll, &receiver.url("/ping"));
    let provider = provider.killed_and_started_with(&[polls]).unwrap();
    receiver.up().unwrap();
    idle(&provider);
    assert!(receiver.received().is_empty());
    assert_eq!(provider.client("ping").poll(&id).unwrap().status, 200);
}

#[test]
fn a_client_that_was_removed_is_told_nothing() {
    let (provider, mut receiver, _authority) = provider();
    receiver.down().unwrap();
    provider.approved("push").unwrap();
    logged(&provider, "trying again");
    provider.host.data.must(&["client", "remove", "push"]).unwrap();
    receiver.up().unwrap();
    idle(&provider);
    assert!(receiver.received().is_empty());
    assert_eq!(provider.count("access_token").unwrap(), 0);
}

#[test]
fn a_client_that_wants_to_know_at_once_that_nobody_can_be_reached_does() {
    let authority = Authority::new();
    let receiver = Receiver::start(&authority).unwrap();
    let clients = [("poll", DeliveryMode::Poll), ("ping", DeliveryMode::Ping), ("push", DeliveryMode::Push)].map(|(id, mode)| {
        let mut client = client(id, mode, &receiver.url("/"));
        change(&mut client, |metadata| metadata.fail_fast = true);
        client
    });
    let patient = client("patient", DeliveryMode::Poll, "");
    let provider = Provider::start(&authority, &[&clients[..], &[patient]].concat()).unwrap();
    // No plugin serves the channel of alice's phone.
    let waits = provider.start_request("patient", &[]).unwrap();
    let poll = provider.start_request("poll", &[]).unwrap();
    wait_for("the request has ended", || Ok((said(&provider.client("poll").poll(&poll)?) == "access_denied").then_some(()))).unwrap();
    let ping = provider.start_request("ping", &[]).unwrap();
    assert_eq!(receiver.wait_for(1).unwrap()[0].json(), json!({ "auth_req_id": ping }));
    assert_eq!(said(&provider.client("ping").poll(&ping).unwrap()), "access_denied");
    let push = provider.start_request("push", &[]).unwrap();
    let pushed = receiver.wait_for(2).unwrap()[1].json();
    assert_eq!((pushed["error"].as_str(), pushed["auth_req_id"].as_str()), (Some("transaction_failed"), Some(push.as_str())));
    assert_eq!(said(&provider.client("patient").poll(&waits).unwrap()), "authorization_pending");
    provider.alice("approve").unwrap();
}

/// One client's endpoint says nothing to anybody. Others are told, and it is called by so many at a time and no more.
#[test]
fn an_endpoint_that_hangs_holds_up_nobody_else() {
    let authority = Authority::new();
    let (hangs, answers) = (Receiver::start(&authority).unwrap(), Receiver::start(&authority).unwrap());
    hangs.answer(Reply::Stall);
    let clients = [client("hangs", DeliveryMode::Ping, &hangs.url("/")), client("answers", DeliveryMode::Ping, &answers.url("/"))];
    let provider = Provider::start(&authority, &clients).unwrap();
    for _ in 0..40 {
        provider.approved("hangs").unwrap();
    }
    let id = provider.approved("answers").unwrap();
    assert_eq!(answers.wait_for(1).unwrap()[0].json(), json!({ "auth_req_id": id }));
    let calls = hangs.received().len();
    assert!(provider.host.log().contains("trying again") || calls <= 16, "{calls} calls of one origin at the same time");
}
