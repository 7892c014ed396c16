//! What plugins may know of a request.

use super::Flow;
use crate::protocol::client::Client;
use crate::protocol::transaction::Request;
use crate::protocol::user::Device;
use crate::runtime::{DeviceView, TransactionView, Turn};
use crate::store::{Parties, StoreError};

impl Flow {
    /// A request as plugins see it: what costs something to find is found only for one that may have it. `device` is the one
    /// that a call is for.
    pub async fn view(&self, turn: &Turn, request: &Request, parties: &Parties, device: Option<&Device>) -> TransactionView {
        let allowed = turn.permissions();
        let devices = if allowed.devices { self.store.devices(&request.user).await.unwrap_or_default() } else { Vec::new() };
        let particulars = request.particulars();
        let details = particulars.authorization_details;
        TransactionView {
            id: request.transaction.clone(),
            client_id: Some(request.client.0.clone()),
            client_name: parties.client_name.clone(),
            user_id: Some(request.user.0.clone()).filter(|_| parties.user_name.is_some()),
            user_name: parties.user_name.clone(),
            scopes: request.scope.split(' ').map(str::to_owned).collect(),
            scopes_in_words: None,
            acr_values: request.acr_values.clone(),
            details_in_words: details.as_ref().map(|details| self.details.in_words(details, parties.locale.as_deref())).unwrap_or_default(),
            authorization_details: details.map(|details| details.to_string()),
            request_context: particulars.request_context.map(|context| context.to_string()),
            resources: particulars.resource,
            binding_message: request.binding_message.clone(),
            expires_at: u64::try_from(request.expires_at.as_second()).ok(),
            locale: parties.locale.clone(),
            device: device.map(seen),
            devices: devices.iter().map(seen).collect(),
            one_time_link: allowed.links.then(|| self.links.to(&request.transaction)),
            can_be_shown: true,
        }
    }

    /// Who has to do with a request, as far as plugins may know.
    pub(super) async fn parties(&self, request: &Request) -> Result<Parties, StoreError> {
        let client = self.registered(&request.client).await?.filter(Client::is_vouched_for);
        let user = self.store.user(&request.user).await?;
        let (user_name, locale) = user.map_or((None, None), |user| (Some(user.name), user.locale));
        Ok(Parties { client_name: client.map(|client| client.name().to_owned()), user_name, locale })
    }
}

/// A device as plugins see it.
fn seen(device: &Device) -> DeviceView {
    DeviceView { id: device.id.0.clone(), name: device.name.clone(), channel: device.channel.clone(), address: device.address.clone() }
}
