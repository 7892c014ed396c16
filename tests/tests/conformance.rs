//! The other side, played by programs that others can read and run: a conformance suite's part, and clients in two
//! languages. `docs/conformance.md` says what they stand for.

use std::collections::BTreeSet;

use ciba_tests::host::Said;
use ciba_tests::outside::{Prepared, Suite, host, suite_against_oidc_provider, suite_cases};

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
