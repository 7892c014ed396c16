//! The other side, played by programs that others can read and run: a conformance suite's part, and clients in two
//! languages. `docs/conformance.md` says what they stand for.

use ciba_tests::host::Said;
use ciba_tests::outside::{Prepared, suite_against_oidc_provider};

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
