//! What an operator is told when a node cannot start, or not go on.

use super::{Node, open_gate};
use crate::failure::{self, Failure};

impl Node {
    /// Ends when the replica or another part has stopped for good; answers why. The process must end then: what its
    /// protocol promised can no longer be kept, and only a restart reads the disk anew.
    pub async fn stopped(&self) -> Failure {
        let (mut status, mut fatal) = (self.raft.status(), self.fatal.clone());
        let why = tokio::select! {
            stopped = status.wait_for(|status| status.stopped.is_some()) => {
                let why = stopped.ok().and_then(|status| status.stopped.clone());
                stopped_for_good(why.unwrap_or_else(|| "the replica is gone".to_owned()))
            }
            ended = fatal.wait_for(Option::is_some) => {
                let why = ended.ok().and_then(|why| why.clone());
                why.unwrap_or_else(|| stopped_for_good("an internal task is gone".to_owned()))
            }
        };
        // A disk that failed is the cause of whatever else there is to say.
        self.engine.failure().and_then(|error| failure::of_disk(&error)).unwrap_or(why)
    }
}

/// That the process must end because a part of it has.
pub(super) fn stopped_for_good(why: String) -> Failure {
    Failure::new(10, "REPLICA_STOPPED", "this node's replica has stopped for good")
        .why(why)
        .fix("look at the disk, then start the node again: nothing that was acknowledged is lost")
}

/// Why there is no replica: the disk's own fault first, which is no reason to give up what it holds.
pub(super) fn storage(engine: &dyn symbi_store::Engine, error: &symbi_raft::Error) -> Failure {
    let holds = || {
        Failure::new(10, "STORAGE", "the replica cannot start from its database").because(error).fix(
            "keep the directory as evidence; start a new node: another --data-dir, another --name, and --join with a token",
        )
    };
    let disk = engine.failure().and_then(|error| failure::of_disk(&error));
    disk.or_else(|| open_gate::behind(error)).unwrap_or_else(holds)
}
