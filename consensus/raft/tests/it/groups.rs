//! Two groups on three nodes: what holds up one holds up the other in nothing.

use crate::cluster::{LONG, genesis, node, write};
use crate::registers::Registers;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::{GroupId, NodeId};
use symbi_raft::link::Kind;
use symbi_raft::memory::Mesh;
use symbi_raft::{
    Control, Groups, Link, Machine, MembershipChange, Options, Replica, ReplicaId, ServeError, Status, Work, open,
};
use symbi_store::memory::{Disk, Memory};

/// The group beside the control group.
const OTHER: GroupId = GroupId(1);
/// Which of its nodes' replicas of it these are: not the first.
const NUMBER: u64 = 5;

/// One group's replicas, each on a disk of its own.
struct Group<M: Machine> {
    /// The disks.
    disks: Vec<Arc<Disk>>,
    /// The replicas.
    replicas: Vec<Replica<M>>,
}

impl<M: Machine> Group<M> {
    /// Starts a group's replica on each node; the first makes the group.
    async fn start(mesh: &Mesh, nodes: &[Groups], options: impl Fn(NodeId) -> Options) -> Self {
        let (mut disks, mut replicas) = (Vec::new(), Vec::new());
        for (number, groups) in (0..).zip(nodes) {
            let disk = Disk::new();
            let engine = Memory::open(disk.clone()).expect("a new disk opens");
            let link = mesh.link(node(number));
            let replica = open::<M>(options(node(number)), Arc::new(engine), link).await.expect("a replica starts");
            groups.insert(&replica);
            mesh.attach_groups(node(number), groups);
            disks.push(disk);
            replicas.push(replica);
        }
        assert!(replicas[0].found().await.expect("it is new"), "it is alone at first");
        replicas[0].settled().await.expect("it leads");
        Self { disks, replicas }
    }

    /// Gives the others a vote.
    async fn grow(&self, number: u64) {
        let others = [1, 2].map(|other| ReplicaId { node: node(other), number });
        for other in others {
            self.replicas[0].change(MembershipChange::AddLearner(other)).await.expect("a learner is added");
        }
        self.replicas[0].change(MembershipChange::Promote(others.to_vec())).await.expect("they are promoted");
    }

    async fn write(&self, entry: impl Into<Bytes>) -> u64 {
        let applied = tokio::time::timeout(LONG, self.replicas[0].write(entry)).await.expect("it is committed");
        applied.expect("it leads").index
    }

    fn status(&self) -> Status {
        self.replicas[0].status().borrow().clone()
    }
}

fn control(node: NodeId) -> Options {
    Options { work: Work::Inline, ..Options::new(node) }
}

fn other(node: NodeId) -> Options {
    // A disk that hangs for long is what this is about, and not how it ends.
    let stall_ends = Duration::from_secs(3_600);
    Options { group: OTHER, number: NUMBER, stall_after: stall_ends, stall_ends, ..control(node) }
}

async fn both() -> (Mesh, Group<Control>, Group<Registers>) {
    let mesh = Mesh::new(Duration::from_millis(1));
    let nodes: Vec<Groups> = (0..3).map(|_| Groups::default()).collect();
    let first = Group::<Control>::start(&mesh, &nodes, control).await;
    let second = Group::<Registers>::start(&mesh, &nodes, other).await;
    first.write(genesis()).await;
    first.grow(0).await;
    second.grow(NUMBER).await;
    (mesh, first, second)
}

#[tokio::test(start_paused = true)]
async fn each_group_has_a_log_a_state_and_members_of_its_own() {
    let (_mesh, first, second) = both().await;
    assert_eq!(second.write("a=1").await, second.write("a=2").await - 1);
    first.write(write(1)).await;
    let answered = second.replicas[0].write("a=3").await.expect("it leads");
    assert_eq!(answered.answer, "2", "what was there before");
    for replica in &second.replicas {
        let texts = replica.wait_applied(answered.index, LONG).await.expect("it follows");
        assert_eq!(texts.0.get(b"a".as_slice()).map(Vec::as_slice), Some(b"3".as_slice()));
    }
    let policies = first.replicas[0].state().borrow().policy_sets.len();
    assert_eq!(policies, 1, "the control group's state is what it was");
}

/// The disks of one group hang on all nodes, and with them all that it would write.
#[tokio::test(start_paused = true)]
async fn a_group_that_stalls_does_not_hold_up_another() {
    let (_mesh, first, second) = both().await;
    second.disks.iter().for_each(|disk| disk.stall());
    let replica = second.replicas[0].clone();
    // More than any queue between them holds.
    let stalled = tokio::spawn(async move {
        let writes = (0..3_000).map(|number| replica.write(format!("name-{number}=text")));
        futures::future::join_all(writes).await
    });

    let before = first.status();
    for number in 1..=200 {
        let since = tokio::time::Instant::now();
        first.write(write(number)).await;
        assert!(since.elapsed() < Duration::from_millis(50), "write {number} took {:?}", since.elapsed());
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let after = first.status();
    assert_eq!((after.term, after.leader), (before.term, before.leader), "nobody missed the leader's heartbeats");
    assert!(!stalled.is_finished(), "the other group's disks hang");

    second.disks.iter().for_each(|disk| disk.resume());
    let done = tokio::time::timeout(LONG, stalled).await.expect("its disks answer").expect("it does not panic");
    assert!(done.iter().all(|write| write.is_ok()), "the other group goes on as if nothing had been");
}

/// A node that got another replica of a group does not answer for its old one.
#[tokio::test(start_paused = true)]
async fn requests_for_another_replica_of_the_node_are_refused() {
    let (mesh, _first, second) = both().await;
    let (seen, mut requests) = tokio::sync::mpsc::unbounded_channel();
    mesh.attach(
        node(1),
        Arc::new(move |from, kind, request: Bytes| {
            if kind == Kind::Append {
                let _ = seen.send((from, request));
            }
            Box::pin(std::future::ready(None))
        }),
    );
    let writing = second.replicas[0].clone();
    let write = tokio::spawn(async move { writing.write("a=1").await });
    let (from, request) = tokio::time::timeout(LONG, requests.recv()).await.expect("it is sent").expect("it is there");
    write.await.expect("it does not panic").expect("the third node makes a quorum");

    let alone: Arc<dyn Link> = Mesh::new(Duration::ZERO).link(node(1));
    let engine = Arc::new(Memory::open(Disk::new()).expect("a new disk opens"));
    let options = Options { number: NUMBER + 1, ..other(node(1)) };
    let next = open::<Registers>(options, engine, alone).await.expect("it starts");
    assert_eq!(next.serve(from, Kind::Append, request.clone()).await, Err(ServeError::Replica));
    assert!(second.replicas[1].serve(from, Kind::Append, request).await.is_ok(), "the one it is for takes it");
}
