//! An enrolled node whom a member behind does not know yet.

use bytes::Bytes;
use symbi_net::{CallError, Lane};

use crate::support::{CONTROL, LONG, Node, eventually, roster, within};

/// A knows B at index 7; B is behind, at 5, and has never heard of A.
async fn apart() -> (Node, Node) {
    let (a, b) = (Node::start(1).await, Node::start(2).await);
    b.handle.set_roster(roster(&[&b], 5));
    a.handle.set_roster(roster(&[&a, &b], 7));
    (a, b)
}

#[tokio::test]
async fn a_yes_gives_the_raft_lanes_until_the_roster_has_caught_up() {
    let (a, mut b) = apart().await;
    let wish = within(b.inbox.vouch.recv()).await.unwrap();
    assert_eq!((wish.peer, wish.index), (a.id, 7));
    wish.reply.send(true).unwrap();
    a.connected(b.id).await;
    b.connected(a.id).await;
    assert!(b.handle.connections().borrow()[&a.id].raft_only);

    let append = a.handle.call(b.id, (Lane::Append, CONTROL), Bytes::from_static(b"entries"), LONG);
    within(b.inbox.append.recv()).await.unwrap().reply.send(Bytes::from_static(b"ok")).unwrap();
    assert_eq!(append.await.unwrap(), "ok");
    for lane in [Lane::Control, Lane::Message] {
        assert_eq!(within(a.handle.call(b.id, (lane, CONTROL), Bytes::new(), LONG)).await, Err(CallError::Unsupported));
        assert_eq!(within(b.handle.call(a.id, (lane, CONTROL), Bytes::new(), LONG)).await, Err(CallError::Refused));
    }

    b.handle.set_roster(roster(&[&b], 6));
    assert!(b.handle.connections().borrow()[&a.id].raft_only, "6 is not 7");
    b.echo();
    b.handle.set_roster(roster(&[&a, &b], 7));
    let mut connections = b.handle.connections();
    within(connections.wait_for(|all| all.get(&a.id).is_some_and(|one| !one.raft_only))).await.unwrap();
    eventually(|| a.handle.connections().borrow().contains_key(&b.id)).await;
    assert_eq!(a.call(&b, Lane::Control, b"member").await, "Control member");
}

#[tokio::test]
async fn a_vouching_the_roster_does_not_confirm_ends() {
    let (a, mut b) = apart().await;
    within(b.inbox.vouch.recv()).await.unwrap().reply.send(true).unwrap();
    b.connected(a.id).await;
    b.handle.set_roster(roster(&[&b], 7));
    b.disconnected(a.id).await;
    a.disconnected(b.id).await;
}

#[tokio::test]
async fn a_no_keeps_the_stranger_out_until_the_roster_has_it() {
    let (a, mut b) = apart().await;
    within(b.inbox.vouch.recv()).await.unwrap().reply.send(false).unwrap();
    refused(&a, &b).await;
    assert!(b.handle.connections().borrow().is_empty());
    assert!(a.handle.connections().borrow().is_empty(), "refused is not connected");
    b.echo();
    b.handle.set_roster(roster(&[&a, &b], 7));
    a.connected(b.id).await;
    b.connected(a.id).await;
    assert_eq!(a.call(&b, Lane::Append, b"now").await, "Append now");
}

#[tokio::test]
async fn nobody_is_asked_about_an_index_the_roster_has_reached() {
    let (a, mut b) = (Node::start(1).await, Node::start(2).await);
    b.handle.set_roster(roster(&[&b], 9));
    a.handle.set_roster(roster(&[&a, &b], 7));
    refused(&a, &b).await;
    assert!(b.inbox.vouch.try_recv().is_err());
}

/// Waits until `from` has learnt that `to` takes it for a stranger.
async fn refused(from: &Node, to: &Node) {
    within(async {
        while from.handle.call(to.id, (Lane::Vote, CONTROL), Bytes::new(), LONG).await != Err(CallError::Unsupported) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
