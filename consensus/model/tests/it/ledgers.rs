//! Anchors of ledgers: a node's own word, which only rises.

use crate::world::check;
use expect_test::expect;

#[test]
fn an_anchor_rises_and_is_said_by_its_node_alone() {
    check(
        "n1: token t1 uses 9 until 60; enrol n2 with t1
         n1 decided 1: finish n2
         n2: anchor n2 5; anchor n2 5; anchor n2 4; anchor n1 9
         time 7
         n2: anchor n2 6",
        &expect![[r#"
            > n1: token t1 uses 9 until 60; enrol n2 with t1
              done
              done
                Nodes/n2: n2 Joining Up offers 1000 MiB
                JoinTokens/t1: 9 uses, joins [n2 joining]
            > n1 decided 1: finish n2
              done
                Nodes/n2: n2 Member Up offers 1000 MiB
                JoinTokens/t1: 9 uses, joins [n2 finished]
            > n2: anchor n2 5; anchor n2 5; anchor n2 4; anchor n1 9
              done
              STALE_ANCHOR: the ledger was anchored as far as this before
              STALE_ANCHOR: the ledger was anchored as far as this before
              FOREIGN_NODE: a node may say this of itself only
                Ledgers/n2: 5 entries at 4
            > time 7
            > n2: anchor n2 6
              done
                Ledgers/n2: 6 entries at 5
        "#]],
    );
}
