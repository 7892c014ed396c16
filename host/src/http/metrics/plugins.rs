//! Plugins: what there is, and how the calls of each went.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::family;
use crate::flow::Flow;
use crate::runtime::{HookTally, Latency, Plugin, Tallied};

/// Microseconds in a second.
const MICROS: f64 = 1_000_000.0;

pub(super) fn encode(flow: &Flow, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
    let encoder = &mut encoder;
    let catalog = flow.runtime.catalog();
    let states = catalog.plugins().map(|(name, plugin)| (vec![name.to_string()], ConstGauge::new(i64::from(plugin.serving.is_some()))));
    family(encoder, "plugin_serving", "Whether a version of it serves", &["plugin"], states)?;
    let versions = catalog.plugins().filter_map(|(name, plugin)| {
        let version = plugin.serving.as_ref()?;
        Some((vec![name.to_string(), version.description.version.clone(), version.digest.0.clone()], ConstGauge::new(1_i64)))
    });
    family(encoder, "plugin_version", "The version that serves; always 1", &["plugin", "version", "digest"], versions)?;

    let tallied: Vec<(String, Tallied)> = catalog.plugins().map(|(name, plugin)| (name.to_string(), plugin.shared.tallied())).collect();
    durations(encoder, &tallied)?;
    let failures = each_hook(&tallied).flat_map(|(plugin, hook)| {
        let by_word = hook.failures.iter();
        by_word.map(move |(word, count)| (vec![plugin.to_owned(), hook.hook.clone(), word.clone()], ConstCounter::new(*count)))
    });
    let what = "Calls that gave no answer, by the word of docs/errors.md; busy are those that found no place";
    family(encoder, "plugin_failures", what, &["plugin", "hook", "why"], failures)?;
    let memory = each_hook(&tallied).map(|(plugin, hook)| {
        (vec![plugin.to_owned(), hook.hook.clone()], ConstGauge::new(i64::try_from(hook.memory).unwrap_or(i64::MAX)))
    });
    family(encoder, "plugin_memory_peak_bytes", "The most memory that a call of this hook had", &["plugin", "hook"], memory)?;
    let refused = tallied.iter().flat_map(|(plugin, tallied)| {
        let by_kind = kinds(&tallied.refused).into_iter();
        by_kind.map(move |(kind, count)| (vec![plugin.clone(), kind.to_owned()], ConstCounter::new(count)))
    });
    family(encoder, "plugin_refusals", "What it asked for without permission", &["plugin", "permission"], refused)?;
    let in_flight = catalog.plugins().filter_map(|(name, plugin)| Some((vec![name.to_string()], calls_in_flight(plugin)?)));
    family(encoder, "plugin_calls_in_flight", "Calls that have not ended", &["plugin"], in_flight)
}

/// Without what a plugin wrote, such as the address that it tried to reach: that may hold anything it was told.
fn kinds(refused: &BTreeMap<String, u64>) -> BTreeMap<&str, u64> {
    let mut kinds = BTreeMap::new();
    for (what, count) in refused {
        *kinds.entry(what.split(' ').next().unwrap_or_default()).or_default() += count;
    }
    kinds
}

fn calls_in_flight(plugin: &Plugin) -> Option<ConstGauge<i64>> {
    let calls = plugin.serving.as_ref()?.calls_in_flight();
    Some(ConstGauge::new(i64::try_from(calls).unwrap_or(i64::MAX)))
}

fn each_hook(tallied: &[(String, Tallied)]) -> impl Iterator<Item = (&str, &HookTally)> {
    tallied.iter().flat_map(|(plugin, tallied)| tallied.hooks.iter().map(move |hook| (plugin.as_str(), hook)))
}

/// How long calls took: also how many there were.
fn durations(encoder: &mut DescriptorEncoder<'_>, tallied: &[(String, Tallied)]) -> fmt::Result {
    let what = "How long calls took that ran, waiting for a place not included";
    let mut metrics = encoder.encode_descriptor("plugin_call_duration", what, Some(&Unit::Seconds), MetricType::Histogram)?;
    for (plugin, hook) in each_hook(tallied) {
        let labels = [("plugin", plugin), ("hook", hook.hook.as_str())];
        let mut metric = metrics.encode_family(&labels)?;
        metric.encode_histogram::<NoLabelSet>(hook.micros as f64 / MICROS, hook.calls, &buckets(&hook.latency), None)?;
    }
    Ok(())
}

/// Upper bounds in seconds, the last one without an end, and what is in each bucket.
fn buckets(latency: &Latency) -> Vec<(f64, u64)> {
    latency.buckets().map(|(most, count)| (most.map_or(f64::INFINITY, |most| most as f64 / MICROS), count)).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_a_plugin_wrote_is_in_no_label() {
        let refused = [("http https://alice.example", 1), ("http https://482913.example", 2), ("reveal /alice", 4), ("inbox", 8)];
        let refused = refused.map(|(what, count)| (what.to_owned(), count)).into();
        assert_eq!(super::kinds(&refused), [("http", 3), ("inbox", 8), ("reveal", 4)].into());
    }
}
