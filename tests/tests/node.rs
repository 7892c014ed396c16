//! What needs Node: clients from npm, unmodified.

use ciba_tests::host::{Host, program};
use ciba_tests::node;

/// The checks themselves, against a provider that others wrote: what fails for ours alone is ours. It
/// never sends `slow_down` and ties a client to one way of authentication.
#[test]
fn the_checks_of_openid_client_hold_for_another_provider() {
    let (server, issuer) = node::oidc_provider().unwrap();
    let decide = ["node", "oidc_provider_decide.mjs", &issuer, "{}"];
    let mut client = node::openid_client(&issuer, &decide);
    let output = client.args(["--unpaced", "--post-client", "demo-post"]).output().unwrap();
    drop(server);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.ends_with("ok all\n"), "{said}");
}

/// `openid-client`, unmodified, against ours: discovery, start, poll, denied, expired, too fast, redeemed twice.
#[test]
fn the_checks_of_openid_client_hold_for_ours() {
    let host = Host::demo().unwrap();
    let (program, data) = (program(), host.data.path());
    let decide = [program.to_str().unwrap(), "request", "{}", "--data", data.to_str().unwrap()];
    let output = node::openid_client(&host.issuer(), &decide).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}{}", String::from_utf8_lossy(&output.stderr), host.log());
    assert!(said.ends_with("ok all\n"), "{said}");
}

/// No one checks our JOSE with our JOSE: `jose` signs for us, and verifies and decrypts what we made.
#[test]
fn jose_and_ours_understand_each_other() {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::Stdio;

    use ciba_host::jose::{Jwk, KeyPolicy, KeyRing, PublicKeys, UnverifiedJws, jwe};
    use ciba_host::protocol::algorithm::{ContentEncryption, JwsAlgorithm, KeyEncryption};
    use serde_json::{Value, json};

    let mut peer = node::script("jose_peer.mjs").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(peer.stdout.take().unwrap()).lines();
    let theirs: Value = serde_json::from_str(&said.next().unwrap().unwrap()).unwrap();

    let signed = theirs["signed"].as_array().unwrap();
    let keys: Vec<&Value> = signed.iter().map(|one| &one["jwk"]).collect();
    let keys = PublicKeys::parse(&json!({"keys": keys})).unwrap();
    assert_eq!((signed.len(), keys.keys().len()), (5, 5));
    for one in signed {
        let alg = JwsAlgorithm::from_name(one["alg"].as_str().unwrap()).unwrap();
        let jws = UnverifiedJws::parse(one["jwt"].as_str().unwrap()).unwrap();
        let claims = jws.verify(&keys, &[alg]).unwrap();
        assert_eq!((claims["iss"].as_str(), claims["jti"].as_str()), (Some("peer"), Some("ä \"quoted\" \u{1f511}")));
        assert_eq!(Jwk::parse(&one["jwk"]).unwrap().thumbprint(), one["thumbprint"].as_str().unwrap());
    }
    let hmac = UnverifiedJws::parse(theirs["hmac"].as_str().unwrap()).unwrap();
    assert!(hmac.verify_hmac(theirs["secret"].as_str().unwrap().as_bytes()).is_ok());

    let directory = tempfile::tempdir().unwrap();
    let now = "2026-11-24T09:00:00Z".parse().unwrap();
    let ring = KeyRing::open(directory.path(), KeyPolicy::default(), now).unwrap();
    let sign = |alg, typ| ring.sign(alg, typ, &json!({"sub": "alice"})).unwrap();
    let kinds = JwsAlgorithm::ASYMMETRIC.into_iter().flat_map(|alg| [(alg, "JWT"), (alg, "at+jwt")]);
    let ours: Vec<Value> = kinds.map(|(alg, typ)| json!({"alg": alg, "typ": typ, "jwt": sign(alg, typ)})).collect();
    let mut encrypted = Vec::new();
    for recipient in theirs["recipients"].as_array().unwrap() {
        let alg = KeyEncryption::from_name(recipient["alg"].as_str().unwrap()).unwrap();
        let keys = PublicKeys::parse(&json!({"keys": [recipient["jwk"]]})).unwrap();
        for enc in ContentEncryption::ALL {
            let jwt = sign(JwsAlgorithm::Es256, "JWT");
            let jwe = jwe::encrypt(&jwt, keys.encryption_key(alg).unwrap(), alg, *enc, &[7; 32]).unwrap();
            encrypted.push(json!({"alg": alg, "enc": enc, "jwe": jwe}));
        }
    }
    let expected = ours.len() + encrypted.len();
    let line = json!({"jwks": ring.jwks(now), "signed": ours, "encrypted": encrypted});
    writeln!(peer.stdin.take().unwrap(), "{line}").unwrap();
    let said: Vec<String> = said.map(Result::unwrap).collect();
    assert!(peer.wait().unwrap().success(), "{said:?}");
    assert_eq!(said.len(), expected, "{said:?}");
}

/// What the host mints for plugins is taken by services of others: `jose` verifies it, and gives a token for an assertion.
#[test]
fn services_of_others_take_the_credentials_that_are_minted() {
    use std::fs;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::Stdio;

    use ciba_tests::host::{Data, guest, wait_for};
    use ciba_tests::party::Client;
    use serde_json::{Value, json};

    let mut peer = node::script("credentials_peer.mjs").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(peer.stdout.take().unwrap()).lines();
    let theirs: Value = serde_json::from_str(&said.next().unwrap().unwrap()).unwrap();

    let data = Data::with_config(&format!("[plugins.allow.sender]\nhttp = [{}]\n", theirs["origin"])).unwrap();
    fs::create_dir(data.path().join("plugins")).unwrap();
    let mut files = Vec::new();
    let keys = theirs["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned());
    for (number, text) in keys.chain([theirs["account"].to_string()]).enumerate() {
        let file = data.beside(&format!("key-{number}"));
        fs::write(&file, text).unwrap();
        files.push(format!("{{ file = {file:?} }}"));
    }
    fs::write(data.path().join("plugins/sender.toml"), format!("[settings]\nname = 'sender'\nkeys = [{}]\n", files.join(", "))).unwrap();
    fs::copy(guest("obedient"), data.path().join("plugins/sender.wasm")).unwrap();
    let host = data.demo().unwrap();
    host.data.must(&["user", "add", "teller"]).unwrap();
    wait_for("the plugin serves", || Ok(host.plugin("sender")?["version"].is_string().then_some(())))
        .unwrap_or_else(|error| panic!("{error}\n{}", host.log()));

    let mut orders = Vec::new();
    for key in ["/keys/0", "/keys/1", "/keys/2"] {
        orders.push(json!(["apns", key, "ABC123DEFG", "DEF123GHIJ"]));
        orders.push(json!(["vapid", key, "https://push.example", "mailto:ops@example.com"]));
    }
    orders.extend([["a", "b"].as_slice(), &["b", "a"], &["c"]].map(|scopes| json!(["google", "/keys/3", scopes])));
    let context = json!({"to": "sender", "orders": orders}).to_string();
    let shop = Client::demo(&host);
    let answer = shop.ask(&[("scope", "openid"), ("login_hint", "teller"), ("request_context", &context)]).unwrap();
    assert_eq!(answer.status, 200, "{}", host.log());

    // It says what it was given, backwards: the host would blank it.
    let lines = host.data.json(&["plugin", "log", "sender"]).unwrap();
    let lines: Vec<&str> = lines.as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap()).collect();
    let given = |what: &str| -> Vec<String> {
        let lines = lines.iter().filter_map(|line| line.strip_prefix(what)?.strip_prefix(": Ok(\"")?.strip_suffix("\")"));
        lines.map(|line| line.chars().rev().collect()).collect()
    };
    let headers = json!({"apns": given("apns"), "vapid": given("vapid"), "google": given("google")});
    writeln!(peer.stdin.take().unwrap(), "{headers}").unwrap();
    let said: Vec<String> = said.map(Result::unwrap).collect();
    assert!(peer.wait().unwrap().success(), "{lines:#?}");
    assert_eq!(said, [r#"{"apns":3,"vapid":3,"google":3}"#]);
}
