//! Setting up a session with the incarnation of an agent that runs elsewhere: one hello and one reply, both with
//! credentials.

use super::answerer::Answerer;
use super::channel::{Channel, Peer};
use super::credentials;
use super::envelope::Route;
use super::outbound_session::OutboundSession;
use super::send_queue::Wanted;
use super::sender::Sender;
use crate::ending::{Ending, not_delivered};
use crate::host::Host;
use crate::ports::PeerError;
use ed25519_dalek::VerifyingKey;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::NodeId;
use symbi_model::ledger::{Entry, Session};
use symbi_policy::credential::Subject;
use symbi_proto::session::{Hello, HelloReply, Id, Initiator, Party};
use symbi_proto::wire::{MessageFrame, MessageReply};
use tokio::time::Instant;

/// Why there is no session.
pub(super) enum NoSession {
    /// There will be none: what waits for it was not delivered.
    Refused(Ending),
    /// The way to the receiver's node was cut meanwhile: there may be one later.
    HeldUp(PeerError),
}

impl From<Ending> for NoSession {
    fn from(ending: Ending) -> Self {
        Self::Refused(ending)
    }
}

/// How long setting up a session may take.
const HELLO: Duration = Duration::from_secs(5);

/// Sets up a session with the incarnation that runs where `route` says. Whatever goes wrong, nothing was delivered.
pub(super) async fn establish(
    host: &Host,
    sender: &Sender,
    wanted: Wanted,
    route: Route,
) -> Result<Arc<OutboundSession>, NoSession> {
    let Wanted { to, remaining } = wanted;
    let deadline = Instant::now() + remaining;
    let state = host.state();
    let identity = sender.identity(host, &state).ok_or_else(|| not_delivered("this node is no member yet"))?;
    let cluster = state.cluster.as_ref().ok_or_else(|| not_delivered("there is no cluster yet"))?.id;
    let receiver = Subject::Agent(to.clone());
    let credential = identity.credential(host, &state, receiver.clone());
    let (name, peer_name) = (identity.subject.to_string(), receiver.to_string());
    let party = Party {
        cluster,
        node: host.options.node,
        peer: route.node,
        name: name.clone(),
        peer_name: peer_name.clone(),
        signing_key: identity.cnf.clone(),
        credential: credential.clone(),
        now_ms: host.boot_ms(),
    };
    let (initiator, hello) = Initiator::start(party, host.random(), host.random(), Id(host.random()));
    let reply = greet(host, route.node, hello, remaining.min(HELLO)).await?;
    let verified = credentials::verify(host, &reply.credential, &identity.subject, route.node, deadline).await;
    let verified = verified.map_err(|reason| not_delivered(format!("the receiver's credential: {reason}")))?;
    if verified.subject != receiver || verified.epoch != route.epoch {
        return Err(not_delivered(format!("{to} runs under another epoch by now")).into());
    }
    let no_session = |error: String| not_delivered(format!("no session with {to}: {error}"));
    let session = initiator.finish(&reply, &verified.cnf).map_err(|error| no_session(error.to_string()))?;
    let key = VerifyingKey::from_bytes(&verified.cnf).map_err(|error| no_session(error.to_string()))?;
    host.ledger.record(Entry::Session(Session {
        session: session.id().0,
        began: true,
        name: name.clone(),
        epoch: identity.epoch,
        peer: route.node,
        peer_name: peer_name.clone(),
        peer_epoch: verified.epoch,
        credential,
        peer_credential: reply.credential,
    }));
    let peer = Peer { node: route.node, name: peer_name, epoch: verified.epoch, key };
    Ok(OutboundSession::new(Channel::new(session, peer), name, Answerer::new(to, &verified)))
}

async fn greet(host: &Host, node: NodeId, hello: Hello, within: Duration) -> Result<HelloReply, NoSession> {
    let remaining_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
    let frame = MessageFrame::Hello { remaining_ms, hello: Box::new(hello) };
    match (host.ports.peers)(node, frame.encode().into(), within).await.map(|reply| MessageReply::decode(&reply)) {
        Ok(Ok(MessageReply::Hello(reply))) => Ok(*reply),
        Ok(Ok(MessageReply::Refused { reason })) => Err(not_delivered(reason).into()),
        Ok(Ok(_)) => Err(not_delivered("the receiver's node set up no session").into()),
        Ok(Err(error)) => Err(not_delivered(format!("no session: {error}")).into()),
        Err(PeerError::TimedOut) if within < HELLO => Err(Ending::DeadlineExceeded { delivered: false }.into()),
        Err(error) => Err(NoSession::HeldUp(error)),
    }
}
