//! Snapshots on their way: what is answered meanwhile, and what stays in the log.

use crate::cluster::{Cluster, LONG, genesis, node};
use crate::registers::{GATE, Registers, set_gate};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use symbi_raft::link::Kind;
use symbi_raft::memory::Mesh;
use symbi_raft::{MembershipChange, Options, Replica, Work, open};
use symbi_store::Engine;
use symbi_store::memory::{Disk, Memory};
use tokio::sync::{Mutex, watch};

/// A snapshot as soon as there is anything, and a log that keeps next to nothing.
fn often(options: Options) -> Options {
    Options { snapshot_every: 20, keep_entries: 2, ..options }
}

async fn registers(mesh: &Mesh, number: u8) -> Replica<Registers> {
    registers_on(mesh, number, Work::Threads).await.0
}

/// A replica, and the disk that it is on.
async fn registers_on(mesh: &Mesh, number: u8, work: Work) -> (Replica<Registers>, Arc<Memory>) {
    let engine = Arc::new(Memory::open(Disk::new()).expect("a new disk opens"));
    let options = Options { work, ..often(Options::new(node(number))) };
    let replica = open(options, engine.clone(), mesh.link(node(number))).await.expect("a replica starts");
    (replica, engine)
}

/// A leader whose state is a few megabytes of which the log holds next to nothing.
async fn leader_of_much(mesh: &Mesh) -> Replica<Registers> {
    let text = "x".repeat(8 * 1024);
    leader_of(mesh, (0..400).map(|number| format!("name-{number}={text}"))).await
}

/// A leader of these, of which the log holds next to nothing.
async fn leader_of(mesh: &Mesh, writes: impl Iterator<Item = String>) -> Replica<Registers> {
    let (leader, _) = registers_on(mesh, 0, Work::Inline).await;
    mesh.attach_replica(&leader);
    assert!(leader.found().await.expect("it is new"));
    leader.settled().await.expect("it leads");
    for write in writes {
        leader.write(write).await.expect("it leads");
    }
    // Longer than the keeper's period: the log reaches back no more.
    tokio::time::sleep(Duration::from_secs(1)).await;
    leader
}

/// Adds a learner over a link that takes so long for each byte of a snapshot: how long it took, and how many requests of it
/// carried no rows to speak of.
async fn over_a_slow_link(mesh: &Mesh, leader: &Replica<Registers>, byte: Duration) -> (Duration, usize) {
    let (learner, _) = registers_on(mesh, 1, Work::Inline).await;
    let (began, turn) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(())));
    let (counted, served) = (began.clone(), learner.clone());
    mesh.attach(
        node(1),
        Arc::new(move |from, kind, request: Bytes| {
            let (served, turn, counted) = (served.clone(), turn.clone(), counted.clone());
            Box::pin(async move {
                if kind == Kind::Snapshot {
                    // One after the other.
                    let _turn = turn.lock().await;
                    tokio::time::sleep(byte * request.len() as u32).await;
                    counted.fetch_add(usize::from(request.len() < 1_000), Ordering::Relaxed);
                    return served.serve(from, kind, request).await.ok();
                }
                served.serve(from, kind, request).await.ok()
            })
        }),
    );
    let (start, last) = (tokio::time::Instant::now(), leader.status().borrow().last_log);
    leader.change(MembershipChange::AddLearner(node(1).into())).await.expect("a learner is added");
    learner.wait_applied(last, 20 * LONG).await.expect("it arrives");
    (start.elapsed(), began.load(Ordering::Relaxed))
}

/// The rows take some 3 MB: half a minute, where nothing may stand still for more than five seconds.
#[tokio::test(start_paused = true)]
async fn a_slow_link_carries_a_snapshot_however_long_it_takes() {
    let mesh = Mesh::new(Duration::from_millis(1));
    let leader = leader_of_much(&mesh).await;
    let (took, bare) = over_a_slow_link(&mesh, &leader, Duration::from_micros(10)).await;
    assert!(took > Duration::from_secs(20), "the link was not slow: {took:?}");
    assert_eq!(bare, 2, "one beginning and one end");
}

/// A short frame has the time of the long ones that it waits behind.
#[tokio::test(start_paused = true)]
async fn a_slow_link_carries_a_short_frame_behind_long_ones() {
    let mesh = Mesh::new(Duration::from_millis(1));
    let text = "x".repeat(480 * 1024);
    let long = (10..34).map(|number| format!("name-{number}={text}"));
    // Enough of them that the log does not reach back.
    let short = (0..100).map(|number| format!("a-{number}=as short as most are"));
    let leader = leader_of(&mesh, long.chain([format!("short={}", "y".repeat(1024))]).chain(short)).await;
    let (took, bare) = over_a_slow_link(&mesh, &leader, Duration::from_micros(16)).await;
    assert!(took > Duration::from_secs(150), "the link was not slow: {took:?}");
    assert_eq!(bare, 2, "one beginning and one end");
}

/// How many keys are on a disk.
fn keys_on(engine: &Memory) -> usize {
    engine.scan(&[], &[0xff; 64], usize::MAX).expect("it is read").len()
}

/// A sender that goes away in the middle leaves nothing behind.
#[tokio::test(start_paused = true)]
async fn a_snapshot_of_which_nothing_more_comes_ends_and_what_it_wrote_goes() {
    let mesh = Mesh::new(Duration::from_millis(1));
    let leader = leader_of_much(&mesh).await;
    let (learner, engine) = registers_on(&mesh, 1, Work::Inline).await;
    let before = keys_on(&engine);
    let frames = Arc::new(AtomicUsize::new(0));
    let (counted, served) = (frames.clone(), learner.clone());
    mesh.attach(
        node(1),
        Arc::new(move |from, kind, request: Bytes| {
            let passes = kind != Kind::Snapshot || counted.fetch_add(1, Ordering::Relaxed) < 6;
            let answer = passes.then(|| served.serve(from, kind, request));
            Box::pin(async move { answer?.await.ok() })
        }),
    );
    leader.change(MembershipChange::AddLearner(node(1).into())).await.expect("a learner is added");
    await_count(&frames, 7).await;
    // The leader is gone for good.
    mesh.detach(node(0));
    leader.shutdown().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(keys_on(&engine) > before + 10, "some of it was written");
    tokio::time::sleep(2 * LONG).await;
    let left = keys_on(&engine);
    assert!(left < before + 10, "{left} keys, {before} before it came");
    let stopping = tokio::time::Instant::now();
    learner.shutdown().await;
    assert!(stopping.elapsed() < Duration::from_secs(1), "nothing of it is waited for");
}

/// One thread runs all of it: whatever is done on it while the image is loaded is not done.
#[tokio::test]
async fn a_replica_that_loads_a_snapshot_answers_meanwhile() {
    let mesh = Mesh::new(Duration::from_millis(1));
    let (leader, learner) = (registers(&mesh, 0).await, registers(&mesh, 1).await);
    mesh.attach_replica(&leader);
    let (heartbeats, snapshots) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (answered, frames, served) = (heartbeats.clone(), snapshots.clone(), learner.clone());
    mesh.attach(
        node(1),
        Arc::new(move |from, kind, request: Bytes| {
            let answer = served.serve(from, kind, request);
            let counted = match kind {
                Kind::Heartbeat => Some(answered.clone()),
                Kind::Snapshot => {
                    frames.fetch_add(1, Ordering::Relaxed);
                    None
                }
                _ => None,
            };
            Box::pin(async move {
                let answer = answer.await.ok()?;
                if let Some(counted) = counted {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                Some(answer)
            })
        }),
    );
    assert!(leader.found().await.expect("it is new"));
    leader.settled().await.expect("it leads");
    leader.write([GATE, b"=loading"].concat()).await.expect("it leads");
    for number in 0..100 {
        leader.write(format!("name-{number}=text")).await.expect("it leads");
    }
    set_gate("loading", false);
    // Longer than the keeper's period: the log reaches back no more.
    tokio::time::sleep(Duration::from_secs(1)).await;
    leader.change(MembershipChange::AddLearner(node(1).into())).await.expect("a learner is added");
    // Its beginning, its one frame and its end.
    await_count(&snapshots, 3).await;

    let (before, term) = (heartbeats.load(Ordering::Relaxed), leader.status().borrow().term);
    await_count(&heartbeats, before + 10).await;
    assert_eq!(learner.status().borrow().applied, 0, "it is still loading");
    assert_eq!(learner.status().borrow().leader, Some(node(0)), "it hears the leader");
    let last = leader.write("after=1").await.expect("it leads").index;
    set_gate("loading", true);
    let texts = learner.wait_applied(last, LONG).await.expect("it is installed, and followed by what came meanwhile");
    assert!(texts.0.contains_key(b"after".as_slice()));
    assert_eq!(leader.status().borrow().term, term, "there was no election");
}

async fn await_count(count: &AtomicUsize, wanted: usize) {
    let reached = async {
        while count.load(Ordering::Relaxed) < wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(LONG, reached).await.is_ok(), "{} of {wanted}", count.load(Ordering::Relaxed));
}

/// The log goes on, and snapshots are made, while one is on its way. What must follow it is still there when it arrives.
#[tokio::test(start_paused = true)]
async fn a_snapshot_on_its_way_is_followed_by_the_log_and_not_by_another() {
    let patient = |options| Options { snapshot_deadline: LONG, ..often(options) };
    let (sent, in_all) = requests_of_a_slow_snapshot(patient).await;
    assert_eq!(in_all, sent + 1, "only its end came after its frames");
}

/// A log that is longer than it may be goes all the same.
#[tokio::test(start_paused = true)]
async fn a_snapshot_on_its_way_holds_back_no_log_that_is_too_long() {
    let short = |options| Options { snapshot_deadline: LONG, log_bytes: 0, ..often(options) };
    let (sent, in_all) = requests_of_a_slow_snapshot(short).await;
    assert!(in_all > sent + 1, "what follows it went, and it was sent anew");
}

/// How many requests of a snapshot there were before its frames were taken, and in all until its receiver has caught up.
async fn requests_of_a_slow_snapshot(options: fn(Options) -> Options) -> (usize, usize) {
    let cluster = Cluster::bootstrapped(2, options).await;
    let last = cluster.write(0, 100).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (go, held) = watch::channel(false);
    // Whoever waits for a watch is woken in any order; for a lock, in that in which it came.
    let held = Arc::new(Mutex::new(held));
    let requests = Arc::new(AtomicUsize::new(0));
    let (counted, learner) = (requests.clone(), cluster.replica(1).clone());
    cluster.network.attach(
        node(1),
        Arc::new(move |from, kind, request: Bytes| {
            let (learner, held) = (learner.clone(), held.clone());
            let first = kind == Kind::Snapshot && counted.fetch_add(1, Ordering::Relaxed) == 0;
            Box::pin(async move {
                if kind == Kind::Snapshot && !first {
                    // The link keeps its order: nothing overtakes.
                    let mut turn = held.lock().await;
                    turn.wait_for(|go| *go).await.ok()?;
                    return learner.serve(from, kind, request).await.ok();
                }
                learner.serve(from, kind, request).await.ok()
            })
        }),
    );
    cluster.replica(0).change(MembershipChange::AddLearner(node(1).into())).await.expect("a learner is added");
    await_count(&requests, 2).await;
    // Several snapshots' worth of entries.
    for _ in 0..4 {
        cluster.write(0, 50).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let sent = requests.load(Ordering::Relaxed);
    go.send_replace(true);
    let newest = cluster.write(0, 1).await;
    cluster.agree(newest).await;
    assert!(newest > last + 200);
    (sent, requests.load(Ordering::Relaxed))
}

/// No entry goes whose audit is not yet durable elsewhere.
#[tokio::test(start_paused = true)]
async fn entries_stay_until_their_audit_is_durable() {
    let mesh = Mesh::new(Duration::from_millis(1));
    let (audited, end) = watch::channel(0);
    let mut replicas = Vec::new();
    for number in 0..2 {
        let engine = Memory::open(Disk::new()).expect("a new disk opens");
        let options = often(Options { audited: Some(end.clone()), ..Options::new(node(number)) });
        let replica = symbi_raft::start(options, Arc::new(engine), mesh.link(node(number))).await;
        replicas.push(replica.expect("a replica starts"));
    }
    mesh.attach_replica(&replicas[0]);
    let snapshots = Arc::new(AtomicUsize::new(0));
    let (counted, learner) = (snapshots.clone(), replicas[1].clone());
    mesh.attach(
        node(1),
        Arc::new(move |from, kind, request| {
            counted.fetch_add(usize::from(kind == Kind::Snapshot), Ordering::Relaxed);
            let answer = learner.serve(from, kind, request);
            Box::pin(async move { answer.await.ok() })
        }),
    );
    replicas[0].bootstrap(genesis()).await.expect("a new group is made");
    let write = async |from: u64, to: u64| {
        for number in from..to {
            replicas[0].propose(crate::cluster::write(number)).await.expect("it leads");
        }
    };
    write(1, 200).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let change = |change| replicas[0].change(change);
    change(MembershipChange::AddLearner(node(1).into())).await.expect("a learner is added");
    let last = replicas[0].status().borrow().last_log;
    replicas[1].wait_applied(last, LONG).await.expect("it follows");
    assert_eq!(snapshots.load(Ordering::Relaxed), 0, "the log was all there");

    audited.send_replace(u64::MAX);
    mesh.cut(node(0), node(1));
    write(200, 400).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    mesh.heal();
    let last = replicas[0].status().borrow().last_log;
    replicas[1].wait_applied(last, LONG).await.expect("it follows");
    assert!(snapshots.load(Ordering::Relaxed) > 0, "the log reached back no more");
}
