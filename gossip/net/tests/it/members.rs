//! Who is connected: restarts, removal, silence, wrong addresses.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use symbi_net::{CallError, Error, Identity, Lane, Member, Options, Roster, start, tcp};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::{CONTROL, LONG, Node, eventually, introduce, loopback, roster};

#[tokio::test]
async fn a_taken_port_is_an_error_that_says_so() {
    let a = Node::start(1).await;
    let identity = Identity::from_seed([2; 32]);
    let transport = tcp(&identity);
    match start(Options::new(a.addr()), identity, transport, Roster::default()).await {
        Err(Error::Listen { addr, source }) => {
            assert_eq!((addr, source.kind()), (a.addr(), io::ErrorKind::AddrInUse));
        }
        Ok(_) => panic!("two listeners on one port"),
    }
}

#[tokio::test]
async fn a_peer_that_restarts_is_connected_again() {
    let (a, b) = (Node::start(1).await, Node::start(2).await);
    introduce(&[&a, &b]).await;
    let (addr, seed) = (b.addr(), b.seed);
    b.handle.shutdown().await;
    a.disconnected(b.id).await;
    let call = a.handle.call(b.id, (Lane::Control, CONTROL), Bytes::new(), LONG).await;
    assert!(matches!(call, Err(CallError::Unreachable(_))), "{call:?}");
    let mut b = Node::with(seed, Options::new(addr)).await;
    b.echo();
    introduce(&[&a, &b]).await;
    assert_eq!(a.call(&b, Lane::Control, b"again").await, "Control again");
}

#[tokio::test]
async fn a_call_under_way_ends_with_the_connection() {
    let (a, mut b) = (Node::start(1).await, Node::start(2).await);
    introduce(&[&a, &b]).await;
    let call = a.handle.call(b.id, (Lane::Control, CONTROL), Bytes::new(), LONG);
    let request = b.inbox.control.recv().await.unwrap();
    b.handle.shutdown().await;
    assert_eq!(call.await, Err(CallError::Closed));
    drop(request);
}

#[tokio::test]
async fn a_disconnected_member_comes_back() {
    let (a, mut b) = (Node::start(1).await, Node::start(2).await);
    b.echo();
    introduce(&[&a, &b]).await;
    let since = a.handle.connections().borrow()[&b.id].since;
    a.handle.disconnect(b.id);
    let mut connections = a.handle.connections();
    let newer = connections.wait_for(|connections| connections.get(&b.id).is_some_and(|new| new.since > since));
    drop(tokio::time::timeout(LONG, newer).await.expect("in time").unwrap());
    b.connected(a.id).await;
    assert_eq!(a.call(&b, Lane::Vote, b"hello").await, "Vote hello");
}

#[tokio::test]
async fn a_removed_member_is_disconnected_and_stays_out() {
    let (a, b, mut c) = (Node::start(1).await, Node::start(2).await, Node::start(3).await);
    c.echo();
    introduce(&[&a, &b, &c]).await;
    let mut without_b = roster(&[&a, &c], 2);
    without_b.removed = Arc::new(BTreeSet::from([b.id]));
    a.handle.set_roster(without_b);
    a.disconnected(b.id).await;
    b.disconnected(a.id).await;
    // It dials again, and is a stranger: its wish to be vouched for is refused without asking anybody.
    eventually(|| matches!(now(&b, &a), Some(Err(CallError::Unsupported)))).await;
    assert!(!a.handle.connections().borrow().contains_key(&b.id));
    assert!(matches!(now(&a, &b), Some(Err(CallError::Unreachable(_)))));
    assert_eq!(a.call(&c, Lane::Message, b"hello").await, "Message hello");
}

/// The outcome of a call, if it has one at once.
fn now(from: &Node, to: &Node) -> Option<Result<Bytes, CallError>> {
    futures::FutureExt::now_or_never(from.handle.call(to.id, (Lane::Control, CONTROL), Bytes::new(), LONG))
}

#[tokio::test]
async fn another_node_at_a_members_address_is_not_taken_for_it() {
    let (a, b, c) = (Node::start(1).await, Node::start(2).await, Node::start(3).await);
    let mut mistaken = roster(&[&a, &b], 1);
    mistaken.members.insert(b.id, Member { addr: c.addr() });
    a.handle.set_roster(mistaken);
    eventually(|| a.handle.counters().wrong_peers > 0).await;
    assert!(a.handle.connections().borrow().is_empty());
}

#[tokio::test]
async fn a_silent_peer_is_disconnected_by_each_side_and_comes_back() {
    let quick = || Options { dead_after: Duration::from_millis(500), ..Options::new(loopback()) };
    let (a, mut b) = (Node::with(1, quick()).await, Node::with(2, quick()).await);
    b.echo();
    let proxy = TcpListener::bind(loopback()).await.unwrap();
    let (freeze, frozen) = watch::channel(false);
    let through = proxy.local_addr().unwrap();
    tokio::spawn(forward(proxy, b.addr(), frozen));
    let mut by_proxy = roster(&[&a, &b], 1);
    by_proxy.members.insert(b.id, Member { addr: through });
    a.handle.set_roster(by_proxy);
    // B knows A as a member, and no way to it but the connection that A dials.
    let mut no_way = roster(&[&a, &b], 1);
    no_way.members.insert(a.id, Member { addr: ([127, 0, 0, 1], 1).into() });
    b.handle.set_roster(no_way);
    a.connected(b.id).await;
    b.connected(a.id).await;
    freeze.send_replace(true);
    a.disconnected(b.id).await;
    b.disconnected(a.id).await;
    assert!(a.handle.counters().peers_silent > 0 && b.handle.counters().peers_silent > 0);
    freeze.send_replace(false);
    a.connected(b.id).await;
    assert_eq!(a.call(&b, Lane::Append, b"back").await, "Append back");
}

/// Passes connections on to `to`, and nothing over them while frozen.
async fn forward(listener: TcpListener, to: std::net::SocketAddr, frozen: watch::Receiver<bool>) {
    while let Ok((left, _)) = listener.accept().await {
        let mut frozen = frozen.clone();
        tokio::spawn(async move {
            let (mut left, mut right) = (left, TcpStream::connect(to).await.unwrap());
            loop {
                if frozen.wait_for(|frozen| !frozen).await.is_err() {
                    return;
                }
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut left, &mut right) => return,
                    _ = frozen.changed() => {}
                }
            }
        });
    }
}

#[tokio::test]
async fn nodes_that_dial_each_other_at_once_end_with_one_connection() {
    let eager = || Options { yield_for: Duration::ZERO, ..Options::new(loopback()) };
    let mut nodes = Vec::new();
    for seed in 1..=5 {
        let mut node = Node::with(seed, eager()).await;
        node.echo();
        nodes.push(node);
    }
    introduce(&nodes.iter().collect::<Vec<_>>()).await;
    for from in &nodes {
        for to in nodes.iter().filter(|to| to.id != from.id) {
            // A call may meet the connection that is given up.
            let answered = async {
                while from.handle.call(to.id, (Lane::Vote, CONTROL), Bytes::new(), LONG).await.is_err() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(LONG, answered).await.expect("in time");
        }
    }
    let settled: Vec<_> = nodes.iter().map(|node| node.handle.connections().borrow().clone()).collect();
    for from in &nodes {
        for to in nodes.iter().filter(|to| to.id != from.id) {
            assert_eq!(from.call(to, Lane::Vote, b"steady").await, "Vote steady");
        }
    }
    let after: Vec<_> = nodes.iter().map(|node| node.handle.connections().borrow().clone()).collect();
    assert_eq!(settled, after, "a connection was replaced without need");
}
