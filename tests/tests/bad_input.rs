//! Bad input never panics, never gets a 500, and never loses anything.

use std::fs;

use ciba_tests::host::{Data, Host, wait_for};
use ciba_tests::party::{Client, Phone};
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
        ("scope=openid&login_hint=alice&request=x", "invalid_request", "request"),
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

/// Every parameter that is read anywhere, in every way it can be wrong whatever it means.
#[test]
fn every_parameter_can_be_wrong_and_is_then_named() {
    const START: &[&str] = &[
        "scope",
        "login_hint",
        "login_hint_token",
        "id_token_hint",
        "client_notification_token",
        "acr_values",
        "binding_message",
        "user_code",
        "requested_expiry",
        "request",
        "request_uri",
        "authorization_details",
        "resource",
        "request_context",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
        "an_extension",
    ];
    const REDEEM: &[&str] = &["grant_type", "auth_req_id", "client_id", "client_secret", "client_assertion", "an_extension"];
    const DECIDE: &[&str] = &["transaction", "decision"];
    const ENROL: &[&str] = &["token", "name"];
    let host = Host::demo().unwrap();
    let (client, phone) = (Client::demo(&host), Phone::of(&host, "alice").unwrap());
    client.start("alice").unwrap();
    phone.next_card(&[]).unwrap();
    for (path, parameters) in [("/bc-authorize", START), ("/token", REDEEM), ("/device/decide", DECIDE), ("/device/enrol", ENROL)] {
        let send = |body: String| {
            let request = Request::raw_form(path, body.clone().into_bytes());
            let answer = if path.starts_with("/device") { phone.send(request) } else { client.authenticated(request).send(host.public) };
            let answer = answer.unwrap();
            assert!((400..500).contains(&answer.status), "{path} {body:.80}: {} {}", answer.status, answer.text());
            answer
        };
        for parameter in parameters {
            for (wrong, why) in [(format!("{parameter}=a&{parameter}=a"), "given twice"), (format!("{parameter}=%ff"), "UTF-8")] {
                // RFC 8707 2: the one that may be repeated.
                if *parameter == "resource" && why == "given twice" {
                    continue;
                }
                let answer = send(wrong);
                assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some("invalid_request")), "{path} {parameter}");
                let description = answer.json()["error_description"].as_str().unwrap().to_owned();
                assert!(description.contains(parameter) && description.contains(why), "{path} {parameter}: {description}");
            }
            // Without a value it counts as absent; very long, it is refused or means nothing.
            send(format!("{parameter}="));
            send(format!("{parameter}={}", "x".repeat(60 << 10)));
            send(format!("{parameter}=%00"));
        }
        send("&".repeat(1000));
        send("=".to_owned());
        send((0..100).map(|number| format!("p{number}=x")).collect::<Vec<_>>().join("&"));
    }
    // None of it started, decided or enrolled anything.
    assert_eq!(host.data.json(&["request", "list"]).unwrap().as_array().unwrap().len(), 1);
    assert_eq!(phone.waiting().unwrap().len(), 1);
    assert!(!host.log().contains("panicked"), "{}", host.log());
}

#[test]
fn bad_json_is_refused_by_name() {
    let host = Host::demo().unwrap();
    let caller = host.data.json(&["client", "add", "gluu", "--hook-caller"]).unwrap();
    let bearer = format!("Bearer gluu.{}", caller["client_secret"].as_str().unwrap());
    let admin = format!("Bearer {}", fs::read_to_string(host.data.path().join("admin.token")).unwrap().trim());
    for (path, credential, to) in [("/hooks/v1/notify", &bearer, host.public), ("/admin/v1/command", &admin, host.admin)] {
        for body in
            ["", "{", "null", "[]", "{}", r#"{"transaction":{}}"#, r#"{"command":"fly"}"#, r#"{"transaction":7,"extra":1}"#, "\u{0}"]
        {
            let answer = Request::json(path, body).header("authorization", credential).send(to).unwrap();
            assert!((400..500).contains(&answer.status), "{path} {body}: {} {}", answer.status, answer.text());
            assert!(!answer.json()["error"].is_null(), "{path} {body}: {}", answer.text());
        }
        let huge = Request::json(path, &format!("\"{}\"", "x".repeat(70 << 10))).header("authorization", credential).send(to).unwrap();
        assert_eq!(huge.status, 413, "{path}: {}", huge.text());
        let form = Request::form(path, &[("a", "b")]).header("authorization", credential).send(to).unwrap();
        assert_eq!(form.status, 415, "{path}: {}", form.text());
    }
    assert!(!host.log().contains("panicked"), "{}", host.log());
}

#[test]
fn a_directory_or_a_database_that_cannot_be_used_is_explained_and_kept() {
    // A file stands where the directory should be: no user can write there, root included.
    let data = Data::new().unwrap();
    let file = data.beside("file");
    fs::write(&file, "mine").unwrap();
    let mut command = std::process::Command::new(ciba_tests::host::program());
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(file.join("data"));
    let said = ciba_tests::host::finish(command).unwrap();
    assert!(!said.status.success(), "{}", said.output);
    assert!(said.error.contains("--data"), "{}", said.error);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");

    // Everybody can write there.
    let data = Data::new().unwrap();
    assert!(std::process::Command::new("chmod").arg("777").arg(data.path()).status().unwrap().success());
    let said = data.run(&["serve"]).unwrap();
    assert!(!said.status.success() && said.error.contains("do: chmod 700"), "{}", said.error);

    // Something else lies where the database should be.
    let data = Data::new().unwrap();
    let database = data.path().join("ciba.db");
    fs::write(&database, "this is a shopping list, and it is longer than a header").unwrap();
    let said = data.run(&["serve"]).unwrap();
    assert!(!said.status.success() && said.error.contains("restore it from a backup"), "{}", said.error);
    assert!(fs::read_to_string(&database).unwrap().starts_with("this is a shopping list"), "it was overwritten");

    // A newer version of this program wrote it.
    let data = Data::new().unwrap();
    rusqlite::Connection::open(data.path().join("ciba.db")).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let said = data.run(&["serve"]).unwrap();
    assert!(!said.status.success() && said.error.contains("newer ciba-host"), "{}", said.error);

    // The key that belongs to the database was lost. The command first: it ends, whatever it finds.
    let data = Data::new().unwrap().demo().unwrap().stop().unwrap();
    let key = data.path().join("keys/installation.key");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    for words in [&["client", "list"][..], &["serve"]] {
        let said = data.run(words).unwrap();
        assert!(!said.status.success() && said.error.contains("do: restore it from the backup"), "{words:?}: {}", said.error);
        assert!(!key.exists(), "{words:?} made another");
    }
    fs::write(&key, kept).unwrap();
    assert!(std::process::Command::new("chmod").arg("600").arg(&key).status().unwrap().success());
    data.must(&["client", "list"]).unwrap();

    // A key that others can read, and one that is none.
    let data = Data::new().unwrap().demo().unwrap().stop().unwrap();
    let key = data.path().join("keys/signing.pkcs8");
    assert!(std::process::Command::new("chmod").arg("644").arg(&key).status().unwrap().success());
    let said = data.run(&["serve"]).unwrap();
    assert!(!said.status.success() && said.error.contains("chmod 600"), "{}", said.error);
    fs::write(&key, "x").unwrap();
    assert!(std::process::Command::new("chmod").arg("600").arg(&key).status().unwrap().success());
    let said = data.run(&["serve"]).unwrap();
    assert!(!said.status.success() && said.error.contains("restore it from a backup"), "{}", said.error);
}

/// What of the first page is lost may be in the log, and what of the others is lost may be nowhere.
#[test]
fn a_damaged_database_loses_nothing_that_can_be_had() {
    let damage = |data: &Data, from: usize, length: usize| {
        let database = data.path().join("ciba.db");
        let mut bytes = fs::read(&database).unwrap();
        let end = bytes.len().min(from + length);
        bytes[from..end].fill(b'x');
        fs::write(&database, bytes).unwrap();
    };
    let host = Host::demo().unwrap();
    let id = Client::demo(&host).start("alice").unwrap();
    let data = host.kill().unwrap();
    damage(&data, 0, 100);
    let host = data.demo().unwrap();
    assert!(host.log().contains("was overwritten; the log beside it had a copy"), "{}", host.log());
    assert_eq!(Client::demo(&host).poll(&id).unwrap().json()["error"], "authorization_pending");

    // Everything moved into the file: now nothing has a copy.
    let data = host.stop().unwrap();
    assert!(!data.path().join("ciba.db-wal").exists(), "the log is left after a stop in good order");
    damage(&data, 0, 100);
    let said = data.run(&["serve"]).unwrap();
    assert!(!said.status.success() && said.error.contains("restore it from a backup"), "{}", said.error);

    // Damage that shows only when it is read is an error in words, never a crash.
    let data = Host::demo().unwrap().stop().unwrap();
    damage(&data, 4096 * 2, usize::MAX / 2);
    match data.demo() {
        Err(error) => assert!(error.to_string().contains("ciba.db") || error.to_string().contains("database"), "{error:#}"),
        Ok(host) => {
            let answer = Client::demo(&host).ask(&[("scope", "openid"), ("login_hint", "alice")]).unwrap();
            assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true), "{}", answer.text());
            wait_for("the reason in the log", || Ok(host.log().contains("look at the disk").then_some(()))).unwrap();
            assert!(!host.log().contains("panicked"), "{}", host.log());
        }
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
