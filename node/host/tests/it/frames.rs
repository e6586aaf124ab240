//! Bytes from elsewhere that nobody here should be moved by: garbage, repeats, and what comes from the wrong node.

use crate::messages::answer;
use crate::programs;
use crate::world::{Direction, World, agent};
use bytes::Bytes;
use serde_json::json;
use std::sync::atomic::Ordering;
use std::time::Duration;
use symbi_host::TellStatus;
use symbi_proto::wire::{MessageFrame, MessageReply, Word};

impl World {
    /// What node `number` replies to a frame of the node `from`.
    pub async fn reply(&self, number: usize, from: usize, frame: Bytes) -> MessageReply {
        let reply = self.nodes[number].handle.receive(self.nodes[from].id, frame).await;
        MessageReply::decode(&reply).unwrap()
    }

    /// What node 0 has sent so far.
    pub fn sent(&self) -> Vec<Bytes> {
        self.nodes[0].sent.lock().unwrap().clone()
    }

    /// The last batch that node 0 has sent.
    pub fn last_batch(&self) -> MessageFrame {
        let sent = self.sent();
        let frames = sent.iter().rev().map(|frame| MessageFrame::decode(frame).unwrap());
        frames.into_iter().find(|frame| matches!(frame, MessageFrame::Batch { .. })).expect("it has sent one")
    }

    /// The batch of this number, from 0, that node 0 has sent.
    pub fn batch(&self, number: usize) -> MessageFrame {
        let sent = self.sent();
        let frames = sent.iter().map(|frame| MessageFrame::decode(frame).unwrap());
        let mut batches = frames.into_iter().filter(|frame| matches!(frame, MessageFrame::Batch { .. }));
        batches.nth(number).expect("it has sent so many")
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_is_answered_and_changes_nothing() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "echo", 1).await;
    for garbage in [&b""[..], b"hello", &[0; 64], &[0xff; 4_096]] {
        let reply = world.reply(1, 0, Bytes::copy_from_slice(garbage)).await;
        assert_eq!(reply, MessageReply::Unsupported);
    }
    assert_eq!(answer(world.ask(0, "far", json!(1)).await), json!(1));
}

#[tokio::test(start_paused = true)]
async fn a_repeated_frame_is_not_taken_again() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "scribe", 1).await;
    assert_eq!(world.tell(0, "far", json!("once")).await, TellStatus::Delivered);
    let frames = world.sent();
    assert_eq!(frames.len(), 2, "a hello and a message");
    let reason = "the credential was used before".to_owned();
    assert_eq!(world.reply(1, 0, frames[0].clone()).await, MessageReply::Refused { reason });
    assert_eq!(world.reply(1, 0, frames[1].clone()).await, MessageReply::Batch(vec![Word::NoSession]));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.nodes[1].handle.logs(&agent("far"), 10).unwrap(), ["info: \"once\""]);
}

#[tokio::test(start_paused = true)]
async fn a_frame_of_another_node_than_its_senders_is_refused() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "scribe", 1).await;
    world.tell(0, "far", json!("once")).await;
    let frames = world.sent();
    match world.reply(1, 1, frames[0].clone()).await {
        MessageReply::Refused { reason } => assert!(reason.contains("is not that of the node"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.reply(1, 1, frames[1].clone()).await, MessageReply::NoSession);
}

#[tokio::test(start_paused = true)]
async fn a_changed_frame_does_not_open() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "scribe", 1).await;
    world.tell(0, "far", json!("once")).await;
    let message = world.sent()[1].clone();
    for place in (0..message.len()).step_by(7) {
        let mut changed = message.to_vec();
        changed[place] ^= 1;
        let reply = world.reply(1, 0, changed.into()).await;
        let refused = match &reply {
            MessageReply::NoSession | MessageReply::Refused { .. } | MessageReply::Unsupported => true,
            MessageReply::Batch(words) => words.iter().all(|word| *word == Word::NoSession),
            MessageReply::Hello(_) | MessageReply::Done => false,
        };
        assert!(refused, "byte {place}: {reply:?}");
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.nodes[1].handle.logs(&agent("far"), 10).unwrap(), ["info: \"once\""]);
}

#[tokio::test(start_paused = true)]
async fn a_hello_that_found_no_receiver_may_be_sent_again_as_it_is() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "echo", 1).await;
    *world.nodes[0].direction.lock().unwrap() = Direction::Cut;
    assert!(matches!(world.tell(0, "far", json!("lost")).await, TellStatus::NotDelivered { .. }));
    let hello = world.sent().last().unwrap().clone();
    world.nodes[1].granted.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(20)).await;
    let refused = world.reply(1, 0, hello.clone()).await;
    assert!(
        matches!(&refused, MessageReply::Refused { reason } if reason.starts_with("the receiver is")),
        "{refused:?}"
    );
    world.nodes[1].granted.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let reply = world.reply(1, 0, hello).await;
    assert!(matches!(reply, MessageReply::Hello(_)), "{reply:?}");
}
