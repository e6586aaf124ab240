//! Histories whose verdict is known.

use crate::drawing::history;
use std::time::Duration;
use symbi_history::{Error, History, MOST};

fn holds(what: &str, drawing: &str) {
    if let Err(error) = history(drawing).check() {
        panic!("{what}: {error}");
    }
}

/// Asserts that there is no order, and that of all operations exactly those whose texts are given suffice to show it.
fn fails(what: &str, drawing: &str, core: &[&str]) {
    let contradiction = match history(drawing).check() {
        Err(Error::NotLinearizable(contradiction)) => contradiction,
        other => panic!("{what}: {other:?}"),
    };
    let text = contradiction.to_string();
    let marked: Vec<&str> = text.lines().filter(|line| line.starts_with('>')).collect();
    let found = core.iter().filter(|what| marked.iter().any(|line| line.ends_with(**what))).count();
    assert_eq!((found, marked.len()), (core.len(), core.len()), "{what}, marked are not {core:?}: {text}");
}

#[test]
fn one_after_the_other() {
    holds("nothing", "");
    holds("a read of nothing", "[r-]");
    holds("written, read", "[w1] [r1] [r1] [w2] [r2]");
    holds("removed", "[w1] [r1] [w-] [r-] [w1] [r1]");
    fails("a value that nobody wrote", "[w1] [r2]", &["read \"2\""]);
    fails("not there at first", "[r1] [w1]", &["read \"1\""]);
}

#[test]
fn a_read_sees_no_value_that_was_overwritten_before_it_began() {
    fails("stale", "[w1] [w2] [r1]", &["write \"1\"", "write \"2\"", "read \"1\""]);
    fails("stale, at another client", "[w1] [w2]\n          [r1]", &["write \"1\"", "write \"2\"", "read \"1\""]);
    fails("absent again", "[w1] [r-]", &["write \"1\"", "read absent"]);
    holds("overlapping the second write", "[w1] [w2 ]\n      [r1]");
}

#[test]
fn an_acknowledged_write_is_there() {
    fails("lost", "[w1]   [w2]\n            [r1]", &["write \"1\"", "write \"2\"", "read \"1\""]);
    fails("both lost", "[w1 ]\n [w2]\n      [r-]", &["write \"2\"", "read absent"]);
}

#[test]
fn reads_do_not_go_back() {
    let drawing = "[w1] [w2            ]\n        [r2] [r1]";
    fails("back, while the write goes on", drawing, &["write \"1\"", "write \"2\"", "read \"2\"", "read \"1\""]);
    holds("forth", "[w1] [w2            ]\n        [r1] [r2]");
    holds("two clients at once", "[w1] [w2            ]\n        [r2]\n        [r1]");
    let two = "[w1] [w2            ]\n        [r2]\n             [r1]";
    fails("back, at another client", two, &["write \"1\"", "write \"2\"", "read \"2\"", "read \"1\""]);
}

#[test]
fn what_was_visible_does_not_vanish() {
    let drawing = "     [w1        >\n        [r1] [r-]";
    fails("of a pending write", drawing, &["write \"1\"", "read \"1\"", "read absent"]);
    fails("of a done one", "[w1] [r1] [r-]", &["write \"1\"", "read absent"]);
}

#[test]
fn a_write_of_unknown_fate_may_have_happened_at_any_time_or_never() {
    holds("never", "[w1] [w2 >\n          [r1] [r1] [r1]");
    holds("at once", "[w1] [w2 >\n          [r2] [r2]");
    holds("later", "[w1] [w2 >\n          [r1] [r1] [r2]");
    holds("after other writes", "[w1] [w2 >\n          [w3] [r3] [r2]");
    holds("several", "[w1 >\n  [w2 >\n    [w3 >\n      [r3] [r1] [r2]");
    holds("the same value twice", "[w1 >\n  [w1 >\n    [w2] [r1] [w3] [r1]");
    fails("not before its call", "     [w2 >\n[r2]", &["read \"2\""]);
    let twice = "[w1 >\n    [w2] [r1] [w3] [r1]";
    fails("not twice", twice, &["write \"1\"", "read \"1\"", "write \"3\"", "read \"1\""]);
    let back = "[w1 ] [w2 >\n             [r2]\n                  [r1]";
    fails("not undone", back, &["write \"1\"", "write \"2\"", "read \"2\"", "read \"1\""]);
}

#[test]
fn a_read_of_unknown_fate_says_nothing() {
    holds("a read that never returned", "[w1] [r1 >\n          [w2] [r2]");
}

#[test]
fn operations_that_overlap_may_be_in_any_order() {
    holds("either write last: 1", "[w1    ]\n[w2    ]\n          [r1] [r1]");
    holds("either write last: 2", "[w1    ]\n[w2    ]\n          [r2] [r2]");
    fails(
        "but one",
        "[w1    ]\n[w2    ]\n          [r1] [r2]",
        &["write \"1\"", "write \"2\"", "read \"1\"", "read \"2\""],
    );
    // Herlihy & Wing's register H6 and H7, with a value more.
    holds("a chain of overlaps", "[w1  ]  [r2  ]\n    [w2  ] [r2]\n  [r1 ]   [r2]");
    holds("the same instant", "[w1]\n   [r-]");
    // Three readers that saw two concurrent writes in both orders.
    let both = "[w1           ]\n[w2           ]\n[r1 ] [r2]\n[r2 ] [r1]";
    fails(
        "seen in both orders",
        both,
        &["write \"1\"", "write \"2\"", "read \"1\"", "read \"2\"", "read \"2\"", "read \"1\""],
    );
}

#[test]
fn keys_are_judged_apart() {
    let mut history = History::default();
    let at = Duration::ZERO;
    for key in ["a", "b"] {
        let write = history.write("c", key, Some(key.to_owned()), at);
        history.wrote(&write, at);
    }
    let read = history.read("c", "a", at);
    history.saw(&read, Some("a".to_owned()), at);
    let pending = history.read("c", "b", at);
    let checked = history.check().expect("a linearizable history");
    assert_eq!((checked.keys, checked.reads, checked.writes, checked.unknown), (2, 1, 2, 1));
    history.saw(&pending, Some("a".to_owned()), at);
    let error = history.check().unwrap_err().to_string();
    assert!(error.starts_with("key b is not linearizable"), "{error}");
}

#[test]
fn what_was_refused_has_not_happened() {
    let mut history = History::default();
    let at = Duration::ZERO;
    let refused = history.write("c", "k", Some("1".to_owned()), at);
    history.refused(&refused);
    let read = history.read("c", "k", at);
    history.saw(&read, Some("1".to_owned()), at);
    assert!(matches!(history.check(), Err(Error::NotLinearizable(_))));
}

#[test]
fn a_contradiction_is_shown_up_to_the_return_that_made_it() {
    let drawing = "[w1] [r1] [w2]      [r2]\n               [r1]      [w3] [r3]\n      [w9 >";
    let error = history(drawing).check().unwrap_err().to_string();
    let expected = "key k is not linearizable: of its 5 operations the 3 marked > have no order
    called (s) returned (s)  client   operation
>     0.000000     3.000000  c0       write \"1\"
      5.000000     8.000000  c0       read \"1\"
      6.000000      unknown  c2       write \"9\"
>    10.000000    13.000000  c0       write \"2\"
>    15.000000    18.000000  c1       read \"1\"";
    assert_eq!(error, expected);
}

#[test]
fn a_key_with_too_many_operations_is_not_judged() {
    let mut history = History::default();
    for _ in 0..=MOST {
        let read = history.read("c", "k", Duration::ZERO);
        history.saw(&read, None, Duration::ZERO);
    }
    let error = history.check().unwrap_err().to_string();
    assert_eq!(error, "key k has 1001 operations; at most 1000 of a key are judged");
}
