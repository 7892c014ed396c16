//! The two rooms of `ciba-host` that read what strangers send, `protocol` and `jose`, without the rest of the house: with
//! it, every build for the fuzzer would begin with a compiler for WebAssembly.

extern crate self as ciba_host;

pub mod doors;
#[path = "../../src/jose/mod.rs"]
pub mod jose;
#[path = "../../src/protocol/mod.rs"]
pub mod protocol;
