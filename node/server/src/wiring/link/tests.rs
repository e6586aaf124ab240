//! Raft over the real network: two groups of the same three nodes, of which one stalls.

use super::{KINDS, RaftLink, lane};
use crate::wiring::inbound;
use ed25519_dalek::SigningKey;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use symbi_model::agent::Resources;
use symbi_model::command::Genesis;
use symbi_model::node::Profile;
use symbi_model::secret::Secret;
use symbi_model::{Batch, ClusterId, Command, GroupId, Hash, Item, NodeId, Outcome, codec, gate};
use symbi_net::{Identity, Member, Roster};
use symbi_raft::{Groups, Handle, MembershipChange, ReplicaId, Work};
use symbi_store::memory::{Disk, Memory};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The group beside the control group.
const OTHER: GroupId = GroupId(7);
/// More than anything here takes, on a busy machine.
const LONG: Duration = Duration::from_secs(60);
const CLUSTER: ClusterId = ClusterId(uuid::Uuid::from_bytes([9; 16]));

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

/// What the first node offers.
fn profile(memory_mb: u64) -> Profile {
    let resources = Resources { memory_mb, ..Resources::default() };
    Profile::plain("127.0.0.1:1".parse().unwrap(), vec![4; 65], resources)
}

fn genesis(node: NodeId) -> Vec<u8> {
    let genesis = Genesis {
        cluster: CLUSTER,
        name: "c".to_owned(),
        domain: "c.test".to_owned(),
        node,
        node_name: "n1".to_owned(),
        profile: profile(1),
        gate: gate::CURRENT,
        admin_token: Hash([9; 32]),
        policies: "permit(principal, action, resource);".to_owned(),
        secret: Secret([7; 32]),
    };
    codec::encode_batch(&Batch::genesis(genesis, [0; 16], &key(1), 1_000))
}

/// A node's way to the others, and what serves it.
struct Node {
    /// The network.
    net: symbi_net::Handle,
    /// What comes in, by kind.
    groups: Groups,
    /// The node.
    id: NodeId,
}

impl Node {
    async fn start(number: u8, tasks: &TaskTracker, cancel: &CancellationToken) -> Self {
        let identity = Identity::from_seed([number; 32]);
        let id = identity.node();
        let (options, transport) = (symbi_net::Options::new(([127, 0, 0, 1], 0).into()), symbi_net::tcp(&identity));
        let started = symbi_net::start(options, identity, transport, Roster::default()).await;
        let (net, _) = started.expect("a free port");
        let groups = Groups::default();
        for group in [GroupId(0), OTHER] {
            for (_, kind) in KINDS {
                let requests = net.serve(lane(kind), group);
                tasks.spawn(inbound::raft(kind, requests, groups.clone(), tasks.clone(), cancel.clone()));
            }
        }
        Self { net, groups, id }
    }

    async fn replica(&self, group: GroupId) -> (Handle, Arc<Disk>) {
        let disk = Disk::new();
        let engine = Arc::new(Memory::open(disk.clone()).expect("a new disk opens"));
        // A disk that hangs for long is what this is about, and not how it ends; and the machine may be busy.
        let hour = Duration::from_secs(3_600);
        let options = symbi_raft::Options {
            group,
            work: Work::Inline,
            stall_after: hour,
            stall_ends: hour,
            election_min: Duration::from_secs(3),
            election_max: Duration::from_secs(6),
            ..symbi_raft::Options::new(self.id)
        };
        let link = Arc::new(RaftLink { net: self.net.clone() });
        let replica = symbi_raft::start(options, engine, link).await.expect("a replica starts");
        self.groups.insert(&replica);
        (replica, disk)
    }
}

/// One group on all nodes, led by the first.
struct Group {
    /// The replicas.
    replicas: Vec<Handle>,
    /// Their disks.
    disks: Vec<Arc<Disk>>,
}

impl Group {
    async fn start(nodes: &[Node], group: GroupId) -> Self {
        let (mut replicas, mut disks) = (Vec::new(), Vec::new());
        for node in nodes {
            let (replica, disk) = node.replica(group).await;
            replicas.push(replica);
            disks.push(disk);
        }
        replicas[0].bootstrap(genesis(nodes[0].id).into()).await.expect("a new group is made");
        let others: Vec<ReplicaId> = nodes[1..].iter().map(|node| node.id.into()).collect();
        for other in &others {
            replicas[0].change(MembershipChange::AddLearner(*other)).await.expect("a learner is added");
        }
        replicas[0].change(MembershipChange::Promote(others)).await.expect("they are promoted");
        Self { replicas, disks }
    }

    /// Writes something of some length. What it says is a batch of the control group's, whichever group this is.
    async fn write(&self, number: u64, bytes: usize) -> Vec<Outcome> {
        let profile = Profile { labels: BTreeSet::from(["x".repeat(bytes)]), ..profile(number) };
        let command = Command::Introduce { node: self.replicas[0].node(), profile };
        let items = vec![Item::new(None, None, [0; 16], &command)];
        let batch = Batch::sign(CLUSTER, GroupId(0), &key(1), 1_000 + number, None, items);
        let written = tokio::time::timeout(LONG, self.replicas[0].propose(codec::encode_batch(&batch))).await;
        written.expect("in time").expect("it leads").outcomes
    }
}

async fn three(tasks: &TaskTracker, cancel: &CancellationToken) -> Vec<Node> {
    let mut nodes = Vec::new();
    for number in 1..=3 {
        nodes.push(Node::start(number, tasks, cancel).await);
    }
    let member = |node: &Node| (node.id, Member { addr: node.net.listen_addr() });
    let members = nodes.iter().map(member).collect();
    let roster = Roster { members, removed: Arc::default(), own_index: 1 };
    for node in &nodes {
        node.net.set_roster(roster.clone());
    }
    for node in &nodes {
        let mut connections = node.net.connections();
        let met = connections.wait_for(|connections| connections.len() == nodes.len() - 1);
        tokio::time::timeout(LONG, met).await.expect("they meet").expect("it runs");
    }
    nodes
}

/// The other group's followers do not answer, and what its leader sends fills its windows and its queues. The control group shares
/// its connections, lanes and substreams, and nothing else.
#[tokio::test]
async fn a_group_that_stalls_holds_up_no_other_on_the_same_lanes() {
    let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
    let nodes = three(&tasks, &cancel).await;
    let control = Group::start(&nodes, GroupId(0)).await;
    let other = Arc::new(Group::start(&nodes, OTHER).await);
    assert_eq!(control.write(1, 1).await, [Outcome::Done]);
    other.disks[1..].iter().for_each(|disk| disk.stall());
    let stalled: Vec<_> = (0..200)
        .map(|number| {
            let other = other.clone();
            tokio::spawn(async move { other.write(2 + number, 100 * 1024).await })
        })
        .collect();
    let (before, since) = (control.replicas[0].status().borrow().clone(), Instant::now());
    for number in 0..100 {
        assert_eq!(control.write(300 + number, 1).await, [Outcome::Done]);
    }
    assert!(since.elapsed() < Duration::from_secs(20), "a hundred writes took {:?}", since.elapsed());
    assert!(stalled.iter().all(|write| !write.is_finished()), "no quorum of the other group has any of it");
    let after = control.replicas[0].status().borrow().clone();
    assert_eq!((after.term, after.leader), (before.term, before.leader), "nobody missed a heartbeat");
    other.disks.iter().for_each(|disk| disk.resume());
    for write in stalled {
        drop(write.await.expect("it does not panic"));
    }
    cancel.cancel();
    for node in &nodes {
        node.net.shutdown().await;
    }
}
