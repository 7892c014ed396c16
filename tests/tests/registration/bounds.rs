//! What keeps clients that register themselves within bounds: sectors, what operators say, how many there may be.

use std::sync::{Arc, Barrier};

use ciba_tests::receiver::{Receiver, Reply};

use super::*;

#[test]
fn a_sector_is_joined_only_by_clients_that_it_lists() {
    let host = SecureHost::with_config("[registration]\nenabled = true\nopen = true").unwrap();
    let sector = Receiver::start(&host.authority).unwrap();
    let metadata = json!({
        "subject_type": "pairwise",
        "sector_identifier_uri": sector.url("/sector.json"),
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": "https://client.example/jwks",
    });
    let answer = |body: &str| Reply::Whole(200, vec![("content-type".to_owned(), "application/json".to_owned())], body.as_bytes().to_vec());
    for (reply, what) in [
        (answer("[\"https://other.example/jwks\"]"), "does not list https://client.example/jwks"),
        (answer("{\"a\": 1}"), "not a list"),
        (answer("<html>"), "not a list"),
        (Reply::Status(404), "answers 404"),
        (Reply::Whole(302, vec![("location".to_owned(), sector.url("/"))], Vec::new()), "answers 302"),
        (Reply::Reset, "cannot be read"),
    ] {
        sector.answer(reply);
        let refused = host.send(&registration(None, &metadata)).unwrap();
        assert_eq!(error(&refused), (400, "invalid_client_metadata".to_owned()), "{what}");
        assert!(says(&refused, what) && says(&refused, "sector_identifier_uri"), "{}", refused.text());
    }
    sector.answer(answer("[\"https://client.example/cb\", \"https://client.example/jwks\"]"));
    let client = host.send(&registration(None, &metadata)).unwrap();
    assert_eq!((client.status, client.json()["subject_type"].as_str()), (201, Some("pairwise")), "{}", client.text());
}

#[test]
fn where_anybody_may_register_there_is_an_end_to_it_and_a_token_goes_on() {
    let host = host("open = true\nopen_clients = 3");
    // At the same time, so that a count before the write would let too many in.
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| register(&host, None, &json!({})))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let (in_time, late): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
    assert_eq!(in_time.len(), 3);
    for refused in late {
        assert_eq!(error(refused), (401, "invalid_token".to_owned()));
        assert!(says(refused, "as many clients as may have registered") && refused.header("www-authenticate").is_some());
    }
    assert!(host.log().contains("a client could not register"));
    let invited = host.data.json(&["client", "invite"]).unwrap();
    assert_eq!(register(&host, invited["initial_access_token"].as_str(), &json!({})).status, 201);
    // Two have to go, because one came with a token.
    for client in &in_time[..2] {
        assert_eq!(error(&register(&host, None, &json!({}))).0, 401);
        assert_eq!(manage(&host, "DELETE", &client.json(), None).status, 204);
    }
    assert_eq!(register(&host, None, &json!({})).status, 201);
}

#[test]
fn what_an_operator_says_while_a_client_changes_itself_is_not_written_over() {
    let host = SecureHost::with_config("[registration]\nenabled = true\nopen = true").unwrap();
    let sector = Receiver::start(&host.authority).unwrap();
    let listed = Reply::Whole(200, Vec::new(), b"[\"https://client.example/jwks\"]".to_vec());
    sector.answer(listed.clone());
    let metadata = |name: &str| {
        json!({
            "client_name": name,
            "subject_type": "pairwise",
            "sector_identifier_uri": sector.url("/sector.json"),
            "jwks_uri": "https://client.example/jwks",
            "backchannel_authentication_request_signing_alg": "ES256",
        })
    };
    let client = host.send(&registration(None, &metadata("As it came"))).unwrap();
    assert_eq!(client.status, 201, "{}", client.text());
    let client = client.json();
    let id = client["client_id"].as_str().unwrap();
    let change = |name: &str| {
        let mut body = metadata(name);
        body["client_id"] = json!(id);
        let request = Request::new("PUT", &format!("/register/{id}")).header("content-type", "application/json").body(body.to_string());
        host.send(&with_token(request, client["registration_access_token"].as_str())).unwrap()
    };
    let known = |member: &str| host.host.data.json(&["client", "show", id]).unwrap()[member].clone();

    // While the host waits for the sector's document an operator gives the client a slower pace and another secret.
    let barrier = Arc::new(Barrier::new(2));
    let held = || Reply::Held(Arc::clone(&barrier), Box::new(listed.clone()));
    sector.answer_next([held()]);
    let file = host.host.data.beside("client.json");
    let slower = json!({ "client_name": "The operator's", "interval": 7 });
    std::fs::write(&file, slower.to_string()).unwrap();
    let secret = host.host.data.beside("secret");
    std::fs::write(&secret, "a-secret-of-the-operator").unwrap();
    let changed = std::thread::scope(|scope| {
        let changing = scope.spawn(|| change("By itself"));
        sector.wait_for(2).unwrap();
        let (file, secret) = (file.to_str().unwrap(), secret.to_str().unwrap());
        host.host.data.must(&["client", "update", id, "--metadata", file, "--secret-file", secret]).unwrap();
        barrier.wait();
        changing.join().unwrap()
    });
    assert_eq!((changed.status, changed.json()["interval"].as_u64()), (200, Some(7)), "{}", changed.text());
    assert_eq!((known("client_name"), known("interval")), (json!("By itself"), json!(7)));
    let ask = Request::form("/bc-authorize", &[("scope", "openid"), ("login_hint", "alice")]);
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:a-secret-of-the-operator")));
    assert_eq!(
        error(&host.send(&ask.header("authorization", &basic)).unwrap()).1,
        "invalid_request",
        "unsigned; but the secret is the operator's"
    );

    // Removed meanwhile, nothing of it comes back.
    sector.answer_next([held()]);
    let arrived = sector.received().len();
    let refused = std::thread::scope(|scope| {
        let changing = scope.spawn(|| change("Too late"));
        sector.wait_for(arrived + 1).unwrap();
        host.host.data.must(&["client", "remove", id]).unwrap();
        barrier.wait();
        changing.join().unwrap()
    });
    assert_eq!(error(&refused), (401, "invalid_token".to_owned()), "{}", refused.text());
    assert!(host.host.data.must(&["client", "show", id]).is_err());
}
