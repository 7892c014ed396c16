//! Serves `notify` of a contract that this host does not know yet.

#![expect(unsafe_code, reason = "what `wit-bindgen` exports it by")]

wit_bindgen::generate!({
    inline: "
        package ciba:interception@2.0.0;

        interface notify {
            notify: func(transaction: string) -> string;
        }

        world plugin-world {
            export notify;
        }
    ",
});

struct Guest;

impl exports::ciba::interception::notify::Guest for Guest {
    fn notify(transaction: String) -> String {
        transaction
    }
}

export!(Guest);
