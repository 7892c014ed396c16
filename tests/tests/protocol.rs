//! The protocol from outside, rule by rule, in poll mode. Clients that others wrote are in `node.rs`; this says what
//! they cannot see.

use std::sync::Barrier;

use ciba_tests::host::{Data, Host, wait_for};
use ciba_tests::party::{Client, Phone, claims};
use ciba_tests::wire::{Answer, Request};

/// Answers of the token endpoint by their error, and by status where there is none.
fn said(answer: &Answer) -> String {
    answer.json()["error"].as_str().map_or_else(|| answer.status.to_string(), str::to_owned)
}

#[test]
fn discovery_says_what_is_served_and_nothing_else() {
    let host = Host::demo().unwrap();
    let document = host.send(&Request::get("/.well-known/openid-configuration")).unwrap().json();
    assert_eq!(document["issuer"], host.issuer());
    assert_eq!(document["backchannel_token_delivery_modes_supported"], serde_json::json!(["poll", "ping", "push"]));
    assert_eq!(document["grant_types_supported"], serde_json::json!(["urn:openid:params:grant-type:ciba", "refresh_token"]));
    assert_eq!(document["id_token_signing_alg_values_supported"], serde_json::json!(["ES256", "PS256", "RS256", "EdDSA", "Ed25519"]));
    // Nobody asks for certificates here, so nothing that needs one is claimed.
    assert!(document["mtls_endpoint_aliases"].is_null());
    assert_eq!(document["tls_client_certificate_bound_access_tokens"], false);
    let methods = document["token_endpoint_auth_methods_supported"].as_array().unwrap();
    assert_eq!(methods.iter().filter(|method| method.as_str().unwrap().contains("tls")).count(), 0, "{methods:?}");
    for absent in ["registration_endpoint", "acr_values_supported", "backchannel_endpoint_login_hint_token_types_supported"] {
        assert!(document[absent].is_null(), "{absent} is claimed: {document}");
    }
    // RFC 8414 2: wherever a client may prove itself with an assertion.
    for endpoint in ["token", "introspection", "revocation"] {
        let algorithms = &document[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")];
        assert!(algorithms.as_array().is_some_and(|algorithms| algorithms.contains(&"ES256".into())), "{endpoint}: {algorithms}");
    }
    assert!(document["claims_supported"].as_array().unwrap().contains(&"locale".into()), "/userinfo says it");
    for endpoint in ["token", "backchannel_authentication", "userinfo", "introspection", "revocation", "authorization"] {
        let address = document[format!("{endpoint}_endpoint")].as_str().unwrap().to_owned();
        let path = address.strip_prefix(&host.issuer()).unwrap();
        assert_ne!(host.send(&Request::form(path, &[])).unwrap().status, 404, "{endpoint}");
    }
    let keys = host.send(&Request::get("/jwks")).unwrap().json();
    let key = &keys["keys"][0];
    assert_eq!((key["kty"].as_str(), key["alg"].as_str(), key["use"].as_str()), (Some("EC"), Some("ES256"), Some("sig")));
    assert!(key["d"].is_null(), "a private key is published");
}

#[test]
fn certificates_that_a_proxy_shows_are_published_like_our_own() {
    let config = "[proxy]\nclient_cert = true\naddresses = ['10.0.0.0/8']\n";
    let host = Data::with_config(config).unwrap().serve(&[]).unwrap();
    let document = host.send(&Request::get("/.well-known/openid-configuration")).unwrap().json();
    assert_eq!(document["tls_client_certificate_bound_access_tokens"], true);
    for endpoint in ["token", "introspection", "revocation"] {
        let methods = document[format!("{endpoint}_endpoint_auth_methods_supported")].as_array().unwrap();
        assert!(methods.contains(&"tls_client_auth".into()), "{endpoint}: {methods:?}");
    }
    assert!(document["mtls_endpoint_aliases"].is_null(), "there is no other address");
}

#[test]
fn a_person_is_found_by_username_address_or_number() {
    let host = Host::demo().unwrap();
    let client = Client::demo(&host);
    for hint in ["alice", "Alice", "alice@example.com", "ALICE@EXAMPLE.COM", "+1 555 010 0100", "+1 (555) 010-0100"] {
        let answer = client.ask(&[("scope", "openid"), ("login_hint", hint)]).unwrap();
        assert_eq!(answer.status, 200, "{hint}: {}", answer.text());
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let body = answer.json();
        // CIBA Core 7.3: at least 128 bits; ours has 256 in base64url, after the name of the request.
        let (_, secret) = body["auth_req_id"].as_str().unwrap().split_once('.').unwrap();
        assert_eq!(secret.len(), 43);
        assert_eq!((body["expires_in"].as_u64(), body["interval"].as_u64()), (Some(120), Some(5)));
    }
}

#[test]
fn the_lifetime_asked_for_is_the_lifetime_told_up_to_the_cap() {
    let host = Host::demo().unwrap();
    let client = Client::demo(&host);
    for (asked, told) in [("1", 1), ("30", 30), ("600", 600), ("86400", 600)] {
        let answer = client.ask(&[("scope", "openid"), ("login_hint", "alice"), ("requested_expiry", asked)]).unwrap();
        assert_eq!(answer.json()["expires_in"], told, "{asked}");
    }
    let id = client.start_with("alice", &[("requested_expiry", "1")]).unwrap();
    let ended = wait_for("the end of a request of one second", || {
        let waits = ["authorization_pending", "slow_down", "invalid_request"];
        Ok(Some(client.poll(&id)?).filter(|answer| !waits.contains(&said(answer).as_str())))
    });
    assert_eq!(said(&ended.unwrap()), "expired_token");
}

#[test]
fn tokens_say_who_approved_when_and_never_more_than_is_known() {
    let host = Host::demo().unwrap();
    let (client, phone) = (Client::demo(&host), Phone::of(&host, "alice").unwrap());
    let more = [("acr_values", "urn:example:gold urn:example:silver"), ("binding_message", "Pay 42.50 at Fern & Co")];
    let id = client.start_with("alice", &more).unwrap();
    let card = phone.next_card(&[]).unwrap();
    assert!(phone.cards().unwrap().contains("Pay 42.50 at Fern &#38; Co"), "{}", phone.cards().unwrap());
    assert_eq!(said(&client.poll(&id).unwrap()), "authorization_pending");
    assert_eq!(phone.decide(&card, "approve").unwrap().status, 200);

    // Decided: answered now, whatever the pace.
    let tokens = client.poll(&id).unwrap();
    assert_eq!(tokens.status, 200, "{}", tokens.text());
    assert_eq!(tokens.header("cache-control"), Some("no-store"));
    let body = tokens.json();
    assert_eq!((body["token_type"].as_str(), body["scope"].as_str()), (Some("Bearer"), Some("openid")));
    let (_, secret) = body["access_token"].as_str().unwrap().split_once('.').unwrap();
    assert_eq!(secret.len(), 43);
    let claims = claims(&tokens);
    assert_eq!((claims["iss"].as_str(), claims["aud"].as_str()), (Some(host.issuer().as_str()), Some("demo")));
    // What was asked for is never what was shown to be true.
    for unknown in ["acr", "amr"] {
        assert!(claims[unknown].is_null(), "{unknown} is claimed without evidence: {claims}");
    }
    assert!(claims["auth_time"].as_i64().unwrap() <= claims["iat"].as_i64().unwrap());
    for certain in ["sub", "exp", "at_hash"] {
        assert!(!claims[certain].is_null(), "{certain}: {claims}");
    }

    assert_eq!(said(&client.poll(&id).unwrap()), "invalid_grant", "redeemed twice");
    assert_eq!(phone.decide(&card, "deny").unwrap().status, 409, "decided twice");
}

#[test]
fn of_many_polls_at_once_one_gets_the_tokens() {
    const POLLS: usize = 16;
    let host = Host::demo().unwrap();
    let (client, phone) = (Client::demo(&host), Phone::of(&host, "alice").unwrap());
    for _ in 0..5 {
        let known = phone.waiting().unwrap();
        let id = client.start("alice").unwrap();
        let card = phone.next_card(&known).unwrap();
        assert_eq!(phone.decide(&card, "approve").unwrap().status, 200);
        let together = Barrier::new(POLLS);
        let poll = || {
            together.wait();
            said(&client.poll(&id).unwrap())
        };
        let answers: Vec<String> = std::thread::scope(|scope| {
            let polls: Vec<_> = (0..POLLS).map(|_| scope.spawn(poll)).collect();
            polls.into_iter().map(|poll| poll.join().unwrap()).collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| *answer == "200");
        assert_eq!(won.len(), 1, "{answers:?}");
        assert!(lost.iter().all(|answer| *answer == "invalid_grant"), "{answers:?}");
    }
}

#[test]
fn of_two_answers_at_once_one_counts() {
    let host = Host::demo().unwrap();
    let (client, phone) = (Client::demo(&host), Phone::of(&host, "alice").unwrap());
    for _ in 0..5 {
        let known = phone.waiting().unwrap();
        let id = client.start("alice").unwrap();
        let card = phone.next_card(&known).unwrap();
        let together = Barrier::new(2);
        let decide = |decision: &'static str| {
            together.wait();
            phone.decide(&card, decision).unwrap().status
        };
        let (approved, denied) = std::thread::scope(|scope| {
            let (approve, deny) = (scope.spawn(|| decide("approve")), scope.spawn(|| decide("deny")));
            (approve.join().unwrap(), deny.join().unwrap())
        });
        let expected = match (approved, denied) {
            (200, 409) => "200",
            (409, 200) => "access_denied",
            both => panic!("both answers were taken alike: {both:?}"),
        };
        assert_eq!(said(&client.poll(&id).unwrap()), expected);
    }
}

#[test]
fn a_denied_request_stays_denied() {
    let host = Host::demo().unwrap();
    let (client, phone) = (Client::demo(&host), Phone::of(&host, "alice").unwrap());
    let id = client.start("alice").unwrap();
    let card = phone.next_card(&[]).unwrap();
    assert_eq!(phone.decide(&card, "deny").unwrap().status, 200);
    assert_eq!(phone.decide(&card, "approve").unwrap().status, 409);
    for _ in 0..2 {
        assert_eq!(said(&client.poll(&id).unwrap()), "access_denied");
    }
}

#[test]
fn only_the_person_who_was_asked_decides_and_only_the_client_that_asked_redeems() {
    let host = Host::demo().unwrap();
    host.data.must(&["user", "add", "mallory"]).unwrap();
    let (client, alice, mallory) = (Client::demo(&host), Phone::of(&host, "alice").unwrap(), Phone::of(&host, "mallory").unwrap());
    let other = Client::add(&host, "other", &[]).unwrap();
    let id = client.start("alice").unwrap();
    let card = alice.next_card(&[]).unwrap();
    for decision in ["approve", "deny", "report"] {
        assert_eq!(mallory.decide(&card, decision).unwrap().status, 404, "{decision} by somebody else");
    }
    assert!(!mallory.check().unwrap().contains(&card));
    assert_eq!(said(&other.poll(&id).unwrap()), "invalid_grant", "of another client");
    assert_eq!(alice.decide(&card, "approve").unwrap().status, 200);
    assert_eq!(said(&other.poll(&id).unwrap()), "invalid_grant", "of another client");
    assert_eq!(client.poll(&id).unwrap().status, 200);
}

#[test]
fn polling_too_fast_costs_five_seconds_each_time() {
    let data = Data::with_config("[ciba]\ninterval = 2\n").unwrap();
    let host = data.demo().unwrap();
    let client = Client::demo(&host);
    let id = client.start("alice").unwrap();
    assert_eq!(said(&client.poll(&id).unwrap()), "authorization_pending", "the first poll is never too early");
    assert_eq!(said(&client.poll(&id).unwrap()), "slow_down");
    // The interval is seven seconds now; the old one is too fast.
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(said(&client.poll(&id).unwrap()), "slow_down");
    let other = client.start("alice").unwrap();
    assert_eq!(said(&client.poll(&other).unwrap()), "authorization_pending", "each request has a pace of its own");
    std::thread::sleep(std::time::Duration::from_millis(2_600));
    assert_eq!(said(&client.poll(&other).unwrap()), "authorization_pending", "whoever keeps to the pace is never slowed down");
}

#[test]
fn a_client_that_opted_in_is_held_until_there_is_news() {
    let host = Host::demo().unwrap();
    let (client, phone) = (Client::add(&host, "patient", &["--long-poll"]).unwrap(), Phone::of(&host, "alice").unwrap());
    let id = client.start("alice").unwrap();
    let card = phone.next_card(&[]).unwrap();
    std::thread::scope(|scope| {
        let held = scope.spawn(|| client.poll(&id).unwrap());
        // Decided only once the poll is surely on its way; a poll that is not held would say "pending".
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert!(!held.is_finished(), "the poll was not held");
        assert_eq!(phone.decide(&card, "approve").unwrap().status, 200);
        assert_eq!(held.join().unwrap().status, 200);
    });
}

#[test]
fn a_second_poll_releases_the_one_that_is_held() {
    // Held for longer than this test waits: only the second poll can end the first.
    let host = Data::with_config("[ciba]\nlong_poll = 300\nexpires_in = 600\n").unwrap().demo().unwrap();
    let client = Client::add(&host, "patient", &["--long-poll"]).unwrap();
    let id = client.start("alice").unwrap();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| said(&client.poll(&id).unwrap()));
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert!(!first.is_finished(), "the first poll was not held");
        // It is too early itself, so that it is answered at once.
        assert_eq!(said(&client.poll(&id).unwrap()), "slow_down");
        wait_for("the release of the first poll", || Ok(first.is_finished().then_some(()))).unwrap();
        assert_eq!(first.join().unwrap(), "authorization_pending");
    });
}

#[test]
fn a_client_proves_itself_in_one_way() {
    let host = Host::demo().unwrap();
    let post = [("scope", "openid"), ("login_hint", "alice"), ("client_id", "demo"), ("client_secret", "demo-secret")];
    assert_eq!(host.send(&Request::form("/bc-authorize", &post)).unwrap().status, 200);
    let both = Client::demo(&host).authenticated(Request::form("/bc-authorize", &post));
    assert_eq!(said(&host.send(&both).unwrap()), "invalid_request");
    let wrong = [("scope", "openid"), ("login_hint", "alice"), ("client_id", "demo"), ("client_secret", "wrong")];
    let refused = host.send(&Request::form("/bc-authorize", &wrong)).unwrap();
    assert_eq!((refused.status, said(&refused).as_str(), refused.header("www-authenticate")), (401, "invalid_client", None));
    // ZGVtbzp3cm9uZw== is demo:wrong.
    let basic = Request::form("/bc-authorize", &wrong[..2]).header("authorization", "Basic ZGVtbzp3cm9uZw==");
    let refused = host.send(&basic).unwrap();
    assert_eq!((refused.status, refused.header("www-authenticate").is_some()), (401, true));
    let untyped = [("scope", "openid"), ("login_hint", "alice"), ("client_assertion", "x")];
    let refused = host.send(&Request::form("/bc-authorize", &untyped)).unwrap();
    assert_eq!((refused.status, said(&refused).as_str()), (400, "invalid_request"), "{}", refused.text());
    // A party that may call the hooks may do nothing else.
    let caller = Client::add(&host, "gluu", &["--hook-caller"]).unwrap();
    assert_eq!(said(&caller.ask(&[("scope", "openid"), ("login_hint", "alice")]).unwrap()), "unauthorized_client");
}

#[test]
fn what_cannot_be_heeded_is_refused_by_name() {
    let host = Host::demo().unwrap();
    let client = Client::demo(&host);
    for (parameter, error) in [
        ("login_hint_token", "invalid_request"),
        ("id_token_hint", "invalid_request"),
        ("user_code", "invalid_request"),
        ("request", "invalid_request"),
        ("request_uri", "request_uri_not_supported"),
        ("authorization_details", "invalid_authorization_details"),
        ("resource", "invalid_target"),
    ] {
        let answer = client.ask(&[("scope", "openid"), ("login_hint", "alice"), (parameter, "x")]).unwrap();
        assert_eq!((answer.status, said(&answer).as_str()), (400, error), "{parameter}: {}", answer.text());
        assert!(answer.json()["error_description"].as_str().unwrap().contains(parameter), "{parameter}: {}", answer.text());
    }
}

#[test]
fn outside_the_demo_nobody_is_known_and_no_operator_decides() {
    let host = Data::new().unwrap().serve(&[]).unwrap();
    let refused = Client::demo(&host).ask(&[("scope", "openid"), ("login_hint", "alice")]).unwrap();
    assert_eq!(said(&refused), "invalid_client");
    for list in [["client", "list"], ["user", "list"]] {
        assert_eq!(host.data.json(&list).unwrap(), serde_json::json!([]), "{list:?}");
    }
    for path in ["/demo", "/demo/states", "/demo/status"] {
        assert_eq!(host.send(&Request::get(path)).unwrap().status, 404, "{path}");
    }

    host.data.must(&["user", "add", "bob"]).unwrap();
    let client = Client::add(&host, "shop", &[]).unwrap();
    let id = client.start("bob").unwrap();
    let requests = host.data.json(&["request", "list"]).unwrap();
    let transaction = requests[0]["transaction"].as_str().unwrap();
    let refused = host.data.run(&["request", "approve", transaction]).unwrap();
    assert!(!refused.status.success() && refused.error.contains("demo"), "{}", refused.error);
    assert_eq!(said(&client.poll(&id).unwrap()), "authorization_pending");
}

#[test]
fn what_everybody_knows_ends_with_the_demo() {
    let host = Host::demo().unwrap();
    let own = Client::add(&host, "own", &[]).unwrap();
    own.start("alice").unwrap();
    let host = host.stop().unwrap().serve(&[]).unwrap();
    let refused = Client::demo(&host).ask(&[("scope", "openid"), ("login_hint", "alice")]).unwrap();
    assert_eq!((refused.status, said(&refused).as_str()), (401, "invalid_client"));
    let left = host.data.json(&["client", "list"]).unwrap();
    assert_eq!(left.as_array().unwrap().iter().map(|client| client["client_id"].as_str().unwrap()).collect::<Vec<_>>(), ["own"]);

    // And a demo does not take the place of what is yours.
    host.data.must(&["client", "add", "demo"]).unwrap();
    let refused = host.stop().unwrap().run(&["serve", "--demo", "--listen", "127.0.0.1:0"]).unwrap();
    assert!(!refused.status.success() && refused.error.contains("another directory"), "{}", refused.error);
}

/// The answer of a phone may be on its way when its connection breaks: what was committed wakes everybody all the same.
#[test]
fn a_decision_counts_although_the_phone_hangs_up() {
    // Held for longer than this test waits: only the decision can end the poll.
    let host = Data::with_config("[ciba]\nlong_poll = 300\nexpires_in = 600\n").unwrap().demo().unwrap();
    let (client, phone) = (Client::add(&host, "patient", &["--long-poll"]).unwrap(), Phone::of(&host, "alice").unwrap());
    let mut counted = 0;
    for number in 0..20 {
        let id = client.start("alice").unwrap();
        let card = phone.next_card(&[]).unwrap();
        std::thread::scope(|scope| {
            let held = scope.spawn(|| client.poll(&id).unwrap().status);
            std::thread::sleep(std::time::Duration::from_millis(50));
            phone.decide_and_hang_up(&card, "approve", std::time::Duration::from_micros(100 * number)).unwrap();
            // An answer that never arrived is sent again; one that did needs nothing more.
            std::thread::sleep(std::time::Duration::from_millis(100));
            let request = host.data.json(&["request", "show", &card]).unwrap();
            match request["state"].as_str() {
                Some("pending") => drop(phone.decide(&card, "approve").unwrap()),
                _ => counted += 1,
            }
            wait_for("the end of the held poll", || Ok(held.is_finished().then_some(()))).unwrap();
            assert_eq!(held.join().unwrap(), 200);
        });
    }
    assert!(counted > 0, "no answer arrived: this shows nothing");
}

#[test]
fn an_operator_who_decides_in_the_demo_is_written_down() {
    let host = Host::demo().unwrap();
    let client = Client::demo(&host);
    let id = client.start("alice").unwrap();
    let requests = host.data.json(&["request", "list"]).unwrap();
    let request = requests.as_array().unwrap().iter().find(|request| request["client"] == "demo").unwrap();
    for member in ["transaction", "user", "client", "state", "expires_at"] {
        assert!(!request[member].is_null(), "{member}: {request}");
    }
    assert!(!request.to_string().contains(&id), "an operator can redeem");
    let transaction = request["transaction"].as_str().unwrap();
    let told = host.data.must(&["request", "approve", transaction]).unwrap();
    assert!(told.contains("audit"), "{told}");
    assert_eq!(client.poll(&id).unwrap().status, 200);
    let database = rusqlite::Connection::open(host.data.path().join("ciba.db")).unwrap();
    let written = "SELECT count(*) FROM audit WHERE about = ?1 AND what LIKE 'request approve%'";
    let written: i64 = database.query_one(written, [transaction], |row| row.get(0)).unwrap();
    assert_eq!(written, 1);
}

#[test]
fn a_message_is_shown_as_it_was_sent_or_refused() {
    let host = Host::demo().unwrap();
    let (client, phone) = (Client::demo(&host), Phone::of(&host, "alice").unwrap());
    let mut known = Vec::new();
    for message in ["W4SCT", "Überweisung 42,50 € – ok?", "支付 42.50", "ادفع ٤٢٫٥٠", "<b>bold</b> & \"quoted\""] {
        client.start_with("alice", &[("binding_message", message)]).unwrap();
        known.push(phone.next_card(&known).unwrap());
        let escaped = message.replace('&', "&#38;").replace('<', "&#60;").replace('>', "&#62;").replace('"', "&#34;");
        assert!(phone.cards().unwrap().contains(&escaped), "{message}");
    }
    for message in ["left\u{202e}right", "line\nbreak", "bell\u{7}", "zero\u{200b}width", " "] {
        let answer = client.ask(&[("scope", "openid"), ("login_hint", "alice"), ("binding_message", message)]).unwrap();
        assert_eq!((answer.status, said(&answer).as_str()), (400, "invalid_binding_message"), "{message:?}: {}", answer.text());
    }
}

#[test]
fn nothing_secret_and_nothing_personal_is_logged() {
    let data = Data::with_config("[log]\nfilter = 'trace'\n").unwrap();
    let host = data.demo().unwrap();
    let (client, phone) = (Client::demo(&host), Phone::of(&host, "alice").unwrap());
    let id = client.start_with("alice@example.com", &[("binding_message", "Blue heron 7731")]).unwrap();
    client.ask(&[("scope", "openid"), ("login_hint", "hint-of-nobody@example.net")]).unwrap();
    let card = phone.next_card(&[]).unwrap();
    phone.decide(&card, "approve").unwrap();
    let tokens = client.poll(&id).unwrap().json();
    let admin = std::fs::read_to_string(host.data.path().join("admin.token")).unwrap();
    let log = host.log();
    for (what, secret) in [
        ("auth_req_id", id.as_str()),
        ("access token", tokens["access_token"].as_str().unwrap()),
        ("ID token", tokens["id_token"].as_str().unwrap()),
        ("client secret", "demo-secret"),
        ("client credential", "ZGVtbzpkZW1vLXNlY3JldA"),
        ("admin token", admin.trim()),
        ("hint", "alice@example.com"),
        ("wrong hint", "hint-of-nobody"),
        ("binding message", "Blue heron"),
        ("device session", phone.session()),
    ] {
        assert!(!log.contains(secret), "the log has the {what}");
    }
    assert!(log.contains(&card), "the log does not name the transaction, so that it says nothing:\n{log}");
}

#[test]
fn a_host_that_is_told_to_stop_lets_held_answers_leave() {
    let host = Host::demo().unwrap();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(host.send(&Request::get(path)).unwrap().status, 200, "{path}");
    }
    let client = Client::add(&host, "patient", &["--long-poll"]).unwrap();
    let id = client.start("alice").unwrap();
    std::thread::scope(|scope| {
        let held = scope.spawn(|| said(&client.poll(&id).unwrap()));
        std::thread::sleep(std::time::Duration::from_millis(500));
        let data = host.stop().unwrap();
        assert_eq!(held.join().unwrap(), "authorization_pending");
        // What was acknowledged is there again.
        let host = data.demo().unwrap();
        let phone = Phone::of(&host, "alice").unwrap();
        assert!(phone.check().unwrap().contains("data-transaction"));
    });
}
