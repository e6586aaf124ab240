//! The face of the host towards the rest of the node.

use crate::bus::attestation_check::AttestationChecks;
use crate::bus::{self, Behalf, Draft, Sender, inbound, sessions};
use crate::counters::Counts;
use crate::ending::{Ending, TellStatus};
use crate::grants::renewal::Renewal;
use crate::grants::{GrantGuard, Standing};
use crate::host::Host;
use crate::ledger::{self, Ledger};
use crate::options::Options;
use crate::ports::Ports;
use crate::reconciler::{Reconciler, Running};
use crate::releases::Releases;
use bytes::Bytes;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::agent::AgentName;
use symbi_model::{MessageId, NodeId};
use symbi_store::Engine;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long messages that are on their way are waited for when the host stops.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// Who sends a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A user from outside, whom the node has authenticated.
    Gateway {
        /// The user.
        user: String,
    },
    /// An agent that runs on this node.
    Agent(AgentName),
    /// An agent that runs on this node, which is to say a user's words. Whether the user may have it say them is judged here.
    OnBehalf {
        /// The agent.
        agent: AgentName,
        /// Whose words they are.
        behalf: Behalf,
    },
}

/// The sending agent does not run on this node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sending agent does not run on this node")]
pub struct NotHere {
    /// Where it is placed, as far as this node knows; this node itself, if it is placed here and not running.
    pub node: Option<NodeId>,
}

/// The host of one node. Clones are the same host.
#[derive(Clone)]
pub struct Handle {
    /// What its parts share.
    host: Arc<Host>,
    /// What runs here.
    running: watch::Receiver<Running>,
    /// Tells its reconciler that the node is leaving.
    leaving: Arc<watch::Sender<bool>>,
    /// Its tasks.
    tasks: TaskTracker,
    /// Ends them.
    cancel: CancellationToken,
    /// What checks signatures.
    checker: TaskTracker,
    /// Ends it.
    checked: CancellationToken,
    /// The ledger's writer, which ends after all that is recorded.
    writer: TaskTracker,
    /// Ends it.
    written: CancellationToken,
}

/// Starts the host over `engine`, which its ledger holds until it is shut down: it asks for grants, sweeps what an earlier start left, and runs what is placed here. Ends with `cancel`.
#[must_use]
pub fn spawn(ports: Ports, options: Options, engine: Arc<dyn Engine>, cancel: CancellationToken) -> Handle {
    let guard = GrantGuard::new(Arc::clone(&ports.boottime));
    let (standing_told, standing) = watch::channel(Standing::Silent);
    let (granted_told, granted) = watch::channel(0);
    let (running_told, running) = watch::channel(Running::default());
    let (leaving, leaves) = watch::channel(false);
    let releases = Arc::new(releases(&engine, &cancel));
    let (checked, written) = (CancellationToken::new(), CancellationToken::new());
    let (ledger, write) = ledger::new(ledger_ports(&ports, &options, engine), written.clone());
    let renewal = Renewal {
        guard: guard.clone(),
        policies: ports.gate.clone(),
        boot: options.boot,
        calls: ports.grants.clone(),
        ledger: ledger.clone(),
        state: ports.state.clone(),
        standing: standing_told,
        granted: granted_told,
        boottime: Arc::clone(&ports.boottime),
        cancel: cancel.clone(),
    };
    let writer = TaskTracker::new();
    writer.spawn(or_stop(tokio::spawn(write_or_stop(write, cancel.clone())), cancel.clone()));
    writer.close();
    let (attestation_checks, checks) = AttestationChecks::new();
    let host = Arc::new(Host::new(options, ports, (ledger, releases), attestation_checks, guard, standing, granted));
    let checking = bus::check_attestations(Arc::clone(&host), checks, checked.clone());
    let checker = TaskTracker::new();
    checker.spawn(or_stop(tokio::spawn(checking), cancel.clone()));
    checker.close();
    let reconciler = Reconciler::new(Arc::clone(&host), running_told, leaves, cancel.clone());
    let tasks = TaskTracker::new();
    tasks.spawn(or_stop(tokio::spawn(renewal.run()), cancel.clone()));
    tasks.spawn(or_stop(tokio::spawn(reconciler.run()), cancel.clone()));
    tasks.close();
    Handle { host, running, leaving: Arc::new(leaving), tasks, cancel, checker, checked, writer, written }
}

/// Failure policy: without knowing what has ended here nothing may be started, so the host ends before it does.
fn releases(engine: &Arc<dyn Engine>, cancel: &CancellationToken) -> Releases {
    Releases::open(Arc::clone(engine)).unwrap_or_else(|error| {
        tracing::error!(%error, "what has ended here cannot be read; the host stops");
        cancel.cancel();
        Releases::unread()
    })
}

fn ledger_ports(ports: &Ports, options: &Options, engine: Arc<dyn Engine>) -> ledger::Ports {
    ledger::Ports {
        key: Arc::clone(&options.key),
        boot: options.boot,
        engine,
        state: ports.state.clone(),
        wall_ms: Arc::clone(&ports.wall_ms),
        observer: Arc::clone(&ports.observer),
    }
}

/// Failure policy: what cannot be recorded must not be done, so the end of the ledger's writer is the end of the host.
async fn write_or_stop(write: impl Future<Output = Result<(), ledger::Error>>, cancel: CancellationToken) {
    if let Err(error) = write.await {
        tracing::error!(%error, "the ledger cannot be written; the host stops");
        cancel.cancel();
    }
}

/// Failure policy: without either task agents would run unsupervised, so the failure of one ends the host.
async fn or_stop(task: JoinHandle<()>, cancel: CancellationToken) {
    if let Err(error) = task.await {
        tracing::error!(%error, "a task of the host failed; the host stops");
        cancel.cancel();
    }
}

impl Handle {
    /// Sends `payload` (JSON, at most [`crate::PAYLOAD_BYTES`]) and waits for how it ends, at most `timeout`.
    ///
    /// # Errors
    /// [`NotHere`]: the message was not sent; the sender's node can send it.
    pub async fn ask(
        &self,
        from: Caller,
        to: AgentName,
        payload: Vec<u8>,
        timeout: Duration,
    ) -> Result<(MessageId, Ending), NotHere> {
        let (sender, behalf) = self.sender(from)?;
        Ok(bus::ask(&self.host, sender, Draft { to, payload, within: timeout, behalf }).await)
    }

    /// Sends `payload` and waits until it is in the receiver's mailbox, at most `timeout`.
    ///
    /// # Errors
    /// [`NotHere`]: the message was not sent; the sender's node can send it.
    pub async fn tell(
        &self,
        from: Caller,
        to: AgentName,
        payload: Vec<u8>,
        timeout: Duration,
    ) -> Result<(MessageId, TellStatus), NotHere> {
        let (sender, behalf) = self.sender(from)?;
        Ok(bus::tell(&self.host, sender, Draft { to, payload, within: timeout, behalf }).await)
    }

    /// Receives a frame of a session from the node `from`. The frame is taken in before this returns: call it in the
    /// order in which frames come, and await the replies apart.
    #[must_use]
    pub fn receive(&self, from: NodeId, frame: Bytes) -> BoxFuture<'static, Bytes> {
        inbound::receive(&self.host, from, &frame)
    }

    /// The last `lines` that `agent` wrote here; none if it never ran here.
    #[must_use]
    pub fn logs(&self, agent: &AgentName, lines: usize) -> Option<Vec<String>> {
        self.host.logs.last(agent, lines)
    }

    /// What runs here, after each change.
    #[must_use]
    pub fn running(&self) -> watch::Receiver<Running> {
        self.running.clone()
    }

    /// What the bus has counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.host.counters.read()
    }

    /// This node's ledger.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.host.ledger.clone()
    }

    /// Ends every agent and releases its placement, so that it runs elsewhere. Returns when the cluster knows of all, or after `grace`:
    /// how many it does not know of. Their placements stay, until this node is back or condemned.
    pub async fn leave(&self, grace: Duration) -> usize {
        self.leaving.send_replace(true);
        let node = self.host.options.node;
        let mut state = self.host.ports.state.clone();
        let _ = timeout(grace, state.wait_for(|state| state.held_count(&node) == 0)).await;
        self.host.state().held_count(&node)
    }

    /// Ends every process, and returns when none is left and the ledger is synced. Placements stay: a node that is back in
    /// time goes on.
    pub async fn shutdown(&self) {
        self.cancel.cancel();
        self.tasks.wait().await;
        // What agents have answered at last still leaves.
        self.host.stop_carrying(LAST_ANSWERS).await;
        sessions::leave(&self.host, LAST_ANSWERS).await;
        self.checked.cancel();
        self.checker.wait().await;
        self.written.cancel();
        self.writer.wait().await;
        self.host.releases.close();
    }

    fn sender(&self, from: Caller) -> Result<(Sender, Option<Arc<Behalf>>), NotHere> {
        let (name, behalf) = match from {
            Caller::Gateway { user } => return Ok((Sender::Gateway { user }, None)),
            Caller::Agent(name) => (name, None),
            Caller::OnBehalf { agent, behalf } => (agent, Some(Arc::new(behalf))),
        };
        match self.host.instances.get(&name) {
            Some(instance) => Ok((Sender::Agent(instance), behalf)),
            None => {
                let state = self.host.ports.state.borrow();
                let placement = state.agents.get(&name).and_then(|agent| agent.placement);
                Err(NotHere { node: placement.map(|placement| placement.node) })
            }
        }
    }
}
