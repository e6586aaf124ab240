//! A run with layers: what each stage of a message's way costs, one stage more in each round.
//!
//! A round sends flushes of up to 64 messages, one flush after the other, over the real connection to the sink of another
//! node, through the same code as an agent's messages: sealing, a signature for each flush, the gate's decision for each
//! message, a line of a chain on the disk for each flush. No agent, mailbox or ledger is touched, so no stage has to be left
//! out anywhere for it. A time is that of a flush, from the first message's making to the sink's reply.
//!
//! *Caveats.* A session takes no more than a flush without a signature; where there is none, each flush has a session of its
//! own, which is set up before its time runs.

use super::sink::{self, EPOCH, as_seen, party, sent};
use super::trail::Trail;
use super::work;
use ed25519_dalek::SigningKey;
use std::sync::Arc;
use std::time::{Duration, Instant};
use symbi_api::bench::tally::{Tally, Turn};
use symbi_api::bench::{BenchAgents, Figures, Layer, Order};
use symbi_api::error::Error;
use symbi_model::ledger::{Attestation, Entry, MessageBatch};
use symbi_model::{Incarnation, MessageId, NodeId, PolicyNumber};
use symbi_policy::{Principal, Tell};
use symbi_proto::session::batch::MESSAGES;
use symbi_proto::session::{Header, Id, Initiator, Kind, Said, Sealed, Session};
use symbi_proto::wire::Blob;
use symbi_proto::wire::bench::{BenchReply, BenchRequest};

/// The sending side.
pub struct Sender {
    /// What it shares with a sink: this node's gate, clock and storage.
    ports: sink::Ports,
    /// The way to the other node.
    net: symbi_net::Handle,
    /// The other node.
    to: NodeId,
    /// The agents for whom the gate is asked.
    agents: BenchAgents,
    /// Messages of a flush.
    flush: usize,
    /// The key of its signatures, of this run alone.
    key: SigningKey,
    /// Where lines go.
    trail: Trail,
}

impl Sender {
    /// One that sends to the sink of `to`.
    pub fn new(ports: sink::Ports, net: symbi_net::Handle, to: NodeId, agents: BenchAgents, order: &Order) -> Self {
        let trail = Trail::new(Arc::clone(&ports.engine), 0);
        let key = SigningKey::from_bytes(&rand::random());
        Self { ports, net, to, agents, flush: order.clients.min(MESSAGES), key, trail }
    }

    /// Measures every layer up to `last`.
    pub async fn run(&mut self, last: Layer, length: Duration) -> Result<Vec<(Layer, Figures)>, Error> {
        let mut rows = Vec::new();
        for layer in Layer::ALL.into_iter().filter(|layer| *layer <= last) {
            let measured = self.round(layer, length).await;
            rows.push((layer, measured.map_err(|reason| Error::Unavailable(format!("{}: {reason}", layer.name())))?));
        }
        let _ = self.ask(BenchRequest::Close).await;
        Ok(rows)
    }

    /// One layer for `length`, set-ups of sessions not counted.
    async fn round(&mut self, layer: Layer, length: Duration) -> Result<Figures, String> {
        let (tally, mut worked, began) = (Tally::default(), Duration::ZERO, Instant::now());
        let mut session = self.open().await?;
        while worked < length && began.elapsed() < 3 * length {
            if layer == Layer::Seal || session.due_for_rekey((self.ports.wall_ms)()) {
                session = self.open().await?;
            }
            let turn = self.turn(layer, &mut session).await;
            worked += *turn.as_ref().map_err(Clone::clone)?;
            tally.count(0, &turn);
        }
        let figures = tally.figures(worked);
        Ok(Figures { operations: figures.operations * self.flush as u64, ..figures })
    }

    async fn open(&self) -> Result<Session, String> {
        let agents = (self.agents.from[0].clone(), self.agents.to[0].clone());
        let own = party(&self.ports, self.to, (&agents.0, &agents.1), &self.key)?;
        let (initiator, hello) = Initiator::start(own, rand::random(), rand::random(), Id(rand::random()));
        let key = self.key.verifying_key().to_bytes();
        match self.ask(BenchRequest::Open { hello: Box::new(hello), key, agents }).await? {
            BenchReply::Opened { hello, key } => initiator.finish(&hello, &key).map_err(|error| error.to_string()),
            BenchReply::Refused { reason } => Err(reason),
            BenchReply::Done | BenchReply::Attested(_) => Err("the sink has opened nothing".to_owned()),
        }
    }

    /// One flush through the stages up to `layer`.
    async fn turn(&mut self, layer: Layer, session: &mut Session) -> Turn {
        let (began, payload) = (Instant::now(), work::payload());
        let headers: Vec<Header> = (0..self.flush).map(|_| self.header()).collect();
        let mut decisions = Vec::new();
        if layer >= Layer::Gate {
            let state = self.ports.state.borrow().clone();
            for _ in 0..self.flush {
                let from = Principal::Agent(as_seen(&self.agents.from[0]));
                let request = Tell { from, to: as_seen(&self.agents.to[0]) };
                let permit = self.ports.gate.judge(&state, request).map_err(|denied| denied.reason)?;
                decisions.push(permit.reference().decision);
            }
        }
        let mut sealed: Vec<Sealed> = Vec::new();
        if layer >= Layer::Seal {
            for header in &headers {
                sealed.push(session.seal(header, &payload).map_err(|error| error.to_string())?);
            }
        }
        let attestation = if layer >= Layer::Sign { session.attest(&self.key, &self.said()) } else { None };
        if layer >= Layer::Ledger {
            let rows = sealed.iter().zip(&headers).zip(&decisions);
            let messages = rows.map(|((sealed, header), decision)| sent(sealed, header, payload.len(), *decision));
            let batch = MessageBatch {
                session: session.id().0,
                attestation: attestation.clone(),
                messages: messages.collect(),
            };
            self.trail.record((self.ports.wall_ms)(), Entry::Sent(batch)).await;
        }
        self.send(layer, sealed, &payload, attestation).await?;
        Ok(began.elapsed())
    }

    async fn send(
        &self,
        layer: Layer,
        sealed: Vec<Sealed>,
        payload: &[u8],
        attestation: Option<Attestation>,
    ) -> Result<(), String> {
        let messages = if layer >= Layer::Seal {
            sealed.into_iter().map(|sealed| Blob(sealed.bytes)).collect()
        } else {
            (0..self.flush).map(|_| Blob(payload.to_vec())).collect()
        };
        let stage = layer as u8;
        match self.ask(BenchRequest::Take { stage, messages, attestation: attestation.map(Box::new) }).await? {
            BenchReply::Done => Ok(()),
            BenchReply::Refused { reason } => Err(reason),
            BenchReply::Opened { .. } | BenchReply::Attested(_) => Err("the sink answers something else".to_owned()),
        }
    }

    async fn ask(&self, request: BenchRequest) -> Result<BenchReply, String> {
        sink::ask(&self.net, self.to, request).await
    }

    fn header(&self) -> Header {
        let now = (self.ports.wall_ms)();
        Header {
            kind: Kind::Tell,
            message: MessageId(symbi_api::keys::uuid_v7(now)),
            in_reply_to: None,
            sender: self.agents.from[0].to_string(),
            receiver: self.agents.to[0].to_string(),
            sender_epoch: EPOCH,
            sender_incarnation: Incarnation(1),
            receiver_epoch: EPOCH,
            deadline_ms: now + 10_000,
            trace: [0; 16],
        }
    }

    fn said(&self) -> Said {
        Said { epoch: EPOCH, policy_set: PolicyNumber(1), time_ms: (self.ports.wall_ms)() }
    }
}
