//! TLS from outside: an authority of the test's own, certificates for hosts and clients, a host that speaks TLS, and
//! requests that show a certificate.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::host::{self, Data, Host};
use crate::wire::{self, Answer, Request};

/// Longer than anything is ever held. It bounds a test, it measures nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody who signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

/// A certificate with its key.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate, in PEM.
    pub certificate: String,
    /// Its key, in PEM.
    pub key: String,
    /// The certificate, in DER.
    pub der: Vec<u8>,
    /// What it shows besides, each in DER: what leads from it to an authority.
    pub between: Vec<Vec<u8>>,
    /// Its key, in PKCS #8.
    pub key_der: Vec<u8>,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// # Panics
    /// When no key can be made.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("CN=Test Authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.self_signed(&key).expect("a certificate can be signed");
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Its own certificate, in DER.
    pub fn der(&self) -> Vec<u8> {
        self.certificate.der().to_vec()
    }

    /// For a server under this name, and on loopback.
    pub fn server(&self, name: &str) -> Identity {
        self.server_with(&[&format!("dns:{name}"), "dns:localhost", "ip:127.0.0.1"])
    }

    /// For a server under these alternative names and no other.
    pub fn server_with(&self, names: &[&str]) -> Identity {
        self.sign(&server_parameters(names))
    }

    /// For a server, with an RSA key.
    pub fn rsa_server(&self) -> Identity {
        let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).expect("a key can be made");
        self.sign_for(&server_parameters(&["dns:localhost", "ip:127.0.0.1"]), &key)
    }

    /// For a client with this subject, for example `CN=client,O=Bank`.
    pub fn client(&self, subject: &str) -> Identity {
        self.client_with(subject, &[])
    }

    /// The same with alternative names, for example `dns:client.example`, `uri:https://…`, `ip:192.0.2.1`,
    /// `email:a@b.example`.
    pub fn client_with(&self, subject: &str, names: &[&str]) -> Identity {
        let mut params = parameters(subject);
        params.subject_alt_names = names.iter().map(|name| alternative(name)).collect();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    /// For a client, and no longer in force.
    pub fn expired_client(&self, subject: &str) -> Identity {
        let mut params = parameters(subject);
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        self.sign(&params)
    }

    /// An authority of which this one says that it is one, and its certificate.
    pub fn between(&self) -> Self {
        let mut params = parameters("CN=Test Authority Between");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate can be signed");
        Self { issuer: Issuer::new(params, key), certificate }
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        self.sign_for(params, &KeyPair::generate().expect("a key can be made"))
    }

    fn sign_for(&self, params: &CertificateParams, key: &KeyPair) -> Identity {
        Identity::of(&params.signed_by(key, &self.issuer).expect("a certificate can be signed"), key)
    }

    /// What a client needs to believe in it.
    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).expect("an authority's certificate is one");
        roots
    }
}

/// A certificate that nobody else signed.
pub fn self_signed(subject: &str) -> Identity {
    let key = KeyPair::generate().expect("a key can be made");
    let certificate = parameters(subject).self_signed(&key).expect("a certificate can be signed");
    Identity::of(&certificate, &key)
}

impl Identity {
    fn of(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        Self {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().to_vec(),
            between: Vec::new(),
            key_der: key.serialize_der(),
        }
    }

    /// The certificate as `Client-Cert` has it (RFC 9440 2.2).
    pub fn client_cert(&self) -> String {
        byte_sequence(&self.der)
    }

    /// Writes `NAME.pem` and `NAME.key`, as a program that renews certificates does.
    pub fn write(&self, directory: &Path, name: &str) -> Result<()> {
        let replace = |extension: &str, text: &str| {
            let (path, new) = (directory.join(name).with_extension(extension), directory.join("new"));
            let mut file = fs::File::options().write(true).create_new(true).mode(0o600).open(&new)?;
            file.write_all(text.as_bytes())?;
            fs::rename(new, path)
        };
        replace("pem", &self.certificate)?;
        Ok(replace("key", &self.key)?)
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        std::iter::once(&self.der).chain(&self.between).map(|der| der.clone().into()).collect()
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key_der.clone().into())
    }

    /// A server that shows it and asks for nothing.
    pub(crate) fn server_config(&self) -> Arc<rustls::ServerConfig> {
        let builder = rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().expect("the provider has suites for both versions");
        Arc::new(builder.with_no_client_auth().with_single_cert(self.chain(), self.private_key()).expect("certificate and key fit"))
    }
}

/// Binary data as structured fields have it (RFC 8941 3.3.5).
pub fn byte_sequence(der: &[u8]) -> String {
    use base64::Engine as _;
    format!(":{}:", base64::prelude::BASE64_STANDARD.encode(der))
}

fn parameters(subject: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(subject);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params
}

fn server_parameters(names: &[&str]) -> CertificateParams {
    let mut params = parameters("CN=server");
    params.subject_alt_names = names.iter().map(|name| alternative(name)).collect();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

/// A subject as people write it. Certificates have the most general name first.
fn name(text: &str) -> rcgen::DistinguishedName {
    let mut name = rcgen::DistinguishedName::new();
    for (kind, value) in text.split(',').rev().filter_map(|part| part.trim().split_once('=')) {
        let kind = match kind {
            "CN" => DnType::CommonName,
            "O" => DnType::OrganizationName,
            "OU" => DnType::OrganizationalUnitName,
            "C" => DnType::CountryName,
            "L" => DnType::LocalityName,
            "ST" => DnType::StateOrProvinceName,
            oid => DnType::CustomDnType(oid.split('.').map(|arc| arc.parse().expect("a dotted identifier")).collect()),
        };
        name.push(kind, value);
    }
    name
}

fn alternative(text: &str) -> SanType {
    let (kind, value) = text.split_once(':').expect("kind:value");
    match kind {
        "dns" => SanType::DnsName(value.try_into().expect("ASCII")),
        "uri" => SanType::URI(value.try_into().expect("ASCII")),
        "email" => SanType::Rfc822Name(value.try_into().expect("ASCII")),
        "ip" => SanType::IpAddress(value.parse().expect("an address")),
        other => panic!("{other} is no kind of alternative name"),
    }
}

/// A client that believes in the authority. `change` may take suites away.
pub fn client_config(
    authority: &Authority,
    shows: Option<&Identity>,
    versions: &[&'static rustls::SupportedProtocolVersion],
    change: impl FnOnce(&mut CryptoProvider),
) -> Result<Arc<ClientConfig>> {
    let mut provider = aws_lc_rs::default_provider();
    change(&mut provider);
    let builder = ClientConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(versions)?;
    let builder = builder.with_root_certificates(authority.roots());
    Ok(Arc::new(match shows {
        // Whether key and certificate belong together is for the host to find out.
        Some(identity) => {
            let key = aws_lc_rs::sign::any_supported_type(&identity.private_key())?;
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(CertifiedKey::new(identity.chain(), key))))
        }
        None => builder.with_no_client_auth(),
    }))
}

/// Shakes hands, and sends nothing yet.
pub fn connect(to: SocketAddr, config: Arc<ClientConfig>) -> Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut stream = TcpStream::connect(to).with_context(|| format!("cannot connect to {to}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut connection = ClientConnection::new(config, ServerName::from(to.ip()))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(connection, stream))
}

/// Sends a request by https, and shows a certificate if it is given one and asked for it.
pub fn https(request: &Request, to: SocketAddr, authority: &Authority, shows: Option<&Identity>) -> Result<Answer> {
    let versions = &[&rustls::version::TLS13, &rustls::version::TLS12];
    let mut stream = connect(to, client_config(authority, shows, versions, |_| {})?)?;
    // A server that has seen enough may answer before it has read everything.
    let sent = stream.write_all(&request.whole(to)).and_then(|()| stream.flush());
    wire::read(stream).with_context(|| format!("{request:?} (sent: {sent:?})"))
}

/// A host that speaks TLS, with a listener for clients that show certificates. It believes in the test's authority,
/// about clients as well as about those it calls, and may call what listens on loopback.
pub struct SecureHost {
    pub host: Host,
    /// Who signed its certificate.
    pub authority: Authority,
    /// Where it asks for certificates.
    pub mtls: SocketAddr,
}

impl SecureHost {
    /// # Errors
    /// Why it did not start.
    pub fn start() -> Result<Self> {
        Self::with_config("")
    }

    /// With further settings. What is about TLS is not to be among them: it comes from the environment.
    ///
    /// # Errors
    /// Why it did not start.
    pub fn with_config(config: &str) -> Result<Self> {
        let authority = Authority::new();
        let data = Data::with_config(config)?;
        authority.server("localhost").write(&data.path(), "tls")?;
        fs::write(data.path().join("authority.pem"), authority.pem())?;
        Self::serve(data, authority)
    }

    /// Starts it again where it was stopped or killed.
    ///
    /// # Errors
    /// Why it did not start.
    pub fn serve(data: Data, authority: Authority) -> Result<Self> {
        let host = data.serve_changed(&[], |command| {
            for (name, value) in [
                ("TLS__CERTIFICATE", "tls.pem"),
                ("TLS__KEY", "tls.key"),
                ("TLS__CLIENT_AUTHORITIES", "authority.pem"),
                ("LISTEN__MTLS", "127.0.0.1:0"),
                ("OUTBOUND__CERTIFICATE_AUTHORITIES", "authority.pem"),
                ("OUTBOUND__CLIENT_NETWORKS", "['127.0.0.0/8']"),
            ] {
                command.env(format!("CIBA_HOST_{name}"), value);
            }
        })?;
        let mtls = host::authority(host.said("mtls")?)?;
        Ok(Self { host, authority, mtls })
    }

    pub fn issuer(&self) -> String {
        format!("https://{}", self.host.public)
    }

    /// Where clients that show a certificate find the endpoints.
    pub fn mtls_base(&self) -> String {
        format!("https://{}", self.mtls)
    }

    /// Its data directory.
    pub fn path(&self) -> PathBuf {
        self.host.data.path()
    }

    /// To the public listener.
    ///
    /// # Errors
    /// Why nothing came back.
    pub fn send(&self, request: &Request) -> Result<Answer> {
        https(request, self.host.public, &self.authority, None)
    }

    /// To the listener that asks for certificates, with this one.
    ///
    /// # Errors
    /// Why nothing came back.
    pub fn send_as(&self, request: &Request, identity: &Identity) -> Result<Answer> {
        https(request, self.mtls, &self.authority, Some(identity))
    }
}
