//! The phone, in the order of a request's life.

use super::super::{
    Script,
    device::{AnsweredBy, Body, Card, CardState, Connection, EnrolLink, History, HistoryEntry, NotCounted, Note, Outcome, Page, Requests},
    moment::Moment,
    text::Locale,
};
use super::{
    Area, NOW_MS, NOW_S, State,
    device_cards::{answered, card, client, just, many_details, payment, several_details, unknown_client},
};

const fn phone(name: &'static str, title: &'static str, draw: fn(Locale) -> String) -> State {
    State { name, area: Area::Phone, title, draw }
}

pub(super) const STATES: &[State] = &[
    phone("enrol", "Add this phone for Alice?", |locale| enrol(locale, EnrolLink::Ready { user_name: "Alice".to_owned() })),
    phone("enrol-no-link", "Not connected, no link opened", |locale| enrol(locale, EnrolLink::NotOpened)),
    phone("enrol-looking", "The link is being looked at", |locale| enrol(locale, EnrolLink::Looking)),
    phone("enrol-used", "The link was used or expired", |locale| enrol(locale, EnrolLink::Used)),
    phone("enrol-of-request", "A link to a request, on a phone that is not connected", |locale| enrol(locale, EnrolLink::OfRequest)),
    phone("enrol-unreachable", "The link could not be looked at", |locale| enrol(locale, EnrolLink::Unreachable)),
    phone("nothing", "No requests", |locale| requests(locale, Connection::Connected, vec![])),
    phone("check-failed", "Check now was not answered", |locale| {
        page(locale, Body::Requests(Requests { check_failed: true, ..list(Connection::Connected, vec![]) }))
    }),
    phone("connecting", "No requests, not connected yet", |locale| requests(locale, Connection::Connecting, vec![])),
    phone("one", "One request", |locale| requests(locale, Connection::Connected, vec![card("first")])),
    phone("note", "One request with a plugin's note", |locale| {
        let note = Note("We never phone you to ask you to approve.".to_owned());
        requests(locale, Connection::Connected, vec![Card { note: Some(note), ..card("first") }])
    }),
    phone("no-message", "One request without a binding message", |locale| {
        requests(locale, Connection::Connected, vec![Card { binding_message: None, ..card("first") }])
    }),
    phone("details", "A payment to approve", |locale| detailed(locale, payment(locale))),
    phone("details-several", "Several things to approve", |locale| detailed(locale, several_details(locale))),
    phone("details-long", "As many things to approve as are shown", |locale| detailed(locale, many_details(20))),
    phone("details-cut", "More to approve than is shown", |locale| detailed(locale, many_details(21))),
    phone("needs-more", "A client that wants more proof than the page can give", |locale| {
        requests(locale, Connection::Connected, vec![Card { needs_more: true, ..card("first") }])
    }),
    phone("not-counted", "A plugin wants something more before an answer counts", |locale| {
        let missing = NotCounted::Missing(Note("Call 555 0100 first, and answer then.".to_owned()));
        requests(locale, Connection::Connected, vec![Card { not_counted: Some(missing), ..card("first") }])
    }),
    phone("not-reviewed", "A plugin that reviews answers failed", |locale| {
        requests(locale, Connection::Connected, vec![Card { not_counted: Some(NotCounted::Unreviewed), ..card("first") }])
    }),
    phone("several", "Several requests", |locale| requests(locale, Connection::Connected, super::device_cards::several())),
    phone("long-message", "A message longer than the screen", |locale| {
        requests(locale, Connection::Connected, vec![super::device_cards::long()])
    }),
    phone("unknown-client", "Nobody vouches for the client", |locale| {
        let card = Card { client: unknown_client(), ..card("first") };
        requests(locale, Connection::Connected, vec![card])
    }),
    phone("right-to-left", "Names and messages in other directions", |locale| {
        requests(locale, Connection::Connected, super::device_cards::directions())
    }),
    phone("offline", "No connection while a request waits", |locale| requests(locale, Connection::Offline, vec![card("first")])),
    phone("offline-nothing", "No connection and no request", |locale| requests(locale, Connection::Offline, vec![])),
    phone("checking", "Sent, and no reply", |locale| just(locale, CardState::Checking)),
    phone("not-arrived", "The answer did not arrive", |locale| just(locale, CardState::NotArrived)),
    phone("approved", "Approved here", |locale| just(locale, CardState::Approved(answered(AnsweredBy::ThisPhone)))),
    phone("denied", "Denied here", |locale| just(locale, CardState::Denied(answered(AnsweredBy::ThisPhone)))),
    phone("expired", "Expired while looking", |locale| just(locale, CardState::Expired)),
    phone("superseded", "A newer request took its place", |locale| {
        let first = Card { state: CardState::Superseded, ..card("first") };
        requests(locale, Connection::Connected, vec![first, card("second")])
    }),
    phone("superseded-alone", "A newer request took its place, and is gone", |locale| just(locale, CardState::Superseded)),
    phone("approved-details", "A payment that was approved here", |locale| {
        let state = CardState::Approved(answered(AnsweredBy::ThisPhone));
        requests(locale, Connection::Connected, vec![Card { details: payment(locale), state, ..card("first") }])
    }),
    phone("approved-elsewhere", "Approved on another device", |locale| {
        just(locale, CardState::Approved(answered(AnsweredBy::Device("Pixel 8".to_owned()))))
    }),
    phone("denied-elsewhere", "Denied on another device", |locale| {
        just(locale, CardState::Denied(answered(AnsweredBy::Device("Pixel 8".to_owned()))))
    }),
    phone("approved-by-operator", "Approved from the command line", |locale| {
        just(locale, CardState::Approved(answered(AnsweredBy::Operator)))
    }),
    phone("denied-by-operator", "Denied from the command line", |locale| just(locale, CardState::Denied(answered(AnsweredBy::Operator)))),
    phone("approved-by-simulated", "Approved by the conformance switch", |locale| {
        just(locale, CardState::Approved(answered(AnsweredBy::Simulated)))
    }),
    phone("denied-by-rules", "Approved here, and denied by a plugin", |locale| {
        just(locale, CardState::Denied(answered(AnsweredBy::Rules)))
    }),
    phone("reported", "That wasn't me", |locale| just(locale, CardState::Reported)),
    phone("next", "The next request, below the last outcome", |locale| {
        let last = CardState::Approved(answered(AnsweredBy::ThisPhone));
        let cards = vec![Card { state: last, ..card("last") }, card("next")];
        requests(locale, Connection::Connected, cards)
    }),
    phone("history", "History", |locale| history(locale, entries(locale))),
    phone("history-empty", "History, nothing yet", |locale| history(locale, vec![])),
    phone("removed", "This phone was removed", |locale| page(locale, Body::Removed)),
    phone("open-failed", "A one-time link that is used up", |locale| page(locale, Body::OpenFailed)),
    phone("trouble", "The server could not do it", |locale| page(locale, Body::Trouble)),
    phone("not-encrypted", "Served without TLS", |locale| {
        let body = requests_body(Connection::Connected, vec![card("first")]);
        Page { not_encrypted: true, ..with_body(locale, body) }.render()
    }),
    phone("no-javascript", "No JavaScript, one request", |locale| {
        let body = requests_body(Connection::Unknown, vec![card("first")]);
        Page { script: Script::Absent, ..with_body(locale, body) }.render()
    }),
    phone("no-javascript-nothing", "No JavaScript, no requests", |locale| {
        let body = requests_body(Connection::Unknown, vec![]);
        Page { script: Script::Absent, ..with_body(locale, body) }.render()
    }),
    phone("no-javascript-enrol", "No JavaScript, not connected", |locale| {
        let body = Body::Enrol(EnrolLink::NotOpened);
        Page { script: Script::Absent, ..with_body(locale, body) }.render()
    }),
];

fn with_body(locale: Locale, body: Body) -> Page {
    Page { locale, provider_name: "Harbour Bank".to_owned(), now_ms: NOW_MS, not_encrypted: false, script: Script::Fixture, body }
}

fn page(locale: Locale, body: Body) -> String {
    with_body(locale, body).render()
}

fn requests_body(connection: Connection, cards: Vec<Card>) -> Body {
    Body::Requests(list(connection, cards))
}

fn list(connection: Connection, cards: Vec<Card>) -> Requests {
    let (user_id, user_name, device_name) = ("usr_7d1f0c52".to_owned(), "Alice".to_owned(), "Pixel 8".to_owned());
    Requests { user_id, user_name, device_name, connection, check_failed: false, cards }
}

pub(super) fn requests(locale: Locale, connection: Connection, cards: Vec<Card>) -> String {
    page(locale, requests_body(connection, cards))
}

/// One request that is about this.
fn detailed(locale: Locale, details: Vec<String>) -> String {
    requests(locale, Connection::Connected, vec![Card { details, ..card("first") }])
}

fn enrol(locale: Locale, link: EnrolLink) -> String {
    page(locale, Body::Enrol(link))
}

fn history(locale: Locale, entries: Vec<HistoryEntry>) -> String {
    let (user_name, device_name) = ("Alice".to_owned(), "Chrome on Android".to_owned());
    page(locale, Body::History(History { user_name, device_name, entries }))
}

fn entries(locale: Locale) -> Vec<HistoryEntry> {
    let other = || Some(AnsweredBy::Device("Pixel 8".to_owned()));
    let entry = |transaction: &str, minutes: i64, outcome, by| HistoryEntry {
        transaction: transaction.to_owned(),
        client: client(),
        details: vec![],
        binding_message: Some("Pay 42.50, code K7QP".to_owned()),
        outcome,
        at: Moment(NOW_S - minutes * 60),
        by,
    };
    vec![
        entry("h1", 2, Outcome::Approved, Some(AnsweredBy::ThisPhone)),
        entry("h2", 64, Outcome::Approved, other()),
        HistoryEntry { details: payment(locale), ..entry("h7", 66, Outcome::Superseded, None) },
        HistoryEntry { client: unknown_client(), ..entry("h3", 180, Outcome::Denied, Some(AnsweredBy::ThisPhone)) },
        HistoryEntry { binding_message: None, ..entry("h4", 1500, Outcome::Expired, None) },
        entry("h5", 4000, Outcome::Reported, other()),
        entry("h6", 4100, Outcome::Approved, Some(AnsweredBy::Operator)),
    ]
}
