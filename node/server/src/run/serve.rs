//! A running node, until it stops: it ends its join if there is one, serves, says that it is ready, and stops in order.

use super::{Signals, Stopped};
use crate::datadir::{Cluster, DataDir};
use crate::failure::Failure;
use crate::join::{Ended, Progress};
use crate::membership;
use crate::node::Node;
use crate::options::Options;
use std::net::SocketAddr;
use std::time::Duration;
use symbi_api::ports::View;
use symbi_model::node::Membership;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a node waits to be ready before it says that it is not; it goes on waiting.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A node that was started.
pub(super) struct Running {
    /// What was asked for.
    pub(super) options: Options,
    /// The data directory, locked.
    pub(super) data: DataDir,
    /// The count of starts.
    pub(super) boot: u64,
    /// The node.
    pub(super) node: Node,
    /// The HTTP interface's sockets, bound.
    pub(super) http: symbi_api::Bound,
    /// Which cluster it is of.
    pub(super) cluster: Cluster,
    /// Its join, until it has come to its end.
    pub(super) joining: Option<Joining>,
}

/// A join in its last phase.
pub(super) struct Joining {
    /// When it must be over.
    pub(super) until: Instant,
    /// Where it tells of its progress.
    pub(super) progress: Progress,
}

/// What is told of a node, and to whom.
struct Announcer {
    /// What was asked for.
    options: Options,
    /// The count of starts.
    boot: u64,
    /// Which cluster it is of.
    cluster: Cluster,
    /// Where its HTTP interface is.
    http: SocketAddr,
}

impl Running {
    /// Serves until a signal, or until the node must stop.
    pub(super) async fn serve(self, mut signals: Signals) -> Result<Stopped, Failure> {
        let Self { options, data, boot, node, http, cluster, joining } = self;
        let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
        let announcer = Announcer { options, boot, cluster, http: http.addr };
        let up = async {
            finish_join(&node, &data, &announcer.cluster, joining).await?;
            let router = symbi_api::router(node.api.clone(), vec![announcer.cluster.node_name.clone()]);
            tasks.spawn(http.serve(router, cancel.clone()));
            announcer.announce(&node).await?;
            announce_pin(&node).await;
            std::future::pending().await
        };
        let ended: Result<Stopped, Ended> = tokio::select! {
            biased;
            stopped = signals.next() => Ok(stopped),
            failure = node.stopped() => Err(failure.into()),
            failure = membership::removed(&node) => Err(failure.into()),
            ended = up => ended,
        };
        if ended.is_ok() {
            eprintln!("stopping; send the signal again to stop at once");
        }
        let leaves = ended.is_ok();
        let stop = async {
            if leaves {
                node.leave().await;
            }
            cancel.cancel();
            tasks.close();
            tasks.wait().await;
            node.shutdown().await;
        };
        tokio::select! {
            () = stop => {}
            _ = signals.next() => {}
        }
        if let Some(file) = &announcer.options.ready_file {
            let _ = std::fs::remove_file(file);
        }
        ended.map_err(|ended| tidied(&data, ended))
    }
}

/// Comes to the end of the join, if there is one, and finds that the node was not removed.
async fn finish_join(node: &Node, data: &DataDir, cluster: &Cluster, joining: Option<Joining>) -> Result<(), Ended> {
    let Some(Joining { until, progress }) = joining else {
        return removed(node).map_err(Into::into);
    };
    let members = cluster.members();
    tokio::select! {
        biased;
        caught_up = membership::catch_up(node, until, &progress) => caught_up?,
        cleared = membership::cleared(node, &members) => return Err(cleared),
    }
    data.remove("join.pending")?;
    Ok(())
}

fn removed(node: &Node) -> Result<(), Failure> {
    let state = node.raft.state();
    let removed = state.borrow().nodes.get(&node.id).is_some_and(|record| record.membership == Membership::Removed);
    if !removed {
        return Ok(());
    }
    Err(membership::removal(None))
}

/// After a join that was cleared, the next start is somebody new.
fn tidied(data: &DataDir, ended: Ended) -> Failure {
    match ended {
        Ended::Failed(failure) | Ended::Refused(failure) => failure,
        Ended::Expired(failure) => data.forget().err().unwrap_or(failure),
    }
}

/// Says the pin as soon as there is one: what is to be kept elsewhere.
async fn announce_pin(node: &Node) {
    let mut witness = node.api.witness.clone();
    if let Ok(known) = witness.wait_for(|known| known.pin.is_some()).await
        && let Some(pin) = known.pin
    {
        eprintln!(
            "audit pin: {} (three voters have signed it: keep it elsewhere, for `audit verify --pin`)",
            pin.digest
        );
    }
}

impl Announcer {
    /// Says where the node is, and once it is ready how to go on.
    async fn announce(&self, node: &Node) -> Result<(), Failure> {
        let mut view = node.api.view.clone();
        let ready = |view: &View| view.not_ready.is_none();
        if tokio::time::timeout(READY_WITHIN, view.wait_for(ready)).await.is_err() {
            eprintln!("not ready yet: {}", view.borrow().not_ready.clone().unwrap_or_default());
        }
        let Cluster { name, node_name, .. } = &self.cluster;
        eprintln!("node {node_name} of cluster {name} serves on {} and http://{}", node.api.advertise, self.http);
        if view.wait_for(ready).await.is_err() {
            // The view has ended before the node was ready: so does the node.
            return Ok(());
        }
        let anchor = node.raft.state().borrow().cluster.as_ref().map(|cluster| cluster.anchor.to_string());
        eprintln!("audit anchor: {}", anchor.unwrap_or_else(|| "not known yet".to_owned()));
        if self.cluster.genesis.is_some() && self.boot == 1 {
            self.announce_tokens(node).await;
        }
        let Some(file) = &self.options.ready_file else { return Ok(()) };
        std::fs::write(file, "ready\n").map_err(|error| {
            Failure::new(1, "READY_FILE", format!("cannot write {}", file.display()))
                .why(error.to_string())
                .fix("name a file that this user can write with --ready-file")
        })
    }

    /// How a cluster of one becomes one of more.
    async fn announce_tokens(&self, node: &Node) {
        match symbi_api::first_token(&node.api).await {
            Ok(first) => eprintln!("to add a node, within 24 hours:\n  {}", first.join_command),
            Err(error) => eprintln!("cannot make a join token yet: {error}"),
        }
        let dir = self.options.data_dir.display();
        eprintln!("more join tokens: symbi-node token create --data-dir {dir} --print-join-command");
    }
}
