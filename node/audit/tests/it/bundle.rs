//! Untouched bundles pass, and say what was checked.

use crate::chain::{ChainLine, World};
use expect_test::{expect, expect_file};
use std::collections::BTreeSet;
use symbi_audit::{Chain, Cluster, Line, Report, Summary, What, verify, verify_chain};

#[test]
fn a_bundle_stays_as_it_is() {
    let bundle = String::from_utf8(World::full(0xc1, "symbi").bundle()).expect("a bundle is text");
    expect_file!["golden.jsonl"].assert_eq(&bundle);
    // The seed that holds is the same.
    expect_file!["../../fuzz/corpus/verify/whole.jsonl"].assert_eq(&bundle);
}

#[test]
fn the_whole_of_it_is_exercised() {
    let outcomes: BTreeSet<_> = World::full(0xc1, "symbi")
        .chain
        .iter()
        .filter_map(|line| match line {
            ChainLine::Record(record) => Some(format!("{} {}", record.kind, record.code)),
            ChainLine::Batch(_) => None,
        })
        .collect();
    expect![[r#"
        agent.annotate DONE
        agent.create DONE
        agent.place DONE
        agent.place STALE_TERM
        agent.stop NOT_FOUND
        audit.seal DONE
        audit.voters DONE
        batch.empty DONE
        cluster.genesis CLUSTER_EXISTS
        cluster.genesis DONE
        ledger.anchor DONE
        ledger.anchor STALE_TERM
        node.clear DONE
        node.down DONE
        node.enrol DONE
        node.introduce DONE
        node.introduce ORIGIN_NOT_MEMBER
        node.join DONE
        node.up DONE
        raft.blank DONE
        raft.membership DONE
        token.create BAD_SIGNATURE
        token.create DONE
        token.create ORIGIN_NOT_MEMBER"#]]
    .assert_eq(&outcomes.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn it_is_consistent_and_with_the_anchor_this_clusters() {
    let world = World::full(0xc1, "symbi");
    let report = verify(world.bundle().as_slice(), None).expect("it is consistent");
    assert!(!report.anchored);
    assert_eq!((report.head.as_str(), report.records), (world.head().as_str(), world.records()));
    assert_eq!((report.anchor.as_str(), report.cluster_name.as_str()), (world.anchor().as_str(), "symbi"));
    assert_eq!((report.first_index, report.first_term, report.last_term), (0, 0, 2));
    assert_eq!((report.generation, report.exporter.as_str()), (1, "n2"));
    assert_eq!((report.nodes, report.cluster.as_str()), (4, world.cluster.to_string().as_str()));
    let anchored = verify(world.bundle().as_slice(), Some(&world.anchor())).expect("it is this cluster's");
    assert!(anchored.anchored);
    assert_eq!((anchored.head, anchored.last_index), (report.head, report.last_index));
}

#[test]
fn another_clusters_anchor_is_refused() {
    let (world, other) = (World::full(0xc1, "symbi"), World::full(0xc2, "symbi"));
    for anchor in [other.anchor(), String::new(), "x".to_owned(), world.anchor()[..62].to_owned()] {
        let failure = verify(world.bundle().as_slice(), Some(&anchor)).expect_err("another anchor");
        // The header, the checkpoints, Raft's own two records, then the genesis.
        assert!(
            failure.line == 4 + world.checkpoints.len() as u64 && matches!(failure.what, What::Anchor { .. }),
            "{failure}"
        );
    }
}

#[test]
fn the_smallest_cluster_passes() {
    let world = World::new(0xc1, "symbi");
    verify(world.exported(1, |_| {}, crate::chain::POLICIES).as_slice(), Some(&world.anchor())).expect("whole");
}

#[test]
fn a_chain_in_memory_passes_and_is_checked_as_a_bundle_is() {
    let world = World::full(0xc1, "symbi");
    let cluster = Cluster(*world.cluster.0.as_bytes());
    let report = verify_chain(cluster, 0, world.lines()).expect("whole");
    let bundled = verify(world.bundle().as_slice(), None).expect("whole");
    let alone = Report {
        generation: 0,
        exporter: String::new(),
        witnessed: None,
        weakest: None,
        after: world.records() - 2,
        ledgers: Summary::default(),
        ..bundled
    };
    assert_eq!(report, alone);
    let failure = verify_chain(Cluster([0; 16]), 0, world.lines()).expect_err("another cluster");
    assert_eq!((failure.line, failure.what), (4, What::ForeignCluster));
    let failure = verify_chain(cluster, 1, world.lines()).expect_err("another group");
    assert_eq!((failure.line, failure.what), (1, What::Raft));
    let failure = verify_chain(cluster, 0, world.lines().into_iter().take(2)).expect_err("no genesis");
    assert_eq!((failure.line, failure.what), (3, What::NoGenesis));
}

#[test]
fn lines_of_a_bundle_do_not_belong_in_a_chain() {
    let world = World::full(0xc1, "symbi");
    let bundle = String::from_utf8(world.bundle()).expect("text");
    let header: Line = serde_json::from_str(bundle.lines().next().expect("a line")).expect("a header");
    let failure = verify_chain(Cluster(*world.cluster.0.as_bytes()), 0, [header]).expect_err("misplaced");
    assert!(matches!(failure.what, What::Misplaced { found: "bundle", .. }));
    assert!(Chain::new(Cluster([0; 16]), 0).end().is_err());
}
