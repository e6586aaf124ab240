//! A disk without room, at a start and in the middle of writes: the node ends with a last word that says what, why and what
//! to do; nothing acknowledged is lost, and with room it starts again.

use crate::durability::ledger;
use hyper::Method;
use serde_json::json;
use std::collections::BTreeSet;
use symbi_cluster_tests::small_disk::SmallDisk;
use symbi_cluster_tests::writers::Writers;
use symbi_cluster_tests::{Cluster, Node, skipped, symbi};

/// Room for a database with its preallocated files and some writes.
const MIB: u32 = 48;
/// So many writes are acknowledged before and after.
const MORE: u64 = 40;

/// What a data directory has from the proof of a token until its node is a member.
const PENDING: &str = "join.pending";
/// What a member's data directory has, and nothing else.
const MEMBERS: [&str; 9] =
    ["api.sock", "boot", "cluster.json", "db", "issuer.key", "lock", "node.key", "run", "witness"];

/// A cluster of one whose node has a small disk; none where nothing can be mounted.
async fn with_small_disk(test: &str) -> Option<(Cluster, SmallDisk)> {
    let mut mounted = Err("never tried".to_owned());
    let base = tempfile::Builder::new().prefix("symbi").tempdir_in("/tmp").expect("a directory in /tmp");
    if let Err(why) = SmallDisk::mount(&base.path().join("try"), 1) {
        skipped::because(test, &format!("cannot mount a tmpfs: {why}"));
        return None;
    }
    let cluster = Cluster::one_in(|dir| mounted = SmallDisk::mount(&dir.join("n1"), MIB)).await;
    Some((cluster, mounted.expect("a second tmpfs like the first")))
}

/// That a node ended for want of room, and said so.
fn said_why(code: i32, text: &str) {
    let last = text.rfind("error[").map_or("", |at| &text[at..]);
    assert_eq!(code, 1, "{text}");
    assert!(last.starts_with("error[DISK_FULL]: "), "{text}");
    for word in
        ["\n  why: no space left on device", "\n  fix: free some space", "nothing that was acknowledged is lost"]
    {
        assert!(last.contains(word), "{word:?} is not in its last words:\n{last}");
    }
}

/// Writes long notes through `node`, whether or not they are taken, until it has ended; answers its exit code.
async fn write_until_it_ends(node: &mut Node, agent: &str) -> i32 {
    let client = node.client();
    let path = format!("/api/v1/agents/{agent}/annotations");
    for number in 0.. {
        if let Some(code) = node.ended() {
            return code;
        }
        assert!(number < 20_000, "{} takes write after write on a full disk", node.name);
        let body = json!({ "value": "v".repeat(4_000) });
        // It is refused as soon as the disk is full; whether the process has ended is seen above.
        let _ = client.send(Method::PUT, &format!("{path}/k{}", number % 16), Some(&body), &[]).await;
    }
    unreachable!("it ends or fails")
}

#[tokio::test]
async fn a_leader_whose_disk_fills_up_stops_with_a_last_word_and_comes_back_when_there_is_room() {
    let Some((mut cluster, disk)) = with_small_disk("a full disk while running").await else { return };
    cluster.join().await;
    cluster.join().await;
    for node in &cluster.nodes {
        node.sees_voters(3).await;
    }
    let before = ledger(&cluster).await;
    cluster.run_echo("ballast", "tests").await;
    let clients: Vec<_> = cluster.nodes.iter().map(Node::client).collect();
    let writers = Writers::start(4, "ledger", &clients);
    writers.go_on(MORE).await;

    disk.fill();
    let code = write_until_it_ends(&mut cluster.nodes[0], "ballast").await;
    said_why(code, &cluster.nodes[0].stderr());
    let _ = cluster.nodes[0].end().await;
    writers.go_on(MORE).await;

    disk.free();
    cluster.nodes[0].start(&[]);
    cluster.nodes[0].ready().await;
    writers.go_on(MORE).await;
    let written = writers.end().await;
    for at in 0..3 {
        cluster.nodes[at].sees_voters(3).await;
        written.is_there_once(&cluster.agent(at, "ledger").await.unwrap(), before);
    }
    cluster.same_head().await;
    cluster.chains_hold().await;
}

#[tokio::test]
async fn a_node_that_finds_its_disk_full_at_its_start_says_so_and_starts_when_there_is_room() {
    let Some((mut cluster, disk)) = with_small_disk("a full disk at a start").await else { return };
    cluster.run_echo("echo", "demo").await;
    assert_eq!(cluster.nodes[0].stop().await, 0);
    disk.fill();
    cluster.nodes[0].start(&[]);
    let code = cluster.nodes[0].end().await;
    said_why(code, &cluster.nodes[0].stderr());
    disk.free();
    cluster.nodes[0].start(&[]);
    cluster.nodes[0].ready().await;
    cluster.nodes[0].still_works().await;
    assert_eq!(cluster.agent(0, "echo").await.unwrap()["name"], "echo");
    cluster.chains_hold().await;
}

/// Joins from a disk with so little room, in vain: what is left on it. Then again with the same command and room enough.
async fn joins_at_the_second_try(cluster: &mut Cluster, disk: &SmallDisk, kib: u64) -> BTreeSet<String> {
    let mut node = cluster.newcomer();
    disk.fill();
    disk.spare(kib);
    let (seed, token) = (cluster.nodes[0].listen.to_string(), cluster.join_token.clone());
    let more = ["--join", &seed, "--token", &token];
    let arguments = node.arguments(&more);
    let ran = symbi(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
    said_why(ran.code, &ran.err);
    let left = disk.names();
    let known = async || {
        let nodes = cluster.nodes[0].get("/api/v1/nodes").await.unwrap();
        nodes.as_array().map(Vec::len)
    };
    // The note comes before a member records the node, and only with it does the next start go on as the same node.
    let recorded = usize::from(left.contains(PENDING));
    assert_eq!(known().await, Some(cluster.nodes.len() + recorded), "with {kib} KiB, which left {left:?}");
    disk.free();
    node.start(&more);
    node.ready().await;
    node.still_works().await;
    assert_eq!(known().await, Some(cluster.nodes.len() + 1), "the same node with {kib} KiB, which left {left:?}");
    assert_eq!(
        disk.names(),
        BTreeSet::from(MEMBERS.map(str::to_owned)),
        "after a join, of which {left:?} was there before"
    );
    cluster.nodes.push(node);
    left
}

#[tokio::test]
async fn a_join_onto_a_full_disk_goes_on_with_the_same_command_when_there_is_room() {
    let (mut disks, mut cluster) = (Vec::new(), Cluster::one().await);
    // A page for each small file: for none; for the lock's; for the keys, too; for the note that a join has begun, and not
    // for a database.
    for (kib, is_begun) in [(0, false), (4, false), (16, false), (32, true)] {
        match SmallDisk::mount(&cluster.newcomer().dir, MIB) {
            Ok(disk) => disks.push(disk),
            Err(why) => return skipped::because("a join onto a full disk", &format!("cannot mount a tmpfs: {why}")),
        }
        let left = joins_at_the_second_try(&mut cluster, &disks[disks.len() - 1], kib).await;
        assert_eq!(left.contains(PENDING), is_begun, "with {kib} KiB, which left {left:?}");
        assert!(!left.contains("cluster.json"), "with {kib} KiB, and no database: {left:?}");
    }
    cluster.same_head().await;
    cluster.chains_hold().await;
}

#[tokio::test]
async fn a_first_start_on_a_full_disk_leaves_nothing_that_is_in_the_way_of_the_next() {
    let base = tempfile::Builder::new().prefix("symbi").tempdir_in("/tmp").expect("a directory in /tmp");
    let disk = match SmallDisk::mount(&base.path().join("n1"), 8) {
        Ok(disk) => disk,
        Err(why) => return skipped::because("a full disk at the first start", &format!("cannot mount a tmpfs: {why}")),
    };
    let mut node = Node::new(base.path(), "n1", &base.path().join("n1/admin.token"));
    disk.fill();
    let arguments = node.arguments(&[]);
    let ran = symbi(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
    said_why(ran.code, &ran.err);
    disk.free();
    node.start(&[]);
    node.ready().await;
    node.still_works().await;
}
