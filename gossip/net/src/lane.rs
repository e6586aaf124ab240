//! A lane: calls of one kind between two nodes, over one long-lived substream for each direction of calling.
//!
//! A substream carries all groups: a frame names its group, and each group has a queue and a window of its own at both ends
//! ([`queue`], [`window`]), so that one that is full stops nobody else. The caller's half ([`caller`]) posts requests in the
//! order of the calls and matches answers by id, so that many are under way at once; the server's half ([`server`]) hands
//! requests on in their order. A lane's substream is opened by its first call, while the frames queue.

pub(crate) mod caller;
pub(crate) mod frame;
pub(crate) mod keepalive;
pub(crate) mod queue;
pub(crate) mod server;
pub(crate) mod window;

/// What a call is about. Lanes never wait for one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Raft's log entries.
    Append,
    /// Raft's heartbeats.
    Heartbeat,
    /// Raft's snapshots.
    Snapshot,
    /// Raft's votes, pre-votes and leader transfers.
    Vote,
    /// Requests of nodes to nodes: forwarded commands, read indices, grants.
    Control,
    /// Messages of agents.
    Message,
    /// What sessions of agents need beside their messages: hellos, what goes back in them, their ends. None of it waits
    /// behind messages.
    Session,
    /// What users have other nodes' agents say: an answer may take as long as an agent takes, and nothing waits behind it.
    Ask,
    /// What entries of Raft's log left behind, for who took a snapshot in their place.
    Lines,
}

/// The longest body of a call or an answer: 1 MiB of payload and 64 KiB around it.
pub const MAX_BODY: usize = (1 << 20) + (64 << 10);

impl Lane {
    /// All lanes, in the order of [`Self::index`].
    pub(crate) const ALL: [Self; 9] = [
        Self::Append,
        Self::Heartbeat,
        Self::Snapshot,
        Self::Vote,
        Self::Control,
        Self::Message,
        Self::Session,
        Self::Ask,
        Self::Lines,
    ];

    /// The lanes a node has to a learner that does not know it yet.
    pub(crate) const RAFT: [Self; 5] = [Self::Append, Self::Heartbeat, Self::Snapshot, Self::Vote, Self::Lines];

    /// Its place in [`Self::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// Whether it is one of [`Self::RAFT`].
    pub(crate) const fn is_raft(self) -> bool {
        matches!(self, Self::Append | Self::Heartbeat | Self::Snapshot | Self::Vote | Self::Lines)
    }

    /// Whether a request that waits here still leaves when its caller has gone, before its time is up. Raft drops what it waits
    /// for and wants it sent; for all others what nobody waits for is not worth its way.
    pub(crate) const fn sends_what_nobody_awaits(self) -> bool {
        matches!(self, Self::Append | Self::Heartbeat | Self::Vote)
    }

    /// The protocol's name on the wire, with its version: a version that reads or bounds frames in another way has another.
    pub(crate) const fn protocol(self) -> &'static str {
        match self {
            Self::Append => "/symbi/raft/append/1",
            Self::Heartbeat => "/symbi/raft/heartbeat/1",
            Self::Snapshot => "/symbi/raft/snapshot/1",
            Self::Vote => "/symbi/raft/vote/1",
            Self::Control => "/symbi/control/1",
            Self::Message => "/symbi/message/1",
            Self::Session => "/symbi/session/1",
            Self::Ask => "/symbi/ask/1",
            Self::Lines => "/symbi/raft/lines/1",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lanes_index_is_its_place() {
        for (place, lane) in Lane::ALL.into_iter().enumerate() {
            assert_eq!(lane.index(), place);
            assert_eq!(lane.is_raft(), Lane::RAFT.contains(&lane));
        }
    }
}
