//! A node that is nothing but its state: what is proposed is applied at once, reads are always fresh, and one agent
//! answers. Everything around it, from the listener to the JSON, is the real interface.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::{Extension, Router};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use symbi_api::Error;
use symbi_api::auth::Listener;
use symbi_api::ports::{AuditLine, Call, Decided, Place, Ports, Traced, View, Witness};
use symbi_host::{Ending, TellStatus};
use symbi_model::agent::Resources;
use symbi_model::command::Genesis;
use symbi_model::entry::{Entry, Payload};
use symbi_model::ledger::{Fate, Kind};
use symbi_model::node::Profile;
use symbi_model::policy::PermitRef;
use symbi_model::{
    Batch, ClusterId, Command, Committed, DecisionId, GroupId, Hash, Item, MessageId, NodeId, Proposal, ProposeError,
    RequestId, State, apply, codec,
};
use symbi_policy::{Account, Clocks, Gate};
use symbi_proto::wire::ledger::{Chunk, Sighting};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tower::ServiceExt;
use uuid::Uuid;

/// When it is on the stage's clock, ms since the Unix epoch.
pub const NOW_MS: u64 = 1_800_000_000_000;
/// The admin's token.
pub const ADMIN: &str = "symbi-admin-token";
/// The id of every message.
pub const MESSAGE: MessageId = MessageId(Uuid::from_u128(0x77));

const CLUSTER: ClusterId = ClusterId(Uuid::from_u128(0xc1));

/// See the module.
pub struct Stage {
    /// The routes.
    router: Router,
    /// What the interface sees of the group; a test may change it.
    pub view: watch::Sender<View>,
    /// The replicated state; a test may edit it, and count it anew.
    pub state: watch::Sender<State>,
    /// What was proposed, in order.
    pub proposed: mpsc::UnboundedReceiver<Proposed>,
    /// What the next write gets instead of being applied.
    pub refuse_next: mpsc::UnboundedSender<ProposeError>,
    /// Policies that are applied just before the next write.
    pub policies_next: mpsc::UnboundedSender<String>,
    /// How many writes were done.
    pub writes: Arc<AtomicU64>,
    /// The gate's clock, s; it has heard a leader at 0.
    pub boottime: Arc<AtomicU64>,
    /// Whether a leader confirms reads.
    pub confirms: Arc<AtomicBool>,
    /// Told when the agent `silent` is asked something, which it never answers.
    pub silent: Arc<Notify>,
    /// How many times the chain was read.
    pub chain_reads: watch::Receiver<u64>,
}

/// A proposal as it came.
#[derive(Debug, PartialEq, Eq)]
pub struct Proposed {
    /// Its key.
    pub request: Option<RequestId>,
    /// Its deadline.
    pub deadline_ms: u64,
    /// What it would do.
    pub kind: &'static str,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body, JSON; null if it is none.
    pub body: Value,
    /// The body as it came.
    pub bytes: Vec<u8>,
    /// How long ago a leader was heard, ms, if the answer says so.
    pub heard_ms: Option<u64>,
}

impl Answer {
    /// Status and stable code of an error.
    pub fn error(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["code"].as_str().unwrap_or("no code"))
    }

    /// What an error says.
    pub fn says(&self) -> &str {
        self.body["error"].as_str().unwrap_or("nothing")
    }
}

/// The node behind the interface.
struct Replica {
    /// Its key.
    key: SigningKey,
    /// The state.
    state: watch::Sender<State>,
    /// The chain.
    chain: Vec<AuditLine>,
    /// What the node knows of itself: which part of the chain it lacks.
    view: watch::Receiver<View>,
    /// Whether a leader confirms reads.
    confirms: Arc<AtomicBool>,
    /// Told when the agent `silent` is asked something.
    silent: Arc<Notify>,
    /// How many times the chain was read.
    chain_reads: watch::Sender<u64>,
}

impl Replica {
    /// Lines of the chain from a place on, up to what is missing.
    fn audit(&self, place: Place, limit: usize) -> Result<Vec<AuditLine>, Error> {
        let at = |line: &AuditLine| match line {
            AuditLine::Batch(batch) => (batch.index, 0),
            AuditLine::Record(record) => (record.index, record.position + 1),
        };
        let hole = self.view.borrow().missing.iter().find(|(_, upto)| *upto >= place.index).copied();
        let end = hole.map_or(u64::MAX, |(from, _)| from);
        let wanted = |line: &&AuditLine| at(line) >= (place.index, place.line) && at(line).0 < end;
        let lines: Vec<AuditLine> = self.chain.iter().filter(wanted).take(limit).cloned().collect();
        match hole {
            Some((from, upto)) if lines.is_empty() => Err(Error::Incomplete { from, upto }),
            _ => Ok(lines),
        }
    }

    fn apply(&mut self, batch: &Batch) -> Committed {
        let mut state = self.state.borrow().clone();
        let index = state.counters.applied_index + 1;
        let entry = Entry { term: 1, index, payload: Payload::Batch(codec::encode_batch(batch)) };
        let applied = apply(&mut state, &entry);
        self.chain.extend(applied.batch_line.map(AuditLine::Batch));
        self.chain.extend(applied.records.into_iter().map(AuditLine::Record));
        self.state.send_replace(state);
        Committed { index, position: 0, outcome: applied.outcomes[0].clone() }
    }

    fn propose(&mut self, command: &Command, request: Option<RequestId>, permit: Option<PermitRef>) -> Committed {
        let item = Item::new(request, permit, [0; 16], command);
        self.apply(&Batch::sign(CLUSTER, GroupId(0), &self.key, NOW_MS, None, vec![item]))
    }

    /// Makes `text` the current set, as somebody else's write would.
    fn set_policies(&mut self, text: String) {
        let permit = PermitRef {
            decision: DecisionId { node: [1; 4], id: Uuid::from_u128(0xd1) },
            policy_set: self.state.borrow().counters.policy_set,
            credential: None,
        };
        let (entities, actor) = (symbi_model::policy::NO_ENTITIES.to_owned(), "user:admin".to_owned());
        let keeper = "admin".to_owned();
        self.propose(&Command::ApplyPolicies { text, entities, keeper, actor }, None, Some(permit));
    }

    fn answer(&self, call: Call, gate: &Gate) {
        match call {
            Call::ReadIndex(reply) => {
                let index = self.state.borrow().counters.applied_index;
                let _ = reply.send(self.confirms.load(Ordering::Relaxed).then_some(index));
            }
            // It answers only once nobody waits any more.
            Call::Ask(message, mut reply) if message.to.as_str() == "silent" => {
                self.silent.notify_one();
                tokio::spawn(async move { reply.closed().await });
            }
            Call::Ask(message, reply) => {
                let ending = match message.to.as_str() {
                    "echo" => Ending::Answer(message.payload),
                    "crowded" => return drop(reply.send(Err(Error::Busy("that is its share".to_owned())))),
                    _ => Ending::NotDelivered { reason: format!("there is no agent {}", message.to) },
                };
                drop(reply.send(Ok((MESSAGE, ending))));
            }
            Call::Tell(_, reply) => drop(reply.send(Ok((MESSAGE, TellStatus::Delivered)))),
            // Of what n2 decided, it cannot tell.
            Call::Decision(id, reply) if id.node == [0xde; 4] => {
                drop(reply.send(Err("n2: the node is stopping".to_owned())))
            }
            Call::Decision(id, reply) => drop(reply.send(Ok(gate.verdict(&id).map(Account::given)))),
            Call::Decisions(low, high, reply) => {
                // Of what others decided, only that n2 may know of it.
                let unreachable = if low.node == [0xde; 4] { vec!["n2".to_owned()] } else { Vec::new() };
                let ids = gate.decisions(&low, &high, 3);
                let more = ids.len() == 3;
                drop(reply.send(Decided { ids, more, unreachable }));
            }
            Call::Logs(_, lines, reply) => drop(reply.send(Ok(Some(vec![format!("{lines} lines were asked for")])))),
            Call::Audit(place, limit, reply) => {
                drop(reply.send(self.audit(place, limit)));
                self.chain_reads.send_modify(|reads| *reads += 1);
            }
            Call::SignBundle(bytes, reply) => drop(reply.send(self.key.sign(&bytes).to_bytes())),
            Call::Message(prefix, reply) => drop(reply.send(traced(&prefix))),
            Call::Ledger(_, _, reply) => {
                let empty = Chunk { first: 1, before: Hash::default(), whole: Vec::new(), last: 0, lines: Vec::new() };
                drop(reply.send(Ok(empty)));
            }
            Call::Bench(_, reply) => drop(reply),
            Call::BenchProvision(_, reply) => drop(reply),
            Call::BenchTeardown(_, reply) => drop(reply),
            Call::WhyAgent(_, reply) => {
                let lines = [("", "nothing speaks for it"), ("n1", "has room")];
                drop(reply.send(lines.map(|(node, text)| (node.to_owned(), text.to_owned())).to_vec()));
            }
        }
    }
}

/// What is known here: of [`MESSAGE`], of two others that begin alike, and of what begins with `dead` only that n2 may know.
fn traced(prefix: &str) -> Traced {
    let alike = ["0199aaaa-0000-7000-8000-000000000001", "0199aaaa-0000-7000-8000-000000000002"];
    let ids = alike.into_iter().map(str::to_owned).chain([MESSAGE.to_string()]);
    let known = ids.filter(|id| id.starts_with(prefix)).map(|id| Sighting {
        message: id.parse().unwrap(),
        node: NodeId([7; 32]),
        line: 3,
        time_ms: NOW_MS,
        what: "sent".to_owned(),
        kind: Some(Kind::Tell),
        sender: "a".to_owned(),
        sender_epoch: symbi_model::Epoch(1),
        receiver: "b".to_owned(),
        receiver_epoch: symbi_model::Epoch(2),
        user: String::new(),
        on_behalf: None,
        session: Some([5; 16]),
        batch: Some(0),
        sequence: Some(0),
        bytes: 1,
        deadline_ms: NOW_MS + 1,
        sent_by: None,
        received_by: None,
        fate: Some(Fate::Sent),
        anchor: None,
    });
    let unreachable = if prefix.starts_with("dead") { vec!["n2".to_owned()] } else { Vec::new() };
    Traced { seen: known.collect(), more: false, unreachable }
}

fn genesis(node: NodeId) -> Genesis {
    Genesis {
        cluster: CLUSTER,
        name: "symbi".to_owned(),
        domain: "symbi.symbi.internal".to_owned(),
        node,
        node_name: "n1".to_owned(),
        profile: Profile::plain(
            "127.0.0.1:7400".parse().unwrap(),
            vec![4; 65],
            Resources { memory_mb: 1000, cpu_millis: 4000 },
        ),
        gate: symbi_model::gate::CURRENT,
        admin_token: Hash::of(&[ADMIN.as_bytes()]),
        policies: symbi_policy::STARTER.to_owned(),
        secret: symbi_model::secret::Secret([7; 32]),
    }
}

impl Stage {
    /// A cluster of one, that leads.
    pub fn new() -> Self {
        let key = SigningKey::from_bytes(&[1; 32]);
        let node = NodeId(key.verifying_key().to_bytes());
        let (state, watched) = watch::channel(State::default());
        let (boottime, confirms) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(true)));
        let silent = Arc::new(Notify::new());
        let (counted, chain_reads) = watch::channel(0);
        let view = View {
            term: 1,
            leader: Some(node),
            committed: 1,
            voters: vec![node],
            leader_heard: Some(std::time::Duration::ZERO),
            ..View::default()
        };
        let (view, viewed) = watch::channel(view);
        let mut replica = Replica {
            key,
            state: state.clone(),
            chain: Vec::new(),
            view: viewed.clone(),
            confirms: confirms.clone(),
            silent: silent.clone(),
            chain_reads: counted,
        };
        replica.apply(&Batch::genesis(genesis(node), [0; 16], &replica.key, NOW_MS));
        let (proposals, asked) = mpsc::channel(8);
        let (calls, called) = mpsc::channel(8);
        let clock = boottime.clone();
        let options = symbi_policy::Options { kept: 64, ..symbi_policy::Options::new(node) };
        let gate = Gate::new(
            options,
            Clocks {
                wall_ms: Arc::new(|| NOW_MS),
                boottime: Arc::new(move || Duration::from_secs(clock.load(Ordering::Relaxed))),
            },
        );
        gate.heard(Duration::ZERO);
        let ports = Ports {
            node,
            state: watched,
            view: viewed,
            witness: watch::channel(Witness::default()).1,
            proposals,
            gate: gate.clone(),
            calls,
            wall_ms: Arc::new(|| NOW_MS),
            advertise: "127.0.0.1:7400".parse().unwrap(),
        };
        let (tell, proposed) = mpsc::unbounded_channel();
        let (refuse_next, refusals) = mpsc::unbounded_channel();
        let (policies_next, policies) = mpsc::unbounded_channel();
        let writes = Arc::new(AtomicU64::new(0));
        tokio::spawn(play(replica, gate, asked, called, tell, (refusals, policies), writes.clone()));
        let router = symbi_api::router(ports, vec!["n1".to_owned()]);
        Self {
            router,
            view,
            state,
            proposed,
            refuse_next,
            policies_next,
            writes,
            boottime,
            confirms,
            silent,
            chain_reads,
        }
    }

    /// The routes, as the accept loop serves them.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Sends a request through a listener.
    pub async fn send(&self, listener: Listener, request: Request<Body>) -> Answer {
        let response = self.router().layer(Extension(listener)).oneshot(request).await.unwrap();
        let status = response.status();
        let heard = response.headers().get("symbi-leader-heard-ms");
        let heard_ms = heard.map(|ms| ms.to_str().unwrap().parse().unwrap());
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec();
        Answer { status, body: serde_json::from_slice(&bytes).unwrap_or_default(), bytes, heard_ms }
    }

    /// Sends a request as the admin, over TCP.
    pub async fn admin(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "127.0.0.1:8080");
        request = request.header("authorization", format!("Bearer {ADMIN}")).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(Listener::Tcp, request.body(Body::from(body.to_owned())).unwrap()).await
    }

    /// `GET` as the admin.
    pub async fn get(&self, path: &str) -> Answer {
        self.admin("GET", path, &[], "").await
    }

    /// `POST` as the admin.
    pub async fn post(&self, path: &str, body: &str) -> Answer {
        self.admin("POST", path, &[], body).await
    }
}

async fn play(
    mut replica: Replica,
    gate: Gate,
    mut asked: mpsc::Receiver<Proposal<oneshot::Sender<Result<Committed, ProposeError>>>>,
    mut called: mpsc::Receiver<Call>,
    proposed: mpsc::UnboundedSender<Proposed>,
    (mut refusals, mut policies): (mpsc::UnboundedReceiver<ProposeError>, mpsc::UnboundedReceiver<String>),
    writes: Arc<AtomicU64>,
) {
    loop {
        tokio::select! {
            Some(proposal) = asked.recv() => {
                let Proposal { command, request, permit, deadline_ms, reply, .. } = proposal;
                let _ = proposed.send(Proposed { request, deadline_ms, kind: command.kind().known().expect("a kind of ours") });
                if let Ok(text) = policies.try_recv() {
                    replica.set_policies(text);
                }
                let answer = match refusals.try_recv() {
                    Ok(error) => Err(error),
                    Err(_) => Ok(replica.propose(&command, request, permit)),
                };
                writes.fetch_add(u64::from(answer.is_ok()), Ordering::Relaxed);
                let _ = reply.send(answer);
            }
            Some(call) = called.recv() => replica.answer(call, &gate),
            else => return,
        }
    }
}
