//! Spans leave the house: by OTLP over HTTP, in batches, from a thread of their own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use super::SPAN;

/// Where OTLP over HTTP takes spans, below a collector's address.
const PATH: &str = "/v1/traces";
/// How long a batch waits for more, and how long a collector has to take it.
const WAITS: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(10);
/// Spans that wait to leave. Beyond them they are dropped: a collector that is away costs no memory and holds nobody up.
const WAITING: usize = 8_192;

/// Sends one batch. Handed in, because what leaves the house leaves by its one door.
pub type Sender = Arc<dyn Fn(Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, SendError>> + Send + Sync>;
/// Why a batch did not arrive.
pub use opentelemetry_http::HttpError as SendError;

/// Sends spans to a collector until it is told to end.
pub struct Exporter(SdkTracerProvider);

impl Exporter {
    /// `share` of all traces, from 0 to 1, goes to the collector at `address`. Which ones follows from their identifiers
    /// alone, so that all programs with the same share send the same ones.
    ///
    /// # Errors
    /// When the address is none, or the thread cannot be started.
    pub fn start(address: &str, share: f64, send: Sender) -> anyhow::Result<Self> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Out(send))
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}{PATH}", address.trim_end_matches('/')))
            .with_timeout(PATIENCE)
            .build()
            .context("traces cannot be sent")?;
        let batches = BatchConfigBuilder::default().with_max_queue_size(WAITING).with_scheduled_delay(WAITS).build();
        let resource = Resource::builder_empty()
            .with_service_name(env!("CARGO_PKG_NAME"))
            .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
            .with_sampler(Sampler::TraceIdRatioBased(share))
            .with_resource(resource)
            .build();
        Ok(Self(provider))
    }

    /// What hears of spans and hands them over.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer(env!("CARGO_PKG_NAME")))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target() == SPAN))
    }

    /// Sends what waits, and ends. It blocks for as long as the collector takes, `patience` at most.
    pub fn end(self, patience: Duration) {
        // Who does not take the last spans was said to be away before.
        let _ = self.0.shutdown_with_timeout(patience);
    }
}

struct Out(Sender);

impl fmt::Debug for Out {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Out")
    }
}

#[async_trait::async_trait]
impl HttpClient for Out {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        (self.0)(request).await
    }
}
