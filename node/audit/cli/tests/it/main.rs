//! The program as auditors run it: what it prints, and its exit codes.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A bundle that holds, which the verifier's own tests keep.
const BUNDLE: &str = include_str!("../../../tests/it/golden.jsonl");

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_symbi-audit")).args(arguments).output().expect("the program runs")
}

/// The exit code, and what was printed to either end.
fn told(arguments: &[&str]) -> (i32, String, String) {
    let output = run(arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("it ended by itself"), text(output.stdout), text(output.stderr))
}

fn bundle(dir: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = dir.path().join("b.jsonl");
    fs::write(&path, text).expect("a file");
    path
}

#[test]
fn a_bundle_that_holds_is_said_to_rest_on_those_who_have_signed_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = bundle(&dir, BUNDLE);
    let file = path.to_str().expect("text");
    let (code, out, err) = told(&["verify", file]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("verified  the bundle is consistent; give --anchor"), "{out}");
    assert!(out.contains("\nverdict   witnessed to record 37 at 2027-01-15T08:00:32Z by 2 of 3 voters;"), "{out}");
    let (code, out, _) = told(&["verify", "--output=json", file]);
    let found: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &found["witnessed_by"], &found["voters"]), (0, &2.into(), &3.into()), "{found:#}");
    let anchor = found["anchor"].as_str().expect("an anchor");
    let (code, out, _) = told(&["verify", file, "--anchor", anchor]);
    assert!(code == 0 && out.starts_with("verified  the bundle is whole, and it is this cluster's"), "{out}");
}

#[test]
fn exit_codes_tell_what_does_not_hold_from_what_is_lacking() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = bundle(&dir, BUNDLE);
    let file = path.to_str().expect("text");
    let (code, out, err) = told(&["verify", file, "--not-before", "2100-01-01T00:00:00Z"]);
    assert!(out.contains("verdict"), "what it found is printed all the same: {out}");
    assert_eq!(code, 8);
    assert!(
        err.starts_with("error[AUDIT_INCOMPLETE]: ") && err.contains("is of 2027-01-15T08:00:32Z, before 2100"),
        "{err}"
    );
    for wrong in [&["--anchor"][..], &["--pin"]] {
        let (code, _, err) = told(&[&["verify", file], wrong, &[&"0".repeat(64)]].concat());
        assert!(code == 10 && err.starts_with("error[AUDIT_BROKEN]: "), "{err}");
    }
    let path = bundle(&dir, &BUNDLE.replacen("user:admin", "user:other", 1));
    let (code, out, err) = told(&["verify", path.to_str().expect("text")]);
    assert_eq!((code, out.as_str()), (10, ""));
    assert!(err.contains("does not hold\n  why: line "), "{err}");
    let (code, _, err) = told(&["verify", "/nowhere/b.jsonl"]);
    assert!(code == 1 && err.starts_with("error[FILE]: cannot read /nowhere/b.jsonl\n  why: "), "{err}");
    assert_eq!(told(&["verify", file, "--loud"]).0, 2);
}
