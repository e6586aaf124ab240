//! What only one node can do, asked of it wherever it is: the leader's grants and reads, a verdict, an agent's log.
//! Here the question "is that me?" is asked once, so that nobody above asks it again.

use crate::wiring::call;
use std::time::Duration;
use symbi_control::GrantRefused;
use symbi_control::reconcile::{Change, ChangeRequest, ConfirmLead};
use symbi_host::GrantCall;
use symbi_model::NodeId;
use symbi_model::agent::AgentName;
use symbi_model::ledger::Anchor;
use symbi_model::planted::{self, Defect};
use symbi_proto::wire::{ControlReply, ControlRequest};
use symbi_raft::MembershipChange;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long the leader has to answer a read or a grant.
const PATIENCE: Duration = Duration::from_millis(2_000);
/// How long a read waits for a leader: an election, and some.
const READ_PATIENCE: Duration = Duration::from_secs(8);
/// How long to wait for news of a leader before asking again.
const READ_AGAIN: Duration = Duration::from_millis(25);

/// The way to whoever can.
#[derive(Clone)]
pub struct Remote {
    /// This node.
    pub node: NodeId,
    /// The group.
    pub raft: symbi_raft::Handle,
    /// The way to others.
    pub net: symbi_net::Handle,
    /// The leader's part of this node.
    pub control: symbi_control::Handle,
}

impl Remote {
    /// The index that a read must have applied, confirmed by a leader after this call; none without one in time.
    pub async fn read_index(&self) -> Option<u64> {
        if planted::active(Defect::ReadWithoutIndex) {
            return Some(self.raft.state().borrow().counters.applied_index);
        }
        let until = Instant::now() + READ_PATIENCE;
        loop {
            let index = self.try_read_index().await;
            if index.is_some() || Instant::now() >= until {
                return index;
            }
            tokio::time::sleep(READ_AGAIN).await;
        }
    }

    async fn try_read_index(&self) -> Option<u64> {
        let leader = self.raft.status().borrow().leader?;
        if leader == self.node {
            return self.raft.confirm_lead().await.ok().map(|confirmed| confirmed.read_index);
        }
        let request = ControlRequest::ReadIndex { group: self.raft.group() };
        match call::control(&self.net, leader, &request, PATIENCE).await {
            Ok(ControlReply::ReadIndex { index, .. }) => Some(index),
            _ => None,
        }
    }

    /// A grant from the leader: its term, and the index before which this node may not act. The leader is told how far the ledger has
    /// come.
    pub async fn grant(&self, boot: u64, anchor: Option<Anchor>) -> Option<(u64, u64)> {
        let leader = self.raft.status().borrow().leader?;
        if leader == self.node {
            let granted = self.control.request_grant(self.node, boot, anchor).await.ok()?;
            return Some((granted.term, granted.read_index));
        }
        match call::control(&self.net, leader, &ControlRequest::Grant { boot, anchor }, PATIENCE).await {
            Ok(ControlReply::Grant { term, read_index }) => Some((term, read_index)),
            _ => None,
        }
    }

    /// Answers the host's requests for grants, until `cancel`; `granted` tells when there was one.
    pub async fn grants(
        self,
        mut asked: mpsc::Receiver<GrantCall>,
        granted: watch::Sender<Option<Instant>>,
        tasks: TaskTracker,
        cancel: CancellationToken,
    ) {
        while let Some(Some(GrantCall { boot, anchor, reply })) = cancel.run_until_cancelled(asked.recv()).await {
            let (remote, granted) = (self.clone(), granted.clone());
            tasks.spawn(async move {
                let grant = remote.grant(boot, anchor).await;
                let _ = reply.send(grant);
                if grant.is_some() {
                    granted.send_replace(Some(Instant::now()));
                }
            });
        }
    }

    /// Answers another node's request for a grant.
    pub async fn grant_to(&self, node: NodeId, boot: u64, anchor: Option<Anchor>) -> ControlReply {
        match self.control.request_grant(node, boot, anchor).await {
            Ok(granted) => ControlReply::Grant { term: granted.term, read_index: granted.read_index },
            Err(GrantRefused::Down) => ControlReply::Condemned,
            Err(GrantRefused::NotLeading) => ControlReply::NotLeader { leader: self.raft.status().borrow().leader },
        }
    }

    /// Why an agent is where it is, as the leader sees it, or this node if no leader answers: first the answer, under no
    /// name, then a line for each node.
    pub async fn why(&self, agent: &AgentName) -> Vec<(String, String)> {
        let leader = self.raft.status().borrow().leader;
        let Some(leader) = leader.filter(|leader| *leader != self.node) else { return self.why_here(agent) };
        let request = ControlRequest::WhyAgent { agent: agent.clone() };
        match call::control(&self.net, leader, &request, PATIENCE).await {
            Ok(ControlReply::WhyAgent(lines)) => lines,
            _ => self.why_here(agent),
        }
    }

    /// Why an agent is where it is, as this node sees it: first the answer, under no name, then a line for each node.
    #[must_use]
    pub fn why_here(&self, agent: &AgentName) -> Vec<(String, String)> {
        let Some(explanation) = self.control.explain(agent) else { return Vec::new() };
        let nodes = explanation.nodes.iter().map(|node| (node.name.clone(), node.verdict.to_string()));
        std::iter::once((String::new(), explanation.summary.clone())).chain(nodes).collect()
    }
}

/// Confirms leadership for the control crate, until `cancel`.
pub async fn confirm(
    mut asked: mpsc::Receiver<ConfirmLead>,
    raft: symbi_raft::Handle,
    tasks: TaskTracker,
    cancel: CancellationToken,
) {
    while let Some(Some(ConfirmLead { reply })) = cancel.run_until_cancelled(asked.recv()).await {
        let raft = raft.clone();
        tasks.spawn(async move {
            let confirmed = raft.confirm_lead().await.ok();
            let _ = reply.send(confirmed.map(|confirmed| (confirmed.term, confirmed.read_index)));
        });
    }
}

/// Carries out the control crate's membership changes, one at a time, until `cancel`.
pub async fn change(mut asked: mpsc::Receiver<ChangeRequest>, raft: symbi_raft::Handle, cancel: CancellationToken) {
    while let Some(Some(ChangeRequest { change, reply })) = cancel.run_until_cancelled(asked.recv()).await {
        let change = match change {
            Change::AddLearner(node) => MembershipChange::AddLearner(node.into()),
            Change::Promote(nodes) => MembershipChange::Promote(nodes.into_iter().map(Into::into).collect()),
            Change::Remove(node) => MembershipChange::Remove(node.into()),
        };
        let _ = reply.send(raft.change(change).await.map_err(|error| error.to_string()));
    }
}
