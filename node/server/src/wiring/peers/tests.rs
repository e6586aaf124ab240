//! Which lane carries what, over the real network.

use super::{over, places};
use bytes::Bytes;
use futures::FutureExt;
use std::sync::Arc;
use std::time::Duration;
use symbi_net::{Handle, Identity, Inbox, Member, Options, Roster};
use tokio::time::timeout;

/// More than anything here takes, on a busy machine.
const LONG: Duration = Duration::from_secs(60);

async fn started(number: u8) -> (symbi_model::NodeId, Handle, Inbox) {
    let identity = Identity::from_seed([number; 32]);
    let (id, transport) = (identity.node(), symbi_net::tcp(&identity));
    let options = Options::new(([127, 0, 0, 1], 0).into());
    let (net, inbox) = symbi_net::start(options, identity, transport, Roster::default()).await.expect("a free port");
    (id, net, inbox)
}

/// Messages fill their queue, and nobody answers them: a hello is answered all the same.
#[tokio::test]
async fn what_sessions_need_beside_messages_waits_behind_none() {
    let (own, net, _inbox) = started(1).await;
    let (other, far, mut inbox) = started(2).await;
    let members = [(own, &net), (other, &far)].map(|(id, net)| (id, Member { addr: net.listen_addr() }));
    let roster = Roster { members: members.into(), removed: Arc::default(), own_index: 1 };
    net.set_roster(roster.clone());
    far.set_roster(roster);
    let mut connections = net.connections();
    let met = connections.wait_for(|connections| connections.contains_key(&other));
    drop(timeout(LONG, met).await.expect("they meet").expect("it runs"));

    let (peers, places) = (over(net.clone()), places(net.clone()));
    let mut waiting = Vec::new();
    while let Some(place) = places(other).now_or_never() {
        waiting.push(place.expect("a place")(vec![0; 1 << 20].into(), LONG));
    }
    assert!(!waiting.is_empty(), "as many as have room");
    let hello = peers(other, Bytes::from_static(b"hello"), LONG);
    let hello = tokio::spawn(hello);
    let asked = timeout(LONG, inbox.session.recv()).await.expect("in time").expect("it runs");
    assert_eq!(asked.body, &b"hello"[..]);
    asked.reply.send(Bytes::from_static(b"reply")).expect("it is awaited");
    assert_eq!(hello.await.expect("it does not panic"), Ok(Bytes::from_static(b"reply")));
    assert!(inbox.message.recv().await.is_some(), "messages have their own");
    for net in [net, far] {
        net.shutdown().await;
    }
}
