//! What replicas say to each other, in our own types behind the model's codec: a version byte, then bincode, with limits.

use crate::disk::format::{self, LogId, Membership, Vote};
use crate::entry::{Data, Entry};
use crate::machine::frames::Header;
use crate::replica::ReplicaId;
use crate::types::{self, Types};
use bytes::Bytes;
use openraft::raft as op;
use serde::{Deserialize, Serialize};
use symbi_model::GroupId;
use symbi_model::codec::{self, Error};

/// The longest request or answer: a shipment of one entry of the greatest length.
pub const FRAME_MAX: usize = 1024 * 1024;

/// A request, and which group it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The group.
    pub group: GroupId,
    /// Which of its node's replicas of the group asks.
    pub from: u64,
    /// Which of its node's replicas of the group is asked.
    pub to: u64,
    /// The highest gate that the asking program speaks.
    pub speaks: u32,
    /// What is asked.
    pub body: Body,
}

/// What is asked of a replica. The order of variants is the format: new ones go at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// Take these entries; without any, a heartbeat.
    Append(Append),
    /// Vote for me.
    Vote(Ballot),
    /// Would you vote for me?
    PreVote(Ballot),
    /// Leadership is handed over.
    Transfer {
        /// The leader's vote.
        from: Vote,
        /// To whom.
        to: ReplicaId,
        /// The last entry that the new leader must have.
        last: Option<LogId>,
    },
    /// A snapshot begins.
    Begin(Begin),
    /// The next frame of it, counted from 0.
    Frame {
        /// The snapshot's number.
        transfer: u64,
        /// The frame's number.
        sequence: u64,
        /// The frame, as [`crate::machine::frames`] has it.
        frame: Data,
    },
    /// That was all of it: check and install it.
    End {
        /// The snapshot's number.
        transfer: u64,
        /// How many frames it had.
        frames: u64,
    },
    /// Give me lines: as many of the last ones before a place as one answer holds.
    Lines {
        /// None of entries before this one.
        from: u64,
        /// The entry of the place.
        index: u64,
        /// The line of the place.
        line: u32,
    },
}

/// Entries for a follower.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Append {
    /// The leader's vote.
    pub vote: Vote,
    /// The entry before the first.
    pub previous: Option<LogId>,
    /// The entries.
    pub entries: Vec<Entry>,
    /// What is committed.
    pub commit: Option<LogId>,
}

/// A request for a vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ballot {
    /// The candidate's vote.
    pub vote: Vote,
    /// The candidate's last entry.
    pub last: Option<LogId>,
    /// Whether the leader itself asked for this election.
    pub transfer: bool,
}

/// The beginning of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// Its number, chosen by the sender.
    pub transfer: u64,
    /// The leader's vote.
    pub vote: Vote,
    /// The last entry in it.
    pub last: Option<LogId>,
    /// The last membership in it.
    pub membership: Membership,
    /// What it must come to.
    pub header: Header,
}

/// What a replica answers. The order of variants is the format: new ones go at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To entries: they are durable.
    Appended,
    /// To entries: up to here they are.
    AppendedTo(Option<LogId>),
    /// To entries: the one before the first is not there.
    Conflict,
    /// To entries: a higher vote was seen.
    HigherVote(Vote),
    /// To a ballot.
    Vote {
        /// This replica's vote.
        vote: Vote,
        /// Whether it is granted.
        granted: bool,
        /// This replica's last entry.
        last: Option<LogId>,
    },
    /// To a transfer.
    Transferred,
    /// To a transfer: this replica has voted otherwise.
    TransferVoteChanged {
        /// The leader's vote, as sent.
        expected: Vote,
        /// This replica's.
        actual: Vote,
    },
    /// To a transfer: this replica does not have all entries.
    TransferBehind {
        /// The last entry that it must have.
        expected: Option<LogId>,
        /// The last that it has.
        actual: Option<LogId>,
    },
    /// To the beginning or a frame of a snapshot: go on.
    Continue,
    /// To the end of a snapshot: it is installed, or was not needed.
    Installed(Vote),
    /// To anything of a snapshot: begin again.
    SnapshotRefused {
        /// Why.
        reason: String,
    },
    /// To a request for lines: these, in one frame, as [`crate::machine::frames`] has it.
    Lines(Data),
    /// To a request for lines: they are not here either.
    NoLines,
}

impl Request {
    /// The request's bytes.
    pub fn encode(&self) -> Bytes {
        codec::encode(self).into()
    }

    /// A request from its bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        codec::decode(bytes, FRAME_MAX)
    }
}

impl Reply {
    /// The reply's bytes.
    pub fn encode(&self) -> Bytes {
        codec::encode(self).into()
    }

    /// A reply from its bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        codec::decode(bytes, FRAME_MAX)
    }
}

impl From<op::AppendEntriesRequest<Types>> for Append {
    fn from(request: op::AppendEntriesRequest<Types>) -> Self {
        Self {
            vote: Vote::from(&request.vote),
            previous: request.prev_log_id.as_ref().map(LogId::from),
            entries: request.entries.iter().map(format::our_entry).collect(),
            commit: request.leader_commit.as_ref().map(LogId::from),
        }
    }
}

impl From<Append> for op::AppendEntriesRequest<Types> {
    fn from(append: Append) -> Self {
        Self {
            vote: append.vote.into(),
            prev_log_id: append.previous.map(types::LogId::from),
            entries: append.entries.into_iter().map(format::raft_entry).collect(),
            leader_commit: append.commit.map(types::LogId::from),
        }
    }
}

impl From<op::AppendEntriesResponse<Types>> for Reply {
    fn from(response: op::AppendEntriesResponse<Types>) -> Self {
        match response {
            op::AppendEntriesResponse::Success => Self::Appended,
            op::AppendEntriesResponse::PartialSuccess(upto) => Self::AppendedTo(upto.as_ref().map(LogId::from)),
            op::AppendEntriesResponse::Conflict => Self::Conflict,
            op::AppendEntriesResponse::HigherVote(vote) => Self::HigherVote(Vote::from(&vote)),
        }
    }
}

impl From<op::VoteRequest<Types>> for Ballot {
    fn from(request: op::VoteRequest<Types>) -> Self {
        Self {
            vote: Vote::from(&request.vote),
            last: request.last_log_id.as_ref().map(LogId::from),
            transfer: request.leadership_transfer,
        }
    }
}

impl From<Ballot> for op::VoteRequest<Types> {
    fn from(ballot: Ballot) -> Self {
        let mut request = Self::new(ballot.vote.into(), ballot.last.map(types::LogId::from));
        request.leadership_transfer = ballot.transfer;
        request
    }
}

impl From<op::VoteResponse<Types>> for Reply {
    fn from(response: op::VoteResponse<Types>) -> Self {
        Self::Vote {
            vote: Vote::from(&response.vote),
            granted: response.vote_granted,
            last: response.last_log_id.as_ref().map(LogId::from),
        }
    }
}

impl From<op::TransferLeaderResponse<Types>> for TransferReply {
    fn from(response: op::TransferLeaderResponse<Types>) -> Self {
        Self(match response {
            Ok(()) => Reply::Transferred,
            Err(op::TransferLeaderError::VoteChanged { expected, actual }) => {
                Reply::TransferVoteChanged { expected: Vote::from(&expected), actual: Vote::from(&actual) }
            }
            Err(op::TransferLeaderError::LogNotFlushed { expected, actual }) => Reply::TransferBehind {
                expected: expected.as_ref().map(LogId::from),
                actual: actual.as_ref().map(LogId::from),
            },
        })
    }
}

/// A reply to a transfer: its own type, because a `Result` of openraft's cannot be converted from directly.
pub struct TransferReply(pub Reply);

#[cfg(test)]
mod tests;
