//! What all hosts of a run share.

use super::keys::Keys;
use symbi_model::{Command, NodeId};
use tokio::sync::watch;

/// What all hosts of a run share.
pub struct Shared {
    /// How many hosts there are.
    pub hosts: usize,
    /// The first host's name, whom the others ask to join.
    pub first: String,
    /// Join tokens, one for each host but the first.
    pub tokens: watch::Sender<Vec<String>>,
    /// Agents, with the programs that they run.
    pub agents: Vec<(String, &'static str)>,
    /// Entries between two snapshots. With few, a node that returns is sent one, and waits for its disk to install it.
    pub snapshot_every: u64,
    /// The keys that clients of all hosts read and write.
    pub keys: Keys,
    /// What an administrator wants done, once for each that is sent.
    pub command: watch::Sender<Option<AdminCommand>>,
    /// Set when clients are to come to their end.
    pub quiet: watch::Sender<bool>,
    /// Set when every replica is to be audited.
    pub audit: watch::Sender<bool>,
}

impl Shared {
    /// Whether clients are to come to their end.
    #[must_use]
    pub fn quiet(&self) -> bool {
        *self.quiet.borrow()
    }
}

/// Something that an administrator wants done in the middle of a run.
#[derive(Clone, Debug)]
pub struct AdminCommand {
    /// By which host.
    pub host: usize,
    /// What.
    pub action: Action,
}

/// What an administrator may want done.
#[derive(Clone, Debug)]
pub enum Action {
    /// A command is to be committed.
    Commit(Box<Command>),
    /// The host, which leads, is to hand leadership to another node.
    Transfer(NodeId),
    /// The host is to send signatures on checkpoints that it has not made.
    Forge,
}
