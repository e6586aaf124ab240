//! The plan's properties over random clusters, and the words of an explanation.

use super::*;
use proptest::prelude::*;
use symbi_model::agent::Resources;

fn node_id(number: u8) -> NodeId {
    NodeId([number; 32])
}

fn agent_name(number: u32) -> AgentName {
    format!("a{number:05}").parse().expect("a name")
}

fn resources() -> impl Strategy<Value = Resources> {
    (0..400_u64, 0..400_u64).prop_map(|(memory_mb, cpu_millis)| Resources { memory_mb, cpu_millis })
}

fn offer() -> impl Strategy<Value = Offer> {
    let closed = prop_oneof![
        6 => Just(None),
        1 => Just(Some(Closed::Down)),
        1 => Just(Some(Closed::Silent)),
        1 => Just(Some(Closed::NotMember(Membership::Joining))),
    ];
    (0..1500_u64, 0..1500_u64, resources(), any::<u8>(), closed).prop_map(
        |(memory_mb, cpu_millis, used, tier, closed)| {
            let tiers = if tier < 230 { BTreeSet::from([Tier::Process]) } else { BTreeSet::new() };
            Offer { allocatable: Resources { memory_mb, cpu_millis }, used, tiers, closed }
        },
    )
}

prop_compose! {
    fn cluster()(
        offers in prop::collection::vec(offer(), 0..8),
        agents in prop::collection::vec((resources(), any::<bool>(), prop::option::of(0..8_u8)), 0..40),
    ) -> (Problem, Previous) {
        let mut problem = Problem { nodes: (0..).map(node_id).zip(offers).collect(), ..Problem::default() };
        let mut previous = Previous::default();
        for (number, (resources, wanted, holder)) in (0..).zip(agents) {
            if wanted {
                problem.wanted.insert(agent_name(number), Need { resources, tier: Tier::Process });
            }
            if let Some(holder) = holder {
                previous.held.insert(agent_name(number), (node_id(holder), resources));
            }
        }
        (problem, previous)
    }
}

/// What is reserved on each node, before and with the plan.
fn reserved(problem: &Problem, previous: &Previous, plan: &Plan) -> BTreeMap<NodeId, (Resources, Resources)> {
    let mut sums: BTreeMap<NodeId, (Resources, Resources)> = BTreeMap::new();
    for (node, resources) in previous.held.values() {
        let sum = sums.entry(*node).or_default();
        *sum = (sum.0.plus(*resources), sum.1.plus(*resources));
    }
    for place in &plan.places {
        let sum = sums.entry(place.node).or_default();
        sum.1 = sum.1.plus(problem.wanted[&place.agent].resources);
    }
    sums
}

proptest! {
    #[test]
    fn a_no_node_is_filled_above_what_it_offers((problem, previous) in cluster()) {
        let plan = solve(&problem, &previous);
        for (node, (before, after)) in reserved(&problem, &previous, &plan) {
            let fits = problem.nodes.get(&node).is_some_and(|offer| after.fits(offer.allocatable));
            prop_assert!(fits || after == before, "{node:?}: {before:?} became {after:?}");
        }
    }

    #[test]
    fn b_no_node_is_used_that_is_closed_or_lacks_the_tier((problem, previous) in cluster()) {
        for place in solve(&problem, &previous).places {
            let offer = &problem.nodes[&place.node];
            prop_assert!(offer.closed.is_none());
            prop_assert!(offer.tiers.contains(&problem.wanted[&place.agent].tier));
        }
    }

    #[test]
    fn c_nothing_that_is_held_moves_and_a_second_look_plans_nothing((problem, mut previous) in cluster()) {
        let plan = solve(&problem, &previous);
        for place in &plan.places {
            let resources = problem.wanted[&place.agent].resources;
            prop_assert!(previous.held.insert(place.agent.clone(), (place.node, resources)).is_none());
        }
        let again = solve(&problem, &previous);
        prop_assert_eq!(again.places, vec![]);
        prop_assert_eq!(again.unplaced, plan.unplaced);
    }

    #[test]
    fn d_the_first_agent_gets_the_roomiest_node((problem, previous) in cluster()) {
        let mut one = problem.clone();
        let waiting = problem.wanted.iter().find(|(agent, _)| !previous.held.contains_key(*agent));
        let Some((agent, need)) = waiting else { return Ok(()) };
        one.wanted = BTreeMap::from([(agent.clone(), *need)]);
        let before = reserved(&one, &previous, &Plan::default());
        let plan = solve(&one, &previous);
        let Some(place) = plan.places.first() else { return Ok(()) };
        let reserved_on = |node: &NodeId| before.get(node).map_or(Resources::default(), |sums| sums.0);
        let least = |node: &NodeId| {
            let offer = &one.nodes[node];
            let taken = reserved_on(node);
            let left = |whole: u64, taken: u64| whole.saturating_sub(taken) * 1_000_000 / whole.max(1);
            let memory = left(offer.allocatable.memory_mb, taken.memory_mb.max(offer.used.memory_mb));
            memory.min(left(offer.allocatable.cpu_millis, taken.cpu_millis.max(offer.used.cpu_millis)))
        };
        for (node, offer) in &one.nodes {
            if offer.obstacle(reserved_on(node), *need).is_none() {
                prop_assert!(least(&place.node) >= least(node));
            }
        }
    }

    #[test]
    fn f_each_wanted_agent_is_held_or_placed_or_has_a_reason_for_every_node((problem, previous) in cluster()) {
        let plan = solve(&problem, &previous);
        let placed: BTreeSet<&AgentName> = plan.places.iter().map(|place| &place.agent).collect();
        let unplaced: BTreeMap<&AgentName, &Unplaced> = plan.unplaced.iter().map(|one| (&one.agent, one)).collect();
        prop_assert_eq!(placed.len() + unplaced.len(), plan.places.len() + plan.unplaced.len());
        for agent in problem.wanted.keys() {
            let ways = [previous.held.contains_key(agent), placed.contains(agent), unplaced.contains_key(agent)];
            prop_assert_eq!(ways.iter().filter(|way| **way).count(), 1);
            if let Some(one) = unplaced.get(agent) {
                let nodes: Vec<NodeId> = one.reasons.iter().map(|(node, _)| *node).collect();
                prop_assert_eq!(nodes, problem.nodes.keys().copied().collect::<Vec<_>>());
            }
        }
    }
}

fn even(nodes: u8, memory_mb: u64) -> Problem {
    let allocatable = Resources { memory_mb, cpu_millis: memory_mb };
    let offer = Offer { allocatable, used: Resources::default(), tiers: BTreeSet::from([Tier::Process]), closed: None };
    Problem { nodes: (0..nodes).map(|node| (node_id(node), offer.clone())).collect(), ..Problem::default() }
}

#[test]
fn equal_agents_are_spread_over_equal_nodes_even_when_they_reserve_nothing() {
    for resources in [Resources { memory_mb: 10, cpu_millis: 1 }, Resources::default()] {
        let mut problem = even(4, 1000);
        problem.wanted = (0..12).map(|number| (agent_name(number), Need { resources, tier: Tier::Process })).collect();
        let plan = solve(&problem, &Previous::default());
        for node in problem.nodes.keys() {
            assert_eq!(plan.places.iter().filter(|place| place.node == *node).count(), 3);
        }
    }
}

#[test]
fn ten_thousand_agents_find_their_places_on_a_hundred_nodes_and_the_rest_their_reasons() {
    let mut problem = even(100, 32_000);
    let need = |number: u32| Need {
        resources: Resources { memory_mb: 100 + u64::from(number % 400), cpu_millis: u64::from(number % 7) },
        tier: Tier::Process,
    };
    problem.wanted = (0..10_000).map(|number| (agent_name(number), need(number))).collect();
    let plan = solve(&problem, &Previous::default());
    assert_eq!((plan.places.len(), plan.unplaced.len()), (10_000, 0));

    problem.nodes.retain(|node, _| node.0[0] < 10);
    let plan = solve(&problem, &Previous::default());
    assert_eq!(plan.places.len() + plan.unplaced.len(), 10_000);
    assert!(plan.unplaced.iter().all(|one| one.reasons.len() == 10));
}
