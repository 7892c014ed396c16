//! What the console says, without a browser. How it looks is for `browser.rs`.

use std::fs;

use ciba_tests::console::Console;
use ciba_tests::host::wait_for;
use ciba_tests::secure::{SecureHost, self_signed};
use ciba_tests::wire::Request;
use serde_json::json;

const SECRET: &str = "a-secret-of-the-test";

/// How the row of this request begins, as words.
fn row(host: &SecureHost, auth_req_id: &str) -> String {
    let (transaction, _) = auth_req_id.split_once('.').unwrap();
    let page = Console::of(&host.host).unwrap().text("/requests").unwrap();
    let (_, row) = page.split_once(transaction).unwrap_or_else(|| panic!("no row for {transaction}: {page}"));
    row.split_whitespace().take(5).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_request_says_what_its_tokens_will_be_bound_to_while_it_waits_and_afterwards() {
    let host = SecureHost::start().unwrap();
    let data = &host.host.data;
    data.must(&["user", "add", "alice"]).unwrap();
    let secret = data.beside("secret");
    fs::write(&secret, SECRET).unwrap();
    for (id, mode, bound) in [("bound", "push", true), ("bare", "push", false), ("later", "poll", true)] {
        let file = data.beside("metadata.json");
        let metadata = json!({
            "backchannel_token_delivery_mode": mode,
            "backchannel_client_notification_endpoint": "https://client.example/told",
            "tls_client_certificate_bound_access_tokens": bound,
        });
        fs::write(&file, metadata.to_string()).unwrap();
        data.must(&["client", "add", id, "--metadata", file.to_str().unwrap(), "--secret-file", secret.to_str().unwrap()]).unwrap();
    }
    let identity = self_signed("CN=client");
    let ask = |id: &str, more: &[(&str, &str)]| {
        let form = [("client_id", id), ("client_secret", SECRET), ("scope", "openid"), ("login_hint", "alice")];
        let form = [&form, &[("client_notification_token", "a-token-of-the-client")][..], more].concat();
        let answer = host.send_as(&Request::form("/bc-authorize", &form), &identity).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["auth_req_id"].as_str().unwrap().to_owned()
    };
    let bound = ask("bound", &[]);
    assert!(row(&host, &bound).starts_with("bound push, certificate pending"), "{}", row(&host, &bound));
    // A certificate that binds nothing is none, and whoever polls shows it then.
    for (id, begins) in [("bare", "bare push pending"), ("later", "later poll pending")] {
        let row = row(&host, &ask(id, &[]));
        assert!(row.starts_with(begins), "{row}");
    }
    let ended = ask("bound", &[("requested_expiry", "1")]);
    wait_for("it has expired", || Ok(row(&host, &ended).starts_with("bound push, certificate expired").then_some(()))).unwrap();
}
