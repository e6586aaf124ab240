//! Data directories that a node must not use, and ports that it cannot have: refused with the reason, and left as they are.

use crate::program::Place;
use expect_test::expect;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::net::TcpListener;

const CLUSTER: &str = r#"{"id": "0192aaaa-0000-7000-8000-000000000000", "name": "theirs", "node_name": "n1",
    "advertise": "127.0.0.1:1", "genesis": null, "roster": [], "enrolled_at": 1}"#;

#[test]
fn one_that_another_process_holds() {
    let place = Place::new();
    let lock = place.file("d/lock", "4711");
    let held = File::open(lock).unwrap();
    flock(&held, FlockOperation::NonBlockingLockExclusive).unwrap();
    expect![[r#"
        error[DATA_DIR_IN_USE]: DIR/d is in use by another node
          why: process 4711 holds its lock
          fix: stop that process, or name another directory with --data-dir
        exit 1
    "#]]
    .assert_eq(&place.run(&["start", "--data-dir", "d", "--http", "127.0.0.1:0"]).shown());
}

#[test]
fn one_that_has_lost_its_database() {
    let place = Place::new();
    place.file("d/cluster.json", CLUSTER);
    expect![[r#"
        error[DATABASE_LOST]: DIR/d has lost its database
          why: cluster.json says that this node is a member, but its log is gone; started as the same node it could lose committed data
          fix: start a new node: another --data-dir, another --name, and --join with a token
        exit 10
    "#]].assert_eq(&place.run(&["start", "--data-dir", "d", "--http", "127.0.0.1:0"]).shown());
}

#[test]
fn one_whose_key_is_damaged() {
    let place = Place::new();
    place.file("d/node.key", "not a key");
    expect![[r#"
        error[DATA_DIR_DAMAGED]: DIR/d/node.key cannot be understood
          why: 64 hex digits are expected
          fix: restore the file, or start a new node in another --data-dir
        exit 10
    "#]]
    .assert_eq(&place.run(&["start", "--data-dir", "d", "--http", "127.0.0.1:0"]).shown());
}

#[test]
fn one_that_is_a_file() {
    let place = Place::new();
    place.file("d", "");
    expect![[r#"
        error[DATA_DIR]: cannot use d
          why: File exists (os error 17)
          fix: name a directory that this user can write with --data-dir
        exit 1
    "#]]
    .assert_eq(&place.run(&["start", "--data-dir", "d", "--http", "127.0.0.1:0"]).shown());
}

#[test]
fn one_whose_path_is_too_long_for_a_socket() {
    let place = Place::new();
    let ran = place.run(&["start", "--data-dir", &"long/".repeat(30), "--http", "127.0.0.1:0"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("a unix socket's path at most 107"), "{}", ran.err);
}

#[test]
fn ports_that_are_taken() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let shown = |ran: crate::program::Ran| ran.shown().replace(&addr, "TAKEN");
    let http = place.run(&["start", "--data-dir", "d", "--http", &addr]);
    expect![[r#"
        error[HTTP_LISTEN]: cannot serve HTTP on TAKEN
          why: Address already in use (os error 98)
          fix: name a free port with --http, and a data directory with a short path
        exit 1
    "#]]
    .assert_eq(&shown(http));
    let listen = place.run(&["start", "--data-dir", "d", "--http", "127.0.0.1:0", "--listen", &addr]);
    expect![[r#"
        error[LISTEN]: cannot listen on TAKEN for other nodes
          why: cannot listen on TAKEN: Address already in use (os error 98)
          fix: name a free port with --listen
        exit 1
    "#]]
    .assert_eq(&shown(listen));
}
