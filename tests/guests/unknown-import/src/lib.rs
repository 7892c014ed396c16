//! A plugin like any other, but it needs something from the host that there is not.

use ciba_guest::Outcome;

wit_bindgen::generate!({
    inline: "
        package ciba:interception@1.0.0;

        interface telepathy {
            read-mind: func() -> string;
        }

        world telepathy-world {
            import telepathy;
        }
    ",
});

hostile::notify!(|_, _| Ok(Outcome::accepted(ciba::interception::telepathy::read_mind())));
