//! AgentPin credentials: with which a node vouches for the incarnations of the agents that are placed on it.
//!
//! A credential is an ES256 token that names its bearer, the one receiver it is for, the bearer's session key (`cnf`,
//! RFC 7800) and the placement it acts under. It is issued for one session, at most an hour long, and good once. It is
//! verified with the `agentpin` crate against the replicated state, never over the network, and then against what the
//! crate does not check: audience, replay, placement, and that the key is that of the very node it came from.
//!
//! # Caveats
//! Used ids are forgotten when the node restarts. A replayed credential is of no use without the private key of its
//! `cnf`, which signs the session's exchange.

mod claims;
mod document;
mod key;
mod replay;
mod verifier;

pub use claims::{Claims, LIFETIME_S, MAX_LIFETIME_S, Subject, gateway_epoch, urn};
pub use document::discovery_document;
pub use key::{IssuerKey, key_id};
pub use verifier::{Expected, Presented, Verified, Verifier};

use symbi_model::{Epoch, NodeId};

/// Why a credential, or the key to issue one, is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// It cannot be read.
    #[error("the credential cannot be read: {0}")]
    Malformed(String),
    /// It is signed by another algorithm than ES256, or by none.
    #[error("the credential's algorithm is {0:?}, and only ES256 is accepted")]
    Algorithm(String),
    /// It names no receiver.
    #[error("the credential names no audience")]
    NoAudience,
    /// It is for another receiver.
    #[error("the credential is for {found}")]
    Audience {
        /// For whom it is.
        found: String,
    },
    /// It was issued in the future.
    #[error("the credential is not valid yet")]
    NotYetValid,
    /// Its time is over.
    #[error("the credential has expired")]
    Expired,
    /// It lives longer than is allowed.
    #[error("the credential lives for {seconds} s, and {MAX_LIFETIME_S} s are allowed")]
    Lifetime {
        /// How long it lives.
        seconds: u64,
    },
    /// Its issuer or bearer is of another domain.
    #[error("the credential is of another domain: {0}")]
    Domain(String),
    /// The node it came from has no record, or was removed.
    #[error("the credential came from node {}, which is no member", .0.short())]
    UnknownNode(NodeId),
    /// It is signed by another key than that of the node it came from.
    #[error("the credential's key {kid} is not that of the node it came from")]
    WrongKey {
        /// The key it names.
        kid: String,
    },
    /// The signature does not verify.
    #[error("the credential's signature does not verify")]
    Signature,
    /// The `agentpin` crate refuses it.
    #[error("the credential is refused: {0}")]
    Refused(String),
    /// It speaks of a log index that this node has not applied.
    #[error("the credential speaks of index {index}, which this node has not applied")]
    Behind {
        /// The index to wait for.
        index: u64,
    },
    /// The state knows no such agent, or no placement of it.
    #[error("{0} is not placed anywhere")]
    NotPlaced(String),
    /// Its epoch is over.
    #[error("the credential's epoch {epoch} is over: the state is at {current}")]
    Fenced {
        /// Its epoch.
        epoch: Epoch,
        /// The state's, of which the hold may have ended too.
        current: Epoch,
    },
    /// Its epoch was never given.
    #[error("the credential's epoch {epoch} was never given: the state is at {current}")]
    EpochAhead {
        /// Its epoch.
        epoch: Epoch,
        /// The state's.
        current: Epoch,
    },
    /// Its bearer is placed on another node under that epoch.
    #[error("the credential's bearer is placed on node {}", .placed.short())]
    WrongNode {
        /// Where it is placed.
        placed: NodeId,
    },
    /// It was presented before.
    #[error("the credential was used before")]
    Used,
    /// The node it came from has presented too many of them within their lifetimes.
    #[error("the node has presented too many credentials: wait until some expire")]
    TooMany,
    /// The bytes are no P-256 key.
    #[error("the bytes are no P-256 key")]
    InvalidKey,
}
