//! `audit verify FILE` without a node: what it says of a file that is none, and that it never needs one. And what `audit export`
//! and `audit verify` make of a node that does not keep its word.

use crate::colour::typed_once;
use crate::program::Place;
use expect_test::expect;
use std::io::{Read, Write};
use std::net::TcpListener;

/// How a false node ends its answer.
#[derive(Clone, Copy)]
enum End {
    /// In order.
    Whole,
    /// In the middle.
    CutOff,
    /// Not before whoever has asked goes away.
    Never,
}

/// A false node that answers one request with `pieces`, and its address.
fn false_node(pieces: Vec<Vec<u8>>, end: End) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            asked.extend(byte);
        }
        let mut say = |bytes: &[u8]| stream.write_all(bytes).unwrap();
        say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        for piece in pieces {
            say(format!("{:x}\r\n", piece.len()).as_bytes());
            say(&piece);
            say(b"\r\n");
        }
        match end {
            End::Whole => say(b"0\r\n\r\n"),
            End::CutOff => {}
            End::Never => drop(stream.read(&mut [0])),
        }
    });
    address
}

/// Two pieces that are no bundle.
fn pieces() -> Vec<Vec<u8>> {
    vec![b"one line\n".repeat(30_000), b"the last\n".to_vec()]
}

/// What is in a place, by name.
fn names(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(place.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Has an `export` fail in a place without a bundle, and in one with an older one, which must be all that is left.
fn leaves_what_was_there_before(export: impl Fn(&Place)) {
    let place = Place::new();
    for before in [None, Some("an older bundle")] {
        if let Some(before) = before {
            place.file("b.jsonl", before);
        }
        export(&place);
        let left: Vec<String> = before.iter().map(|_| "b.jsonl".to_owned()).collect();
        assert_eq!(names(&place), left);
        assert_eq!(before, std::fs::read_to_string(place.path().join("b.jsonl")).ok().as_deref());
    }
}

#[test]
fn an_export_that_is_cut_off_leaves_nothing_and_what_was_there_before() {
    leaves_what_was_there_before(|place| {
        let address = false_node(pieces(), End::CutOff);
        let ran = place.run(&["audit", "export", "--bundle", "b.jsonl", "--addr", &address]);
        assert_eq!(ran.code, 5, "{}", ran.err);
        assert!(
            ran.err.contains("error[CUT_OFF]: the connection was closed before the whole answer had come"),
            "{}",
            ran.err
        );
    });
}

#[test]
fn an_export_that_is_interrupted_leaves_nothing_and_what_was_there_before() {
    leaves_what_was_there_before(|place| {
        let address = false_node(vec![b"half of it\n".repeat(10_000); 2], End::Never);
        let words = format!("audit export --bundle {}/b.jsonl --addr {address}", place.path().display());
        // A piece is written before the next is shown, so that with the second there is something to leave behind.
        let is_time = |shown: &str| {
            let is_half = shown.matches("reading the bundle").count() >= 2;
            assert!(!is_half || names(place).iter().any(|name| name.ends_with(".part")), "nothing is there: {shown}");
            is_half
        };
        let ctrl_c = "\x03";
        let (text, code) = typed_once(is_time, &words, &[("NO_COLOR", "1")], ctrl_c);
        assert_eq!(code, 130, "{text}");
        assert!(text.contains("error[INTERRUPTED]: interrupted before its end"), "{text}");
    });
}

#[test]
fn an_export_that_comes_to_its_end_is_all_that_was_sent() {
    let place = Place::new();
    let address = false_node(pieces(), End::Whole);
    let ran = place.run(&["audit", "export", "--bundle", "b.jsonl", "--addr", &address]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.ends_with("wrote 30001 lines, 270009 bytes to b.jsonl\n"), "{}", ran.err);
    assert_eq!(
        (names(&place), std::fs::read(place.path().join("b.jsonl")).unwrap()),
        (vec!["b.jsonl".to_owned()], pieces().concat())
    );
}

#[test]
fn an_export_that_cannot_be_written_is_said_before_a_node_is_asked() {
    let place = Place::new();
    let ran = place.run(&["audit", "export", "--bundle", "no/such/b.jsonl", "--addr", "127.0.0.1:1"]);
    assert!(ran.code == 1 && ran.err.starts_with("error[FILE]: cannot write no/such/b.jsonl"), "{}", ran.err);
    let address = false_node(pieces(), End::Whole);
    let ran = place.run(&["audit", "export", "--bundle", "/dev/full", "--addr", &address]);
    assert!(ran.code == 1 && ran.err.contains("No space left on device"), "{}", ran.err);
}

#[test]
fn what_a_node_exports_is_verified_by_who_asks() {
    let place = Place::new();
    let address = false_node(pieces(), End::Whole);
    let ran = place.run(&["audit", "verify", "--addr", &address]);
    assert_eq!(ran.code, 10, "{}", ran.err);
    assert!(
        ran.err.contains("error[AUDIT_BROKEN]: what the node exports does not hold\n  why: line 1: "),
        "{}",
        ran.err
    );
    let address = false_node(Vec::new(), End::CutOff);
    assert_eq!(place.run(&["audit", "verify", "--addr", &address]).code, 5);
    assert_eq!(names(&place), [""; 0]);
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

/// What holds but lacks something is told apart from what does not hold.
#[test]
fn a_pin_must_be_in_the_bundle_and_its_end_not_too_old() {
    let place = Place::new();
    place.file("b.jsonl", include_str!("../../../audit/tests/it/golden.jsonl"));
    let verify = |more: &[&str]| place.run(&[&["audit", "verify", "b.jsonl"], more].concat());
    let whole = verify(&[]);
    assert_eq!(whole.code, 0, "{}", whole.err);
    let old = verify(&["--not-before", "2100-01-01T00:00:00Z"]);
    assert!(old.code == 8 && old.err.starts_with("error[AUDIT_INCOMPLETE]: "), "{}", old.err);
    let foreign = verify(&["--pin", &"00".repeat(32)]);
    assert!(foreign.code == 10 && foreign.err.starts_with("error[AUDIT_BROKEN]: "), "{}", foreign.err);
}
