//! `why agent`, as golden text: a node for each thing that can be said of one.

use crate::placement::{Health, Hints, explain, problem};
use expect_test::{Expect, expect};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use symbi_model::agent::{Agent, AgentName, AgentState, Desired, Hold, Placement, Resources, Spec, Status, Strategy};
use symbi_model::node::{Liveness, Membership, Node, Profile};
use symbi_model::{AgentId, Epoch, Incarnation, NodeId, State};
use uuid::Uuid;

fn id(number: u8) -> NodeId {
    NodeId([number; 32])
}

fn node(number: u8, memory_mb: u64, labels: &[&str]) -> Node {
    let addr = SocketAddr::from((Ipv4Addr::new(10, 0, 0, number), 7400));
    let mut profile = Profile::plain(addr, vec![4; 65], Resources { memory_mb, cpu_millis: 4_000 });
    profile.labels = labels.iter().map(|label| (*label).to_owned()).collect();
    Node {
        name: format!("n{number}"),
        profile,
        membership: Membership::Member,
        liveness: Liveness::Up,
        token: None,
        enrolled_at: 1,
        enrolled_ms: 1_000,
    }
}

fn agent(name: &str, require: &[&str], strategy: Strategy) -> Agent {
    let spec = Spec {
        resources: Resources { memory_mb: 512, cpu_millis: 500 },
        require: require.iter().map(|label| (*label).to_owned()).collect(),
        strategy,
        ..Spec::new(name.parse().expect("a name"), "demo", vec!["true".to_owned()])
    };
    Agent::new(AgentId(Uuid::from_u128(1)), spec, 1)
}

fn on(node: u8, hold: Hold) -> Option<Placement> {
    Some(Placement { hold, ..Placement::held(id(node), Epoch(7), 31, Resources::default()) })
}

/// A node of each kind, and an agent that wants a GPU.
fn world(agent: Agent) -> State {
    let mut state = State::default();
    let mut put = |number: u8, node: Node| drop(state.nodes.insert(id(number), node));
    put(1, node(1, 4_096, &["gpu", "zone=a"]));
    put(2, node(2, 400, &["gpu"]));
    put(3, node(3, 4_096, &["zone=a"]));
    put(4, Node { liveness: Liveness::Down, ..node(4, 4_096, &["gpu"]) });
    put(5, Node { membership: Membership::Joining, ..node(5, 4_096, &["gpu"]) });
    put(6, Node { membership: Membership::Removed, ..node(6, 4_096, &["gpu"]) });
    put(7, node(7, 4_096, &["gpu"]));
    let mut full = node(8, 4_096, &["gpu"]);
    full.profile.max_agents = 0;
    put(8, full);
    let mut without = node(9, 4_096, &["gpu"]);
    without.profile.tiers = BTreeSet::new();
    put(9, without);
    let mut slow = node(10, 4_096, &["gpu"]);
    slow.profile.allocatable.cpu_millis = 100;
    put(10, slow);
    state.agents.insert(agent.spec.name.clone(), agent);
    state.recounted()
}

fn check(agent: Agent, expect: Expect) {
    let name: AgentName = agent.spec.name.clone();
    let health = Health { silent: BTreeSet::from([id(7)]), ..Health::default() };
    let explained = explain(&world(agent), &Hints::new(), &health, &name).expect("it is there");
    let lines: Vec<String> = explained.nodes.iter().map(ToString::to_string).collect();
    expect.assert_eq(&format!("{}\n{}\n", explained.summary, lines.join("\n")));
}

#[test]
fn an_agent_that_waits_has_a_line_for_each_node() {
    check(
        agent("a", &["gpu"], Strategy::Spread),
        expect![[r#"
        about to be placed
        n1: would take it: 4096 MiB and 4000 millicores free, 0 of 10000 agents
        n10: cpu: short by 400 millicores (500 needed, 100 free)
        n2: memory: short by 112 MiB (512 needed, 400 free)
        n3: it has no label gpu
        n4: it is down
        n5: it has not finished joining
        n7: the leader has not heard it for some seconds
        n8: it has 0 agents already, and takes no more
        n9: it has no sandbox of tier process
    "#]],
    );
}

#[test]
fn an_agent_that_fits_nowhere() {
    check(
        agent("a", &["gpu", "zone=b"], Strategy::Spread),
        expect![[r#"
        not placed: no node can take it
        n1: it has no label zone=b
        n10: it has no label zone=b
        n2: it has no label zone=b
        n3: it has no label gpu
        n4: it is down
        n5: it has not finished joining
        n7: the leader has not heard it for some seconds
        n8: it has no label zone=b
        n9: it has no sandbox of tier process
    "#]],
    );
}

#[test]
fn an_agent_is_where_its_strategy_put_it() {
    for (strategy, why) in [
        (Strategy::Spread, "spread takes the one with the most room left"),
        (Strategy::BestFit, "best-fit takes the one with the least room left"),
        (Strategy::FirstFit, "first-fit takes the first by name"),
    ] {
        let held = Agent { placement: on(3, Hold::Held), ..agent("a", &[], strategy) };
        let name = held.spec.name.clone();
        let explained = explain(&world(held), &Hints::new(), &Health::default(), &name).expect("it is there");
        let expected = format!("on n3 since index 31 under epoch 7: of the nodes that could take it, {why}");
        assert_eq!(explained.summary, expected);
        assert_eq!(explained.nodes.iter().filter(|node| node.verdict.to_string() == "holds it").count(), 1);
    }
}

#[test]
fn an_agent_that_is_not_to_run_and_one_that_ended_and_one_that_lost_its_node() {
    let name: AgentName = "a".parse().expect("a name");
    let plain = agent("a", &[], Strategy::Spread);
    let status = Status {
        state: AgentState::Completed,
        epoch: Epoch(7),
        incarnation: Incarnation(1),
        sequence: 1,
        restarts: 0,
        detail: String::new(),
        account: None,
    };
    let cases = [
        Agent { desired: Desired::Stopped, ..plain.clone() },
        Agent { desired: Desired::Stopped, placement: on(1, Hold::Held), ..plain.clone() },
        Agent { placement: on(1, Hold::Released), status: Some(status), ..plain.clone() },
        Agent { placement: on(4, Hold::Lost), ..plain },
    ];
    let said =
        cases.map(|case| explain(&world(case), &Hints::new(), &Health::default(), &name).expect("it is").summary);
    let expected = [
        "not placed: it is not wanted running",
        "on n1 since index 31 under epoch 7, until that node reports that it has stopped",
        "not placed: it ended, and its restart policy does not start it again",
        "not placed since n4 lost it; about to be placed again",
    ];
    assert_eq!(said, expected);
}

#[test]
fn nodes_of_one_address_share_what_is_used_on_their_machine() {
    let mut state = world(agent("a", &[], Strategy::Spread));
    let addr = SocketAddr::from((Ipv4Addr::new(10, 0, 0, 1), 7401));
    state.nodes.get_mut(&id(3)).expect("it is there").profile.addr = addr;
    let used = |memory_mb, cpu_millis| Resources { memory_mb, cpu_millis };
    let hints = Hints::from([(id(1), used(10, 900)), (id(3), used(20, 500)), (id(2), used(1, 1))]);
    let (problem, _) = problem(&state, &hints, &Health::default());
    assert_eq!(problem.nodes[&id(1)].used, Some(used(20, 900)));
    assert_eq!(problem.nodes[&id(3)].used, Some(used(20, 900)));
    assert_eq!(problem.nodes[&id(2)].used, Some(used(1, 1)));
    assert_eq!(problem.nodes[&id(7)].used, None, "a node of which no fresh view was heard counts as committed");
}
