//! What a host leaves on the disk: nobody who reads it can use what clients and people hold. (That no log has any of it is
//! looked at after every test, by `ciba_tests::host::Data`.)

use std::fs;
use std::path::{Path, PathBuf};

use ciba_host::protocol::client::DeliveryMode;
use ciba_tests::host::wait_for;
use ciba_tests::receiver::{Receiver, Reply};
use ciba_tests::secrets::{leaked, leaked_in, note, note_json};
use ciba_tests::secure::Authority;
use ciba_tests::told::{Provider, TOKEN, change, client};
use ciba_tests::wire::Request;

/// Every file below, but for those that are there to hold a secret.
fn files(below: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("keys") {
            files(&path, found);
        } else if path.is_file() && !path.ends_with("admin.token") {
            found.push(path);
        }
    }
}

#[test]
fn nothing_on_the_disk_is_worth_anything_to_whoever_reads_it() {
    let authority = Authority::new();
    let receiver = Receiver::start(&authority).unwrap();
    let mut clients = Vec::new();
    for (id, mode) in [("poll", DeliveryMode::Poll), ("ping", DeliveryMode::Ping), ("push", DeliveryMode::Push)] {
        let mut client = client(id, mode, &receiver.url("/"));
        change(&mut client, |metadata| metadata.grant_types.push("refresh_token".to_owned()));
        clients.push(client);
    }
    let provider = Provider::start(&authority, &clients).unwrap();
    note("client_notification_token", TOKEN);

    let mut secrets = Vec::new();
    for name in ["poll", "ping"] {
        let redeemed = provider.approved(name).unwrap();
        let tokens = provider.client(name).poll(&redeemed).unwrap().json();
        let refresh_token = tokens["refresh_token"].as_str().unwrap();
        let refresh = Request::form("/token", &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]);
        assert_eq!(provider.host.send(&provider.client(name).authenticated(refresh)).unwrap().status, 200);
        secrets.extend([redeemed, refresh_token.to_owned(), tokens["access_token"].as_str().unwrap().to_owned()]);
    }
    // What is still to be sent is on the disk, and sealed.
    receiver.answer(Reply::Status(503));
    let pushed = provider.approved("push").unwrap();
    wait_for("the tokens of a push that does not arrive", || Ok((provider.count("push_body")? == 1).then_some(()))).unwrap();
    receiver.received().iter().for_each(|received| note_json(&received.json()));
    let waiting = provider.start_request("ping", &[]).unwrap();
    secrets.extend([pushed, waiting]);

    for secret in &secrets {
        assert!(leaked(secret).is_some(), "{secret} is not looked for");
    }
    let mut found = Vec::new();
    let data = provider.host.kill().unwrap();
    files(&data.path(), &mut found);
    assert!(found.iter().any(|path| path.ends_with("ciba.db")), "{found:?}");
    let leaks: Vec<String> = found.iter().filter_map(|path| leaked_in(path)).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");

    // It would be found if it were there.
    let planted = data.path().join("ciba.db");
    let mut bytes = fs::read(&planted).unwrap();
    bytes.extend([b"before", secrets[0].as_bytes(), b"after"].concat());
    fs::write(&planted, bytes).unwrap();
    assert!(leaked_in(&planted).is_some(), "whatever is there is not seen");
}
