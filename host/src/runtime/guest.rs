//! One call's worth of host: what the guest sees of the transaction, and every import it can call.

use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{FieldMap, RequestOptions, WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::call_log::CallLog;
use super::capabilities::{House, Unwritten};
use super::contract::ciba::interception::refusals::Refusal;
use super::contract::ciba::interception::{credentials, decisions, events, inbox, log, refusals, secrets, settings, storage, transactions};
use super::contract::drafts;
use super::given::Given;
use super::hooks::ObservedEvent;
use super::http::Outgoing;
use super::limits::{self, Budget, CallLimits};
use super::printed::Printed;
use super::running::Running;
use super::shared::LogLevel;
use super::transaction::{DeviceView, EvidenceView, TransactionView};

/// What a `transaction` handle stands for. There is one per call, so it holds nothing of its own.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct TransactionHandle(pub(super) Arc<TransactionView>);
/// What a `device` handle stands for.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct DeviceHandle(DeviceView);
/// What an `evidence` handle stands for.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct EvidenceHandle(pub(super) EvidenceView);
/// What an `event` handle stands for.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct EventHandle(pub(super) ObservedEvent);

/// What a `bucket` handle of `wasi:keyvalue` stands for: all that the plugin keeps.
#[derive(Default)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct BucketHandle {
    /// With which key each page of keys ended that it gave: a cursor is the number of such a page.
    pub(super) pages: Vec<String>,
}

/// A plugin's wish to put the request on the device page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxMessage {
    /// Its note.
    pub note: Option<String>,
}

/// The state of one store. Most of it is made for one call and ends with it, also where the instance is kept.
pub struct Guest {
    pub(super) table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    pub(super) outgoing: Outgoing,
    pub(super) budget: Budget,
    pub(super) log: Arc<CallLog>,
    pub(super) given: Arc<Given>,
    pub(super) house: Arc<House>,
    pub(super) limits: CallLimits,
    /// Which hook is called; none while it is tried.
    pub(super) hook: &'static str,
    /// How many decisions it submitted.
    pub(super) decisions: u32,
    /// How often it asked for what is stored.
    pub(super) storage_calls: u32,
    /// How often it asked for a credential.
    pub(super) credential_calls: u32,
    /// What it would have written, had it not been a shadow.
    pub(super) unwritten: Unwritten,
    /// What the hook asked for; it happens when the hook has ended well.
    pub(super) inbox: Option<InboxMessage>,
    /// What the guest printed.
    pub(super) printed: Printed,
    /// How long it has been computing, and whether that was too long.
    pub(super) running: Running,
    pub(super) out_of_time: bool,
}

impl Guest {
    pub(super) fn new(log: Arc<CallLog>, given: Arc<Given>, house: Arc<House>, outgoing: Outgoing, limits: CallLimits) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits::HANDLES);
        let printed = Printed::default();
        // Nothing allows sockets: each would be a file of this process, whatever address it may not reach.
        let wasi = WasiCtxBuilder::new()
            .stdout(printed.clone())
            .stderr(printed.clone())
            .allow_tcp(false)
            .allow_udp(false)
            .max_random_size(limits::RANDOM_BYTES)
            .build();
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(limits::HTTP_FIELDS_BYTES);
        Self {
            table,
            wasi,
            http,
            outgoing,
            budget: Budget::new(&limits),
            log,
            given,
            house,
            limits,
            hook: "",
            decisions: 0,
            storage_calls: 0,
            credential_calls: 0,
            unwritten: Unwritten::default(),
            inbox: None,
            printed,
            running: Running::new(),
            out_of_time: false,
        }
    }

    /// Makes it the guest of the instance's next call.
    pub(super) fn renew(&mut self, log: Arc<CallLog>, outgoing: Outgoing) {
        // Without `..`: whoever adds something says here whether it is the call's or the instance's.
        let Self {
            table: _,
            wasi: _,
            http: _,
            given: _,
            house: _,
            limits: _,
            outgoing: old_outgoing,
            budget,
            log: old_log,
            // Said by whoever calls.
            hook: _,
            decisions,
            storage_calls,
            credential_calls,
            unwritten,
            inbox,
            printed,
            running,
            out_of_time,
        } = self;
        (*old_log, *old_outgoing) = (log, outgoing);
        // What it has of memory still counts.
        budget.exhausted = false;
        (*decisions, *storage_calls, *credential_calls, *inbox, *out_of_time) = (0, 0, 0, None, false);
        running.begin_again();
        *unwritten = Unwritten::default();
        printed.clear();
    }

    /// Whether nothing of the call can be reached any more by what the guest still holds: a handle that it kept would
    /// lead to what another call has at the same place. Its standard streams are no call's; headers are the guest's own,
    /// which JavaScript lets go of when it collects; and the options of a request that was sent only wasmtime still holds.
    pub(super) fn has_let_go(&mut self) -> bool {
        let mut left = 0;
        let harmless = self.table.iter_mut().all(|entry| {
            left += 1;
            // A stream of an HTTP message is never here without the message, nor a pollable without what is waited for. A
            // bucket is the plugin's whatever it is called for.
            let stream = entry.is::<DynOutputStream>() || entry.is::<DynInputStream>() || entry.is::<DynPollable>();
            stream || entry.is::<FieldMap>() || entry.is::<RequestOptions>() || entry.is::<BucketHandle>()
        });
        harmless && left <= limits::HANDLES_KEPT
    }

    /// Refuses by name, for the plugin and for the operator.
    pub(super) fn not_permitted(&self, permission: &str, option: &str) -> Refusal {
        self.log.refuse(permission, permission, &format!("ciba-host plugin allow {} {option}", self.log.shared.name));
        Refusal::NotPermitted(permission.to_owned())
    }

    pub(super) fn transaction(&self, handle: &Resource<TransactionHandle>) -> Arc<TransactionView> {
        self.held(handle, |handle| Arc::clone(&handle.0))
    }

    /// `read` of what the guest holds for the length of the call, so that it cannot be gone.
    fn held<H: Send + 'static, T: Default>(&self, handle: &Resource<H>, read: impl FnOnce(&H) -> T) -> T {
        self.table.get(handle).map(read).unwrap_or_default()
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.outgoing, table: &mut self.table, ctx: &mut self.http }
    }
}

/// Gives guests what the contract promises them.
pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    transactions::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    refusals::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    events::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    log::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    settings::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    inbox::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    storage::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    secrets::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    credentials::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    drafts::wasi::keyvalue::store::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    drafts::wasi::keyvalue::atomics::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    drafts::wasi::keyvalue::batch::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    drafts::wasi::config::store::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    drafts::wasi::logging::logging::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    decisions::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
}

impl refusals::Host for Guest {}
impl transactions::Host for Guest {}

impl transactions::HostTransaction for Guest {
    fn id(&mut self, this: Resource<TransactionHandle>) -> String {
        self.transaction(&this).id.0.clone()
    }

    fn client_id(&mut self, this: Resource<TransactionHandle>) -> Option<String> {
        self.transaction(&this).client_id.clone()
    }

    fn client_name(&mut self, this: Resource<TransactionHandle>) -> Option<String> {
        self.transaction(&this).client_name.clone()
    }

    fn user_id(&mut self, this: Resource<TransactionHandle>) -> Option<String> {
        self.transaction(&this).user_id.clone()
    }

    fn user_name(&mut self, this: Resource<TransactionHandle>) -> Option<String> {
        self.transaction(&this).user_name.clone()
    }

    fn scopes(&mut self, this: Resource<TransactionHandle>) -> Vec<String> {
        self.transaction(&this).scopes.clone()
    }

    fn scopes_in_words(&mut self, this: Resource<TransactionHandle>) -> Vec<String> {
        let transaction = self.transaction(&this);
        if let Some(words) = &transaction.scopes_in_words {
            return words.clone();
        }
        transaction.scopes.iter().map(|value| crate::protocol::scope::in_words(value, transaction.locale.as_deref())).collect()
    }

    fn acr_values(&mut self, this: Resource<TransactionHandle>) -> Vec<String> {
        self.transaction(&this).acr_values.clone()
    }

    fn authorization_details(&mut self, this: Resource<TransactionHandle>) -> Option<String> {
        self.transaction(&this).authorization_details.clone()
    }

    fn details_in_words(&mut self, this: Resource<TransactionHandle>) -> Vec<String> {
        self.transaction(&this).details_in_words.clone()
    }

    fn request_context(&mut self, this: Resource<TransactionHandle>) -> Option<String> {
        self.transaction(&this).request_context.clone()
    }

    fn resources(&mut self, this: Resource<TransactionHandle>) -> Vec<String> {
        self.transaction(&this).resources.clone()
    }

    fn binding_message(&mut self, this: Resource<TransactionHandle>) -> Option<String> {
        self.transaction(&this).binding_message.clone()
    }

    fn expires_at(&mut self, this: Resource<TransactionHandle>) -> Option<u64> {
        self.transaction(&this).expires_at
    }

    fn locale(&mut self, this: Resource<TransactionHandle>) -> Option<String> {
        self.transaction(&this).locale.clone()
    }

    fn device(&mut self, this: Resource<TransactionHandle>) -> Option<Resource<DeviceHandle>> {
        let device = self.transaction(&this).device.clone()?;
        // A full table reads as "no device": the plugin asked for the same one a thousand times.
        self.table.push(DeviceHandle(device)).ok()
    }

    fn devices(&mut self, this: Resource<TransactionHandle>) -> Result<Vec<Resource<DeviceHandle>>, Refusal> {
        if !self.log.shared.permissions().devices {
            return Err(self.not_permitted("devices", "--devices"));
        }
        let devices = self.transaction(&this).devices.clone();
        let handed = devices.into_iter().map(|device| self.table.push(DeviceHandle(device))).collect::<Result<_, _>>();
        handed.map_err(|_| Refusal::OverLimit(format!("at most {} handles at once: drop some", limits::HANDLES)))
    }

    fn one_time_link(&mut self, this: Resource<TransactionHandle>) -> Result<String, Refusal> {
        if !self.log.shared.permissions().links {
            return Err(self.not_permitted("links", "--links"));
        }
        let transaction = self.transaction(&this);
        let link = transaction.one_time_link.as_ref();
        link.map(|link| link.to_string()).ok_or_else(|| Refusal::Unavailable("this request cannot be opened by a link".to_owned()))
    }

    fn drop(&mut self, this: Resource<TransactionHandle>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl transactions::HostDevice for Guest {
    fn id(&mut self, this: Resource<DeviceHandle>) -> String {
        self.held(&this, |device| device.0.id.clone())
    }

    fn name(&mut self, this: Resource<DeviceHandle>) -> String {
        self.held(&this, |device| device.0.name.clone())
    }

    fn channel(&mut self, this: Resource<DeviceHandle>) -> String {
        self.held(&this, |device| device.0.channel.clone())
    }

    fn address(&mut self, this: Resource<DeviceHandle>) -> Option<String> {
        self.held(&this, |device| device.0.address.clone())
    }

    fn drop(&mut self, this: Resource<DeviceHandle>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl transactions::HostEvidence for Guest {
    fn acr(&mut self, this: Resource<EvidenceHandle>) -> Option<String> {
        self.held(&this, |evidence| evidence.0.acr.clone())
    }

    fn amr(&mut self, this: Resource<EvidenceHandle>) -> Vec<String> {
        self.held(&this, |evidence| evidence.0.amr.clone())
    }

    fn device_id(&mut self, this: Resource<EvidenceHandle>) -> Option<String> {
        self.held(&this, |evidence| evidence.0.device_id.clone())
    }

    fn at(&mut self, this: Resource<EvidenceHandle>) -> u64 {
        self.held(&this, |evidence| evidence.0.at)
    }

    fn drop(&mut self, this: Resource<EvidenceHandle>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl events::Host for Guest {}

impl events::HostEvent for Guest {
    fn id(&mut self, this: Resource<EventHandle>) -> u64 {
        self.held(&this, |event| event.0.id)
    }

    fn kind(&mut self, this: Resource<EventHandle>) -> String {
        self.held(&this, |event| event.0.kind.clone())
    }

    fn at(&mut self, this: Resource<EventHandle>) -> u64 {
        self.held(&this, |event| event.0.at)
    }

    fn transaction_id(&mut self, this: Resource<EventHandle>) -> String {
        self.held(&this, |event| event.0.transaction_id.clone())
    }

    fn client_id(&mut self, this: Resource<EventHandle>) -> String {
        self.held(&this, |event| event.0.client_id.clone())
    }

    fn user_id(&mut self, this: Resource<EventHandle>) -> Option<String> {
        self.held(&this, |event| event.0.user_id.clone())
    }

    fn drop(&mut self, this: Resource<EventHandle>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl log::Host for Guest {
    fn write(&mut self, level: log::Level, message: String) {
        let level = match level {
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        self.log.write(level, &message);
    }
}

impl settings::Host for Guest {
    fn all(&mut self) -> String {
        self.given.settings.to_string()
    }

    fn get(&mut self, pointer: String) -> Option<String> {
        self.given.settings.pointer(&pointer).map(ToString::to_string)
    }
}
