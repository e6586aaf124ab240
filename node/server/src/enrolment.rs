//! The member's side of a join (the new node's is [`crate::join`]): it proves that it knows the token, checks the joiner's
//! proof, has the gate judge `node::admit` for the token's maker, and commits the enrolment. It changes no membership: that is
//! the leader's reconciler's.

mod lookup;

use crate::clock::WallMs;
use crate::wiring::remote::Remote;
use bytes::Bytes;
use lookup::Lookup;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use symbi_api::error::Error;
use symbi_api::write::Writer;
use symbi_model::command::Enrol as EnrolCommand;
use symbi_model::node::Membership;
use symbi_model::token::JoinToken;
use symbi_model::{Command, Committed, NodeId, Outcome, ProposeError, Refusal, State, TokenId};
use symbi_net::JoinCall;
use symbi_policy::AdmitNode;
use symbi_proto::join::{Member, Pending, welcome};
use symbi_proto::wire::join::{Enrol, Enrolled, Hello, Neighbour, Progress, Refused, RefusedCode};
use symbi_proto::wire::{JoinReply, JoinRequest};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Joins that have said hello; one more takes the place of the one that said so first.
const PENDING: usize = 64;
/// How long an enrolment may take to be committed, ms.
const ENROL_MS: u64 = 6_000;
/// How long a new node may take to be reached at the address that it advertises.
const DIAL_BACK: Duration = Duration::from_secs(2);

/// Answers strangers.
#[derive(Clone)]
pub struct Handler {
    /// The group.
    raft: symbi_raft::Handle,
    /// Who judges.
    gate: symbi_policy::Gate,
    /// Where the enrolment goes.
    proposals: symbi_control::Proposals,
    /// The clock.
    wall_ms: WallMs,
    /// The way to the leader.
    remote: Remote,
    /// Asks the leader about tokens that are not known here.
    lookup: Lookup,
    /// Who has said hello, the last one last. One that was admitted stays: its answer may be lost, and then it asks again.
    pending: Arc<Mutex<VecDeque<(NodeId, Pending)>>>,
}

impl Handler {
    /// A handler of this node.
    #[must_use]
    pub fn new(
        raft: symbi_raft::Handle,
        gate: symbi_policy::Gate,
        proposals: symbi_control::Proposals,
        wall_ms: WallMs,
        remote: Remote,
    ) -> Self {
        Self { raft, gate, proposals, wall_ms, remote, lookup: Lookup::default(), pending: Arc::default() }
    }

    /// Answers until `cancel`.
    pub async fn run(self, mut joins: mpsc::Receiver<JoinCall>, tasks: TaskTracker, cancel: CancellationToken) {
        while let Some(Some(call)) = cancel.run_until_cancelled(joins.recv()).await {
            let handler = self.clone();
            tasks.spawn(async move {
                let answer = match JoinRequest::decode(&call.body) {
                    Ok(request) => handler.answer(call.from, request).await,
                    Err(error) => refuse(RefusedCode::Malformed, error.to_string()),
                };
                let _ = call.reply.send(Bytes::from(answer.encode()));
            });
        }
    }

    async fn answer(&self, joiner: NodeId, request: JoinRequest) -> JoinReply {
        let answered = match request {
            JoinRequest::Hello(hello) => self.hello(joiner, hello).await,
            JoinRequest::Enrol(enrol) => self.enrol(joiner, enrol).await,
            JoinRequest::Progress => Ok(self.progress(&joiner)),
            // The network answers these itself, from its roster.
            JoinRequest::Admit { .. } => Err(refused(RefusedCode::Malformed, "this request is not accepted here")),
        };
        answered.unwrap_or_else(|refused| {
            tracing::info!(joiner = %joiner.short(), code = ?refused.code, detail = refused.detail, "a join is refused");
            JoinReply::Refused(refused)
        })
    }

    async fn hello(&self, joiner: NodeId, hello: Hello) -> Result<JoinReply, Refused> {
        let own = self.raft.state().borrow().cluster.as_ref().map(|cluster| cluster.id).ok_or_else(starting)?;
        if hello.cluster_prefix != symbi_proto::token::prefix(own) {
            return Err(refused(RefusedCode::ForeignCluster, "the token is another cluster's"));
        }
        let (state, token) = self.token(hello.token).await?;
        let cluster = state.cluster.as_ref().ok_or_else(starting)?;
        let member = Member { node: self.remote.node, cluster: cluster.id, cluster_name: cluster.name.clone() };
        let welcomed = welcome(&member, joiner, hello, token.verifier, rand::random(), (self.wall_ms)());
        let (pending, reply) = welcomed.map_err(|error| match error {
            symbi_proto::Error::Version { .. } => refused(RefusedCode::Version, error.to_string()),
            other => refused(RefusedCode::ForeignCluster, other.to_string()),
        })?;
        let mut waiting = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|(node, _)| *node != joiner);
        waiting.push_back((joiner, pending));
        if waiting.len() > PENDING {
            waiting.pop_front();
        }
        Ok(JoinReply::Hello(reply))
    }

    /// The token's record; a node that does not know it asks the leader how far it must have come before it says no.
    async fn token(&self, id: TokenId) -> Result<(State, JoinToken), Refused> {
        let state = self.raft.state().borrow().clone();
        if let Some(token) = state.join_tokens.get(&id) {
            return Ok((state.clone(), token.clone()));
        }
        let index = self.lookup.index(|| self.remote.read_index()).await;
        let index = index.ok_or_else(|| refused(RefusedCode::Unavailable, "no leader can be asked about the token"))?;
        let state = self.raft.wait_applied(index, Duration::from_secs(3)).await.map_err(|_| starting())?;
        let token = state.join_tokens.get(&id).cloned();
        let token = token.ok_or_else(|| refused(RefusedCode::TokenUnknown, format!("there is no token {id}")))?;
        Ok((state, token))
    }

    async fn enrol(&self, joiner: NodeId, enrol: Enrol) -> Result<JoinReply, Refused> {
        let (token, name) = {
            let waiting = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            let pending = waiting.iter().find(|(node, _)| *node == joiner).map(|(_, pending)| pending);
            let pending = pending.ok_or_else(|| refused(RefusedCode::HelloFirst, "a join begins with a hello"))?;
            pending.admit(&enrol).map_err(|error| match error {
                symbi_proto::Error::ForeignExchange => refused(RefusedCode::HelloFirst, error.to_string()),
                other => refused(RefusedCode::ProofWrong, other.to_string()),
            })?;
            (pending.hello().token, enrol.name.clone())
        };
        fit(&name)?;
        room(&self.raft.state().borrow(), &joiner)?;
        self.dial_back(joiner, enrol.profile.addr).await?;
        let (_, record) = self.token(token).await?;
        let labels = enrol.profile.labels.clone();
        let admit = AdmitNode { user: record.user.clone(), name: name.clone(), labels };
        let command = Command::Enrol(EnrolCommand { node: joiner, name, profile: enrol.profile, token });
        let writer = Writer { state: self.raft.state(), gate: self.gate.clone(), proposals: self.proposals.clone() };
        let committed = outcome(writer.permitted(&admit, enrol.request, command, ENROL_MS).await)?;
        let state = self.raft.wait_applied(committed.index, Duration::from_secs(3)).await.map_err(|_| starting())?;
        enrolled(&state, &joiner)
    }

    /// Dials the new node at the address that it advertises: a member that nobody reaches would be dialled for ever.
    async fn dial_back(&self, joiner: NodeId, addr: SocketAddr) -> Result<(), Refused> {
        let is_enrolled = self.raft.state().borrow().nodes.get(&joiner).is_some_and(|known| known.profile.addr == addr);
        if is_enrolled {
            // It asks again, and members may have the connections to it already.
            return Ok(());
        }
        let why = match self.remote.net.identify(addr, DIAL_BACK).await {
            Ok(node) if node == joiner => return Ok(()),
            Ok(other) => format!("node {} answers there", other.short()),
            Err(error) => error.to_string(),
        };
        let detail = format!("the member cannot reach this node at {addr}, the address that it advertises: {why}");
        Err(refused(RefusedCode::DialBack, detail))
    }

    fn progress(&self, joiner: &NodeId) -> JoinReply {
        let status = self.raft.status().borrow().clone();
        let state = self.raft.state();
        let state = state.borrow();
        JoinReply::Progress(Progress {
            membership: state.nodes.get(joiner).map(|node| node.membership),
            is_voter: status.voters.iter().flatten().any(|voter| voter == joiner),
            leader: status.leader,
            last_log: status.last_log,
            committed: status.committed,
        })
    }
}

/// Whether the cluster takes one more: each member keeps a connection to every other.
fn room(state: &State, joiner: &NodeId) -> Result<(), Refused> {
    let others = state.nodes.iter().filter(|(id, node)| *id != joiner && node.membership != Membership::Removed);
    let members = others.count();
    if members < symbi_net::MAX_MEMBERS {
        return Ok(());
    }
    Err(refused(RefusedCode::ClusterFull, format!("it has {members} members, and no more can be connected")))
}

fn fit(name: &str) -> Result<(), Refused> {
    if symbi_model::node::valid_name(name) {
        return Ok(());
    }
    Err(refused(RefusedCode::Unfit, format!("the name {name:?} is not a DNS label: a-z, 0-9 and '-', at most 63")))
}

fn outcome(answer: Result<Committed, Error>) -> Result<Committed, Refused> {
    let committed = answer.map_err(|error| match &error {
        Error::Denied { decision, reason } => refused(RefusedCode::Denied, format!("{reason} (decision {decision})")),
        Error::Undecided(ProposeError::Unknown) => refused(RefusedCode::Unknown, error.to_string()),
        Error::Undecided(ProposeError::ClockSkew { .. }) => refused(RefusedCode::Clock, error.to_string()),
        _ => refused(RefusedCode::Unavailable, error.to_string()),
    })?;
    let Outcome::Refused(refusal) = &committed.outcome else { return Ok(committed) };
    let code = match refusal {
        Refusal::NameTaken => RefusedCode::NameTaken,
        Refusal::TokenUnknown => RefusedCode::TokenUnknown,
        Refusal::TokenExpired => RefusedCode::TokenExpired,
        Refusal::TokenUsed => RefusedCode::TokenUsed,
        Refusal::TokenRevoked => RefusedCode::TokenRevoked,
        Refusal::JoinExpired => RefusedCode::JoinExpired,
        // Of the request and not of the join: the next one has another key.
        Refusal::PolicyMoved { .. }
        | Refusal::TooManyClients
        | Refusal::KeyTooOld
        | Refusal::KeyReused
        | Refusal::KeyFromFuture => RefusedCode::Busy,
        _ => RefusedCode::Unfit,
    };
    Err(refused(code, refusal.to_string()))
}

fn enrolled(state: &State, joiner: &NodeId) -> Result<JoinReply, Refused> {
    let cluster = state.cluster.as_ref().ok_or_else(starting)?;
    let own = state.nodes.get(joiner).ok_or_else(starting)?;
    let known = state.nodes.iter().filter(|(_, node)| node.membership != Membership::Removed);
    let roster = known.map(|(id, node)| Neighbour { node: *id, name: node.name.clone(), addr: node.profile.addr });
    Ok(JoinReply::Enrolled(Box::new(Enrolled {
        index: own.enrolled_at,
        cluster: cluster.id,
        cluster_name: cluster.name.clone(),
        domain: cluster.domain.clone(),
        generation: cluster.generation,
        anchor: cluster.anchor,
        roster: roster.collect(),
    })))
}

fn starting() -> Refused {
    refused(RefusedCode::Unavailable, "this member is starting")
}

fn refused(code: RefusedCode, detail: impl Into<String>) -> Refused {
    Refused { code, detail: detail.into() }
}

fn refuse(code: RefusedCode, detail: String) -> JoinReply {
    JoinReply::Refused(Refused { code, detail })
}

#[cfg(test)]
mod tests {
    use super::room;
    use symbi_model::agent::Resources;
    use symbi_model::node::{Liveness, Membership, Node, Profile};
    use symbi_model::{NodeId, State};
    use symbi_net::MAX_MEMBERS;
    use symbi_proto::wire::join::RefusedCode;

    fn node(membership: Membership) -> Node {
        let addr = ([127, 0, 0, 1], 7400).into();
        Node {
            name: "n".to_owned(),
            profile: Profile::plain(addr, Vec::new(), Resources { memory_mb: 1, cpu_millis: 1 }),
            membership,
            liveness: Liveness::Up,
            token: None,
            enrolled_at: 1,
            enrolled_ms: 1,
        }
    }

    fn id(number: usize) -> NodeId {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        NodeId(id)
    }

    #[test]
    fn a_cluster_takes_as_many_members_as_can_be_connected_and_not_one_more() {
        let mut state = State::default();
        for number in 0..MAX_MEMBERS - 1 {
            state.nodes.insert(id(number), node(Membership::Member));
        }
        state.nodes.insert(id(1_000), node(Membership::Removed));
        let joiner = id(2_000);
        assert!(room(&state, &joiner).is_ok(), "one is missing; a removed one does not count");
        state.nodes.insert(id(MAX_MEMBERS), node(Membership::Joining));
        let full = room(&state, &joiner).expect_err("all that may be are there");
        assert_eq!(full.code, RefusedCode::ClusterFull);
        assert!(full.detail.contains("256 members"), "{}", full.detail);
        assert!(room(&state, &id(MAX_MEMBERS)).is_ok(), "who has enrolled asks again");
    }
}
