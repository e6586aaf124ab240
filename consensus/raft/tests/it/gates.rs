//! Gates: a program that is older than the one that is open learns it before it takes part, and is not heard until then.

use crate::cluster::{Cluster, cluster_id, key, node, profile};
use std::time::Duration;
use symbi_model::codec::encode_batch;
use symbi_model::node::Profile;
use symbi_model::policy::PermitRef;
use symbi_model::{Batch, Command, GroupId, Item, Outcome, PolicyNumber, State, gate};
use symbi_raft::{Options, saved_gate};
use symbi_store::memory::Memory;
use symbi_store::{Engine, WriteBatch};

/// Opens the next gate, which the first node, the one member, speaks.
async fn finalize(cluster: &Cluster, leader: usize) {
    gate::speak_next();
    let decision = "01010101-00000000-0000-7000-8000-000000000007".parse().expect("a decision's id");
    let permit = Some(PermitRef { decision, policy_set: PolicyNumber(1), credential: None });
    let introduce = Command::Introduce { node: node(0), profile: Profile { speaks: gate::NEXT, ..profile(1) } };
    let finalize = Command::Finalize { gate: gate::NEXT, actor: "user:admin".to_owned() };
    let items = vec![Item::new(None, None, [0; 16], &introduce), Item::new(None, permit, [0; 16], &finalize)];
    let batch = Batch::sign(cluster_id(), GroupId(0), &key(0), 2_000, None, items);
    let applied = cluster.replica(leader).propose(encode_batch(&batch)).await.expect("it leads");
    assert_eq!(applied.outcomes, [Outcome::Done, Outcome::Done]);
}

#[tokio::test(start_paused = true)]
async fn a_gate_is_on_the_disk_as_soon_as_it_is_open() {
    let mut cluster = Cluster::bootstrapped(1, |options| options).await;
    finalize(&cluster, 0).await;
    cluster.kill(0).await;
    let engine = Memory::open(cluster.hosts[0].disk.clone()).expect("the disk is closed");
    assert_eq!(saved_gate(&engine).expect("it is read"), Some(gate::NEXT));
    let new = Memory::open(symbi_store::memory::Disk::new()).expect("a new disk opens");
    assert_eq!(saved_gate(&new).expect("it is read"), None);
    drop((engine, new));
    cluster.start(0).await;
    cluster.leader_among(&[0]).await;
    assert_eq!(cluster.replica(0).state().borrow().counters.gate, gate::NEXT);
}

/// The rows that a later program has written are of a version that this one does not read: it learns the gate from that.
#[tokio::test(start_paused = true)]
async fn a_gate_is_known_by_rows_that_only_a_later_program_reads() {
    let mut cluster = Cluster::bootstrapped(1, |options| options).await;
    finalize(&cluster, 0).await;
    cluster.kill(0).await;
    let engine = Memory::open(cluster.hosts[0].disk.clone()).expect("the disk is closed");
    let (table, key) = State::counters_key();
    let end = [&[table as u8], key.as_slice()].concat();
    let rows = engine.scan(&[], &[0xff; 64], usize::MAX).expect("it is read");
    for (key, value) in rows.into_iter().filter(|(key, _)| key.ends_with(&end)) {
        let mut batch = WriteBatch::default();
        batch.put(key, [&[9], &value[1..]].concat());
        engine.write(batch).expect("it is written");
    }
    assert_eq!(saved_gate(&engine).expect("it is read"), Some(9));
}

/// The last of the three has gone back to the program of before.
fn last_is_older(options: Options) -> Options {
    let speaks = if options.node == node(2) { gate::CURRENT } else { options.speaks };
    Options { speaks, ..options }
}

#[tokio::test(start_paused = true)]
async fn a_replica_of_an_older_program_is_not_elected() {
    gate::speak_next();
    let cluster = Cluster::of_three(last_is_older).await;
    cluster.hand_over(0, 2).await;
    finalize(&cluster, 2).await;
    let leader = cluster.leader_among(&[0, 1]).await;
    for _ in 0..3 {
        cluster.replica(leader).transfer_leader(node(2)).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(!cluster.leads(2), "it was elected, and could not apply what it has");
        let leader = cluster.leader_among(&[0, 1]).await;
        cluster.write(leader, 1).await;
    }
}
