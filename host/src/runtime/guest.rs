//! One call's worth of host: what the guest sees of the transaction, and every import it can call.

use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::call_log::CallLog;
use super::contract::ciba::interception::refusals::Refusal;
use super::contract::ciba::interception::{inbox, log, refusals, settings, transactions};
use super::http::Outgoing;
use super::limits::{self, Budget, CallLimits};
use super::printed::Printed;
use super::shared::LogLevel;
use super::transaction::TransactionView;

/// The longest note on the device page, in characters.
const NOTE_CHARACTERS: usize = 120;

/// What a `transaction` handle stands for. There is one per call, so it holds nothing of its own.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct TransactionHandle(pub(super) Arc<TransactionView>);
/// What a `device` handle stands for.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct DeviceHandle(Arc<TransactionView>);

/// A plugin's wish to put the request on the device page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxMessage {
    /// Its note.
    pub note: Option<String>,
}

/// The state of one store: made for one call and dropped with it.
pub(super) struct Guest {
    pub(super) table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outgoing: Outgoing,
    pub(super) budget: Budget,
    pub(super) log: Arc<CallLog>,
    settings: Arc<serde_json::Value>,
    /// What the hook asked for; it happens when the hook has ended well.
    pub(super) inbox: Option<InboxMessage>,
    /// What the guest printed.
    pub(super) printed: Printed,
    /// Ticks in which the guest was running.
    pub(super) ticks: u32,
}

impl Guest {
    pub(super) fn new(log: Arc<CallLog>, settings: Arc<serde_json::Value>, outgoing: Outgoing, limits: &CallLimits) -> Self {
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
        Self { table, wasi, http, outgoing, budget: Budget::new(limits), log, settings, inbox: None, printed, ticks: 0 }
    }

    /// Refuses by name, for the plugin and for the operator.
    fn not_permitted(&self, permission: &str, option: &str) -> Refusal {
        self.log.refuse(permission, &format!("ciba-host plugin allow {} {option}", self.log.shared.name));
        Refusal::NotPermitted(permission.to_owned())
    }

    fn transaction(&self, handle: &Resource<TransactionHandle>) -> Arc<TransactionView> {
        // The guest borrows it for the length of the call, so that it cannot be gone.
        self.table.get(handle).map_or_else(|_| Arc::default(), |handle| Arc::clone(&handle.0))
    }

    fn device_of(&self, handle: &Resource<DeviceHandle>) -> Arc<TransactionView> {
        self.table.get(handle).map_or_else(|_| Arc::default(), |handle| Arc::clone(&handle.0))
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
    log::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    settings::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    inbox::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
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
        let transaction = self.transaction(&this);
        transaction.device.as_ref()?;
        // A full table reads as "no device": the plugin asked for the same one a thousand times.
        self.table.push(DeviceHandle(transaction)).ok()
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
        self.device_of(&this).device.as_ref().map(|device| device.id.clone()).unwrap_or_default()
    }

    fn name(&mut self, this: Resource<DeviceHandle>) -> String {
        self.device_of(&this).device.as_ref().map(|device| device.name.clone()).unwrap_or_default()
    }

    fn channel(&mut self, this: Resource<DeviceHandle>) -> String {
        self.device_of(&this).device.as_ref().map(|device| device.channel.clone()).unwrap_or_default()
    }

    fn address(&mut self, this: Resource<DeviceHandle>) -> Option<String> {
        self.device_of(&this).device.as_ref().and_then(|device| device.address.clone())
    }

    fn drop(&mut self, this: Resource<DeviceHandle>) -> wasmtime::Result<()> {
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
        self.settings.to_string()
    }

    fn get(&mut self, pointer: String) -> Option<String> {
        self.settings.pointer(&pointer).map(ToString::to_string)
    }
}

impl inbox::Host for Guest {
    fn put(&mut self, tx: Resource<TransactionHandle>, note: Option<String>) -> Result<(), Refusal> {
        if !self.log.shared.permissions().inbox {
            return Err(self.not_permitted("inbox", "--inbox"));
        }
        if !self.transaction(&tx).can_be_shown {
            return Err(Refusal::Unavailable("this request has no device page here".to_owned()));
        }
        let note = note.map(|note| note.trim().to_owned()).filter(|note| !note.is_empty());
        if let Some(note) = &note {
            let characters = note.chars().count();
            if characters > NOTE_CHARACTERS {
                return Err(Refusal::OverLimit(format!("the note has {characters} characters; at most {NOTE_CHARACTERS} are shown")));
            }
            if note.chars().any(crate::protocol::binding_message::is_unshowable) {
                return Err(Refusal::Other("the note has a character that is invisible or changes how the rest is shown".to_owned()));
            }
        }
        self.inbox = Some(InboxMessage { note });
        Ok(())
    }
}
