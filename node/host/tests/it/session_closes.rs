//! The ends of sessions, told to their other side: what each then keeps, and how soon it knows.

use crate::messages::answer;
use crate::programs;
use crate::world::{Direction, World, agent};
use bytes::Bytes;
use serde_json::json;
use std::time::Duration;
use symbi_host::{Caller, Ending, TellStatus};
use symbi_model::agent::AgentState;
use symbi_model::{Command, NodeId};
use symbi_proto::session::Id;
use symbi_proto::wire::message::Parting;
use symbi_proto::wire::{MessageFrame, MessageReply};
use tokio::time::Instant;

/// What node `number` has sent.
fn frames(world: &World, number: usize) -> Vec<MessageFrame> {
    let sent = world.nodes[number].sent.lock().unwrap();
    sent.iter().map(|frame| MessageFrame::decode(frame).unwrap()).collect()
}

/// The ends of sessions that node `number` has told.
fn told(world: &World, number: usize) -> Vec<Parting> {
    let why = |frame| if let MessageFrame::Close { why, .. } = frame { Some(why) } else { None };
    frames(world, number).into_iter().filter_map(why).collect()
}

/// How many sessions node 0 has set up.
fn hellos(world: &World) -> usize {
    frames(world, 0).iter().filter(|frame| matches!(frame, MessageFrame::Hello { .. })).count()
}

/// The first batch that node 0 has sent, and its session.
fn first_batch(world: &World) -> (Bytes, Id) {
    let batch = frames(world, 0).into_iter().find_map(|frame| match &frame {
        MessageFrame::Batch { session, .. } => Some((frame.encode().into(), *session)),
        _ => None,
    });
    batch.expect("it has sent one")
}

/// A world in which node 0 has asked an agent of node 1, `far`, once.
async fn after_an_ask() -> World {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "echo", 1).await;
    assert_eq!(answer(world.ask(0, "far", json!(1)).await), json!(1));
    world
}

/// Until what is done once a second is done.
async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(1_200)).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_another_replaces_is_let_go_on_its_other_side_and_the_new_one_goes_on() {
    let world = after_an_ask().await;
    let (first, _) = first_batch(&world);
    tokio::time::sleep(Duration::from_secs(3_601)).await;
    assert_eq!(told(&world, 0), [], "it may be used again");
    assert_eq!(answer(world.ask(0, "far", json!(2)).await), json!(2));
    a_moment().await;
    assert_eq!((told(&world, 0), world.nodes[1].handle.counts().parted_unused), (vec![Parting::Unused], 1));
    assert_eq!(world.reply(1, 0, first).await, MessageReply::NoSession);
    assert_eq!(answer(world.ask(0, "far", json!(3)).await), json!(3));
    assert_eq!((hellos(&world), told(&world, 1)), (2, vec![]));
}

#[tokio::test(start_paused = true)]
async fn the_sessions_of_a_sender_end_with_it() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "echo", 1).await;
    world.run("relay", "demo", "relay", 0).await;
    let relayed = world.ask(0, "relay", json!({ "to": "far", "payload": 1 })).await;
    assert_eq!(answer(relayed), json!({ "answer": 1 }));
    world.command(Command::StopAgent { name: agent("relay"), actor: "admin".to_owned() });
    world.until("relay", AgentState::Terminated).await;
    a_moment().await;
    assert_eq!((told(&world, 0), world.nodes[1].handle.counts().parted_unused), (vec![Parting::Unused], 1));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_receiver_is_told_when_all_has_gone_back_and_counted() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "mute", 1).await;
    let (ending, ()) = tokio::join!(world.ask_within(0, "far", json!(1), Duration::from_secs(60)), async {
        a_moment().await;
        world.command(Command::StopAgent { name: agent("far"), actor: "admin".to_owned() });
        world.until("far", AgentState::Terminated).await;
    });
    assert!(matches!(ending, Ending::OutcomeUnknown), "{ending:?}");
    a_moment().await;
    assert_eq!((told(&world, 1), world.nodes[0].handle.counts().parted_ended), (vec![Parting::Ended], 1));
    a_moment().await;
    assert_eq!(told(&world, 0), [], "who was told does not tell it back");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stops_says_so_and_nobody_tries_its_old_sessions() {
    let mut world = after_an_ask().await;
    let caller = Caller::Gateway { user: "admin".to_owned() };
    world.run("near", "demo", "echo", 0).await;
    let _ = world.nodes[1].handle.ask(caller, agent("near"), b"1".to_vec(), Duration::from_secs(5)).await.unwrap();
    world.restart(1, programs::all()).await;
    assert_eq!(
        world.nodes[0].handle.counts().parted_stopping,
        2,
        "the one that it opened and the one that it received"
    );
    world.until_status("far", |status| status.incarnation.0 >> 32 == 2 && status.state == AgentState::Running).await;
    let before = frames(&world, 0).len();
    assert_eq!(world.tell(0, "far", json!(2)).await, TellStatus::Delivered);
    let after = frames(&world, 0).split_off(before);
    assert!(matches!(&after[..], [MessageFrame::Hello { .. }, MessageFrame::Batch { .. }]), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn only_the_other_side_of_a_session_can_end_it() {
    let world = after_an_ask().await;
    let (_, session) = first_batch(&world);
    let close = |session| Bytes::from(MessageFrame::Close { session, why: Parting::Stopping }.encode());
    for number in [0, 1] {
        let stranger = world.nodes[number].handle.receive(NodeId([9; 32]), close(session)).await;
        assert_eq!(MessageReply::decode(&stranger).unwrap(), MessageReply::NoSession);
        assert_eq!(world.reply(number, number, close(session)).await, MessageReply::NoSession, "not even itself");
        assert_eq!(world.nodes[number].handle.counts().parted_stopping, 0);
    }
    assert_eq!(world.reply(1, 0, close(Id([7; 16]))).await, MessageReply::NoSession);
    assert_eq!(answer(world.ask(0, "far", json!(2)).await), json!(2));
    assert_eq!(hellos(&world), 1, "it goes on");
}

#[tokio::test(start_paused = true)]
async fn a_sender_whose_signatures_do_not_hold_is_told_so() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "scribe", 1).await;
    assert_eq!(world.tell(0, "far", json!(1)).await, TellStatus::Delivered);
    *world.nodes[0].direction.lock().unwrap() = Direction::Cut;
    assert!(matches!(world.tell(0, "far", json!("changed")).await, TellStatus::NotDelivered { .. }));
    let mut frame = world.last_batch();
    match &mut frame {
        MessageFrame::Batch { attestation: Some(said), .. } => said.signature[0] ^= 1,
        other => panic!("{other:?}"),
    }
    let _ = world.reply(1, 0, frame.encode().into()).await;
    a_moment().await;
    assert_eq!(told(&world, 1), [Parting::Unattested]);
    // One that is told so while it still has the session counts it, and does not send in it again.
    *world.nodes[0].direction.lock().unwrap() = Direction::Open;
    assert_eq!(world.tell(0, "far", json!(2)).await, TellStatus::Delivered);
    let session = match frames(&world, 0).pop().unwrap() {
        MessageFrame::Batch { session, .. } => session,
        other => panic!("{other:?}"),
    };
    let close = MessageFrame::Close { session, why: Parting::Unattested }.encode();
    assert_eq!(world.reply(0, 1, close.into()).await, MessageReply::Done);
    assert_eq!(world.nodes[0].handle.counts().parted_unattested, 1);
    let before = hellos(&world);
    assert_eq!(world.tell(0, "far", json!(3)).await, TellStatus::Delivered);
    assert_eq!(hellos(&world), before + 1);
}

#[tokio::test(start_paused = true)]
async fn what_waits_in_a_session_that_its_other_side_gave_up_ends_within_seconds() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "mute", 1).await;
    let began = Instant::now();
    let (ending, ()) = tokio::join!(world.ask_within(0, "far", json!(1), Duration::from_secs(600)), async {
        a_moment().await;
        let (_, session) = first_batch(&world);
        let close = MessageFrame::Close { session, why: Parting::Stopping }.encode();
        assert_eq!(world.reply(0, 1, close.into()).await, MessageReply::Done);
        assert_eq!(world.nodes[0].handle.counts().parted_stopping, 1);
    });
    assert!(matches!(ending, Ending::OutcomeUnknown), "{ending:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
