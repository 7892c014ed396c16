//! What whole-program tests and the benchmark share.

pub mod crash;
pub mod node;
pub mod process;
pub mod shims;
