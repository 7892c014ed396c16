//! The host's own calls to addresses that clients registered: what they bring, and what they are not tempted to do.
//! `ciba_host::outbound` has the rules about addresses.

use std::fs;
use std::time::Duration;

use bytes::Bytes;
use ciba_host::outbound::{CallError, CallbackAnswer, Caller, Door, Networks, SendError};
use ciba_host::tls::system_authorities_and;
use ciba_tests::receiver::{Receiver, Reply};
use ciba_tests::secure::{Authority, self_signed};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use url::Url;

/// Short enough to wait for what does not come.
const SHORT: Duration = Duration::from_millis(500);

/// Believes the authority, and may reach these networks although they are not public.
fn caller_to(authority: &Authority, networks: &[&str]) -> Caller {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("authority.pem");
    fs::write(&file, authority.pem()).unwrap();
    let networks = Networks::try_from(networks.iter().map(|network| (*network).to_owned()).collect::<Vec<_>>()).unwrap();
    Door::new(Networks::default()).with_client_networks(networks).believing(system_authorities_and(&file).unwrap()).callbacks()
}

fn caller(authority: &Authority) -> Caller {
    caller_to(authority, &["127.0.0.0/8"])
}

fn bearer() -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer token"))])
}

async fn ping(caller: &Caller, url: &str) -> Result<CallbackAnswer, CallError> {
    caller.post(&Url::parse(url).unwrap(), bearer(), Bytes::from_static(b"{\"auth_req_id\":\"1\"}")).await
}

fn whole(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    Reply::Whole(status, headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(), body.to_vec())
}

fn connect_error(result: Result<CallbackAnswer, CallError>) -> String {
    match result {
        Err(CallError::Send(SendError::Connect(what))) => what,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_arrives_is_what_was_sent_and_what_came_back_is_told() {
    let authority = Authority::new();
    let (receiver, caller) = (Receiver::start(&authority).unwrap(), caller(&authority));
    let answer = |status| CallbackAnswer { status, retry_after: None };
    for (reply, expected) in [
        (Reply::Status(204), answer(204)),
        (whole(200, &[], b"thank you"), answer(200)),
        (whole(200, &[], &[b'x'; 1 << 20]), answer(200)),
        (Reply::Status(401), answer(401)),
        (Reply::Status(403), answer(403)),
        (Reply::Status(500), answer(500)),
        (whole(503, &[("retry-after", "7")], b""), CallbackAnswer { retry_after: Some(Duration::from_secs(7)), ..answer(503) }),
        // A day at most, and never so much that adding it to a time would fail.
        (
            whole(429, &[("retry-after", "18446744073709551615")], b""),
            CallbackAnswer { retry_after: Some(Duration::from_secs(86_400)), ..answer(429) },
        ),
        (whole(503, &[("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT")], b""), answer(503)),
    ] {
        receiver.answer(reply);
        assert_eq!(ping(&caller, &receiver.url("/ping?a=b")).await.unwrap(), expected);
        let received = receiver.received().pop().unwrap();
        assert_eq!((received.method.as_str(), received.path.as_str()), ("POST", "/ping?a=b"));
        assert_eq!((received.header("authorization"), received.body.as_slice()), (Some("Bearer token"), &b"{\"auth_req_id\":\"1\"}"[..]));
        assert_eq!(received.header("host"), Some(&*format!("localhost:{}", receiver.address().port())));
    }
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let authority = Authority::new();
    let (receiver, elsewhere, caller) = (Receiver::start(&authority).unwrap(), Receiver::start(&authority).unwrap(), caller(&authority));
    for status in [301, 302, 303, 307, 308] {
        receiver.answer(whole(status, &[("location", &elsewhere.url("/inside"))], b""));
        let answer = ping(&caller, &receiver.url("/ping")).await.unwrap();
        assert_eq!(answer.status, status);
        let fetched = caller.get(&Url::parse(&receiver.url("/jwks")).unwrap(), 100, "application/json").await.unwrap();
        assert_eq!(fetched.status, status);
    }
    assert!(elsewhere.received().is_empty());
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_found_again_when_it_is_back() {
    let authority = Authority::new();
    let (mut receiver, caller) = (Receiver::start(&authority).unwrap(), caller(&authority));
    receiver.down().unwrap();
    let what = connect_error(ping(&caller, &receiver.url("/ping")).await);
    assert!(what.contains("refused"), "{what}");
    receiver.up().unwrap();
    assert_eq!(ping(&caller, &receiver.url("/ping")).await.unwrap().status, 204);
    receiver.answer_next([Reply::Reset]);
    let reset = ping(&caller, &receiver.url("/ping")).await;
    assert!(matches!(reset, Err(CallError::Send(SendError::NoAnswer(_)))), "{reset:?}");
    assert_eq!(ping(&caller, &receiver.url("/ping")).await.unwrap().status, 204);
    assert_eq!(receiver.received().len(), 3);
}

#[tokio::test]
async fn whoever_says_nothing_or_drips_is_cut_off() {
    let authority = Authority::new();
    let (receiver, caller) = (Receiver::start(&authority).unwrap(), caller(&authority));
    receiver.answer(Reply::Stall);
    let stalled = ping(&caller.within(SHORT), &receiver.url("/ping")).await;
    assert!(matches!(stalled, Err(CallError::TooSlow(SHORT))), "{stalled:?}");
    receiver.answer(Reply::Drip);
    // The status is all that a ping asks for.
    assert_eq!(ping(&caller, &receiver.url("/ping")).await.unwrap().status, 200);
    let dripped = caller.within(SHORT).get(&Url::parse(&receiver.url("/jwks")).unwrap(), 1 << 20, "application/json").await;
    assert!(matches!(dripped, Err(CallError::TooSlow(SHORT))), "{dripped:?}");
}

#[tokio::test]
async fn a_document_is_fetched_whole_or_not_at_all() {
    let authority = Authority::new();
    let (receiver, caller) = (Receiver::start(&authority).unwrap(), caller(&authority));
    let url = Url::parse(&receiver.url("/jwks")).unwrap();
    for (cache_control, max_age) in [
        (None, None),
        (Some("max-age=300"), Some(300)),
        (Some("public, Max-Age=\"60\""), Some(60)),
        (Some("max-age=300, no-store"), Some(0)),
        (Some("no-cache"), Some(0)),
        (Some("max-age=soon"), None),
    ] {
        let headers: Vec<(&str, &str)> = cache_control.map(|value| ("cache-control", value)).into_iter().collect();
        receiver.answer(whole(200, &headers, b"{\"keys\":[]}"));
        let fetched = caller.get(&url, 11, "application/json").await.unwrap();
        assert_eq!((fetched.status, &fetched.body[..]), (200, &b"{\"keys\":[]}"[..]));
        assert_eq!(fetched.max_age, max_age.map(Duration::from_secs), "{cache_control:?}");
    }
    assert_eq!(receiver.received().pop().unwrap().header("accept"), Some("application/json"));
    let too_long = caller.get(&url, 10, "application/json").await;
    assert!(matches!(too_long, Err(CallError::TooLong(10))), "{too_long:?}");
    // Without a length, what comes is counted.
    receiver.answer(whole(200, &[("transfer-encoding", "chunked")], b"8\r\n12345678\r\n8\r\n12345678\r\n0\r\n\r\n"));
    assert_eq!(caller.get(&url, 16, "*/*").await.unwrap().body.len(), 16);
    let too_long = caller.get(&url, 15, "*/*").await;
    assert!(matches!(too_long, Err(CallError::TooLong(15))), "{too_long:?}");
    let many: Vec<(String, String)> = (0..100).map(|number| (format!("x-{number}"), "y".to_owned())).collect();
    receiver.answer(Reply::Whole(200, many, Vec::new()));
    let flooded = caller.get(&url, 16, "*/*").await;
    assert!(matches!(flooded, Err(CallError::Send(SendError::NoAnswer(_)))), "{flooded:?}");
}

/// Hostname verification was off for ping in another provider.
#[tokio::test]
async fn only_the_right_certificate_will_do() {
    let authority = Authority::new();
    let caller = caller(&authority);
    for (identity, host, says) in [
        (authority.server_with(&["dns:other.example"]), "localhost", "not valid for name"),
        (authority.server_with(&["dns:localhost"]), "127.0.0.1", "not valid for name"),
        (Authority::new().server("localhost"), "localhost", "BadSignature"),
        (self_signed("CN=localhost"), "localhost", "certificate"),
        (authority.expired_client("CN=localhost"), "localhost", "expired"),
    ] {
        let receiver = Receiver::showing(&identity).unwrap();
        let what = connect_error(ping(&caller, &format!("https://{host}:{}/", receiver.address().port())).await);
        assert!(what.contains(says), "{says}: {what}");
        assert!(receiver.received().is_empty());
    }
}

#[tokio::test]
async fn nothing_private_is_called_unless_the_operator_named_its_network() {
    let authority = Authority::new();
    let receiver = Receiver::start(&authority).unwrap();
    let port = receiver.address().port();
    for networks in [&[][..], &["10.0.0.0/8"]] {
        for host in ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "[::1]"] {
            let refused = ping(&caller_to(&authority, networks), &format!("https://{host}:{port}/")).await;
            assert!(matches!(refused, Err(CallError::Send(SendError::AddressRefused(_)))), "{host}: {refused:?}");
        }
    }
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn an_address_that_is_not_plainly_https_is_not_called() {
    let authority = Authority::new();
    let (receiver, caller) = (Receiver::start(&authority).unwrap(), caller(&authority));
    let authority = format!("localhost:{}", receiver.address().port());
    for url in
        [format!("http://{authority}/"), format!("https://user@{authority}/"), format!("https://:pass@{authority}/"), "ftp://a/".to_owned()]
    {
        let refused = ping(&caller, &url).await;
        assert!(matches!(refused, Err(CallError::Url(_))), "{url}: {refused:?}");
        // What stands in it may be a secret.
        assert!(!refused.unwrap_err().to_string().contains("pass"), "{url}");
    }
    assert!(receiver.received().is_empty());
}
