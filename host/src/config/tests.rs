use super::read::defaults;
use super::*;
use crate::protocol::plugin::PluginName;
use crate::runtime::CallLimits;

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ciba.toml");
    std::fs::write(&path, text).unwrap();
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(&path, environment)
        .map_err(|error| ConfigError { at: error.at.replace(&path.display().to_string(), "ciba.toml"), ..error })
}

#[test]
fn the_default_file_holds_every_key_and_no_other() {
    let config = load("", &[]).unwrap();
    let written = toml::Table::try_from(&config).unwrap();
    assert_eq!(written, defaults());
    assert_eq!(config.limits, LimitsConfig::default());
}

#[test]
fn the_file_wins_over_the_defaults_and_the_environment_over_both() {
    let file = "name = 'Bank'\n[ciba]\ninterval = 2\nexpires_in = 60\n[plugins.allow.inbox]\ninbox = true";
    let config =
        load(file, &[("CIBA_HOST_CIBA__INTERVAL", "3"), ("CIBA_HOST_NAME", "7"), ("CIBA_HOST_DATA", "d"), ("OTHER", "x")]).unwrap();
    assert_eq!((config.name.as_str(), config.ciba.interval, config.ciba.expires_in), ("7", 3, 60));
    assert!(config.plugins.allow[&PluginName::parse("inbox").unwrap()].inbox);
}

#[test]
fn what_is_said_of_one_plugin_is_laid_over_what_is_said_of_all() {
    let file = "[plugins.limits]\ncpu_ms = 50\nconcurrency = 4\n[plugins.limits_of.webhook]\ncpu_ms = 70\nwall_ms = 9000";
    let plugins = load(file, &[("CIBA_HOST_PLUGINS__LIMITS__LOG_LINES", "7")]).unwrap().plugins;
    let expected = CallLimits { cpu_ms: 70, wall_ms: 9_000, concurrency: 4, log_lines: 7, ..CallLimits::default() };
    assert_eq!(plugins.limits_of[&PluginName::parse("webhook").unwrap()], expected);
}

#[test]
fn with_tls_every_address_begins_with_https_and_the_one_for_certificates_has_its_own_port() {
    let (public, other) = ("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap());
    let on = "[tls]\ncertificate = 'a'\nkey = 'b'\n";
    for (text, issuer, device_page, mtls) in [
        ("", "http://127.0.0.1:1", "http://127.0.0.1:2/device", None),
        (on, "https://127.0.0.1:1", "https://127.0.0.1:2/device", None),
        (&format!("{on}[listen]\nmtls = '127.0.0.1:0'"), "https://127.0.0.1:1", "https://127.0.0.1:2/device", Some("https://127.0.0.1:3")),
        (
            &format!("issuer = 'https://login.example'\n{on}[listen]\nmtls = '127.0.0.1:0'"),
            "https://login.example",
            "https://127.0.0.1:2/device",
            Some("https://login.example:3"),
        ),
        (
            &format!("{on}[listen]\nmtls = '127.0.0.1:0'\nmtls_url = 'https://mtls.example'"),
            "https://127.0.0.1:1",
            "https://127.0.0.1:2/device",
            Some("https://mtls.example"),
        ),
    ] {
        let config = load(text, &[]).unwrap();
        let bound = config.listen.mtls.map(|_| "127.0.0.1:3".parse().unwrap());
        let found = (config.issuer(public), config.device_page(public, Some(other)), config.mtls(&config.issuer(public), bound));
        assert_eq!((found.0.as_str(), found.1.as_str(), found.2.as_deref()), (issuer, device_page, mtls), "{text}");
    }
}

#[test]
fn a_limit_that_is_off_or_higher_is_relaxed() {
    let limits = load("[limits]\npending_per_user = 0\nlockout_failures = 6\nrequests_per_user_minute = 3", &[]).unwrap().limits;
    assert_eq!(limits.relaxed(), ["limits.pending_per_user = 0 instead of 10", "limits.lockout_failures = 6 instead of 5"]);
    assert!(LimitsConfig::default().relaxed().is_empty());
}

#[test]
fn an_error_says_which_line_which_key_and_what_was_meant() {
    for (text, at, what) in [
        ("name = 'x'\nisuer = 'y'", "ciba.toml:2", "unknown key `isuer`; did you mean `issuer`?"),
        ("[ciba]\nexpires = 5", "ciba.toml:2", "unknown key `expires`"),
        ("[cyba]\ninterval = 5", "ciba.toml:1", "did you mean `ciba`?"),
        ("name = ", "ciba.toml:1", ""),
        ("name = 'x'\n[ciba]\ninterval = 'soon'", "ciba.toml:3", "interval"),
        ("[listen]\ndevice = 'here'", "ciba.toml:2", "127.0.0.1:8080"),
        ("[listen]\npublic = '0.0.0.0:80'", "ciba.toml: issuer", "must be set"),
        ("issuer = 'http://login.example.com'", "ciba.toml: issuer", "https://"),
        ("issuer = 'http://127.0.0.1:8080'\n[listen]\npublic = '0.0.0.0:8080'", "ciba.toml: issuer", "not on loopback"),
        ("issuer = 'https://a.example'\n[listen]\ndevice = '0.0.0.0:8082'", "ciba.toml: listen.device_url", "not on loopback"),
        ("issuer = 'https://login.example.com/'", "ciba.toml: issuer", "scheme and host only"),
        ("[tls]\ncertificate = 'a.pem'", "ciba.toml: tls.key", "belong together"),
        ("[tls]\nkey = 'a.key'", "ciba.toml: tls.certificate", "belong together"),
        ("issuer = 'http://127.0.0.1:1'\n[tls]\ncertificate = 'a'\nkey = 'b'", "ciba.toml: issuer", "https://"),
        ("[listen]\nmtls = '127.0.0.1:0'", "ciba.toml: listen.mtls", "tls.certificate"),
        ("[listen]\nmtls_url = 'https://mtls.example'", "ciba.toml: listen.mtls_url", "nobody asks"),
        ("[listen]\nmtls_url = 'http://localhost:1'\n[proxy]\nclient_cert = true", "ciba.toml: listen.mtls_url", "https://"),
        ("[proxy]\nclient_cert = true", "ciba.toml: proxy.addresses", "proxy.client_cert"),
        ("[proxy]\nclient_cert = true\naddresses = ['10.0.0.0/8', '::/0']", "ciba.toml: proxy.addresses", "any client"),
        ("[proxy]\naddress_header = 'x-real-ip'", "ciba.toml:2", "x-forwarded-for"),
        ("[outbound]\nprivate_networks = ['10/8']", "ciba.toml:2", "not a network"),
        ("[keys]\nalgorithms = ['PS256']", "ciba.toml: keys.algorithms", "must name ES256"),
        ("[keys]\nalgorithms = ['ES256', 'HS256']", "ciba.toml: keys.algorithms", "PS256, RS256, EdDSA and Ed25519"),
        ("[keys]\nalgorithms = ['ES256', 'ES256']", "ciba.toml: keys.algorithms", "each once"),
        ("[keys]\nalgorithms = ['ES512']", "ciba.toml:2", "ES512"),
        ("[registration]\nmodes = []", "ciba.toml: registration.modes", "poll, ping or push"),
        ("[registration]\nmodes = ['pull']", "ciba.toml:2", "pull"),
        ("[registration]\nscope = 'payments'", "ciba.toml: registration.scope", "openid"),
        ("[registration]\nfapi_profile = 'fapi'", "ciba.toml:2", "fapi_ciba_id1"),
        ("[keys]\nkeep_days = 90", "ciba.toml: keys.keep_days", "must be at least 91"),
        ("[ciba]\nid_token_hint_days = 91", "ciba.toml: keys.keep_days", "must be at least 92"),
        ("[keys]\noverlap_hours = 0", "ciba.toml: keys.overlap_hours", "600 seconds"),
        ("[plugins.limits]\nwall_ms = 0", "ciba.toml: plugins.limits", "wall_ms must be at least 1"),
        ("[plugins.limits_of.a]\nconcurrency = 0", "ciba.toml: plugins.limits_of.a", "concurrency must be at least 1"),
        ("[plugins.limits_of.a]\nmemory_mib = 5000", "ciba.toml: plugins.limits_of.a", "memory_mib is 5000; at most 4096"),
        ("[plugins.limits_of.a]\nwal_ms = 5", "ciba.toml:2", "did you mean `wall_ms`?"),
        ("[plugins.allow.a]\nhttp = ['https://A.example:443/']", "ciba.toml: plugins.allow.a", "write https://a.example"),
    ] {
        let error = load(text, &[]).unwrap_err();
        assert_eq!(error.at, at, "{text}: {error}");
        assert!(error.what.contains(what), "{text}: {error}");
    }
    let error = load("", &[("CIBA_HOST_CIBA__INTERVAL", "soon")]).unwrap_err();
    assert_eq!(error.at, "CIBA_HOST_CIBA__INTERVAL");
}

#[test]
fn a_program_that_decides_is_reached_from_outside_only_by_a_path_that_nobody_guesses() {
    let on = "[conformance]\nautomated_approval = true\nclients = ['suite']\n";
    let long = format!("secret_path = '{}'\n", "x".repeat(32));
    let short = format!("secret_path = '{}'\n", "x".repeat(31));
    for (outside, because) in [
        ("issuer = 'https://login.example'\n[listen]\npublic = '0.0.0.0:8443'\n", "0.0.0.0:8443 is not on loopback"),
        ("issuer = 'https://login.example'\n", "issuer is https://login.example"),
        ("[proxy]\naddresses = ['127.0.0.1/32']\n", "a proxy stands in front"),
        (
            "[listen]\nmtls_url = 'https://mtls.example'\n[proxy]\naddresses = ['127.0.0.1/32']\nclient_cert = true\n",
            "listen.mtls_url is https://mtls.example",
        ),
    ] {
        for secret in ["", short.as_str()] {
            let error = load(&format!("{outside}{on}{secret}"), &[]).unwrap_err();
            assert_eq!(error.at, "ciba.toml: conformance.secret_path", "{outside}");
            assert!(error.what.starts_with("must have at least 32 characters") && error.what.contains(because), "{error}");
        }
        load(&format!("{outside}{on}{long}"), &[]).unwrap();
    }
    load(on, &[]).unwrap();
    load(&format!("issuer = 'http://localhost:8080'\n{on}"), &[]).unwrap();
    for (text, at) in [
        ("[conformance]\nautomated_approval = true", "conformance.clients"),
        (&format!("{on}secret_path = 'a/b'"), "conformance.secret_path"),
        (&format!("{on}registered_clients = true\n[registration]\nenabled = true\nopen = true"), "conformance.registered_clients"),
    ] {
        assert_eq!(load(text, &[]).unwrap_err().at, format!("ciba.toml: {at}"), "{text}");
    }
    load(&format!("{on}registered_clients = true\n[registration]\nenabled = true"), &[]).unwrap();
}
