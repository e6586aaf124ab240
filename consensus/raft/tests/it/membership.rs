//! Learners, promotion, removal.

use crate::cluster::{Cluster, LONG, node};
use symbi_raft::{ChangeError, MembershipChange, Role};

#[tokio::test(start_paused = true)]
async fn learners_catch_up_and_are_promoted_together() {
    let cluster = Cluster::bootstrapped(3, |options| options).await;
    let leader = cluster.replica(0);
    let last = cluster.write(0, 30).await;
    leader.change(MembershipChange::AddLearner(node(1).into())).await.expect("a learner is added");
    leader.change(MembershipChange::AddLearner(node(2).into())).await.expect("a learner is added");
    leader.change(MembershipChange::AddLearner(node(2).into())).await.expect("it is one already");

    let status = cluster
        .status(0, |status| {
            status.replication.len() == 2 && status.replication.values().all(|at| *at == status.last_log)
        })
        .await;
    assert!(status.last_log > last);
    assert_eq!(status.voters, [vec![node(0)]]);
    assert_eq!(cluster.status(1, |status| status.leader.is_some()).await.role, Role::Learner);

    leader.change(MembershipChange::Promote(vec![node(1).into(), node(2).into()])).await.expect("both are promoted");
    let mut voters = vec![node(0), node(1), node(2)];
    voters.sort();
    let status = cluster.status(0, |status| status.voters == [voters.clone()]).await;
    assert!(status.learners.is_empty());
    cluster.status(2, |status| status.role == Role::Follower).await;
    let last = cluster.write(0, 5).await;
    cluster.agree(last).await;
}

#[tokio::test(start_paused = true)]
async fn members_are_removed() {
    let cluster = Cluster::of_three(|options| options).await;
    let leader = cluster.replica(0);
    leader.change(MembershipChange::Remove(node(2).into())).await.expect("a voter is removed");
    let status = cluster.status(0, |status| status.voters.len() == 1 && status.voters[0].len() == 2).await;
    assert!(status.learners.is_empty(), "it does not stay as a learner");
    leader.change(MembershipChange::Remove(node(2).into())).await.expect("it is removed already");
    let last = cluster.write(0, 3).await;
    cluster.replica(1).wait_applied(last, LONG).await.expect("the other voter follows");
}

#[tokio::test(start_paused = true)]
async fn changes_that_cannot_be_are_refused() {
    let cluster = Cluster::of_three(|options| options).await;
    let on_follower = cluster.replica(1).change(MembershipChange::AddLearner(node(9).into())).await;
    assert_eq!(on_follower, Err(ChangeError::NotLeader { leader: Some(node(0)) }));
    let leader = cluster.replica(0);
    let stranger = leader.change(MembershipChange::Promote(vec![node(9).into()])).await;
    assert_eq!(stranger, Err(ChangeError::NotLearner { node: node(9) }));
    let (one, other) = tokio::join!(
        leader.change(MembershipChange::Remove(node(1).into())),
        leader.change(MembershipChange::Remove(node(2).into())),
    );
    assert_eq!((one, other), (Ok(()), Err(ChangeError::Moved)), "both were planned for the same members");
}
