//! The audit of a real cluster, verified without it; and 1,000 copies of it, each changed in one place, all refused.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rustix::process::Signal;
use serde_json::Value;
use symbi_cluster_tests::seeds::seeds;
use symbi_cluster_tests::writers::Writers;
use symbi_cluster_tests::{Cluster, Node, SOON, Verb, eventually, symbi};

use crate::durability::ledger;

/// How many changed copies are verified by the library.
const MUTATIONS: u64 = 1_000;
/// How many of them by the program too.
const BY_PROGRAM: u64 = 20;
/// Where the changes come from: printed with each failure.
const SEED: u64 = 0x5e_ed;

/// A cluster with some history; answers its bundle and anchor.
async fn history(nodes: usize) -> (Vec<u8>, String) {
    let mut cluster = Cluster::one().await;
    for _ in 1..nodes {
        cluster.join().await;
    }
    ledger(&cluster).await;
    cluster.run_echo("echo", "demo").await;
    let writers = Writers::start(2, "ledger", &[cluster.nodes[nodes - 1].client()]);
    writers.go_on(20).await;
    let _ = writers.end().await;
    let _ = cluster.nodes[0].cli(&["agent", "rm", "echo"]).await.exits(0);
    let bundle = cluster.file("b.jsonl");
    let path = bundle.to_str().unwrap();
    let _ = cluster.nodes[nodes - 1].cli(&["audit", "export", "--bundle", path]).await.exits(0);
    let anchor = cluster.nodes[0].status().await.unwrap()["cluster"]["anchor"].as_str().unwrap().to_owned();
    let verified = symbi(&["audit", "verify", path, "--anchor", &anchor, "-o", "json"]).await.exits(0).json();
    assert!(verified["ok"] == true && verified["records"].as_u64() > Some(25), "{verified}");
    let _ = symbi(&["audit", "verify", path]).await.exits(0).says("give --anchor");
    let _ = symbi(&["audit", "verify", path, "--anchor", &"0".repeat(64)]).await.exits(10);
    (std::fs::read(&bundle).unwrap(), anchor)
}

fn lines(bundle: &[u8]) -> Vec<Vec<u8>> {
    bundle.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// One change of `bundle`, never none; and its name.
fn mutate(rng: &mut StdRng, bundle: &[u8], foreign: &[u8]) -> (Vec<u8>, &'static str) {
    let mut split = lines(bundle);
    let at = rng.random_range(0..split.len());
    match rng.random_range(0..5) {
        0 => {
            let mut bytes = bundle.to_vec();
            let at = rng.random_range(0..bytes.len());
            bytes[at] ^= rng.random_range(1..=255);
            (bytes, "flip a byte")
        }
        1 => {
            split.remove(at);
            (split.concat(), "delete a line")
        }
        2 => {
            let other = (0..split.len()).filter(|other| split[*other] != split[at]).collect::<Vec<_>>();
            split.swap(at, *other.choose(rng).expect("lines differ"));
            (split.concat(), "swap two lines")
        }
        3 => (bundle[..rng.random_range(0..bundle.len())].to_vec(), "truncate"),
        _ => {
            let theirs = lines(foreign).choose(rng).expect("lines").clone();
            if rng.random() && theirs != split[at] {
                split[at] = theirs;
            } else {
                split.insert(at, theirs);
            }
            (split.concat(), "splice a line of another cluster's")
        }
    }
}

#[tokio::test]
async fn a_bundle_verifies_offline_and_1000_changed_copies_are_refused() {
    let (bundle, anchor) = history(3).await;
    let (foreign, foreign_anchor) = history(1).await;
    assert_ne!(anchor, foreign_anchor);
    assert!(symbi_audit::verify(&foreign[..], Some(&anchor)).is_err(), "another cluster's bundle is not ours");

    let dir = tempfile::tempdir_in("/tmp").unwrap();
    let copy = dir.path().join("copy.jsonl");
    for (seed, number) in seeds(SEED..SEED + 1).flat_map(|seed| (0..MUTATIONS).map(move |number| (seed, number))) {
        let mut rng = StdRng::seed_from_u64((seed << 32) | number);
        let (changed, how) = mutate(&mut rng, &bundle, &foreign);
        let refused = symbi_audit::verify(&changed[..], Some(&anchor));
        if refused.is_ok() {
            std::fs::write("/tmp/symbi-accepted.jsonl", &changed).unwrap();
            std::fs::write("/tmp/symbi-original.jsonl", &bundle).unwrap();
            panic!("mutation {number} of seed {seed:#x} ({how}) is accepted; see /tmp/symbi-accepted.jsonl");
        }
        if number % (MUTATIONS / BY_PROGRAM) == 0 {
            std::fs::write(&copy, &changed).unwrap();
            let ran = symbi(&["audit", "verify", copy.to_str().unwrap(), "--anchor", &anchor]).await.exits(10);
            let _ = ran.says("AUDIT_BROKEN").says("line ");
        }
    }
}

/// Has a node make a join token, which is a record; answers the record's id.
async fn record(node: &Node) -> String {
    let made = eventually("a token is made", SOON, async || {
        Ok(node.post("/api/v1/tokens", &serde_json::json!({ "uses": 1, "ttl_ms": 60_000 })).await?)
    })
    .await;
    let index = made["index"].as_u64().expect("an index");
    let from = node.get(&format!("/api/v1/audit?from={index}")).await.unwrap();
    let found = from.as_array().unwrap().iter().find(|line| line["kind"] == "token.create");
    found.unwrap_or_else(|| panic!("no token in {from:#}"))["id"].as_str().unwrap().to_owned()
}

/// The ids that a follower has printed, once `wanted` is among them.
async fn followed(follower: &Verb, wanted: &str) -> Vec<String> {
    eventually("the record is printed", SOON, async || {
        let text = follower.out();
        // The last line may be under way.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let records: Vec<Value> = whole.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let ids: Vec<String> = records.iter().map(|record| record["id"].as_str().unwrap().to_owned()).collect();
        anyhow::ensure!(ids.iter().any(|id| id == wanted), "{wanted} is not in {ids:?}; {}", follower.err());
        Ok(ids)
    })
    .await
}

#[tokio::test]
async fn a_tail_is_followed_across_a_restart_of_the_node_that_is_asked() {
    let mut cluster = Cluster::one().await;
    let node = &mut cluster.nodes[0];
    let before = record(node).await;
    let follower = node.begin(&["audit", "tail", "--records", "1000", "--follow", "-o", "json"]);
    followed(&follower, &before).await;
    let next = record(node).await;
    followed(&follower, &next).await;

    assert_eq!(node.stop().await, 0);
    eventually("it is said that the node does not answer", SOON, async || {
        anyhow::ensure!(follower.err().contains("asking again until it answers"), "{}", follower.err());
        Ok(())
    })
    .await;
    node.start(&[]);
    node.ready().await;
    let behind = record(node).await;
    let ids = followed(&follower, &behind).await;
    assert!(follower.err().contains("the node answers again"), "{}", follower.err());

    // All that there is, each once, in its order.
    let kept = node.get("/api/v1/audit?from=0").await.unwrap();
    let kept = kept.as_array().unwrap().iter().map(|line| line["id"].as_str().unwrap().to_owned());
    assert_eq!(ids, kept.take(ids.len()).collect::<Vec<_>>());
    assert_eq!(follower.end(Signal::INT).await.code, 0);
}
