//! What whole-program tests and the benchmark share.

pub mod crash;
pub mod host;
pub mod node;
pub mod party;
pub mod process;
pub mod shims;
pub mod wire;
