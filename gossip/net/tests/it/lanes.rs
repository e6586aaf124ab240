//! Calls: all lanes, order, sizes, deadlines, back-pressure.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use symbi_net::{CallError, Lane, MAX_BODY};

use crate::support::{CONTROL, LONG, Node, introduce, within};

const LANES: [Lane; 9] = [
    Lane::Append,
    Lane::Heartbeat,
    Lane::Snapshot,
    Lane::Vote,
    Lane::Control,
    Lane::Message,
    Lane::Session,
    Lane::Ask,
    Lane::Lines,
];

#[tokio::test]
async fn three_nodes_call_each_other_on_every_lane() {
    let (mut a, mut b, mut c) = (Node::start(1).await, Node::start(2).await, Node::start(3).await);
    for node in [&mut a, &mut b, &mut c] {
        node.echo();
    }
    introduce(&[&a, &b, &c]).await;
    for (from, to) in [(&a, &b), (&b, &a), (&a, &c), (&c, &a), (&b, &c), (&c, &b)] {
        for lane in LANES {
            assert_eq!(from.call(to, lane, b"hello").await, format!("{lane:?} hello"));
        }
    }
}

#[tokio::test]
async fn a_heartbeat_comes_back_and_says_how_far_the_peer_is() {
    let (a, b, c) = (Node::start(1).await, Node::start(2).await, Node::start(3).await);
    introduce(&[&a, &b]).await;
    for (from, to) in [(&a, &b), (&b, &a)] {
        crate::support::eventually(|| from.handle.round_trip(&to.id).is_some()).await;
        assert!(from.handle.round_trip(&to.id).is_some_and(|took| took < LONG));
    }
    assert_eq!(a.handle.round_trip(&c.id), None);
}

#[tokio::test]
async fn a_request_says_who_asks() {
    let (a, mut b) = (Node::start(1).await, Node::start(2).await);
    introduce(&[&a, &b]).await;
    let call = a.handle.call(b.id, (Lane::Control, CONTROL), Bytes::from_static(b"?"), LONG);
    let request = within(b.inbox.control.recv()).await.unwrap();
    assert_eq!((request.from, request.lane, &request.body[..]), (a.id, Lane::Control, &b"?"[..]));
    request.reply.send(Bytes::from_static(b"!")).unwrap();
    assert_eq!(call.await.unwrap(), "!");
}

#[tokio::test]
async fn posted_calls_arrive_in_order_though_nobody_polls_them() {
    let (a, mut b) = (Node::start(1).await, Node::start(2).await);
    introduce(&[&a, &b]).await;
    let calls: Vec<_> = (0..1000_u32)
        .map(|number| a.handle.call(b.id, (Lane::Append, CONTROL), number.to_be_bytes().to_vec().into(), LONG))
        .collect();
    for number in 0..1000_u32 {
        let request = within(b.inbox.append.recv()).await.unwrap();
        assert_eq!(request.body, &number.to_be_bytes()[..]);
        request.reply.send(request.body).unwrap();
    }
    for (number, call) in (0..1000_u32).zip(calls) {
        assert_eq!(call.await.unwrap(), &number.to_be_bytes()[..]);
    }
}

#[tokio::test]
async fn answers_come_in_any_order() {
    let (a, mut b) = (Node::start(1).await, Node::start(2).await);
    introduce(&[&a, &b]).await;
    let first = a.handle.call(b.id, (Lane::Message, CONTROL), Bytes::from_static(b"1"), LONG);
    let second = a.handle.call(b.id, (Lane::Message, CONTROL), Bytes::from_static(b"2"), LONG);
    let one = within(b.inbox.message.recv()).await.unwrap();
    let two = within(b.inbox.message.recv()).await.unwrap();
    two.reply.send(two.body).unwrap();
    assert_eq!(second.await.unwrap(), "2");
    one.reply.send(one.body).unwrap();
    assert_eq!(first.await.unwrap(), "1");
}

#[tokio::test]
async fn the_longest_body_passes_and_two_mebibytes_do_not() {
    let (a, mut b) = (Node::start(1).await, Node::start(2).await);
    b.echo();
    introduce(&[&a, &b]).await;
    let longest = a.handle.call(b.id, (Lane::Message, CONTROL), vec![7; MAX_BODY - 8].into(), LONG).await.unwrap();
    assert_eq!(longest.len(), MAX_BODY, "the answer has the lane's name before it");
    let too_long = a.handle.call(b.id, (Lane::Message, CONTROL), vec![7; 2 << 20].into(), LONG).await;
    assert_eq!(too_long, Err(CallError::Refused));
    let answer_too_long = a.handle.call(b.id, (Lane::Message, CONTROL), vec![7; MAX_BODY].into(), LONG).await;
    assert_eq!(answer_too_long, Err(CallError::Closed), "the answer cannot be sent, and the caller hears of it");
    assert_eq!(a.call(&b, Lane::Message, b"still here").await, "Message still here");
    assert_eq!(b.handle.counters().bad_frames, 0);
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_and_the_lane_stays() {
    let (a, mut b) = (Node::start(1).await, Node::start(2).await);
    introduce(&[&a, &b]).await;
    let late = a.handle.call(b.id, (Lane::Control, CONTROL), Bytes::from_static(b"1"), Duration::from_millis(50)).await;
    assert_eq!(late, Err(CallError::TimedOut));
    let request = within(b.inbox.control.recv()).await.unwrap();
    request.reply.send(Bytes::from_static(b"too late")).unwrap();
    let call = a.handle.call(b.id, (Lane::Control, CONTROL), Bytes::from_static(b"2"), LONG);
    let request = within(b.inbox.control.recv()).await.unwrap();
    request.reply.send(Bytes::from_static(b"in time")).unwrap();
    assert_eq!(call.await.unwrap(), "in time");
    assert_eq!(a.handle.counters().calls_timed_out, 1);
}

#[tokio::test]
async fn a_request_that_is_dropped_ends_its_call() {
    let (a, mut b) = (Node::start(1).await, Node::start(2).await);
    introduce(&[&a, &b]).await;
    let call = a.handle.call(b.id, (Lane::Control, CONTROL), Bytes::new(), LONG);
    drop(within(b.inbox.control.recv()).await.unwrap());
    assert_eq!(within(call).await, Err(CallError::Closed));
}

#[tokio::test]
async fn a_call_to_nobody_is_unreachable_at_once() {
    let a = Node::start(1).await;
    let call = a.handle.call(crate::support::id_of(9), (Lane::Vote, CONTROL), Bytes::new(), LONG).await;
    assert!(matches!(call, Err(CallError::Unreachable(_))), "{call:?}");
}

#[tokio::test]
async fn a_class_that_nobody_reads_fills_up_and_holds_back_no_other() {
    let (a, mut b) = (Node::start(1).await, Node::start(2).await);
    introduce(&[&a, &b]).await;
    let mut posted = BTreeMap::new();
    for number in 0_u32.. {
        let body = vec![0; 256 << 10].into();
        let mut call = a.handle.call(b.id, (Lane::Message, CONTROL), body, LONG);
        match futures::FutureExt::now_or_never(&mut call) {
            Some(outcome) => {
                assert_eq!(outcome, Err(CallError::Full));
                break;
            }
            None => posted.insert(number, call),
        };
        assert!(number < 10_000, "a queue without a bound");
        tokio::task::yield_now().await;
    }
    assert!(a.handle.counters().queues_full > 0);
    let control = a.handle.call(b.id, (Lane::Control, CONTROL), Bytes::from_static(b"?"), LONG);
    within(b.inbox.control.recv()).await.unwrap().reply.send(Bytes::from_static(b"!")).unwrap();
    assert_eq!(control.await.unwrap(), "!");
    let append = a.handle.call(b.id, (Lane::Append, CONTROL), Bytes::from_static(b"?"), LONG);
    within(b.inbox.append.recv()).await.unwrap().reply.send(Bytes::from_static(b"!")).unwrap();
    assert_eq!(append.await.unwrap(), "!");
    for (_, call) in posted {
        within(b.inbox.message.recv()).await.unwrap().reply.send(Bytes::new()).unwrap();
        call.await.unwrap();
    }
}
