//! `inbox`: the device page of the person who is asked.

use wasmtime::component::Resource;

use super::super::contract::ciba::interception::inbox::Host;
use super::super::contract::ciba::interception::refusals::Refusal;
use super::super::guest::{Guest, InboxMessage, TransactionHandle};
use super::super::withheld::ActKind;
use crate::protocol::note::Note;

impl Host for Guest {
    fn put(&mut self, tx: Resource<TransactionHandle>, note: Option<String>) -> Result<(), Refusal> {
        if !self.log.shared.permissions().inbox {
            return Err(self.not_permitted("inbox", "--inbox"));
        }
        if !self.transaction(&tx).can_be_shown {
            return Err(Refusal::Unavailable("this request has no device page here".to_owned()));
        }
        let note = note.filter(|note| !note.trim().is_empty()).map(|note| Note::parse(&note)).transpose();
        let note = note.map_err(Refusal::Other)?.map(Note::into_text);
        // A shadow's is only compared.
        self.log.withholds(ActKind::Inbox, || if note.is_some() { "the device page, with a note" } else { "the device page" }.to_owned());
        self.inbox = Some(InboxMessage { note });
        Ok(())
    }
}
