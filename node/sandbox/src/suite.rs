//! What every [`Driver`] must do, as one call: [`check`]. A failure panics and names the case.
//!
//! Not here, because only a driver with processes can fail at it: dying by a signal of its own making, processes left
//! behind, orphans of an earlier life, limits, what the host lacks. Those are tests of such a driver.

mod cases;
pub mod roles;

pub use roles::Role;

use crate::driver::{Driver, Instance, Launch};
use std::sync::Arc;
use std::time::Duration;

/// How long a case may take on the slowest machine.
const CASE: Duration = Duration::from_secs(60);

/// A driver with programs for it.
#[derive(Clone)]
pub struct Subject {
    /// The driver.
    pub driver: Arc<dyn Driver>,
    /// The command with which it plays a role: [`roles::shell`] where there is a shell, [`roles::named`] otherwise.
    pub command: fn(Role) -> Vec<String>,
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Subject").finish_non_exhaustive()
    }
}

impl Subject {
    async fn start(&self, agent: &str, role: Role) -> Instance {
        let launch = self.launch(agent, (self.command)(role));
        self.driver.start(launch).await.unwrap_or_else(|error| panic!("{role:?} does not start: {error:?}"))
    }

    fn launch(&self, agent: &str, command: Vec<String>) -> Launch {
        let (agent, id, owner) = (agent.to_owned(), "1".to_owned(), crate::builtin::OWNER.to_owned());
        Launch { agent, id, owner, epoch: 1, incarnation: (1 << 32) + 1, command, ..Launch::default() }
    }
}

/// Runs every case and returns their names.
///
/// # Panics
/// When a case fails or takes too long.
pub async fn check(subject: &Subject) -> Vec<&'static str> {
    let mut passed = Vec::new();
    for (name, case) in cases::ALL {
        let outcome = tokio::time::timeout(CASE, case(subject.clone())).await;
        assert!(outcome.is_ok(), "the case {name:?} does not end");
        passed.push(*name);
    }
    passed
}
