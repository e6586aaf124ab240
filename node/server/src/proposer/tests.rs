//! Lanes, audiences, in_flight and successors, without a cluster.

use super::in_flight::InFlight;
use super::queue::{BATCH_COMMANDS, Queue, Queued};
use super::waiters::{Fate, Waiters};
use super::{QUEUED_COMMANDS, successor};
use futures::FutureExt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use symbi_model::agent::Resources;
use symbi_model::document::Document;
use symbi_model::entry::{BATCH_BYTES, COMMAND_BYTES};
use symbi_model::node::Profile;
use symbi_model::{Command, Committed, NodeId, Outcome, Proposal, ProposeError, codec, gate};
use symbi_raft::{BatchApplied, Status, WriteError};
use tokio::sync::oneshot;
use tokio::time::Instant;

type Answer = oneshot::Receiver<Result<Committed, ProposeError>>;

/// A command of exactly `bytes` bytes, encoded.
fn command(bytes: usize) -> Command {
    let of = |filling: usize, max_agents: u32| {
        let addr = "127.0.0.1:1".parse().unwrap();
        let profile = Profile { max_agents, ..Profile::plain(addr, vec![7; filling], Resources::default()) };
        Command::Introduce { node: NodeId([1; 32]), profile }
    };
    // The length before the filling takes more bytes as it grows; where that skips a length, a longer number makes it.
    let guess = bytes - codec::encode_command(&of(0, 1)).len();
    let fillings = (guess.saturating_sub(16)..=guess).flat_map(|filling| [of(filling, 1), of(filling, 1_000)]);
    let made = fillings.into_iter().find(|made| codec::encode_command(made).len() == bytes);
    made.expect("a filling fits")
}

fn proposal(bytes: usize, decided_term: Option<u64>, deadline_ms: u64) -> (Proposal<super::Reply>, Answer) {
    let (reply, answer) = oneshot::channel();
    let proposal = Proposal { command: command(bytes), request: None, permit: None, decided_term, deadline_ms, reply };
    (proposal, answer)
}

fn push(queue: &mut Queue, bytes: usize, term: Option<u64>, deadline_ms: u64) -> Answer {
    let (proposal, answer) = proposal(bytes, term, deadline_ms);
    queue.push(Queued::new(proposal, Instant::now(), gate::FIRST).unwrap());
    answer
}

fn sizes(batch: &[Queued]) -> Vec<usize> {
    batch.iter().map(|queued| queued.item.command.len()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_batch_stops_before_it_is_too_long_and_a_long_command_goes_alone() {
    let mut queue = Queue::default();
    let half = BATCH_BYTES / 2;
    let lengths = [half, half, 200, COMMAND_BYTES, 200, 300];
    let _answers: Vec<Answer> = lengths.iter().map(|bytes| push(&mut queue, *bytes, None, 1000)).collect();
    let now = Instant::now();
    for expected in [vec![half, half], vec![200], vec![COMMAND_BYTES], vec![200, 300], vec![]] {
        assert_eq!(sizes(&queue.gather(now)), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_one_term_keeps_the_order_and_bounds_the_count() {
    let mut queue = Queue::default();
    let mut answers: Vec<Answer> =
        [(200, 3), (201, 3), (202, 4), (203, 3)].map(|(bytes, term)| push(&mut queue, bytes, Some(term), 1000)).into();
    let now = Instant::now();
    for expected in [vec![200, 201], vec![202], vec![203]] {
        assert_eq!(sizes(&queue.gather(now)), expected);
    }
    answers.extend((0..=BATCH_COMMANDS).map(|_| push(&mut queue, 100, None, 1000)));
    assert_eq!(queue.gather(now).len(), BATCH_COMMANDS);
    assert_eq!(queue.gather(now).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_byte_too_many_is_refused() {
    let (long, answer) = proposal(COMMAND_BYTES + 1, None, 1000);
    assert!(Queued::new(long, Instant::now(), gate::FIRST).is_none());
    assert_eq!(answer.await.unwrap(), Err(ProposeError::TooLarge { bytes: COMMAND_BYTES + 1 }));
}

/// The leader would refuse the whole batch, and those who share it could not know why.
#[tokio::test(start_paused = true)]
async fn a_command_of_a_gate_that_is_not_open_is_refused_before_it_is_in_a_batch() {
    let later = || {
        let (mut later, answer) = proposal(200, None, 1000);
        let Command::Introduce { profile, .. } = &mut later.command else { panic!("an introduction") };
        profile.about = Document::unread(gate::version(gate::NEXT), b"{\"version\":2}");
        (later, answer)
    };
    let (proposal, answer) = later();
    assert!(Queued::new(proposal, Instant::now(), gate::FIRST).is_none());
    assert_eq!(answer.await.unwrap(), Err(ProposeError::GateClosed { gate: gate::NEXT }));
    assert!(Queued::new(later().0, Instant::now(), gate::NEXT).is_some());
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_the_queue_is_answered_at_its_deadline_and_its_command_is_not_sent() {
    let mut queue = Queue::default();
    let _long = push(&mut queue, 100, None, 40_000);
    let mut short = push(&mut queue, 101, None, 3_000);
    let start = Instant::now();
    assert_eq!(queue.look_at(), Some(start + Duration::from_secs(3)));
    queue.expire(start + Duration::from_millis(2_999));
    assert!(short.try_recv().is_err());
    queue.expire(start + Duration::from_secs(3));
    assert_eq!(short.await.unwrap(), Err(ProposeError::NoLeader));
    assert_eq!(queue.look_at(), Some(start + Duration::from_secs(40)));
    assert_eq!(sizes(&queue.gather(start + Duration::from_secs(4))), [100]);
    assert_eq!(queue.look_at(), None);
}

#[tokio::test(start_paused = true)]
async fn gathering_leaves_out_who_waits_no_longer() {
    let mut queue = Queue::default();
    drop(push(&mut queue, 100, None, 1000));
    let late = push(&mut queue, 101, None, 10);
    let _kept = push(&mut queue, 102, None, 1000);
    assert_eq!(sizes(&queue.gather(Instant::now() + Duration::from_millis(10))), [102]);
    assert_eq!(late.await.unwrap(), Err(ProposeError::NoLeader));
}

#[tokio::test(start_paused = true)]
async fn a_full_lane_refuses_and_a_stopping_one_says_so() {
    let mut queue = Queue::default();
    let mut answers: Vec<Answer> = (0..QUEUED_COMMANDS).map(|_| push(&mut queue, 100, None, 1000)).collect();
    assert_eq!(push(&mut queue, 100, None, 1000).await.unwrap(), Err(ProposeError::Full));
    queue.refuse(&ProposeError::Stopping);
    assert!(queue.is_empty());
    assert_eq!(answers.pop().unwrap().await.unwrap(), Err(ProposeError::Stopping));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_attempt_outweighs_a_later_refusal() {
    let skew = ProposeError::ClockSkew { detail: String::new() };
    assert_eq!(Fate::NotAppended.refused(skew.clone()), skew);
    assert_eq!(Fate::Unknown.refused(skew), ProposeError::Unknown);
    assert_eq!(Fate::NotAppended.at_deadline(), ProposeError::NoLeader);

    let mut waiters = Waiters::default();
    let (now, mut answers) = (Instant::now(), Vec::new());
    for seconds in [1, 2, 3] {
        let (reply, answer) = oneshot::channel();
        waiters.push(now + Duration::from_secs(seconds), reply);
        answers.push(answer);
    }
    waiters.expire(now + Duration::from_secs(1), Fate::NotAppended);
    waiters.expire(now + Duration::from_secs(2), Fate::Unknown);
    assert_eq!(waiters.next_deadline(), Some(now + Duration::from_secs(3)));
    waiters.answer(9, &[Outcome::Done, Outcome::Done, Outcome::Done]);
    let mut told = Vec::new();
    for answer in answers {
        told.push(answer.await.unwrap());
    }
    let committed = Committed { index: 9, position: 2, outcome: Outcome::Done };
    assert_eq!(told, [Err(ProposeError::NoLeader), Err(ProposeError::Unknown), Ok(committed)]);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_batch_awaits_the_first_until_it_lands_or_the_term_ends() {
    let (in_flight, proposed) = (InFlight::default(), Arc::new(AtomicUsize::new(0)));
    let patience = Duration::from_secs(3);
    let join_or_propose = |term: u64, lands_after: Duration| {
        let (in_flight, counted) = (in_flight.clone(), proposed.clone());
        async move {
            let propose = move |_| {
                counted.fetch_add(1, Ordering::Relaxed);
                async move {
                    tokio::time::sleep(lands_after).await;
                    Ok(BatchApplied { index: 5, term, outcomes: Vec::new() })
                }
                .boxed()
            };
            in_flight.join_or_propose(term, vec![1, 2, 3], patience, propose).await
        }
    };
    let slow = Duration::from_secs(5);
    assert_eq!(join_or_propose(1, slow).await, Err(WriteError::Unknown));
    assert_eq!(join_or_propose(1, slow).await.unwrap().index, 5);
    assert_eq!(proposed.load(Ordering::Relaxed), 1);
    assert_eq!(join_or_propose(1, slow).await, Err(WriteError::Unknown), "the first has outcome: this one is new");
    assert_eq!(join_or_propose(2, Duration::ZERO).await.unwrap().term, 2);
    assert_eq!(proposed.load(Ordering::Relaxed), 3);
}

#[test]
fn the_successor_is_connected_and_has_most_of_the_log() {
    let id = |byte: u8| NodeId([byte; 32]);
    let status = Status {
        voters: vec![vec![id(1), id(2), id(3)], vec![id(2), id(3), id(4)]],
        learners: vec![id(5)],
        replication: BTreeMap::from([(id(2), 90), (id(3), 80), (id(4), 70), (id(5), 99)]),
        ..Status::default()
    };
    let among = |connected: &[u8]| {
        let connected: BTreeSet<NodeId> = connected.iter().map(|byte| id(*byte)).collect();
        successor(&status, id(1), |voter| connected.contains(voter))
    };
    assert_eq!(among(&[1, 2, 3, 4, 5]), Some(id(2)));
    assert_eq!(among(&[3, 4, 5]), Some(id(3)));
    assert_eq!(among(&[1, 5]), None);
}
