//! What `wit-bindgen` makes of the contract. Everything an author needs is re-exported from the root.

wit_bindgen::generate!({
    path: "../../wit",
    world: "imports",
    generate_all,
});

/// One world for each exported interface, so that a component claims no more than `plugin!` was told.
pub mod plugin {
    wit_bindgen::generate!({
        inline: "package ciba:exported; world exported-plugin { export ciba:interception/plugin@1.0.0; }",
        path: "../../wit",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export",
    });
}

pub mod notify {
    wit_bindgen::generate!({
        inline: "package ciba:exported; world exported-notify { export ciba:interception/notify@1.0.0; }",
        path: "../../wit",
        with: {
            "ciba:interception/transactions@1.0.0": crate::bindings::ciba::interception::transactions,
            "ciba:interception/refusals@1.0.0": crate::bindings::ciba::interception::refusals,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export",
    });
}

pub mod withdraw {
    wit_bindgen::generate!({
        inline: "package ciba:exported; world exported-withdraw { export ciba:interception/withdraw@1.0.0; }",
        path: "../../wit",
        with: {
            "ciba:interception/transactions@1.0.0": crate::bindings::ciba::interception::transactions,
            "ciba:interception/refusals@1.0.0": crate::bindings::ciba::interception::refusals,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export",
    });
}

pub mod resolve_hint {
    wit_bindgen::generate!({
        inline: "package ciba:exported; world exported-resolve-hint { export ciba:interception/resolve-hint@1.0.0; }",
        path: "../../wit",
        with: {
            "ciba:interception/transactions@1.0.0": crate::bindings::ciba::interception::transactions,
            "ciba:interception/refusals@1.0.0": crate::bindings::ciba::interception::refusals,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export",
    });
}

pub mod verify_user_code {
    wit_bindgen::generate!({
        inline: "package ciba:exported; world exported-verify-user-code { export ciba:interception/verify-user-code@1.0.0; }",
        path: "../../wit",
        with: {
            "ciba:interception/transactions@1.0.0": crate::bindings::ciba::interception::transactions,
            "ciba:interception/refusals@1.0.0": crate::bindings::ciba::interception::refusals,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export",
    });
}

pub mod review_request {
    wit_bindgen::generate!({
        inline: "package ciba:exported; world exported-review-request { export ciba:interception/review-request@1.0.0; }",
        path: "../../wit",
        with: {
            "ciba:interception/transactions@1.0.0": crate::bindings::ciba::interception::transactions,
            "ciba:interception/refusals@1.0.0": crate::bindings::ciba::interception::refusals,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export",
    });
}

pub mod review_decision {
    wit_bindgen::generate!({
        inline: "package ciba:exported; world exported-review-decision { export ciba:interception/review-decision@1.0.0; }",
        path: "../../wit",
        with: {
            "ciba:interception/transactions@1.0.0": crate::bindings::ciba::interception::transactions,
            "ciba:interception/refusals@1.0.0": crate::bindings::ciba::interception::refusals,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export",
    });
}

pub mod issue_tokens {
    wit_bindgen::generate!({
        inline: "package ciba:exported; world exported-issue-tokens { export ciba:interception/issue-tokens@1.0.0; }",
        path: "../../wit",
        with: {
            "ciba:interception/transactions@1.0.0": crate::bindings::ciba::interception::transactions,
            "ciba:interception/refusals@1.0.0": crate::bindings::ciba::interception::refusals,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export",
    });
}

pub mod shape_introspection {
    wit_bindgen::generate!({
        inline: "package ciba:exported; world exported-shape-introspection { export ciba:interception/shape-introspection@1.0.0; }",
        path: "../../wit",
        with: {
            "ciba:interception/transactions@1.0.0": crate::bindings::ciba::interception::transactions,
            "ciba:interception/refusals@1.0.0": crate::bindings::ciba::interception::refusals,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export",
    });
}

pub mod register_client {
    wit_bindgen::generate!({
        inline: "package ciba:exported; world exported-register-client { export ciba:interception/register-client@1.0.0; }",
        path: "../../wit",
        with: {
            "ciba:interception/refusals@1.0.0": crate::bindings::ciba::interception::refusals,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export",
    });
}

pub mod observe {
    wit_bindgen::generate!({
        inline: "package ciba:exported; world exported-observe { export ciba:interception/observe@1.0.0; }",
        path: "../../wit",
        with: {
            "ciba:interception/events@1.0.0": crate::bindings::ciba::interception::events,
            "ciba:interception/refusals@1.0.0": crate::bindings::ciba::interception::refusals,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export",
    });
}

pub mod inbound {
    wit_bindgen::generate!({
        inline: "package ciba:exported; world exported-inbound { export wasi:http/incoming-handler@0.2.12; }",
        path: "../../wit",
        with: {
            "wasi:clocks/monotonic-clock@0.2.12": crate::bindings::wasi::clocks::monotonic_clock,
            "wasi:http/types@0.2.12": crate::bindings::wasi::http::types,
            "wasi:io/error@0.2.12": crate::bindings::wasi::io::error,
            "wasi:io/poll@0.2.12": crate::bindings::wasi::io::poll,
            "wasi:io/streams@0.2.12": crate::bindings::wasi::io::streams,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export",
    });
}
