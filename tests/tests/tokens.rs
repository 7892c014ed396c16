//! Tokens from outside: what they say, what they open, and how they end. Clients that
//! others wrote, with keys and certificates of all kinds, are in `conformance.rs`.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ciba_host::clock::Clock;
use ciba_host::protocol::dpop::access_token_hash;
use ciba_tests::host::{Data, Host};
use ciba_tests::party::{Client, Phone, claims};
use ciba_tests::wire::{Answer, Request};
use serde_json::{Value, json};

/// A client with this registration, whose secret was made here.
fn client(host: &Host, id: &str, metadata: &Value) -> Client {
    let file = host.data.beside(&format!("{id}.json"));
    fs::write(&file, metadata.to_string()).unwrap();
    Client::add(host, id, &["--metadata", file.to_str().unwrap()]).unwrap()
}

fn refreshing() -> Value {
    json!({ "grant_types": ["urn:openid:params:grant-type:ciba", "refresh_token"] })
}

fn said(answer: &Answer) -> String {
    answer.json()["error"].as_str().map_or_else(|| answer.status.to_string(), str::to_owned)
}

/// Alice approves what this client asks.
fn approved(client: &Client, phone: &Phone, more: &[(&str, &str)]) -> Value {
    let known = phone.waiting().unwrap();
    let id = client.start_with("alice", more).unwrap();
    let card = phone.next_card(&known).unwrap();
    assert_eq!(phone.decide(&card, "approve").unwrap().status, 200);
    let tokens = client.poll(&id).unwrap();
    assert_eq!(tokens.status, 200, "{}", tokens.text());
    tokens.json()
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap_or_else(|| panic!("no {name}: {tokens}"))
}

fn user_info(host: &Host, access_token: &str) -> Answer {
    host.send(&Request::get("/userinfo").header("authorization", &format!("Bearer {access_token}"))).unwrap()
}

fn send(host: &Host, client: &Client, path: &str, form: &[(&str, &str)]) -> Answer {
    host.send(&client.authenticated(Request::form(path, form))).unwrap()
}

fn refresh(host: &Host, client: &Client, token: &str, more: &[(&str, &str)]) -> Answer {
    let form: Vec<_> = [("grant_type", "refresh_token"), ("refresh_token", token)].iter().chain(more).copied().collect();
    send(host, client, "/token", &form)
}

#[test]
fn item_16_a_refresh_token_is_replaced_and_whoever_uses_an_old_one_ends_everything() {
    let host = Host::demo().unwrap();
    let phone = Phone::of(&host, "alice").unwrap();
    let (shop, other) = (client(&host, "shop-2", &refreshing()), client(&host, "other", &refreshing()));
    let first = approved(&shop, &phone, &[]);
    let refused = refresh(&host, &other, text(&first, "refresh_token"), &[]);
    assert_eq!(said(&refused), "invalid_grant", "another client's");

    let answer = refresh(&host, &shop, text(&first, "refresh_token"), &[]);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let second = answer.json();
    for name in ["access_token", "refresh_token", "id_token"] {
        assert_ne!(text(&first, name), text(&second, name), "{name}");
    }
    // An answer may have been lost: the token before works until its successor was used.
    let again = refresh(&host, &shop, text(&first, "refresh_token"), &[]).json();
    for tokens in [&first, &second, &again] {
        assert_eq!(user_info(&host, text(tokens, "access_token")).status, 200);
    }
    let third = refresh(&host, &shop, text(&second, "refresh_token"), &[]).json();
    assert_eq!(said(&refresh(&host, &shop, text(&first, "refresh_token"), &[])), "invalid_grant", "a stolen one");
    nothing_works(&host, &shop, [&first, &second, &again, &third]);
    assert!(host.log().contains("a refresh token was used after another had taken its place"), "{}", host.log());
}

#[test]
fn item_16_of_two_answers_to_one_refresh_token_the_second_that_is_used_ends_everything() {
    let host = Host::demo().unwrap();
    let phone = Phone::of(&host, "alice").unwrap();
    let shop = client(&host, "shop-2", &refreshing());
    let first = approved(&shop, &phone, &[]);
    // A thief and the client, one after the other, before either uses what it got.
    let [thief, honest] = [(); 2].map(|()| refresh(&host, &shop, text(&first, "refresh_token"), &[]).json());
    let active = |tokens: &Value| send(&host, &shop, "/introspect", &[("token", text(tokens, "refresh_token"))]).json()["active"].clone();
    assert_eq!([&first, &thief, &honest].map(active), [true, true, true]);
    let more = refresh(&host, &shop, text(&thief, "refresh_token"), &[]).json();
    assert_eq!([&first, &thief, &honest, &more].map(active), [false, true, false, true]);
    assert_eq!(said(&refresh(&host, &shop, text(&honest, "refresh_token"), &[])), "invalid_grant");
    nothing_works(&host, &shop, [&first, &thief, &honest, &more]);
}

/// What a thief may share with the client opens nothing any more.
fn nothing_works(host: &Host, client: &Client, all: [&Value; 4]) {
    for tokens in all {
        assert_eq!(user_info(host, text(tokens, "access_token")).status, 401, "what a thief may share still works");
        assert_eq!(said(&refresh(host, client, text(tokens, "refresh_token"), &[])), "invalid_grant");
    }
}

#[test]
fn item_16_a_refresh_keeps_the_time_of_the_approval_and_never_gives_more() {
    let host = Host::demo().unwrap();
    let phone = Phone::of(&host, "alice").unwrap();
    let shop = client(&host, "shop-2", &refreshing());
    let known = phone.waiting().unwrap();
    let id = shop.start_with("alice", &[]).unwrap();
    assert_eq!(phone.decide(&phone.next_card(&known).unwrap(), "approve").unwrap().status, 200);
    let first = shop.poll(&id).unwrap();
    let (before, tokens) = (claims(&first), first.json());
    let answer = refresh(&host, &shop, text(&tokens, "refresh_token"), &[]);
    let after = claims(&answer);
    for same in ["iss", "sub", "aud", "auth_time"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    let refused = refresh(&host, &shop, text(&answer.json(), "refresh_token"), &[("scope", "openid email")]);
    assert_eq!(said(&refused), "invalid_scope", "{}", refused.text());
    // Who did not register for it gets none.
    assert!(approved(&Client::demo(&host), &phone, &[])["refresh_token"].is_null());
    assert_eq!(said(&refresh(&host, &Client::demo(&host), "x", &[])), "unauthorized_client");
}

#[test]
fn item_16_a_narrower_token_says_no_more_than_it_covers() {
    let host = Host::demo().unwrap();
    let phone = Phone::of(&host, "alice").unwrap();
    let shop = client(&host, "shop-2", &refreshing());
    let tokens = approved_with_scope(&host, &shop, &phone, "openid profile email");
    assert_eq!(user_info(&host, text(&tokens, "access_token")).json()["email"], "alice@example.com");
    let narrow = refresh(&host, &shop, text(&tokens, "refresh_token"), &[("scope", "openid openid")]).json();
    assert_eq!(narrow["scope"], "openid", "said twice, it is one");
    let info = user_info(&host, text(&narrow, "access_token")).json();
    assert!(info["email"].is_null() && info["name"].is_null() && info["sub"].is_string(), "{info}");
    let described = send(&host, &shop, "/introspect", &[("token", text(&narrow, "access_token"))]).json();
    assert_eq!(described["scope"], "openid");
}

/// The same with other scopes than `openid` alone.
fn approved_with_scope(host: &Host, client: &Client, phone: &Phone, scope: &str) -> Value {
    let known = phone.waiting().unwrap();
    let started = send(host, client, "/bc-authorize", &[("scope", scope), ("login_hint", "alice")]).json();
    assert_eq!(phone.decide(&phone.next_card(&known).unwrap(), "approve").unwrap().status, 200);
    client.poll(text(&started, "auth_req_id")).unwrap().json()
}

#[test]
fn item_27_a_token_opens_what_it_covers_is_described_to_its_client_and_is_taken_back() {
    let host = Host::demo().unwrap();
    let phone = Phone::of(&host, "alice").unwrap();
    for format in ["opaque", "jwt"] {
        let metadata = json!({ "access_token_format": format, "grant_types": refreshing()["grant_types"] });
        let shop = client(&host, &format!("shop-{format}"), &metadata);
        let other = client(&host, &format!("other-{format}"), &json!({}));
        let tokens = approved_with_scope(&host, &shop, &phone, "openid profile");
        let token = text(&tokens, "access_token");
        assert_eq!(token.split('.').count(), if format == "jwt" { 3 } else { 2 });
        let info = user_info(&host, token).json();
        assert_eq!((info["name"].as_str(), info["email"].as_str()), (Some("Alice"), None), "{info}");
        let written = Request::get(&format!("/userinfo?access_token={token}")).header("authorization", &format!("Bearer {token}"));
        assert_eq!(said(&host.send(&written).unwrap()), "invalid_request", "a token in the address ends in logs");

        let described = send(&host, &shop, "/introspect", &[("token", token)]).json();
        assert_eq!(
            (&described["active"], &described["scope"], &described["token_type"]),
            (&json!(true), &json!("openid profile"), &json!("Bearer"))
        );
        assert_eq!(described["sub"], info["sub"]);
        assert_eq!(
            send(&host, &other, "/introspect", &[("token", token)]).json(),
            json!({ "active": false }),
            "another client learns of it"
        );
        for invented in ["x", "a.b", "a.b.c", &format!("{token}x"), &token[..token.len() - 1]] {
            assert_eq!(send(&host, &shop, "/introspect", &[("token", invented)]).json(), json!({ "active": false }), "{invented}");
            assert_eq!(user_info(&host, invented).status, 401, "{invented}");
        }

        if format == "jwt" {
            // A resource may write it down, for others to read.
            let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
            let jti = serde_json::from_slice::<Value>(&claims).unwrap()["jti"].as_str().unwrap().to_owned();
            assert_eq!(user_info(&host, &jti).status, 401, "the name of a token is a token");
        }

        assert_eq!(send(&host, &other, "/revoke", &[("token", token)]).status, 200);
        assert_eq!(user_info(&host, token).status, 200, "another client took it back");
        assert_eq!(send(&host, &shop, "/revoke", &[("token", token)]).status, 200);
        let refused = user_info(&host, token);
        assert_eq!(refused.status, 401);
        assert!(refused.header("www-authenticate").unwrap().contains("invalid_token"));
        // A refresh token takes everything along.
        let more = refresh(&host, &shop, text(&tokens, "refresh_token"), &[]).json();
        assert_eq!(send(&host, &shop, "/revoke", &[("token", text(&more, "refresh_token"))]).status, 200);
        assert_eq!(user_info(&host, text(&more, "access_token")).status, 401);
        assert_eq!(send(&host, &shop, "/revoke", &[("token", "never-issued")]).status, 200, "RFC 7009 2.2");
    }
}

#[test]
fn item_17_acr_is_what_was_verified_and_less_than_the_client_takes_approves_nothing() {
    let config = "[authenticators]\norder = ['urn:example:phone', 'urn:example:passkey']\n\
        [authenticators.device_page]\nacr = 'urn:example:phone'\namr = ['swk']\n";
    let host = Data::with_config(config).unwrap().demo().unwrap();
    let phone = Phone::of(&host, "alice").unwrap();
    for (asked, minimum, got) in [("urn:example:passkey", "urn:example:phone", true), ("urn:example:phone", "urn:example:passkey", false)] {
        let id = if got { "easy" } else { "strict" };
        let shop = client(&host, id, &json!({ "acr_minimum": minimum }));
        let known = phone.waiting().unwrap();
        let request = shop.start_with("alice", &[("acr_values", asked)]).unwrap();
        let card = phone.next_card(&known).unwrap();
        // The whole page, as it is without scripts: who cannot approve is told why before they try.
        let page = phone.send(Request::get("/device")).unwrap().text();
        assert_eq!((page.contains("value=\"approve\""), page.contains("wants stronger proof that it is you")), (got, !got));
        let decided = phone.decide(&card, "approve").unwrap();
        let status = decided.status;
        assert_eq!(decided.text().contains("wants stronger proof that it is you"), !got, "{}", decided.text());
        let answer = shop.poll(&request).unwrap();
        if got {
            assert_eq!(status, 200);
            let claims = claims(&answer);
            // What was verified, and not what was asked for.
            assert_eq!((&claims["acr"], &claims["amr"]), (&json!("urn:example:phone"), &json!(["swk"])));
        } else {
            assert_eq!((status, said(&answer).as_str()), (409, "authorization_pending"));
            assert_eq!(phone.decide(&card, "deny").unwrap().status, 200, "whoever cannot approve can deny");
        }
    }
}

#[test]
fn what_a_simulated_authenticator_answered_is_said_of_it_and_of_no_operator() {
    let host = Data::with_config("[conformance]\nautomated_approval = true\nclients = ['demo']").unwrap().demo().unwrap();
    let (client, phone) = (Client::demo(&host), Phone::of(&host, "alice").unwrap());
    for (action, says) in [("allow", "Approved by a simulated authenticator"), ("deny", "Denied by a simulated authenticator")] {
        let id = client.start("alice").unwrap();
        let answer = host.send(&Request::new("POST", &format!("/conformance/decide?auth_req_id={id}&action={action}"))).unwrap();
        assert_eq!(answer.status, 204, "{}", answer.text());
        let (transaction, _) = id.split_once('.').unwrap();
        let card = phone.send(Request::get(&format!("/device/cards/{transaction}"))).unwrap().text();
        assert!(card.contains(says) && !card.contains("operator"), "{card}");
    }
    let history = phone.send(Request::get("/device/history")).unwrap().text();
    assert_eq!(history.matches("by a simulated authenticator").count(), 2, "{history}");
}

#[test]
fn item_11_whoever_is_sent_its_tokens_does_not_ask_for_them() {
    let host = Host::demo().unwrap();
    let metadata =
        json!({ "backchannel_token_delivery_mode": "push", "backchannel_client_notification_endpoint": "https://shop.example/told" });
    let shop = client(&host, "pushed", &metadata);
    let started = send(
        &host,
        &shop,
        "/bc-authorize",
        &[("scope", "openid"), ("login_hint", "alice"), ("client_notification_token", "a-token-of-the-client")],
    );
    let started = started.json();
    assert!(started["interval"].is_null(), "{started}");
    assert_eq!(said(&shop.poll(text(&started, "auth_req_id")).unwrap()), "unauthorized_client");
    assert_eq!(said(&Client::demo(&host).poll(text(&started, "auth_req_id")).unwrap()), "invalid_grant", "another client's");
    let form = [("grant_type", "password"), ("username", "alice")];
    assert_eq!(said(&send(&host, &Client::demo(&host), "/token", &form)), "unsupported_grant_type");
}

#[test]
fn a_pairwise_client_knows_the_person_by_a_name_of_its_own_and_can_ask_by_it() {
    let host = Host::demo().unwrap();
    let phone = Phone::of(&host, "alice").unwrap();
    let metadata = |host: &str| json!({ "subject_type": "pairwise", "jwks_uri": format!("https://{host}/jwks") });
    let (one, two) = (client(&host, "one", &metadata("a.example")), client(&host, "two", &metadata("b.example")));
    let tokens = approved(&one, &phone, &[]);
    let subject = |tokens: &Value| user_info(&host, text(tokens, "access_token")).json()["sub"].as_str().unwrap().to_owned();
    let (mine, theirs, open) =
        (subject(&tokens), subject(&approved(&two, &phone, &[])), subject(&approved(&Client::demo(&host), &phone, &[])));
    assert!(mine != theirs && mine != open && theirs != open, "{mine} {theirs} {open}");
    // Its ID token names the person for it, and for nobody else.
    let hint = [("scope", "openid"), ("id_token_hint", text(&tokens, "id_token"))];
    assert_eq!(one.ask(&hint).unwrap().status, 200);
    assert_eq!(said(&two.ask(&hint).unwrap()), "invalid_request");
}

/// An assertion as `client_secret_jwt` wants it (RFC 7523, RFC 7518 3.2).
fn assertion(secret: &str, claims: &Value) -> String {
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!("{}.{}", encode(br#"{"alg":"HS256"}"#), encode(claims.to_string().as_bytes()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("{signed}.{}", encode(hmac::sign(&key, signed.as_bytes()).as_ref()))
}

#[test]
fn item_1_an_assertion_by_a_shared_secret_counts_once_for_its_client_and_for_us() {
    let host = Host::demo().unwrap();
    let file = host.data.beside("mac.json");
    fs::write(&file, json!({ "token_endpoint_auth_method": "client_secret_jwt" }).to_string()).unwrap();
    let added = host.data.json(&["client", "add", "mac", "--metadata", file.to_str().unwrap()]).unwrap();
    let secret = text(&added, "client_secret");
    let now = Clock::System.now().as_second();
    let good = |jti: &str| json!({ "iss": "mac", "sub": "mac", "aud": host.issuer(), "exp": now + 60, "jti": jti });
    let ask = |assertion: &str| {
        let form = [
            ("scope", "openid"),
            ("login_hint", "alice"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ];
        host.send(&Request::form("/bc-authorize", &form)).unwrap()
    };
    let once = assertion(secret, &good("one"));
    assert_eq!(ask(&once).status, 200);
    let again = ask(&once);
    assert_eq!((again.status, said(&again).as_str()), (401, "invalid_client"), "its jti was used");
    assert_eq!(ask(&assertion(&format!("{secret}x"), &good("two"))).status, 401, "by another secret");
    for (name, value) in [("aud", json!("https://other.example")), ("exp", json!(now - 120)), ("iss", json!("demo")), ("jti", Value::Null)]
    {
        let mut claims = good("three");
        claims[name] = value;
        assert_eq!(said(&ask(&assertion(secret, &claims))), "invalid_client", "{name}");
    }
    // Who proves nothing is not told how a client registered, nor whether there is one.
    let by_other =
        |id: &str| ask(&assertion("guessed", &json!({ "iss": id, "sub": id, "aud": host.issuer(), "exp": now + 60, "jti": id })));
    let by_nothing = |id: &str| host.send(&Request::form("/bc-authorize", &[("scope", "openid"), ("client_id", id)])).unwrap();
    for answer in [by_other("mac"), by_other("demo")] {
        assert_eq!((answer.status, answer.text()), (401, by_other("nobody").text()));
    }
    assert_eq!(by_nothing("demo").text(), by_nothing("nobody").text());
    // What it registered is what it uses: the secret itself proves nothing.
    assert_eq!(
        said(&Client::with_secret(&host, "mac", secret).ask(&[("scope", "openid"), ("login_hint", "alice")]).unwrap()),
        "invalid_client"
    );
    assert_eq!(ask(&assertion(secret, &good("four"))).status, 200);
}

/// A proof as RFC 9449 4.2 wants it, for this method and address, with a fresh `jti`.
fn proof(key: &EcdsaKeyPair, method: &str, address: &str, more: &Value) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let point = key.public_key().as_ref();
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..]) });
    let jti = format!("proof {}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let mut claims = json!({ "htm": method, "htu": address, "iat": Clock::System.now().as_second(), "jti": jti });
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let head = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk });
    let signed = format!("{}.{}", encode(head.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", encode(signature.as_ref()))
}

#[test]
fn a_proof_counts_once_with_its_own_token_and_strangers_cause_no_writes() {
    let data = Data::with_config("[tokens]\ndpop_nonces = false").unwrap();
    let host = data.demo().unwrap();
    let (client, phone) = (Client::demo(&host), Phone::of(&host, "alice").unwrap());
    let database = rusqlite::Connection::open(host.data.path().join("ciba.db")).unwrap();
    let spent = || database.query_row("SELECT count(*) FROM spent", [], |row| row.get::<_, u32>(0)).unwrap();
    let [key, other] = [(); 2].map(|()| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap());

    let id = client.start("alice").unwrap();
    assert_eq!(phone.decide(&phone.next_card(&[]).unwrap(), "approve").unwrap().status, 200);
    let shown = proof(&key, "POST", &format!("{}/token", host.issuer()), &json!({}));
    let tokens = host.send(&client.poll_request(&id).header("dpop", &shown)).unwrap().json();
    assert_eq!(tokens["token_type"], "DPoP", "{tokens}");
    let token = text(&tokens, "access_token");
    let before = spent();

    for path in ["/userinfo", "/resource"] {
        let address = format!("{}{path}", host.issuer());
        let made = |key: &EcdsaKeyPair, token: &str| proof(key, "GET", &address, &json!({ "ath": access_token_hash(token) }));
        let show = |token: &str, scheme: &str, proof: &str| {
            host.send(&Request::get(path).header("authorization", &format!("{scheme} {token}")).header("dpop", proof)).unwrap()
        };
        let already = spent();
        let (head, _) = token.rsplit_once('.').unwrap();
        for stranger in ["nothing-of-ours", &format!("{head}.{}", "A".repeat(43))] {
            for scheme in ["DPoP", "Bearer"] {
                assert_eq!(said(&show(stranger, scheme, &made(&other, stranger))), "invalid_token", "{stranger}");
            }
        }
        assert_eq!(said(&show(token, "Bearer", &made(&other, token))), "invalid_token", "another scheme");
        assert_eq!(spent(), already, "{path}: somebody without a token caused a write");

        let good = made(&key, token);
        assert_eq!(show(token, "DPoP", &good).status, 200);
        let again = show(token, "DPoP", &good);
        assert_eq!((again.status, said(&again).as_str()), (401, "invalid_dpop_proof"), "its jti was used");
        assert_eq!(said(&show(token, "DPoP", &made(&other, token))), "invalid_token", "another key");
        assert_eq!(said(&show(token, "DPoP", &made(&key, "another token"))), "invalid_dpop_proof");
    }
    assert!(spent() > before, "this shows nothing: a proof that was used is not remembered");
}
