//! One request on the phone, waiting or finished.

use askama::Template;
use serde::Serialize;

use super::super::{
    html,
    markup::{Markup, code, foreign},
    moment::Moment,
    text::{Locale, Text},
};
use super::{Connection, details::Details};

/// One request.
#[derive(Clone, Debug, Serialize)]
pub struct Card {
    /// The opaque id; redeems nothing.
    pub transaction: String,
    pub client: Client,
    /// What approving it allows beyond scopes (RFC 9396), a sentence each; see [`Details`].
    pub details: Vec<String>,
    /// Scope names as requested; the page says them in words.
    pub scopes: Vec<String>,
    pub binding_message: Option<String>,
    pub note: Option<Note>,
    pub expires_at: Moment,
    /// An approval on this page proves less than the client takes: it can only be denied here.
    pub needs_more: bool,
    /// Why the answer that was just given does not count. Said once: no page shows it later.
    pub not_counted: Option<NotCounted>,
    pub state: CardState,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Client {
    pub identifier: String,
    /// The name the operator vouches for. Without one the page shows the identifier and says that nobody vouches.
    pub verified_name: Option<String>,
    /// What it calls itself, where nobody vouches for that: shown as its claim, below who it is.
    pub claimed_name: Option<String>,
}

/// A plugin's plain text, at most 120 characters: cut here, because the host draws it under its own name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note(pub String);

/// Why an answer does not count, while its request waits on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum NotCounted {
    /// A plugin says what is missing.
    Missing(Note),
    /// It could not be reviewed just now.
    Unreviewed,
}

/// Where a request stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum CardState {
    Pending,
    /// The answer left this phone and no reply came. Only the script gets here; the server never renders it.
    Checking,
    /// No reply came, and the request still waits. Only the script gets here.
    NotArrived,
    Approved(Answer),
    Denied(Answer),
    /// It ended without an answer, at the time it was to end.
    Expired,
    /// A newer request of the same client took its place, and nothing was approved.
    Superseded,
    /// The person said that somebody else's approval was not theirs.
    Reported,
}

/// Who answered, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    pub by: AnsweredBy,
    pub at: Moment,
}

/// Where the answer came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum AnsweredBy {
    ThisPhone,
    /// Another device of this person, by its name.
    Device(String),
    /// `ciba-host request approve`: demonstrations and conformance only.
    Operator,
    /// A program, by the conformance switch.
    Simulated,
    /// A plugin, which denied what was approved.
    Rules,
}

impl Client {
    /// The name people read.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.verified_name.as_deref().unwrap_or(&self.identifier)
    }

    pub(super) fn shown_foreign(&self) -> Markup {
        foreign(self.shown())
    }

    pub(super) fn initial(&self) -> String {
        let first = self.shown().chars().find(|character| character.is_alphanumeric());
        first.map_or_else(String::new, |character| character.to_uppercase().collect())
    }
}

impl Note {
    /// Longest note in characters.
    pub const LONGEST: usize = 120;

    fn shown(&self) -> String {
        self.0.chars().take(Self::LONGEST).collect()
    }
}

impl Card {
    /// Whether it can still be answered.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        matches!(self.state, CardState::Pending | CardState::Checking | CardState::NotArrived)
    }
}

/// All cards in one element. The first that waits stands open, or the one that was answered in vain.
pub(super) fn list(cards: &[Card], locale: Locale, now_ms: i64, connection: Connection) -> String {
    let first_pending = cards.iter().position(Card::is_pending);
    let answered = cards.iter().position(|card| card.not_counted.is_some());
    let cards = cards
        .iter()
        .enumerate()
        .map(|(index, card)| {
            let open = answered.or(first_pending) == Some(index);
            Markup::trusted(one(card, locale, now_ms, connection, open))
        })
        .collect();
    html(&ListTemplate { now_ms, cards })
}

/// One card.
pub(super) fn one(card: &Card, locale: Locale, now_ms: i64, connection: Connection, open: bool) -> String {
    let text = locale.text();
    match FinishedTemplate::of(card, text, now_ms) {
        Some(finished) => html(&finished),
        None => html(&PendingTemplate { card, text, now_ms, connection, open }),
    }
}

#[derive(Template)]
#[template(path = "device/cards.html")]
struct ListTemplate {
    now_ms: i64,
    cards: Vec<Markup>,
}

#[derive(Template)]
#[template(path = "device/card.html")]
struct PendingTemplate<'a> {
    card: &'a Card,
    text: &'static Text,
    now_ms: i64,
    connection: Connection,
    open: bool,
}

impl PendingTemplate<'_> {
    fn expires_in(&self) -> Markup {
        let left = self.card.expires_at.remaining(self.now_ms);
        let countdown = Markup::trusted(format!("<span data-countdown>{}</span>", code(&left)));
        (self.text.expires_in)(&countdown)
    }

    fn arrived(&self) -> Markup {
        (self.text.arrived)(&self.card.client.shown_foreign())
    }

    fn half_a_minute_left(&self) -> Markup {
        (self.text.half_a_minute_left)(&self.card.client.shown_foreign())
    }

    fn needs_more(&self) -> Markup {
        (self.text.needs_more)(&self.card.client.shown_foreign())
    }

    fn can_be_approved(&self) -> bool {
        !self.card.needs_more && !self.details().are_cut()
    }

    fn details(&self) -> Details<'_> {
        Details(&self.card.details)
    }

    fn scopes(&self) -> Vec<Markup> {
        let words = |name: &String| self.text.scope(name).map_or_else(|| (self.text.scope_other)(&foreign(name)), Markup::trusted);
        self.card.scopes.iter().map(words).collect()
    }

    fn checking(&self) -> bool {
        self.card.state == CardState::Checking
    }

    fn not_arrived(&self) -> bool {
        self.card.state == CardState::NotArrived
    }

    /// Without a connection an answer would be a guess, so there is none to give.
    fn offline(&self) -> bool {
        self.connection == Connection::Offline
    }
}

#[derive(Template)]
#[template(path = "device/finished.html")]
struct FinishedTemplate<'a> {
    card: &'a Card,
    details: Details<'a>,
    text: &'static Text,
    now_ms: i64,
    class: &'static str,
    sentence: Markup,
    /// What follows from it for the person.
    then: Option<Markup>,
    /// Another device approved: the person may say that it was not them.
    can_be_disowned: bool,
}

impl<'a> FinishedTemplate<'a> {
    fn of(card: &'a Card, text: &'static Text, now_ms: i64) -> Option<Self> {
        let (class, sentence, then) = match &card.state {
            CardState::Pending | CardState::Checking | CardState::NotArrived => return None,
            CardState::Approved(answer) => {
                let (sentence, then) = approved(answer, card, text);
                ("approved", sentence, then)
            }
            CardState::Denied(answer) => {
                let (sentence, then) = denied(answer, text);
                ("denied", sentence, then)
            }
            CardState::Expired => ("expired", (text.expired)(&card.expires_at.clock()), Some(Markup::trusted(text.expired_then))),
            CardState::Superseded => ("superseded", Markup::trusted(text.superseded), Some(Markup::trusted(text.superseded_then))),
            CardState::Reported => ("reported", Markup::trusted(text.reported), Some(Markup::trusted(text.reported_hint))),
        };
        let can_be_disowned = matches!(&card.state, CardState::Approved(answer) if answer.by != AnsweredBy::ThisPhone);
        let details = Details(&card.details);
        Some(Self { card, details, text, now_ms, class, sentence, then, can_be_disowned })
    }
}

fn approved(answer: &Answer, card: &Card, text: &Text) -> (Markup, Option<Markup>) {
    let at = answer.at.clock();
    match &answer.by {
        AnsweredBy::ThisPhone => (Markup::trusted(text.approved), Some((text.approved_then)(&card.client.shown_foreign()))),
        AnsweredBy::Device(name) => ((text.approved_elsewhere)(&foreign(name), &at), None),
        AnsweredBy::Operator => ((text.approved_by_operator)(&at), None),
        // Rules approve nothing; what they denied is shown as that.
        AnsweredBy::Simulated | AnsweredBy::Rules => ((text.approved_by_simulated)(&at), None),
    }
}

fn denied(answer: &Answer, text: &Text) -> (Markup, Option<Markup>) {
    let at = answer.at.clock();
    match &answer.by {
        AnsweredBy::ThisPhone => (Markup::trusted(text.denied), Some(Markup::trusted(text.denied_then))),
        AnsweredBy::Device(name) => ((text.denied_elsewhere)(&foreign(name), &at), None),
        AnsweredBy::Operator => ((text.denied_by_operator)(&at), None),
        AnsweredBy::Simulated => ((text.denied_by_simulated)(&at), None),
        AnsweredBy::Rules => ((text.denied_by_rules)(&at), Some(Markup::trusted(text.denied_then))),
    }
}
