//! The demo world: client `demo`, user `alice`, sample plugins, and links to everything.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use crate::cli::data::DataDirectory;
use crate::config::{Config, LimitsConfig};
use crate::flow::Flow;
use crate::flow::operator::{Command, Operator};
use crate::http::views::shell;
use crate::http::{App, Demo, DemoLinks};
use crate::outbound::Door;
use crate::protocol::client::{Client, ClientKind, Origin};
use crate::protocol::identifier::{Bearer, Digest};
use crate::protocol::plugin::PluginName;
use crate::store::AuditEntry;

/// The demo client's credential. It exists in this mode only.
const CLIENT: &str = "demo";
const SECRET: &str = "demo-secret";
/// The plugin that the demo begins with, and its file among the samples.
const PLUGIN: &str = "inbox";
const FIRST_SAMPLE: &str = "inbox-1.wasm";

/// A demo has credentials that everybody knows: nobody else may reach it.
pub(super) fn check(config: &Config) -> anyhow::Result<()> {
    if config.tls.is_on() {
        bail!(
            "--demo speaks plain HTTP on loopback, and tls.certificate is set.\n  do: use another --data directory, or run without --demo"
        );
    }
    for (what, address) in [
        ("public", Some(config.listen.public)),
        ("device", config.listen.device),
        ("admin", Some(config.listen.admin)),
        ("plugins", config.listen.plugins),
    ] {
        if let Some(address) = address
            && !address.ip().is_loopback()
        {
            bail!(
                "--demo has a secret that everybody knows, and listen.{what} is {address}, which is not on loopback.\n  do: use 127.0.0.1, or run without --demo"
            );
        }
    }
    Ok(())
}

/// The address of `--phone` goes into a QR code: it must be one that a phone can open.
pub(super) fn check_phone(address: SocketAddr) -> anyhow::Result<()> {
    if address.ip().is_unspecified() {
        let mine = own_address().map_or_else(|| "192.168.1.20".to_owned(), |ip| ip.to_string());
        let example = format!("{mine}:{}", address.port());
        bail!("--phone {address} names no address that a phone could open.\n  do: name this machine's own, for example --phone {example}");
    }
    Ok(())
}

/// This machine's address on the network that leads out. Nothing is sent to find it.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}

/// What a demo does without being asked: its first plugin may put messages on the device page.
pub(super) fn configure(config: &mut Config) {
    if let Ok(name) = PluginName::parse(PLUGIN) {
        config.plugins.allow.entry(name).or_default().inbox = true;
    }
    if config.name == "ciba-host" {
        "Example Bank".clone_into(&mut config.name);
    }
    // Its traffic asks the same twenty people twenty times a second, and nobody else can reach it. Limits of your own
    // stand.
    if config.limits == LimitsConfig::default() {
        config.limits = LimitsConfig {
            requests_per_client_minute: 0,
            requests_per_user_minute: 0,
            requests_per_pair_minute: 0,
            pending_per_user: 0,
            ..LimitsConfig::default()
        };
    }
}

/// What the demo world is made of.
pub(super) struct World<'a> {
    pub(super) directory: &'a DataDirectory,
    pub(super) samples: Option<&'a Path>,
    pub(super) public: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) plugins: Option<SocketAddr>,
}

impl World<'_> {
    /// Makes what is not there yet.
    pub(super) async fn make(&self, flow: &Arc<Flow>, operator: &Operator, door: &Door) -> anyhow::Result<Arc<Demo>> {
        self.copy_samples(flow.runtime.folder())?;
        let audit = |what: &str, about: &str| AuditEntry {
            at: flow.clock.now(),
            who: "demo".to_owned(),
            what: what.to_owned(),
            about: about.to_owned(),
        };
        let client = Client::with_secret(CLIENT.into(), "Demo client", ClientKind::Ciba, Digest::of(SECRET.as_bytes()), Origin::Demo);
        let shop_secret = Bearer::from_random(flow.random.bytes());
        for client in [client, Demo::shop(shop_secret.digest())] {
            if flow.store.client(&client.id).await?.is_some_and(|registered| registered.origin != Origin::Demo) {
                bail!(
                    "the demo needs a client called {}, and there is one that is yours.\n  do: choose another directory with --data",
                    client.id
                );
            }
            let entry = audit("client add", client.id.as_str());
            flow.store.put_client(client, entry).await?;
        }
        if flow.store.user_by_hint(Demo::USER).await?.is_none() {
            let alice = Command::UserAdd {
                username: Demo::USER.to_owned(),
                name: Some("Alice".to_owned()),
                email: Some("alice@example.com".to_owned()),
                phone: Some("+1 555 010 0100".to_owned()),
                locale: None,
            };
            operator.execute(alice).await?;
        }
        let links = DemoLinks {
            public: self.public,
            admin: self.admin,
            plugins_origin: self.plugins,
            samples: self.directory.samples().display().to_string(),
            plugins: flow.runtime.folder().display().to_string(),
        };
        Ok(Arc::new(Demo::new(door, shop_secret, links)))
    }

    /// Brings the sample plugins into the data directory, and the first of them into service on the first start.
    fn copy_samples(&self, folder: &Path) -> anyhow::Result<()> {
        let Some(from) = self.samples.map(Path::to_owned).or_else(beside_program) else {
            tracing::warn!("no sample plugins were found.  do: ./scripts/run builds them, or name their folder with --samples");
            return Ok(());
        };
        let to = self.directory.samples();
        fs::create_dir_all(&to)?;
        for entry in fs::read_dir(&from).with_context(|| format!("{} cannot be read", from.display()))? {
            let path = entry?.path();
            let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|extension| extension == "wasm")) else { continue };
            fs::copy(&path, to.join(name)).with_context(|| format!("{} cannot be copied", path.display()))?;
        }
        let first_start = !folder.exists();
        fs::create_dir_all(folder)?;
        let first = to.join(FIRST_SAMPLE);
        if first_start && first.exists() {
            fs::copy(&first, folder.join(format!("{PLUGIN}.wasm")))?;
        }
        Ok(())
    }
}

/// `target/plugins`, where the scripts build them, next to `target/release`.
fn beside_program() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let folder = program.parent()?.parent()?.join("plugins");
    folder.is_dir().then_some(folder)
}

/// Where everything is, with links that work once.
pub(super) async fn say(demo: &Demo, app: &App, on_network: bool) -> anyhow::Result<()> {
    let links = demo.links();
    let phone = DemoLinks::phone(&app.operator).await?;
    println!("demo     http://{}/demo", links.public);
    println!("phone    {phone}");
    println!("console  {}", links.console(&app.sessions, &app.flow));
    if let Some(origin) = links.plugins_origin {
        println!("inbound  http://{origin}");
    }
    println!("plugins  {}", links.plugins);
    let (sample, file) = (format!("{}/inbox-2.wasm", links.samples), format!("{}/inbox.wasm", links.plugins));
    println!("try      cp {} {}", shell::word(&sample), shell::word(&file));
    if on_network {
        if let Ok(code) = QrCode::new(&phone.0) {
            println!("{}", code.render::<Dense1x2>().quiet_zone(true).build());
        }
        println!("Not encrypted. Demo only.");
    }
    println!("ready");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_is_given_an_address_that_it_can_open() {
        for (address, good) in [("192.168.1.20:8090", true), ("[fd00::2]:8090", true), ("0.0.0.0:8090", false), ("[::]:8090", false)] {
            let checked = check_phone(address.parse().unwrap());
            assert_eq!(checked.is_ok(), good, "{address}");
            if let Err(error) = checked {
                let words = error.to_string();
                let (_, example) = words.split_once("for example --phone ").unwrap();
                assert!(check_phone(example.parse().unwrap()).is_ok(), "{words}");
            }
        }
    }
}
