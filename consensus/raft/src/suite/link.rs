//! The suite that every [`Link`] passes: one call runs every case, each over a pair of nodes that the factory makes.

use crate::link::{Kind, Link, LinkError};
use crate::wire::FRAME_MAX;
use bytes::Bytes;
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::{GroupId, NodeId};
use tokio::sync::{mpsc, oneshot};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);
/// The group whose requests they are.
const GROUP: GroupId = GroupId(0);
/// The deadline of calls that are not answered.
const SHORT: Duration = Duration::from_millis(300);

/// Two connected nodes: this one's link, and what arrives at the other.
pub struct Pair {
    /// The link of this node.
    pub link: Arc<dyn Link>,
    /// This node.
    pub node: NodeId,
    /// The other.
    pub peer: NodeId,
    /// A node that is not there.
    pub stranger: NodeId,
    /// What arrives at the other node, in order within a group and kind.
    pub inbound: mpsc::Receiver<Inbound>,
    /// What must stay alive meanwhile.
    pub guard: Box<dyn Any + Send>,
}

/// A request as it arrives.
pub struct Inbound {
    /// From whom.
    pub from: NodeId,
    /// Which kind.
    pub kind: Kind,
    /// What.
    pub request: Bytes,
    /// Where the answer goes; dropped, the request is refused.
    pub reply: oneshot::Sender<Bytes>,
}

/// Runs every case.
///
/// # Panics
/// When a case fails.
pub async fn link<F: AsyncFn() -> Pair>(factory: F) {
    keeps_order_and_matches_answers(factory().await).await;
    sends_what_nobody_awaits(factory().await).await;
    ends_at_the_deadline(factory().await).await;
    says_that_a_request_was_refused(factory().await).await;
    does_not_reach_a_stranger(factory().await).await;
    carries_the_longest_frame(factory().await).await;
    keeps_kinds_apart(factory().await).await;
}

/// Requests arrive in the order of the calls, before any of them is awaited; answers find theirs in whatever order.
async fn keeps_order_and_matches_answers(mut pair: Pair) {
    let texts: Vec<Bytes> = (0..100).map(|number| Bytes::from(format!("request {number}"))).collect();
    let calls: Vec<_> = texts.iter().map(|text| pair.call(Kind::Append, text.clone(), LONG)).collect();
    let mut arrived = Vec::new();
    for text in &texts {
        let inbound = pair.arrival().await;
        assert_eq!((inbound.from, inbound.kind, &inbound.request), (pair.node, Kind::Append, text));
        arrived.push(inbound);
    }
    for inbound in arrived.into_iter().rev() {
        answer(inbound);
    }
    for (call, text) in calls.into_iter().zip(texts) {
        assert_eq!(call.await, Ok(echo(&text)));
    }
}

async fn sends_what_nobody_awaits(mut pair: Pair) {
    drop(pair.call(Kind::Vote, Bytes::from_static(b"dropped"), LONG));
    assert_eq!(pair.arrival().await.request, "dropped");
}

async fn ends_at_the_deadline(mut pair: Pair) {
    let call = pair.call(Kind::Vote, Bytes::from_static(b"held"), SHORT);
    let held = pair.arrival().await;
    assert_eq!(call.await, Err(LinkError::TimedOut));
    answer(held);
    // An answer that comes too late goes to nobody else.
    let call = pair.call(Kind::Vote, Bytes::from_static(b"next"), LONG);
    answer(pair.arrival().await);
    assert_eq!(call.await, Ok(echo(b"next")));
}

async fn says_that_a_request_was_refused(mut pair: Pair) {
    let call = pair.call(Kind::Vote, Bytes::from_static(b"refused"), SHORT);
    drop(pair.arrival().await);
    let refused = call.await;
    assert!(matches!(refused, Err(LinkError::Closed | LinkError::TimedOut)), "{refused:?}");
}

async fn does_not_reach_a_stranger(pair: Pair) {
    let answer = pair.link.call(pair.stranger, GROUP, Kind::Vote, Bytes::from_static(b"hello"), SHORT).await;
    assert!(matches!(answer, Err(LinkError::Unreachable | LinkError::TimedOut)), "{answer:?}");
}

async fn carries_the_longest_frame(mut pair: Pair) {
    let longest = Bytes::from(vec![7; FRAME_MAX]);
    let call = pair.call(Kind::Snapshot, longest.clone(), LONG);
    let Inbound { request, reply, .. } = pair.arrival().await;
    assert!(request == longest, "the longest frame arrives whole");
    assert!(reply.send(request).is_ok(), "the caller waits");
    assert!(call.await == Ok(longest), "the longest answer arrives whole");
}

/// Long requests that nobody answers do not delay a heartbeat.
async fn keeps_kinds_apart(mut pair: Pair) {
    let long = Bytes::from(vec![7; FRAME_MAX / 4]);
    let calls: Vec<_> = (0..8).map(|_| pair.call(Kind::Snapshot, long.clone(), LONG)).collect();
    let heartbeat = pair.call(Kind::Heartbeat, Bytes::from_static(b"alive"), LONG);
    let mut held = Vec::new();
    loop {
        let inbound = pair.arrival().await;
        if inbound.kind == Kind::Heartbeat {
            answer(inbound);
            break;
        }
        held.push(inbound);
    }
    assert_eq!(heartbeat.await, Ok(echo(b"alive")));
    drop(calls);
}

impl Pair {
    fn call(
        &self,
        kind: Kind,
        request: Bytes,
        deadline: Duration,
    ) -> futures::future::BoxFuture<'static, Result<Bytes, LinkError>> {
        self.link.call(self.peer, GROUP, kind, request, deadline)
    }

    async fn arrival(&mut self) -> Inbound {
        let arrival = tokio::time::timeout(LONG, self.inbound.recv()).await;
        arrival.ok().flatten().expect("a request that was sent arrives")
    }
}

fn echo(request: &[u8]) -> Bytes {
    [b"answer to ", request].concat().into()
}

fn answer(inbound: Inbound) {
    // The caller may have given up: that is what one case is about.
    drop(inbound.reply.send(echo(&inbound.request)));
}
