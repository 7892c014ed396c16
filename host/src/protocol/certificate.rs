//! Client certificates (RFC 8705): what one says, and whether it is the one that a client registered.

use core::net::IpAddr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;

use super::distinguished_name::DistinguishedName;

/// A certificate whose key the other side has proven to hold, in the handshake with us or with a proxy that we trust.
/// Nothing else of it is true by itself: anybody can write any name into a certificate of their own.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// SHA-256 of the whole certificate in DER.
    pub sha256: [u8; 32],
    /// SubjectPublicKeyInfo in DER.
    pub public_key: Vec<u8>,
    /// Whom it names.
    pub subject: DistinguishedName,
    /// Subject alternative names that are host names.
    pub dns_names: Vec<String>,
    /// Those that are URIs.
    pub uris: Vec<String>,
    /// Those that are addresses.
    pub addresses: Vec<IpAddr>,
    /// Those that are mailboxes.
    pub emails: Vec<String>,
    /// Whether it leads to one of the configured authorities and was in force when it was shown. Without that, only its
    /// key and its digest mean anything.
    pub chain_valid: bool,
    /// When it comes into force.
    pub not_before: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
}

/// The name by which a client's certificate is known: exactly one of these is registered (RFC 8705 2.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegisteredName {
    /// `tls_client_auth_subject_dn`
    SubjectDn(DistinguishedName),
    /// `tls_client_auth_san_dns`
    Dns(String),
    /// `tls_client_auth_san_uri`
    Uri(String),
    /// `tls_client_auth_san_ip`
    Ip(IpAddr),
    /// `tls_client_auth_san_email`
    Email(String),
}

impl ClientCertificate {
    /// The value of `x5t#S256` in `cnf` (RFC 8705 3.1).
    pub fn x5t_s256(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.sha256)
    }

    /// The subject as text (RFC 4514).
    pub fn subject_dn(&self) -> String {
        self.subject.to_string()
    }

    /// Whether it is in force.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// Whether it may stand for a client that registered this name for `tls_client_auth` (RFC 8705 2.1): it carries the
    /// name, and one of our authorities says so.
    pub fn proves(&self, name: &RegisteredName, now: Timestamp) -> bool {
        self.chain_valid && self.is_in_force(now) && self.carries(name)
    }

    /// Whether it carries the name, whoever wrote it in.
    fn carries(&self, name: &RegisteredName) -> bool {
        match name {
            RegisteredName::SubjectDn(registered) => self.subject.is_same(registered),
            RegisteredName::Dns(registered) => self.dns_names.iter().any(|name| name.eq_ignore_ascii_case(registered)),
            // RFC 5280 7.4 would compare schemes and hosts without regard to letter case; a registration is copied.
            RegisteredName::Uri(registered) => self.uris.contains(registered),
            RegisteredName::Ip(registered) => self.addresses.contains(registered),
            RegisteredName::Email(registered) => self.emails.iter().any(|email| is_same_mailbox(email, registered)),
        }
    }
}

/// Whether a certificate has the subject that was registered as text. What is no name is nobody's.
pub fn same_subject(registered: &str, certificate: &ClientCertificate) -> bool {
    DistinguishedName::parse(registered).is_ok_and(|registered| certificate.subject.is_same(&registered))
}

/// Hosts have no letter case, the part before the `@` may (RFC 5280 7.5).
fn is_same_mailbox(one: &str, other: &str) -> bool {
    match (one.rsplit_once('@'), other.rsplit_once('@')) {
        (Some((local, host)), Some((other_local, other_host))) => local == other_local && host.eq_ignore_ascii_case(other_host),
        _ => false,
    }
}

impl RegisteredName {
    /// Reads a member of a registration, by its name there.
    ///
    /// # Errors
    /// What is wrong with the value, or that there is no such member.
    pub fn parse(member: &str, value: &str) -> Result<Self, String> {
        let filled = |value: &str| {
            if value.is_empty() { Err(format!("{member} is empty")) } else { Ok(value.to_owned()) }
        };
        match member {
            "tls_client_auth_subject_dn" => {
                DistinguishedName::parse(value).map(Self::SubjectDn).map_err(|what| format!("{member} is not a distinguished name: {what}"))
            }
            "tls_client_auth_san_dns" => filled(value).map(Self::Dns),
            "tls_client_auth_san_uri" => filled(value).map(Self::Uri),
            "tls_client_auth_san_ip" => value.parse().map(Self::Ip).map_err(|_| format!("{member} is not an IP address: `{value}`")),
            "tls_client_auth_san_email" => filled(value).map(Self::Email),
            _ => Err(format!("`{member}` is no name of a certificate")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> ClientCertificate {
        ClientCertificate {
            sha256: [0xfb; 32],
            public_key: Vec::new(),
            subject: DistinguishedName::parse("CN=client,O=Bank").unwrap(),
            dns_names: vec!["client.bank.example".to_owned()],
            uris: vec!["https://bank.example/Client".to_owned()],
            addresses: vec!["2001:db8::7".parse().unwrap()],
            emails: vec!["Ops@bank.example".to_owned()],
            chain_valid: true,
            not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
            not_after: "2026-12-31T23:59:59Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_registered_name_is_one_that_the_certificate_carries() {
        let now = "2026-06-01T00:00:00Z".parse().unwrap();
        for (member, value, proven) in [
            ("tls_client_auth_subject_dn", "cn = Client, o = BANK", true),
            ("tls_client_auth_subject_dn", "CN=client", false),
            ("tls_client_auth_san_dns", "Client.Bank.example", true),
            ("tls_client_auth_san_dns", "bank.example", false),
            ("tls_client_auth_san_uri", "https://bank.example/Client", true),
            ("tls_client_auth_san_uri", "https://bank.example/client", false),
            // The same address, written another way (RFC 8705 2.1.2).
            ("tls_client_auth_san_ip", "2001:0DB8:0::0007", true),
            ("tls_client_auth_san_ip", "2001:db8::8", false),
            ("tls_client_auth_san_email", "Ops@BANK.example", true),
            ("tls_client_auth_san_email", "ops@bank.example", false),
            ("tls_client_auth_san_email", "client.bank.example", false),
        ] {
            let name = RegisteredName::parse(member, value).unwrap();
            assert_eq!(certificate().proves(&name, now), proven, "{member} {value}");
            let unknown = ClientCertificate { chain_valid: false, ..certificate() };
            assert!(!unknown.proves(&name, now), "{member} {value}: nobody vouches for it");
        }
        assert!(same_subject("CN=client,O=Bank", &certificate()) && !same_subject("client", &certificate()));
    }

    #[test]
    fn a_certificate_that_has_ended_proves_nothing_also_on_a_connection_that_is_older() {
        let name = RegisteredName::Dns("client.bank.example".to_owned());
        for (now, proven) in [
            ("2025-12-31T23:59:59Z", false),
            ("2026-01-01T00:00:00Z", true),
            ("2026-12-31T23:59:59Z", true),
            ("2027-01-01T00:00:00Z", false),
        ] {
            assert_eq!(certificate().proves(&name, now.parse().unwrap()), proven, "{now}");
        }
    }

    #[test]
    fn a_name_that_could_fit_nothing_is_refused() {
        for (member, value) in [
            ("tls_client_auth_subject_dn", "client"),
            ("tls_client_auth_san_dns", ""),
            ("tls_client_auth_san_ip", "bank.example"),
            ("tls_client_auth", "CN=client"),
        ] {
            assert!(RegisteredName::parse(member, value).is_err(), "{member} {value}");
        }
    }

    #[test]
    fn the_thumbprint_is_base64url() {
        assert_eq!(certificate().x5t_s256(), "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s");
    }
}
