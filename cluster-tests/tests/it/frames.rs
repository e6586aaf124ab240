//! A member that sends garbage, and one that lies: real nodes are spoken to by a node of this process that has a member's key.
//! What it sends is refused, the first of it is named in the log, views are counted by the member that wrote them, and the
//! cluster goes on. (What a stranger may send at all is `symbi-net`'s tests; frames that are none, there too.)

use anyhow::{Context, ensure};
use bytes::Bytes;
use ed25519_dalek::SigningKey;
use std::collections::BTreeMap;
use std::time::Duration;
use symbi_cluster_tests::{Cluster, Node, SOON, eventually};
use symbi_model::{ClusterId, NodeId};
use symbi_net::{CallError, Handle, Identity, Inbox, Lane, Member, Options, Roster, tcp};
use symbi_proto::wire::{ControlReply, Usage, View};

/// The damaged frames that members may send each other, `<variant> <damage> <hex>` a line.
const CONTROL: &str = include_str!("../../../gossip/proto/tests/it/corpus/controlrequest.txt");
/// The same of the message lane.
const MESSAGE: &str = include_str!("../../../gossip/proto/tests/it/corpus/messageframe.txt");
/// The same of the join protocol.
const JOIN: &str = include_str!("../../../gossip/proto/tests/it/corpus/joinrequest.txt");
/// The same of gossip.
const VIEW: &str = include_str!("../../../gossip/proto/tests/it/corpus/view.txt");
/// How long an answer may take: most frames get none.
const PATIENCE: Duration = Duration::from_secs(5);

fn frames(corpus: &str) -> impl Iterator<Item = (&str, Bytes)> {
    corpus.lines().map(|line| {
        let digits = line.rsplit(' ').next().expect("a line has words");
        (line, Bytes::from(hex::decode(digits).expect("hex")))
    })
}

/// The ids of a cluster's nodes, by name.
async fn ids(node: &Node) -> BTreeMap<String, NodeId> {
    let nodes = node.get("/api/v1/nodes").await.expect("the nodes");
    let id = |node: &serde_json::Value| Some((node["name"].as_str()?.to_owned(), node["id"].as_str()?.parse().ok()?));
    nodes.as_array().expect("a list").iter().filter_map(id).collect()
}

/// A node of this process with the key `seed`, which takes the cluster's for members.
async fn speaker(cluster: &Cluster, seed: [u8; 32], ids: &BTreeMap<String, NodeId>) -> (Handle, Inbox) {
    let identity = Identity::from_seed(seed);
    let known = cluster.nodes.iter().filter(|node| node.name != "n3");
    let members = known.map(|node| (ids[&node.name], Member { addr: node.listen })).collect();
    let roster = Roster { members, ..Roster::default() };
    let nowhere = ([127, 0, 0, 1], 0).into();
    let transport = tcp(&identity);
    symbi_net::start(Options::new(nowhere), identity, transport, roster).await.expect("a free port")
}

/// A cluster of three whose third node is one of this process: its key, and its handle once the first talks to it.
async fn with_an_impostor(cluster: &mut Cluster) -> (SigningKey, Handle, Inbox, BTreeMap<String, NodeId>) {
    let known = ids(&cluster.nodes[0]).await;
    let text = std::fs::read_to_string(cluster.nodes[2].dir.join("node.key")).expect("a key");
    let seed: [u8; 32] = hex::decode(text.trim()).expect("hex").try_into().expect("32 bytes");
    cluster.nodes[2].kill();
    let (handle, inbox) = speaker(cluster, seed, &known).await;
    let first = known["n1"];
    let mut connections = handle.connections();
    let connected = connections.wait_for(|connections| connections.contains_key(&first));
    let _ = tokio::time::timeout(SOON, connected).await.expect("a member is let in").expect("running");
    (SigningKey::from_bytes(&seed), handle, inbox, known)
}

#[tokio::test]
async fn a_member_that_sends_garbage_on_every_lane_is_answered_or_ignored_and_the_node_stays() {
    let mut cluster = Cluster::three().await;
    let (_key, handle, _inbox, known) = with_an_impostor(&mut cluster).await;
    let to = known["n1"];
    let mut refused = 0;
    for (line, frame) in frames(CONTROL) {
        let answer = handle.call(to, Lane::Control, frame, PATIENCE).await;
        assert!(!matches!(answer, Err(CallError::Unreachable(_))), "{line}: the node hung up: {answer:?}");
        let failed = answer.ok().and_then(|bytes| ControlReply::decode(&bytes).ok());
        refused += usize::from(matches!(failed, Some(ControlReply::Failed { .. })));
    }
    assert!(refused > 20, "{refused} control requests were told that they cannot be read");
    for (line, frame) in frames(MESSAGE) {
        let answer = handle.call(to, Lane::Message, frame, PATIENCE).await;
        assert!(!matches!(answer, Err(CallError::Unreachable(_))), "{line}: the node hung up: {answer:?}");
    }
    for lane in [Lane::Append, Lane::Heartbeat, Lane::Snapshot, Lane::Vote] {
        // Nothing that could be read: what a member's readable words do, no decoder decides.
        for garbage in [&b""[..], &[1], &[1, 0], &[0xff; 64], &[2, 0, 0], &[1, 0, 99, 0, 0]] {
            let answer = handle.call(to, lane, Bytes::copy_from_slice(garbage), PATIENCE).await;
            assert_eq!(answer, Err(CallError::Closed), "{lane:?} {garbage:?}");
        }
    }
    let text = cluster.nodes[0].stderr();
    assert!(text.contains("a control request that cannot be read") && text.contains(&known["n3"].short()), "{text}");
    cluster.nodes[0].still_works().await;
    handle.shutdown().await;
    cluster.nodes[2].start(&[]);
    cluster.nodes[2].ready().await;
    cluster.same_head().await;
    cluster.chains_hold().await;
}

#[tokio::test]
async fn a_stranger_that_sends_garbage_to_join_is_refused_and_others_can_join() {
    let mut cluster = Cluster::one().await;
    let known = ids(&cluster.nodes[0]).await;
    let (handle, _inbox) = speaker(&cluster, [9; 32], &known).await;
    let addr = cluster.nodes[0].listen;
    let mut answered = 0;
    for (_, frame) in frames(JOIN) {
        // Refused in words, or by the end of the connection.
        answered += usize::from(handle.join_call(addr, frame, PATIENCE).await.is_ok());
    }
    assert!(answered > 0, "a stranger is told why");
    let refused = handle.call(known["n1"], Lane::Control, Bytes::from_static(&[1, 1]), PATIENCE).await;
    assert!(refused.is_err(), "a stranger has no lane: {refused:?}");
    cluster.nodes[0].still_works().await;
    cluster.join().await;
    cluster.nodes[1].still_works().await;
}

#[tokio::test]
async fn a_member_that_speaks_for_others_or_lies_about_its_load_is_named_and_counted() {
    let mut cluster = Cluster::three().await;
    let (key, handle, _inbox, known) = with_an_impostor(&mut cluster).await;
    let status = cluster.nodes[0].status().await.expect("a status");
    let id: ClusterId = status["cluster"]["id"].as_str().expect("an id").parse().expect("a UUID");
    let usage = Usage { memory_used_mb: 1, memory_total_mb: 1_000, ..Usage::default() };
    let own = View {
        node: known["n3"],
        sequence: 1 << 40,
        wall_ms: 0,
        applied_index: 0,
        version: "0.1.0".to_owned(),
        agents: 0,
        usage,
        tiers: std::collections::BTreeSet::new(),
    };
    let lie = Usage { memory_used_mb: 2_000, ..usage };
    let bodies = [
        View { node: known["n2"], sequence: u64::MAX, ..own.clone() }.sign(id, &key),
        View { usage: lie, ..own.clone() }.sign(id, &key),
        View { agents: u32::MAX, ..own.clone() }.sign(id, &key),
        View { version: "\u{1b}[31m".to_owned(), ..own.clone() }.sign(id, &key),
    ];
    let damaged: Vec<Bytes> = frames(VIEW).map(|(_, frame)| frame).collect();
    let counted = async |node: &Node, name: &str| -> anyhow::Result<u64> {
        let nodes = node.get("/api/v1/nodes?consistency=local").await?;
        let line = nodes.as_array().into_iter().flatten().find(|line| line["name"] == name).context("no line")?.clone();
        line["views_refused"].as_u64().context("no count")
    };
    let before = counted(&cluster.nodes[0], "n2").await.expect("a count");
    let (mut round, wanted) = (0_u64, 8);
    eventually("what it says is refused and counted as its own", SOON, async || {
        // No two frames are the same: gossip passes each on once.
        round += 1;
        let fresh = View { sequence: (1 << 40) + round, usage: lie, ..own.clone() }.sign(id, &key);
        for body in bodies.iter().cloned().map(Bytes::from).chain(damaged.iter().cloned()).chain([fresh.into()]) {
            handle.publish(body);
        }
        let refused = counted(&cluster.nodes[0], "n3").await?;
        ensure!(refused >= wanted, "{refused} views are refused");
        Ok(())
    })
    .await;
    assert_eq!(counted(&cluster.nodes[0], "n2").await.unwrap(), before, "nothing of it is counted as another's");
    let text = cluster.nodes[0].stderr();
    assert!(text.contains("a view is refused") && text.contains(&known["n3"].short()), "{text}");
    // Placement goes by what is reserved, whatever is said.
    cluster.run_echo("echo", "demo").await;
    cluster.nodes[0].still_works().await;
}
