//! An agent that says a user's words, because a member asked for it: judged where the agent runs, and told by both ledgers.

use crate::messages::{answer, undelivered};
use crate::programs;
use crate::world::{World, agent};
use serde_json::json;
use std::time::Duration;
use symbi_host::{Behalf, Caller, Ending};
use symbi_model::policy::PermitRef;
use symbi_model::{DecisionId, MessageId, PolicyNumber};

/// A decision of node `number`.
fn decision(world: &World, number: usize) -> DecisionId {
    let mut node = [0; 4];
    node.copy_from_slice(&world.nodes[number].id.0[..4]);
    DecisionId { node, id: uuid::Uuid::from_u128(7) }
}

/// Has `speaker`, which runs on node 1, ask `to` on behalf of a user of node 0, by a decision of node `of`.
async fn ask(world: &World, user: &str, to: &str, of: usize) -> (MessageId, Ending) {
    let permit = PermitRef { decision: decision(world, of), policy_set: PolicyNumber(1), credential: None };
    let behalf = Behalf { user: user.to_owned(), member: world.nodes[0].id, permit };
    let caller = Caller::OnBehalf { agent: agent("speaker"), behalf };
    let handle = &world.nodes[1].handle;
    handle.ask(caller, agent(to), b"1".to_vec(), Duration::from_secs(5)).await.expect("it runs there")
}

async fn with_speaker() -> World {
    let world = World::new(programs::all()).await;
    for (name, number) in [("speaker", 1), ("near", 1), ("far", 0)] {
        world.run(name, "demo", "mirror", number).await;
    }
    world
}

#[tokio::test(start_paused = true)]
async fn a_user_who_may_not_has_no_agent_speak_whatever_a_member_says() {
    let world = with_speaker().await;
    for to in ["near", "far"] {
        match ask(&world, "nobody", to, 0).await.1 {
            Ending::Denied { decision, .. } => assert_eq!(decision.node, world.nodes[1].id.0[..4], "judged there"),
            other => panic!("{other:?}"),
        }
        let refused = undelivered(ask(&world, "admin", to, 1).await.1);
        assert_eq!(refused, "the permit on which it is asked for is of another node than the one that asks");
        assert_eq!(answer(ask(&world, "admin", to, 0).await.1)["from"], "speaker");
    }
}

#[tokio::test(start_paused = true)]
async fn both_ledgers_say_on_whose_behalf_it_was_and_on_whose_word() {
    let world = with_speaker().await;
    for (to, numbers) in [("near", &[1][..]), ("far", &[0, 1])] {
        let (message, ending) = ask(&world, "admin", to, 0).await;
        answer(ending);
        world.settle().await;
        for number in numbers {
            let found = world.nodes[*number].handle.ledger().find(&message.to_string()).await.unwrap();
            let seen = found.seen.iter().find(|seen| seen.sender.contains("speaker")).expect("it is recorded");
            let behalf = seen.on_behalf.as_ref().unwrap_or_else(|| panic!("n{number} on {to}: {seen:?}"));
            assert_eq!((behalf.user.as_str(), behalf.member), ("admin", world.nodes[0].id));
            assert_eq!(behalf.permit, decision(&world, 0));
            assert_eq!(behalf.judged.node, world.nodes[1].id.0[..4]);
        }
    }
    let own = world.nodes[1].handle.ask(
        Caller::Agent(agent("speaker")),
        agent("far"),
        json!(1).to_string().into_bytes(),
        Duration::from_secs(5),
    );
    let (message, _) = own.await.unwrap();
    world.settle().await;
    let found = world.nodes[1].handle.ledger().find(&message.to_string()).await.unwrap();
    assert!(found.seen.iter().all(|seen| seen.on_behalf.is_none()), "its own words are its own");
}
