//! What needs Node: clients from npm, unmodified.

use ciba_tests::host::{Host, program};
use ciba_tests::node;

/// The checks themselves, against a provider that others wrote: what fails for ours alone is ours. It
/// never sends `slow_down` and ties a client to one way of authentication.
#[test]
fn the_checks_of_openid_client_hold_for_another_provider() {
    let (server, issuer) = node::oidc_provider().unwrap();
    let decide = ["node", "oidc_provider_decide.mjs", &issuer, "{}"];
    let mut client = node::openid_client(&issuer, &decide);
    let output = client.args(["--unpaced", "--post-client", "demo-post"]).output().unwrap();
    drop(server);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.ends_with("ok all\n"), "{said}");
}

/// `openid-client`, unmodified, against ours: discovery, start, poll, denied, expired, too fast, redeemed twice.
#[test]
fn the_checks_of_openid_client_hold_for_ours() {
    let host = Host::demo().unwrap();
    let (program, data) = (program(), host.data.path());
    let decide = [program.to_str().unwrap(), "request", "{}", "--data", data.to_str().unwrap()];
    let output = node::openid_client(&host.issuer(), &decide).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}{}", String::from_utf8_lossy(&output.stderr), host.log());
    assert!(said.ends_with("ok all\n"), "{said}");
}
