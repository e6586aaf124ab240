//! A member that sends garbage, one that answers with it, and one that lies: real nodes are spoken to by a node of this process that has a member's key.
//! What it sends is refused, the first of it is named in the log, views are counted by the member that wrote them, and the
//! cluster goes on. (What a stranger may send at all is `symbi-net`'s tests; frames that are none, there too.)

use anyhow::{Context, ensure};
use bytes::Bytes;
use ed25519_dalek::SigningKey;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use symbi_cluster_tests::seeds::seeds;
use symbi_cluster_tests::{Cluster, Node, SOON, eventually};
use symbi_model::{ClusterId, GroupId, NodeId};
use symbi_net::{CallError, Handle, Identity, Inbox, Lane, Member, Options, Requests, Roster, tcp};
use symbi_proto::wire::{ControlReply, ControlRequest, Usage, View};

/// The damaged frames that members may send each other, `<variant> <damage> <hex>` a line.
const CONTROL: &str = include_str!("../../../gossip/proto/tests/it/corpus/controlrequest.txt");
/// The same of the message lane.
const MESSAGE: &str = include_str!("../../../gossip/proto/tests/it/corpus/messageframe.txt");
/// The same of the join protocol.
const JOIN: &str = include_str!("../../../gossip/proto/tests/it/corpus/joinrequest.txt");
/// The same of gossip.
const VIEW: &str = include_str!("../../../gossip/proto/tests/it/corpus/view.txt");
/// What replicas ask of each other, undamaged, `<variant> <hex>` a line.
const RAFT_REQUESTS: &str = include_str!("../../../consensus/raft/src/wire/corpus/requests.txt");
/// What they answer.
const RAFT_REPLIES: &str = include_str!("../../../consensus/raft/src/wire/corpus/replies.txt");
/// How a reply begins by which a replica refuses a part of a snapshot.
const SNAPSHOT_REFUSED: &[u8] = &[1, 10];
/// How often each of Raft's frames has a bit flipped, and where the bits come from.
const FLIPS: (usize, u64) = (32, 0x5e_ed);
/// The control group.
const GROUP: GroupId = GroupId(0);
/// How long an answer may take: most frames get none.
const PATIENCE: Duration = Duration::from_secs(5);

fn frames(corpus: &str) -> impl Iterator<Item = (&str, Bytes)> {
    corpus.lines().map(|line| {
        let digits = line.rsplit(' ').next().expect("a line has words");
        (line, Bytes::from(hex::decode(digits).expect("hex")))
    })
}

/// A frame at every length below its own.
fn cut(frame: &Bytes) -> impl Iterator<Item = Bytes> {
    (0..frame.len()).map(|length| frame.slice(..length))
}

/// A frame with one bit flipped, again and again.
fn flipped(frame: &Bytes) -> impl Iterator<Item = Bytes> {
    let (times, seed) = FLIPS;
    seeds(seed..seed + 1).flat_map(move |seed| {
        let mut random = StdRng::seed_from_u64(seed);
        (0..times).map(move |_| {
            let mut changed = frame.to_vec();
            changed[random.random_range(0..frame.len())] ^= 1 << random.random_range(0..8);
            changed.into()
        })
    })
}

/// The lane of a request of Raft's, by its line of the corpus.
fn lane_of(line: &str) -> Lane {
    match line.split(' ').next() {
        Some("Append") => Lane::Append,
        Some("Begin" | "Frame" | "End") => Lane::Snapshot,
        Some("Lines") => Lane::Lines,
        _ => Lane::Vote,
    }
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

/// The first node still works, and so does the third itself once its impostor has gone.
async fn gives_its_place_back(impostor: &Handle, cluster: &mut Cluster) {
    cluster.nodes[0].still_works().await;
    impostor.shutdown().await;
    cluster.nodes[2].start(&[]);
    cluster.nodes[2].ready().await;
    cluster.same_head().await;
    cluster.chains_hold().await;
}

#[tokio::test]
async fn a_member_that_sends_garbage_on_every_lane_is_answered_or_ignored_and_the_node_stays() {
    let mut cluster = Cluster::three().await;
    let (_key, handle, _inbox, known) = with_an_impostor(&mut cluster).await;
    let to = known["n1"];
    let mut refused = 0;
    for (line, frame) in frames(CONTROL) {
        let answer = handle.call(to, (Lane::Control, GROUP), frame, PATIENCE).await;
        assert!(!matches!(answer, Err(CallError::Unreachable(_))), "{line}: the node hung up: {answer:?}");
        let failed = answer.ok().and_then(|bytes| ControlReply::decode(&bytes).ok());
        refused += usize::from(matches!(failed, Some(ControlReply::Unsupported)));
    }
    assert!(refused > 20, "{refused} control requests were told that they cannot be read");
    for lane in [Lane::Message, Lane::Session] {
        for (line, frame) in frames(MESSAGE) {
            let answer = handle.call(to, (lane, GROUP), frame, PATIENCE).await;
            assert!(!matches!(answer, Err(CallError::Unreachable(_))), "{line}: the node hung up: {answer:?}");
        }
    }
    for lane in [Lane::Append, Lane::Heartbeat, Lane::Snapshot, Lane::Vote, Lane::Lines] {
        // Nothing that could be read: what a member's readable words do, no decoder decides.
        for garbage in [&b""[..], &[1], &[1, 0], &[0xff; 64], &[2, 0, 0], &[1, 0, 99, 0, 0]] {
            let answer = handle.call(to, (lane, GROUP), Bytes::copy_from_slice(garbage), PATIENCE).await;
            assert_eq!(answer, Err(CallError::Closed), "{lane:?} {garbage:?}");
        }
    }
    let text = cluster.nodes[0].stderr();
    assert!(text.contains("a control request that cannot be read") && text.contains(&known["n3"].short()), "{text}");
    gives_its_place_back(&handle, &mut cluster).await;
}

/// A request for a group that is not the control group finds nobody, and is not taken for one for the control group.
#[tokio::test]
async fn what_is_for_another_group_is_answered_so() {
    let mut cluster = Cluster::three().await;
    let (_key, handle, _inbox, known) = with_an_impostor(&mut cluster).await;
    let ask = async |request: ControlRequest| {
        let answer = handle.call(known["n1"], (Lane::Control, GROUP), request.encode().into(), PATIENCE).await;
        ControlReply::decode(&answer.expect("an answer")).expect("it can be read")
    };
    let other = GroupId(7);
    assert_eq!(ask(ControlRequest::ReadIndex { group: other }).await, ControlReply::Unsupported);
    assert_eq!(ask(ControlRequest::Forward { group: other, batch: vec![1] }).await, ControlReply::Unsupported);
    let own = ask(ControlRequest::ReadIndex { group: GROUP }).await;
    assert!(matches!(own, ControlReply::ReadIndex { .. } | ControlReply::NotLeader { .. }), "{own:?}");
    gives_its_place_back(&handle, &mut cluster).await;
}

/// Gives these replies in turn to whatever replicas ask, whether or not it makes sense.
async fn answers(mut requests: Requests, replies: Vec<Bytes>, given: Arc<AtomicUsize>) {
    for reply in replies.iter().cycle() {
        let Some(request) = requests.recv().await else { return };
        let _ = request.reply.send(reply.clone());
        given.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_member_whose_raft_frames_are_damaged_either_way_is_refused_and_named_and_the_group_goes_on() {
    let mut cluster = Cluster::three().await;
    let (_key, handle, inbox, known) = with_an_impostor(&mut cluster).await;
    let to = known["n1"];
    let cuts = frames(RAFT_REPLIES).flat_map(|(_, frame)| [1, 2, 3].map(|part| frame.slice(..frame.len() * part / 4)));
    let cuts: Vec<Bytes> = cuts.collect();
    let (replies, given) = (cuts.len(), Arc::new(AtomicUsize::new(0)));
    for requests in [inbox.append, inbox.heartbeat, inbox.snapshot, inbox.vote, inbox.lines] {
        tokio::spawn(answers(requests, cuts.clone(), given.clone()));
    }
    for (line, frame) in frames(RAFT_REQUESTS) {
        for damaged in cut(&frame).chain(flipped(&frame)) {
            let answer = handle.call(to, (lane_of(line), GROUP), damaged.clone(), PATIENCE).await;
            // What can be read is in the name of a node that this is not, or of a snapshot that nobody has begun. A member may
            // ask for any lines that there are.
            let is_refused = match &answer {
                Ok(_) if lane_of(line) == Lane::Lines => true,
                Ok(reply) => reply.starts_with(SNAPSHOT_REFUSED),
                Err(error) => *error == CallError::Closed,
            };
            assert!(is_refused, "{line}: {} is answered {answer:?}", hex::encode(&damaged));
        }
    }
    let text = cluster.nodes[0].stderr();
    assert!(text.contains("a Raft request is refused") && text.contains(&known["n3"].short()), "{text}");

    eventually("each reply is given, cut short", SOON, async || {
        let given = given.load(Ordering::Relaxed);
        ensure!(given >= replies, "{given} of {replies} are given");
        Ok(())
    })
    .await;
    gives_its_place_back(&handle, &mut cluster).await;
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
    let refused = handle.call(known["n1"], (Lane::Control, GROUP), Bytes::from_static(&[1, 1]), PATIENCE).await;
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
    // Placement goes by what is recorded and reserved, whatever is said: here more memory than any machine has.
    let boast = Usage { memory_used_mb: 0, memory_total_mb: 1 << 39, ..usage };
    eventually("a boast that may be true is heard", SOON, async || {
        round += 1;
        handle.publish(View { sequence: (1 << 40) + round, usage: boast, ..own.clone() }.sign(id, &key).into());
        let nodes = cluster.nodes[0].get("/api/v1/nodes?consistency=local").await?;
        let line = nodes.as_array().into_iter().flatten().find(|line| line["name"] == "n3").context("no line")?;
        ensure!(line["usage"]["memory_total_mb"] == 1_u64 << 39, "{line:#}");
        Ok(())
    })
    .await;
    let huge = json!({ "name": "huge", "owner": "demo", "program": { "command": ["true"] },
        "resources": { "memory_mb": 1_u64 << 32 } });
    let _ = cluster.nodes[0].post("/api/v1/agents", &huge).await.expect("it is recorded");
    cluster.run_echo("echo", "demo").await;
    assert!(cluster.agent(0, "huge").await.unwrap()["node"].is_null(), "the boast was believed");
    cluster.nodes[0].still_works().await;
}
