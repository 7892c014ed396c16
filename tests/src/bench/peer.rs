//! `oidc-provider` from npm as a target, in the same roles as `ciba-host`.

use anyhow::Result;

use crate::connection::{Connection, Origin};
use crate::device::Device;
use crate::load::{Endpoints, Flow};

pub const NAME: &str = "oidc-provider";

pub fn flows(endpoints: &Endpoints, issuer: &str, count: usize) -> Result<Vec<Flow>> {
    let (origin, _) = Origin::split(issuer)?;
    let flow = |number| {
        let device = Device::Route(Connection::new(origin.clone())?);
        Flow::new(endpoints, &format!("user{number}"), device)
    };
    (0..count).map(flow).collect()
}
