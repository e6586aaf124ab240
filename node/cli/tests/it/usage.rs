//! What is wrong before anything runs: exit code 2, with what would have been right.

use crate::program::Place;
use expect_test::{Expect, expect};

fn check(arguments: &[&str], expect: Expect) {
    expect.assert_eq(&Place::new().run(arguments).shown());
}

#[test]
fn an_unknown_verb() {
    check(
        &["agnet", "ls"],
        expect![[r#"
            error[USAGE]: 'symbi-node' has no verb "agnet"
              why: its verbs are start, token, user, api-token, cluster, node, agent, policy, why, msg, audit, upgrade, bench, version
              fix: did you mean 'agent'? see 'symbi-node --help'
            exit 2
        "#]],
    );
    check(
        &["agent", "lst"],
        expect![[r#"
            error[USAGE]: 'symbi-node agent' has no verb "lst"
              why: its verbs are run, ls, show, logs, stop, start, restart, update, rollback, rm, annotate, ask, tell
              fix: did you mean 'ls'? see 'symbi-node agent --help'
            exit 2
        "#]],
    );
}

#[test]
fn an_unknown_flag() {
    check(
        &["start", "--data-dri", "d"],
        expect![[r#"
        error[USAGE]: 'symbi-node start' takes no --data-dri
          fix: did you mean '--data-dir'? see 'symbi-node start --help'
        exit 2
    "#]],
    );
}

#[test]
fn values_out_of_range_or_of_another_kind() {
    check(
        &["token", "create", "--uses", "0"],
        expect![[r#"
            error[USAGE]: "0" is not a valid value for --uses <USES>
              why: 0 is not in 1..=1000
              fix: see 'symbi-node token create --help'
            exit 2
        "#]],
    );
    check(
        &["token", "create", "--ttl", "soon"],
        expect![[r#"
            error[USAGE]: "soon" is not a valid value for --ttl <DURATION>
              why: expected number at 0; write it as 30m, 24h or 7d
              fix: see 'symbi-node token create --help'
            exit 2
        "#]],
    );
    check(
        &["start", "--listen", "n1"],
        expect![[r#"
            error[USAGE]: "n1" is not a valid value for --listen <ADDR>
              why: invalid socket address syntax
              fix: see 'symbi-node start --help'
            exit 2
        "#]],
    );
    check(
        &["cluster", "status", "-o", "xml"],
        expect![[r#"
            error[USAGE]: "xml" is not a valid value for --output <FORMAT>
              why: it takes one of: table, json
              fix: see 'symbi-node cluster status --help'
            exit 2
        "#]],
    );
    check(
        &["audit", "tail", "--follow=soon"],
        expect![[r#"
            error[USAGE]: unexpected value 'soon' for '--follow' found; no more were expected
              fix: see 'symbi-node audit tail --help'
            exit 2
        "#]],
    );
    check(
        &["audit", "export"],
        expect![[r#"
        error[USAGE]: 'symbi-node audit export' needs --bundle <FILE>
          fix: see 'symbi-node audit export --help'
        exit 2
    "#]],
    );
    check(
        &["agent", "ask", "a"],
        expect![[r#"
        error[USAGE]: 'symbi-node agent ask' needs <PAYLOAD>
          fix: see 'symbi-node agent ask --help'
        exit 2
    "#]],
    );
}

#[test]
fn http_beyond_loopback() {
    check(
        &["start", "--data-dir", "d", "--http", "0.0.0.0:8080"],
        expect![[r#"
        error[HTTP_LISTEN]: 0.0.0.0:8080 is not a loopback address
          why: there is no TLS on the HTTP interface, so its tokens would cross the network in the clear
          fix: use --http 127.0.0.1:8080, and a tunnel from elsewhere
        exit 2
    "#]],
    );
}

#[test]
fn nothing_is_made_for_a_wrong_http_address() {
    let place = Place::new();
    place.run(&["--data-dir", "d", "--http", "[::]:8080"]);
    assert!(!place.path().join("d").exists());
}

#[test]
fn version() {
    let version = format!("symbi-node {}\nexit 0\n", env!("CARGO_PKG_VERSION"));
    for arguments in [["version"], ["--version"]] {
        assert_eq!(Place::new().run(&arguments).shown(), version);
    }
}

#[test]
fn a_payload_that_is_not_json() {
    check(
        &["agent", "ask", "a", "hello"],
        expect![[r#"
        error[PAYLOAD]: the payload is not JSON
          why: expected value at line 1 column 1
          fix: quote texts: '"hello"'
        exit 2
    "#]],
    );
    check(
        &["agent", "tell", "a", "@nowhere.json"],
        expect![[r#"
        error[FILE]: cannot read the payload
          why: No such file or directory (os error 2)
          fix: name a file that is there: @question.json
        exit 1
    "#]],
    );
}

#[test]
fn no_node_and_no_token() {
    check(
        &["cluster", "status", "--addr", "127.0.0.1:1"],
        expect![[r#"
        error[UNREACHABLE]: cannot reach a node at 127.0.0.1:1
          why: Connection refused (os error 111)
          fix: start one, or name another with --addr HOST:PORT
        exit 5
    "#]],
    );
    check(
        &["cluster", "status", "--data-dir", "n1"],
        expect![[r#"
        error[UNREACHABLE]: cannot reach a node at n1/api.sock
          why: No such file or directory (os error 2)
          fix: start one, or name another with --addr HOST:PORT
        exit 5
    "#]],
    );
    check(
        &["cluster", "status", "--api-token-file", "nowhere"],
        expect![[r#"
        error[TOKEN_FILE]: cannot read the API token from nowhere
          why: No such file or directory (os error 2)
          fix: name a readable file with --api-token-file, or set SYMBI_TOKEN
        exit 1
    "#]],
    );
    let place = Place::new();
    let _ = place.file("symbi-data/boot", "1");
    let ran = place.run(&["cluster", "status"]);
    assert_eq!(ran.code, 5, "{}", ran.err);
    assert!(ran.err.contains("cannot reach a node at symbi-data/api.sock"), "no other node is meant: {}", ran.err);
    let ran = place.run_with(&[("SYMBI_ADDR", "127.0.0.1:1"), ("SYMBI_TOKEN_FILE", "none")], &["agent", "ls"]);
    assert_eq!(ran.code, 1, "SYMBI_TOKEN_FILE is read before a node is sought: {}", ran.err);
    let both = [("SYMBI_ADDR", "127.0.0.1:1"), ("SYMBI_TOKEN_FILE", "none"), ("SYMBI_TOKEN", "t")];
    assert_eq!(place.run_with(&both, &["agent", "ls"]).code, 5, "SYMBI_TOKEN comes before SYMBI_TOKEN_FILE");
}

#[test]
fn a_file_that_is_not_there() {
    for verb in [&["agent", "run"][..], &["audit", "verify"], &["policy", "apply"]] {
        check(
            &[verb, &["nowhere"]].concat(),
            expect![[r#"
            error[FILE]: cannot read nowhere
              why: No such file or directory (os error 2)
              fix: name a file that is there and that this user can read
            exit 1
        "#]],
        );
    }
}
