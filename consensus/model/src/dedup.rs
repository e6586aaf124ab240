//! The memory of requests: what each client's last write was, and what became of it.
//!
//! A client has one write in flight and numbers them upwards, so one row a client is enough. A row ends when the time of an entry
//! passes the later of its last use and its client's own time by [`WINDOW_MS`]; a client without a row whose time lies
//! that far back, or is [`Spent`], is refused, because nobody can tell any more. So an answer is never "new" for a write that was
//! done.
//!
//! That rests on no clock. The entry's own time is looked at and not log time, which never falls: after a clock that was a day fast,
//! it stands still for a day, and everybody with a right clock would be too old.

mod spent;

pub use spent::Spent;

use crate::hash::Hash;
use crate::ids::{ClientId, NodeId};
use crate::outcome::Outcome;
use serde::{Deserialize, Serialize};

/// How long a row outlives its last use, and how far a client's own time may lie from that of an entry: ten minutes.
pub const WINDOW_MS: u64 = 10 * 60 * 1000;
/// The most rows at a time.
pub const ROWS: usize = 100_000;

/// The most rows of one asker, and no more than are left free for all others: so those who use a fresh key for each write lock nobody out
/// but themselves.
pub const SHARE: usize = ROWS / 4;

/// Who asks, as shares are counted: the first eight bytes of the SHA-256 of the actor's text, or of the proposing node's id where a
/// command names nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Asker(u64);

impl Asker {
    /// Who asks for a command of this actor that `origin` proposes.
    #[must_use]
    pub fn of(actor: Option<&str>, origin: &NodeId) -> Self {
        let Hash(digest) = Hash::of(&[actor.map_or(&origin.0[..], str::as_bytes)]);
        let (first, _) = digest.split_at(size_of::<u64>());
        Self(u64::from_be_bytes(first.try_into().expect("eight bytes")))
    }
}

/// A client's last write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastWrite {
    /// The write's number.
    pub sequence: u64,
    /// SHA-256 of the command's bytes, the permit left out: a retry may be judged anew.
    pub command: Hash,
    /// What became of it.
    pub outcome: Outcome,
    /// Whose share the row is of.
    pub asker: Asker,
    /// The time of the entry that last used it, ms since the Unix epoch.
    pub used_ms: u64,
}

impl LastWrite {
    /// After which entry's time this row of `client` ends.
    pub(crate) fn ends_ms(&self, client: ClientId) -> u64 {
        self.used_ms.max(client.time_ms()).saturating_add(WINDOW_MS)
    }
}
