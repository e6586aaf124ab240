//! A member that exports can sign what it likes: what it still cannot do is change what others signed, or what follows from
//! that.

use crate::chain::{ChainLine, POLICIES, World, key, own};
use ed25519_dalek::Signer;
use symbi_audit::{Batch, Failure, Hex, Origin, Record, What, verify};

/// What comes of a chain that a member changed, linked anew and signed, and whose checkpoints it leaves out.
fn forged(change: impl FnOnce(&mut World)) -> Failure {
    let mut world = World::full(0xc1, "symbi");
    change(&mut world);
    world.checkpoints.clear();
    world.relink();
    verify(world.bundle().as_slice(), Some(&world.anchor())).expect_err("forged")
}

fn first(world: &mut World, kind: &str, change: impl FnOnce(&mut Record)) {
    change(world.records_of(kind).into_iter().next().expect("there is one"));
}

#[test]
fn linking_anew_is_no_forgery_by_itself() {
    let mut world = World::full(0xc1, "symbi");
    world.relink();
    verify(world.bundle().as_slice(), Some(&world.anchor())).expect("the same chain");
}

#[test]
fn what_was_signed_cannot_be_changed() {
    let root = |failure: Failure| assert_eq!(failure.what, What::Root, "{failure}");
    root(forged(|world| first(world, "agent.create", |record| record.actor = "user:other".to_owned())));
    root(forged(|world| first(world, "agent.create", |record| record.subject = "agent:other".to_owned())));
    root(forged(|world| first(world, "agent.create", |record| record.kind = "agent.remove".to_owned())));
    root(forged(|world| {
        first(world, "agent.create", |record| drop(record.details.insert("x".to_owned(), String::new())))
    }));
    root(forged(|world| first(world, "agent.create", |record| record.command = Hex([1; 32]))));
    root(forged(|world| first(world, "agent.create", |record| record.request.push('0'))));
    root(forged(|world| first(world, "agent.annotate", |record| record.decision.push('0'))));
    root(forged(|world| first(world, "agent.annotate", |record| record.policy_set = 2)));
}

/// The `place`-th batch line.
fn batch(world: &mut World, place: usize) -> &mut Batch {
    let mut batches = world.chain.iter_mut().filter_map(|line| match line {
        ChainLine::Batch(batch) => Some(batch),
        ChainLine::Record(_) => None,
    });
    batches.nth(place).expect("there is one")
}

#[test]
fn a_batchs_own_facts_cannot_be_changed() {
    let signature = |failure: Failure| assert_eq!(failure.what, What::Signature, "{failure}");
    signature(forged(|world| batch(world, 1).time_ms += 1));
    signature(forged(|world| batch(world, 1).decided_term += 1));
    signature(forged(|world| batch(world, 1).signature.0[3] ^= 1));
    // Signed by another member than it says.
    signature(forged(|world| {
        let origin = batch(world, 1).origin;
        batch(world, 5).origin = origin;
        for kind in ["agent.create", "agent.annotate", "agent.stop"] {
            first(world, kind, |record| record.origin = Origin::Node(origin));
        }
    }));
}

#[test]
fn outcomes_follow_from_membership_and_signature() {
    let outcome = |failure: Failure| assert!(matches!(failure.what, What::Outcome { .. }), "{failure}");
    // It was refused because its origin was no member, or had not signed it.
    for from in ["ORIGIN_NOT_MEMBER", "BAD_SIGNATURE"] {
        let count = World::full(0xc1, "symbi").records_of("token.create").iter().filter(|r| r.code == from).count();
        assert!(count > 0);
        outcome_or_signature(forged(|world| {
            for record in world.records_of("token.create") {
                if record.code == from {
                    record.code = "DONE".to_owned();
                }
            }
        }));
    }
    // It was not.
    outcome(forged(|world| first(world, "agent.create", |record| record.code = "ORIGIN_NOT_MEMBER".to_owned())));
    outcome(forged(|world| first(world, "agent.create", |record| record.code = "BAD_SIGNATURE".to_owned())));
}

fn outcome_or_signature(failure: Failure) {
    assert!(matches!(failure.what, What::Outcome { .. } | What::Signature), "{failure}");
}

#[test]
fn a_node_says_of_itself_only_that_it_leaves() {
    let mut world = World::full(0xc1, "symbi");
    let leaving = |by, of| own("node.leaving", by, &format!("node:{}", crate::chain::node(of)), &[]);
    world.batch(2, 0, vec![leaving(2, 2)]);
    assert!(verify(world.bundle().as_slice(), None).is_ok());
    world.batch(1, 0, vec![leaving(1, 2)]);
    let failure = verify(world.bundle().as_slice(), None).expect_err("n1 says it of n2");
    assert_eq!(failure.what, What::Field { kind: "node.leaving", field: "subject" });
}

#[test]
fn a_stale_leaders_command_took_no_effect() {
    let failure = forged(|world| first(world, "agent.place", |record| record.code = "DONE".to_owned()));
    assert_eq!(failure.what, What::DecidedTerm { term: 1, decided: 9 });
}

#[test]
fn times_terms_and_indices_follow() {
    let failure = forged(|world| first(world, "agent.create", |record| record.time_ms += 1));
    assert!(matches!(failure.what, What::Time { .. }), "{failure}");
    let failure = forged(|world| first(world, "raft.blank", |record| record.time_ms += 1));
    assert!(matches!(failure.what, What::Time { .. }), "{failure}");
    let failure = forged(|world| first(world, "agent.create", |record| record.term = 0));
    assert!(matches!(failure.what, What::Term { found: 0, before: 1 }), "{failure}");
    let failure = forged(|world| first(world, "agent.annotate", |record| record.term = 2));
    assert!(matches!(failure.what, What::Term { found: 2, before: 1 }), "{failure}");
    let failure = forged(|world| first(world, "agent.annotate", |record| record.index += 1));
    assert!(matches!(failure.what, What::Index { .. }), "{failure}");
    let failure = forged(|world| first(world, "agent.annotate", |record| record.position = 0));
    assert_eq!(failure.what, What::Position { found: 0, wanted: 1 });
}

#[test]
fn no_entry_can_be_left_out_or_put_in() {
    let failure = forged(|world| {
        let last = world
            .chain
            .iter()
            .rposition(|line| matches!(line, ChainLine::Record(record) if record.kind == "raft.blank"));
        world.chain.remove(last.expect("there is one"));
    });
    assert!(matches!(failure.what, What::Index { .. }), "{failure}");
    let failure = forged(|world| {
        let blank = world.chain[1].clone();
        world.chain.insert(1, blank);
    });
    assert!(matches!(failure.what, What::Index { .. }), "{failure}");
    let failure = forged(|world| {
        let last = world.chain.len() - 1;
        world.chain.remove(last);
    });
    assert_eq!(failure.what, What::Missing { wanted: "a record" });
    let failure = forged(|world| first(world, "batch.empty", |record| record.decision.push('x')));
    assert_eq!(failure.what, What::Empty);
}

#[test]
fn a_record_of_rafts_own_is_rafts() {
    let rafts = |failure: Failure| assert_eq!(failure.what, What::Raft, "{failure}");
    rafts(forged(|world| first(world, "raft.blank", |record| record.kind = "agent.create".to_owned())));
    rafts(forged(|world| first(world, "raft.blank", |record| record.decision = "x".to_owned())));
    rafts(forged(|world| first(world, "raft.blank", |record| record.command = Hex([1; 32]))));
    rafts(forged(|world| first(world, "raft.blank", |record| record.actor = "user:admin".to_owned())));
    rafts(forged(|world| first(world, "raft.blank", |record| record.subject = "group:1".to_owned())));
    rafts(forged(|world| first(world, "raft.blank", |record| drop(record.values.insert("x".into(), "y".into())))));
    let failure = forged(|world| first(world, "agent.create", |record| record.origin = Origin::Raft));
    assert_eq!(failure.what, What::Origin);
}

#[test]
fn the_genesis_is_the_first_nodes_own_and_the_headers() {
    let failure = forged(|world| {
        first(world, "cluster.genesis", |record| {
            record.details.insert("cluster".to_owned(), "other".to_owned());
        });
    });
    assert_eq!(failure.what, What::Root, "its node has signed the name");
    let failure = resigned(1, |world| {
        first(world, "cluster.genesis", |record| {
            record.details.insert("node".to_owned(), "00".repeat(32));
        });
    });
    assert!(matches!(failure.what, What::Outcome { .. }), "{failure}");
    let failure = resigned(1, |world| {
        first(world, "cluster.genesis", |record| {
            record.details.insert("cluster".to_owned(), "other".to_owned());
        });
    });
    assert_eq!((failure.line, failure.what), (1, What::ForeignCluster));
    let failure = forged(|world| {
        let second = world.records_of("cluster.genesis").into_iter().nth(1).expect("there are two");
        second.code = "DONE".to_owned();
    });
    assert!(matches!(failure.what, What::Genesis(_)), "{failure}");
}

/// The same by the batch's origin, which signs it anew.
fn resigned(by: u8, change: impl FnOnce(&mut World)) -> Failure {
    forged(|world| {
        change(world);
        world.resign(&[by]);
    })
}

#[test]
fn memberships_follow_each_other() {
    let failure = resigned(1, |world| {
        first(world, "node.clear", |record| record.subject = format!("node:{}", crate::chain::node(2)));
    });
    assert!(matches!(failure.what, What::Membership { membership: "a member", .. }), "{failure}");
    let failure = resigned(1, |world| first(world, "node.join", |record| record.subject = "node:?".to_owned()));
    assert_eq!(failure.what, What::Field { kind: "node.join", field: "subject" });
}

fn exported(exporter: u8, change: impl FnOnce(&mut Vec<symbi_audit::Key>), policies: &str) -> Result<(), What> {
    let bundle = World::full(0xc1, "symbi").exported(exporter, change, policies);
    verify(bundle.as_slice(), None).map(|_| ()).map_err(|failure| failure.what)
}

#[test]
fn keys_and_policies_are_those_of_the_chain() {
    assert_eq!(exported(1, |_| {}, POLICIES), Ok(()));
    assert_eq!(exported(1, |_| {}, "permit(principal, action, resource);"), Err(What::Policies));
    assert_eq!(exported(1, |keys| keys[0].name.push('x'), POLICIES), Err(What::Keys));
    assert_eq!(exported(1, |keys| keys.truncate(2), POLICIES), Err(What::Keys));
    assert_eq!(exported(1, |keys| keys.swap(0, 1), POLICIES), Err(What::Keys));
    assert_eq!(exported(1, |keys| keys[0].node = Hex([1; 32]), POLICIES), Err(What::Keys));
}

#[test]
fn the_exporter_is_a_member() {
    assert_eq!(exported(3, |_| {}, POLICIES), Err(What::Exporter), "it was cleared");
    assert_eq!(exported(9, |_| {}, POLICIES), Err(What::Exporter), "it was never enrolled");
    // Signed by another than it says.
    let bundle = String::from_utf8(World::full(0xc1, "symbi").bundle()).expect("text");
    let (at, signature) = (bundle.rfind("\"signature\":\"").expect("there is one") + 13, key(1).sign(b"x").to_bytes());
    let changed = format!("{}{}\"}}\n", &bundle[..at], Hex(signature));
    assert_eq!(verify(changed.as_bytes(), None).expect_err("signed by another").what, What::Exporter);
}
