//! What a document keeps, and what is said of one that cannot be read.

use super::{Document, Error};
use crate::agent::{Account, Exit, Recorded, Resources, Spec};
use crate::codec;
use expect_test::expect;
use std::collections::{BTreeMap, BTreeSet};

fn spec() -> Spec {
    Spec {
        env: BTreeMap::from([("K".to_owned(), "V".to_owned())]),
        answer_within_ms: 90_000,
        labels: BTreeSet::from(["team=x".to_owned()]),
        resources: Resources { memory_mb: 128, cpu_millis: 250 },
        ..Spec::new("a1".parse().expect("a name"), "demo", vec!["python3".to_owned(), "a.py".to_owned()])
    }
}

fn text(document: &Document) -> String {
    String::from_utf8(document.as_bytes().to_vec()).expect("JSON")
}

/// Whoever changes these bytes changes every spec that is recorded, and its keyed hash in every audit.
#[test]
fn documents_keep_their_bytes() {
    let bare = Spec::new("b".parse().expect("a name"), "demo", vec!["true".to_owned()]);
    let account = Account { exit: Some(Exit { code: Some(3), signal: None }) };
    let documents =
        [Document::of(&spec()), Document::of(&bare), Document::of(&account), Document::of(&Account::default())];
    expect![[r#"
        {"version":1,"name":"a1","owner":"demo","command":["python3","a.py"],"env":{"K":"V"},"max_in_flight":1,"answer_within_ms":90000,"resources":{"memory_mb":128,"cpu_millis":250},"tier":"process","restart":"always","labels":["team=x"],"strategy":"spread","priority":0}
        {"version":1,"name":"b","owner":"demo","command":["true"],"max_in_flight":1,"resources":{"memory_mb":0,"cpu_millis":0},"tier":"process","restart":"always","strategy":"spread","priority":0}
        {"version":1,"exit":{"code":3}}
        {"version":1}"#]]
    .assert_eq(&documents.iter().map(text).collect::<Vec<_>>().join("\n"));
    assert_eq!(documents[0].read(), Ok(spec()));
    assert_eq!(documents[2].read(), Ok(account));
    assert_eq!((Account::default().document(), account.document()), (None, Some(documents[2].clone())));
}

#[test]
fn what_a_later_version_says_survives_a_program_that_does_not_know_it() {
    let later = text(&Document::of(&spec()))
        .replace("\"version\":1", "\"version\":9")
        .replace("\"priority\":0", "\"priority\":0,\"mood\":{\"on\":[1,2]}");
    let later = Recorded { document: Document::unread(9, later.as_bytes()), ..Recorded::from(spec()) };
    let bytes = codec::encode(&later);
    let back: Recorded = codec::decode(&bytes, bytes.len()).expect("it is passed on");
    assert_eq!((codec::encode(&back), &back), (bytes, &later));
    assert!(text(&back.document).ends_with(",\"mood\":{\"on\":[1,2]}}"), "not a byte is lost");
    assert_eq!(back.document.gate(), 9, "the gate that must be open for it");
    assert_eq!(back.skim(), Ok(spec()), "what is known of it is shown");
    assert!(matches!(back.read(), Err(Error::Newer { found: 9, .. })), "it is not run without knowing all of it");
}

#[test]
fn what_cannot_be_read_is_refused_with_its_place() {
    let of = |from: &str, to: &str| {
        let changed = text(&Document::of(&spec())).replace(from, to);
        let recorded = Recorded { document: Document::unread(1, changed.as_bytes()), ..Recorded::from(spec()) };
        recorded.read().expect_err("it was changed").to_string()
    };
    let errors = [
        of("\"memory_mb\":128", "\"memory_mb\":\"128\""),
        of("\"V\"", "7"),
        of("[\"team=x\"]", "[\"team=x\",3]"),
        of("\"restart\":\"always\"", "\"restart\":\"sometimes\""),
        of("\"owner\":\"demo\",", ""),
        of("\"priority\":0", "\"priority\":0,\"mood\":1"),
        of("\"env\":{\"K\":\"V\"}", "\"env\":{\"K\":\"V\"},\"require\":[]"),
        of(",\"strategy\":\"spread\",\"priority\":0", ",\"priority\":0,\"strategy\":\"spread\""),
        of("\"version\":1", "\"version\":2"),
        of("\"memory_mb\":128", "\"memory_mb\":64"),
        of("{\"version\"", "[\"version\""),
    ];
    expect![[r#"
        spec.resources.memory_mb: invalid type: string "128", expected u64
        spec.env.K: invalid type: integer `7`, expected a string
        spec.labels[1]: invalid type: integer `3`, expected a string
        spec.restart: unknown variant `sometimes`, expected one of `always`, `on-failure`, `never`
        spec..: missing field `owner`
        spec.mood: version 1 does not write this
        spec.require: version 1 does not write this
        spec.(order): version 1 does not write this
        this spec is no document: it says version 2, but version 1
        what is recorded beside this spec does not belong to it
        this spec is no document: expected `,` or `]` at line 1 column 11"#]]
    .assert_eq(&errors.join("\n"));
}
