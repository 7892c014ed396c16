//! What whole-program tests and the benchmark share.

pub mod connection;
pub mod console;
pub mod cpu;
pub mod crash;
pub mod device;
pub mod host;
pub mod load;
pub mod node;
pub mod outside;
pub mod party;
pub mod process;
pub mod receiver;
pub mod secrets;
pub mod secure;
pub mod shims;
pub mod told;
pub mod wire;
