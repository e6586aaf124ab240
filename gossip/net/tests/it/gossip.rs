//! Gossip: among members, signed by its author, and nobody else's.

use std::time::Duration;

use bytes::Bytes;
use symbi_net::Gossip;
use tokio::sync::mpsc;

use crate::support::{Node, introduce, roster, within};

/// Publishes until `receiver` hears it from `from`; returns what it heard before that.
async fn heard(from: &Node, receiver: &mut mpsc::Receiver<Gossip>, view: &'static [u8]) -> Vec<Gossip> {
    let mut before = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    within(async {
        for number in 0_u32.. {
            tokio::select! {
                _ = ticks.tick() => from.handle.publish([view, &number.to_be_bytes()].concat().into()),
                gossip = receiver.recv() => match gossip.unwrap() {
                    gossip if gossip.from == from.id && gossip.body.starts_with(view) => return before,
                    gossip => before.push(gossip),
                },
            }
        }
        before
    })
    .await
}

#[tokio::test]
async fn members_hear_each_other() {
    let (a, mut b, mut c) = (Node::start(1).await, Node::start(2).await, Node::start(3).await);
    introduce(&[&a, &b, &c]).await;
    heard(&a, &mut b.inbox.gossip, b"view").await;
    heard(&a, &mut c.inbox.gossip, b"view").await;
    assert_eq!(b.handle.counters().gossip_refused, 0);
}

#[tokio::test]
async fn nobody_hears_a_stranger_and_a_stranger_hears_nobody() {
    let (mut a, b, mut d) = (Node::start(1).await, Node::start(2).await, Node::start(4).await);
    introduce(&[&a, &b]).await;
    // D takes A for a member; A has never heard of D.
    d.handle.set_roster(roster(&[&a, &d], 9));
    let wish = within(a.inbox.vouch.recv()).await.unwrap();
    assert_eq!(wish.peer, d.id);
    for _ in 0..20 {
        d.handle.publish(Bytes::from_static(b"stranger"));
    }
    let before = heard(&b, &mut a.inbox.gossip, b"member").await;
    assert!(before.is_empty(), "{before:?}");
    assert!(d.inbox.gossip.try_recv().is_err());
}

#[tokio::test]
async fn a_view_that_is_too_long_is_dropped() {
    let a = Node::start(1).await;
    a.handle.publish(vec![0; 64 << 10].into());
    crate::support::eventually(|| a.handle.counters().gossip_dropped == 1).await;
}
