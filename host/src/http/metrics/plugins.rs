//! Plugins: what there is, and how each is doing.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::ConstCounter;

use super::family;
use crate::flow::Flow;

pub(super) fn encode(flow: &Flow, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
    let encoder = &mut encoder;
    let catalog = flow.runtime.catalog();
    let counted = |of: fn(&crate::runtime::Counters) -> u64| {
        let each = catalog
            .plugins()
            .map(move |(name, plugin)| (vec![name.to_string()], ConstCounter::new(of(&plugin.shared.tallied().counters()))));
        each.collect::<Vec<_>>()
    };
    family(encoder, "plugin_calls", "Calls of a plugin's hooks", &["plugin"], counted(|counters| counters.calls))?;
    family(encoder, "plugin_failures", "Calls that gave no answer", &["plugin"], counted(|counters| counters.failures))?;
    family(encoder, "plugin_refusals", "What it asked for without permission", &["plugin"], counted(|counters| counters.refused))
}
