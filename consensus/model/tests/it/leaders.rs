//! A leader's commands: of the term in which they were decided, in batches of their own.

use crate::world::{World, check, run};
use expect_test::expect;
use symbi_model::planted::{Defect, plant};

const OTHER_TERM: &str = "
    n1: create a1
    term 2
    n1 decided 1: place a1 on n1 expecting 0
    n1: place a1 on n1 expecting 0
    n1 decided 2: place a1 on n1 expecting 0";

#[test]
fn a_decision_of_another_term_is_refused_and_without_that_condition_this_script_shows_it() {
    let sound = expect![[r#"
        > n1: create a1
          created
            Agents/a1: wanted Running, not placed, no word, version 1
        > term 2
        > n1 decided 1: place a1 on n1 expecting 0
          STALE_TERM: decided in another term than the one that carries it
        > n1: place a1 on n1 expecting 0
          STALE_TERM: decided in another term than the one that carries it
        > n1 decided 2: place a1 on n1 expecting 0
          placed, epoch 1
            Agents/a1: wanted Running, Held by n1 at epoch 1, no word, version 1
    "#]];
    sound.assert_eq(&run(&mut World::started(), OTHER_TERM));
    plant(Some(Defect::TermCondition));
    let unsound = run(&mut World::started(), OTHER_TERM);
    plant(None);
    assert!(!unsound.contains("STALE_TERM"), "the defect was planted");
    assert_ne!(sound.data(), unsound);
}

#[test]
fn a_decision_beside_anything_else_is_refused() {
    check(
        "n1: create a1
         n1 decided 1: place a1 on n1 expecting 0; annotate a1 k v
         n1 decided 1: place a1 on n1 expecting 0; down n1",
        &expect![[r#"
            > n1: create a1
              created
                Agents/a1: wanted Running, not placed, no word, version 1
            > n1 decided 1: place a1 on n1 expecting 0; annotate a1 k v
              STALE_TERM: decided in another term than the one that carries it
              done
                Agents/a1: wanted Running, not placed, no word, version 2
            > n1 decided 1: place a1 on n1 expecting 0; down n1
              placed, epoch 1
              done
                Nodes/n1: n1 Member Down offers 1000 MiB
                Agents/a1: wanted Running, Lost by n1 at epoch 1, no word, version 2
        "#]],
    );
}
