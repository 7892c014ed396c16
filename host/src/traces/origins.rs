//! The traces that requests began in.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use opentelemetry::trace::SpanContext;
use tracing::Span;

use super::context;

/// Requests whose trace is remembered: as many as are started in some seconds, or wait in a quiet house.
const KEPT: usize = 10_000;

/// In which trace each request was started, so that what is done for it later belongs to the same one. In memory, and
/// of the latest alone: losing one costs a trace its end.
#[derive(Debug, Default)]
pub struct Origins(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    of: HashMap<String, SpanContext>,
    /// The oldest first.
    order: VecDeque<String>,
}

impl Origins {
    /// Remembers that a request was started in the current span.
    pub fn remember(&self, transaction: &str) {
        let Some(context) = context::of(&Span::current()) else { return };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.order.len() >= KEPT
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.of.remove(&oldest);
        }
        if kept.of.insert(transaction.to_owned(), context).is_none() {
            kept.order.push_back(transaction.to_owned());
        }
    }

    /// Makes a span part of the trace that the request was started in, where that is still known.
    pub fn join(&self, span: &Span, transaction: &str) {
        if span.is_disabled() {
            return;
        }
        let parent = self.0.lock().unwrap_or_else(PoisonError::into_inner).of.get(transaction).cloned();
        if let Some(parent) = parent {
            context::join(span, &parent);
        }
    }
}
