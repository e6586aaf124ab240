//! Policy sets, and permits that an older one gave.

use crate::world::{World, check, run};
use expect_test::expect;
use symbi_model::planted::{self, Defect};

#[test]
fn a_set_is_numbered_and_current_and_older_permits_end_with_it() {
    check(
        "n1: apply one; create a1
         n1: apply two set=2; create a1 set=2
         n1: c1:1 create a2 set=2
         n1: c1:1 create a2 set=3",
        &expect![[r#"
            > n1: apply one; create a1
              policy set 2
              POLICY_MOVED: the policies have changed since this was permitted; the current set is 2
                PolicySets/2: 62 bytes
            > n1: apply two set=2; create a1 set=2
              policy set 3
              POLICY_MOVED: the policies have changed since this was permitted; the current set is 3
                PolicySets/3: 62 bytes
            > n1: c1:1 create a2 set=2
              POLICY_MOVED: the policies have changed since this was permitted; the current set is 3
            > n1: c1:1 create a2 set=3
              created
                Agents/a2: wanted Running, not placed, no word, version 1
                Dedup/c1: 1 DONE
        "#]],
    );
}

#[test]
fn the_current_set_once_more_is_no_other_set() {
    check(
        "n1: apply one; apply one set=2
         n1: apply two set=2; apply one set=3",
        &expect![[r#"
            > n1: apply one; apply one set=2
              policy set 2
              policy set 2
                PolicySets/2: 62 bytes
            > n1: apply two set=2; apply one set=3
              policy set 3
              policy set 4
                PolicySets/3: 62 bytes
                PolicySets/4: 62 bytes
        "#]],
    );
}

#[test]
fn a_set_too_long_is_refused() {
    let mut world = World::started();
    let long = "x".repeat(symbi_model::policy::TEXT_BYTES + 1);
    let shown = run(&mut world, &format!("n1: apply {long}"));
    assert!(shown.contains("LIMIT"), "{}", &shown[shown.len() - 200..]);
    assert_eq!(world.state.policy_sets.len(), 1);
}

/// The script that tells a replica that compares the permit's set from one that does not.
#[test]
fn a_permit_of_an_older_set_taken_all_the_same_is_found() {
    let script = "n1: apply two
                  n1: create a1 set=1";
    let shown = |defect| {
        planted::plant(defect);
        let shown = run(&mut World::started(), script);
        planted::plant(None);
        shown
    };
    assert!(shown(None).contains("POLICY_MOVED"));
    assert!(!shown(Some(Defect::OldPermitAccepted)).contains("POLICY_MOVED"));
}
