//! What comes in from other nodes, handed to whom it is for. One task a request, so that a slow one holds up no other;
//! the network bounds how many there are.

use crate::clock::WallMs;
use crate::proposer::{Admission, AdmissionError};
use crate::wiring::call::lane;
use crate::wiring::remote::Remote;
use crate::wiring::{decisions, ledgers};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::time::Duration;
use symbi_host::{Behalf, Caller};
use symbi_model::{NodeId, gate};
use symbi_net::{Requests, Vouch};
use symbi_proto::wire::{ControlReply, ControlRequest, LogTail};
use symbi_raft::{ServeError, Status, WriteError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long another member has to vouch for a stranger.
const VOUCH_WITHIN: Duration = Duration::from_secs(2);

/// Hands Raft's requests of one kind to the replicas of their groups, in their order. Each kind has a task of its own: one that takes long to
/// hand over, as frames of a snapshot are, delays none of the others.
pub async fn raft(
    kind: symbi_raft::link::Kind,
    mut requests: Requests,
    groups: symbi_raft::Groups,
    tasks: TaskTracker,
    cancel: CancellationToken,
) {
    while let Some(Some(request)) = cancel.run_until_cancelled(requests.recv()).await {
        let served = groups.serve(request.from, kind, request.body);
        tasks.spawn(async move {
            match served.await {
                Ok(answer) => drop(request.reply.send(answer)),
                Err(ServeError::Stopped) => {}
                Err(error) => tracing::warn!(from = %request.from.short(), %error, "a Raft request is refused"),
            }
        });
    }
}

/// Hands agents' messages to the host.
pub async fn messages(mut requests: Requests, host: symbi_host::Handle, tasks: TaskTracker, cancel: CancellationToken) {
    while let Some(Some(request)) = cancel.run_until_cancelled(requests.recv()).await {
        // Taken in here, in the order of arrival; only the reply is awaited apart.
        let received = host.receive(request.from, request.body);
        tasks.spawn(async move {
            let _ = request.reply.send(received.await);
        });
    }
}

/// Asks one connected member about a stranger that says it was enrolled: the leader, which has applied whatever anybody has, or
/// else a voter. One is enough: the stranger asks again.
pub async fn vouch(mut asked: mpsc::Receiver<Vouch>, remote: Remote, tasks: TaskTracker, cancel: CancellationToken) {
    while let Some(Some(Vouch { peer, index, reply })) = cancel.run_until_cancelled(asked.recv()).await {
        let remote = remote.clone();
        tasks.spawn(async move {
            let connected: BTreeSet<NodeId> = remote.net.connections().borrow().keys().copied().collect();
            let voucher = voucher(&remote.raft.status().borrow(), &connected);
            let answer = match voucher {
                Some(member) => {
                    let request = ControlRequest::Vouched { peer, index };
                    crate::wiring::call::control(&remote.net, member, &request, VOUCH_WITHIN).await.ok()
                }
                None => None,
            };
            let _ = reply.send(matches!(answer, Some(ControlReply::Vouched(true))));
        });
    }
}

/// The member that is asked: of those connected, the leader, else a voter, else anybody.
fn voucher(status: &Status, connected: &BTreeSet<NodeId>) -> Option<NodeId> {
    let voters = status.voters.iter().flatten();
    let candidates = status.leader.iter().chain(voters).chain(connected);
    candidates.copied().find(|candidate| connected.contains(candidate))
}

/// What serves control requests.
#[derive(Clone)]
pub struct Server {
    /// The way to this node's parts.
    pub remote: Remote,
    /// What the leader checks.
    pub admission: Admission,
    /// Agents.
    pub host: symbi_host::Handle,
    /// Verdicts.
    pub gate: symbi_policy::Gate,
    /// The clock.
    pub wall_ms: WallMs,
    /// What collects signatures on checkpoints.
    pub witness: crate::witness::Handle,
    /// Where other nodes' bench runs send.
    pub sink: crate::bench::Sink,
}

/// Serves control requests, or those of the lane of asks.
pub async fn control(mut requests: Requests, server: Server, tasks: TaskTracker, cancel: CancellationToken) {
    while let Some(Some(request)) = cancel.run_until_cancelled(requests.recv()).await {
        let server = server.clone();
        tasks.spawn(async move {
            let answer = match ControlRequest::decode(&request.body) {
                // A program that does not speak the gate could not have read it.
                Ok(asked) if asked.gate() > gate::spoken() => {
                    tracing::warn!(from = %request.from.short(), "a control request of a later version");
                    ControlReply::Unsupported
                }
                Ok(asked) if lane(&asked) == request.lane => server.answer(request.from, asked).await,
                Ok(_) => {
                    let (from, lane) = (request.from.short(), request.lane);
                    tracing::warn!(from, ?lane, "a control request on a lane that is not its own");
                    ControlReply::Unsupported
                }
                Err(error) => {
                    tracing::warn!(from = %request.from.short(), %error, "a control request that cannot be read");
                    ControlReply::Unsupported
                }
            };
            let _ = request.reply.send(Bytes::from(answer.encode()));
        });
    }
}

impl Server {
    async fn answer(&self, from: NodeId, request: ControlRequest) -> ControlReply {
        match request {
            // Of the groups, the control group alone has its commands and reads brought over this lane.
            ControlRequest::Forward { group, .. } | ControlRequest::ReadIndex { group }
                if group != self.remote.raft.group() =>
            {
                ControlReply::Unsupported
            }
            ControlRequest::Forward { batch, .. } => self.forwarded(from, batch).await,
            ControlRequest::ReadIndex { .. } => match self.remote.raft.confirm_lead().await {
                Ok(confirmed) => ControlReply::ReadIndex { term: confirmed.term, index: confirmed.read_index },
                Err(_) => self.not_leader(),
            },
            ControlRequest::Grant { boot, anchor } => self.remote.grant_to(from, boot, anchor).await,
            ControlRequest::Bench(asked) => ControlReply::Bench(self.sink.answer(from, asked).await),
            ControlRequest::Clock => ControlReply::Clock { wall_ms: (self.wall_ms)() },
            ControlRequest::Decision { id } => {
                let state = self.remote.raft.state().borrow().clone();
                decisions::tell_account(&state, &self.gate, &self.host.ledger(), id).await
            }
            ControlRequest::Decisions { low, high } => {
                decisions::tell(&self.gate, &self.host.ledger(), low, high).await
            }
            ControlRequest::Logs { agent, lines } => {
                ControlReply::Logs(self.host.logs(&agent, lines as usize).map(LogTail::of))
            }
            ControlRequest::AskFrom { from: agent, to, kind, payload, timeout_ms, user, permit } => {
                tracing::info!(%agent, %to, user, word = %from.short(), "an agent speaks on behalf of a user");
                let timeout = Duration::from_millis(timeout_ms);
                let caller = Caller::OnBehalf { agent, behalf: Behalf { user, member: from, permit } };
                match super::calls::speak(&self.host, caller, kind, to, payload, timeout).await {
                    Ok((message, ending)) => ControlReply::Ended { message, ending },
                    Err(not_here) => ControlReply::Failed { reason: not_here.to_string() },
                }
            }
            ControlRequest::Vouched { peer, index } => {
                let state = self.remote.raft.state();
                let state = state.borrow();
                let member = state
                    .nodes
                    .get(&peer)
                    .is_some_and(|node| node.membership != symbi_model::node::Membership::Removed);
                ControlReply::Vouched(member && state.counters.applied_index >= index)
            }
            ControlRequest::Ledger { from } => ledgers::tell_lines(&self.host.ledger(), from).await,
            ControlRequest::Message { prefix } => ledgers::tell_messages(&self.host.ledger(), &prefix).await,
            ControlRequest::Witness(signed) => {
                self.witness.hear(from, signed);
                ControlReply::Heard
            }
            ControlRequest::Closed { claim } => match self.witness.closed(from, claim) {
                true => ControlReply::Heard,
                false => ControlReply::Failed { reason: "too much waits".to_owned() },
            },
            ControlRequest::Witnessed { before } => ControlReply::Witnessed(self.witness.tell(before)),
            ControlRequest::WhyAgent { agent } => ControlReply::WhyAgent(self.remote.why_here(&agent)),
            ControlRequest::Hail => ControlReply::Heard,
        }
    }

    fn not_leader(&self) -> ControlReply {
        ControlReply::NotLeader { leader: self.remote.raft.status().borrow().leader }
    }

    async fn forwarded(&self, from: NodeId, batch: Vec<u8>) -> ControlReply {
        if !self.remote.raft.status().borrow().leads() {
            return self.not_leader();
        }
        match self.admission.admit(from, &batch).await {
            Err(AdmissionError::NotYet) => return self.not_leader(),
            Err(AdmissionError::Foreign) => {
                return ControlReply::Failed {
                    reason: "the batch cannot be read or is not its sender's to send".to_owned(),
                };
            }
            Err(AdmissionError::Refused(ms)) => return ControlReply::ClockSkew { ms },
            Ok(()) => {}
        }
        match self.admission.propose(&self.remote.raft, batch).await {
            Ok(applied) => {
                ControlReply::Committed { index: applied.index, term: applied.term, outcomes: applied.outcomes }
            }
            Err(WriteError::NotLeader { leader }) => ControlReply::NotLeader { leader },
            Err(WriteError::TooLarge { bytes }) => {
                ControlReply::Failed { reason: format!("the batch has {bytes} bytes") }
            }
            Err(WriteError::Unknown | WriteError::Stopped) => ControlReply::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::voucher;
    use std::collections::BTreeSet;
    use symbi_model::NodeId;
    use symbi_raft::Status;

    #[test]
    fn one_member_is_asked_to_vouch_the_leader_if_it_can_be() {
        let [a, b, c] = [1, 2, 3].map(|number| NodeId([number; 32]));
        let status = Status { leader: Some(c), voters: vec![vec![b, c]], ..Status::default() };
        assert_eq!(voucher(&status, &BTreeSet::from([a, b, c])), Some(c));
        assert_eq!(voucher(&status, &BTreeSet::from([a, b])), Some(b), "a voter, where the leader is not connected");
        assert_eq!(voucher(&status, &BTreeSet::from([a])), Some(a));
        assert_eq!(voucher(&status, &BTreeSet::new()), None);
    }
}
