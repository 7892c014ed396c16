//! The requests the phone's fixtures show.

use super::super::{
    device::{Answer, AnsweredBy, Card, CardState, Client, Connection, Note},
    moment::Moment,
    text::Locale,
};
use super::{EXPIRES_S, NOW_S, device::requests};

pub(super) fn client() -> Client {
    named("fern", "Fern & Co")
}

pub(super) fn unknown_client() -> Client {
    Client {
        identifier: "https://sso.fern-and-co.example/ciba".to_owned(),
        verified_name: None,
        claimed_name: Some("Fern & Co".to_owned()),
    }
}

fn named(identifier: &str, name: &str) -> Client {
    Client { identifier: identifier.to_owned(), verified_name: Some(name.to_owned()), claimed_name: None }
}

pub(super) fn card(transaction: &str) -> Card {
    Card {
        transaction: transaction.to_owned(),
        client: client(),
        details: vec![],
        scopes: vec!["openid".to_owned(), "profile".to_owned()],
        binding_message: Some("Pay 42.50, code K7QP".to_owned()),
        note: None,
        expires_at: Moment(EXPIRES_S),
        needs_more: false,
        not_counted: None,
        state: CardState::Pending,
    }
}

/// A page with one request in this state.
pub(super) fn just(locale: Locale, state: CardState) -> String {
    requests(locale, Connection::Connected, vec![Card { state, ..card("first") }])
}

pub(super) fn answered(by: AnsweredBy) -> Answer {
    Answer { by, at: Moment(NOW_S - 30) }
}

pub(super) fn several() -> Vec<Card> {
    vec![
        card("first"),
        Card {
            client: named("callcentre", "Harbour Bank, call centre"),
            binding_message: Some("Agent 17, word TULIP".to_owned()),
            expires_at: Moment(EXPIRES_S + 75),
            ..card("second")
        },
        Card { client: unknown_client(), binding_message: None, expires_at: Moment(EXPIRES_S + 190), ..card("third") },
    ]
}

/// A payment (RFC 9396), said in the page's language.
pub(super) fn payment(locale: Locale) -> Vec<String> {
    let sentence = match locale {
        Locale::English => "Pay 42.50 EUR to \u{2068}Fern & Co\u{2069} from your account \u{2068}DE02 1203 0000 0000 2020 51\u{2069}",
        Locale::Arabic => "ادفع 42.50 EUR إلى \u{2068}Fern & Co\u{2069} من حسابك \u{2068}DE02 1203 0000 0000 2020 51\u{2069}",
    };
    vec![sentence.to_owned()]
}

/// Of several kinds, one of which has no words of its own.
pub(super) fn several_details(locale: Locale) -> Vec<String> {
    let more = match locale {
        Locale::English => ["See the balance of \u{2068}Savings\u{2069} until 2027-02-28", "Sign \u{2068}lease-HS12-2L.pdf\u{2069}"],
        Locale::Arabic => ["يرى رصيد \u{2068}Savings\u{2069} حتى 2027-02-28", "يوقّع \u{2068}lease-HS12-2L.pdf\u{2069}"],
    };
    let other = "https://api.harbour.example/authorization/standing-order".to_owned();
    payment(locale).into_iter().chain(more.map(str::to_owned)).chain([other]).collect()
}

/// As many as are shown, with words that do not break by themselves, names in both directions and one past the end.
pub(super) fn many_details(lines: usize) -> Vec<String> {
    let line = |number: usize| match number % 4 {
        0 => format!("Pay 1,000,000,000,000,000,000,000,000,00{number}.50 EUR to \u{2068}Brandvold, Okonkwo & Partners\u{2069}"),
        1 => format!("Pay {number}.00 ILS to \u{2068}בנק הנמל, Ltd.\u{2069} (reference \u{2068}متجر السرخس {number}\u{2069})"),
        2 => format!("Transfer {number} shares, {}", "HS12-2L-2026-11-23-000417-".repeat(8)),
        _ => format!("See the balance of \u{2068}account {number}\u{2069}"),
    };
    (1..=lines).map(line).collect()
}

/// Longer than a screen, with a word that does not break by itself.
pub(super) fn long() -> Card {
    let message = "Transfer 12,480.00 EUR from your savings account to the notary's trust account for the purchase of the \
        flat in Harbour Street 12, second floor left, reference HS12-2L-2026-11-23-000417-PURCHASE-AND-TRANSFER-OF-DEED, \
        as agreed with Ms Okonkwo on the phone this morning. The transfer cannot be undone once the notary has confirmed \
        that it arrived. The code on the other screen is K7QP.";
    Card {
        client: named("notary", "Brandvold, Okonkwo & Partners, Notaries and Solicitors"),
        binding_message: Some(message.to_owned()),
        scopes: ["openid", "profile", "email", "phone", "address", "offline_access", "payments:transfer"].map(str::to_owned).into(),
        note: Some(Note("x".repeat(60) + " We never phone you to ask you to approve. This part is too long and is cut.")),
        ..card("first")
    }
}

/// Names and messages whose letters run the other way than the page's, whichever that is.
pub(super) fn directions() -> Vec<Card> {
    vec![
        Card {
            client: named("souq", "متجر السرخس (Fern)"),
            binding_message: Some("ادفع 42.50، الرمز K7QP!".to_owned()),
            note: Some(Note("لا نتصل بك أبدًا لنطلب موافقتك.".to_owned())),
            ..card("first")
        },
        Card {
            client: named("hebrew", "בנק הנמל, Ltd."),
            binding_message: Some("Pay 42.50, code K7QP".to_owned()),
            expires_at: Moment(EXPIRES_S + 75),
            ..card("second")
        },
        Card {
            client: named("latin", "Fern & Co!"),
            expires_at: Moment(EXPIRES_S + 90),
            state: CardState::Approved(answered(AnsweredBy::Device("هاتف أليس (2)".to_owned()))),
            ..card("third")
        },
    ]
}
