//! Ten thousand connections: to either port, as many as this machine lets a test have. The node takes what it has places for,
//! closes the rest, and answers afterwards; whoever has its data directory is answered all the while.

use futures::StreamExt;
use futures::stream;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use symbi_cluster_tests::{Cluster, Node, SOON, eventually, symbi};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// How many there should be.
const CROWD: usize = 10_000;
/// Files that this test and what it runs need beside them.
const OWN_FILES: u64 = 512;
/// The most of a node's files that strangers may take: the connections that its two interfaces allow, and its own.
const NODE_FILES: usize = 512 + 256 + 600;
/// From so many addresses they come: more than one may have 32 of them.
const ADDRESSES: u8 = 200;

/// As many as may be open at once here.
fn allowed() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).expect("a soft limit can be raised to the hard one");
    let files = limit.maximum.unwrap_or(u64::MAX).saturating_sub(OWN_FILES);
    CROWD.min(usize::try_from(files).unwrap_or(CROWD))
}

/// A connection from one of this host's many loopback addresses; none if it was refused.
pub async fn connect(number: usize, to: SocketAddr) -> Option<TcpStream> {
    let from = u8::try_from(number % usize::from(ADDRESSES)).expect("below 200");
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind((Ipv4Addr::new(127, 0, 1, from + 1), 0).into()).ok()?;
    tokio::time::timeout(Duration::from_secs(10), socket.connect(to)).await.ok()?.ok()
}

/// The files that a node has open.
fn files_of(node: &Node) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", node.pid())).map_or(0, Iterator::count)
}

/// Ends once the other side has closed. What the kernel let in and then forgot, because its queue of connections to accept was
/// full, is closed by nobody until it is written to: so it is.
async fn closed(mut stream: TcpStream) {
    let mut byte = [0];
    loop {
        match tokio::time::timeout(Duration::from_secs(5), stream.read(&mut byte)).await {
            Ok(Ok(read)) if read > 0 => {}
            Ok(_) => return,
            Err(_) if stream.write_all(b"x").await.is_err() => return,
            Err(_) => {}
        }
    }
}

/// Opens a crowd of silent connections to `to`, and holds them until all are closed by the node or are dropped here.
async fn crowd(cluster: &Cluster, to: SocketAddr) {
    let (node, many) = (&cluster.nodes[0], allowed());
    let before = files_of(node);
    let opened: Vec<Option<TcpStream>> =
        stream::iter(0..many).map(|number| connect(number, to)).buffer_unordered(256).collect().await;
    let open: Vec<TcpStream> = opened.into_iter().flatten().collect();
    eprintln!("{} of {many} connections to {to} were accepted by the kernel", open.len());
    assert!(open.len() > many / 4, "so few make no crowd");
    let files = files_of(node);
    assert!(files <= NODE_FILES, "{} has {files} files open", node.name);
    // By the unix socket, which has places of its own.
    let dir = node.dir.to_str().expect("a path in UTF-8");
    let _ = symbi(&["cluster", "status", "--data-dir", dir]).await.exits(0);
    // None of them says a word: the node closes all it has, most at once and the rest when their time is over.
    eventually("the node has closed every silent connection", 2 * SOON, async || {
        let files = files_of(node);
        anyhow::ensure!(files <= before + 32, "{files} files are open, and before the crowd {before} were");
        Ok(())
    })
    .await;
    let all = stream::iter(open).map(closed).buffer_unordered(many).collect::<Vec<()>>();
    tokio::time::timeout(2 * SOON, all).await.expect("every one of the crowd is told");
    node.still_works().await;
}

#[tokio::test]
async fn ten_thousand_connections_to_the_http_port_are_bounded_and_the_node_answers_afterwards() {
    let cluster = Cluster::one().await;
    crowd(&cluster, cluster.nodes[0].http).await;
}

#[tokio::test]
async fn ten_thousand_connections_to_the_cluster_port_are_bounded_and_others_can_join_afterwards() {
    let mut cluster = Cluster::one().await;
    crowd(&cluster, cluster.nodes[0].listen).await;
    cluster.join().await;
    cluster.nodes[1].still_works().await;
}
