//! `wasi:http/incoming-handler`: somebody outside calls the plugin. The only hook that is not the contract's own.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use tokio::sync::oneshot;
use wasmtime::Store;
use wasmtime::component::Instance;
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;

use super::super::guest::Guest;
use super::super::version::{CallFailure, Callable};
use super::Hook;

pub(in super::super) use wasmtime_wasi_http::p2::bindings::exports::wasi::http::incoming_handler::GuestIndices;

/// How long what the guest has written may take to arrive here, once it has ended. It lies in this process.
const LINGER: Duration = Duration::from_millis(100);

/// Calls the plugin with a request from outside: whole, and with nothing left of it that the plugin must not see.
pub struct Inbound {
    /// The request. Its address has scheme and authority.
    pub request: http::Request<Bytes>,
}

impl Hook for Inbound {
    const NAME: &'static str = "incoming-handler";
    type Answer = http::Response<Bytes>;

    async fn call(
        self,
        plugin: &Callable,
        store: &mut Store<Guest>,
        instance: &Instance,
    ) -> wasmtime::Result<Result<Self::Answer, CallFailure>> {
        let Some(indices) = &plugin.hooks.incoming_handler else { return Ok(Err(CallFailure::NoHook(Self::NAME))) };
        let guest = indices.load(&mut *store, instance)?;
        let (answers, answer) = oneshot::channel();
        let scheme = if self.request.uri().scheme() == Some(&http::uri::Scheme::HTTP) { Scheme::Http } else { Scheme::Https };
        let request = store.data_mut().http().new_incoming_request(scheme, self.request.map(Full::new))?;
        let outparam = store.data_mut().http().new_response_outparam(answers)?;

        // Its answer is taken while it writes it: it may be longer than what it can put down at once.
        let mut collecting = std::pin::pin!(collect(answer, (plugin.limits.http_response_kib as usize) << 10));
        let mut calling = std::pin::pin!(guest.call_handle(&mut *store, request, outparam));
        let collected = tokio::select! {
            ended = &mut calling => {
                ended?;
                let ended = tokio::time::timeout(LINGER, collecting).await;
                ended.unwrap_or_else(|_| Err(CallFailure::Answer("ended before its answer did".to_owned())))
            }
            // It may have more to do than to answer.
            collected = &mut collecting => {
                calling.await?;
                collected
            }
        };
        Ok(collected)
    }
}

type Answer = oneshot::Receiver<
    Result<hyper::Response<wasmtime_wasi_http::p2::body::HyperOutgoingBody>, wasmtime_wasi_http::p2::bindings::http::types::ErrorCode>,
>;

/// The whole answer, if it is not longer than this.
async fn collect(answer: Answer, most: usize) -> Result<http::Response<Bytes>, CallFailure> {
    let answer = match answer.await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(CallFailure::Answer(format!("answered with the error {error:?}"))),
        Err(_) => return Err(CallFailure::Answer("did not answer".to_owned())),
    };
    let (parts, body) = answer.into_parts();
    match Limited::new(body, most).collect().await {
        Ok(body) => Ok(http::Response::from_parts(parts, body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(CallFailure::Size(format!("answered with more than {} KiB (http_response_kib)", most >> 10)))
        }
        Err(error) => Err(CallFailure::Answer(format!("answered with a body that broke off: {error}"))),
    }
}
