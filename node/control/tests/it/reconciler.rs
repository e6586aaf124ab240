//! What the reconciler does in the face of agents, deaths, joins and changes of leadership. Time is tokio's, paused: it
//! runs only while everything waits.

use crate::world::{TERM, World, agent, id, key, node};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use symbi_control::GrantRefused;
use symbi_control::reconcile::{Agreed, Leadership, Replication};
use symbi_model::agent::Hold;
use symbi_model::ledger::{Anchor, Tip};
use symbi_model::node::{Liveness, Membership};
use symbi_model::{Epoch, Hash, NodeId, State};

fn add_agents(world: &World, numbers: std::ops::RangeInclusive<u8>, memory_mb: u64) {
    world.edit(|state| {
        for number in numbers {
            let agent = agent(number, memory_mb);
            state.agents.insert(agent.spec.name.clone(), agent);
        }
    });
}

/// Who holds what, by agent.
fn held(state: &State) -> BTreeMap<String, (NodeId, Epoch)> {
    let placed = state.agents.iter().filter_map(|(name, agent)| {
        let placement = agent.placement.filter(|placement| placement.hold == Hold::Held)?;
        Some((name.to_string(), (placement.node, placement.epoch)))
    });
    placed.collect()
}

#[tokio::test(start_paused = true)]
async fn agents_are_spread_over_the_nodes() {
    let world = World::new("abc");
    let _nodes = ['a', 'b', 'c'].map(|name| world.asks(name));
    add_agents(&world, 1..=6, 100);
    let state = world.until(|state| held(state).len() == 6).await;
    for name in ['a', 'b', 'c'] {
        assert_eq!(state.held_by(&id(name)).count(), 2);
    }
    assert!(world.began.elapsed() < Duration::from_millis(500), "no period is waited for");
}

#[tokio::test(start_paused = true)]
async fn a_dead_nodes_agents_move_after_it_is_declared_down_and_it_returns_without_them() {
    let world = World::new("abc");
    let _nodes = ['a', 'b'].map(|name| world.asks(name));
    let dies = world.asks('c');
    add_agents(&world, 1..=6, 100);
    let before = held(&world.until(|state| held(state).len() == 6).await);
    dies.abort();
    let died = world.began.elapsed();

    let after = world.until(|state| held(state).len() == 6 && state.held_by(&id('c')).next().is_none()).await;
    let took = world.began.elapsed() - died;
    assert!(took >= Duration::from_secs(9) && took <= Duration::from_secs(12), "{took:?}");
    for (agent, (holder, epoch)) in held(&after) {
        let (old_holder, old_epoch) = before[&agent];
        assert_eq!((old_holder == id('c')), epoch > old_epoch, "{agent} is on {holder:?}");
    }
    let log = world.lock().log.clone();
    let down = log.iter().position(|line| line == "down c: DONE").expect("declared down");
    let moved = log.iter().rposition(|line| line.starts_with("place")).expect("placed");
    assert!(down < moved);

    assert_eq!(world.handle.request_grant(id('c'), 2, None).await, Err(GrantRefused::Down));
    let up = world.until(|state| state.nodes[&id('c')].liveness == Liveness::Up).await;
    let grant = world.handle.request_grant(id('c'), 2, None).await.expect("it is in again");
    assert!(grant.read_index >= up.counters.applied_index && grant.term == TERM);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_granted_between_a_fall_and_its_outcome_not_even_across_a_blink_of_leadership() {
    let world = World::new("ab");
    let _a = world.asks('a');
    world.handle.request_grant(id('b'), 1, None).await.expect("granted at first");
    world.lock().held = Some(Default::default());
    world.eventually(|| world.lock().held.as_ref().is_none_or(|held| !held.is_empty()).then_some(())).await;
    assert_eq!(world.handle.request_grant(id('b'), 1, None).await, Err(GrantRefused::Down));
    let leadership = world.leadership.send_replace(None);
    assert_eq!(world.handle.request_grant(id('b'), 1, None).await, Err(GrantRefused::NotLeading));
    world.leadership.send_replace(leadership);
    assert_eq!(world.handle.request_grant(id('b'), 1, None).await, Err(GrantRefused::Down));
    assert!(world.handle.request_grant(id('a'), 1, None).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_does_not_lead_grants_and_proposes_nothing() {
    let world = World::new("abc");
    world.leadership.send_replace(None);
    add_agents(&world, 1..=2, 100);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(world.handle.request_grant(id('a'), 1, None).await, Err(GrantRefused::NotLeading));
    assert_eq!(world.lock().log, Vec::<String>::new());

    let first_index = world.state.borrow().counters.applied_index;
    world.leadership.send_replace(Some(Leadership { term: TERM, first_index: first_index + 1 }));
    let refused = world.handle.request_grant(id('a'), 1, None).await;
    assert_eq!(refused, Err(GrantRefused::NotLeading), "the first entry of its term is not applied yet");
    world.edit(|state| state.counters.applied_index = first_index + 1);
    world.until(|state| held(state).len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_without_a_quorum_refuses_and_one_that_is_deposed_refuses_at_once() {
    let world = World::new("abc");
    world.lock().cut_off = true;
    assert_eq!(world.handle.request_grant(id('a'), 1, None).await, Err(GrantRefused::NotLeading));
    world.lock().cut_off = false;
    world.lock().term = TERM + 1;
    assert_eq!(world.handle.request_grant(id('a'), 1, None).await, Err(GrantRefused::NotLeading));
    add_agents(&world, 1..=1, 100);
    let stale = |line: &String| line.starts_with("place a1 ") && line.ends_with(": STALE_TERM");
    world.eventually(|| world.lock().log.iter().any(stale).then_some(())).await;
    assert_eq!(held(&world.state.borrow()), BTreeMap::new());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_placed_says_why_and_is_placed_once_there_is_room() {
    let world = World::new("ab");
    let _nodes = ['a', 'b'].map(|name| world.asks(name));
    add_agents(&world, 1..=3, 600);
    let state = world.until(|state| held(state).len() == 2).await;
    let left: BTreeSet<String> = state.agents.keys().map(ToString::to_string).collect();
    let left = left.into_iter().find(|name| !held(&state).contains_key(name)).expect("one is left");
    let explained = || world.handle.explain(&left.parse().expect("a name"));
    let told = || explained().filter(|why| why.summary == "not placed: no node can take it");
    let why = world.eventually(told).await;
    let said: Vec<String> = why.nodes.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        ["a: memory: short by 200 MiB (600 needed, 400 free)", "b: memory: short by 200 MiB (600 needed, 400 free)"]
    );
    assert_eq!(world.handle.explain(&"nobody".parse().expect("a name")), None);

    world.edit(|state| {
        state.nodes.insert(id('c'), node('c', Membership::Member));
    });
    let state = world.until(|state| held(state).len() == 3).await;
    assert_eq!(state.held_by(&id('c')).count(), 1);
    let why = explained().expect("it exists");
    assert!(why.summary.starts_with("on c since index"), "{}", why.summary);
    let said: Vec<String> = why.nodes.iter().map(ToString::to_string).collect();
    assert_eq!(said[2], "c: holds it");
}

#[tokio::test(start_paused = true)]
async fn a_joiner_is_added_as_a_learner_and_finished_when_it_has_caught_up() {
    let world = World::new("a");
    let _a = world.asks('a');
    world.edit(|state| {
        state.nodes.insert(id('b'), node('b', Membership::Joining));
    });
    let learner = format!("{:?}", symbi_control::reconcile::Change::AddLearner(id('b')));
    world.eventually(|| (world.count(&learner) > 0).then_some(())).await;
    let behind = Replication {
        voters: vec![id('a')],
        learners: BTreeMap::from([(id('b'), 3)]),
        last_log: 90,
        ..Replication::default()
    };
    world.replication.send_replace(behind.clone());
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.count("finish b"), 0, "not while it is behind");
    // What it has is the end of a moment ago; the log has moved on since.
    world.replication.send_replace(Replication { learners: BTreeMap::from([(id('b'), 90)]), last_log: 95, ..behind });
    world.until(|state| state.nodes[&id('b')].membership == Membership::Member).await;
}

/// A slow link, or a state that is large: so long as it gets on it may take as long as it takes.
#[tokio::test(start_paused = true)]
async fn a_join_that_gets_on_is_not_cleared_and_one_that_stops_is_after_two_minutes() {
    let world = World::new("a");
    let _a = world.asks('a');
    world.edit(|state| {
        state.nodes.insert(id('b'), node('b', Membership::Joining));
    });
    let mut last = Duration::ZERO;
    let at = |bytes, matched| Replication {
        voters: vec![id('a')],
        learners: BTreeMap::from([(id('b'), matched)]),
        snapshots: BTreeMap::from([(id('b'), bytes)]),
        last_log: 90_000,
        ..Replication::default()
    };
    // First of a snapshot, then of the log behind it.
    for step in 1..=10 {
        world.replication.send_replace(if step <= 5 { at(step * 1_000, 0) } else { at(0, step * 1_000) });
        last = world.began.elapsed();
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert_eq!(world.state.borrow().nodes[&id('b')].membership, Membership::Joining, "step {step}");
    }
    // Its link breaks, and the snapshot begins anew: that is slow, and gets on.
    for bytes in [1_000, 3_000, 4_500, 500, 2_000] {
        world.replication.send_replace(at(bytes, 10_000));
        last = world.began.elapsed();
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert_eq!(world.state.borrow().nodes[&id('b')].membership, Membership::Joining, "{bytes} bytes");
    }
    // It stands still.
    world.replication.send_replace(at(2_000, 10_000));
    world.until(|state| state.nodes[&id('b')].membership == Membership::Removed).await;
    let took = world.began.elapsed() - last;
    assert!(took >= Duration::from_secs(120) && took < Duration::from_secs(123), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_join_that_never_finishes_is_cleared_after_two_minutes() {
    let world = World::new("a");
    let _a = world.asks('a');
    world.edit(|state| {
        state.nodes.insert(id('b'), node('b', Membership::Joining));
    });
    let asked = world.began.elapsed();
    world.until(|state| state.nodes[&id('b')].membership == Membership::Removed).await;
    let took = world.began.elapsed() - asked;
    assert!(took >= Duration::from_secs(120) && took < Duration::from_secs(122), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_behind_the_last_checkpoint_is_sealed_after_a_second_and_a_seal_is_nothing_to_seal() {
    let world = World::new("a");
    let _a = world.asks('a');
    let is_sealed =
        |state: &State| state.checkpoint.as_ref().is_some_and(|last| last.size == state.chain.frontier.size());
    world.until(is_sealed).await;
    let records = world.state.borrow().counters.audit_records;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(world.state.borrow().counters.audit_records, records, "an idle cluster adds no record");
    assert_eq!(world.count("audit.seal"), 1);

    add_agents(&world, 1..=1, 100);
    world.until(|state| held(state).len() == 1).await;
    let began = world.began.elapsed();
    world.until(is_sealed).await;
    let took = world.began.elapsed() - began;
    assert!(took >= Duration::from_millis(900) && took <= Duration::from_millis(1_200), "{took:?}");
    assert_eq!(world.state.borrow().counters.audit_records, records + 2, "a placement and its seal");
}

#[tokio::test(start_paused = true)]
async fn voters_change_once_those_who_rule_have_witnessed_who_follows() {
    let world = World::new("abc");
    let _nodes = ['a', 'b', 'c'].map(|name| world.asks(name));
    let only = |voters: &[char]| Replication {
        voters: voters.iter().map(|name| id(*name)).collect(),
        learners: ['b', 'c'].iter().filter(|name| !voters.contains(name)).map(|name| (id(*name), 90)).collect(),
        last_log: 90,
        joint: false,
        ..Replication::default()
    };
    world.replication.send_replace(only(&['a']));
    let named = world.until(|state| state.chain.ruling.next.is_some()).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(world.count("Promote"), 0, "nobody has witnessed it");
    world.agreed.send_modify(|agreed| agreed.hop = Some(symbi_model::Hash([9; 32])));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(world.count("Promote"), 0, "another hop was");
    let hop = named.hop.as_ref().expect("a hop").digest();
    world.agreed.send_replace(Agreed { hop: Some(hop), matched: [id('b')].into() });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(world.count("Promote"), 0, "c has not come to what was witnessed");
    let began = world.began.elapsed();
    world.agreed.send_modify(|agreed| agreed.matched.extend([id('c')]));
    world.eventually(|| (world.count("Promote") > 0).then_some(())).await;
    assert!(world.began.elapsed() - began < Duration::from_millis(200), "no period is waited for");

    world.seat(&['a', 'b', 'c']);
    world.replication.send_replace(only(&['a', 'b', 'c']));
    let settled = world.until(|state| state.chain.ruling.next.is_none()).await;
    assert_eq!(settled.chain.ruling.voters.len(), 3);
    assert_eq!(world.count("audit.voters: DONE"), 2);
}

#[tokio::test(start_paused = true)]
async fn ledgers_are_anchored_once_a_second_while_they_have_something_new_and_not_otherwise() {
    let world = World::new("a");
    let cluster = world.state.borrow().cluster.as_ref().expect("a cluster").id;
    let began = world.began.elapsed();
    for entries in 1..=40 {
        let tip = Tip { entries, head: Hash([1; 32]), root: Hash([2; 32]) };
        let anchor = Anchor::sign(cluster, 0, &tip, &key());
        world.handle.request_grant(id('a'), 1, Some(anchor)).await.expect("granted");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let seconds = usize::try_from((world.began.elapsed() - began).as_secs()).expect("few");
    world.until(|state| state.ledgers.get(&id('a')).is_some_and(|anchored| anchored.anchor.entries == 40)).await;
    let anchored = world.count("ledger.anchor: DONE");
    assert!((seconds - 1..=seconds + 2).contains(&anchored), "{anchored} in {seconds} s");
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(world.count("ledger.anchor"), anchored);
}
