//! Join tokens and the nodes that come by them.

use crate::world::check;
use expect_test::expect;

#[test]
fn two_joins_with_one_token_of_one_use() {
    check(
        "n1: token t1 uses 1 until 60
         n1: c1:1 enrol n2 with t1; c2:1 enrol n3 with t1
         n1: c1:1 enrol n2 with t1; enrol n2 with t1
         n1 decided 1: finish n2
         n1: enrol n2 with t1; enrol n3 with t1",
        &expect![[r#"
            > n1: token t1 uses 1 until 60
              done
                JoinTokens/t1: 1 uses, joins []
            > n1: c1:1 enrol n2 with t1; c2:1 enrol n3 with t1
              done
              TOKEN_USED: the join token's uses are spent
                Nodes/n2: n2 Joining Up offers 1000 MiB
                JoinTokens/t1: 1 uses, joins [n2 joining]
                Dedup/c1: 1 DONE
                Dedup/c2: 1 TOKEN_USED
            > n1: c1:1 enrol n2 with t1; enrol n2 with t1
              done (repeated)
              done
            > n1 decided 1: finish n2
              done
                Nodes/n2: n2 Member Up offers 1000 MiB
                JoinTokens/t1: 1 uses, joins [n2 finished]
            > n1: enrol n2 with t1; enrol n3 with t1
              done
              TOKEN_USED: the join token's uses are spent
        "#]],
    );
}

#[test]
fn a_join_that_was_cleared_gives_back_its_use_and_its_name() {
    check(
        "n1: token t1 uses 1 until 60
         n1: c1:1 enrol n2 with t1
         n1 decided 1: clear n2
         n1: c1:1 enrol n2 with t1; c1:2 enrol n2 with t1
         n1: enrol n3 as n2 with t1
         n1 decided 1: finish n2; finish n3; clear n3; clear n2; finish n4",
        &expect![[r#"
            > n1: token t1 uses 1 until 60
              done
                JoinTokens/t1: 1 uses, joins []
            > n1: c1:1 enrol n2 with t1
              done
                Nodes/n2: n2 Joining Up offers 1000 MiB
                JoinTokens/t1: 1 uses, joins [n2 joining]
                Dedup/c1: 1 DONE
            > n1 decided 1: clear n2
              done
                Nodes/n2: n2 Removed Up offers 1000 MiB
                JoinTokens/t1: 1 uses, joins []
            > n1: c1:1 enrol n2 with t1; c1:2 enrol n2 with t1
              JOIN_EXPIRED: this join was cleared because it did not finish in time
              JOIN_EXPIRED: this join was cleared because it did not finish in time
            > n1: enrol n3 as n2 with t1
              done
                Nodes/n3: n2 Joining Up offers 1000 MiB
                JoinTokens/t1: 1 uses, joins [n3 joining]
            > n1 decided 1: finish n2; finish n3; clear n3; clear n2; finish n4
              JOIN_EXPIRED: this join was cleared because it did not finish in time
              done
              NOT_FOUND: not found
              done
              NOT_FOUND: not found
                Nodes/n3: n2 Member Up offers 1000 MiB
                JoinTokens/t1: 1 uses, joins [n3 finished]
        "#]],
    );
}

#[test]
fn a_token_is_refused_for_its_reason() {
    check(
        "n1: token t1 uses 1 until 60; token t2 uses 1 until 600; token t3 uses 0 until 600; token t1 uses 1 until 60
         n1: revoke t2; revoke t2; revoke t9
         n1: enrol n2 with t9; enrol n2 with t2; enrol n2 as n1 with t1; enrol n2 as Bad_Name with t1
         time 60
         n1: token t4 uses 1 until 600
         n1: enrol n2 with t1
         time 61
         n1: enrol n3 with t1
         n1: enrol n3 with t4",
        &expect![[r#"
            > n1: token t1 uses 1 until 60; token t2 uses 1 until 600; token t3 uses 0 until 600; token t1 uses 1 until 60
              done
              done
              LIMIT: over a limit: a join token has 1 to 1000 uses
              NAME_TAKEN: the name is taken
                JoinTokens/t1: 1 uses, joins []
                JoinTokens/t2: 1 uses, joins []
            > n1: revoke t2; revoke t2; revoke t9
              done
              done
              TOKEN_UNKNOWN: no such join token
                JoinTokens/t2: 1 uses, joins [], revoked
            > n1: enrol n2 with t9; enrol n2 with t2; enrol n2 as n1 with t1; enrol n2 as Bad_Name with t1
              TOKEN_UNKNOWN: no such join token
              TOKEN_REVOKED: the join token was revoked
              NAME_TAKEN: the name is taken
              LIMIT: over a limit: a node's name is a DNS label of at most 63 bytes
            > time 60
            > n1: token t4 uses 1 until 600
              done
                JoinTokens/t4: 1 uses, joins []
            > n1: enrol n2 with t1
              done
                Nodes/n2: n2 Joining Up offers 1000 MiB
                JoinTokens/t1: 1 uses, joins [n2 joining]
            > time 61
            > n1: enrol n3 with t1
              TOKEN_EXPIRED: the join token has expired
            > n1: enrol n3 with t4
              done
                Nodes/n3: n3 Joining Up offers 1000 MiB
                JoinTokens/t4: 1 uses, joins [n3 joining]
        "#]],
    );
}

#[test]
fn a_member_is_removed_once_it_is_down_and_for_good() {
    check(
        "n1: token t1 uses 9 until 60; enrol n2 with t1; enrol n3 with t1
         n1 decided 1: finish n2
         n1: create a1
         n1 decided 1: place a1 on n2 expecting 0
         n1: expel n2; expel n3; expel n9; expel n2 unpermitted
         n1 decided 1: down n2
         n1: expel n2; expel n2
         n1 decided 1: up n2; place a1 on n2 expecting 1; place a1 on n1 expecting 1
         n2: introduce n2 memory 5
         n1: enrol n2 with t1; enrol n3 as n2 with t1",
        &expect![[r#"
            > n1: token t1 uses 9 until 60; enrol n2 with t1; enrol n3 with t1
              done
              done
              done
                Nodes/n2: n2 Joining Up offers 1000 MiB
                Nodes/n3: n3 Joining Up offers 1000 MiB
                JoinTokens/t1: 9 uses, joins [n2 joining, n3 joining]
            > n1 decided 1: finish n2
              done
                Nodes/n2: n2 Member Up offers 1000 MiB
                JoinTokens/t1: 9 uses, joins [n2 finished, n3 joining]
            > n1: create a1
              created
                Agents/a1: wanted Running, not placed, no word, version 1
            > n1 decided 1: place a1 on n2 expecting 0
              placed, epoch 1
                Agents/a1: wanted Running, Held by n2 at epoch 1, no word, version 1
            > n1: expel n2; expel n3; expel n9; expel n2 unpermitted
              NODE_IN_USE: the node is still in use: only a node that is down and holds no agent is removed
              NOT_FOUND: not found
              NOT_FOUND: not found
              PERMIT_MISSING: the command came without a permit
            > n1 decided 1: down n2
              done
                Nodes/n2: n2 Member Down offers 1000 MiB
                Agents/a1: wanted Running, Lost by n2 at epoch 1, no word, version 1
            > n1: expel n2; expel n2
              done
              done
                Nodes/n2: n2 Removed Down offers 1000 MiB
            > n1 decided 1: up n2; place a1 on n2 expecting 1; place a1 on n1 expecting 1
              NOT_FOUND: not found
              NODE_UNAVAILABLE: the node is not a member that is up
              placed, epoch 2
                Agents/a1: wanted Running, Held by n1 at epoch 2, no word, version 1
            > n2: introduce n2 memory 5
              ORIGIN_NOT_MEMBER: the proposing node is not a member
            > n1: enrol n2 with t1; enrol n3 as n2 with t1
              JOIN_EXPIRED: this join was cleared because it did not finish in time
              done
        "#]],
    );
}
