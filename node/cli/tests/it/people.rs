//! What `user` and `api-token` ask a node for and print of its answers, and what is said where a token is not good.

use crate::answers::{against, against_all, http};
use crate::program::Place;
use expect_test::{Expect, expect};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;

fn shown(answer: &Value, arguments: &[&str], expect: Expect) {
    let ran = against(&http("200 OK", &answer.to_string()), arguments);
    expect.assert_eq(&ran.shown());
}

#[test]
fn users_and_tokens_are_listed() {
    let day_ms = 86_400_000_u64;
    let users = json!([
        { "name": "admin", "groups": [], "tokens": 1, "created_by": "node:n1", "created_ms": day_ms },
        { "name": "bob", "groups": ["operator", "viewer"], "tokens": 0, "created_by": "user:admin", "created_ms": day_ms },
    ]);
    shown(
        &users,
        &["user", "ls"],
        expect![[r#"
        NAME   GROUPS           TOKENS  CREATED_BY  CREATED
        admin                   1       node:n1     1970-01-02T00:00:00.000Z
        bob    operator viewer  0       user:admin  1970-01-02T00:00:00.000Z
        exit 0
    "#]],
    );
    let token = |id: &str, user: &str, scope: Value, expires_ms: Value, state: &str| {
        json!({ "id": id, "user": user, "scope": scope, "expires_ms": expires_ms, "state": state,
                "created_by": "user:admin", "created_ms": day_ms })
    };
    let tokens = json!([
        token("4f2a91c07be3", "admin", json!(null), json!(null), "valid"),
        token("5a0000000000", "bob", json!(["agent::stop", "cluster::read"]), json!(2 * day_ms), "expired"),
    ]);
    shown(
        &tokens,
        &["api-token", "ls"],
        expect![[r#"
        ID            USER   STATE    EXPIRES                   CREATED_BY  ACTIONS
        4f2a91c07be3  admin  valid    -                         user:admin  all
        5a0000000000  bob    expired  1970-01-03T00:00:00.000Z  user:admin  agent::stop cluster::read
        exit 0
    "#]],
    );
}

#[test]
fn a_new_token_is_printed_alone_so_that_it_can_be_put_into_a_file() {
    let made = json!({ "id": "4f2a91c07be3", "token": "symbi-token-00", "user": "bob", "scope": null, "expires_ms": null, "index": 7 });
    let ran = against(&http("200 OK", &made.to_string()), &["api-token", "create", "bob", "--ttl", "forever"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "symbi-token-00\n"), "{}", ran.err);
}

#[test]
fn each_verb_asks_for_one_thing() {
    let done = http("200 OK", r#"{"index": 7}"#);
    for (verb, asked) in [
        (&["user", "add", "bob"][..], "POST /api/v1/users"),
        (&["user", "rm", "bob"], "DELETE /api/v1/users/bob"),
        (&["api-token", "revoke", "4F2A91C07BE3"], "DELETE /api/v1/api-tokens/4f2a91c07be3"),
    ] {
        let (ran, heard) = against_all(std::slice::from_ref(&done), verb);
        assert_eq!((ran.code, heard), (0, vec![asked.to_owned()]), "{verb:?}: {}", ran.err);
    }
}

/// The first token was rotated, and the old one is still where it was: it is sent, also over the socket that needs none.
#[test]
fn where_a_token_is_not_good_its_file_is_named() {
    let place = Place::new();
    place.file("n1/admin.token", "symbi-token-old\n");
    let listener = UnixListener::bind(place.path().join("n1/api.sock")).unwrap();
    let refusal = http("401 Unauthorized", r#"{"error": "in words", "code": "UNAUTHENTICATED", "details": {}}"#);
    let node = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
            request.push(byte[0]);
        }
        stream.write_all(refusal.as_bytes()).unwrap();
        String::from_utf8_lossy(&request).into_owned()
    });
    let ran = place.run(&["agent", "ls", "--data-dir", "n1"]);
    assert!(node.join().unwrap().to_ascii_lowercase().contains("authorization: bearer symbi-token-old"));
    expect![[r#"
        error[UNAUTHENTICATED]: in words
          why: the token was read from n1/admin.token, and may have been rotated since
          fix: put the new token into n1/admin.token, or name the file that has it with --api-token-file; the api.sock of a node's own data directory opens without one, once there is no admin.token beside it
        exit 4
    "#]].assert_eq(&ran.shown());
}
