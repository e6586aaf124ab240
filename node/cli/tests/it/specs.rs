//! A specification that cannot be one: the line, the key, and what was meant; no node is asked.

use crate::program::Place;
use expect_test::{Expect, expect};

const GOOD: &str = "name = \"a\"\nowner = \"o\"\n[program]\ncommand = [\"true\"]\n";

fn check(text: &str, expect: Expect) {
    let place = Place::new();
    place.file("agent.toml", text);
    expect.assert_eq(&place.run(&["agent", "run", "agent.toml"]).shown());
}

#[test]
fn an_unknown_key_is_named_with_what_was_meant() {
    check(
        &format!("{GOOD}max_inflight = 2\n"),
        expect![[r#"
            error[SPEC]: agent.toml is not a valid agent specification
              why: TOML parse error at line 5, column 1
                     |
                   5 | max_inflight = 2
                     | ^^^^^^^^^^^^
                   unknown field `max_inflight`, expected one of `command`, `env`, `max_in_flight`; did you mean `max_in_flight`?
              fix: see the example in 'symbi-node agent run --help'
            exit 2
        "#]],
    );
    check(
        &format!("onwer = \"o\"\n{GOOD}"),
        expect![[r#"
            error[SPEC]: agent.toml is not a valid agent specification
              why: TOML parse error at line 1, column 1
                     |
                   1 | onwer = "o"
                     | ^^^^^
                   unknown field `onwer`, expected one of `name`, `owner`, `program`, `messages`, `resources`, `placement`, `restart`, `labels`; did you mean `owner`?
              fix: see the example in 'symbi-node agent run --help'
            exit 2
        "#]],
    );
    check(
        &format!("{GOOD}[limits]\n"),
        expect![[r#"
            error[SPEC]: agent.toml is not a valid agent specification
              why: TOML parse error at line 5, column 2
                     |
                   5 | [limits]
                     |  ^^^^^^
                   unknown field `limits`, expected one of `name`, `owner`, `program`, `messages`, `resources`, `placement`, `restart`, `labels`
              fix: see the example in 'symbi-node agent run --help'
            exit 2
        "#]],
    );
}

#[test]
fn a_wrong_type() {
    check(
        &format!("{GOOD}[resources]\nmemory_mb = \"128\"\n"),
        expect![[r#"
            error[SPEC]: agent.toml is not a valid agent specification
              why: TOML parse error at line 6, column 13
                     |
                   6 | memory_mb = "128"
                     |             ^^^^^
                   invalid type: string "128", expected u64
              fix: see the example in 'symbi-node agent run --help'
            exit 2
        "#]],
    );
    check(
        &format!("{GOOD}[resources]\ncpu_millis = -1\n"),
        expect![[r#"
            error[SPEC]: agent.toml is not a valid agent specification
              why: TOML parse error at line 6, column 14
                     |
                   6 | cpu_millis = -1
                     |              ^^
                   invalid value: integer `-1`, expected u64
              fix: see the example in 'symbi-node agent run --help'
            exit 2
        "#]],
    );
    check(
        "name = \"a\"\nowner = \"o\"\n[program]\ncommand = \"true\"\n",
        expect![[r#"
            error[SPEC]: agent.toml is not a valid agent specification
              why: TOML parse error at line 4, column 11
                     |
                   4 | command = "true"
                     |           ^^^^^^
                   invalid type: string "true", expected a sequence
              fix: see the example in 'symbi-node agent run --help'
            exit 2
        "#]],
    );
}

#[test]
fn a_missing_key() {
    check(
        "owner = \"o\"\n[program]\ncommand = [\"true\"]\n",
        expect![[r#"
            error[SPEC]: agent.toml is not a valid agent specification
              why: TOML parse error at line 1, column 1
                     |
                   1 | owner = "o"
                     | ^
                   missing field `name`
              fix: see the example in 'symbi-node agent run --help'
            exit 2
        "#]],
    );
}

#[test]
fn values_that_no_agent_can_have() {
    check(
        &GOOD.replace("\"a\"", "\"A b\""),
        expect![[r#"
            error[SPEC]: agent.toml is not a valid agent specification
              why: name: "A b" is no agent name (a-z, 0-9 and '-', at most 63, not starting with 'gateway-')
              fix: see the example in 'symbi-node agent run --help'
            exit 2
        "#]],
    );
    check(
        &format!("{GOOD}[restart]\npolicy = \"sometimes\"\n"),
        expect![[r#"
            error[SPEC]: agent.toml is not a valid agent specification
              why: restart.policy: "sometimes"; it takes "always", "on-failure" or "never"
              fix: see the example in 'symbi-node agent run --help'
            exit 2
        "#]],
    );
    check(
        &format!("{GOOD}[placement]\ntier = \"docker\"\n"),
        expect![[r#"
            error[SPEC]: agent.toml is not a valid agent specification
              why: placement.tier: "docker" is not offered here; it takes "process"
              fix: see the example in 'symbi-node agent run --help'
            exit 2
        "#]],
    );
    check(
        &format!("{GOOD}max_in_flight = 0\n"),
        expect![[r#"
            error[SPEC]: agent.toml is not a valid agent specification
              why: program.max_in_flight: 1 to 1024
              fix: see the example in 'symbi-node agent run --help'
            exit 2
        "#]],
    );
    check(
        &GOOD.replace("[\"true\"]", "[]"),
        expect![[r#"
            error[SPEC]: agent.toml is not a valid agent specification
              why: program.command: the program and its arguments, at least the program
              fix: see the example in 'symbi-node agent run --help'
            exit 2
        "#]],
    );
}

#[test]
fn not_toml() {
    check(
        "{}",
        expect![[r#"
            error[SPEC]: agent.toml is not a valid agent specification
              why: TOML parse error at line 1, column 1
                     |
                   1 | {}
                     | ^
                   invalid key-value pair, expected key
              fix: see the example in 'symbi-node agent run --help'
            exit 2
        "#]],
    );
}

#[test]
fn a_good_one_gets_as_far_as_the_node() {
    let place = Place::new();
    place.file("agent.toml", GOOD);
    let ran = place.run(&["agent", "run", "agent.toml", "--addr", "127.0.0.1:1"]);
    assert_eq!(ran.code, 5, "{}", ran.err);
}
