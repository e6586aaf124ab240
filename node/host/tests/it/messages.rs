//! Asks and tells: the same from here and from there, denied on either side, and every way they end.

use crate::programs;
use crate::world::{Direction, World, agent};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;
use symbi_host::{Caller, Ending, NotHere, TellStatus};
use symbi_model::agent::AgentState;

const SECONDS: Duration = Duration::from_secs(5);

impl World {
    /// Asks through the gateway of node `number` as the administrator.
    pub async fn ask(&self, number: usize, to: &str, payload: Value) -> Ending {
        self.ask_within(number, to, payload, SECONDS).await
    }

    /// The same within a time.
    pub async fn ask_within(&self, number: usize, to: &str, payload: Value, within: Duration) -> Ending {
        let caller = Caller::Gateway { user: "admin".to_owned() };
        let payload = payload.to_string().into_bytes();
        self.nodes[number].handle.ask(caller, agent(to), payload, within).await.expect("a gateway is everywhere").1
    }

    /// Tells through the gateway of node `number` as the administrator.
    pub async fn tell(&self, number: usize, to: &str, payload: Value) -> TellStatus {
        let caller = Caller::Gateway { user: "admin".to_owned() };
        let payload = payload.to_string().into_bytes();
        self.nodes[number].handle.tell(caller, agent(to), payload, SECONDS).await.expect("a gateway is everywhere").1
    }
}

/// What was answered.
pub fn answer(ending: Ending) -> Value {
    match ending {
        Ending::Answer(payload) => serde_json::from_slice(&payload).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Why it was not delivered.
pub fn undelivered(ending: Ending) -> String {
    match ending {
        Ending::NotDelivered { reason } => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_cannot_tell_where_the_receiver_runs() {
    let world = World::new(programs::all()).await;
    world.run("near", "demo", "echo", 0).await;
    world.run("far", "demo", "echo", 1).await;
    world.run("relay", "demo", "relay", 0).await;
    for to in ["near", "far"] {
        assert_eq!(answer(world.ask(0, to, json!({ "x": 1 })).await), json!({ "x": 1 }));
        assert_eq!(world.tell(0, to, json!(2)).await, TellStatus::Delivered);
        let relayed = answer(world.ask(0, "relay", json!({ "to": to, "payload": [3] })).await);
        assert_eq!(relayed, json!({ "answer": [3] }));
    }
    world.run("mirror", "demo", "mirror", 1).await;
    let seen = answer(world.ask(0, "mirror", json!(null)).await);
    assert_eq!(seen["from"], "user:admin");
    assert_eq!(seen["incarnation"], json!((1_u64 << 32) + 2), "the second start of the first boot of n2");
    let relayed = answer(world.ask(1, "relay", json!({ "to": "mirror", "payload": null })).await);
    assert_eq!(relayed["answer"]["from"], "relay");
}

#[tokio::test(start_paused = true)]
async fn an_agent_of_another_owner_is_denied_where_it_asks() {
    let world = World::new(programs::all()).await;
    world.run("near", "demo", "echo", 0).await;
    world.run("far", "demo", "echo", 1).await;
    world.run("stranger", "other", "relay", 0).await;
    for to in ["near", "far"] {
        let refused = answer(world.ask(0, "stranger", json!({ "to": to, "payload": 1 })).await);
        assert_eq!(refused["code"], -32001, "{refused}");
        let decision = refused["data"]["decision"].as_str().unwrap();
        assert!(decision.starts_with(&world.nodes[0].id.short()), "decided where the sender runs: {decision}");
    }
    let caller = Caller::Gateway { user: "nobody".to_owned() };
    let (_, ending) = world.nodes[0].handle.ask(caller, agent("near"), b"1".to_vec(), SECONDS).await.unwrap();
    assert!(matches!(ending, Ending::Denied { .. }), "{ending:?}");
}

#[tokio::test(start_paused = true)]
async fn policies_that_let_it_leave_may_not_let_it_arrive() {
    let policies = r#"permit (principal, action in [Action::"message::ask", Action::"message::tell"], resource);"#;
    let world = World::with_policies(programs::all(), policies).await;
    world.run("near", "demo", "echo", 0).await;
    world.run("far", "demo", "echo", 1).await;
    for (number, to) in ["near", "far"].into_iter().enumerate() {
        match world.ask(0, to, json!(1)).await {
            Ending::Denied { decision, .. } => assert_eq!(decision.node, world.nodes[number].id.0[..4]),
            other => panic!("{other:?}"),
        }
        assert!(matches!(world.tell(0, to, json!(1)).await, TellStatus::Denied { .. }));
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_arrive_says_why() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "echo", 1).await;
    world.create("unplaced", "demo", "echo", |_| ());
    world.create("failing", "demo", "fails", |spec| spec.restart = symbi_model::agent::Restart::Never);
    world.place("failing", 1);
    world.until("failing", AgentState::Failed).await;
    assert_eq!(undelivered(world.ask(0, "nobody", json!(1)).await), "there is no agent nobody");
    assert_eq!(undelivered(world.ask(0, "unplaced", json!(1)).await), "unplaced is not placed on any node");
    assert_eq!(undelivered(world.ask(0, "failing", json!(1)).await), "failing is not placed on any node: it is failed");
    *world.nodes[0].direction.lock().unwrap() = Direction::Cut;
    assert_eq!(undelivered(world.ask(0, "far", json!(1)).await), "the node cannot be reached: the wire is cut");
}

#[tokio::test(start_paused = true)]
async fn who_is_in_a_hurry_does_not_hurry_who_comes_after() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "echo", 1).await;
    *world.nodes[0].direction.lock().unwrap() = Direction::Silent;
    let hurried = world.ask_within(0, "far", json!("hurried"), Duration::from_millis(100));
    let (hurried, patient) = tokio::join!(hurried, async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        *world.nodes[0].direction.lock().unwrap() = Direction::Open;
        world.ask(0, "far", json!("patient")).await
    });
    assert_eq!(hurried, Ending::DeadlineExceeded { delivered: false });
    assert_eq!(answer(patient), json!("patient"), "one hello was lost, and there is time for another");
}

#[tokio::test(start_paused = true)]
async fn a_payload_of_one_mebibyte_passes_and_a_longer_one_is_refused() {
    let world = World::new(programs::all()).await;
    world.run("near", "demo", "echo", 0).await;
    world.run("far", "demo", "echo", 1).await;
    let longest = json!("x".repeat((1 << 20) - 2));
    let longer = json!("x".repeat((1 << 20) - 1));
    for to in ["near", "far"] {
        assert_eq!(answer(world.ask(0, to, longest.clone()).await), longest);
        let refused = undelivered(world.ask(0, to, longer.clone()).await);
        assert_eq!(refused, "its payload has 1048577 bytes; at most 1048576 are allowed");
    }
    let caller = Caller::Gateway { user: "admin".to_owned() };
    let (_, ending) = world.nodes[0].handle.ask(caller, agent("near"), b"{".to_vec(), SECONDS).await.unwrap();
    assert!(undelivered(ending).starts_with("its payload is not JSON"));
}

#[tokio::test(start_paused = true)]
async fn an_agents_error_is_an_answer() {
    let world = World::new(programs::all()).await;
    world.run("refuser", "demo", "refuser", 1).await;
    let said = answer(world.ask(0, "refuser", json!(1)).await);
    assert_eq!(said, json!({ "error": { "code": 7, "message": "no" } }));
}

#[tokio::test(start_paused = true)]
async fn an_ask_from_an_agent_is_carried_out_by_its_node_alone() {
    let world = World::new(programs::all()).await;
    world.run("near", "demo", "mirror", 0).await;
    world.run("far", "demo", "echo", 1).await;
    let ask = |number: usize| {
        let handle = world.nodes[number].handle.clone();
        async move { handle.ask(Caller::Agent(agent("far")), agent("near"), b"1".to_vec(), SECONDS).await }
    };
    assert_eq!(ask(0).await, Err(NotHere { node: Some(world.nodes[1].id) }));
    assert_eq!(answer(ask(1).await.unwrap().1)["from"], "far");
}

#[tokio::test(start_paused = true)]
async fn tells_arrive_in_the_order_in_which_they_were_told() {
    let world = World::new(programs::all()).await;
    world.run("near", "demo", "scribe", 0).await;
    world.run("far", "demo", "scribe", 1).await;
    world.run("teller", "demo", "teller", 0).await;
    for (number, to) in ["near", "far"].into_iter().enumerate() {
        answer(world.ask(0, "teller", json!({ "to": to, "count": 8 })).await);
        let expected: Vec<String> = (0..8).map(|number| format!("info: {number}")).collect();
        assert_eq!(world.logged(number, to, 8).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_is_renewed_while_it_is_used() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "echo", 1).await;
    for hour in 0..3_usize {
        assert_eq!(answer(world.ask(0, "far", json!(hour)).await), json!(hour));
        assert_eq!(answer(world.ask(0, "far", json!("again")).await), json!("again"));
        let sent = world.sent().len();
        assert_eq!(
            sent,
            3 * (hour + 1) + hour.saturating_sub(1),
            "a hello and two messages an hour, and the end of the last"
        );
        tokio::time::sleep(Duration::from_secs(3_601)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_receivers_node_that_is_behind_the_senders_placement_waits_for_it_but_not_for_long() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "echo", 1).await;
    for (name, catches_up) in [("soon", true), ("late", false)] {
        world.nodes[1].hears.store(false, Ordering::SeqCst);
        world.run(name, "demo", "relay", 0).await;
        let (said, ()) = tokio::join!(world.ask(0, name, json!({ "to": "far", "payload": 1 })), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if catches_up {
                world.catch_up(1);
            }
        });
        let said = answer(said);
        match catches_up {
            true => assert_eq!(said, json!({ "answer": 1 })),
            false => assert!(said["data"]["reason"].as_str().unwrap().starts_with("receiver_behind: "), "{said}"),
        }
    }
}
