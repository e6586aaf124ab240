//! Signatures over what is sent: as few as there are flushes, and a session without good ones is closed.

use crate::messages::answer;
use crate::programs;
use crate::world::{Direction, World, agent};
use bytes::Bytes;
use futures::future::join_all;
use serde_json::json;
use std::time::Duration;
use symbi_host::{Event, TellStatus};
use symbi_proto::wire::message::Parting;
use symbi_proto::wire::{MessageFrame, MessageReply, Word};

/// The batches among frames, by how many messages they carry.
fn batches(frames: &[Bytes]) -> Vec<usize> {
    let carried = |frame: &Bytes| match MessageFrame::decode(frame).unwrap() {
        MessageFrame::Batch { messages, attestation, .. } => {
            assert!(attestation.is_some(), "every batch is signed");
            Some(messages.len())
        }
        MessageFrame::Returns { answers, attestation, .. } => {
            assert_eq!(attestation.is_some(), !answers.is_empty(), "answers are signed");
            Some(answers.len())
        }
        _ => None,
    };
    frames.iter().filter_map(carried).collect()
}

/// A message that node 0 has sealed and signed and that never arrived, changed.
async fn on_its_way(world: &World, change: impl FnOnce(&mut MessageFrame)) -> Bytes {
    *world.nodes[0].direction.lock().unwrap() = Direction::Cut;
    assert!(matches!(world.tell(0, "far", json!("changed")).await, TellStatus::NotDelivered { .. }));
    *world.nodes[0].direction.lock().unwrap() = Direction::Open;
    let mut frame = world.last_batch();
    change(&mut frame);
    frame.encode().into()
}

/// How many sessions node 1 has closed.
fn closed(world: &World) -> u64 {
    let counted = world.nodes[1].handle.counts().sessions_unattested;
    let events = world.nodes[1].events.lock().unwrap();
    let told = events.iter().filter(|event| matches!(event, Event::SessionUnattested { .. })).count();
    assert_eq!(counted, told as u64);
    counted
}

#[tokio::test(start_paused = true)]
async fn what_waits_together_leaves_under_one_signature() {
    let world = World::with_large_mailboxes(programs::all()).await;
    world.create("far", "demo", "echo", |spec| spec.max_in_flight = 200);
    world.place("far", 1);
    world.until("far", symbi_model::agent::AgentState::Running).await;
    assert_eq!(answer(world.ask(0, "far", json!("alone")).await), json!("alone"));
    let answers = join_all((0..100).map(|number| world.ask(0, "far", json!(number)))).await;
    for (number, said) in answers.into_iter().enumerate() {
        assert_eq!(answer(said), json!(number));
    }
    assert_eq!(batches(&world.sent()), [1, 64, 36]);
    let back = batches(&world.nodes[1].sent.lock().unwrap());
    assert_eq!(back.iter().sum::<usize>(), 101);
    assert!(back.len() < 20, "answers wait for one another while a frame is under direction: {back:?}");
    world.settle().await;
    let (here, there) = (world.nodes[0].handle.counts(), world.nodes[1].handle.counts());
    assert_eq!((here.messages_sent, here.batches_sent), (101, 3));
    assert_eq!((there.messages_received, there.messages_attested, there.sessions_unattested), (101, 101, 0));
    assert_eq!((here.messages_received, here.messages_attested), (101, 101));
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_signature_is_wrong_is_delivered_and_its_session_is_closed() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "scribe", 1).await;
    assert_eq!(world.tell(0, "far", json!("first")).await, TellStatus::Delivered);
    let changes: [fn(&mut symbi_model::ledger::Attestation); 3] =
        [|said| said.signature[0] ^= 1, |said| said.previous.0[0] ^= 1, |said| said.last += 1];
    for (number, change) in (1..).zip(changes) {
        let frame = on_its_way(&world, |frame| match frame {
            MessageFrame::Batch { attestation: Some(attestation), .. } => change(attestation),
            other => panic!("{other:?}"),
        });
        let frame = frame.await;
        assert_eq!(world.reply(1, 0, frame.clone()).await, MessageReply::Batch(vec![Word::Delivered]));
        world.settle().await;
        assert_eq!(closed(&world), number);
        assert_eq!(world.reply(1, 0, frame).await, MessageReply::NoSession);
        assert_eq!(world.tell(0, "far", json!("next")).await, TellStatus::Delivered, "in another session");
    }
    world.settle().await;
    let said = world.nodes[1].handle.logs(&agent("far"), 100).unwrap();
    assert_eq!(said.iter().filter(|line| *line == "info: \"changed\"").count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_closed_a_second_after_a_message_without_a_signature() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "scribe", 1).await;
    assert_eq!(world.tell(0, "far", json!("first")).await, TellStatus::Delivered);
    let frame = on_its_way(&world, |frame| match frame {
        MessageFrame::Batch { attestation, .. } => *attestation = None,
        other => panic!("{other:?}"),
    });
    assert_eq!(world.reply(1, 0, frame.await).await, MessageReply::Batch(vec![Word::Delivered]));
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(closed(&world), 0);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(closed(&world), 1);
    assert_eq!(world.nodes[1].handle.counts().messages_attested, 1);
}

/// The one way in which two honest nodes come to such an end: a connection broke with a batch on it, and the next one found
/// another before its sender knew.
#[tokio::test(start_paused = true)]
async fn a_batch_that_was_lost_costs_its_session_and_nothing_that_came_behind_it() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "scribe", 1).await;
    assert_eq!(world.tell(0, "far", json!("first")).await, TellStatus::Delivered);
    *world.nodes[0].direction.lock().unwrap() = Direction::Silent;
    let (lost, ()) = tokio::join!(world.tell(0, "far", json!("lost")), async {
        world.settle().await;
        *world.nodes[0].direction.lock().unwrap() = Direction::Open;
        assert_eq!(world.tell(0, "far", json!("behind")).await, TellStatus::Delivered);
    });
    assert_eq!(lost, TellStatus::Unknown);
    assert_eq!(closed(&world), 1);
    assert_eq!(world.tell(0, "far", json!("next")).await, TellStatus::Delivered, "in another session");
    world.settle().await;
    let said = world.nodes[1].handle.logs(&agent("far"), 100).unwrap();
    assert_eq!(said, ["first", "behind", "next"].map(|text| format!("info: {text:?}")));
    assert_eq!(world.nodes[1].handle.counts().messages_attested, 2, "what came behind stays authenticated");
}

#[tokio::test(start_paused = true)]
async fn tells_keep_their_order_when_the_receivers_node_forgets_the_session() {
    let world = World::with_large_mailboxes(programs::all()).await;
    world.run("far", "demo", "scribe", 1).await;
    assert_eq!(world.tell(0, "far", json!(0)).await, TellStatus::Delivered);
    let session = match MessageFrame::decode(world.sent().last().unwrap()).unwrap() {
        MessageFrame::Batch { session, .. } => session,
        other => panic!("{other:?}"),
    };
    let close = MessageFrame::Close { session, why: Parting::Unused }.encode();
    assert_eq!(world.reply(1, 0, close.into()).await, MessageReply::Done);
    // More than one batch is under way when the first of them comes back.
    let told = join_all((1..200).map(|number| world.tell(0, "far", json!(number)))).await;
    assert!(told.iter().all(|status| *status == TellStatus::Delivered), "{told:?}");
    let expected: Vec<String> = (0..200).map(|number| format!("info: {number}")).collect();
    assert_eq!(world.logged(1, "far", 200).await, expected);
}
