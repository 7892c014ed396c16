//! The other side, played by programs that others can read and run: a conformance suite's part, and clients in two
//! languages. `docs/conformance.md` says what they stand for.

use std::collections::BTreeSet;

use ciba_tests::host::{Data, Said};
use ciba_tests::outside::{Prepared, Suite, host, suite_against_oidc_provider, suite_cases};
use ciba_tests::party::Client;
use ciba_tests::wire::Request;

/// A program that says `ok …` for each check, and `ok all` at its end.
fn all_ok(said: &Said) {
    assert!(said.status.success(), "{}{}", said.output, said.error);
    assert!(said.output.ends_with("ok all\n"), "{}", said.output);
}

/// What only agrees with our own reading proves nothing: so it first meets a provider that others wrote. Where that one
/// answers differently is listed, and the list must be true.
#[test]
fn the_suite_passes_on_a_provider_that_others_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let said = suite_against_oidc_provider(folder.path()).unwrap();
    assert!(said.status.success(), "{}{}", said.output, said.error);
    let summary = said.output.lines().last().unwrap();
    assert!(summary.ends_with(" 0 failed") && !summary.starts_with("0 ok"), "{summary}");
}

#[test]
fn clients_in_two_languages_work_with_a_provider_that_others_wrote() {
    let prepared = Prepared::new().unwrap();
    let (server, target) = prepared.oidc_provider().unwrap();
    let said = [prepared.openid_client(&target).unwrap(), prepared.python_client(&target).unwrap()];
    drop(server);
    said.iter().for_each(all_ok);
}

#[test]
fn the_suite_passes_on_ours() {
    let folder = tempfile::tempdir().unwrap();
    let suite = Suite::prepare(folder.path()).unwrap();
    let (host, target) = host(folder.path()).unwrap();
    let (content, said) = suite.run(&target).unwrap();
    let failed: Vec<&str> = said.lines().filter(|line| line.starts_with("FAIL")).collect();
    assert!(content, "{failed:#?}\n{}", host.log());
    // Nothing differs and nothing is left out: what the texts say beyond the plan is kept here too.
    let summary = said.lines().last().unwrap();
    assert!(summary.ends_with(" ok, 0 differ, 0 skipped, 0 failed") && !summary.starts_with("0 "), "{summary}");
}

#[test]
fn clients_in_two_languages_work_with_ours() {
    let prepared = Prepared::new().unwrap();
    let (host, target) = host(prepared.folder()).unwrap();
    for said in [prepared.openid_client(&target).unwrap(), prepared.python_client(&target).unwrap()] {
        assert!(said.status.success() && said.output.ends_with("ok all\n"), "{}{}{}", said.output, said.error, host.log());
    }
}

#[test]
fn the_document_names_every_module_of_the_plan_and_each_has_its_case() {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/conformance.md")).unwrap();
    let (_, ours) = document.split_once("\n## Our own\n").expect("the part with the table");
    let of_the_plan = |name: &str| name.starts_with("fapi-ciba-id1");
    let named: BTreeSet<String> = ours.split('`').filter(|word| of_the_plan(word)).map(str::to_owned).collect();
    let played: BTreeSet<String> = suite_cases().unwrap().into_iter().filter(|name| of_the_plan(name)).collect();
    assert_eq!(named, played);
    // As many as the plan has for `plain_fapi`, over all of its variants.
    assert_eq!(named.len(), 43);
}

#[test]
fn a_program_decides_for_clients_that_take_part_at_the_address_that_only_the_terminal_shows() {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let config = format!(
        "[authenticators]\norder = ['low', 'high']\n[conformance]\nautomated_approval = true\nclients = ['suite', 'strict']\n\
         secret_path = '{SECRET}'\nauthenticator = {{ acr = 'low', amr = [] }}\n[log]\nfilter = 'debug'\n"
    );
    let host = Data::with_config(&config).unwrap().serve(&[]).unwrap();
    host.data.must(&["user", "add", "alice"]).unwrap();
    let suite = Client::add(&host, "suite", &[]).unwrap();
    let other = Client::add(&host, "other", &[]).unwrap();
    let file = host.data.beside("strict.toml");
    std::fs::write(&file, "acr_minimum = 'high'\n").unwrap();
    let strict = Client::add(&host, "strict", &["--metadata", file.to_str().unwrap()]).unwrap();

    let printed = host.said("decide").unwrap().to_owned();
    let address = format!("/conformance/{SECRET}/decide");
    assert_eq!(printed, format!("{}{address}?auth_req_id={{auth_req_id}}&action={{action}}", host.issuer()));
    let say = |address: &str, auth_req_id: &str, action: &str| {
        let answer = host.send(&Request::form(&format!("{address}?auth_req_id={auth_req_id}&action={action}"), &[])).unwrap();
        let what = if answer.status == 204 { String::new() } else { answer.text() };
        (answer.status, what)
    };
    let refused = |answer: (u16, String), what: &str| assert!(answer.0 == 400 && answer.1.contains(what), "{what}: {answer:?}");

    let asked = suite.start("alice").unwrap();
    for elsewhere in ["/conformance/decide", "/conformance/0123456789abcdef0123456789abcdeX/decide", "/conformance//decide"] {
        assert_eq!(say(elsewhere, &asked, "allow").0, 404, "{elsewhere}");
    }
    refused(say(&address, &asked, "perhaps"), "action=allow or action=deny");
    refused(say(&address, "unknown.x", "allow"), "no request of a client that takes part");
    let others = other.start("alice").unwrap();
    refused(say(&address, &others, "allow"), "no request of a client that takes part");
    // A transaction's name is no auth_req_id.
    refused(say(&address, asked.split_once('.').unwrap().0, "allow"), "no request of a client that takes part");
    assert_eq!([suite.poll(&asked).unwrap().status, other.poll(&others).unwrap().status], [400, 400], "something was decided");

    assert_eq!(say(&address, &asked, "allow"), (204, String::new()));
    refused(say(&address, &asked, "deny"), "not pending any more");
    assert_eq!(suite.poll(&asked).unwrap().status, 200);
    let denied = suite.start("alice").unwrap();
    assert_eq!(say(&address, &denied, "deny").0, 204);
    assert_eq!(suite.poll(&denied).unwrap().json()["error"], "access_denied");
    let waits = strict.start("alice").unwrap();
    refused(say(&address, &waits, "allow"), "proves less than acr_minimum");
    assert_eq!(say(&address, &waits, "deny").0, 204);

    assert!(!host.log().contains(SECRET), "the log tells where a program decides");
    // Where nobody switched it on there is nothing.
    let off = Data::new().unwrap().serve(&[]).unwrap();
    assert!(off.said("decide").is_err());
    assert_eq!(off.send(&Request::form("/conformance/decide?auth_req_id=x&action=allow", &[])).unwrap().status, 404);
}
