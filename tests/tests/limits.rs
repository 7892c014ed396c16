//! Nobody is flooded, nothing is guessed, and one client's flood is not another's: each limit reached, answered, and
//! released again. What a limit answers is never a fault of the server.

use ciba_host::protocol::client::DeliveryMode;
use ciba_tests::host::{Data, Host, wait_for};
use ciba_tests::party::Client;
use ciba_tests::told;
use ciba_tests::wire::{Answer, Request};

/// A host with these limits and no others, two clients, and two people.
fn host(limits: &str) -> (Host, Client, Client) {
    let off = "requests_per_client_minute = 0\nrequests_per_user_minute = 0\nrequests_per_pair_minute = 0\npending_per_user = 0\n\
               failures_per_address_minute = 0\nlockout_failures = 0\n";
    let kept: Vec<&str> = off.lines().filter(|line| !limits.contains(line.split(' ').next().unwrap())).collect();
    let config = format!("[limits]\n{}\n{limits}\n", kept.join("\n"));
    let host = Data::with_config(&config).unwrap().serve(&[]).unwrap();
    for user in ["alice", "bob"] {
        host.data.must(&["user", "add", user]).unwrap();
    }
    let (shop, bank) = (Client::add(&host, "shop", &[]).unwrap(), Client::add(&host, "bank", &[]).unwrap());
    (host, shop, bank)
}

fn ask(client: &Client, user: &str) -> Answer {
    client.ask(&[("scope", "openid"), ("login_hint", user)]).unwrap()
}

/// Status, code, and whether there is a time to come back at.
fn said(answer: &Answer) -> (u16, String, Option<u64>) {
    let after = answer.header("retry-after").map(|after| after.parse().unwrap());
    (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned(), after)
}

/// That a limit refused, how it says so, and after how many seconds it may be tried again.
fn refused(answer: &Answer) -> u64 {
    let (status, error, after) = said(answer);
    assert_eq!((status, error.as_str()), (429, "temporarily_unavailable"), "{}", answer.text());
    assert!(!answer.json()["error_description"].as_str().unwrap().is_empty());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    after.expect("a limit says when to come back")
}

/// How many requests were stored.
fn stored(host: &Host) -> usize {
    host.data.json(&["request", "list"]).unwrap().as_array().unwrap().len()
}

#[test]
fn a_client_that_starts_too_many_is_refused_and_the_others_are_not() {
    let (host, shop, bank) = host("requests_per_client_minute = 20");
    let flood: Vec<Answer> = (0..40).map(|_| ask(&shop, "alice")).collect();
    let acknowledged = flood.iter().filter(|answer| answer.status == 200).count();
    assert!(flood[..20].iter().all(|answer| answer.status == 200), "a minute's worth may come at once");
    assert!(acknowledged < 40, "nothing is limited");
    let wait = flood.iter().filter(|answer| answer.status != 200).map(refused).max().unwrap();
    assert!((1..=3).contains(&wait), "a place comes back every three seconds, and it says {wait}");
    assert_eq!(stored(&host), acknowledged, "what is refused leaves nothing");
    assert_eq!(ask(&bank, "alice").status, 200);
    // Nobody is told anything of a client before it has proved who it is.
    let stranger = Request::form("/bc-authorize", &[("client_id", "shop"), ("client_secret", "wrong"), ("scope", "openid")]);
    assert_eq!(said(&host.send(&stranger).unwrap()), (401, "invalid_client".to_owned(), None));
    wait_for("a place that comes back", || Ok(Some(ask(&shop, "alice")).filter(|answer| answer.status == 200))).unwrap();
    assert!(host.log().contains("a client starts more requests"), "{}", host.log());
    assert_eq!(host.log().matches("a client starts more requests").count(), 1, "the log is flooded instead");
}

#[test]
fn a_person_is_not_flooded_by_one_client_nor_by_many() {
    let (host, shop, bank) = host("requests_per_pair_minute = 2\nrequests_per_user_minute = 3");
    assert_eq!([ask(&shop, "alice").status, ask(&shop, "alice").status], [200, 200]);
    assert!(refused(&ask(&shop, "alice")) <= 30);
    assert_eq!(ask(&bank, "alice").status, 200, "one client used up the person");
    assert!(refused(&ask(&bank, "alice")) <= 20);
    assert_eq!(ask(&shop, "bob").status, 200, "one person used up the client");
    assert_eq!(stored(&host), 4);
}

#[test]
fn so_many_requests_wait_for_a_person_until_they_have_ended() {
    let (host, shop, bank) = host("pending_per_user = 3\n[ciba]\nexpires_in = 4");
    assert_eq!([ask(&shop, "alice").status, ask(&shop, "alice").status], [200, 200]);
    refused(&ask(&shop, "alice"));
    assert_eq!(ask(&bank, "alice").status, 200, "one client filled the page");
    refused(&ask(&bank, "alice"));
    assert_eq!(ask(&shop, "bob").status, 200);
    assert_eq!(stored(&host), 4);
    wait_for("the end of what waited", || Ok(Some(ask(&shop, "alice")).filter(|answer| answer.status == 200))).unwrap();
}

#[test]
fn no_more_wait_for_a_person_when_they_are_asked_for_at_the_same_time() {
    let (host, shop, _) = host("pending_per_user = 6");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..24).map(|_| scope.spawn(|| ask(&shop, "alice").status)).collect();
        asking.into_iter().map(|asks| asks.join().unwrap()).collect()
    });
    let stored = stored(&host);
    assert!((1..=3).contains(&stored), "{stored} wait, of a client that may fill half of six places");
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), stored);
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
}

fn with_secret(path: &str, client: &str, secret: &str) -> Request {
    Request::form(path, &[("client_id", client), ("client_secret", secret), ("scope", "openid"), ("login_hint", "alice")])
}

#[test]
fn after_five_wrong_secrets_nobody_looks_at_the_next_at_any_endpoint() {
    let (host, shop, bank) = host("lockout_failures = 5");
    let wrong = with_secret("/bc-authorize", "shop", "wrong");
    for number in 1..=5 {
        assert_eq!(said(&host.send(&wrong).unwrap()), (401, "invalid_client".to_owned(), None), "failure {number}");
    }
    // The same code as before, and when to come back; the secret is right now and is not looked at.
    for answer in [host.send(&wrong).unwrap(), ask(&shop, "alice"), shop.poll("x.y").unwrap()] {
        let (status, error, after) = said(&answer);
        assert_eq!((status, error.as_str()), (401, "invalid_client"), "{}", answer.text());
        assert!((1..=60).contains(&after.expect("a time to come back")));
    }
    let unknown = with_secret("/token", "nobody", "wrong");
    let answers: Vec<_> = (0..7).map(|_| said(&host.send(&unknown).unwrap())).collect();
    assert!(answers.iter().all(|(status, error, _)| (*status, error.as_str()) == (401, "invalid_client")));
    assert!(answers[4].2.is_none() && answers[5].2.is_some(), "who is not registered is told from who is: {answers:?}");
    assert_eq!(ask(&bank, "alice").status, 200, "another client is locked out too");
    assert!(host.log().contains("a client is locked out"), "{}", host.log());
}

#[test]
fn a_secret_that_is_right_in_between_makes_the_failures_forgotten() {
    let (host, shop, _) = host("lockout_failures = 3");
    for _ in 0..5 {
        for _ in 0..2 {
            assert_eq!(host.send(&with_secret("/bc-authorize", "shop", "wrong")).unwrap().status, 401);
        }
        assert_eq!(ask(&shop, "alice").status, 200);
    }
}

#[test]
fn an_address_that_is_wrong_too_often_is_refused_except_for_who_proved_itself_there() {
    let (host, shop, bank) = host("failures_per_address_minute = 6");
    assert_eq!(ask(&shop, "alice").status, 200);
    for number in 0..6 {
        let answer = host.send(&with_secret("/token", &format!("guess-{number}"), "wrong")).unwrap();
        assert_eq!(said(&answer), (401, "invalid_client".to_owned(), None));
    }
    assert!(refused(&host.send(&with_secret("/token", "guess", "wrong")).unwrap()) <= 10);
    assert!(refused(&ask(&bank, "alice")) <= 10, "it was never seen here");
    assert_eq!(ask(&shop, "alice").status, 200, "others at its address have locked it out");
    wait_for("the address is listened to again", || Ok(Some(ask(&bank, "alice")).filter(|answer| answer.status == 200))).unwrap();
}

#[test]
fn a_hook_caller_is_locked_out_as_well() {
    let (host, ..) = host("lockout_failures = 2");
    let added = host.data.json(&["client", "add", "gluu", "--hook-caller"]).unwrap();
    let call = |secret: &str| {
        let request = Request::json("/hooks/v1/notify", "{}").header("authorization", &format!("Bearer gluu.{secret}"));
        said(&host.send(&request).unwrap())
    };
    let right = added["client_secret"].as_str().unwrap();
    assert_eq!(call(right).1, "invalid_request", "the credential is right, the body is not");
    assert_eq!([call("wrong").0, call("wrong").0], [401, 401]);
    let (status, error, after) = call(right);
    assert_eq!((status, error.as_str(), after.is_some()), (429, "too_many_failures", true));
}

/// Clients that send codes, on a host with these settings.
fn host_with_codes(config: &str) -> (Host, Client, Client) {
    let data = Data::with_config(config).unwrap();
    let clients = ["shop", "bank"].map(|id| {
        let mut client = told::client(id, DeliveryMode::Poll, "");
        told::change(&mut client, |metadata| {
            metadata.backchannel_client_notification_endpoint = None;
            metadata.backchannel_user_code_parameter = true;
        });
        client
    });
    told::register(&data, &clients).unwrap();
    let host = data.serve(&[]).unwrap();
    host.data.must(&["user", "add", "alice"]).unwrap();
    let (shop, bank) = (Client::with_secret(&host, "shop", told::SECRET), Client::with_secret(&host, "bank", told::SECRET));
    (host, shop, bank)
}

fn with_code(client: &Client, user: &str, code: &str) -> (u16, String, Option<u64>) {
    said(&client.ask(&[("scope", "openid"), ("login_hint", user), ("user_code", code)]).unwrap())
}

#[test]
fn a_persons_code_is_not_guessed_and_the_right_one_is_not_looked_at_either() {
    let (host, shop, bank) = host_with_codes("[limits]\nlockout_failures = 3\nfailures_per_address_minute = 0\n");
    let code = host.data.json(&["user", "code", "alice"]).unwrap()["code"].as_str().unwrap().to_owned();
    for round in 0..2 {
        for _ in 0..2 {
            assert_eq!(with_code(&shop, "alice", "wrong"), (400, "invalid_user_code".to_owned(), None));
        }
        assert_eq!(with_code(&shop, "alice", &code).0, 200, "round {round}: what is right in between makes them forgotten");
    }
    for _ in 0..3 {
        assert_eq!(with_code(&shop, "alice", "wrong"), (400, "invalid_user_code".to_owned(), None));
    }
    let (status, error, after) = with_code(&shop, "alice", &code);
    assert_eq!((status, error.as_str()), (400, "invalid_user_code"), "a client that is locked out hears what a wrong code hears");
    assert!((1..=60).contains(&after.expect("a time to come back")));
    assert_eq!(with_code(&bank, "alice", &code).0, 200, "one client locked the person out of another");
    assert!(host.log().contains("a person's code is not looked at"), "{}", host.log());
}

#[test]
fn who_is_not_known_is_limited_like_who_is_where_nobody_is_to_learn_it() {
    let config = "[ciba]\nhide_unknown_users = true\n[limits]\nrequests_per_pair_minute = 3\nlockout_failures = 2\n";
    let (host, shop, _) = host_with_codes(config);
    host.data.json(&["user", "code", "alice"]).unwrap();
    for user in ["alice", "nobody"] {
        let answers: Vec<_> = (0..3).map(|_| with_code(&shop, user, "wrong")).collect();
        assert!(answers.iter().all(|(status, error, _)| (*status, error.as_str()) == (400, "invalid_user_code")), "{user}: {answers:?}");
        assert!(answers[1].2.is_none() && answers[2].2.is_some(), "{user}: {answers:?}");
    }
    drop(host);

    let data = Data::with_config(config).unwrap().serve(&[]).unwrap();
    data.data.must(&["user", "add", "alice"]).unwrap();
    let client = Client::add(&data, "shop", &[]).unwrap();
    for user in ["alice", "nobody"] {
        let statuses: Vec<u16> = (0..4).map(|_| ask(&client, user).status).collect();
        assert_eq!(statuses, [200, 200, 200, 429], "{user}");
    }
}

#[test]
fn an_address_registers_so_many_clients_and_no_more() {
    let config = "[registration]\nenabled = true\nopen = true\n[limits]\nfailures_per_address_minute = 3\n";
    let host = Data::with_config(config).unwrap().serve(&[]).unwrap();
    let answers: Vec<Answer> = (0..4).map(|_| host.send(&Request::json("/register", "{}")).unwrap()).collect();
    assert!(answers[..3].iter().all(|answer| [201, 400].contains(&answer.status)), "{}", answers[0].text());
    assert!(refused(&answers[3]) <= 20);
}

#[test]
fn who_polls_too_early_again_and_again_is_told_so_and_the_request_stays_as_it_is() {
    let host = Host::demo().unwrap();
    let (client, phone) = (Client::demo(&host), ciba_tests::party::Phone::of(&host, "alice").unwrap());
    let id = client.start("alice").unwrap();
    let card = phone.next_card(&[]).unwrap();
    let polls: Vec<String> = (0..20).map(|_| said(&client.poll(&id).unwrap()).1).collect();
    let expected: Vec<&str> = [["authorization_pending"; 1].as_slice(), &["slow_down"; 10], &["invalid_request"; 9]].concat();
    assert_eq!(polls, expected);
    assert_eq!(phone.decide(&card, "approve").unwrap().status, 200);
    assert_eq!(client.poll(&id).unwrap().status, 200, "decided is answered, whatever the pace");
}

#[test]
fn the_limits_that_everybody_has_keep_a_person_from_being_flooded() {
    let host = Data::with_config("# The defaults are on: [limits]\n").unwrap().serve(&[]).unwrap();
    host.data.must(&["user", "add", "alice"]).unwrap();
    let client = Client::add(&host, "shop", &[]).unwrap();
    let statuses: Vec<u16> = (0..6).map(|_| ask(&client, "alice").status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
}
