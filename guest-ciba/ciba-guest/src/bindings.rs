//! What `wit-bindgen` makes of the contract. Everything an author needs is re-exported from the root.

wit_bindgen::generate!({
    path: "../../wit",
    world: "imports",
    generate_all,
});

/// One world for each exported interface, so that a component claims no more than `plugin!` was told.
pub mod plugin {
    wit_bindgen::generate!({
        inline: "package ciba:exported; world exported-plugin { export ciba:interception/plugin@0.1.0; }",
        path: "../../wit",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export",
    });
}

pub mod notify {
    wit_bindgen::generate!({
        inline: "package ciba:exported; world exported-notify { export ciba:interception/notify@0.1.0; }",
        path: "../../wit",
        with: {
            "ciba:interception/transactions@0.1.0": crate::bindings::ciba::interception::transactions,
            "ciba:interception/refusals@0.1.0": crate::bindings::ciba::interception::refusals,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export",
    });
}

pub mod withdraw {
    wit_bindgen::generate!({
        inline: "package ciba:exported; world exported-withdraw { export ciba:interception/withdraw@0.1.0; }",
        path: "../../wit",
        with: {
            "ciba:interception/transactions@0.1.0": crate::bindings::ciba::interception::transactions,
            "ciba:interception/refusals@0.1.0": crate::bindings::ciba::interception::refusals,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export",
    });
}
