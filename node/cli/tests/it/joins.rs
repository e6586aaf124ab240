//! Joins that end before another node is involved; what members refuse is tested with real ones.

use crate::program::{Place, Ran};
use expect_test::{Expect, expect};
use std::net::TcpListener;
use symbi_model::{ClusterId, TokenId};
use symbi_proto::token::JoinToken;

/// A token of a cluster whose id begins with `0192aaaa`.
fn token() -> String {
    let id = "0192aaaa-0000-7000-8000-000000000000".parse().unwrap();
    JoinToken::new("prod", ClusterId(id), TokenId([7; 6]), [8; 32]).to_string()
}

fn start(place: &Place, more: &[&str]) -> Ran {
    let flags = "--data-dir d --http 127.0.0.1:0 --listen 127.0.0.1:0 --name n2";
    place.run(&flags.split(' ').chain(more.iter().copied()).collect::<Vec<_>>())
}

fn check(place: &Place, more: &[&str], expect: Expect) {
    expect.assert_eq(&start(place, more).shown());
}

#[test]
fn without_a_token() {
    check(
        &Place::new(),
        &["--join", "127.0.0.1:1"],
        expect![[r#"
        error[JOIN_TOKEN]: --join needs a join token
          fix: on a member: symbi-node token create; then give it with --token, --token-file or SYMBI_JOIN_TOKEN
        exit 24
    "#]],
    );
}

#[test]
fn with_a_token_that_cannot_be_read() {
    let place = Place::new();
    check(
        &place,
        &["--join", "127.0.0.1:1", "--token-file", "nowhere"],
        expect![[r#"
        error[JOIN_TOKEN]: cannot read the join token from nowhere
          why: No such file or directory (os error 2)
          fix: name a readable file with --token-file
        exit 24
    "#]],
    );
    for damaged in ["SYM1.what", &token().replace("prod", "prud")] {
        check(
            &place,
            &["--join", "127.0.0.1:1", "--token", damaged],
            expect![[r#"
            error[JOIN_TOKEN]: the token cannot be read
              why: the join token is damaged: its checksum does not match; copy it again, whole
              fix: on a member, make another: symbi-node token create --print-join-command
              undo: nothing was recorded
            exit 24
        "#]],
        );
    }
}

#[test]
fn to_an_address_that_cannot_be_resolved() {
    check(
        &Place::new(),
        &["--join", "no-port", "--token", &token()],
        expect![[r#"
        error[JOIN_RESOLVE]: cannot resolve "no-port"
          why: invalid socket address
          fix: give --join a member's HOST:PORT, as its 'start' printed it
          undo: nothing was recorded
        exit 20
    "#]],
    );
}

#[test]
fn to_a_port_where_nobody_listens() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let ran = start(&Place::new(), &["--join", &free, "--token", &token()]);
    assert_eq!(ran.code, 21, "{}", ran.err);
    assert!(ran.err.contains("error[JOIN_DIAL]: no member could be reached\n"), "{}", ran.err);
    assert!(ran.err.contains("  undo: nothing was recorded\n"), "{}", ran.err);
}

#[test]
fn with_the_directory_of_another_cluster() {
    let place = Place::new();
    let cluster = r#"{"id": "0193bbbb-0000-7000-8000-000000000000", "name": "theirs", "node_name": "n1",
        "advertise": "127.0.0.1:1", "genesis": null, "roster": [], "enrolled_at": 1}"#;
    place.file("d/cluster.json", cluster);
    place.file("d/db/CURRENT", "");
    check(
        &place,
        &["--join", "127.0.0.1:1", "--token", &token()],
        expect![[r#"
            error[JOIN_DATA_DIR]: d belongs to another cluster than the token
              why: the directory belongs to cluster 0193bbbb-0000-7000-8000-000000000000, the token to prod
              fix: name an empty directory with --data-dir, or leave out --join to restart this node
              undo: nothing was changed
            exit 29
        "#]],
    );
    assert!(!place.path().join("d/node.key").exists(), "nothing was changed");
}

#[test]
fn that_has_begun_and_is_not_gone_on_with() {
    let place = Place::new();
    let pending = r#"{"token": "070707070707", "cluster": "0192aaaa", "node_name": "n2",
        "client": "0192aaaa-0000-7000-8000-000000000001"}"#;
    place.file("d/join.pending", pending);
    check(
        &place,
        &[],
        expect![[r#"
        error[JOIN_CATCH_UP]: this directory holds an unfinished join
          fix: run the same command again, with --join and --token
        exit 28
    "#]],
    );
}
