//! An entry of a group's log, in our own form: on disk, over the wire, and as machines apply it.

use crate::replica::ReplicaId;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use symbi_model::codec::blob;

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The term of the leader that appended it.
    pub term: u64,
    /// Its place in the log.
    pub index: u64,
    /// What it carries.
    pub payload: Payload,
}

/// What an entry carries. The order of variants is the format: new ones go at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// Nothing: a new leader's first entry.
    Blank,
    /// A change of the group's members.
    Membership {
        /// One set of voters, two while a change is joint.
        voters: Vec<Vec<ReplicaId>>,
        /// Who replicates without a vote.
        learners: Vec<ReplicaId>,
    },
    /// Bytes that mean something to the group's machine.
    Data(Data),
}

/// Bytes. Shared, because the cache, the disk and each follower hold them at once.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Data(pub Bytes);

impl fmt::Debug for Data {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes", self.0.len())
    }
}

impl fmt::Display for Data {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        blob::deserialize(deserializer).map(|bytes| Self(bytes.into()))
    }
}
