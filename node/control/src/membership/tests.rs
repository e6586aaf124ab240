//! Steps in given situations, and whole histories that must come to rest.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use symbi_model::command::Phase;
use symbi_model::planted::{Defect, plant};

fn node(number: u8) -> NodeId {
    NodeId([number; 32])
}

fn candidate(membership: Membership, enrolled_at: u64) -> Candidate {
    Candidate { membership, healthy: true, overdue: false, enrolled_at }
}

/// Nodes 1, 2, …, of which the first `voters` vote and the others are learners that have caught up; all are members.
fn cluster(nodes: u8, voters: u8) -> View {
    View {
        nodes: (1..=nodes).map(|number| (node(number), candidate(Membership::Member, number.into()))).collect(),
        voters: (1..=voters).map(node).collect(),
        learners: (voters + 1..=nodes).map(|number| (node(number), true)).collect(),
        matched: (1..=nodes).map(node).collect(),
        ..View::default()
    }
}

/// The next step, once the audit chain says of the voters what it must.
fn plan(view: &View) -> Option<Step> {
    let ruling = view.seats();
    let mut view = View { naming: Naming { ruling, ..Naming::default() }, ..view.clone() };
    view.matched.extend(view.learners.keys());
    match super::plan(&view) {
        Some(Step::Voters(Phase::Next, next)) => {
            view.naming.next = Some(next);
            let waits = super::plan(&view);
            assert!(!matches!(waits, Some(Step::Change(Change::Promote(_)))), "nobody has witnessed it");
            view.naming.is_witnessed = true;
            super::plan(&view)
        }
        step => step,
    }
}

fn set(view: &mut View, number: u8, membership: Membership) {
    view.nodes.insert(node(number), candidate(membership, number.into()));
}

#[test]
fn a_cluster_at_rest_has_no_step() {
    for (nodes, voters) in [(1, 1), (2, 1), (3, 3), (4, 3), (5, 5), (9, 5)] {
        assert_eq!(plan(&cluster(nodes, voters)), None, "{nodes} nodes, {voters} voters");
    }
}

#[test]
fn a_view_without_voters_is_not_acted_on() {
    assert_eq!(plan(&View { voters: BTreeSet::new(), learners: BTreeMap::new(), ..cluster(3, 3) }), None);
}

#[test]
fn an_enrolled_node_becomes_a_learner_and_is_finished_when_it_has_caught_up() {
    let mut view = cluster(1, 1);
    set(&mut view, 2, Membership::Joining);
    assert_eq!(plan(&view), Some(Step::Change(Change::AddLearner(node(2)))));
    view.learners.insert(node(2), false);
    assert_eq!(plan(&view), None);
    view.learners.insert(node(2), true);
    assert_eq!(plan(&view), Some(Step::FinishJoin(node(2))), "one learner alone is not promoted");
}

#[test]
fn a_pair_is_promoted_in_one_change_and_a_joiner_finished_after_it() {
    let mut view = cluster(3, 1);
    set(&mut view, 3, Membership::Joining);
    assert_eq!(plan(&view), Some(Step::Change(Change::Promote(vec![node(2), node(3)]))));
    view.joint = true;
    assert_eq!(plan(&view), None, "one change at a time");
    let mut view = cluster(3, 3);
    set(&mut view, 3, Membership::Joining);
    assert_eq!(plan(&view), Some(Step::FinishJoin(node(3))));
}

#[test]
fn three_become_five_by_the_two_that_were_enrolled_first() {
    let mut view = cluster(7, 3);
    assert_eq!(plan(&view), Some(Step::Change(Change::Promote(vec![node(4), node(5)]))));
    view.nodes.insert(node(4), candidate(Membership::Member, 99));
    assert_eq!(plan(&view), Some(Step::Change(Change::Promote(vec![node(5), node(6)]))));
    assert_eq!(plan(&cluster(9, 5)), None, "five is the most");
}

#[test]
fn who_is_not_heard_or_has_not_caught_up_is_not_promoted() {
    let mut view = cluster(3, 1);
    view.nodes.insert(node(3), Candidate { healthy: false, ..candidate(Membership::Member, 3) });
    assert_eq!(plan(&view), None);
    let mut view = cluster(3, 1);
    view.learners.insert(node(2), false);
    assert_eq!(plan(&view), None);
}

#[test]
fn who_has_not_closed_a_checkpoint_as_it_was_witnessed_is_not_promoted() {
    let mut view = named(None, false);
    view.matched.remove(&node(3));
    assert_eq!(super::plan(&view), None, "nor named to follow");
    set(&mut view, 3, Membership::Joining);
    assert_eq!(super::plan(&view), Some(Step::FinishJoin(node(3))), "its join does not wait for a vote");
    set(&mut view, 4, Membership::Member);
    view.learners.insert(node(4), true);
    view.matched.insert(node(4));
    set(&mut view, 3, Membership::Member);
    assert_eq!(super::plan(&view), Some(Step::Voters(Phase::Next, vec![node(1), node(2), node(4)])));
    let mut view = named(Some(&[1, 2, 3]), true);
    view.matched.clear();
    assert_eq!(super::plan(&view), None, "a new leader has heard of nobody yet");
    view.matched.extend([node(2), node(3)]);
    assert_eq!(super::plan(&view), Some(Step::Change(Change::Promote(vec![node(2), node(3)]))));
}

#[test]
fn an_even_number_of_voters_is_made_odd() {
    assert_eq!(plan(&cluster(3, 2)), Some(Step::Change(Change::Promote(vec![node(3)]))));
    assert_eq!(plan(&cluster(5, 4)), Some(Step::Change(Change::Promote(vec![node(5)]))));
}

#[test]
fn a_death_changes_nothing() {
    let mut view = cluster(5, 3);
    view.nodes.insert(node(1), Candidate { healthy: false, ..candidate(Membership::Member, 1) });
    view.learners.insert(node(4), false);
    assert_eq!(plan(&view), None);
}

#[test]
fn a_join_that_never_finished_is_cleared_and_then_forgotten() {
    let mut view = cluster(1, 1);
    view.nodes.insert(node(2), Candidate { overdue: true, ..candidate(Membership::Joining, 2) });
    view.learners.insert(node(2), false);
    assert_eq!(plan(&view), Some(Step::ClearJoin(node(2))));
    set(&mut view, 2, Membership::Removed);
    assert_eq!(plan(&view), Some(Step::Change(Change::Remove(node(2)))));
    view.learners.clear();
    assert_eq!(plan(&view), None, "a removed node is not added again");
}

#[test]
fn a_voter_is_never_cleared() {
    let mut view = cluster(3, 3);
    view.nodes.insert(node(3), Candidate { overdue: true, ..candidate(Membership::Joining, 3) });
    assert_eq!(plan(&view), Some(Step::FinishJoin(node(3))));
}

#[test]
fn a_removed_voter_is_replaced_by_a_learner_before_it_leaves() {
    let mut view = cluster(4, 3);
    set(&mut view, 3, Membership::Removed);
    assert_eq!(plan(&view), Some(Step::Change(Change::Promote(vec![node(4)]))));
    let step = plan(&view).expect("a step");
    carry_out(&mut view, step);
    assert_eq!(plan(&view), Some(Step::Change(Change::Remove(node(3)))), "three that live vote now");
    let step = plan(&view).expect("a step");
    carry_out(&mut view, step);
    assert_eq!((view.voters.len(), plan(&view)), (3, None));
}

#[test]
fn a_removed_voter_without_a_learner_that_could_vote_just_leaves() {
    for learner in [None, Some(false)] {
        let mut view = cluster(3, 3);
        set(&mut view, 3, Membership::Removed);
        if let Some(caught_up) = learner {
            set(&mut view, 4, Membership::Member);
            view.learners.insert(node(4), caught_up);
        }
        assert_eq!(plan(&view), Some(Step::Change(Change::Remove(node(3)))));
    }
    let mut view = cluster(4, 3);
    set(&mut view, 3, Membership::Removed);
    view.hold_promotions = true;
    assert_eq!(plan(&view), Some(Step::Change(Change::Remove(node(3)))), "its replacement has just failed");
}

#[test]
fn two_removed_voters_leave_one_after_the_other() {
    let mut view = cluster(6, 5);
    set(&mut view, 1, Membership::Removed);
    set(&mut view, 2, Membership::Removed);
    let mut steps = Vec::new();
    while let Some(step) = plan(&view) {
        carry_out(&mut view, step.clone());
        steps.push(step);
    }
    // Three that live are an odd number already: one more would make losing none harder.
    assert_eq!(steps, [1, 2].map(|number| Step::Change(Change::Remove(node(number)))));
    assert_eq!(view.voters, BTreeSet::from([node(3), node(4), node(5)]));
}

#[test]
fn the_last_voter_is_not_taken_out() {
    let mut view = cluster(1, 1);
    set(&mut view, 1, Membership::Removed);
    assert_eq!(plan(&view), None);
}

#[test]
fn a_failed_promotion_does_not_keep_a_joiner_waiting() {
    let mut view = cluster(3, 1);
    set(&mut view, 3, Membership::Joining);
    view.hold_promotions = true;
    assert_eq!(plan(&view), Some(Step::FinishJoin(node(3))));
}

/// Carries a step out.
fn carry_out(view: &mut View, step: Step) {
    match step {
        Step::Change(Change::AddLearner(node)) => {
            assert!(view.learners.insert(node, true).is_none() && !view.voters.contains(&node));
        }
        Step::Change(Change::Promote(nodes)) => {
            for node in nodes {
                assert!(view.learners.remove(&node).is_some(), "only a learner is promoted");
                view.voters.insert(node);
            }
            let living = view.voters.iter().filter(|id| view.nodes[*id].membership != Membership::Removed).count();
            assert!(living % 2 == 1 && living <= VOTERS);
        }
        Step::Change(Change::Remove(node)) => {
            assert_eq!(view.nodes[&node].membership, Membership::Removed, "only a removed node is taken out");
            assert!(view.learners.remove(&node).is_some() || view.voters.remove(&node));
            assert!(!view.voters.is_empty());
        }
        Step::Voters(..) => unreachable!("the chain is told in `plan`"),
        Step::FinishJoin(node) => view.nodes.get_mut(&node).expect("known").membership = Membership::Member,
        Step::ClearJoin(node) => view.nodes.get_mut(&node).expect("known").membership = Membership::Removed,
    }
}

/// One member that votes and two learners, as the audit chain has it.
fn named(next: Option<&[u8]>, is_witnessed: bool) -> View {
    let mut view = cluster(3, 1);
    let next = next.map(|next| next.iter().map(|number| node(*number)).collect());
    view.naming = Naming { ruling: vec![node(1)], next, is_witnessed, is_old: false };
    view
}

#[test]
fn voters_are_named_then_witnessed_then_changed_then_settled() {
    let all = || vec![node(1), node(2), node(3)];
    let promote = Some(Step::Change(Change::Promote(vec![node(2), node(3)])));
    assert_eq!(super::plan(&named(None, false)), Some(Step::Voters(Phase::Next, all())));
    assert_eq!(super::plan(&named(Some(&[1, 2, 3]), false)), None, "those who rule have not witnessed it");
    let mut view = named(Some(&[1, 2, 3]), true);
    assert_eq!(super::plan(&view), promote);
    for number in [2, 3] {
        view.learners.remove(&node(number));
        view.voters.insert(node(number));
    }
    assert_eq!(super::plan(&view), Some(Step::Voters(Phase::Settled, all())));
    view.naming = Naming { ruling: all(), ..Naming::default() };
    assert_eq!(super::plan(&view), None);
    plant(Some(Defect::VotersUnwitnessed));
    let unsound = super::plan(&named(Some(&[1, 2, 3]), false));
    plant(None);
    assert_eq!(unsound, promote, "the defect was planted");
}

#[test]
fn a_naming_that_something_else_is_wanted_of_is_given_up_at_once_and_one_of_which_nothing_comes_after_a_while() {
    let mut view = named(Some(&[1, 2, 3]), true);
    view.nodes.insert(node(2), Candidate { healthy: false, ..candidate(Membership::Member, 2) });
    assert_eq!(super::plan(&view), None, "it may come back");
    view.naming.is_old = true;
    assert_eq!(super::plan(&view), Some(Step::Voters(Phase::Aborted, vec![node(1), node(2), node(3)])));
    let mut view = named(Some(&[1, 3]), false);
    assert_eq!(super::plan(&view), Some(Step::Voters(Phase::Aborted, vec![node(1), node(3)])));
    view.voters = BTreeSet::from([node(1), node(3)]);
    view.learners.remove(&node(3));
    assert_eq!(super::plan(&view), None, "Raft has gone over: it is settled as soon as it is witnessed");
}

#[test]
fn voters_that_were_never_named_are_named_afterwards() {
    let mut view = cluster(3, 3);
    view.naming.ruling = vec![node(1)];
    assert_eq!(super::plan(&view), Some(Step::Voters(Phase::Next, vec![node(1), node(2), node(3)])));
}

#[test]
fn who_is_about_to_vote_is_finished_afterwards_and_nobody_else_waits_for_a_naming() {
    let mut view = named(Some(&[1, 2, 3]), false);
    set(&mut view, 3, Membership::Joining);
    assert_eq!(super::plan(&view), None);
    set(&mut view, 4, Membership::Joining);
    assert_eq!(super::plan(&view), Some(Step::Change(Change::AddLearner(node(4)))));
    view.learners.insert(node(4), true);
    assert_eq!(super::plan(&view), Some(Step::FinishJoin(node(4))));
    view.hold_promotions = true;
    assert_eq!(super::plan(&view), Some(Step::FinishJoin(node(3))));
}

proptest! {
    #[test]
    fn whoever_is_removed_leaves_and_the_others_go_on(
        voters in 0..3_u8,
        learners in 0..4_u8,
        removed in prop::collection::btree_set(1..9_u8, 0..4),
        hold in any::<bool>(),
    ) {
        let voters = 2 * voters + 1;
        let mut view = cluster(voters + learners, voters);
        view.hold_promotions = hold;
        // A majority lives, or nobody could have agreed on a removal.
        let dead: Vec<u8> = removed.into_iter().filter(|number| *number <= voters + learners).collect();
        prop_assume!(dead.iter().filter(|number| **number <= voters).count() <= usize::from(voters) / 2);
        for number in &dead {
            set(&mut view, *number, Membership::Removed);
        }
        let mut steps = 0;
        while let Some(step) = plan(&view) {
            let before: BTreeSet<NodeId> = view.voters.clone();
            carry_out(&mut view, step);
            prop_assert!(before.symmetric_difference(&view.voters).count() <= 2, "no more than a pair at a time");
            let living = view.voters.iter().filter(|id| view.nodes[*id].membership != Membership::Removed).count();
            prop_assert!(living * 2 > view.voters.len(), "those that live are a majority after each step");
            steps += 1;
            prop_assert!(steps < 100, "it never comes to rest");
        }
        for number in dead {
            prop_assert!(!view.voters.contains(&node(number)) && !view.learners.contains_key(&node(number)));
        }
    }

    #[test]
    fn every_history_comes_to_rest_with_everyone_in_place(
        nodes in prop::collection::vec((0..3_u8, any::<bool>(), any::<bool>()), 0..9),
    ) {
        let mut view = cluster(1, 1);
        for (number, (membership, overdue, healthy)) in (2..).zip(nodes) {
            let membership = [Membership::Joining, Membership::Member, Membership::Removed][usize::from(membership)];
            let one = Candidate { membership, healthy, overdue, enrolled_at: number.into() };
            view.nodes.insert(node(number), one);
        }
        let mut steps = 0;
        while let Some(step) = plan(&view) {
            carry_out(&mut view, step);
            steps += 1;
            prop_assert!(steps < 100, "it never comes to rest");
        }
        let members = view.nodes.iter().filter(|(_, one)| one.membership == Membership::Member);
        for (id, _) in members {
            prop_assert!(view.voters.contains(id) || view.learners.contains_key(id));
        }
        prop_assert!(view.nodes.values().all(|one| one.membership != Membership::Joining));
        prop_assert!(matches!(view.voters.len(), 1 | 3 | 5));
    }
}
