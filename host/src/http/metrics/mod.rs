//! `GET /metrics` on the admin listener: how the host is doing, in OpenMetrics, which Prometheus reads.
//!
//! What a room counts it counts in plain atomics of its own, and is asked for when somebody looks; only requests, which
//! nobody else sees, are counted here.

mod house;
mod plugins;
mod requests;

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::registry::Registry;

use super::App;
use crate::flow::Flow;
pub(super) use requests::{Requests, Route};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that is measured.
pub struct Metrics {
    registry: Registry,
    pub(super) requests: Arc<Requests>,
    /// Whether the trace that a caller names is continued.
    pub(super) follow_traces: bool,
}

impl Metrics {
    /// Of this house.
    pub fn of(flow: &Arc<Flow>, follow_traces: bool) -> Self {
        let mut registry = Registry::with_prefix("ciba");
        let requests = Arc::new(Requests::register(&mut registry));
        let asked = |what: fn(&Flow, DescriptorEncoder<'_>) -> fmt::Result| Box::new(Asked { flow: Arc::clone(flow), what });
        registry.register_collector(asked(house::encode));
        registry.register_collector(asked(plugins::encode));
        Self { registry, requests, follow_traces }
    }
}

/// The handler.
pub(super) async fn metrics(State(app): State<App>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &app.metrics.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        // A String takes whatever is written.
        Err(fmt::Error) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// A room that is asked when somebody looks.
struct Asked {
    flow: Arc<Flow>,
    what: fn(&Flow, DescriptorEncoder<'_>) -> fmt::Result,
}

impl fmt::Debug for Asked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Asked")
    }
}

impl Collector for Asked {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        (self.what)(&self.flow, encoder)
    }
}

/// One value under a name of its own.
fn one(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: &impl EncodeMetric) -> fmt::Result {
    value.encode(encoder.encode_descriptor(name, help, None, value.metric_type())?)
}

/// The values of one name, each under its labels.
fn family<M: EncodeMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    labels: &[&'static str],
    values: impl IntoIterator<Item = (Vec<String>, M)>,
) -> fmt::Result {
    let mut values = values.into_iter().peekable();
    let Some((_, first)) = values.peek() else { return Ok(()) };
    let mut metrics = encoder.encode_descriptor(name, help, None, first.metric_type())?;
    for (texts, value) in values {
        let labelled: Vec<(&str, String)> = labels.iter().copied().zip(texts).collect();
        value.encode(metrics.encode_family(&labelled)?)?;
    }
    Ok(())
}
