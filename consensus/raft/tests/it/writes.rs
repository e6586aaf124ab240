//! Many writes at once, and long ones.

use crate::cluster::{Cluster, audit, batch, node, writes_in};
use std::collections::BTreeSet;
use std::time::Duration;
use symbi_raft::{MembershipChange, Options};

#[tokio::test(start_paused = true)]
async fn many_proposers_share_the_way_to_the_disk() {
    let cluster = Cluster::of_three(|options| options).await;
    let since = tokio::time::Instant::now();
    let writes = (0..2_000).map(|_| cluster.try_write(0));
    let applied = futures::future::join_all(writes).await;
    let indexes: BTreeSet<u64> = applied.into_iter().map(|applied| applied.expect("it leads").index).collect();
    assert_eq!(indexes.len(), 2_000, "each has an entry of its own");
    assert!(since.elapsed() < Duration::from_millis(500), "took {:?}", since.elapsed());
    cluster.agree(*indexes.last().expect("there are some")).await;
}

/// Entries of which few fit in a shipment, and a snapshot of many frames.
#[tokio::test(start_paused = true)]
async fn long_entries_and_long_snapshots_arrive() {
    let mut cluster =
        Cluster::bootstrapped(3, |options| Options { snapshot_every: 15, keep_entries: 2, ..options }).await;
    let leader = cluster.replica(0);
    leader.change(MembershipChange::AddLearner(node(1).into())).await.expect("a learner is added");
    let mut last = 0;
    for number in 0..20 {
        let applied = leader.propose(batch(1_000 * number, 1_000)).await.expect("it leads");
        assert_eq!(applied.outcomes.len(), 1_000);
        last = applied.index;
    }
    cluster.replica(1).wait_applied(last, Duration::from_secs(60)).await.expect("it gets every entry");
    // So long it takes until the log reaches back no more.
    tokio::time::sleep(Duration::from_secs(1)).await;
    leader.change(MembershipChange::AddLearner(node(2).into())).await.expect("a learner is added");
    let last = cluster.write(0, 1).await;
    cluster.agree(last).await;
    assert_eq!(writes_in(&audit(cluster.replica(2))), 20_001);
    cluster.kill(2).await;
    cluster.start(2).await;
    assert_eq!(writes_in(&audit(cluster.replica(2))), 20_001, "it is all on its disk");
}
