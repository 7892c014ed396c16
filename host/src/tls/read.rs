//! Reading X.509 certificates (RFC 5280).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _, Tagged as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;
use x509_cert::time::Time;

use crate::protocol::certificate::ClientCertificate;
use crate::protocol::distinguished_name::{Attribute, DistinguishedName};

/// These bytes are not a certificate.
#[derive(Debug, thiserror::Error)]
#[error("this is not an X.509 certificate: {0}")]
pub struct Unreadable(String);

impl From<x509_cert::der::Error> for Unreadable {
    fn from(error: x509_cert::der::Error) -> Self {
        Self(error.to_string())
    }
}

/// What a certificate says.
pub(super) fn certificate(der: &[u8], chain_valid: bool) -> Result<ClientCertificate, Unreadable> {
    let certificate = Certificate::from_der(der)?;
    let about = certificate.tbs_certificate();
    let mut read = ClientCertificate {
        sha256: sha256(der),
        public_key: about.subject_public_key_info().to_der()?,
        subject: name(about.subject())?,
        dns_names: Vec::new(),
        uris: Vec::new(),
        addresses: Vec::new(),
        emails: Vec::new(),
        chain_valid,
        not_before: time(about.validity().not_before),
        not_after: time(about.validity().not_after),
    };
    if let Some((_, SubjectAltName(names))) = about.get_extension::<SubjectAltName>()? {
        for name in names {
            match name {
                GeneralName::DnsName(name) => read.dns_names.push(name.to_string()),
                GeneralName::UniformResourceIdentifier(uri) => read.uris.push(uri.to_string()),
                GeneralName::Rfc822Name(email) => read.emails.push(email.to_string()),
                GeneralName::IpAddress(bytes) => read.addresses.extend(address(bytes.as_bytes())),
                // No registration names these.
                _ => {}
            }
        }
    }
    Ok(read)
}

fn sha256(der: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der).as_ref());
    digest
}

/// Certificates have the most general name first, their text form the most specific (RFC 4514 2.1).
fn name(name: &Name) -> Result<DistinguishedName, Unreadable> {
    let mut names = Vec::new();
    for relative in name.iter_rdn() {
        let mut attributes = Vec::new();
        for attribute in relative.iter() {
            // The tags of strings are one byte long; what has another is shown as it is.
            let tag = attribute.value.tag().to_der()?.first().copied().unwrap_or_default();
            attributes.push(Attribute::from_der(attribute.oid.to_string(), tag, attribute.value.value()));
        }
        names.push(attributes);
    }
    names.reverse();
    Ok(DistinguishedName::new(names))
}

/// A certificate that shall never end says so with the last second of 9999 (RFC 5280 4.1.2.5), which is later than any
/// time we can hold.
fn time(time: Time) -> Timestamp {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|bytes| Ipv4Addr::from(bytes).into()),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName as Name, DnType, DnValue, KeyPair, PublicKeyData as _, SanType};

    use super::*;
    use crate::protocol::certificate::same_subject;

    fn signed(params: &CertificateParams) -> (Vec<u8>, KeyPair) {
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().der().to_vec(), key)
    }

    fn full() -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = Name::new();
        params.distinguished_name.push(DnType::CountryName, "DE");
        params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 97]), "PSDDE-1");
        params.distinguished_name.push(DnType::OrganizationName, DnValue::BmpString("Bänk, AG".try_into().unwrap()));
        params.distinguished_name.push(DnType::CommonName, DnValue::TeletexString("client".try_into().unwrap()));
        params.subject_alt_names = vec![
            SanType::DnsName("client.example".try_into().unwrap()),
            SanType::URI("https://client.example/a".try_into().unwrap()),
            SanType::IpAddress("192.0.2.7".parse().unwrap()),
            SanType::IpAddress("2001:db8::7".parse().unwrap()),
            SanType::Rfc822Name("ops@client.example".try_into().unwrap()),
        ];
        params.not_before = rcgen::date_time_ymd(2026, 1, 2);
        params
    }

    #[test]
    fn everything_that_a_client_may_register_is_read() {
        let (der, key) = signed(&full());
        let read = certificate(&der, true).unwrap();
        assert_eq!(read.subject_dn(), r"CN=client,O=Bänk\, AG,organizationIdentifier=PSDDE-1,C=DE");
        assert!(same_subject("c=DE, 2.5.4.97=psdde-1, o=\"bänk, ag\", cn=Client", &read));
        assert_eq!(read.dns_names, ["client.example"]);
        assert_eq!(read.uris, ["https://client.example/a"]);
        assert_eq!(read.emails, ["ops@client.example"]);
        assert_eq!(read.addresses, ["192.0.2.7".parse::<IpAddr>().unwrap(), "2001:db8::7".parse().unwrap()]);
        assert_eq!((read.public_key.as_slice(), read.chain_valid), (key.subject_public_key_info().as_slice(), true));
        assert_eq!(read.sha256, sha256(&der));
        assert_eq!(read.not_before, "2026-01-02T00:00:00Z".parse().unwrap());
    }

    #[test]
    fn a_certificate_that_shall_never_end_does_not() {
        let mut params = full();
        params.not_after = rcgen::date_time_ymd(9999, 12, 31);
        let (der, _) = signed(&params);
        assert_eq!(certificate(&der, false).unwrap().not_after, Timestamp::MAX);
    }

    #[test]
    fn whatever_is_not_a_certificate_is_refused_and_nothing_worse() {
        let (der, _) = signed(&full());
        for length in 0..der.len() {
            assert!(certificate(&der[..length], false).is_err(), "{length}");
        }
        for at in 0..der.len() {
            let mut broken = der.clone();
            broken[at] ^= 0xff;
            // Some of these are certificates all the same; what they say can be shown.
            if let Ok(read) = certificate(&broken, false) {
                let _ = (read.subject_dn(), read.x5t_s256(), same_subject("CN=client", &read));
            }
        }
    }
}
