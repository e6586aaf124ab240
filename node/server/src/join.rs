//! The join of a new node: eight phases, each printed as it ends, each with a failure of its own.
//!
//! | # | phase | fails as | exit |
//! |---|---|---|---|
//! | 1 | resolve every address | `JOIN_RESOLVE` | 20 |
//! | 2 | dial | `JOIN_DIAL` | 21 |
//! | 3 | verify that the peer knows the token | `JOIN_CLUSTER_MISMATCH` | 22 |
//! | 4 | clocks within 500 ms | `JOIN_CLOCK` | 25 |
//! | 5 | a version of the join protocol in common | `JOIN_VERSION` | 26 |
//! | 6 | enrol: room for it, dialled back, token consumed, name free, node recorded | `CLUSTER_FULL`, `JOIN_ADVERTISE_UNREACHABLE`, `JOIN_TOKEN`, `JOIN_NAME` | 7, 23, 24, 27 |
//! | 7 | roster: who the members are and where | – | – |
//! | 8 | catch up with the log | `JOIN_CATCH_UP` | 28 |
//!
//! Here are phases 1 to 7, over a running network; phase 8 needs the running node and is [`crate::membership::catch_up`].
//! The member's side is [`crate::enrolment`].

pub(crate) mod refusal;

use crate::clock::WallMs;
use crate::failure::Failure;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use symbi_model::ids::RequestId;
use symbi_model::node::Profile;
use symbi_model::{ClientId, NodeId};
use symbi_net::JoinCallError;
use symbi_proto::join::{Joiner, Proved, SKEW_MS, skew_ms};
use symbi_proto::token::JoinToken;
use symbi_proto::wire::join::{Enrolled, HelloReply};
use symbi_proto::wire::{JoinReply, JoinRequest};
use tokio::time::{Instant, timeout_at};

pub use refusal::token_failure;

/// How long one exchange with a member may take.
const EXCHANGE: Duration = Duration::from_secs(8);
/// How long to wait before saying hello again.
const AGAIN: Duration = Duration::from_millis(250);
/// So many rounds may meet nobody before a join fails. More than one: members dial a node that has enrolled, and when it was
/// killed and starts again, its own connection may be the one of two that is closed, question and all.
const UNREACHED: u32 = 4;

/// What a joiner is and wants.
pub struct Request {
    /// Its id.
    pub node: NodeId,
    /// The name it wants.
    pub name: String,
    /// What it says of itself.
    pub profile: Profile,
    /// The token, parsed.
    pub token: JoinToken,
    /// Members' addresses, as they were given.
    pub addresses: Vec<String>,
    /// When the whole join must be over.
    pub until: Instant,
    /// The joiner's clock.
    pub wall_ms: WallMs,
}

/// How the join tells of its progress: a line for each phase as it ends, the first time that it does.
pub struct Progress {
    /// When the join began.
    began: Instant,
    /// The last phase that was told of.
    told: AtomicU8,
    /// Where the lines go.
    print: Box<dyn Fn(&str) + Send + Sync>,
}

impl Progress {
    /// Progress from now on, printed by `print`.
    #[must_use]
    pub fn new(print: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { began: Instant::now(), told: AtomicU8::new(0), print: Box::new(print) }
    }

    /// Tells how far the phase under way is.
    pub(crate) fn under_way(&self, phase: u8, what: &str) {
        let seconds = self.began.elapsed().as_secs_f64();
        (self.print)(&format!("join {phase}/8  ... {what}  ({seconds:.2} s)"));
    }

    /// Tells of a phase that has ended.
    pub(crate) fn done(&self, phase: u8, what: &str) {
        if self.told.fetch_max(phase, Ordering::Relaxed) < phase {
            let seconds = self.began.elapsed().as_secs_f64();
            (self.print)(&format!("join {phase}/8  {what}  ({seconds:.2} s)"));
        }
    }
}

/// Why a join did not come to its end.
#[derive(Debug)]
pub enum Ended {
    /// It failed before anything was recorded, or nobody knows how it ended.
    Failed(Failure),
    /// A member has refused it for good: nothing of it is left in the cluster.
    Refused(Failure),
    /// This node's join was cleared: start over with a new key.
    Expired(Failure),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Why one round, a hello and an enrolment with one member, did not admit the node.
enum Round {
    /// Nobody answers.
    Unreached(Failure),
    /// A member answers that it cannot, for now.
    Unavailable(String),
    /// The enrolment was sent, and what became of it is not known.
    Unanswered(String),
    /// There is no use in another round.
    Ended(Ended),
}

impl From<Ended> for Round {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl From<Failure> for Round {
    fn from(failure: Failure) -> Self {
        Self::Ended(Ended::Failed(failure))
    }
}

/// Phases 1 to 7. `before_enrol` is called each time before a member may record something.
///
/// Asking again is harmless, whoever is asked and whatever became of the question before: a node is enrolled once, and every
/// further enrolment of it is answered like the first.
///
/// # Errors
/// The phase's failure.
pub async fn enrol(
    net: &symbi_net::Handle,
    request: Request,
    progress: &Progress,
    before_enrol: impl Fn() -> Result<(), Failure>,
) -> Result<(Enrolled, SocketAddr), Ended> {
    let mut addresses = resolve(&request.addresses, request.until).await?;
    progress.done(1, &format!("resolved {} address(es)", addresses.len()));
    let (mut unavailable, mut unanswered, mut unreached) = (None, None, 0);
    loop {
        match round(net, &request, &mut addresses, progress, &before_enrol).await {
            Ok(enrolled) => return Ok((enrolled, addresses[0])),
            Err(Round::Ended(ended)) => return Err(ended),
            Err(Round::Unreached(failure)) if unavailable.is_none() && unanswered.is_none() => {
                unreached += 1;
                if unreached == UNREACHED || Instant::now() + AGAIN >= request.until {
                    return Err(failure.into());
                }
            }
            Err(Round::Unreached(_)) => {}
            Err(Round::Unavailable(why)) => unavailable = Some(why),
            Err(Round::Unanswered(why)) => unanswered = Some(why),
        }
        if Instant::now() + AGAIN >= request.until {
            let failure = unanswered.map(refusal::unfinished);
            return Err(failure.unwrap_or_else(|| refusal::unavailable(unavailable.unwrap_or_default())).into());
        }
        tokio::time::sleep(AGAIN).await;
        // Another member may know more, or be alive.
        addresses.rotate_left(1);
    }
}

async fn resolve(addresses: &[String], until: Instant) -> Result<Vec<SocketAddr>, Failure> {
    let mut found = Vec::new();
    for address in addresses {
        match timeout_at(until, tokio::net::lookup_host(address.as_str())).await {
            Ok(Ok(resolved)) => found.extend(resolved),
            Ok(Err(error)) => return Err(refusal::unresolved(address, error.to_string())),
            Err(_) => return Err(refusal::unresolved(address, "the name server did not answer in time")),
        }
    }
    Ok(found)
}

/// Phases 2 to 7 with one member.
async fn round(
    net: &symbi_net::Handle,
    request: &Request,
    addresses: &mut [SocketAddr],
    progress: &Progress,
    before_enrol: &impl Fn() -> Result<(), Failure>,
) -> Result<Enrolled, Round> {
    let (address, proved) = verify(net, request, addresses, progress).await?;
    before_enrol()?;
    let enrol = JoinRequest::Enrol(proved.enrol(request.profile.clone(), request_id((request.wall_ms)())));
    match exchange(net, address, &enrol, request.until).await {
        Ok((_, JoinReply::Enrolled(enrolled))) => {
            let name = name_of(&enrolled, &request.node).unwrap_or(&request.name);
            progress.done(6, &format!("enrolled as {name} at index {}", enrolled.index));
            progress.done(7, &format!("{} member(s) known", enrolled.roster.len()));
            Ok(*enrolled)
        }
        Ok((_, JoinReply::Refused(refused))) if refused.code.is_retryable() => Err(Round::Unanswered(refused.detail)),
        Ok((_, reply)) => Err(refusal::refused(reply, &request.name).into()),
        Err(reason) => Err(Round::Unanswered(reason)),
    }
}

/// What `node` is called by those who enrolled it.
#[must_use]
pub fn name_of<'a>(enrolled: &'a Enrolled, node: &NodeId) -> Option<&'a str> {
    enrolled.roster.iter().find(|peer| peer.node == *node).map(|peer| peer.name.as_str())
}

/// Phases 2 to 5: the first member that answers is the one that must prove itself.
async fn verify(
    net: &symbi_net::Handle,
    request: &Request,
    addresses: &mut [SocketAddr],
    progress: &Progress,
) -> Result<(SocketAddr, Proved), Round> {
    let sent_ms = (request.wall_ms)();
    let (joiner, hello) =
        Joiner::start(request.token.clone(), request.node, request.name.clone(), rand::random(), sent_ms);
    let (address, member, reply) = dial(net, request, addresses, &JoinRequest::Hello(hello)).await?;
    let received_ms = (request.wall_ms)();
    progress.done(2, &format!("reached {address}"));
    let reply: HelloReply = match reply {
        JoinReply::Hello(reply) => reply,
        JoinReply::Refused(refused) if refused.code.is_retryable() => return Err(Round::Unavailable(refused.detail)),
        other => return Err(refusal::refused(other, &request.name).into()),
    };
    let (theirs_ms, name) = (reply.wall_ms, reply.cluster_name.clone());
    let proved = joiner.check(member, reply).map_err(|error| {
        if matches!(error, symbi_proto::Error::Version { .. }) {
            return refusal::version(error.to_string());
        }
        let what = format!("the node at {address} could not prove that it belongs to this token's cluster");
        Failure::new(22, "JOIN_CLUSTER_MISMATCH", what)
            .why(error.to_string())
            .fix("check the address, and copy the token again: symbi-node token create --print-join-command")
            .undo("nothing was recorded, and the token's secret was not sent")
    })?;
    progress.done(3, &format!("verified: cluster {name}, by node {}", member.short()));
    let skew = skew_ms(sent_ms, received_ms, theirs_ms);
    if skew.unsigned_abs() > SKEW_MS {
        return Err(refusal::clock(skew).into());
    }
    progress.done(4, "clocks agree within 500 ms");
    progress.done(5, &format!("join protocol {}", proved.version()));
    Ok((address, proved))
}

/// The first member's answer to `hello`; its address is then the first.
async fn dial(
    net: &symbi_net::Handle,
    request: &Request,
    addresses: &mut [SocketAddr],
    hello: &JoinRequest,
) -> Result<(SocketAddr, NodeId, JoinReply), Round> {
    let mut reasons = Vec::new();
    for _ in 0..addresses.len() {
        let address = addresses[0];
        match exchange(net, address, hello, request.until).await {
            Ok((member, reply)) => return Ok((address, member, reply)),
            Err(reason) => reasons.push(format!("{address}: {reason}")),
        }
        addresses.rotate_left(1);
    }
    let fix = "check that a member listens on that address ('symbi-node node ls' shows it under ADDR) and that no firewall blocks it";
    Err(Round::Unreached(
        Failure::new(21, "JOIN_DIAL", "no member could be reached")
            .why(reasons.join("; "))
            .fix(fix)
            .undo("nothing was recorded"),
    ))
}

/// One question to a member, and its answer.
pub(crate) async fn exchange(
    net: &symbi_net::Handle,
    address: SocketAddr,
    request: &JoinRequest,
    until: Instant,
) -> Result<(NodeId, JoinReply), String> {
    let patience = EXCHANGE.min(until.saturating_duration_since(Instant::now()));
    let answer = net.join_call(address, request.encode().into(), patience).await;
    let (member, body) = answer.map_err(|error| match error {
        JoinCallError::Dial(reason) => reason,
        other => other.to_string(),
    })?;
    JoinReply::decode(&body).map(|reply| (member, reply)).map_err(|error| error.to_string())
}

/// The id of a request that is made now.
fn request_id(wall_ms: u64) -> RequestId {
    RequestId { client: ClientId(symbi_api::keys::uuid_v7(wall_ms)), sequence: 1 }
}
