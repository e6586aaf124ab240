//! What users ask of agents.

use crate::world::check;
use expect_test::expect;

#[test]
fn a_name_is_taken_until_its_agent_is_removed() {
    check(
        "n1: create a1
         n1: create a1
         n1: remove a1
         n1: remove a1
         n1: create a1",
        &expect![[r#"
            > n1: create a1
              created
                Agents/a1: wanted Running, not placed, no word, version 1
            > n1: create a1
              NAME_TAKEN: the name is taken
            > n1: remove a1
              done
                Agents/a1: deleted
            > n1: remove a1
              NOT_FOUND: not found
            > n1: create a1
              created
                Agents/a1: wanted Running, not placed, no word, version 1
        "#]],
    );
}

#[test]
fn each_write_raises_the_version_once() {
    check(
        "n1: create a1
         n1: c1:1 annotate a1 k v1; c1:2 annotate a1 k v2; c2:1 annotate a2 k v
         n1: c1:2 annotate a1 k v2
         n1: stop a1
         n1: stop a1",
        &expect![[r#"
            > n1: create a1
              created
                Agents/a1: wanted Running, not placed, no word, version 1
            > n1: c1:1 annotate a1 k v1; c1:2 annotate a1 k v2; c2:1 annotate a2 k v
              done
              done
              NOT_FOUND: not found
                Agents/a1: wanted Running, not placed, no word, version 3
                Dedup/c1: 2 DONE
                Dedup/c2: 1 NOT_FOUND
            > n1: c1:2 annotate a1 k v2
              done (repeated)
            > n1: stop a1
              done
                Agents/a1: wanted Stopped, not placed, terminated, version 4
            > n1: stop a1
              done
        "#]],
    );
}

#[test]
fn annotations_have_limits() {
    check(
        "n1: create a1
         n1: annotate a1 k *4096
         n1: annotate a1 k *4097
         n1: annotate a1 kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk v",
        &expect![[r#"
            > n1: create a1
              created
                Agents/a1: wanted Running, not placed, no word, version 1
            > n1: annotate a1 k *4096
              done
                Agents/a1: wanted Running, not placed, no word, version 2
            > n1: annotate a1 k *4097
              LIMIT: over a limit: an annotation has at most 4096 bytes
            > n1: annotate a1 kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk v
              LIMIT: over a limit: an annotation's key has 1 to 63 bytes
        "#]],
    );
}

#[test]
fn stop_and_remove_wait_for_the_placement_to_end() {
    check(
        "n1: create a1; create a2; create a3
         n1 decided 1: place a1 on n1 expecting 0; place a2 on n1 expecting 0
         n1: report a1 1 running
         n1: stop a1
         n1: remove a2
         n1: stop a3
         n1: remove a3
         n1: report a1 1 terminated released
         n1: report a2 2 terminated released
         n1: remove a1",
        &expect![[r#"
            > n1: create a1; create a2; create a3
              created
              created
              created
                Agents/a1: wanted Running, not placed, no word, version 1
                Agents/a2: wanted Running, not placed, no word, version 1
                Agents/a3: wanted Running, not placed, no word, version 1
            > n1 decided 1: place a1 on n1 expecting 0; place a2 on n1 expecting 0
              placed, epoch 1
              placed, epoch 2
                Agents/a1: wanted Running, Held by n1 at epoch 1, no word, version 1
                Agents/a2: wanted Running, Held by n1 at epoch 2, no word, version 1
            > n1: report a1 1 running
              done
                Agents/a1: wanted Running, Held by n1 at epoch 1, running, version 1
            > n1: stop a1
              done
                Agents/a1: wanted Stopped, Held by n1 at epoch 1, running, version 2
            > n1: remove a2
              done
                Agents/a2: wanted Removed, Held by n1 at epoch 2, no word, version 2
            > n1: stop a3
              done
                Agents/a3: wanted Stopped, not placed, terminated, version 2
            > n1: remove a3
              done
                Agents/a3: deleted
            > n1: report a1 1 terminated released
              done
                Agents/a1: wanted Stopped, Released by n1 at epoch 1, terminated, version 2
            > n1: report a2 2 terminated released
              done
                Agents/a2: deleted
            > n1: remove a1
              done
                Agents/a1: deleted
        "#]],
    );
}
