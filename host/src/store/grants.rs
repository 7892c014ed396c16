//! What an approval gives: access tokens, refresh tokens, what is pushed.

use jiff::Timestamp;

use crate::protocol::added_claims::AddedClaims;
use crate::protocol::identifier::{Digest, TransactionId};
use crate::protocol::tokens::NewAccessToken;
use crate::protocol::transaction::{Confirmation, Request};

/// An access token that works, and what was granted with it.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The request it came from; its scope is what this token covers.
    pub request: Request,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What it is bound to.
    pub confirmation: Option<Confirmation>,
    /// The resources it is for; empty means the host itself.
    pub audience: Vec<String>,
    /// What plugins added when it was made.
    pub claims: AddedClaims,
}

/// A refresh token that is not reused.
#[derive(Clone, Debug)]
pub struct RefreshGrant {
    /// The request it came from.
    pub request: Request,
    /// When the family ends.
    pub expires_at: Timestamp,
    /// Whether another token has taken its place, so that it works no more: whoever uses it is taken for a thief.
    pub passed: bool,
}

/// What a refresh writes.
#[derive(Clone, Debug)]
pub struct Refresh {
    /// The request it came from.
    pub transaction: TransactionId,
    /// Digest of the refresh token that was presented.
    pub presented: Digest,
    /// The new access token.
    pub access_token: NewAccessToken,
    /// The next refresh token, where it is rotated.
    pub next: Option<Digest>,
    /// Whether it was the last: no refresh token of the family works any more.
    pub last: bool,
}

/// How a refresh ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// The new token is stored.
    Done,
    /// The token was replaced, and what replaced it was used, or another that was born beside it: it is stolen, or was.
    /// Everything that this approval gave is revoked.
    Stolen,
    /// There is no such token.
    Unknown,
}

/// What is sent to a client in push mode.
#[derive(Clone, Debug)]
pub struct PushBody {
    /// Encrypted.
    pub sealed: Vec<u8>,
    /// Until when it is tried.
    pub deadline: Timestamp,
}
