//! Where a run with layers sends its messages: the receiving stages of a message's way, and then nothing.
//!
//! A sink has no way to an agent, a mailbox or the ledger: it opens what was sealed for it alone.
//! Bounds: one session for each other node, in place of the one before.

use super::trail::Trail;
use crate::clock::WallMs;
use crate::wiring::call;
use ed25519_dalek::{SigningKey, VerifyingKey};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use symbi_api::bench::Layer;
use symbi_model::agent::AgentName;
use symbi_model::ledger::{Attestation, Entry, Fate, Kind, Message, MessageBatch};
use symbi_model::{ClusterId, DecisionId, Epoch, NodeId, State};
use symbi_policy::{AgentRef, Principal, Receive};
use symbi_proto::session::{Hello, HelloReply, Opened, Party, Sealed, Session, respond};
use symbi_proto::wire::bench::{BenchReply, BenchRequest};
use symbi_proto::wire::{Blob, ControlReply, ControlRequest};
use symbi_sandbox::builtin::OWNER;
use symbi_store::Engine;
use tokio::sync::{Mutex, watch};

/// The epoch of both sides of a session that no agent has.
pub const EPOCH: Epoch = Epoch(1);

/// How long a sink has to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a sink works with.
#[derive(Clone)]
pub struct Ports {
    /// This node.
    pub node: NodeId,
    /// The replicated state.
    pub state: watch::Receiver<State>,
    /// Who judges.
    pub gate: symbi_policy::Gate,
    /// The clock.
    pub wall_ms: WallMs,
    /// The storage.
    pub engine: Arc<dyn Engine>,
}

/// The sink of a node.
#[derive(Clone)]
pub struct Sink {
    /// What it works with.
    ports: Ports,
    /// How many messages of agents this node has verified the signature over.
    attested: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// The sessions, by the node that began each.
    open: Arc<Mutex<BTreeMap<NodeId, Arc<Mutex<End>>>>>,
}

/// The sink's end of a session.
struct End {
    /// Its keys.
    session: Session,
    /// The other side's key.
    key: VerifyingKey,
    /// For whom the gate is asked.
    agents: (AgentName, AgentName),
    /// Where lines go.
    trail: Trail,
}

impl Sink {
    /// A sink without a session; `attested` counts what is received of agents, none of which comes here.
    #[must_use]
    pub fn new(ports: Ports, attested: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { ports, attested: Arc::new(attested), open: Arc::default() }
    }

    /// Does what another node's run asks.
    pub async fn answer(&self, from: NodeId, request: BenchRequest) -> BenchReply {
        let done = match request {
            BenchRequest::Open { hello, key, agents } => self.begin(from, &hello, key, agents).await,
            BenchRequest::Take { stage, messages, attestation } => {
                self.take(from, stage, &messages, attestation.as_deref()).await
            }
            BenchRequest::Close => {
                self.open.lock().await.remove(&from);
                Ok(BenchReply::Done)
            }
            BenchRequest::Attested => Ok(BenchReply::Attested((self.attested)())),
        };
        done.unwrap_or_else(|reason| BenchReply::Refused { reason })
    }

    async fn begin(
        &self,
        from: NodeId,
        hello: &Hello,
        key: [u8; 32],
        agents: (AgentName, AgentName),
    ) -> Result<BenchReply, String> {
        let own = SigningKey::from_bytes(&rand::random());
        let party = party(&self.ports, from, (&agents.1, &agents.0), &own)?;
        let (session, reply): (Session, HelloReply) =
            respond(party, hello, &key, rand::random(), rand::random()).map_err(|error| error.to_string())?;
        let key = VerifyingKey::from_bytes(&key).map_err(|error| error.to_string())?;
        let trail = Trail::new(Arc::clone(&self.ports.engine), 1);
        let end = Arc::new(Mutex::new(End { session, key, agents, trail }));
        self.open.lock().await.insert(from, end);
        Ok(BenchReply::Opened { hello: Box::new(reply), key: own.verifying_key().to_bytes() })
    }

    async fn take(
        &self,
        from: NodeId,
        stage: u8,
        messages: &[Blob],
        attestation: Option<&Attestation>,
    ) -> Result<BenchReply, String> {
        let last = *Layer::ALL.get(usize::from(stage)).ok_or("there is no such stage")?;
        let end = self.open.lock().await.get(&from).cloned().ok_or("there is no session")?;
        let mut end = end.lock().await;
        if last >= Layer::Seal {
            let opened: Result<Vec<Opened>, _> = messages.iter().map(|blob| end.session.open(&blob.0)).collect();
            let opened = opened.map_err(|error| error.to_string())?;
            self.further(&mut end, last, &opened, attestation).await?;
        }
        Ok(BenchReply::Done)
    }

    async fn further(
        &self,
        end: &mut End,
        last: Layer,
        opened: &[Opened],
        attestation: Option<&Attestation>,
    ) -> Result<(), String> {
        if last >= Layer::Sign {
            let attestation = attestation.ok_or("there is no signature")?;
            let claim = end.session.claim(&end.key, EPOCH, attestation).map_err(|error| error.to_string())?;
            claim.verify(&end.key).map_err(|error| error.to_string())?;
        }
        let mut decisions = Vec::new();
        if last >= Layer::Gate {
            let state = self.ports.state.borrow().clone();
            let (from, to) = &end.agents;
            for _ in opened {
                let request = Receive { from: Principal::Agent(as_seen(from)), to: as_seen(to) };
                let permit = self.ports.gate.judge(&state, request).map_err(|denied| denied.reason)?;
                decisions.push(permit.reference().decision);
            }
        }
        if last >= Layer::Ledger {
            let messages = opened.iter().zip(decisions).map(|(opened, decision)| {
                message(opened.sequence, &opened.header, opened.digest, opened.payload.len(), decision, Fate::Taken)
            });
            let batch = MessageBatch {
                session: end.session.id().0,
                attestation: attestation.cloned(),
                messages: messages.collect(),
            };
            end.trail.record((self.ports.wall_ms)(), Entry::Received(batch)).await;
        }
        Ok(())
    }
}

/// Asks the sink of another node.
pub async fn ask(net: &symbi_net::Handle, to: NodeId, request: BenchRequest) -> Result<BenchReply, String> {
    match call::control(net, to, &ControlRequest::Bench(request), PATIENCE).await {
        Ok(ControlReply::Bench(reply)) => Ok(reply),
        Ok(_) => Err("the other node does not know the bench".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// One side of a session: `names` are this side's agent and the other's.
pub fn party(ports: &Ports, peer: NodeId, names: (&AgentName, &AgentName), key: &SigningKey) -> Result<Party, String> {
    let cluster: ClusterId = ports.state.borrow().cluster.as_ref().ok_or("there is no cluster yet")?.id;
    Ok(Party {
        cluster,
        node: ports.node,
        peer,
        name: names.0.to_string(),
        peer_name: names.1.to_string(),
        signing_key: key.clone(),
        credential: String::new(),
        now_ms: (ports.wall_ms)(),
    })
}

/// An agent of a run, as policies see it.
pub fn as_seen(name: &AgentName) -> AgentRef {
    AgentRef { name: name.to_string(), owner: OWNER.to_owned() }
}

/// A message as a sender's line has it.
pub fn sent(sealed: &Sealed, header: &symbi_proto::session::Header, bytes: usize, decision: DecisionId) -> Message {
    message(sealed.sequence, header, sealed.header, bytes, decision, Fate::Sent)
}

fn message(
    sequence: u64,
    header: &symbi_proto::session::Header,
    digest: symbi_model::Hash,
    bytes: usize,
    decision: DecisionId,
    fate: Fate,
) -> Message {
    Message {
        sequence,
        message: header.message,
        kind: Kind::Tell,
        header: digest,
        user: String::new(),
        on_behalf: None,
        bytes: bytes as u64,
        deadline_ms: header.deadline_ms,
        decision: Some(decision),
        fate,
    }
}
