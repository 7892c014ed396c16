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
