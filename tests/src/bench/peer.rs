//! `oidc-provider` from npm as a target, in the same roles as `ciba-host`.

use anyhow::Result;

use ciba_tests::connection::{Connection, Origin};
use ciba_tests::device::Device;
use ciba_tests::load::{Endpoints, Flow};

pub const NAME: &str = "oidc-provider";

pub fn flows(endpoints: &Endpoints, issuer: &str, count: usize) -> Result<Vec<Flow>> {
    let (origin, _) = Origin::split(issuer)?;
    let flow = |number| {
        let device = Device::Route(Connection::new(origin.clone())?);
        Flow::new(endpoints, &format!("user{number}"), device)
    };
    (0..count).map(flow).collect()
}
