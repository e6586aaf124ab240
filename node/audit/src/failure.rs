//! Where and why a chain or a bundle does not hold.

use crate::hex::Hex;
use crate::line::Uuid;

/// The first thing that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Failure {
    /// The line at which it shows, from 1; one past the last when something is missing at the end.
    pub line: u64,
    /// What it is.
    pub what: What,
}

/// What does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// The bundle could not be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// The line is longer than any line can be.
    #[error("the line is longer than {max} bytes")]
    TooLong {
        /// The bound.
        max: u64,
    },
    /// The bundle ends within the line.
    #[error("the bundle ends within a line")]
    CutOff,
    /// The line is none of this format.
    #[error("not a line of this format: {0}")]
    Malformed(String),
    /// The line says something in another way than the one in which it is written.
    #[error("the line is not in the form in which it is written")]
    NotCanonical,
    /// The bundle is of another version of the format.
    #[error("version {found} of the format; this program knows version 3")]
    Version {
        /// The version found.
        found: u32,
    },
    /// The line does not belong in this place.
    #[error("a {found} line where {wanted} is wanted")]
    Misplaced {
        /// What it is.
        found: &'static str,
        /// What belongs there.
        wanted: &'static str,
    },
    /// The bundle ends too early.
    #[error("the bundle ends where {wanted} is wanted")]
    Missing {
        /// What belongs there.
        wanted: &'static str,
    },
    /// An entry is missing, or comes twice.
    #[error("log index {found} where {wanted} is wanted")]
    Index {
        /// The index found.
        found: u64,
        /// The index that belongs there.
        wanted: u64,
    },
    /// A record is missing from its batch, or comes twice.
    #[error("position {found} where {wanted} is wanted")]
    Position {
        /// The position found.
        found: u32,
        /// The position that belongs there.
        wanted: u32,
    },
    /// The term falls, or changes within a batch.
    #[error("term {found} after term {before}")]
    Term {
        /// The term found.
        found: u64,
        /// The term before it.
        before: u64,
    },
    /// The log time is not what follows from the batches so far.
    #[error("log time {found} where {wanted} follows from the batches so far")]
    Time {
        /// The time found.
        found: u64,
        /// The time that follows.
        wanted: u64,
    },
    /// The record names another predecessor.
    #[error("the record does not follow the one before it")]
    Previous,
    /// No number follows the greatest one.
    #[error("no {0} can follow the one before it")]
    Greatest(&'static str),
    /// The record is not what its hash says.
    #[error("the record is not what its hash says")]
    Hash,
    /// The record names another origin than its batch.
    #[error("the record's origin is not its batch's")]
    Origin,
    /// A record of Raft's own claims a command, or one that is not has no batch.
    #[error("a record of Raft's own that is not one of Raft's")]
    Raft,
    /// The records are not those that the batch's origin signed.
    #[error("the batch's root is not that of its records")]
    Root,
    /// The signature is not the origin's, and yet the batch was carried out.
    #[error("the batch's signature does not verify")]
    Signature,
    /// A batch was refused although there was nothing wrong with it, or the other way round.
    #[error("outcome {found}, but the chain so far says {wanted}")]
    Outcome {
        /// The outcome found.
        found: String,
        /// What follows from the chain.
        wanted: &'static str,
    },
    /// An anchor of a ledger was taken although something was wrong with it, or the other way round.
    #[error(
        "the anchor of the ledger of node {node} was answered {found}, but its signature and the chain so far say {wanted}"
    )]
    Answer {
        /// The node.
        node: Hex<32>,
        /// The answer found.
        found: String,
        /// What follows.
        wanted: &'static str,
    },
    /// A leader's command took effect in another term than that of its decision.
    #[error("a leader's command took effect in term {term}, decided in term {decided}")]
    DecidedTerm {
        /// The term of the entry.
        term: u64,
        /// The term of the decision.
        decided: u64,
    },
    /// The cluster is made a second time, or by another node than the one that signs.
    #[error("not a genesis: {0}")]
    Genesis(&'static str),
    /// The record of a batch without commands says what no command could have said.
    #[error("a batch without commands has another record than its own")]
    Empty,
    /// A checkpoint says something else than the chain.
    #[error("the checkpoint's {0} is not what follows from the chain")]
    Checkpoint(&'static str),
    /// A checkpoint is out of order, or ends within an entry or after the end.
    #[error("no entry ends with record {size}, or the checkpoints do not rise")]
    CheckpointPlace {
        /// How many records it says there are.
        size: u64,
    },
    /// A checkpoint between this one and the one before it is left out, which named or settled voters.
    #[error("the checkpoint does not follow the last one that named or settled voters")]
    Hop,
    /// A checkpoint names voters whom those before them have not let in.
    #[error("the checkpoint's voters are not those whom the voters before them have witnessed")]
    Voters,
    /// A signature under a checkpoint is not the node's.
    #[error("node {node} has not signed this checkpoint, or is named twice")]
    Witness {
        /// The node.
        node: Hex<32>,
    },
    /// No checkpoint is the one that was kept elsewhere.
    #[error("no checkpoint of this bundle is the one that was pinned")]
    Pin,
    /// There is no genesis.
    #[error("the chain has no genesis")]
    NoGenesis,
    /// A node's membership cannot have changed in this way.
    #[error("node {node} cannot do this: it is {membership}")]
    Membership {
        /// The node.
        node: Hex<32>,
        /// How far its membership has come.
        membership: &'static str,
    },
    /// A record lacks what its kind must have.
    #[error("a {kind} record without a proper {field}")]
    Field {
        /// Its kind.
        kind: &'static str,
        /// What is missing or malformed.
        field: &'static str,
    },
    /// The chain is another cluster's than the header says.
    #[error("the header names another cluster, or another name, than the genesis")]
    ForeignCluster,
    /// The cluster is another than the anchor's.
    #[error("this is another cluster: its anchor is {found}")]
    Anchor {
        /// The anchor of the bundle's cluster.
        found: Hex<32>,
    },
    /// A key line is no enrolled node's, or out of order.
    #[error("the key lines are not those of the enrolled nodes, in order")]
    Keys,
    /// A policy line is not that of a set that the chain made, or out of order.
    #[error("the policy lines are not those of the sets that the chain made, in order")]
    Policies,
    /// A ledger is neither there nor said to be missing, or out of order.
    #[error("the ledgers are not those of the enrolled nodes, in order, each there or missing")]
    Ledgers,
    /// A ledger begins later than its node may have let entries go.
    #[error("the ledger begins after entry {after}, which is no anchored head that its node may have let go")]
    LetGo {
        /// The last entry that is said to be let go.
        after: u64,
    },
    /// An entry is missing from a ledger, or comes twice.
    #[error("entry {found} where {wanted} is wanted")]
    Number {
        /// The number found.
        found: u64,
        /// The number that belongs there.
        wanted: u64,
    },
    /// An entry is not what its hash says, or follows another one.
    #[error("the entry is not what its hash says, or does not follow the one before it")]
    Unchained,
    /// A ledger's entries are not those that the chain has an anchor of.
    #[error("the ledger is not the one whose {entries} entries the audit chain has anchored")]
    NotAnchored {
        /// How many the anchor covers.
        entries: u64,
    },
    /// A ledger ends before its last anchor.
    #[error("the ledger of node {node} ends after {entries} entries, but the audit chain has an anchor of {anchored}")]
    Cut {
        /// The node.
        node: Hex<32>,
        /// How many there are.
        entries: u64,
        /// How many must be there.
        anchored: u64,
    },
    /// An entry cannot be.
    #[error("an entry that cannot be: {0}")]
    Event(&'static str),
    /// A batch is of no session that its ledger has.
    #[error("the ledger has no session {session}")]
    NoSession {
        /// The session.
        session: Hex<16>,
    },
    /// A credential does not vouch for its session.
    #[error("a credential that does not hold: {0}")]
    Credential(&'static str),
    /// A batch is not over the messages that are with it.
    #[error("the root of a batch of messages is not that of its messages")]
    BatchRoot,
    /// A batch does not follow the one before it.
    #[error("batch {batch} of messages does not follow the one before it")]
    BatchLink {
        /// Its number.
        batch: u64,
    },
    /// A batch is not signed by its sender.
    #[error("batch {batch} of messages is not signed by its sender")]
    BatchSignature {
        /// Its number.
        batch: u64,
    },
    /// Two ledgers say different things of one batch.
    #[error("two ledgers say different things of message {message} and those with it")]
    TwoFaced {
        /// The first message of the batch.
        message: Uuid,
    },
    /// A message that two ledgers must have is in one only.
    #[error(
        "message {message} is one-sided: the ledger of {has} has it as passed to or from {lacks}, whose ledger lacks it"
    )]
    OneSided {
        /// The message.
        message: Uuid,
        /// The name of the node whose ledger has it.
        has: String,
        /// The name of the node whose ledger lacks it.
        lacks: String,
    },
    /// The manifest's counts or head are not the bundle's.
    #[error("the manifest says other {0} than the bundle has")]
    Counts(&'static str),
    /// The bytes are not those that the exporter signed.
    #[error("the bundle's bytes are not those that were exported")]
    Digest,
    /// The manifest is not signed by a node of the cluster.
    #[error("the manifest is not signed by a member of the cluster")]
    Exporter,
}
