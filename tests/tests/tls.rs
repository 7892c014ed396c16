//! TLS in the host itself: what it speaks, whom it asks for a certificate, and that renewals need no restart.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ciba_tests::host::{Data, wait_for};
use ciba_tests::process::Server;
use ciba_tests::secure::{Authority, Identity, SecureHost, client_config, connect, https, self_signed};
use ciba_tests::wire::Request;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, HandshakeKind, ProtocolVersion, SignatureScheme, SupportedProtocolVersion};

fn discovery() -> Request {
    Request::get("/.well-known/openid-configuration")
}

/// A host whose log says which certificates it saw.
fn talkative() -> SecureHost {
    SecureHost::with_config("[log]\nfilter = 'debug'").unwrap()
}

/// What was agreed on with a client that offers one version and some suites.
fn agreed(
    host: &SecureHost,
    to: SocketAddr,
    version: &'static SupportedProtocolVersion,
    offers: impl Fn(&str) -> bool,
) -> Result<(ProtocolVersion, CipherSuite), String> {
    let config = client_config(&host.authority, None, &[version], |provider| {
        provider.cipher_suites.retain(|suite| offers(&format!("{:?}", suite.suite())));
    });
    let stream = connect(to, config.unwrap()).map_err(|error| error.to_string())?;
    Ok((stream.conn.protocol_version().unwrap(), stream.conn.negotiated_cipher_suite().unwrap().suite()))
}

/// A client without a certificate, which notices whether it is asked for one.
#[derive(Debug, Default)]
struct Notices(AtomicBool);

impl ResolvesClientCert for Notices {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::SeqCst);
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn was_asked(host: &SecureHost, to: SocketAddr, version: &'static SupportedProtocolVersion) -> bool {
    let mut config = (*client_config(&host.authority, None, &[version], |_| {}).unwrap()).clone();
    let notices = Arc::new(Notices::default());
    config.client_auth_cert_resolver = Arc::clone(&notices) as _;
    drop(connect(to, Arc::new(config)).unwrap());
    notices.0.load(Ordering::SeqCst)
}

/// The certificate a host shows now.
fn shown(host: &SecureHost) -> Vec<u8> {
    let config = client_config(&host.authority, None, &[&TLS13], |_| {}).unwrap();
    connect(host.host.public, config).unwrap().conn.peer_certificates().unwrap()[0].to_vec()
}

/// What the host's log says of certificates that were shown, once it says it so many times.
fn seen(host: &SecureHost, times: usize) -> Vec<String> {
    wait_for("the log says which certificates were shown", || {
        let log = host.host.log();
        let lines = log.lines().filter(|line| line.contains("a client certificate was shown"));
        Ok(Some(lines.map(str::to_owned).collect::<Vec<_>>()).filter(|lines| lines.len() >= times))
    })
    .unwrap()
}

#[test]
fn the_host_says_and_publishes_https() {
    let host = SecureHost::start().unwrap();
    assert_eq!((host.host.said("issuer").unwrap(), host.host.said("mtls").unwrap()), (&*host.issuer(), &*host.mtls_base()));
    for to in [host.host.public, host.mtls] {
        let document = https(&discovery(), to, &host.authority, None).unwrap();
        assert_eq!((document.status, document.json()["issuer"].as_str()), (200, Some(&*host.issuer())), "{to}");
    }
    host.host.data.must(&["user", "add", "alice"]).unwrap();
    let link = host.host.data.must(&["user", "enrol", "alice"]).unwrap();
    assert!(link.starts_with(&format!("{}/device#enrol=", host.issuer())), "{link}");
    // The page is for people, whom a browser would ask for a certificate on the other listener.
    assert_eq!(host.send(&Request::get("/device")).unwrap().status, 200);
    assert_eq!(https(&Request::get("/device"), host.mtls, &host.authority, None).unwrap().status, 404);
    assert!(discovery().send(host.host.public).is_err(), "no plain HTTP where TLS is spoken");
    host.host.stop().unwrap();
}

#[test]
fn tls_1_3_and_1_2_are_spoken_with_the_suites_of_fapi_and_nothing_older() {
    let host = SecureHost::start().unwrap();
    for to in [host.host.public, host.mtls] {
        assert_eq!(agreed(&host, to, &TLS13, |_| true).unwrap().0, ProtocolVersion::TLSv1_3);
        for suite in ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"] {
            let (version, agreed) = agreed(&host, to, &TLS12, |offered| offered == suite).unwrap();
            assert_eq!((version, format!("{agreed:?}")), (ProtocolVersion::TLSv1_2, suite.to_owned()));
        }
        let refused = agreed(&host, to, &TLS12, |offered| offered.contains("CHACHA20")).unwrap_err();
        assert!(refused.contains("HandshakeFailure"), "{refused}");
    }
    let rsa = host.authority.rsa_server();
    rsa.write(&host.path(), "tls").unwrap();
    wait_for("the RSA certificate is shown", || Ok((shown(&host) == rsa.der).then_some(()))).unwrap();
    for suite in ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"] {
        assert_eq!(format!("{:?}", agreed(&host, host.host.public, &TLS12, |offered| offered == suite).unwrap().1), suite);
    }
    assert!(agreed(&host, host.host.public, &TLS12, |offered| offered.contains("RSA") && offered.contains("CHACHA20")).is_err());
    // TLS 1.1, which nobody's library offers any more.
    let mut stream = TcpStream::connect(host.host.public).unwrap();
    stream.write_all(&client_hello_of_tls_1_1()).unwrap();
    let mut alert = [0; 7];
    stream.read_exact(&mut alert).unwrap();
    assert_eq!((alert[0], alert[5]), (21, 2), "a fatal alert (RFC 8446 6)");
    assert_eq!(stream.read(&mut alert).unwrap(), 0);
}

/// A ClientHello of TLS 1.1 (RFC 4346 7.4.1.2) with two of its suites.
fn client_hello_of_tls_1_1() -> Vec<u8> {
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x13, 0, 0x2f, 1, 0]);
    let length = u8::try_from(hello.len()).unwrap();
    [&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &hello].concat()
}

#[test]
fn only_http_1_1_is_agreed_on() {
    let host = SecureHost::start().unwrap();
    for (offered, agreed) in [
        (&[&b"http/1.1"[..]][..], Some(Some(&b"http/1.1"[..]))),
        (&[b"h2", b"http/1.1"], Some(Some(b"http/1.1"))),
        (&[], Some(None)),
        (&[b"h2"], None),
    ] {
        let mut config = (*client_config(&host.authority, None, &[&TLS13], |_| {}).unwrap()).clone();
        config.alpn_protocols = offered.iter().map(|protocol| protocol.to_vec()).collect();
        let found = connect(host.host.public, Arc::new(config)).map(|stream| stream.conn.alpn_protocol().map(<[u8]>::to_vec)).ok();
        assert_eq!(found, agreed.map(|agreed| agreed.map(<[u8]>::to_vec)), "{offered:?}");
    }
}

/// A browser that is asked shows its person a dialogue.
#[test]
fn a_certificate_is_asked_for_on_the_mtls_listener_and_nowhere_else() {
    let host = SecureHost::start().unwrap();
    for version in [&TLS12, &TLS13] {
        assert!(was_asked(&host, host.mtls, version), "{version:?}");
        assert!(!was_asked(&host, host.host.public, version), "{version:?}");
    }
}

#[test]
fn every_certificate_is_taken_whose_key_is_held_and_only_some_are_vouched_for() {
    let host = talkative();
    let between = host.authority.between();
    let mut through = between.client("CN=through");
    through.between = vec![between.der()];
    for (number, (identity, subject, vouched_for)) in [
        (host.authority.client("CN=bank,O=Example Bank,C=DE"), "CN=bank,O=Example Bank,C=DE", true),
        (through, "CN=through", true),
        (between.client("CN=broken off"), "CN=broken off", false),
        (self_signed("CN=mine"), "CN=mine", false),
        (Authority::new().client("CN=stranger"), "CN=stranger", false),
        (host.authority.expired_client("CN=late"), "CN=late", false),
        (host.authority.server("for-servers"), "CN=server", false),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = host.send_as(&discovery(), &identity).unwrap();
        assert_eq!(answer.status, 200, "{subject}");
        let line = seen(&host, number + 1).pop().unwrap();
        assert!(line.contains(subject) && line.contains(&format!("chain_valid={vouched_for}")), "{line}");
    }
    // Somebody else's certificate, with a key of one's own.
    let stolen = Identity { der: self_signed("CN=victim").der, ..self_signed("CN=thief") };
    for version in [&TLS12, &TLS13] {
        let config = client_config(&host.authority, Some(&stolen), &[version], |_| {}).unwrap_or_else(|error| panic!("{error}"));
        let mut stream = match connect(host.mtls, config) {
            Ok(stream) => stream,
            Err(_) => continue,
        };
        // With TLS 1.3 a client only hears of it when it reads.
        let _ = stream.write_all(&discovery().whole(host.mtls));
        assert!(ciba_tests::wire::read(stream).is_err(), "{version:?}");
    }
    assert!(!seen(&host, 1).iter().any(|line| line.contains("victim")));
}

/// A resumed session has no certificate on the wire; it is judged again all the same.
#[test]
fn a_resumed_session_shows_the_certificate_it_began_with() {
    let host = talkative();
    let identity = host.authority.client("CN=again");
    for (number, version) in [&TLS12, &TLS13].into_iter().enumerate() {
        let config = client_config(&host.authority, Some(&identity), &[version], |_| {}).unwrap();
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let mut stream = connect(host.mtls, Arc::clone(&config)).unwrap();
            stream.write_all(&discovery().whole(host.mtls)).unwrap();
            kinds.push(stream.conn.handshake_kind());
            assert_eq!(ciba_tests::wire::read(stream).unwrap().status, 200);
        }
        assert_eq!(kinds, [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)], "{version:?}");
        assert_eq!(seen(&host, 2 * number + 2).iter().filter(|line| line.contains("CN=again")).count(), 2 * number + 2);
    }
}

#[test]
fn a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_never() {
    let host = SecureHost::start().unwrap();
    let renewed = host.authority.server("renewed.example");
    renewed.write(&host.path(), "tls").unwrap();
    wait_for("the renewed certificate is shown", || Ok((shown(&host) == renewed.der).then_some(()))).unwrap();
    // Half of a renewal: a certificate whose key is not there yet.
    fs::write(host.path().join("tls.pem"), host.authority.server("half").certificate).unwrap();
    wait_for("it is logged", || Ok(host.host.log().contains("changed files cannot be used").then_some(()))).unwrap();
    assert!(host.host.log().contains("is not that of the first certificate"), "{}", host.host.log());
    assert_eq!(shown(&host), renewed.der);
    let last = host.authority.server("last.example");
    last.write(&host.path(), "tls").unwrap();
    wait_for("the next one is shown", || Ok((shown(&host) == last.der).then_some(()))).unwrap();
}

#[test]
fn a_certificate_that_nobody_renewed_is_said_to_have_ended() {
    let host = SecureHost::start().unwrap();
    host.authority.expired_client("CN=late").write(&host.path(), "tls").unwrap();
    wait_for("it is logged", || Ok(host.host.log().contains("the host's certificate has ended").then_some(()))).unwrap();
}

#[test]
fn new_client_authorities_are_believed_without_a_restart() {
    let host = talkative();
    let other = Authority::new();
    fs::write(host.path().join("authority.pem"), other.pem()).unwrap();
    wait_for("the new authority is believed", || {
        host.send_as(&discovery(), &other.client("CN=new"))?;
        Ok(seen(&host, 1).iter().any(|line| line.contains("CN=new") && line.contains("chain_valid=true")).then_some(()))
    })
    .unwrap();
    host.send_as(&discovery(), &host.authority.client("CN=old")).unwrap();
    wait_for("the old one is not", || {
        Ok(host.host.log().lines().any(|line| line.contains("CN=old") && line.contains("chain_valid=false")).then_some(()))
    })
    .unwrap();
}

/// A proxy's word is taken from where the proxy is, and only if the operator said that it may name certificates.
#[test]
fn a_certificate_in_a_header_is_believed_from_a_configured_proxy_only() {
    let authority = Authority::new();
    for (proxy, believed) in [
        ("addresses = ['127.0.0.0/8']\nclient_cert = true", true),
        ("addresses = ['10.0.0.0/8']\nclient_cert = true", false),
        ("addresses = ['127.0.0.0/8']", false),
        ("", false),
    ] {
        let data =
            Data::with_config(&format!("[tls]\nclient_authorities = 'authority.pem'\n[proxy]\n{proxy}\n[log]\nfilter = 'debug'")).unwrap();
        fs::write(data.path().join("authority.pem"), authority.pem()).unwrap();
        let host = data.serve(&[]).unwrap();
        let request = discovery().header("client-cert", &authority.client("CN=behind a proxy").client_cert());
        assert_eq!(host.send(&request).unwrap().status, 200);
        let log = host.stop().map(|data| fs::read_to_string(data.beside("log")).unwrap()).unwrap();
        let seen = log.lines().find(|line| line.contains("a client certificate was shown"));
        assert_eq!(seen.is_some(), believed, "{proxy}: {log}");
        assert!(seen.is_none_or(|line| line.contains("CN=behind a proxy") && line.contains("chain_valid=true")), "{seen:?}");
    }
}

#[test]
fn handshakes_that_never_end_hold_up_neither_others_nor_the_stop() {
    let host = SecureHost::start().unwrap();
    let silent: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(host.host.public).unwrap()).collect();
    assert_eq!(host.send(&discovery()).unwrap().status, 200);
    let data = host.host.stop().unwrap();
    let log = fs::read_to_string(data.beside("log")).unwrap();
    assert!(log.contains("stopped") && !log.contains("some answers did not leave"), "{log}");
    drop(silent);
}

#[test]
fn files_that_cannot_be_used_keep_the_host_from_starting() {
    let authority = Authority::new();
    let (one, other) = (authority.server("localhost"), authority.server("localhost"));
    let mismatched = Identity { key: other.key.clone(), ..one.clone() };
    let no_key = Identity { key: one.certificate.clone(), ..one.clone() };
    let no_certificate = Identity { certificate: one.key.clone(), ..one.clone() };
    for (identity, mode, says) in [
        (Some(&mismatched), 0o600, "is not that of the first certificate"),
        (Some(&no_key), 0o600, "has no private key"),
        (Some(&no_certificate), 0o600, "has no certificate"),
        (Some(&one), 0o644, "can be read by everybody"),
        (None, 0o600, "cannot be read"),
    ] {
        let data = Data::with_config("[tls]\ncertificate = 'tls.pem'\nkey = 'tls.key'").unwrap();
        if let Some(identity) = identity {
            identity.write(&data.path(), "tls").unwrap();
            fs::set_permissions(data.path().join("tls.key"), fs::Permissions::from_mode(mode)).unwrap();
        }
        let error = Server::start_with_log(data.command(&["serve", "--listen", "127.0.0.1:0"])).map(|server| server.greeting.clone());
        let error = error.unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("tls."), "{says}: {error}");
        let checked = data.run(&["config", "check"]).unwrap();
        assert!(!checked.status.success() && checked.error.contains(says), "{says}: {}", checked.error);
    }
    let data = Data::with_config("[tls]\ncertificate = 'tls.pem'\nkey = 'tls.key'").unwrap();
    one.write(&data.path(), "tls").unwrap();
    let error = Server::start_with_log(data.command(&["serve", "--demo", "--listen", "127.0.0.1:0"])).map(|server| server.greeting.clone());
    assert!(error.unwrap_err().to_string().contains("--demo speaks plain HTTP"));
}
