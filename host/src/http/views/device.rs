//! The phone: the page, the list of requests and one request, as the handlers hand them over.

mod card;
mod details;

use askama::Template;
use serde::Serialize;

pub use card::{Answer, AnsweredBy, Card, CardState, Client, NotCounted, Note};
pub use details::Details;

use super::{
    Script, html,
    markup::{Markup, foreign},
    moment::Moment,
    text::{Locale, Text},
};

/// A whole page of `/device`.
#[derive(Clone, Debug, Serialize, Template)]
#[template(path = "device/page.html")]
pub struct Page {
    pub locale: Locale,
    /// Whose page this is, in people's words: the bank, not the program.
    pub provider_name: String,
    /// The server's clock in unix milliseconds. The page counts from it and never asks the phone for the time.
    pub now_ms: i64,
    /// The device routes are served without TLS, as `--phone` does.
    pub not_encrypted: bool,
    pub script: Script,
    pub body: Body,
}

/// What stands on the page.
#[derive(Clone, Debug, Serialize)]
pub enum Body {
    /// A phone nobody is connected with.
    Enrol(EnrolLink),
    Requests(Requests),
    History(History),
    /// This phone was removed; nothing of its person is left on the screen.
    Removed,
    /// A one-time link to a request that is used up, too old, or for somebody else's phone.
    OpenFailed,
    /// The server could not do it. The status says why, the person cannot change it.
    Trouble,
}

/// What is known about the one-time link that adds this phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum EnrolLink {
    /// No link yet: its token stands in the fragment, which only the page's script sees. What the server renders.
    NotOpened,
    /// The script is asking whose link it is.
    Looking,
    Ready {
        user_name: String,
    },
    /// Used or expired.
    Used,
    /// Nobody could be asked. Only the script gets here.
    Unreachable,
    /// It is a link to a request, which only a phone that is connected can show.
    OfRequest,
}

/// The list of requests of one enrolled phone.
#[derive(Clone, Debug, Serialize)]
pub struct Requests {
    /// What a link is compared with: two people may bear one name.
    pub user_id: String,
    pub user_name: String,
    pub device_name: String,
    pub connection: Connection,
    /// *Check now* was not answered. Only the script gets here.
    pub check_failed: bool,
    pub cards: Vec<Card>,
}

/// What the page says about its connection. The server renders `Unknown`; the script knows better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Connection {
    Unknown,
    Connecting,
    Connected,
    Offline,
}

impl Connection {
    /// The value of `data-connection`, which the style sheet and the script share.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Offline => "offline",
        }
    }
}

/// `/device/history`.
#[derive(Clone, Debug, Serialize)]
pub struct History {
    pub user_name: String,
    pub device_name: String,
    /// Newest first.
    pub entries: Vec<HistoryEntry>,
}

/// One past request.
#[derive(Clone, Debug, Serialize)]
pub struct HistoryEntry {
    pub transaction: String,
    pub client: Client,
    /// As on its card.
    pub details: Vec<String>,
    pub binding_message: Option<String>,
    pub outcome: Outcome,
    pub at: Moment,
    /// Who answered, if somebody did.
    pub by: Option<AnsweredBy>,
}

/// How a past request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Approved,
    Denied,
    Expired,
    /// A newer request took its place.
    Superseded,
    /// The person said afterwards that it was not them.
    Reported,
}

impl Page {
    /// The whole document.
    #[must_use]
    pub fn render(&self) -> String {
        html(self)
    }

    fn text(&self) -> &'static Text {
        self.locale.text()
    }

    /// How many wait, so that a tab in the background says it.
    fn title(&self) -> String {
        let text = self.text();
        match &self.body {
            Body::Requests(requests) => {
                let waiting = requests.cards.iter().filter(|card| card.is_pending()).count();
                if waiting == 0 { text.requests.to_owned() } else { format!("({waiting}) {}", text.requests) }
            }
            Body::History(_) => text.history.to_owned(),
            Body::Removed => text.removed.to_owned(),
            Body::Enrol(_) => text.add.to_owned(),
            Body::OpenFailed => text.link_used.to_owned(),
            Body::Trouble => text.trouble.to_owned(),
        }
    }

    fn connection(&self) -> Connection {
        match &self.body {
            Body::Requests(requests) => requests.connection,
            _ => Connection::Unknown,
        }
    }

    fn enrol_link(&self) -> Option<&EnrolLink> {
        match &self.body {
            Body::Enrol(link) => Some(link),
            _ => None,
        }
    }

    /// The question carries a `<bdi>` even when the name is not known yet: the script fills it.
    fn add_question(&self) -> Markup {
        let name = match self.enrol_link() {
            Some(EnrolLink::Ready { user_name }) => user_name.as_str(),
            _ => "",
        };
        (self.text().add_this_phone_for)(&foreign(name))
    }

    /// Whose phone this is already; only where somebody is connected.
    fn already_added(&self) -> Option<Markup> {
        match &self.body {
            Body::Requests(requests) => Some((self.text().already_added)(&foreign(&requests.user_name))),
            _ => None,
        }
    }

    /// On which device; `this_phone` is the name of this one.
    fn answered_by(&self, by: &AnsweredBy, this_phone: &str) -> Markup {
        let text = self.text();
        match by {
            AnsweredBy::ThisPhone => (text.on_device)(&foreign(this_phone)),
            AnsweredBy::Device(name) => (text.on_device)(&foreign(name)),
            AnsweredBy::Operator => Markup::trusted(text.by_operator),
            AnsweredBy::Simulated => Markup::trusted(text.by_simulated),
            AnsweredBy::Rules => Markup::trusted(text.by_rules),
        }
    }

    fn belongs_to(&self, user_name: &str) -> Markup {
        (self.text().belongs_to)(&foreign(user_name))
    }

    fn card_list(&self, cards: &[Card]) -> Markup {
        Markup::trusted(card::list(cards, self.locale, self.now_ms, self.connection()))
    }
}

impl HistoryEntry {
    fn details(&self) -> Details<'_> {
        Details(&self.details)
    }
}

impl Outcome {
    fn words(self, text: &Text) -> &'static str {
        match self {
            Self::Approved => text.outcome_approved,
            Self::Denied => text.outcome_denied,
            Self::Expired => text.outcome_expired,
            Self::Superseded => text.outcome_superseded,
            Self::Reported => text.outcome_reported,
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Superseded => "superseded",
            Self::Reported => "reported",
        }
    }

    /// What was approved by somebody can still be disowned.
    fn can_be_disowned(self) -> bool {
        self == Self::Approved
    }
}

/// `GET /device/cards`: the list alone, as the page has it.
#[derive(Clone, Debug, Serialize)]
pub struct CardsFragment {
    pub locale: Locale,
    pub now_ms: i64,
    /// Soonest expiry first.
    pub cards: Vec<Card>,
}

impl CardsFragment {
    /// One element with one child per card.
    #[must_use]
    pub fn render(&self) -> String {
        card::list(&self.cards, self.locale, self.now_ms, Connection::Unknown)
    }
}

/// `GET /device/cards/{transaction}` and the answer to `POST /device/decide`: one card.
#[derive(Clone, Debug, Serialize)]
pub struct CardFragment {
    pub locale: Locale,
    pub now_ms: i64,
    pub card: Card,
}

impl CardFragment {
    /// One element.
    #[must_use]
    pub fn render(&self) -> String {
        card::one(&self.card, self.locale, self.now_ms, Connection::Unknown, false)
    }
}
