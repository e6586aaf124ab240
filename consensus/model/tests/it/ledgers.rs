//! Anchors of ledgers: what their nodes have signed, brought by the leader for all at once, with an answer for each.

use crate::world::{CLUSTER, World, check, key};
use expect_test::expect;
use symbi_model::ledger::{Anchor, Tip};
use symbi_model::outcome::Limit;
use symbi_model::{Command, Hash, Outcome, Refusal, codec};

#[test]
fn each_anchor_is_answered_for_itself_and_only_rises() {
    check(
        "n1: token t1 uses 9 until 60; enrol n2 with t1; enrol n3 with t1
         n1 decided 1: finish n2
         n1 decided 1: seal; anchor n1 9 n2 5 n2 5 n2 4
         n1 decided 1: anchor n3 1 n4 1 forged n2 6 elsewhere n2 6 n2 5
         time 7
         n1 decided 1: anchor n2 6 n2 7
         n1 decided 9: anchor n2 8
         n2: anchor n2 8
         n1 decided 1: down n2
         n1 decided 1: anchor n2 8",
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
            > n1 decided 1: seal; anchor n1 9 n2 5 n2 5 n2 4
              done
              DONE DONE STALE_ANCHOR STALE_ANCHOR
                Ledgers/n2: 5 entries at 4.1
                Ledgers/n1: 9 entries at 4.1
            > n1 decided 1: anchor n3 1 n4 1 forged n2 6 elsewhere n2 6 n2 5
              ORIGIN_NOT_MEMBER ORIGIN_NOT_MEMBER BAD_SIGNATURE OTHER_GENERATION STALE_ANCHOR
            > time 7
            > n1 decided 1: anchor n2 6 n2 7
              DONE DONE
                Ledgers/n2: 7 entries at 6.0
            > n1 decided 9: anchor n2 8
              STALE_TERM: decided in another term than the one that carries it
            > n2: anchor n2 8
              STALE_TERM: decided in another term than the one that carries it
            > n1 decided 1: down n2
              done
                Nodes/n2: n2 Member Down offers 1000 MiB
            > n1 decided 1: anchor n2 8
              DONE
                Ledgers/n2: 8 entries at 10.0
        "#]],
    );
}

/// So many anchors of node 1's ledger.
fn anchors(count: u64) -> Vec<Anchor> {
    let tip = |entries| Tip { entries, head: Hash([8; 32]), root: Hash([9; 32]) };
    (1..=count).map(|entries| Anchor::sign(CLUSTER, 0, &tip(entries), &key(1))).collect()
}

#[test]
fn one_command_has_one_anchor_at_least_and_not_too_many_and_each_record_can_be_read() {
    for (count, is_too_many) in [(256, false), (257, true)] {
        let mut world = World::started();
        let anchors = anchors(count);
        let applied = world.decided(Command::Anchor { anchors });
        let refused = Outcome::Refused(Refusal::Limit { limit: Limit::Anchors, max: 256 });
        assert_eq!(applied.outcomes[0] == refused, is_too_many, "{:?}", applied.outcomes);
        let record = codec::encode_record(&applied.records[0]);
        assert_eq!(codec::decode_record(&record).as_ref(), Ok(&applied.records[0]));
    }
    let applied = World::started().decided(Command::Anchor { anchors: Vec::new() });
    assert!(matches!(applied.outcomes[0], Outcome::Refused(Refusal::Limit { .. })), "{:?}", applied.outcomes);
}
