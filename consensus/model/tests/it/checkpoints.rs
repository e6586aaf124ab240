//! Checkpoints: where they are closed, what they say, and whose word they need.

use crate::world::{CLUSTER, World, check, key, node, nodes};
use expect_test::expect;
use symbi_model::checkpoint::EVERY;
use symbi_model::entry::Payload;
use symbi_model::names::Kind;
use symbi_model::state::Row;
use symbi_model::{Applied, Checkpoint, GroupId, Hash, State, merkle};

/// Three members, of whom n1 rules.
fn three() -> World {
    let mut world = World::started();
    world.apply(Payload::Membership { voters: vec![nodes(&["n1"])], learners: Vec::new() });
    for line in
        ["n1: token t1 uses 9 until 60; enrol n2 with t1; enrol n3 with t1", "n1 decided 1: finish n2; finish n3"]
    {
        world.line(line);
    }
    world
}

fn closed(applied: Applied) -> Checkpoint {
    applied.checkpoint.map(|checkpoint| (*checkpoint).clone()).expect("a checkpoint")
}

fn line(world: &mut World, line: &str) -> Applied {
    world.line(line).expect("an entry")
}

#[test]
fn the_genesis_closes_the_first_and_its_first_node_rules() {
    let mut world = World::new();
    world.line("blank");
    let genesis = closed(world.genesis());
    assert_eq!(
        (genesis.size, genesis.hops, genesis.hop),
        (1, true, Hash::default()),
        "Raft's own before it do not count"
    );
    assert_eq!((genesis.voters, genesis.next), (vec![nodes(&["n1"])], None));
    assert_eq!((genesis.cluster, genesis.group, genesis.generation), (CLUSTER, GroupId(0), 0));
    assert_eq!(genesis.head, world.state.counters.audit_head);
    let leaf = merkle::leaf(&world.state.counters.audit_head.0);
    assert_eq!(genesis.root, merkle::root(&[leaf]));
}

#[test]
fn so_many_records_close_one_at_the_end_of_their_entry_and_so_does_a_seal_whatever_became_of_it() {
    let mut world = World::started();
    let mut at = Vec::new();
    for _ in 0..EVERY {
        at.extend(line(&mut world, "n1: up n1; up n1; up n1").checkpoint.map(|checkpoint| checkpoint.size));
    }
    assert_eq!(at, [259, 517], "where an entry ends with 256 records or more since the last");
    let (before, records) = (world.state.chain.frontier.size(), world.state.counters.audit_records);
    let seal = closed(line(&mut world, "n1 decided 1: seal"));
    assert_eq!((seal.size, seal.hops), (before + 1, false), "its own record is in it");
    let refused = line(&mut world, "n1: seal");
    assert!(matches!(refused.outcomes.as_slice(), [symbi_model::Outcome::Refused(_)]));
    assert_eq!(closed(refused).size, records + 2);
    assert!(line(&mut world, "blank").checkpoint.is_none());
}

#[test]
fn its_state_is_that_behind_the_entry_and_before_itself_and_every_replica_has_it() {
    let mut world = three();
    let mut replica = State::load(world.state.rows()).expect("rows");
    let applied = line(&mut world, "n1 decided 1: next n1 n2 n3");
    let entry = world.log.last().expect("applied");
    assert_eq!(symbi_model::apply(&mut replica, entry), applied, "also one that began from the rows");
    let checkpoint = closed(applied);
    let itself: [&[u8]; 2] = [b"checkpoint", b"hop"];
    let rows = world.state.rows().into_iter().filter(|row: &Row| !itself.contains(&row.key.as_slice()));
    let mut without = State::load(rows).expect("rows");
    (without.checkpoint, without.hop) = (three().state.checkpoint, three().state.hop);
    assert_eq!(without.recounted().hash(), checkpoint.state);
    assert_eq!(world.state.hop.as_deref(), Some(&checkpoint));
}

#[test]
fn a_state_goes_on_from_those_that_it_was_and_from_no_other() {
    let mut world = World::started();
    let mut states = vec![State::default(), world.state.clone()];
    for number in 0..40 {
        world.line(if number % 7 == 0 { "n1 decided 1: seal" } else { "n1: up n1; up n1" });
        states.push(world.state.clone());
    }
    for (number, state) in states.iter().enumerate() {
        for before in &states[..=number] {
            assert_eq!(state.foreign_to(before), None, "{number} entries, behind {}", before.counters.applied_index);
        }
        assert_eq!(states[0].foreign_to(state), None, "whoever is further takes nothing in its place");
    }
    let mut fork = World::started();
    (0..4).for_each(|_| drop(fork.line("n1: up n1; up n1; up n1; up n1; up n1")));
    let foreign = |state: &State, own: &State| state.foreign_to(own).expect("it is another's").to_owned();
    let as_long = states.iter().find(|state| state.chain.frontier.size() > fork.state.chain.frontier.size());
    assert_eq!(foreign(as_long.expect("one is"), &fork.state), "its tree does not go on from this one's");
    let mut cluster = states[9].clone();
    cluster.cluster.as_mut().expect("there is one").id = symbi_model::ClusterId(uuid::Uuid::from_u128(5));
    assert_eq!(foreign(&states[41], &cluster), "it is another cluster's");
    for own in [&states[0], &states[9]] {
        assert_eq!(
            foreign(&states[41].clone().without_tree(), own),
            "its tree is not the one that its last checkpoint closed"
        );
        let mut fewer = states[41].clone();
        fewer.counters.audit_records = 3;
        assert_eq!(foreign(&fewer, own), "its tree is not one of its records");
    }
    let mut more = states[41].clone();
    more.counters.audit_records += 1;
    assert_eq!(foreign(&more, &states[9]), "its tree does not go on from this one's");
}

#[test]
fn voters_are_named_then_both_sets_rule_then_those_who_follow() {
    let mut world = three();
    let [old, new] = [nodes(&["n1"]), nodes(&["n1", "n2", "n3"])];
    let first = world.state.hop.clone().expect("the genesis");
    let next = closed(line(&mut world, "n1 decided 1: next n1 n2 n3"));
    assert_eq!((next.voters.clone(), next.next.clone()), (vec![old.clone()], Some(new.clone())));
    assert_eq!((next.hops, next.hop), (true, first.digest()));
    world.line("seats n1 and n1 n2 n3");
    let joint = closed(line(&mut world, "n1 decided 1: seal"));
    assert_eq!((joint.voters, joint.hops, joint.hop), (vec![old, new.clone()], false, next.digest()));
    world.line("seats n1 n2 n3");
    assert_eq!(closed(line(&mut world, "n1 decided 1: seal")).voters.len(), 2, "until they are settled");
    let settled = closed(line(&mut world, "n1 decided 1: settled n1 n2 n3"));
    assert_eq!((settled.voters, settled.next, settled.hop), (vec![new], None, next.digest()));
}

#[test]
fn those_whom_raft_has_gone_over_to_unnamed_are_named_by_those_who_rule_alone() {
    let mut world = three();
    let [old, new] = [nodes(&["n1"]), nodes(&["n1", "n2", "n3"])];
    world.line("seats n1 n2 n3");
    let named = closed(line(&mut world, "n1 decided 1: next n1 n2 n3"));
    assert_eq!((named.voters, named.next), (vec![old.clone()], Some(new.clone())), "whose word do the others have?");
    assert_eq!(closed(line(&mut world, "n1 decided 1: seal")).voters, [old, new.clone()]);
    assert_eq!(closed(line(&mut world, "n1 decided 1: settled n1 n2 n3")).voters, [new]);
}

#[test]
fn what_a_watcher_came_too_late_for_is_said() {
    let mut world = three();
    let first = world.state.recent.closed().next().expect("the genesis").size;
    for _ in 0..255 {
        world.line("n1 decided 1: seal");
    }
    assert_eq!(world.state.recent.lost(), 0);
    world.line("n1 decided 1: seal");
    assert_eq!((world.state.recent.closed().count(), world.state.recent.lost()), (256, first));
}

#[test]
fn only_those_who_were_named_are_settled_and_only_once_raft_has_gone_over() {
    check(
        "seats n1
         n1: token t1 uses 9 until 60; enrol n2 with t1
         n1: next n1 n2
         n1 decided 1: next
         n1 decided 1: next n1
         n1 decided 1: next n1 n2 unsorted; next n1 n1 unsorted
         n1 decided 1: next n1 n9
         n1 decided 1: settled n1 n2
         n1 decided 1: next n1 n2
         n1 decided 1: next n2
         n1 decided 1: settled n1 n2
         seats n1 and n1 n2
         n1 decided 1: aborted n1 n2
         seats n1 n2
         n1 decided 1: settled n2
         n1 decided 1: settled n1 n2
         n1 decided 1: next n2
         n1 decided 1: aborted n1 n2
         n1 decided 1: aborted n2
         n1 decided 1: aborted n2",
        &expect![[r#"
            > seats n1
            > n1: token t1 uses 9 until 60; enrol n2 with t1
              done
              done
                Nodes/n2: n2 Joining Up offers 1000 MiB
                JoinTokens/t1: 9 uses, joins [n2 joining]
            > n1: next n1 n2
              STALE_TERM: decided in another term than the one that carries it
            > n1 decided 1: next
              VOTERS_OTHER: these are not the voters that were named to follow, or cannot be
            > n1 decided 1: next n1
              VOTERS_OTHER: these are not the voters that were named to follow, or cannot be
            > n1 decided 1: next n1 n2 unsorted; next n1 n1 unsorted
              VOTERS_OTHER: these are not the voters that were named to follow, or cannot be
              VOTERS_OTHER: these are not the voters that were named to follow, or cannot be
            > n1 decided 1: next n1 n9
              VOTERS_OTHER: these are not the voters that were named to follow, or cannot be
            > n1 decided 1: settled n1 n2
              VOTERS_OTHER: these are not the voters that were named to follow, or cannot be
            > n1 decided 1: next n1 n2
              done
            > n1 decided 1: next n2
              VOTERS_NAMED: other voters are named to follow: they must be settled or given up first
            > n1 decided 1: settled n1 n2
              VOTERS_OTHER: these are not the voters that were named to follow, or cannot be
            > seats n1 and n1 n2
            > n1 decided 1: aborted n1 n2
              VOTERS_OTHER: these are not the voters that were named to follow, or cannot be
            > seats n1 n2
            > n1 decided 1: settled n2
              VOTERS_OTHER: these are not the voters that were named to follow, or cannot be
            > n1 decided 1: settled n1 n2
              done
            > n1 decided 1: next n2
              done
            > n1 decided 1: aborted n1 n2
              VOTERS_OTHER: these are not the voters that were named to follow, or cannot be
            > n1 decided 1: aborted n2
              done
            > n1 decided 1: aborted n2
              VOTERS_OTHER: these are not the voters that were named to follow, or cannot be
        "#]],
    );
}

#[test]
fn a_claim_is_its_signers_over_this_cluster_size_and_digest_alone() {
    let mut world = three();
    let checkpoint = closed(line(&mut world, "n1 decided 1: seal"));
    let (claim, signature) = (checkpoint.claim(), checkpoint.claim().sign(&key(2)));
    assert!(claim.is_signed(&node(2), &signature));
    assert!(!claim.is_signed(&node(1), &signature));
    let other = |change: fn(&mut Checkpoint)| {
        let mut other = checkpoint.clone();
        change(&mut other);
        other.claim().is_signed(&node(2), &signature)
    };
    assert!(!other(|checkpoint| checkpoint.generation += 1));
    assert!(!other(|checkpoint| checkpoint.size += 1));
    assert!(!other(|checkpoint| checkpoint.state = Hash([1; 32])));
    assert!(!other(|checkpoint| checkpoint.next = Some(nodes(&["n2"]))));
    assert!(!other(|checkpoint| checkpoint.voters.push(nodes(&["n2"]))));
}

#[test]
fn a_majority_of_each_set_witnesses() {
    let mut world = three();
    let mut checkpoint = closed(line(&mut world, "n1 decided 1: seal"));
    checkpoint.voters = vec![nodes(&["n1", "n2", "n3"]), nodes(&["n3", "n4"])];
    let by = |names: &[&str]| {
        let signers = nodes(names);
        checkpoint.is_witnessed_by(|node| signers.contains(node))
    };
    assert!(by(&["n1", "n3", "n4"]) && by(&["n2", "n3", "n4"]));
    assert!(!by(&["n1", "n2", "n3"]) && !by(&["n3", "n4"]) && !by(&[]));
}

#[test]
fn of_those_that_records_close_the_first_of_a_stretch_of_time_is_to_be_signed_and_all_others() {
    let mut world = World::started();
    let fill = |world: &mut World| {
        while line(world, "n1: up n1; up n1; up n1; up n1; up n1; up n1; up n1; up n1").checkpoint.is_none() {}
    };
    fill(&mut world);
    fill(&mut world);
    assert_eq!(world.state.recent.closed().count(), 1, "the genesis; these are of the same moment");
    world.line("time 1");
    fill(&mut world);
    fill(&mut world);
    world.line("n1 decided 1: seal");
    assert_eq!(world.state.recent.closed().count(), 3);
    assert_eq!(world.state.recent.first(), Some(1));
    let loaded = State::load(world.state.rows()).expect("rows");
    assert_eq!((loaded.recent.closed().count(), loaded.recent.first()), (0, None), "they were not closed there");
    assert_eq!(Kind::AUDIT_SEAL.to_string(), "audit.seal");
}
