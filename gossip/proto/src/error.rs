//! What can go wrong between two nodes, as far as their messages show it.

use crate::versions::Versions;
use symbi_model::codec;

/// Why a message, a token or a proof is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are no message of this protocol.
    #[error("the bytes are no message of this protocol")]
    Frame(#[from] codec::Error),
    /// The text is no join token at all.
    #[error("this is no join token: {what}")]
    TokenForm {
        /// Which part is wrong.
        what: &'static str,
    },
    /// The text is a join token that was damaged on its way here.
    #[error("the join token is damaged: its checksum does not match; copy it again, whole")]
    TokenChecksum,
    /// The other side speaks none of the versions of the protocol that this program speaks.
    #[error("the other side speaks {theirs} of the join protocol, this program {ours}")]
    Version {
        /// The other side's.
        theirs: Versions,
        /// This program's.
        ours: Versions,
    },
    /// The other side belongs to another cluster than the token.
    #[error("the other side belongs to another cluster than the token")]
    ForeignCluster,
    /// The other side has not proved that it knows the token's secret.
    #[error("the other side does not know the token's secret")]
    ProofWrong,
    /// A message belongs to another exchange than this one.
    #[error("the message belongs to another exchange")]
    ForeignExchange,
    /// A signature is not that of the key it should be of.
    #[error("the signature does not verify")]
    SignatureWrong,
    /// The other side's ephemeral key gives no secret.
    #[error("the other side's ephemeral key gives no secret")]
    KeyWeak,
    /// The sealed message belongs to another session.
    #[error("the message belongs to another session")]
    ForeignSession,
    /// The header names other parties than the session's.
    #[error("the header names other parties than the session's")]
    ForeignParty,
    /// The sealed message was changed, sealed with another key, or goes the other way.
    #[error("the sealed message does not open")]
    SealBroken,
    /// The sealed message was opened before, or is so old that nobody can tell.
    #[error("message {sequence} was opened before, or is too old to tell")]
    Replayed {
        /// Its number in the session.
        sequence: u64,
    },
    /// The session has carried what it may.
    #[error("the session has carried what it may")]
    SessionSpent,
    /// As many messages as may be without a signature are; nothing was sealed or opened.
    #[error("{held} messages are without a signature, and no more may be")]
    Unattested {
        /// How many.
        held: usize,
    },
    /// The batch is not the one that follows.
    #[error("batch {batch} does not follow the one before it")]
    BatchLink {
        /// Its number.
        batch: u64,
    },
    /// The batch does not cover just what came, from where the one before it ended.
    #[error("batch {batch} leaves messages out, or covers some that did not come")]
    BatchGap {
        /// Its number.
        batch: u64,
    },
    /// The batch is over other messages than those that came.
    #[error("batch {batch} is over other messages")]
    BatchRoot {
        /// Its number.
        batch: u64,
    },
    /// A header has more extensions than it may.
    #[error("a header with {entries} extensions, at most {max} are allowed")]
    TooManyExtensions {
        /// How many.
        entries: usize,
        /// How many there may be.
        max: usize,
    },
    /// A header's extensions are not in the order of their keys, each once.
    #[error("a header's extensions are out of order")]
    ExtensionOrder,
    /// Longer than is allowed.
    #[error("{what} of {bytes} bytes, at most {max} are allowed")]
    TooLong {
        /// What.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The bound.
        max: usize,
    },
}
