//! Sends forty requests without waiting for any, and then waits for all of them.

use ciba_guest::Outcome;
use ciba_guest::bindings::wasi::http::outgoing_handler;
use ciba_guest::bindings::wasi::http::types::{Fields, OutgoingRequest, Scheme};

hostile::notify!(|_, settings| {
    let authority = settings.url.trim_start_matches("http://").trim_end_matches('/');
    let sent: Vec<_> = (0..40)
        .map(|_| {
            let request = OutgoingRequest::new(Fields::new());
            let _ = request.set_scheme(Some(&Scheme::Http));
            let _ = request.set_authority(Some(authority));
            let _ = request.set_path_with_query(Some("/"));
            outgoing_handler::handle(request, None)
        })
        .collect();
    for future in sent.iter().flatten() {
        future.subscribe().block();
    }
    Ok(Outcome::accepted("answered"))
});
