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
    const CANNOT: &str = "cannot be used: it has to answer with a list";
    for (reply, what) in [
        (answer("[\"https://other.example/jwks\"]"), "does not list https://client.example/jwks"),
        (answer("{\"a\": 1}"), CANNOT),
        (answer("<html>"), CANNOT),
        (Reply::Status(404), CANNOT),
        (Reply::Whole(302, vec![("location".to_owned(), sector.url("/"))], Vec::new()), CANNOT),
        (Reply::Reset, CANNOT),
    ] {
        sector.answer(reply);
        let refused = host.send(&registration(None, &metadata)).unwrap();
        assert_eq!(error(&refused), (400, "invalid_client_metadata".to_owned()), "{what}");
        assert!(says(&refused, what) && says(&refused, "sector_identifier_uri"), "{}", refused.text());
    }
    sector.answer(answer("[\"https://client.example/cb\", \"https://client.example/jwks\"]"));
    let client = host.send(&registration(None, &metadata)).unwrap();
    assert_eq!((client.status, client.json()["subject_type"].as_str()), (201, Some("pairwise")), "{}", client.text());

    // What was looked at already is not fetched for every change.
    sector.answer(Reply::Status(404));
    let client = client.json();
    let mut changed = metadata.clone();
    changed["client_id"] = client["client_id"].clone();
    changed["client_name"] = "Shop".into();
    let path = format!("/register/{}", client["client_id"].as_str().unwrap());
    let put = |body: &Value| {
        let request = Request::new("PUT", &path).header("content-type", "application/json").body(body.to_string());
        host.send(&with_token(request, client["registration_access_token"].as_str())).unwrap()
    };
    assert_eq!(put(&changed).status, 200);
    changed["jwks_uri"] = "https://other.example/jwks".into();
    assert!(says(&put(&changed), CANNOT));

    // Strangers do not learn from an answer which names we know, and what listens there.
    let answers = ["https://localhost:1/", "https://nowhere.invalid/", "https://10.1.2.3/", "https://169.254.169.254/"].map(|uri| {
        let mut elsewhere = metadata.clone();
        elsewhere["sector_identifier_uri"] = uri.into();
        host.send(&registration(None, &elsewhere)).unwrap().text()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.contains(CANNOT)), "{answers:#?}");
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
fn a_change_that_changes_nothing_writes_nothing_and_many_are_refused() {
    let host = host("open = true");
    let client = register(&host, None, &json!({"client_name": "Shop"})).json();
    let body = |name: &str| json!({"client_id": client["client_id"], "client_name": name});
    let changes = || -> i64 {
        let database = rusqlite::Connection::open(host.data.path().join("ciba.db")).unwrap();
        database.query_row("SELECT count(*) FROM audit WHERE what = 'client update'", [], |row| row.get(0)).unwrap()
    };
    for (name, written) in [("Shop", 0), ("Corner shop", 1), ("Corner shop", 1)] {
        assert_eq!(manage(&host, "PUT", &client, Some(&body(name))).status, 200);
        assert_eq!(changes(), written, "{name}");
    }
    let late = (0..40).map(|_| manage(&host, "PUT", &client, Some(&body("Shop")))).find(|answer| answer.status != 200).unwrap();
    assert_eq!(error(&late), (429, "temporarily_unavailable".to_owned()));
    assert!(late.header("retry-after").is_some());
    assert_eq!(error(&manage(&host, "DELETE", &client, None)).0, 429);
    assert_eq!(manage(&host, "GET", &client, None).status, 200, "who only looks leaves nothing behind");
}

#[test]
fn what_an_operator_says_while_a_client_changes_itself_is_not_written_over() {
    let host = SecureHost::with_config("[registration]\nenabled = true\nopen = true").unwrap();
    let sector = Receiver::start(&host.authority).unwrap();
    let listed =
        Reply::Whole(200, Vec::new(), br#"["https://client.example/1", "https://client.example/2", "https://client.example/3"]"#.to_vec());
    sector.answer(listed.clone());
    // It is fetched for keys at another address, each time.
    let metadata = |name: &str, keys: u32| {
        json!({
            "client_name": name,
            "subject_type": "pairwise",
            "sector_identifier_uri": sector.url("/sector.json"),
            "jwks_uri": format!("https://client.example/{keys}"),
            "backchannel_authentication_request_signing_alg": "ES256",
        })
    };
    let client = host.send(&registration(None, &metadata("As it came", 1))).unwrap();
    assert_eq!(client.status, 201, "{}", client.text());
    let client = client.json();
    let id = client["client_id"].as_str().unwrap();
    let change = |name: &str, keys: u32| {
        let mut body = metadata(name, keys);
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
        let changing = scope.spawn(|| change("By itself", 2));
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
        let changing = scope.spawn(|| change("Too late", 3));
        sector.wait_for(arrived + 1).unwrap();
        host.host.data.must(&["client", "remove", id]).unwrap();
        barrier.wait();
        changing.join().unwrap()
    });
    assert_eq!(error(&refused), (401, "invalid_token".to_owned()), "{}", refused.text());
    assert!(host.host.data.must(&["client", "show", id]).is_err());
}
