//! Where time goes: from a request through the plugins that it calls to what they send, and how that leaves the house.
//!
//! A room makes a span with `tracing::trace_span!` under the target [`SPAN`]. Where no collector is configured nobody
//! listens, and a span costs a look at a flag. From one program to the next a trace goes in `traceparent` (W3C Trace
//! Context): [`follow`] reads it, [`write`] writes it. What is done for a request after its answer finds the trace in
//! [`Origins`].

mod context;
mod export;
mod origins;

pub use context::{Here, follow, write};
pub use export::{Exporter, SendError, Sender};
pub use origins::Origins;

/// The target of spans. The log leaves them out.
pub const SPAN: &str = "span";
