//! The memory link passes the link suite.

use bytes::Bytes;
use futures::FutureExt;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::{GroupId, NodeId};
use symbi_raft::LinkError;
use symbi_raft::link::Kind;
use symbi_raft::memory::Mesh;
use symbi_raft::suite::{self, Inbound, Pair};
use tokio::sync::{mpsc, oneshot};

fn pair() -> Pair {
    let network = Mesh::new(Duration::from_millis(1));
    let (node, peer, stranger) = (NodeId([1; 32]), NodeId([2; 32]), NodeId([3; 32]));
    let (sender, inbound) = mpsc::channel(1024);
    let serve = move |from, kind, request: Bytes| {
        let (reply, answer) = oneshot::channel();
        let sent = sender.try_send(Inbound { from, kind, request, reply });
        async move { if sent.is_ok() { answer.await.ok() } else { None } }.boxed()
    };
    network.attach(peer, Arc::new(serve));
    network.attach(node, Arc::new(|_, _, _| std::future::ready(None).boxed()));
    Pair { link: network.link(node), node, peer, stranger, inbound, guard: Box::new(network) }
}

#[tokio::test(start_paused = true)]
async fn the_memory_link_passes_the_link_suite() {
    suite::link(async || pair()).await;
}

/// More than a queue holds, all at once.
#[tokio::test(start_paused = true)]
async fn a_full_queue_of_one_group_refuses_no_other() {
    let mut pair = pair();
    let call = |group: u64| {
        pair.link.call(pair.peer, GroupId(group), Kind::Append, Bytes::from_static(b"entry"), Duration::from_secs(1))
    };
    let of_one: Vec<_> = (0..2_000).map(|_| call(1)).collect();
    let of_another = call(2);
    let arrives = async {
        while let Some(inbound) = pair.inbound.recv().await {
            // Whoever gave up needs no answer.
            drop(inbound.reply.send(Bytes::new()));
        }
    };
    tokio::select! {
        () = arrives => panic!("the link is gone"),
        answer = of_another => assert_eq!(answer, Ok(Bytes::new())),
    }
    let refused = futures::future::join_all(of_one).await;
    assert!(refused.contains(&Err(LinkError::Unreachable)), "more went into one queue than it says that it holds");
}
