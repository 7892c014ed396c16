//! `ciba-host serve`: the composition root. Everything is made here, once, and handed to who needs it.

mod demo;
mod keys;
pub(super) mod security;
mod traces;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use super::Common;
use super::data::{DataDirectory, Running};
use crate::clock::{Clock, Random};
use crate::config::{Config, ConfigError, LogFormat};
use crate::delivery::Worker;
use crate::flow::client_keys::ClientKeys;
use crate::flow::declared;
use crate::flow::details::DetailTypes;
use crate::flow::dpop::Nonces;
use crate::flow::hint_issuers::HintIssuers;
use crate::flow::limits::Limits;
use crate::flow::links::Links;
use crate::flow::nobody::Nobodies;
use crate::flow::operator::Operator;
use crate::flow::redeem::Paces;
use crate::flow::subject::Subjects;
use crate::flow::tally::Tally;
use crate::flow::{Flow, Wakes};
use crate::http::serve::{bind, bind_next, serve};
use crate::http::{self, AdminToken, App, Conformance, Hosts, Metrics, Parts, Peers, Sessions, nameable};
use crate::outbound::Door;
use crate::protocol::identifier::Digest;
use crate::runtime::{Decider, Runtime, RuntimeConfig};
use crate::store::{AuditEntry, Store};
use crate::tls;
use crate::traces::{Exporter, Origins, SPAN};

use security::Security;

/// How long jobs may take to end once the host is to stop.
const DRAIN: Duration = Duration::from_secs(5);
/// How long tasks may take to let go of the database.
const CLOSE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The public listener, instead of listen.public.
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
    /// A demo world: client `demo`, user `alice`, demo page. On loopback only.
    #[arg(long)]
    demo: bool,
    /// Serve the device page alone on the local network, without encryption. Demo mode only.
    #[arg(long, value_name = "IP:PORT", requires = "demo")]
    phone: Option<SocketAddr>,
    /// Where the demo's sample plugins are. [default: ../plugins, seen from this program]
    #[arg(long, value_name = "DIR", requires = "demo")]
    samples: Option<PathBuf>,
}

/// The listeners that were opened.
struct Listeners {
    public: TcpListener,
    device: Option<TcpListener>,
    mtls: Option<TcpListener>,
    admin: TcpListener,
    plugins: Option<TcpListener>,
    phone: Option<TcpListener>,
}

impl Serve {
    pub(super) fn run(self, common: &Common) -> anyhow::Result<()> {
        let directory = common.directory();
        let config = self.config(&directory)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let door = security::door(&config.outbound, &directory)?;
        let exporter = traces::exporter(&config.traces, &door, runtime.handle())?;
        log_to_standard_error(&config, exporter.as_ref())?;
        directory.make()?;
        let _lock = directory.lock()?;
        // A host that was killed left its address, where somebody else may listen by now.
        directory.retire();
        let served = runtime.block_on(self.serve(directory.clone(), config, door));
        if let Some(exporter) = exporter {
            exporter.end(CLOSE);
        }
        // What still runs has been given its time. The database is closed when the last task lets go of it, and that
        // leaves one file without a log beside it.
        runtime.shutdown_timeout(CLOSE);
        directory.retire();
        served
    }

    fn config(&self, directory: &DataDirectory) -> anyhow::Result<Config> {
        let mut config = directory.config()?;
        if let Some(listen) = self.listen {
            config.listen.public = listen;
        }
        if self.demo {
            demo::check(&config)?;
            self.phone.map_or(Ok(()), demo::check_phone)?;
            demo::configure(&mut config);
        }
        // --listen may have changed what the file was right about.
        config.check().map_err(|(key, what)| ConfigError { at: format!("{}: {key}", directory.config_file().display()), what })?;
        Ok(config)
    }

    async fn serve(self, directory: DataDirectory, config: Config, door: Door) -> anyhow::Result<()> {
        let signals = StopSignals::listen()?;
        let (clock, random) = (Clock::System, Random);
        let store: Arc<dyn Store> = Arc::new(directory.open_store(random)?);
        if !self.demo {
            // The directory may have seen a demo, whose secret everybody knows.
            let audit =
                AuditEntry { at: clock.now(), who: "host".to_owned(), what: "client remove".to_owned(), about: "the demo's".to_owned() };
            store.remove_demo_clients(audit).await?;
        }
        let listeners = self.listeners(&config).await?;
        let public = listeners.public.local_addr()?;
        let admin = nameable(listeners.admin.local_addr()?);
        let issuer = config.issuer(public);
        let mtls = config.mtls(&issuer, listeners.mtls.as_ref().map(TcpListener::local_addr).transpose()?);
        let device_page = match &listeners.phone {
            Some(phone) => format!("http://{}/device", phone.local_addr()?),
            None => config.device_page(public, listeners.device.as_ref().map(TcpListener::local_addr).transpose()?),
        };
        let security = Security::open(&config.tls, &directory)?;
        let installation = directory.installation_keys(random)?;
        let runtime_config = RuntimeConfig {
            folder: directory.path().join(&config.plugins.folder),
            own: directory.path().to_owned(),
            cache: directory.cache(),
            pagemap_scan: config.plugins.pagemap_scan,
            compile: Some(Duration::from_secs(u64::from(config.plugins.compile_seconds))),
            limits: config.plugins.limits,
            limits_of: config.plugins.limits_of.clone(),
            allowed: config.plugins.allow.clone(),
        };
        let runtime =
            Runtime::start(runtime_config, Arc::clone(&store), door.clone(), clock.clone(), &installation.derive("precompiled plugins"))
                .await?;
        let (stop, stopping) = watch::channel(false);
        let flow = Arc::new(Flow {
            store,
            runtime: Arc::clone(&runtime),
            wakes: Wakes::default(),
            links: Links::new(&installation.derive("one-time links"), device_page),
            clock: clock.clone(),
            random,
            keys: directory.key_ring(keys::policy(&config.keys), clock.now())?,
            seal: Arc::new(directory.seal(random)?),
            callbacks: door.callbacks(),
            issuer: issuer.clone(),
            mtls: mtls.clone(),
            subjects: Subjects::new(&installation.derive("pairwise subjects")),
            nobodies: Nobodies::new(&installation.derive("nobodies")),
            nonces: Nonces::new(&installation.derive("DPoP nonces")),
            client_keys: ClientKeys::default(),
            ciba: config.ciba.clone(),
            tokens: config.tokens.clone(),
            authenticators: config.authenticators.clone(),
            conformance: config.conformance.clone(),
            registration: config.registration.enabled.then(|| config.registration.clone()),
            details: DetailTypes::default(),
            hint_issuers: HintIssuers::open(&config.ciba.login_hint_token_issuers, directory.path())
                .map_err(|what| anyhow::anyhow!("ciba.login_hint_token_issuers: {what}"))?,
            notify: config.notify.clone(),
            demo: self.demo,
            limits: Limits::new(&config.limits),
            code_turns: Arc::default(),
            paces: Paces::default(),
            tally: Tally::default(),
            origins: Origins::default(),
            stopping: stopping.clone(),
        });
        let decider: Weak<dyn Decider> = Arc::<Flow>::downgrade(&flow);
        runtime.decided_by(decider);
        let operator = Operator::of(Arc::clone(&flow));
        let admin_token = directory.admin_token(random)?;
        let sessions = Arc::new(Sessions::default());
        let demo = if self.demo {
            let plugins = listeners.plugins.as_ref().map(TcpListener::local_addr).transpose()?;
            let world = demo::World { directory: &directory, samples: self.samples.as_deref(), public, admin, plugins };
            Some(world.make(&flow, &operator, &door).await?)
        } else {
            None
        };
        keys::look_after(flow.keys.clone(), clock.clone(), stopping.clone());
        declared::watch(&flow, directory.declared_for(&config), stopping.clone()).await?;
        flow.warn_of_unserved().await?;
        let watching = runtime.watch_folder().await?;
        let worker = Worker::start(&flow);
        let app = App::from(Parts {
            metrics: Arc::new(Metrics::of(&flow, config.traces.follow)),
            flow,
            operator,
            name: config.name.as_str().into(),
            sessions,
            admin_token: Arc::new(AdminToken(Digest::of(admin_token.as_bytes()))),
            demo: demo.clone(),
            conformance: Conformance::of(&config.conformance, &config.outbound.client_networks, config.limits.relaxed()).map(Arc::new),
            not_encrypted: false,
            certificates: mtls.is_some() || config.proxy.client_cert,
            secure: issuer.starts_with("https://"),
        });
        directory.announce(&Running { pid: std::process::id(), admin })?;
        let peers = Peers { proxy: config.proxy.clone(), authorities: security.authorities.clone(), clock: clock.clone() };
        let serving = listeners.serve(&app, &config, &issuer, &security, Arc::new(peers), &stopping)?;
        let fresh = tokio::spawn(tls::keep_fresh(security.own, security.authorities, move || clock.now()));
        match &demo {
            Some(demo) => demo::say(demo, &app, self.phone.is_some()).await?,
            None => say(&directory, &config, &issuer, mtls.as_deref(), admin),
        }
        signals.heard().await;
        tracing::info!("stopping: answers in flight leave first");
        let _ = stop.send(true);
        drop(watching);
        fresh.abort();
        for listener in serving {
            let _ = listener.await;
        }
        worker.drain(DRAIN).await;
        tracing::info!("stopped");
        Ok(())
    }

    async fn listeners(&self, config: &Config) -> anyhow::Result<Listeners> {
        let public = bind(config.listen.public, "public").await?;
        let phone = match self.phone {
            Some(address) => Some(bind(address, "phone").await?),
            None => None,
        };
        // In the demo, the next free port is as good as the one that was meant.
        let open = async |address, what| if self.demo { bind_next(address, what).await } else { bind(address, what).await };
        let device = match config.listen.device {
            Some(address) => Some(open(address, "device").await?),
            None => None,
        };
        let mtls = match config.listen.mtls {
            Some(address) => Some(open(address, "mtls").await?),
            None => None,
        };
        let admin = open(config.listen.admin, "admin").await?;
        let plugins = match config.listen.plugins {
            Some(address) => Some(open(address, "plugins").await?),
            None if self.demo => Some(open(config.listen.admin, "plugins").await?),
            None => None,
        };
        Ok(Listeners { public, device, mtls, admin, plugins, phone })
    }
}

impl Listeners {
    /// Starts serving on all of them.
    fn serve(
        self,
        app: &App,
        config: &Config,
        issuer: &str,
        security: &Security,
        peers: Arc<Peers>,
        stopping: &watch::Receiver<bool>,
    ) -> anyhow::Result<Vec<tokio::task::JoinHandle<()>>> {
        let mut names = config.listen.hosts.clone();
        for url in [&config.listen.device_url, &config.listen.mtls_url] {
            names.extend(url.split_once("://").map(|(_, authority)| authority.to_owned()));
        }
        let hosts = |listener: &TcpListener| -> anyhow::Result<Hosts> { Ok(Hosts::of(listener.local_addr()?, issuer, &names)) };
        let start = |listener, tls, routes| tokio::spawn(serve(listener, tls, routes, Arc::clone(&peers), stopping.clone()));
        let tls = security.acceptor(false);
        let mut serving = vec![
            {
                let routes = http::public(app.clone(), hosts(&self.public)?, self.device.is_none());
                start(self.public, tls.clone(), routes)
            },
            {
                // The admin listener is plain HTTP, whatever stands in front of the public one.
                let routes = http::admin(App::from(Parts { secure: false, ..Parts::clone(app) }), hosts(&self.admin)?);
                start(self.admin, None, routes)
            },
        ];
        if let Some(listener) = self.device {
            let routes = http::device(app.clone(), hosts(&listener)?);
            serving.push(start(listener, tls, routes));
        }
        if let Some(listener) = self.mtls {
            // Without the device page: a browser would ask its person for a certificate.
            let mut hosts = hosts(&listener)?;
            hosts.add(app.flow.mtls.as_deref());
            serving.push(start(listener, security.acceptor(true), http::public(app.clone(), hosts, false)));
        }
        if let Some(listener) = self.plugins {
            // Under no name that the device page has: what a plugin serves must be of another origin.
            let ours = [issuer, &config.listen.device_url].map(|url| url.split_once("://").map_or("", |(_, authority)| authority));
            let own: Vec<String> = config.listen.hosts.iter().filter(|name| !ours.contains(&name.as_str())).cloned().collect();
            let routes = http::plugins(app.clone(), Hosts::of(listener.local_addr()?, "", &own));
            serving.push(start(listener, None, routes));
        }
        if let Some(listener) = self.phone {
            let app = App::from(Parts { not_encrypted: true, secure: false, ..Parts::clone(app) });
            let routes = http::device(app, hosts(&listener)?);
            serving.push(start(listener, None, routes));
        }
        Ok(serving)
    }
}

fn say(directory: &DataDirectory, config: &Config, issuer: &str, mtls: Option<&str>, admin: SocketAddr) {
    println!("issuer   {issuer}");
    if let Some(mtls) = mtls {
        println!("mtls     {mtls}");
    }
    println!("console  http://{admin}/  (sign in: ciba-host console --data {})", directory.path().display());
    if let Some(address) = config.conformance.address() {
        // To the terminal alone: the path may be a secret, and logs are read by many.
        println!("decide   {issuer}{address}?auth_req_id={{auth_req_id}}&action={{action}}");
    }
    println!("plugins  {}", directory.path().join(&config.plugins.folder).display());
    println!("ready");
}

fn log_to_standard_error(config: &Config, exporter: Option<&Exporter>) -> anyhow::Result<()> {
    // wasmtime's own words about what a guest does wrong would pass every limit on what a plugin may log. They can be
    // asked for by name. Spans are for whoever traces.
    let filter = EnvFilter::try_new(format!("wasmtime_wasi_http=off,wasmtime_wasi=off,{SPAN}=off,{}", config.log.filter))
        .with_context(|| format!("log.filter: `{}` is not a filter; write for example info", config.log.filter))?;
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let log = match config.log.format {
        LogFormat::Text => log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).with_filter(filter).boxed(),
        LogFormat::Json => log.json().with_filter(filter).boxed(),
    };
    tracing_subscriber::registry().with(log).with(exporter.map(Exporter::layer)).init();
    Ok(())
}

/// Somebody wants the host to stop: heard from the moment this is made, so that no signal after "ready" is missed.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn heard(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
