//! Queues of lanes and groups: each stops its own callers, and nobody else's.

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use symbi_model::GroupId;
use symbi_net::{CallError, Lane};

use crate::support::{CONTROL, LONG, Node, introduce, within};

/// What the message lane's window takes of one group, in bytes.
const WINDOW: usize = 16 << 20;
/// More than a lane's window takes of one group.
const MANY: usize = 400;

#[tokio::test]
async fn a_snapshot_that_nobody_takes_in_delays_no_heartbeat_append_or_vote() {
    let (a, mut b) = (Node::start(1).await, Node::start(2).await);
    introduce(&[&a, &b]).await;
    let chunk = || Bytes::from(vec![0; 512 << 10]);
    let chunks = (0..12).map(|_| a.handle.call(b.id, (Lane::Snapshot, CONTROL), chunk(), LONG));
    let small = (0..MANY).map(|_| a.handle.call(b.id, (Lane::Snapshot, CONTROL), Bytes::new(), LONG));
    let posted: Vec<_> = chunks.chain(small).collect();
    let queues = [
        (Lane::Heartbeat, &mut b.inbox.heartbeat),
        (Lane::Append, &mut b.inbox.append),
        (Lane::Vote, &mut b.inbox.vote),
    ];
    for (lane, queue) in queues {
        let call = a.handle.call(b.id, (lane, CONTROL), Bytes::from_static(b"?"), LONG);
        within(queue.recv()).await.unwrap().reply.send(Bytes::from_static(b"!")).unwrap();
        assert_eq!(call.await.unwrap(), "!");
    }
    for call in posted {
        within(b.inbox.snapshot.recv()).await.unwrap().reply.send(Bytes::new()).unwrap();
        call.await.unwrap();
    }
}

#[tokio::test]
async fn asks_that_no_agent_answers_delay_nothing_that_a_node_needs() {
    let (a, mut b) = (Node::start(1).await, Node::start(2).await);
    introduce(&[&a, &b]).await;
    let large = || Bytes::from(vec![0; 1 << 20]);
    let ask = |_| a.handle.call(b.id, (Lane::Ask, CONTROL), large(), LONG);
    // As many as wait at once where they are asked; and once these have left, more than the window takes.
    let mut asks: Vec<_> = (0..12).map(ask).collect();
    let mut held = Vec::new();
    while held.len() < asks.len() {
        held.push(within(b.inbox.ask.recv()).await.unwrap());
    }
    asks.extend((0..8).map(ask));
    while held.len() < WINDOW >> 20 {
        held.push(within(b.inbox.ask.recv()).await.unwrap());
    }
    let queues = [
        (Lane::Control, &mut b.inbox.control),
        (Lane::Message, &mut b.inbox.message),
        (Lane::Session, &mut b.inbox.session),
    ];
    for (lane, queue) in queues {
        let call = a.handle.call(b.id, (lane, CONTROL), Bytes::from_static(b"?"), LONG);
        within(queue.recv()).await.unwrap().reply.send(Bytes::from_static(b"!")).unwrap();
        assert_eq!(call.await.unwrap(), "!");
    }
    assert!(b.inbox.ask.try_recv().is_err(), "what the window does not take waits where it is asked");
    let left = asks.len() - held.len();
    for request in held {
        request.reply.send(Bytes::new()).unwrap();
    }
    for _ in 0..left {
        within(b.inbox.ask.recv()).await.unwrap().reply.send(Bytes::new()).unwrap();
    }
    for call in asks {
        within(call).await.unwrap();
    }
}

#[tokio::test]
async fn what_has_not_left_when_its_connection_ends_is_known_not_to_have_arrived() {
    let (a, mut b) = (Node::start(1).await, Node::start(2).await);
    introduce(&[&a, &b]).await;
    let large = || Bytes::from(vec![0; 1 << 20]);
    let ask = |_| a.handle.call(b.id, (Lane::Ask, CONTROL), large(), LONG);
    // As many as wait at once where they are asked; and once these have left, more than the window takes.
    let mut calls: Vec<_> = (0..12).map(ask).collect();
    let mut held = Vec::new();
    while held.len() < calls.len() {
        held.push(within(b.inbox.ask.recv()).await.unwrap());
    }
    calls.extend((0..8).map(ask));
    let last = calls.split_off(WINDOW >> 20);
    while held.len() < calls.len() {
        held.push(within(b.inbox.ask.recv()).await.unwrap());
    }
    let mut without_b = crate::support::roster(&[&a], 9);
    without_b.removed = std::sync::Arc::new(std::collections::BTreeSet::from([b.id]));
    a.handle.set_roster(without_b);
    for call in calls {
        assert_eq!(within(call).await, Err(CallError::Closed), "it may have arrived");
    }
    for call in last {
        let ended = within(call).await;
        assert!(matches!(&ended, Err(CallError::Unreachable(_))), "{ended:?}");
    }
}

#[tokio::test]
async fn eight_chunks_of_a_snapshot_are_in_flight_and_no_more() {
    let (a, mut b) = (Node::start(1).await, Node::start(2).await);
    introduce(&[&a, &b]).await;
    let call = |number: u8| a.handle.call(b.id, (Lane::Snapshot, CONTROL), Bytes::from(vec![number]), LONG);
    let calls: Vec<_> = (0..20).map(call).collect();
    let mut held = Vec::new();
    for number in 0..8 {
        let request = within(b.inbox.snapshot.recv()).await.unwrap();
        assert_eq!(request.body, &[number][..], "in the order of the calls");
        held.push(request);
    }
    // What comes on another group of the same lane is behind all that was sent before.
    let group = GroupId(7);
    let mut other = b.handle.serve(Lane::Snapshot, group);
    let last = a.handle.call(b.id, (Lane::Snapshot, group), Bytes::new(), LONG);
    within(other.recv()).await.unwrap().reply.send(Bytes::new()).unwrap();
    last.await.unwrap();
    assert!(b.inbox.snapshot.try_recv().is_err(), "a ninth");
    held.remove(3).reply.send(Bytes::new()).unwrap();
    held.push(within(b.inbox.snapshot.recv()).await.unwrap());
    assert!(b.inbox.snapshot.try_recv().is_err(), "a tenth");
    held.into_iter().for_each(|request| request.reply.send(Bytes::new()).unwrap());
    for _ in 9..20 {
        within(b.inbox.snapshot.recv()).await.unwrap().reply.send(Bytes::new()).unwrap();
    }
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(b.handle.counters().windows_exceeded, 0);
}

#[tokio::test]
async fn a_group_that_nobody_reads_holds_back_no_other_of_its_lane() {
    let (a, mut b) = (Node::start(1).await, Node::start(2).await);
    introduce(&[&a, &b]).await;
    let stalled = GroupId(5);
    let _unread = b.handle.serve(Lane::Append, stalled);
    let fill = || a.handle.call(b.id, (Lane::Append, stalled), vec![0; 512 << 10].into(), LONG).now_or_never();
    let refused = std::iter::repeat_with(fill).take(10_000).flatten().next();
    assert_eq!(refused, Some(Err(CallError::Full)), "the queue has a bound");
    let call = a.handle.call(b.id, (Lane::Append, CONTROL), Bytes::from_static(b"?"), LONG);
    let request = within(b.inbox.append.recv()).await.unwrap();
    assert_eq!((request.lane, request.group), (Lane::Append, CONTROL));
    request.reply.send(Bytes::from_static(b"!")).unwrap();
    assert_eq!(call.await.unwrap(), "!");
}

#[tokio::test]
async fn a_group_that_is_not_served_is_unsupported_until_it_is_and_again_after() {
    let (a, b) = (Node::start(1).await, Node::start(2).await);
    introduce(&[&a, &b]).await;
    let call = || a.handle.call(b.id, (Lane::Vote, GroupId(9)), Bytes::new(), LONG);
    assert_eq!(call().await, Err(CallError::Unsupported));
    let mut votes = b.handle.serve(Lane::Vote, GroupId(9));
    let served = call();
    within(votes.recv()).await.unwrap().reply.send(Bytes::new()).unwrap();
    served.await.unwrap();
    drop(votes);
    assert_eq!(call().await, Err(CallError::Unsupported));
}

/// Calls that B does not read, until its window is open and the queue behind it is full.
async fn fill(a: &Node, b: &Node) -> Vec<BoxFuture<'static, Result<Bytes, CallError>>> {
    let call = || a.handle.call(b.id, (Lane::Message, CONTROL), vec![0; 512 << 10].into(), LONG);
    let mut posted = Vec::new();
    loop {
        let mut call = call();
        match (&mut call).now_or_never() {
            None => posted.push(call),
            Some(outcome) => {
                assert_eq!(outcome, Err(CallError::Full));
                // What the window takes has left the queue.
                if b.inbox.message.len() == WINDOW / (512 << 10) {
                    return posted;
                }
                tokio::task::yield_now().await;
            }
        }
    }
}

#[tokio::test]
async fn a_place_is_waited_for_and_what_is_sent_in_it_is_not_refused() {
    let (a, mut b) = (Node::start(1).await, Node::start(2).await);
    introduce(&[&a, &b]).await;
    let posted = fill(&a, &b).await;
    let mut waiting = a.handle.reserve(b.id, Lane::Message, CONTROL);
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut waiting).await.is_err(), "no room yet");
    let count = posted.len();
    let drained = tokio::spawn(async move {
        for _ in 0..=count {
            within(b.inbox.message.recv()).await.unwrap().reply.send(Bytes::new()).unwrap();
        }
        b
    });
    let slot = within(waiting).await.expect("a place");
    slot.call(Bytes::from_static(b"after all"), LONG).await.expect("it was sent");
    for call in posted {
        call.await.unwrap();
    }
    drained.await.unwrap();
}

#[tokio::test]
async fn what_its_caller_has_given_up_does_not_leave_any_more() {
    let (a, mut b) = (Node::start(1).await, Node::start(2).await);
    introduce(&[&a, &b]).await;
    let mut posted = fill(&a, &b).await;
    // Those that have left wait to be taken in; all others are dropped with their callers.
    let left = b.inbox.message.len();
    posted.truncate(left);
    let after = a.handle.call(b.id, (Lane::Message, CONTROL), Bytes::from_static(b"after them"), LONG);
    for call in posted {
        within(b.inbox.message.recv()).await.unwrap().reply.send(Bytes::new()).unwrap();
        call.await.unwrap();
    }
    let next = within(b.inbox.message.recv()).await.unwrap();
    assert_eq!(next.body, &b"after them"[..], "what nobody waits for comes before it");
    next.reply.send(Bytes::new()).unwrap();
    after.await.unwrap();
}

#[tokio::test]
async fn what_a_session_needs_waits_behind_no_message() {
    let (a, mut b) = (Node::start(1).await, Node::start(2).await);
    introduce(&[&a, &b]).await;
    let _posted = fill(&a, &b).await;
    let hello = within(a.handle.reserve(b.id, Lane::Session, CONTROL)).await.expect("a place");
    let hello = hello.call(Bytes::from_static(b"hello"), LONG);
    within(b.inbox.session.recv()).await.unwrap().reply.send(Bytes::from_static(b"reply")).unwrap();
    assert_eq!(hello.await.unwrap(), "reply");
}

#[tokio::test]
async fn whoever_waits_for_a_place_hears_of_the_end_of_the_connection() {
    let (a, b) = (Node::start(1).await, Node::start(2).await);
    introduce(&[&a, &b]).await;
    let _posted = fill(&a, &b).await;
    let waiting = tokio::spawn(a.handle.reserve(b.id, Lane::Message, CONTROL));
    b.handle.shutdown().await;
    // The queue may have been emptied first: then there is a place in it, and nobody to send to.
    let ended = match within(waiting).await.unwrap() {
        Ok(slot) => within(slot.call(Bytes::new(), LONG)).await,
        Err(error) => Err(error),
    };
    assert!(matches!(ended, Err(CallError::Unreachable(_) | CallError::Closed)), "{ended:?}");
}
