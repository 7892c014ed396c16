//! Clients, users, keys and types of `authorization_details` in files, and the commands beside them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ciba_tests::host::{Data, Host, wait_for};
use ciba_tests::wire::Request;
use serde_json::{Value, json};

const SECRET: &str = "a secret of thirty-two characters";

/// Writes a file below `declared/`.
fn declare(data: &Data, name: &str, text: &str) -> PathBuf {
    let path = data.path().join("declared").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

/// A client that is told by its secret.
fn shop(more: &Value) -> String {
    let mut client = json!({"client_name": "Shop", "client_secret": {"file": "secrets/shop"}});
    for (member, value) in more.as_object().unwrap() {
        client[member] = value.clone();
    }
    client.to_string()
}

fn ask(host: &Host, client: &str, secret: &str, user: &str) -> String {
    ask_for(host, client, secret, &[("scope", "openid"), ("login_hint", user)])
}

fn ask_for(host: &Host, client: &str, secret: &str, form: &[(&str, &str)]) -> String {
    let authorization = format!("Basic {}", BASE64_STANDARD.encode(format!("{client}:{}", secret.replace(' ', "+"))));
    let answer = host.send(&Request::form("/bc-authorize", form).header("authorization", &authorization)).unwrap();
    answer.json()["error"].as_str().map_or_else(|| answer.status.to_string(), str::to_owned)
}

fn client(data: &Data, id: &str) -> Value {
    data.json(&["client", "show", id]).unwrap_or_default()
}

/// Waits until a client is as expected.
fn until(host: &Host, id: &str, what: &str, good: impl Fn(&Value) -> bool) {
    wait_for(what, || Ok(good(&client(&host.data, id)).then_some(()))).unwrap();
}

fn logged(host: &Host, line: &str) {
    wait_for(line, || Ok(host.log().contains(line).then_some(()))).unwrap();
}

fn audit(host: &Host) -> Vec<String> {
    let token = fs::read_to_string(host.data.path().join("admin.token")).unwrap();
    let request = Request::json("/admin/v1/command", "{\"command\":\"audit-list\",\"most\":100}");
    let lines = request.header("authorization", &format!("Bearer {token}")).send(host.admin).unwrap().json();
    let lines = lines.as_array().unwrap().iter().rev();
    lines.map(|line| format!("{} {} {}", line["who"], line["what"], line["about"]).replace('"', "")).collect()
}

#[test]
fn what_stands_in_files_is_there_at_the_start() {
    let data = Data::new().unwrap();
    declare(&data, "secrets/shop", &format!("{SECRET}\n"));
    declare(&data, "clients/shop.json", &shop(&json!({"client_id": "shop", "interval": 2})));
    declare(
        &data,
        "clients/desk.toml",
        &format!("client_secret_sha256 = '{}'\n", "18c19cd22daa2b0346b4b7a2c5f5c9b44d5d1bbdd8ba8d1e1c1aac7e7bdd1a96"),
    );
    declare(&data, "users/alice.json", "{\"name\": \"Alice\", \"email\": \"alice@example.com\", \"sub\": \"s-1\"}");
    declare(&data, "users/bob.toml", "phone = '+1 555 010 0101'\n");
    let host = data.serve(&[]).unwrap();
    assert_eq!(ask(&host, "shop", SECRET, "alice@example.com"), "200");
    assert_eq!(ask(&host, "shop", SECRET, "+15550100101"), "200");
    assert_eq!(ask(&host, "shop", "another secret altogether", "alice"), "invalid_client");
    let shown = client(&host.data, "shop");
    assert_eq!((&shown["origin"], &shown["interval"], &shown["client_name"]), (&json!("declared"), &json!(2), &json!("Shop")));
    assert!(shown["client_secret"].is_null() && !shown.to_string().contains(SECRET), "{shown}");
    let users = host.data.json(&["user", "list"]).unwrap();
    assert_eq!((&users[0]["id"], &users[0]["declared"], &users[1]["username"]), (&json!("s-1"), &json!(true), &json!("bob")));
    let before = audit(&host);
    assert_eq!(
        before,
        ["declared client declare desk", "declared client declare shop", "declared user declare alice", "declared user declare bob"]
    );
    // The same again is nothing new, and a subject that was derived is the same.
    let host = host.stop().unwrap().serve(&[]).unwrap();
    assert_eq!(audit(&host), before);
    assert_eq!(host.data.json(&["user", "list"]).unwrap(), users);
}

#[test]
fn a_file_is_taken_while_the_host_runs_and_a_bad_one_changes_nothing() {
    let data = Data::new().unwrap();
    declare(&data, "secrets/shop", SECRET);
    declare(&data, "clients/shop.json", &shop(&json!({})));
    declare(&data, "users/alice.json", "{}");
    let host = data.serve(&[]).unwrap();
    declare(&host.data, "clients/shop.json", &shop(&json!({"client_name": "Corner shop"})));
    until(&host, "shop", "the new name", |client| client["client_name"] == "Corner shop");

    for (text, says) in [
        ("{\n\"client_name\": \"x\",\n}", "declared/clients/shop.json:3: trailing comma"),
        (&shop(&json!({"client_nam": "x"})), "declared/clients/shop.json: client_nam: is not known; did you mean client_name?"),
        (&shop(&json!({"client_id": "other"})), "declared/clients/shop.json: client_id: is not shop"),
        (
            &shop(&json!({"client_secret": "in the open, for everybody"})),
            "declared/clients/shop.json: client_secret: does not stand in the open",
        ),
        (&shop(&json!({"client_secret": {"file": "../admin.token"}})), "client_secret: ../admin.token is the host's own"),
        (&shop(&json!({"client_secret": {"file": "secrets/none"}})), "client_secret: secrets/none: cannot be read"),
        (&shop(&json!({"client_secret": {"env": "CIBA_NO_SUCH"}})), "client_secret: the environment has no variable CIBA_NO_SUCH"),
        (&shop(&json!({"client_secret": null})), "client_secret: is missing, and client_secret_basic has one"),
        ("{}", "client_secret: is missing, and client_secret_basic has one"),
        (&shop(&json!({"client_secret_sha256": "x"})), "client_secret: stands beside client_secret_sha256"),
        ("{\"client_secret_sha256\": \"x\"}", "client_secret_sha256: is not 64 hexadecimal digits"),
        (
            &shop(&json!({"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "a"})),
            "client_secret: tls_client_auth has none",
        ),
        (&shop(&json!({"backchannel_token_delivery_mode": "ping"})), "backchannel_client_notification_endpoint: is missing"),
        ("[]", "declared/clients/shop.json:1: invalid type"),
    ] {
        declare(&host.data, "clients/shop.json", text);
        logged(
            &host,
            &format!(
                "a declared file was not taken: {}",
                if says.starts_with("declared/") { says.to_owned() } else { format!("declared/clients/shop.json: {says}") }
            ),
        );
        let said = host.data.run(&["config", "check"]).unwrap();
        assert!(!said.status.success() && said.error.contains(says), "{text}: {}", said.error);
        assert_eq!(client(&host.data, "shop")["client_name"], "Corner shop", "{text}");
        assert_eq!(ask(&host, "shop", SECRET, "alice"), "200", "{text}");
    }
    // It is said once, however often it is looked at.
    let times = |host: &Host| host.log().matches("declared/clients/shop.json:1: invalid type").count();
    declare(&host.data, "clients/new.json", "{}");
    logged(&host, "declared/clients/new.json: client_secret: is missing");
    assert_eq!(times(&host), 1);
    declare(&host.data, "clients/shop.json", &shop(&json!({"client_name": "Mended"})));
    until(&host, "shop", "the mended file", |client| client["client_name"] == "Mended");
    // A secret of its own is part of what is declared.
    declare(&host.data, "secrets/shop", "another secret of many characters");
    wait_for("the new secret", || Ok((ask(&host, "shop", "another secret of many characters", "alice") == "200").then_some(()))).unwrap();
    assert_eq!(ask(&host, "shop", SECRET, "alice"), "invalid_client");
    assert!(!host.log().contains(SECRET) && !host.log().contains("in the open, for"), "a secret is in the log");
}

#[test]
fn what_a_file_says_is_changed_by_the_file_alone() {
    let data = Data::new().unwrap();
    // Both were here by command, and have become their files' affair.
    let host = data.serve(&[]).unwrap();
    host.data.must(&["user", "add", "alice", "--name", "Alice A."]).unwrap();
    host.data.must(&["client", "add", "shop"]).unwrap();
    let before = host.data.json(&["user", "list"]).unwrap();
    declare(&host.data, "secrets/shop", SECRET);
    declare(&host.data, "clients/shop.json", &shop(&json!({})));
    declare(&host.data, "users/alice.json", "{\"name\": \"Alice B.\"}");
    until(&host, "shop", "the file", |client| client["origin"] == "declared");
    wait_for("alice's file", || Ok((host.data.json(&["user", "list"])?[0]["declared"] == true).then_some(()))).unwrap();
    let after = host.data.json(&["user", "list"]).unwrap();
    assert_eq!((&after[0]["id"], &after[0]["name"]), (&before[0]["id"], &json!("Alice B.")), "clients know her by her subject");

    let file = declare(&host.data, "../metadata.json", "{}");
    let update = ["client", "update", "shop", "--metadata", file.to_str().unwrap()];
    for words in [&["client", "remove", "shop"][..], &update, &["user", "remove", "alice"], &["client", "add", "shop"]] {
        let said = host.data.run(words).unwrap();
        assert!(!said.status.success(), "{words:?}");
        assert!(said.error.contains("declared") || words[1] == "add", "{words:?}: {}", said.error);
    }
    // Another subject would make her somebody else for every client.
    declare(&host.data, "users/alice.json", "{\"sub\": \"other\"}");
    logged(&host, "declared/users/alice: sub: alice is here already as");
    let data = host.stop().unwrap();
    let said = data.run(&["client", "remove", "shop"]).unwrap();
    assert!(said.error.contains("declared in a file"), "also where no host runs: {}", said.error);
}

#[test]
fn a_file_that_is_taken_away_takes_its_client_and_user_along() {
    let data = Data::new().unwrap();
    declare(&data, "secrets/shop", SECRET);
    let files = [
        declare(&data, "clients/shop.json", &shop(&json!({}))),
        declare(&data, "users/alice.json", "{}"),
        declare(&data, "users/bob.json", "{}"),
    ];
    declare(&data, "clients/desk.json", &shop(&json!({})));
    let host = data.serve(&[]).unwrap();
    assert_eq!(ask(&host, "shop", SECRET, "alice"), "200");
    let request = host.data.json(&["request", "list"]).unwrap()[0]["transaction"].as_str().unwrap().to_owned();
    fs::remove_file(&files[0]).unwrap();
    fs::remove_file(&files[1]).unwrap();
    until(&host, "shop", "the client is gone", Value::is_null);
    wait_for("alice is gone", || Ok((host.data.json(&["user", "list"])?.as_array().unwrap().len() == 1).then_some(()))).unwrap();
    assert_eq!(host.data.json(&["request", "show", &request]).unwrap()["state"], "denied");
    assert_eq!(ask(&host, "desk", SECRET, "bob"), "200");
    let audit = audit(&host);
    assert!(
        audit.contains(&"declared client remove shop".to_owned()) && audit.contains(&"declared user remove alice".to_owned()),
        "{audit:?}"
    );
    // What was removed while the host was away is gone too; what was renamed is another.
    let data = host.stop().unwrap();
    fs::rename(&files[2], data.path().join("declared/users/robert.json")).unwrap();
    let host = data.serve(&[]).unwrap();
    wait_for("bob is robert", || {
        let users = host.data.json(&["user", "list"])?;
        Ok((users.as_array().unwrap().len() == 1 && users[0]["username"] == "robert").then_some(()))
    })
    .unwrap();
    // A folder that is not there at all is a disk that is not mounted, and no reason to take everything away.
    fs::rename(host.data.path().join("declared"), host.data.beside("elsewhere")).unwrap();
    logged(&host, "declared/clients: cannot be read, and what it declared stays");
    logged(&host, "declared/users: cannot be read, and what it declared stays");
    assert_eq!(ask(&host, "desk", SECRET, "robert"), "200");
}

#[test]
fn a_user_keeps_their_subject_through_a_new_name() {
    let data = Data::new().unwrap();
    let file = declare(&data, "users/alice.json", "{\"sub\": \"s-1\"}");
    let host = data.serve(&[]).unwrap();
    fs::rename(&file, host.data.path().join("declared/users/alicia.json")).unwrap();
    wait_for("the new name", || Ok((host.data.json(&["user", "list"])?[0]["username"] == "alicia").then_some(()))).unwrap();
    declare(&host.data, "users/zoe.json", "{}");
    wait_for("looks after that", || Ok((host.data.json(&["user", "list"])?.as_array().unwrap().len() == 2).then_some(()))).unwrap();
    declare(&host.data, "users/yara.json", "{}");
    wait_for("two more looks", || Ok((host.data.json(&["user", "list"])?.as_array().unwrap().len() == 3).then_some(()))).unwrap();
    assert_eq!(host.data.json(&["user", "list"]).unwrap()[0]["id"], "s-1", "the old name's file took nobody along");
}

#[test]
fn types_of_authorization_details_are_watched_like_the_rest() {
    let data = Data::new().unwrap();
    declare(&data, "secrets/shop", SECRET);
    declare(&data, "clients/shop.json", &shop(&json!({"authorization_details_types": ["payment"]})));
    declare(&data, "users/alice.json", "{}");
    // One that cannot be used keeps nobody from starting: who asks for it is refused.
    declare(&data, "authorization_details/payment.toml", "schema = true\n[words]\nen = 'Pay {amount}'\n");
    let says = "declared/authorization_details/payment.toml: words.en: what is in braces must be a JSON pointer";
    assert!(data.run(&["config", "check"]).unwrap().error.contains(says));
    let host = data.serve(&[]).unwrap();
    logged(&host, &format!("a declared file was not taken: {says}"));
    let pay = || {
        let details = [("authorization_details", r#"[{"type":"payment","amount":"5"}]"#)];
        ask_for(&host, "shop", SECRET, &[("scope", "openid"), ("login_hint", "alice"), details[0]])
    };
    let until = |what: &str, said: &str| wait_for(what, || Ok((pay() == said).then_some(()))).unwrap();
    let types =
        || host.send(&Request::get("/.well-known/openid-configuration")).unwrap().json()["authorization_details_types_supported"].clone();
    let refused = "invalid_authorization_details";
    assert_eq!((pay().as_str(), types().to_string().contains("payment")), (refused, false));
    let open = "schema = true\nwords = { en = 'Pay {/amount}' }\n";
    declare(&host.data, "authorization_details/payment.toml", open);
    until("the mended file", "200");
    assert_eq!(types(), json!(["payment"]));
    // A bad one changes nothing, and neither does one that says what another says already.
    declare(&host.data, "authorization_details/payment.toml", "schema = true\n");
    logged(&host, "a declared file was not taken: declared/authorization_details/payment.toml: missing field `words`");
    assert_eq!(pay(), "200");
    let file =
        declare(&host.data, "authorization_details/payment.toml", "schema.required = ['creditor']\nwords = { en = 'Pay {/amount}' }\n");
    until("the stricter schema", refused);
    let other = declare(&host.data, "authorization_details/other.toml", &format!("type = 'payment'\n{open}"));
    let says = "another file declares the type payment too";
    logged(&host, &format!("a declared file was not taken: declared/authorization_details/other: {says}"));
    assert!(host.data.run(&["config", "check"]).unwrap().error.contains(says));
    assert_eq!(pay(), refused);
    fs::remove_file(file).unwrap();
    until("the other file's turn", "200");
    fs::remove_file(other).unwrap();
    until("no file declares it", refused);
    assert!(!types().to_string().contains("payment"), "{}", types());
    declare(&host.data, "authorization_details/payment.toml", open);
    until("it is back", "200");
    // A folder that is not there takes nothing away.
    fs::rename(host.data.path().join("declared/authorization_details"), host.data.beside("elsewhere")).unwrap();
    logged(&host, "declared/authorization_details: cannot be read, and what it declared stays");
    assert_eq!(pay(), "200");
}

#[test]
fn of_two_files_with_one_subject_neither_takes_the_others_place() {
    let data = Data::new().unwrap();
    let robert = declare(&data, "users/robert.json", "{\"sub\": \"s-1\"}");
    let host = data.serve(&[]).unwrap();
    let users = |host: &Host| -> Vec<String> {
        let users = host.data.json(&["user", "list"]).unwrap();
        users
            .as_array()
            .unwrap()
            .iter()
            .map(|user| format!("{} {}", user["username"].as_str().unwrap(), user["id"].as_str().unwrap()))
            .collect()
    };
    declare(&host.data, "users/alice.json", "{\"sub\": \"s-1\"}");
    logged(&host, "declared/users/alice: sub: declared/users/robert says the same");
    assert_eq!(users(&host), ["robert s-1"]);
    // Whichever is read first after a restart.
    let data = host.stop().unwrap();
    let said = data.run(&["config", "check"]).unwrap();
    assert!(said.error.contains("declared/users/alice: sub: ") && said.error.contains("declared/users/robert: sub: "), "{}", said.error);
    let host = data.serve(&[]).unwrap();
    logged(&host, "declared/users/robert: sub: declared/users/alice says the same");
    assert_eq!(users(&host), ["robert s-1"]);
    // With the other file gone it is a new name.
    fs::remove_file(robert).unwrap();
    wait_for("the new name", || Ok((users(&host) == ["alice s-1"]).then_some(()))).unwrap();
}

#[test]
fn names_and_files_that_mean_nothing_are_said() {
    let data = Data::new().unwrap();
    declare(&data, "clients/a.yaml", "");
    declare(&data, "clients/.hidden.json", "x");
    declare(&data, "clients/edited.json~", "x");
    declare(&data, "users/alice.json", "{}");
    declare(&data, "users/alice.toml", "");
    declare(&data, "users/bob.json", "{\"nam\": \"Bob\"}");
    declare(&data, "users/eve.json", "{\"email\": \"nowhere\"}");
    declare(&data, "users/mallory.json", "{\"name\": 5}");
    declare(&data, "clients/a b.json", "{\"client_secret_sha256\": \"0\"}");
    fs::create_dir(data.path().join("declared/users/folder.json")).unwrap();
    declare(&data, "keys/mine.pem", "");
    let said = data.run(&["config", "check"]).unwrap();
    assert!(!said.status.success());
    for line in [
        "declared/clients/a.yaml: is not read: the name of such a file ends in .json or .toml",
        "declared/users/alice.toml: is not read: ",
        "declared/users/bob.json: nam: is not known; did you mean name?",
        "declared/users/eve.json: an e-mail address contains @",
        "declared/users/mallory.json: name: is not text",
        "declared/users/folder.json: is not a file",
        "declared/keys/mine.pem: is not named after its algorithm",
    ] {
        assert!(said.error.contains(line), "{line}: {}", said.error);
    }
    assert!(!said.error.contains("hidden") && !said.error.contains("json~"), "{}", said.error);
    let host = data.serve(&[]).unwrap();
    assert_eq!(host.data.json(&["user", "list"]).unwrap().as_array().unwrap().len(), 1);
    for (name, _) in [("a.yaml", 1), ("eve.json", 1)] {
        assert_eq!(host.log().matches(name).count(), 1, "{}", host.log());
    }
}

#[test]
fn keys_are_listed_replaced_and_taken_in() {
    let data = Data::with_config("[keys]\nalgorithms = ['ES256', 'EdDSA']").unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let (declared, imported) = (data.path().join("declared/keys/ES256.pem"), data.beside("key.pem"));
    declare(&data, "keys/ES256.pem", &key.serialize_pem());
    fs::set_permissions(&declared, fs::Permissions::from_mode(0o604)).unwrap();
    assert!(data.run(&["config", "check"]).unwrap().error.contains("declared/keys/ES256.pem: can be read by everybody"));
    fs::set_permissions(&declared, fs::Permissions::from_mode(0o600)).unwrap();
    let host = data.serve(&[]).unwrap();
    let keys = |host: &Host, alg: &str| -> Vec<(String, String)> {
        let keys = host.data.json(&["key", "list"]).unwrap();
        let keys = keys.as_array().unwrap().iter().filter(|key| key["alg"] == alg);
        keys.map(|key| (key["state"].as_str().unwrap().to_owned(), key["kid"].as_str().unwrap().to_owned())).collect()
    };
    let published = |host: &Host| host.send(&Request::get("/jwks")).unwrap().text();
    let before = keys(&host, "ES256");
    assert_eq!(before.iter().map(|(state, _)| state.as_str()).collect::<Vec<_>>(), ["active", "next"], "{before:?}");
    assert!(published(&host).contains(&before[1].1));
    fs::write(&imported, rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem()).unwrap();
    let file = imported.to_str().unwrap();
    wait_for("the first key for EdDSA", || Ok((!keys(&host, "EdDSA").is_empty()).then_some(()))).unwrap();
    let said = host.data.must(&["key", "import", "--alg", "EdDSA", file]).unwrap();
    assert!(said.contains("EdDSA"), "{said}");
    assert_eq!(keys(&host, "EdDSA").len(), 2);
    assert!(host.data.must(&["key", "rotate", "--alg", "EdDSA"]).unwrap().contains("on its way already"));
    let wrong = host.data.run(&["key", "import", "--alg", "ES256", file]).unwrap();
    assert!(!wrong.status.success() && wrong.error.contains("not a key for ES256"), "{}", wrong.error);
    assert!(!host.data.run(&["key", "import", "--alg", "HS256", file]).unwrap().status.success());
    let audit = audit(&host);
    assert!(
        audit.contains(&"declared key import ES256".to_owned()) && audit.contains(&"operator key import EdDSA".to_owned()),
        "{audit:?}"
    );
    // The same file again is the same key.
    let host = host.stop().unwrap().serve(&[]).unwrap();
    assert_eq!(keys(&host, "ES256"), before);
    let data = host.stop().unwrap();
    assert!(data.run(&["key", "list"]).unwrap().error.contains("the host does not run"));
}

#[test]
fn a_client_is_added_shown_and_changed_by_files_that_commands_read() {
    let data = Data::with_config("").unwrap();
    let (json_file, toml_file, secret) = (data.beside("client.json"), data.beside("client.toml"), data.beside("secret"));
    let path = |path: &PathBuf| path.to_str().unwrap().to_owned();
    fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let host = data.serve(&[]).unwrap();
    fs::write(&json_file, json!({"client_name": "Shop", "token_endpoint_auth_method": "client_secret_post", "interval": 3}).to_string())
        .unwrap();
    let added = host.data.json(&["client", "add", "shop", "--metadata", &path(&json_file)]).unwrap();
    assert!(added["client_secret"].as_str().unwrap().len() >= 43, "{added}");
    assert_eq!(client(&host.data, "shop")["interval"], 3);
    assert!(client(&host.data, "shop")["client_secret"].is_null());
    assert!(host.data.must(&["client", "show", "shop"]).unwrap().contains("client_name  Shop"));
    // The secret stays, unless another is given or the method needs what was not kept.
    for (text, options, made) in [
        ("client_name = 'Corner shop'", vec![], false),
        ("token_endpoint_auth_method = 'client_secret_jwt'", vec![], true),
        ("token_endpoint_auth_method = 'client_secret_jwt'", vec![], false),
        ("", vec!["--secret-file".to_owned(), path(&secret)], false),
    ] {
        fs::write(&toml_file, text).unwrap();
        let file = path(&toml_file);
        let words: Vec<&str> =
            ["client", "update", "shop", "--metadata", &file].into_iter().chain(options.iter().map(String::as_str)).collect();
        let updated = host.data.json(&words).unwrap();
        assert_eq!(updated["client_secret"].is_string(), made, "{text}: {updated}");
    }
    host.data.must(&["user", "add", "alice"]).unwrap();
    assert_eq!(ask(&host, "shop", SECRET, "alice"), "200");
    for (text, says) in [
        ("client_nam = 'x'", "client_nam: is not known; did you mean client_name?"),
        ("a = 1\nb = = 2", "client.toml: 2: "),
        ("client_secret = 'x'", "client_secret: does not stand in the open"),
        ("grant_types = ['password']", "grant_types: password is not served"),
    ] {
        fs::write(&toml_file, text).unwrap();
        let said = host.data.run(&["client", "update", "shop", "--metadata", &path(&toml_file)]).unwrap();
        assert!(!said.status.success() && said.error.contains(says), "{text}: {}", said.error);
    }
    assert!(host.data.run(&["client", "show", "nobody"]).unwrap().error.contains("there is no client nobody"));
    // Without a running host the same, and what was sealed then opens later.
    let data = host.stop().unwrap();
    fs::write(&toml_file, "token_endpoint_auth_method = 'client_secret_jwt'").unwrap();
    assert!(data.json(&["client", "add", "desk", "--metadata", &path(&toml_file)]).unwrap()["client_secret"].is_string());
}
