//! A component that has nothing to do with us.

#![expect(unsafe_code, reason = "what `wit-bindgen` exports it by")]

wit_bindgen::generate!({
    inline: "
        package example:clock;

        interface greeting {
            greet: func(name: string) -> string;
        }

        world greeter {
            export greeting;
        }
    ",
});

struct Greeter;

impl exports::example::clock::greeting::Guest for Greeter {
    fn greet(name: String) -> String {
        name
    }
}

export!(Greeter);
