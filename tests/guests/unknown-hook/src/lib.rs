//! A plugin like any other, with one hook more than there is.

#![expect(unsafe_code, reason = "what `wit-bindgen` exports it by")]

use ciba_guest::Outcome;

wit_bindgen::generate!({
    inline: "
        package ciba:interception@1.0.0;

        interface telepathy {
            read-mind: func() -> string;
        }

        world telepathy-world {
            export telepathy;
        }
    ",
});

struct Telepathy;

impl exports::ciba::interception::telepathy::Guest for Telepathy {
    fn read_mind() -> String {
        String::new()
    }
}

export!(Telepathy);

hostile::notify!(|_, _| Ok(Outcome::accepted("")));
