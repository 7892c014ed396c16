//! `traceparent`, in and out.

use http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{SpanContext, TraceContextExt as _, TraceState};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Makes a span the child of the one that its caller names, if it names one.
pub fn follow(span: &Span, headers: &HeaderMap) {
    if span.is_disabled() {
        return;
    }
    let named = TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers));
    join(span, named.span().span_context());
}

/// Names a span to whoever is called, in the place of what stands there.
pub fn write(span: &Span, headers: &mut HeaderMap) {
    let Some(context) = of(span) else { return };
    let context = Context::new().with_remote_span_context(context);
    TraceContextPropagator::new().inject_context(&context, &mut HeaderInjector(headers));
    // It is there and empty by now, or the caller's own.
    headers.remove("tracestate");
}

/// What a span is called elsewhere. `None` where nobody listens.
pub(super) fn of(span: &Span) -> Option<SpanContext> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let own = context.span().span_context().clone();
    own.is_valid().then_some(own)
}

/// Makes a span the child of another one. What tracing systems on the way added for each other (`tracestate`) stays
/// behind: it would be handed on to whatever plugins call.
pub(super) fn join(span: &Span, parent: &SpanContext) {
    if !parent.is_valid() {
        return;
    }
    let parent = SpanContext::new(parent.trace_id(), parent.span_id(), parent.trace_flags(), true, TraceState::default());
    // Only a span that was entered has its parent already, and these are new.
    let _ = span.set_parent(Context::new().with_remote_span_context(parent));
}

/// Where something began, for what is done apart from it.
#[derive(Clone, Debug)]
pub struct Here(Option<SpanContext>);

impl Here {
    /// In the current span.
    pub fn now() -> Self {
        Self(of(&Span::current()))
    }

    /// Makes a span the child of that one.
    pub fn join(&self, span: &Span) {
        if let Some(parent) = &self.0 {
            join(span, parent);
        }
    }
}
