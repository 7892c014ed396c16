//! The contract as Rust types, generated from `wit/`. Nothing outside this room sees them.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "every-hook",
    imports: {
        "ciba:interception/storage": async,
        "ciba:interception/credentials": async,
        "ciba:interception/decisions": async,
    },
    exports: { default: async },
    with: {
        "wasi:io": wasmtime_wasi::p2::bindings::io,
        "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
        "wasi:random": wasmtime_wasi::p2::bindings::random,
        "wasi:http": wasmtime_wasi_http::p2::bindings::http,
        "ciba:interception/transactions.transaction": super::guest::TransactionHandle,
        "ciba:interception/transactions.device": super::guest::DeviceHandle,
        "ciba:interception/transactions.evidence": super::guest::EvidenceHandle,
        "ciba:interception/events.event": super::guest::EventHandle,
    },
});

/// The drafts of WASI that are served as well.
pub(super) mod drafts {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "drafts",
        imports: {
            "wasi:keyvalue/store": async,
            "wasi:keyvalue/store.[drop]bucket": async,
            "wasi:keyvalue/atomics": async,
            "wasi:keyvalue/batch": async,
        },
        with: {
            "wasi:keyvalue/store.bucket": super::super::guest::BucketHandle,
        },
    });
}
