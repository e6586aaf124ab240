//! Snapshots as released versions sent them: a node of this version takes each, and comes to the state that was recorded.
//!
//! A fixture is every request of one snapshot, in its order: its beginning, its frames, its end; and beside it the state's hash and
//! the chain's head with which a node stands that knew nothing before. It is of the state on the disk that is a fixture too.

use crate::cluster::{Cluster, node};
use crate::fixtures::{MAKE, VERSION, folder, made};
use bytes::Bytes;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use symbi_raft::link::Kind;
use symbi_raft::{MembershipChange, Options};

/// How a reply begins that has taken a beginning or a frame: the codec's version, and the variant.
const CONTINUE: [u8; 2] = [1, 8];
/// The same of an end.
const INSTALLED: [u8; 2] = [1, 9];

/// Snapshots every few entries, and a log that keeps next to none.
fn often(options: Options) -> Options {
    Options { snapshot_every: 20, keep_entries: 2, ..options }
}

/// The requests of the snapshot that a leader with the fixture's disk sends to a new replica.
async fn sent() -> Vec<Bytes> {
    let mut cluster = Cluster::new(2, often);
    cluster.hosts[0].disk = made().await;
    cluster.start(0).await;
    cluster.leader_among(&[0]).await;
    cluster.start(1).await;
    let (requests, learner) = (Arc::<Mutex<Vec<Bytes>>>::default(), cluster.replica(1).clone());
    let heard = requests.clone();
    cluster.network.attach(
        node(1),
        Arc::new(move |from, kind, request: Bytes| {
            if kind == Kind::Snapshot {
                heard.lock().expect("nobody panics").push(request.clone());
            }
            let answer = learner.serve(from, kind, request);
            Box::pin(async move { answer.await.ok() })
        }),
    );
    cluster.write(0, 40).await;
    // Longer than the keeper's period: the log reaches back no more.
    tokio::time::sleep(Duration::from_secs(1)).await;
    cluster.replica(0).change(MembershipChange::AddLearner(node(1).into())).await.expect("a learner is added");
    cluster.status(1, |status| !status.missing.is_empty()).await;
    requests.lock().expect("nobody panics").clone()
}

/// What a node that knew nothing comes to: its state's hash, its chain's head, and where both stand.
async fn comes_to(requests: &[Bytes]) -> String {
    let mut cluster = Cluster::new(2, |options| options);
    cluster.start(1).await;
    let (end, before) = requests.split_last().expect("a snapshot");
    for request in before {
        let answer = cluster.replica(1).serve(node(0), Kind::Snapshot, request.clone()).await.expect("an answer");
        assert!(answer.starts_with(&CONTINUE), "{answer:?}");
    }
    let answer = cluster.replica(1).serve(node(0), Kind::Snapshot, end.clone()).await.expect("an answer");
    assert!(answer.starts_with(&INSTALLED), "{answer:?}");
    let state = cluster.replica(1).state().borrow().clone();
    let (mut out, counters) = (String::new(), &state.counters);
    writeln!(out, "index {}\nrecords {}", counters.applied_index, counters.audit_records).expect("a string");
    writeln!(out, "head {}\nhash {}", counters.audit_head, state.hash()).expect("a string");
    let missing = cluster.status(1, |status| !status.missing.is_empty()).await.missing;
    assert_eq!(missing, [(0, counters.applied_index)], "its chain did not come with it");
    out
}

/// Requests, each behind its length as four big-endian bytes.
fn dumped(requests: &[Bytes]) -> Vec<u8> {
    let length = |request: &Bytes| u32::try_from(request.len()).expect("short").to_be_bytes();
    requests.iter().flat_map(|request| [&length(request)[..], request].concat()).collect()
}

/// What [`dumped`] was made of.
fn restored(mut bytes: &[u8]) -> Vec<Bytes> {
    let mut requests = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_at(4);
        let (request, rest) = rest.split_at(u32::from_be_bytes(length.try_into().expect("four bytes")) as usize);
        requests.push(Bytes::copy_from_slice(request));
        bytes = rest;
    }
    requests
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_each_released_version_is_taken() {
    let made_of = folder(VERSION);
    if std::env::var_os(MAKE).is_some() {
        let requests = sent().await;
        std::fs::write(made_of.join("snapshot.bin"), dumped(&requests)).expect("the requests");
        std::fs::write(made_of.join("snapshot-comes-to.txt"), comes_to(&requests).await).expect("what it comes to");
    }
    for version in [VERSION] {
        let read = |name: &str| std::fs::read(folder(version).join(name)).expect("a fixture");
        let expected = String::from_utf8(read("snapshot-comes-to.txt")).expect("a text");
        assert_eq!(comes_to(&restored(&read("snapshot.bin"))).await, expected, "{version}");
    }
}

/// The newest fixture is what this version would send: see the disk's.
#[tokio::test(start_paused = true)]
async fn the_newest_snapshot_is_what_this_version_sends() {
    let fixture = std::fs::read(folder(VERSION).join("snapshot.bin")).expect("a fixture");
    assert!(dumped(&sent().await) == fixture, "a format has changed: see tests/fixtures/README.md");
}
