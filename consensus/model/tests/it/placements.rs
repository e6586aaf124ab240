//! Placements and their fences.

use crate::world::{World, run};
use expect_test::{Expect, expect};

/// Two members, and a third node that joins.
const TWO_NODES: &str = "
    n1: token t1 uses 9 until 60; enrol n2 with t1; enrol n3 with t1
    n1 decided 1: finish n2";

/// Runs a script in that cluster and compares what it prints from then on.
fn check_placed(script: &str, expect: &Expect) {
    let mut world = World::started();
    run(&mut world, TWO_NODES);
    expect.assert_eq(&run(&mut world, script));
}

#[test]
fn a_placement_is_compared_and_swapped() {
    check_placed(
        "n1: create a1
         n1 decided 1: place a1 on n2 expecting 7; place a9 on n2 expecting 0; place a1 on n3 expecting 0
         n1 decided 1: place a1 on n2 expecting 0; place a1 on n1 expecting 0; place a1 on n1 expecting 1
         n1: stop a1
         n2: report a1 1 terminated released
         n1 decided 1: place a1 on n1 expecting 1",
        &expect![[r#"
            > n1: create a1
              created
                Agents/a1: wanted Running, not placed, no word, version 1
            > n1 decided 1: place a1 on n2 expecting 7; place a9 on n2 expecting 0; place a1 on n3 expecting 0
              STALE_EPOCH: the epoch is no longer the one expected
              NOT_FOUND: not found
              NODE_UNAVAILABLE: the node is not a member that is up
            > n1 decided 1: place a1 on n2 expecting 0; place a1 on n1 expecting 0; place a1 on n1 expecting 1
              placed, epoch 1
              STALE_EPOCH: the epoch is no longer the one expected
              STILL_HELD: the placement is still held
                Agents/a1: wanted Running, Held by n2 at epoch 1, no word, version 1
            > n1: stop a1
              done
                Agents/a1: wanted Stopped, Held by n2 at epoch 1, no word, version 2
            > n2: report a1 1 terminated released
              done
                Agents/a1: wanted Stopped, Released by n2 at epoch 1, terminated, version 2
            > n1 decided 1: place a1 on n1 expecting 1
              NOT_WANTED: the agent is not wanted running
        "#]],
    );
}

#[test]
fn a_released_or_lost_placement_gets_a_higher_epoch() {
    check_placed(
        "n1: create a1; create a2; create a3
         n1 decided 1: place a1 on n2 expecting 0; place a2 on n2 expecting 0; place a3 on n1 expecting 0
         n2: report a1 1 running
         n2: report a1 1 terminated released
         n1 decided 1: place a1 on n1 expecting 1
         n1 decided 1: down n2
         n1 decided 1: place a2 on n2 expecting 2; place a2 on n1 expecting 2
         n1 decided 1: up n2; down n2; down n2; up n2",
        &expect![[r#"
            > n1: create a1; create a2; create a3
              created
              created
              created
                Agents/a1: wanted Running, not placed, no word, version 1
                Agents/a2: wanted Running, not placed, no word, version 1
                Agents/a3: wanted Running, not placed, no word, version 1
            > n1 decided 1: place a1 on n2 expecting 0; place a2 on n2 expecting 0; place a3 on n1 expecting 0
              placed, epoch 1
              placed, epoch 2
              placed, epoch 3
                Agents/a1: wanted Running, Held by n2 at epoch 1, no word, version 1
                Agents/a2: wanted Running, Held by n2 at epoch 2, no word, version 1
                Agents/a3: wanted Running, Held by n1 at epoch 3, no word, version 1
            > n2: report a1 1 running
              done
                Agents/a1: wanted Running, Held by n2 at epoch 1, running, version 1
            > n2: report a1 1 terminated released
              done
                Agents/a1: wanted Running, Released by n2 at epoch 1, terminated, version 1
            > n1 decided 1: place a1 on n1 expecting 1
              placed, epoch 4
                Agents/a1: wanted Running, Held by n1 at epoch 4, no word, version 1
            > n1 decided 1: down n2
              done
                Nodes/n2: n2 Member Down offers 1000 MiB
                Agents/a2: wanted Running, Lost by n2 at epoch 2, no word, version 1
            > n1 decided 1: place a2 on n2 expecting 2; place a2 on n1 expecting 2
              NODE_UNAVAILABLE: the node is not a member that is up
              placed, epoch 5
                Agents/a2: wanted Running, Held by n1 at epoch 5, no word, version 1
            > n1 decided 1: up n2; down n2; down n2; up n2
              done
              done
              done
              done
                Nodes/n2: n2 Member Up offers 1000 MiB
        "#]],
    );
}

#[test]
fn nothing_is_placed_on_a_node_that_leaves_until_it_introduces_itself_again() {
    check_placed(
        "n1: create a1; create a2; create a3
         n1 decided 1: place a1 on n2 expecting 0
         n1: leave n2
         n2: leave n2; leave n2
         n1 decided 1: place a2 on n2 expecting 0; place a2 on n1 expecting 0
         n2: report a1 1 terminated released
         n1 decided 1: place a1 on n2 expecting 1; place a1 on n1 expecting 1
         n1 decided 1: up n2; place a3 on n2 expecting 0
         n2: introduce n2 memory 1000
         n2: leave n2
         n1 decided 1: down n2
         n2: leave n2; introduce n2 memory 1000
         n1 decided 1: up n2",
        &expect![[r#"
            > n1: create a1; create a2; create a3
              created
              created
              created
                Agents/a1: wanted Running, not placed, no word, version 1
                Agents/a2: wanted Running, not placed, no word, version 1
                Agents/a3: wanted Running, not placed, no word, version 1
            > n1 decided 1: place a1 on n2 expecting 0
              placed, epoch 1
                Agents/a1: wanted Running, Held by n2 at epoch 1, no word, version 1
            > n1: leave n2
              FOREIGN_NODE: a node may say this of itself only
            > n2: leave n2; leave n2
              done
              done
                Nodes/n2: n2 Member Leaving offers 1000 MiB
            > n1 decided 1: place a2 on n2 expecting 0; place a2 on n1 expecting 0
              NODE_LEAVING: the node is about to stop
              placed, epoch 2
                Agents/a2: wanted Running, Held by n1 at epoch 2, no word, version 1
            > n2: report a1 1 terminated released
              done
                Agents/a1: wanted Running, Released by n2 at epoch 1, terminated, version 1
            > n1 decided 1: place a1 on n2 expecting 1; place a1 on n1 expecting 1
              NODE_LEAVING: the node is about to stop
              placed, epoch 3
                Agents/a1: wanted Running, Held by n1 at epoch 3, no word, version 1
            > n1 decided 1: up n2; place a3 on n2 expecting 0
              done
              NODE_LEAVING: the node is about to stop
            > n2: introduce n2 memory 1000
              done
                Nodes/n2: n2 Member Up offers 1000 MiB
            > n2: leave n2
              done
                Nodes/n2: n2 Member Leaving offers 1000 MiB
            > n1 decided 1: down n2
              done
                Nodes/n2: n2 Member Down offers 1000 MiB
            > n2: leave n2; introduce n2 memory 1000
              done
              done
            > n1 decided 1: up n2
              done
                Nodes/n2: n2 Member Up offers 1000 MiB
        "#]],
    );
}

#[test]
fn only_the_holder_of_an_epoch_reports_under_it() {
    check_placed(
        "n1: create a1
         n2: report a1 1 running
         n1 decided 1: place a1 on n2 expecting 0
         n1: report a1 1 running
         n2: report a1 0 running; report a1 2 running; report a1 1 running incarnation=5
         n2: report a1 1 running incarnation=4
         n1 decided 1: down n2
         n2: report a1 1 suspended incarnation=5
         n1 decided 1: place a1 on n1 expecting 1
         n2: report a1 1 terminated incarnation=5 released
         n1: report a1 2 terminated released
         n1: report a1 2 running",
        &expect![[r#"
            > n1: create a1
              created
                Agents/a1: wanted Running, not placed, no word, version 1
            > n2: report a1 1 running
              STALE_EPOCH: the epoch is no longer the one expected
            > n1 decided 1: place a1 on n2 expecting 0
              placed, epoch 1
                Agents/a1: wanted Running, Held by n2 at epoch 1, no word, version 1
            > n1: report a1 1 running
              STALE_EPOCH: the epoch is no longer the one expected
            > n2: report a1 0 running; report a1 2 running; report a1 1 running incarnation=5
              STALE_EPOCH: the epoch is no longer the one expected
              STALE_EPOCH: the epoch is no longer the one expected
              done
                Agents/a1: wanted Running, Held by n2 at epoch 1, running, version 1
            > n2: report a1 1 running incarnation=4
              STALE_EPOCH: the epoch is no longer the one expected
            > n1 decided 1: down n2
              done
                Nodes/n2: n2 Member Down offers 1000 MiB
                Agents/a1: wanted Running, Lost by n2 at epoch 1, running, version 1
            > n2: report a1 1 suspended incarnation=5
              done
                Agents/a1: wanted Running, Lost by n2 at epoch 1, suspended, version 1
            > n1 decided 1: place a1 on n1 expecting 1
              placed, epoch 2
                Agents/a1: wanted Running, Held by n1 at epoch 2, no word, version 1
            > n2: report a1 1 terminated incarnation=5 released
              STALE_EPOCH: the epoch is no longer the one expected
            > n1: report a1 2 terminated released
              done
                Agents/a1: wanted Running, Released by n1 at epoch 2, terminated, version 1
            > n1: report a1 2 running
              STALE_EPOCH: the epoch is no longer the one expected
        "#]],
    );
}

#[test]
fn condemnation_ends_what_waited_for_the_node() {
    check_placed(
        "n1: create a1; create a2
         n1 decided 1: place a1 on n2 expecting 0; place a2 on n2 expecting 0
         n1: stop a1; remove a2
         n1 decided 1: down n2",
        &expect![[r#"
            > n1: create a1; create a2
              created
              created
                Agents/a1: wanted Running, not placed, no word, version 1
                Agents/a2: wanted Running, not placed, no word, version 1
            > n1 decided 1: place a1 on n2 expecting 0; place a2 on n2 expecting 0
              placed, epoch 1
              placed, epoch 2
                Agents/a1: wanted Running, Held by n2 at epoch 1, no word, version 1
                Agents/a2: wanted Running, Held by n2 at epoch 2, no word, version 1
            > n1: stop a1; remove a2
              done
              done
                Agents/a1: wanted Stopped, Held by n2 at epoch 1, no word, version 2
                Agents/a2: wanted Removed, Held by n2 at epoch 2, no word, version 2
            > n1 decided 1: down n2
              done
                Nodes/n2: n2 Member Down offers 1000 MiB
                Agents/a1: wanted Stopped, Lost by n2 at epoch 1, terminated, version 2
                Agents/a2: deleted
        "#]],
    );
}

#[test]
fn reservations_never_pass_what_a_node_offers() {
    check_placed(
        "n1: create a1 memory 600; create a2 memory 401; create a3 memory 400
         n1 decided 1: place a1 on n2 expecting 0; place a2 on n2 expecting 0; place a3 on n2 expecting 0
         n2: introduce n2 memory 300
         n1: annotate a1 k v; create a4 memory 1
         n1 decided 1: place a4 on n2 expecting 0
         n2: report a1 1 terminated released
         n1 decided 1: place a4 on n2 expecting 0",
        &expect![[r#"
            > n1: create a1 memory 600; create a2 memory 401; create a3 memory 400
              created
              created
              created
                Agents/a1: wanted Running, not placed, no word, version 1
                Agents/a2: wanted Running, not placed, no word, version 1
                Agents/a3: wanted Running, not placed, no word, version 1
            > n1 decided 1: place a1 on n2 expecting 0; place a2 on n2 expecting 0; place a3 on n2 expecting 0
              placed, epoch 1
              NO_ROOM: the node's reservations would exceed what it offers
              placed, epoch 2
                Agents/a1: wanted Running, Held by n2 at epoch 1, no word, version 1
                Agents/a3: wanted Running, Held by n2 at epoch 2, no word, version 1
            > n2: introduce n2 memory 300
              done
                Nodes/n2: n2 Member Up offers 300 MiB
            > n1: annotate a1 k v; create a4 memory 1
              done
              created
                Agents/a1: wanted Running, Held by n2 at epoch 1, no word, version 2
                Agents/a4: wanted Running, not placed, no word, version 1
            > n1 decided 1: place a4 on n2 expecting 0
              NO_ROOM: the node's reservations would exceed what it offers
            > n2: report a1 1 terminated released
              done
                Agents/a1: wanted Running, Released by n2 at epoch 1, terminated, version 2
            > n1 decided 1: place a4 on n2 expecting 0
              NO_ROOM: the node's reservations would exceed what it offers
        "#]],
    );
}

#[test]
fn a_node_takes_only_agents_that_it_suits_and_as_many_as_it_says() {
    check_placed(
        "n2: introduce n2 labels gpu zone=a
         n1: introduce n1 agents 1
         n1: create a1 requiring gpu; create a2 requiring gpu zone=b; create a3; create a4
         n1 decided 1: place a1 on n1 expecting 0; place a1 on n2 expecting 0; place a2 on n2 expecting 0
         n1 decided 1: place a3 on n1 expecting 0; place a4 on n1 expecting 0",
        &expect![[r#"
            > n2: introduce n2 labels gpu zone=a
              done
                Nodes/n2: n2 Member Up offers 1000 MiB
            > n1: introduce n1 agents 1
              done
                Nodes/n1: n1 Member Up offers 1000 MiB
            > n1: create a1 requiring gpu; create a2 requiring gpu zone=b; create a3; create a4
              created
              created
              created
              created
                Agents/a1: wanted Running, not placed, no word, version 1
                Agents/a2: wanted Running, not placed, no word, version 1
                Agents/a3: wanted Running, not placed, no word, version 1
                Agents/a4: wanted Running, not placed, no word, version 1
            > n1 decided 1: place a1 on n1 expecting 0; place a1 on n2 expecting 0; place a2 on n2 expecting 0
              UNSUITABLE: the node does not suit the agent: it has no label gpu
              placed, epoch 1
              UNSUITABLE: the node does not suit the agent: it has no label zone=b
                Agents/a1: wanted Running, Held by n2 at epoch 1, no word, version 1
            > n1 decided 1: place a3 on n1 expecting 0; place a4 on n1 expecting 0
              placed, epoch 2
              NO_ROOM: the node's reservations would exceed what it offers
                Agents/a3: wanted Running, Held by n1 at epoch 2, no word, version 1
        "#]],
    );
}

/// The network may hold a report up until a later one was committed.
#[test]
fn a_report_that_was_held_up_does_not_undo_a_later_one() {
    let mut world = World::started();
    let out = run(
        &mut world,
        "n1: create a1
         n1 decided 1: place a1 on n1 expecting 0
         n1: report a1 1 running number=2
         n1: report a1 1 suspended number=1
         n1: report a1 1 suspended number=2
         n1: report a1 1 running number=3
         n1: report a1 1 suspended number=1 incarnation=2
         n1: report a1 1 terminated released number=1 incarnation=2",
    );
    let states: Vec<_> = out.lines().map(str::trim).filter(|line| line.starts_with("Agents/a1")).collect();
    expect![[r#"
            Agents/a1: wanted Running, not placed, no word, version 1
            Agents/a1: wanted Running, Held by n1 at epoch 1, no word, version 1
            Agents/a1: wanted Running, Held by n1 at epoch 1, running, version 1
            Agents/a1: wanted Running, Held by n1 at epoch 1, suspended, version 1
            Agents/a1: wanted Running, Held by n1 at epoch 1, running, version 1
            Agents/a1: wanted Running, Held by n1 at epoch 1, suspended, version 1
            Agents/a1: wanted Running, Released by n1 at epoch 1, terminated, version 1
    "#]]
    .assert_eq(&format!("{}\n", states.join("\n")));
    assert_eq!(out.matches("STALE_EPOCH").count(), 1, "{out}");
}
