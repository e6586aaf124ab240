//! A disk without room, at a start and in the middle of writes: the node ends with a last word that says what, why and what
//! to do; nothing acknowledged is lost, and with room it starts again.

use crate::durability::ledger;
use hyper::Method;
use serde_json::json;
use symbi_cluster_tests::small_disk::SmallDisk;
use symbi_cluster_tests::writers::Writers;
use symbi_cluster_tests::{Cluster, Node, skipped, symbi};

/// Room for a database with its preallocated files and some writes.
const MIB: u32 = 48;
/// So many writes are acknowledged before and after.
const MORE: u64 = 40;

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

#[tokio::test]
async fn a_join_onto_a_full_disk_leaves_nothing_and_goes_on_with_the_same_command_when_there_is_room() {
    let mut cluster = Cluster::one().await;
    let disk = match SmallDisk::mount(&cluster.file("n2"), MIB) {
        Ok(disk) => disk,
        Err(why) => return skipped::because("a join onto a full disk", &format!("cannot mount a tmpfs: {why}")),
    };
    let mut node = cluster.newcomer();
    disk.fill();
    let (seed, token) = (cluster.nodes[0].listen.to_string(), cluster.join_token.clone());
    let more = ["--join", &seed, "--token", &token];
    let arguments = node.arguments(&more);
    let ran = symbi(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
    said_why(ran.code, &ran.err);
    let nodes = cluster.nodes[0].get("/api/v1/nodes").await.unwrap();
    assert_eq!(nodes.as_array().map(Vec::len), Some(1), "{nodes:#}");
    disk.free();
    node.start(&more);
    node.ready().await;
    cluster.nodes.push(node);
    cluster.nodes[1].still_works().await;
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
