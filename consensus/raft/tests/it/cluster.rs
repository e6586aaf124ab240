//! Several replicas in one process, each on a disk in memory that outlives it.

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use symbi_model::agent::Resources;
use symbi_model::codec::{encode_batch, encode_command};
use symbi_model::command::Genesis;
use symbi_model::names::Kind;
use symbi_model::node::Profile;
use symbi_model::{Batch, ClusterId, Command, GroupId, Hash, Item, NodeId, Outcome, State};
use symbi_raft::memory::Mesh;
use symbi_raft::{
    AuditPosition, AuditRow, BatchApplied, Handle, MembershipChange, Options, ReplicaId, Status, Work, WriteError,
    start,
};
use symbi_store::memory::{Disk, Memory};

/// Longer than anything here takes; the clock is paused, so waiting costs nothing.
pub const LONG: Duration = Duration::from_secs(60);

/// One node: its disk, and its replica while it runs.
pub struct Host {
    /// Its id.
    pub node: NodeId,
    /// Its disk.
    pub disk: Arc<Disk>,
    /// Its replica.
    replica: Option<Handle>,
}

/// The nodes, and what connects them.
pub struct Cluster {
    /// What connects them.
    pub network: Mesh,
    /// The nodes.
    pub hosts: Vec<Host>,
    /// Changes the options of replicas that start.
    options: fn(Options) -> Options,
    /// Numbers the writes.
    writes: AtomicU64,
}

impl Cluster {
    /// As many nodes, none of them started.
    pub fn new(size: u8, options: fn(Options) -> Options) -> Self {
        let network = Mesh::new(Duration::from_millis(1));
        let host = |number| Host { node: node(number), disk: Disk::new(), replica: None };
        Self { network, hosts: (0..size).map(host).collect(), options, writes: AtomicU64::new(0) }
    }

    /// As many nodes, all of them voters of one group, or all but the first learners-to-be.
    pub async fn bootstrapped(size: u8, options: fn(Options) -> Options) -> Self {
        let mut cluster = Self::new(size, options);
        for index in 0..cluster.hosts.len() {
            cluster.start(index).await;
        }
        cluster.replica(0).bootstrap(genesis()).await.expect("a new group is made");
        cluster
    }

    /// Three voters.
    pub async fn of_three(options: fn(Options) -> Options) -> Self {
        let cluster = Self::bootstrapped(3, options).await;
        let leader = cluster.replica(0);
        let others = [cluster.hosts[1].node, cluster.hosts[2].node];
        for other in others {
            leader.change(MembershipChange::AddLearner(other.into())).await.expect("a learner is added");
        }
        leader
            .change(MembershipChange::Promote(others.map(ReplicaId::from).to_vec()))
            .await
            .expect("learners are promoted");
        cluster
    }

    /// Starts a node's replica on its disk.
    pub async fn start(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        let engine = Memory::open(host.disk.clone()).expect("the disk is closed");
        let options = (self.options)(Options { work: Work::Inline, ..Options::new(host.node) });
        let replica = start(options, Arc::new(engine), self.network.link(host.node)).await.expect("a replica starts");
        self.network.attach_replica(&replica);
        host.replica = Some(replica);
    }

    /// Ends a node's process; its operating system keeps what was written.
    pub async fn kill(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        self.network.detach(host.node);
        host.replica.take().expect("it runs").shutdown().await;
    }

    /// Cuts a node's power.
    pub async fn power_off(&mut self, index: usize) {
        self.hosts[index].disk.crash();
        self.kill(index).await;
    }

    /// A node's replica.
    pub fn replica(&self, index: usize) -> &Handle {
        self.hosts[index].replica.as_ref().expect("it runs")
    }

    /// The nodes that run.
    pub fn running(&self) -> impl Iterator<Item = &Handle> {
        self.hosts.iter().filter_map(|host| host.replica.as_ref())
    }

    /// Waits until one of these nodes leads and has applied its first entry.
    pub async fn leader_among(&self, indexes: &[usize]) -> usize {
        let leads = indexes.iter().map(|index| {
            let mut status = self.replica(*index).status();
            Box::pin(async move {
                status.wait_for(|status| status.first_index_of_term.is_some()).await.expect("it runs");
                *index
            })
        });
        let (leader, ..) = tokio::time::timeout(LONG, futures::future::select_all(leads)).await.expect("one leads");
        leader
    }

    /// Hands leadership over.
    pub async fn hand_over(&self, from: usize, to: usize) {
        self.replica(from).transfer_leader(self.hosts[to].node).await;
        assert_eq!(self.leader_among(&[to]).await, to);
    }

    /// Proposes a write that nobody has proposed before.
    pub async fn try_write(&self, index: usize) -> Result<BatchApplied, WriteError> {
        let number = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
        self.replica(index).propose(write(number)).await
    }

    /// The same, with the hash by which the audit knows its command.
    pub async fn try_write_hashed(&self, index: usize) -> (Hash, Result<BatchApplied, WriteError>) {
        let number = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
        (symbi_model::act::salted(&[0; 16], &command(number)), self.replica(index).propose(write(number)).await)
    }

    /// Whether a node runs.
    pub fn runs(&self, index: usize) -> bool {
        self.hosts[index].replica.is_some()
    }

    /// Whether a node says that it leads.
    pub fn leads(&self, index: usize) -> bool {
        self.replica(index).status().borrow().leads()
    }

    /// Writes through a node that leads, `count` times one after the other; gives the last index.
    pub async fn write(&self, index: usize, count: usize) -> u64 {
        let mut last = 0;
        for _ in 0..count {
            let applied = self.try_write(index).await.expect("the leader takes a write");
            assert_eq!(applied.outcomes, [Outcome::Done]);
            last = applied.index;
        }
        last
    }

    /// Waits until all nodes that run have applied `index`, and checks that they agree on everything.
    pub async fn agree(&self, index: u64) -> State {
        let mut agreed: Option<(State, Vec<AuditRow>)> = None;
        for replica in self.running() {
            let state = replica.wait_applied(index, LONG).await.expect("it catches up");
            assert_eq!(state.counters.applied_index, index, "nobody writes meanwhile");
            complete(replica).await;
            let rows = audit(replica);
            let (first, chain) = agreed.get_or_insert_with(|| (state.clone(), rows.clone()));
            assert_eq!(state.hash(), first.hash(), "the same index, another state");
            assert_eq!(&rows, chain, "the same index, another audit chain");
        }
        agreed.expect("some node runs").0
    }

    /// Waits for a status of a node.
    pub async fn status(&self, index: usize, wanted: impl FnMut(&Status) -> bool) -> Status {
        let mut status = self.replica(index).status();
        let reached = tokio::time::timeout(LONG, status.wait_for(wanted)).await;
        let reached = reached.map(|status| status.expect("it runs").clone()).ok();
        reached.unwrap_or_else(|| panic!("the status stays {:?}", self.replica(index).status().borrow()))
    }
}

/// Waits until a replica has the lines of all entries.
pub async fn complete(replica: &Handle) {
    let mut status = replica.status();
    let complete = tokio::time::timeout(LONG, status.wait_for(|status| status.missing.is_empty())).await;
    assert!(complete.is_ok_and(|status| status.is_ok()), "lines are missing: {:?}", replica.status().borrow().missing);
}

/// The whole audit chain of a replica, read in small pages.
pub fn audit(replica: &Handle) -> Vec<AuditRow> {
    let mut rows: Vec<AuditRow> = Vec::new();
    loop {
        let from = rows.last().map_or(AuditPosition::default(), AuditRow::next);
        let page = replica.audit(from, 100).expect("the chain can be read");
        if page.is_empty() {
            return rows;
        }
        rows.extend(page);
    }
}

/// How many of these lines record one of [`write`]'s.
pub fn writes_in(rows: &[AuditRow]) -> usize {
    rows.iter().filter(|row| matches!(row, AuditRow::Record(record) if record.act.kind == Kind::NODE_INTRODUCE)).count()
}

/// The key of a node.
pub fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number + 1; 32])
}

/// The id of a node.
pub fn node(number: u8) -> NodeId {
    NodeId(key(number).verifying_key().to_bytes())
}

/// The cluster.
pub fn cluster_id() -> ClusterId {
    "0190a5c0-0000-7000-8000-000000000001".parse().expect("a UUID")
}

/// What a node says of itself.
pub fn profile(memory_mb: u64) -> Profile {
    Profile::plain(
        ([127, 0, 0, 1], 7400).into(),
        [vec![4], vec![7; 64]].concat(),
        Resources { memory_mb, cpu_millis: 1000 },
    )
}

/// The first node's genesis.
pub fn genesis() -> Bytes {
    let genesis = Genesis {
        cluster: cluster_id(),
        name: "test".to_owned(),
        domain: "test.example".to_owned(),
        node: node(0),
        node_name: "n0".to_owned(),
        profile: profile(1),
        gate: symbi_model::gate::CURRENT,
        admin_token: Hash([9; 32]),
        policies: "permit(principal, action, resource);".to_owned(),
        secret: symbi_model::secret::Secret([7; 32]),
    };
    encode_batch(&Batch::genesis(genesis, [0; 16], &key(0), 1_000)).into()
}

/// A batch of one command, which changes the first node's record. Any node may carry it.
pub fn write(number: u64) -> Vec<u8> {
    batch(number, 1)
}

/// A batch of as many such commands.
pub fn batch(number: u64, count: u64) -> Vec<u8> {
    let item = |position| Item { request: None, permit: None, salt: [0; 16], command: command(number + position) };
    let items = (0..count).map(item).collect();
    encode_batch(&Batch::sign(cluster_id(), GroupId(0), &key(0), 1_000 + number, None, items))
}

fn command(number: u64) -> Vec<u8> {
    encode_command(&Command::Introduce { node: node(0), profile: profile(number) })
}
