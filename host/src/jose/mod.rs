//! Keys, and what is signed, verified, encrypted and sealed with them. `now` is an argument; the cryptography is
//! aws-lc-rs and nothing else.
//!
//! 1. [`jws`] is the one door for a JWT that somebody sent: it is `Unverified…` until a key says otherwise.
//! 2. [`jwk`] and [`key_set`] read the keys of others, and write ours.
//! 3. [`ring`] keeps the provider's own keys: signs with one for each algorithm, publishes them, and replaces them
//!    without a token becoming worthless. [`pair`] is one of them, [`schedule`] says when each changes its state.
//! 4. [`jwe`] encrypts a signed JWT for a client.
//! 5. [`seal`] keeps for ourselves what must be told again later. [`installation`] has the keys for that.
//! 6. [`private_file`] keeps secrets on the disk; [`import`] reads private keys that were made elsewhere, and
//!    [`service_key`] signs with those that services handed out; [`json`] reads JSON that says everything once.

pub mod import;
pub mod installation;
mod json;
pub mod jwe;
pub mod jwk;
pub mod jws;
mod key_files;
pub mod key_set;
mod pair;
pub mod private_file;
pub mod ring;
pub mod schedule;
pub mod seal;
pub mod service_key;
#[cfg(test)]
mod vectors;

pub use installation::InstallationKeys;
pub use jwk::Jwk;
pub use jws::{JwtFault, UnverifiedJws};
pub use key_set::{Jwks, PublicKeys};
pub use private_file::{read_private, write_private};
pub use ring::KeyRing;
pub use schedule::KeyPolicy;
pub use seal::Seal;
pub use service_key::ServiceKey;
