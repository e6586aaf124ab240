//! `audit verify FILE` without a node: what it says of a file that is none, and that it never needs one.

use crate::program::Place;
use expect_test::expect;

#[test]
fn a_file_that_is_not_there() {
    expect![[r#"
        error[FILE]: cannot read nowhere.jsonl
          why: No such file or directory (os error 2)
          fix: name a file that is there and that this user can read
        exit 1
    "#]]
    .assert_eq(&Place::new().run(&["audit", "verify", "nowhere.jsonl"]).shown());
}

#[test]
fn files_that_are_no_bundle() {
    let place = Place::new();
    place.file("empty.jsonl", "");
    expect![[r#"
        error[AUDIT_BROKEN]: empty.jsonl does not hold
          why: line 1: the bundle ends where the bundle line is wanted
          fix: export again from a node, and keep this copy as evidence
        exit 10
    "#]]
    .assert_eq(&place.run(&["audit", "verify", "empty.jsonl"]).shown());
    place.file("garbage.jsonl", b"\xff\xfe\x00garbage\n{}");
    let ran = place.run(&["audit", "verify", "garbage.jsonl", "--anchor", &"00".repeat(32)]);
    assert_eq!(ran.code, 10, "{}", ran.err);
    assert!(ran.err.starts_with("error[AUDIT_BROKEN]: garbage.jsonl does not hold\n  why: line 1: "), "{}", ran.err);
}

#[test]
fn without_a_file_a_node_is_asked() {
    assert_eq!(Place::new().run(&["audit", "verify", "--addr", "127.0.0.1:1"]).code, 5);
}
