//! Policy sets that are refused before they are proposed, with the place of what is wrong.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use std::thread;
use symbi_policy::{STARTER, check, schema_text};

fn refused(text: &str, expected: Expect) {
    expected.assert_eq(&check(text).expect_err("it is wrong").to_string());
}

#[test]
fn the_starter_set_passes_and_the_schema_names_every_action() {
    check(STARTER).unwrap();
    for action in [
        "agent::create",
        "agent::update",
        "agent::stop",
        "agent::delete",
        "message::ask",
        "message::tell",
        "message::receive",
    ] {
        assert!(schema_text().contains(&format!("\"{action}\"")));
    }
}

#[test]
fn grammar_errors_have_line_and_column() {
    check("").unwrap();
    refused(
        "permit (principal, action, resource);\npermit (principal, action\n  resource);",
        expect![
            "line 3, column 3: unexpected token `resource` (expected `!=`, `)`, `,`, `:`, `<`, `<=`, `==`, `>`, `>=`, `in`, or `is`)"
        ],
    );
}

#[test]
fn unknown_names_are_refused() {
    refused(
        "// one\npermit (principal, action == Action::\"agent::stopp\", resource);",
        expect![[
            r#"line 2, column 30: for policy `policy0`, unrecognized action `Action::"agent::stopp"` (did you mean `Action::"agent::stop"`?)"#
        ]],
    );
    refused(
        "permit (principal is Nodes, action, resource);",
        expect!["line 1, column 22: for policy `policy0`, unrecognized entity type `Nodes` (did you mean `Node`?)"],
    );
    refused(
        "permit (principal is Agent, action, resource) when {\n  principal.ownr == \"red\" };",
        expect![
            "line 2, column 3: for policy `policy0`, attribute `ownr` on entity type `Agent` not found (did you mean `owner`?)"
        ],
    );
    refused(
        "permit (principal is User, action, resource) when { principal.name == 3 };",
        expect![
            "line 1, column 53: the types Long and String are not compatible (for policy `policy0`, both operands to a `==` expression must have compatible types. Types must be exactly equal to be compatible)"
        ],
    );
}

#[test]
fn templates_are_refused() {
    refused(
        "permit (principal == ?principal, action, resource);",
        expect!["line 1, column 22: policy0 has a slot (?principal or ?resource), and there is nothing to fill it"],
    );
}

#[test]
fn deep_nesting_is_refused_before_parsing() {
    let nested = |depth: usize| {
        let (open, close) = ("(".repeat(depth), ")".repeat(depth));
        format!("permit (principal, action, resource) when {{ {open}true{close} }};")
    };
    refused(&nested(200), expect!["line 1, column 76: brackets and ifs nest deeper than 32"]);
    refused(&nested(100_000), expect!["line 1, column 76: brackets and ifs nest deeper than 32"]);
    check(&nested(31)).unwrap();
    let ifs = format!("permit (principal, action, resource) when {{ {}true }};", "if true then false else ".repeat(40));
    refused(&ifs, expect!["line 1, column 789: brackets and ifs nest deeper than 32"]);
}

#[test]
fn brackets_in_strings_and_comments_do_not_nest() {
    let brackets = "(".repeat(100);
    let text = format!(
        "// {brackets}\npermit (principal is User, action, resource) when {{ principal.name == \"\\\"{brackets}\" }};"
    );
    check(&text).unwrap();
}

#[test]
fn long_chains_are_refused_and_the_longest_allowed_one_is_safe_on_a_small_stack() {
    let chain = |terms: usize| {
        let terms = vec!["principal.name == \"x\""; terms].join(" || ");
        format!("permit (principal is User, action, resource) when {{ {terms} }};")
    };
    refused(
        &chain(400),
        expect!["line 1, column 4218: a policy has more than 500 operators: use a set, or several policies"],
    );
    let small = thread::Builder::new().stack_size(1024 * 1024);
    small.spawn(move || check(&chain(160)).unwrap()).unwrap().join().unwrap();
}

#[test]
fn a_huge_text_is_refused() {
    refused(
        &" ".repeat(300_000),
        expect!["line 1, column 1: a policy set may have 262144 bytes, and this one has 300000"],
    );
}

proptest! {
    #[test]
    fn whatever_the_text_there_is_an_answer(text in "[()\\[\\]{};\"/\\\\a-z &|=.é\n]{0,120}") {
        let _ = check(&text);
        let _ = check(&format!("permit (principal, action, resource) when {{ {text} }};"));
    }
}
