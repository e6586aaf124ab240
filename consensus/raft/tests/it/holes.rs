//! Lines in whose place a snapshot came: what is said while they are missing, and from whom they are taken.

use crate::cluster::{Cluster, audit, complete, node};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use symbi_raft::link::Kind;
use symbi_raft::{AuditPosition, AuditRow, Error, MembershipChange, Options};

/// How the reply to a request for lines begins: the codec's version, and the variant.
const LINES: [u8; 2] = [1, 11];
/// The length of a line's key.
const KEY: usize = 12;

/// A line as it is sent: its key and its value.
type Sent = (Vec<u8>, Vec<u8>);
/// What is made of the lines that a replica sends. None is no answer.
type Change = Arc<dyn Fn(Vec<Sent>) -> Option<Vec<Sent>> + Send + Sync>;

/// Snapshots every few entries, and a log that keeps next to none.
fn often(options: Options) -> Options {
    Options { snapshot_every: 20, keep_entries: 2, ..options }
}

/// A length as the codec writes it, and the rest.
fn length(bytes: &[u8]) -> (usize, &[u8]) {
    match bytes {
        [0xfb, low, high, rest @ ..] => (usize::from(u16::from_le_bytes([*low, *high])), rest),
        [0xfc, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        [short, rest @ ..] => (usize::from(*short), rest),
        [] => panic!("a frame has a length"),
    }
}

fn read(reply: &[u8]) -> Option<Vec<Sent>> {
    let (announced, mut frame) = length(reply.strip_prefix(&LINES)?);
    assert_eq!(announced, frame.len());
    let mut lines = Vec::new();
    while !frame.is_empty() {
        assert_eq!((frame[0], &frame[1..5]), (b'l', &(KEY as u32).to_be_bytes()[..]));
        let value = u32::from_be_bytes(frame[5..9].try_into().expect("four bytes")) as usize;
        lines.push((frame[9..9 + KEY].to_vec(), frame[9 + KEY..][..value].to_vec()));
        frame = &frame[9 + KEY + value..];
    }
    Some(lines)
}

fn written(lines: &[Sent]) -> Bytes {
    let mut frame = Vec::new();
    for (key, value) in lines {
        frame.push(b'l');
        frame.extend((key.len() as u32).to_be_bytes());
        frame.extend((value.len() as u32).to_be_bytes());
        frame.extend([key.as_slice(), value].concat());
    }
    [LINES.as_slice(), &[0xfc], &(frame.len() as u32).to_le_bytes(), &frame].concat().into()
}

/// A node changes the lines that it sends from now on; counts how often it was asked for any.
fn changing(cluster: &Cluster, index: usize, change: Change) -> Arc<AtomicUsize> {
    let asked = Arc::new(AtomicUsize::new(0));
    let (replica, counted) = (cluster.replica(index).clone(), asked.clone());
    cluster.network.attach(
        cluster.hosts[index].node,
        Arc::new(move |from, kind, request| {
            let (answer, change) = (replica.serve(from, kind, request), change.clone());
            counted.fetch_add(usize::from(kind == Kind::Lines), Ordering::Relaxed);
            Box::pin(async move {
                let answer = answer.await.ok()?;
                match read(&answer).filter(|_| kind == Kind::Lines) {
                    Some(lines) => change(lines).map(|lines| written(&lines)),
                    None => Some(answer),
                }
            })
        }),
    );
    asked
}

/// A node that gives nobody lines.
fn silent() -> Change {
    Arc::new(|_| None)
}

/// A node that gives the last few lines of those that it should, as it may.
fn stingy() -> Change {
    Arc::new(|mut lines| Some(lines.split_off(lines.len().saturating_sub(7))))
}

/// Two voters that are complete, and a learner that took a snapshot while nobody gave it lines; how many entries it skipped.
async fn with_a_hole() -> (Cluster, u64) {
    let cluster = Cluster::bootstrapped(3, often).await;
    for other in [1, 2] {
        changing(&cluster, other, silent());
    }
    changing(&cluster, 0, silent());
    let leader = cluster.replica(0);
    leader.change(MembershipChange::AddLearner(node(1).into())).await.expect("a learner is added");
    cluster.write(0, 200).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    leader.change(MembershipChange::AddLearner(node(2).into())).await.expect("a learner is added");
    let last = cluster.write(0, 5).await;
    let learner = cluster.replica(2);
    learner.wait_applied(last, crate::cluster::LONG).await.expect("it catches up");
    let missing = cluster.status(2, |status| !status.missing.is_empty()).await.missing;
    let [(0, upto)] = missing[..] else { panic!("{missing:?} is not one hole from the beginning") };
    assert!(upto > 150 && upto < last, "a snapshot up to {upto} of {last} entries");
    (cluster, upto)
}

fn incomplete(read: Result<Vec<AuditRow>, Error>) -> (u64, u64) {
    match read {
        Err(Error::Incomplete { from, upto }) => (from, upto),
        other => panic!("{other:?} is a shorter chain"),
    }
}

#[tokio::test(start_paused = true)]
async fn who_reads_into_a_hole_is_told_and_it_is_filled() {
    let (cluster, upto) = with_a_hole().await;
    let learner = cluster.replica(2);
    let at = |index, line| AuditPosition { index, line };
    for position in [at(0, 0), at(0, 7), at(upto / 2, 1), at(upto, 0), at(upto, 9)] {
        assert_eq!(incomplete(learner.audit(position, 10)), (0, upto), "{position:?}");
    }
    let behind = learner.audit(at(upto + 1, 0), 100).expect("it has applied these itself");
    assert!(!behind.is_empty());
    assert_eq!(behind, cluster.replica(0).audit(at(upto + 1, 0), 100).expect("it is complete"));

    let asked = changing(&cluster, 0, stingy());
    complete(learner).await;
    assert!(asked.load(Ordering::Relaxed) > 10, "a few lines at a time");
    assert_eq!(audit(learner), audit(cluster.replica(0)));
}

/// What one peer lies about, another says as it is.
#[tokio::test(start_paused = true)]
async fn lines_that_are_not_the_chains_are_taken_from_nobody() {
    let (cluster, upto) = with_a_hole().await;
    let lies: [(&str, Change); 6] = [
        (
            "a changed record",
            Arc::new(|mut lines| {
                let at = lines.len() / 2;
                let middle = lines[at].1.len() / 2;
                lines[at].1[middle] ^= 1;
                Some(lines)
            }),
        ),
        (
            "a cut end",
            Arc::new(|mut lines| {
                lines.pop();
                Some(lines)
            }),
        ),
        (
            "another order",
            Arc::new(|mut lines| {
                let at = lines.len() / 2;
                lines.swap(at, at + 1);
                Some(lines)
            }),
        ),
        (
            "one that is left out",
            Arc::new(|mut lines| {
                lines.remove(lines.len() / 2);
                Some(lines)
            }),
        ),
        (
            "other places",
            Arc::new(|mut lines| {
                lines.iter_mut().for_each(|(key, _)| key[6] ^= 1);
                Some(lines)
            }),
        ),
        ("nothing", Arc::new(|_| Some(Vec::new()))),
    ];
    for (what, lie) in lies {
        let asked = changing(&cluster, 0, lie);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(asked.load(Ordering::Relaxed) > 1, "{what}: it is not asked");
        assert_eq!(cluster.replica(2).status().borrow().missing, [(0, upto)], "{what} is taken");
    }
    changing(&cluster, 1, stingy());
    complete(cluster.replica(2)).await;
    assert_eq!(audit(cluster.replica(2)), audit(cluster.replica(0)));
}

#[tokio::test(start_paused = true)]
async fn a_restart_in_the_middle_goes_on_from_there() {
    let (mut cluster, upto) = with_a_hole().await;
    let asked = changing(&cluster, 0, stingy());
    let mut highest = upto;
    for (round, power) in [false, true, false, true].into_iter().enumerate() {
        let below = highest;
        let further =
            cluster.status(2, |status| status.missing.first().is_none_or(|(_, upto)| *upto + 20 < below)).await;
        let held = further.missing.first().map_or(0, |(_, upto)| *upto);
        if power {
            cluster.power_off(2).await;
        } else {
            cluster.kill(2).await;
        }
        cluster.start(2).await;
        highest = cluster.replica(2).status().borrow().missing.first().map_or(0, |(_, upto)| *upto);
        assert!(power || highest <= held, "round {round}: it was at {held} and begins at {highest}");
    }
    complete(cluster.replica(2)).await;
    assert_eq!(audit(cluster.replica(2)), audit(cluster.replica(0)));
    let asked = asked.load(Ordering::Relaxed);
    assert!(asked < 2 * 2 * 200 / 7, "{asked} times: it began anew each time");
    // Whole, it says so after a restart too, and gives its lines to others.
    cluster.kill(2).await;
    cluster.start(2).await;
    assert_eq!(cluster.replica(2).status().borrow().missing, []);
}

/// Away twice, it skips twice; in between it applies entries itself.
#[tokio::test(start_paused = true)]
async fn two_holes_are_filled() {
    let mut cluster = Cluster::of_three(often).await;
    cluster.write(0, 10).await;
    for _ in 0..2 {
        cluster.kill(2).await;
        cluster.write(0, 300).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        for other in [0, 1] {
            changing(&cluster, other, silent());
        }
        cluster.start(2).await;
        let last = cluster.write(0, 5).await;
        cluster.replica(2).wait_applied(last, crate::cluster::LONG).await.expect("it catches up");
    }
    assert_eq!(cluster.status(2, |status| status.missing.len() == 2).await.missing.len(), 2);
    let missing = cluster.replica(2).status().borrow().missing.clone();
    assert_eq!(incomplete(cluster.replica(2).audit(AuditPosition { index: missing[0].0, line: 0 }, 1)), missing[0]);
    let between = AuditPosition { index: missing[0].1 + 1, line: 0 };
    let held = cluster.replica(2).audit(between, 10_000).expect("it has applied these itself");
    assert_eq!(
        held.last().map(|row| row.position().index),
        Some(missing[1].0 - 1),
        "up to the next hole and no further"
    );
    changing(&cluster, 1, stingy());
    complete(cluster.replica(2)).await;
    assert_eq!(audit(cluster.replica(2)), audit(cluster.replica(0)));
}
