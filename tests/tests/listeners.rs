//! Which addresses a host listens on, what it says of them, and what answers there.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;

use ciba_tests::host::{Data, Host};
use ciba_tests::process::Server;
use ciba_tests::wire::Request;

fn serve_with_admin(options: &[&str], admin: SocketAddr) -> Host {
    let change = |command: &mut Command| {
        command.env("CIBA_HOST_LISTEN__ADMIN", admin.to_string());
    };
    Data::new().unwrap().serve_changed(options, change).unwrap()
}

/// What a host says that does not start.
fn refused(command: Command) -> String {
    match Server::start_with_log(command) {
        Ok(server) => panic!("it started: {:?}", server.greeting),
        Err(error) => error.to_string(),
    }
}

fn address_of(origin: &str) -> SocketAddr {
    origin.strip_prefix("http://").unwrap().parse().unwrap()
}

/// The plugins' own origin is open in the demo, and nothing of the others is there.
#[test]
fn the_demo_opens_an_origin_for_plugins_on_which_no_page_stands() {
    let host = Host::demo().unwrap();
    let inbound = address_of(host.said("inbound").unwrap());
    assert_eq!(Request::get("/healthz").send(inbound).unwrap().status, 200);
    for path in ["/", "/device", "/demo", "/static/device.js", "/.well-known/openid-configuration"] {
        assert_eq!(Request::get(path).send(inbound).unwrap().status, 404, "{path}");
    }
}

/// In the demo a port that is taken leads to the next one, for the console and then for the plugins.
#[test]
fn the_demo_takes_the_next_free_ports() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let wanted = taken.local_addr().unwrap();
    let host = serve_with_admin(&["--demo"], wanted);
    let inbound = address_of(host.said("inbound").unwrap());
    assert!(host.admin.port() > wanted.port() && inbound.port() > host.admin.port(), "{wanted} {} {inbound}", host.admin);
    // And the commands find it there.
    assert_eq!(host.data.json(&["status"]).unwrap()["running"], true);
}

/// Without the demo a port that is taken is an error: whoever set it up counts on it.
#[test]
fn a_port_that_was_configured_is_had_or_the_host_does_not_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let wanted = taken.local_addr().unwrap();
    let data = Data::with_config(&format!("[listen]\nadmin = '{wanted}'")).unwrap();
    let mut command = data.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env_remove("CIBA_HOST_LISTEN__ADMIN");
    let said = refused(command);
    assert!(said.contains(&format!("the admin listener cannot have {wanted}")), "{said}");
}

/// A console on all addresses is one that the commands of this machine reach.
#[test]
fn commands_find_an_admin_listener_on_all_addresses() {
    let host = serve_with_admin(&[], (Ipv4Addr::UNSPECIFIED, 0).into());
    assert_eq!(host.data.json(&["status"]).unwrap()["running"], true);
    let link = host.data.json(&["console"]).unwrap()["link"].as_str().unwrap().to_owned();
    assert!(link.starts_with(&format!("http://127.0.0.1:{}/#login=", host.admin.port())), "{link}");
    assert_eq!(Request::get("/").send(host.admin).unwrap().status, 200, "{}", host.admin);
}

/// What would lead phones or clients nowhere, or in the clear, is refused before anything starts.
#[test]
fn addresses_that_nobody_could_use_are_refused() {
    for (config, options, said) in [
        ("", &["--demo", "--phone", "0.0.0.0:0"][..], "--phone 0.0.0.0:0 names no address that a phone could open"),
        ("issuer = 'http://127.0.0.1:8080'", &["--listen", "0.0.0.0:0"][..], "ciba.toml: issuer: must begin with https://"),
        ("", &["--listen", "0.0.0.0:0"][..], "ciba.toml: issuer: must be set"),
    ] {
        let data = Data::with_config(config).unwrap();
        let error = refused(data.command(&[&["serve"][..], options].concat()));
        assert!(error.contains(said), "{options:?}: {error}");
    }
}
