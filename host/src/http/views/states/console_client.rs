//! The clients the console's fixtures show.

use super::super::console::{Change, Client, ClientDetail, Fact, Group};

pub(super) fn clients() -> Vec<Client> {
    let long = "https://sso.fern-and-co.example/clients/0b5c8f5e-7f0f-4d0b-9a53-5f6f1c2d7e11";
    vec![
        plain_row(),
        strict_row(),
        Client {
            id: "kiosk".to_owned(), name: "كشك السرخس".to_owned(), registered: "in a file", bound: vec!["DPoP key"], ..plain_row()
        },
        Client {
            id: long.to_owned(),
            name: long.to_owned(),
            registered: "by itself",
            authentication: "self_signed_tls_client_auth",
            mode: Some("push"),
            fapi: None,
            bound: vec!["certificate", "DPoP key"],
        },
        hook_row(),
    ]
}

fn plain_row() -> Client {
    Client {
        id: "fern".to_owned(),
        name: "Fern & Co".to_owned(),
        registered: "with the demo",
        authentication: "client_secret_basic",
        mode: Some("poll"),
        fapi: None,
        bound: vec![],
    }
}

fn strict_row() -> Client {
    Client {
        id: "harbour-payments".to_owned(),
        name: "Harbour Payments".to_owned(),
        registered: "by command",
        authentication: "private_key_jwt",
        mode: Some("ping"),
        fapi: Some("FAPI-CIBA ID1"),
        bound: vec!["certificate"],
    }
}

fn hook_row() -> Client {
    Client { id: "janssen".to_owned(), name: "janssen".to_owned(), registered: "by command", mode: None, ..plain_row() }
}

fn group(title: &'static str, facts: &[(&'static str, &'static str, &[&str])]) -> Group {
    let fact = |(term, name, values): &(&'static str, &'static str, &[&str])| Fact {
        term,
        name,
        values: values.iter().copied().map(str::to_owned).collect(),
    };
    Group { title, facts: facts.iter().map(fact).collect() }
}

pub(super) fn strict() -> ClientDetail {
    ClientDetail {
        client: strict_row(),
        groups: vec![
            group(
                "How it proves who it is",
                &[
                    ("Method", "token_endpoint_auth_method", &["private_key_jwt"]),
                    ("Assertions are signed with", "token_endpoint_auth_signing_alg", &["PS256"]),
                    (
                        "Its keys",
                        "jwks",
                        &["RSA, PS256, for sig, kid 2026-11", "EC, P-256, ES256, kid sEuYn2o8xYtR4wQ1zXcVbNmAsDfGhJkLpOiUyTrEwQ0"],
                    ),
                ],
            ),
            group(
                "How it asks",
                &[
                    ("Mode", "backchannel_token_delivery_mode", &["ping"]),
                    (
                        "Is called at",
                        "backchannel_client_notification_endpoint",
                        &["https://payments.harbour.example/ciba/notifications/0b5c8f5e-7f0f-4d0b-9a53-5f6f1c2d7e11"],
                    ),
                    ("Requests are signed with", "backchannel_authentication_request_signing_alg", &["PS256"]),
                    ("A new request ends the one that waits", "supersede", &["yes"]),
                    ("Least authentication it takes", "acr_minimum", &["urn:harbour:two-factors"]),
                ],
            ),
            group(
                "What it may ask for",
                &[
                    ("Scopes", "scope", &["openid payments offline_access"]),
                    ("Authorization details", "authorization_details_types", &["payment_initiation", "account_information"]),
                    ("Grants", "grant_types", &["urn:openid:params:grant-type:ciba", "refresh_token"]),
                ],
            ),
            group(
                "What it gets",
                &[
                    ("Access tokens", "access_token_format", &["JWT (RFC 9068)"]),
                    ("Bound to its certificate", "tls_client_certificate_bound_access_tokens", &["yes"]),
                    ("ID tokens are signed with", "id_token_signed_response_alg", &["PS256"]),
                    ("Subjects", "subject_type", &["pairwise: of its sector only"]),
                ],
            ),
        ],
        change: by_command("harbour-payments"),
    }
}

pub(super) fn plain() -> ClientDetail {
    ClientDetail {
        client: plain_row(),
        groups: vec![
            group("How it proves who it is", &[("Method", "token_endpoint_auth_method", &["client_secret_basic"])]),
            group(
                "How it asks",
                &[("Mode", "backchannel_token_delivery_mode", &["poll"]), ("Polls are held until there is news", "long_poll", &["yes"])],
            ),
            group("What it may ask for", &[("Scopes", "scope", &["any"])]),
            group("What it gets", &[("Access tokens", "access_token_format", &["opaque"])]),
        ],
        change: Change { sentence: "Everybody knows its secret: it came with the demo, and goes with it.", command: None },
    }
}

pub(super) fn hook_caller() -> ClientDetail {
    let proof = group("How it proves who it is", &[("Method", "token_endpoint_auth_method", &["client_secret_basic"])]);
    ClientDetail { client: hook_row(), groups: vec![proof], change: by_command("janssen") }
}

fn by_command(id: &str) -> Change {
    let command = Some(format!("ciba-host client update {id} --metadata FILE"));
    Change { sentence: "To change it, write into a file what it is to be:", command }
}
