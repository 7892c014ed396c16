//! Requests, by route and answer.

use std::time::Duration;

use axum::http::Method;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds in seconds: an answer takes a tenth of a millisecond, a held poll half a minute.
const BOUNDS: [f64; 14] = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

/// Which of our addresses was asked for, and how. Of few values: what others write is in none of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(in crate::http) struct Route {
    pub(in crate::http) method: &'static str,
    /// As it stands in the code: `/clients/{id}`.
    pub(in crate::http) route: String,
}

impl Route {
    /// `matched` is none for an address that there is not.
    pub(in crate::http) fn new(method: &Method, matched: Option<&str>) -> Self {
        let method = match *method {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            Method::OPTIONS => "OPTIONS",
            _ => "other",
        };
        Self { method, route: matched.unwrap_or("none").to_owned() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: String,
    /// The HTTP status; `hung-up` where whoever asked did not wait for it.
    status: String,
    /// The protocol's error code, or nothing.
    error: &'static str,
}

/// Counts requests.
#[derive(Debug)]
pub(in crate::http) struct Requests {
    answered: Family<Answered, Counter>,
    took: Family<Route, Histogram, fn() -> Histogram>,
}

impl Requests {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let this = Self { answered: Family::default(), took: Family::new_with_constructor(|| Histogram::new(BOUNDS)) };
        registry.register("http_requests", "Requests, by route, status and error code", this.answered.clone());
        let what = "From a request's head to its answer's; held polls wait in it";
        registry.register_with_unit("http_request_duration", what, Unit::Seconds, this.took.clone());
        this
    }

    pub(in crate::http) fn count(&self, route: &Route, ended: Option<(u16, Option<&'static str>)>, took: Duration) {
        let (status, error) = ended.map_or_else(|| ("hung-up".to_owned(), None), |(status, error)| (status.to_string(), error));
        let answered = Answered { method: route.method, route: route.route.clone(), status, error: error.unwrap_or_default() };
        self.answered.get_or_create(&answered).inc();
        self.took.get_or_create(route).observe(took.as_secs_f64());
    }
}
