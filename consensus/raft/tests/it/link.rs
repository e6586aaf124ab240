//! The memory link passes the link suite.

use bytes::Bytes;
use futures::FutureExt;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::NodeId;
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
