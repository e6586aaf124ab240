//! Every flag and argument of every verb, given a wrong value: refused with exit code 2, before any node is asked, with what
//! is wrong, why, and where the answer is. A new flag without a case here fails the test.

use super::{Arguments, parse, run};
use clap::{Arg, Command, CommandFactory};
use std::ffi::OsString;
use symbi_server::failure::Failure;

/// Longer than a note may be.
const LONG: &str = const {
    const BYTES: [u8; 4097] = [b'v'; 4097];
    match str::from_utf8(&BYTES) {
        Ok(text) => text,
        Err(_) => panic!("letters"),
    }
};

/// Wrong values of a flag: under its name wherever it occurs, or under the verb's and its name where it means something else.
const WRONG: &[(&str, &[&str])] = &[
    ("addr", &["", "nowhere", "host:", ":80", "host:99999", "host:0", "http://", "a b:80"]),
    ("api_token_file", &[""]),
    ("data_dir", &[""]),
    ("timeout", &["", "soon", "5", "0s", "-1s"]),
    ("format", &["", "xml", "TABLE"]),
    ("name", &["", "Not A Label", "a/b", "a.b", "ü"]),
    ("from", &["", "Not A Label"]),
    ("start name", &["", "Not A Label", "-n", "n1.example"]),
    ("start cluster_name", &["", "two words", "a.b"]),
    ("start domain", &["", "two words", "a..b", ".a"]),
    ("start listen", &["", "n1", "127.0.0.1", "127.0.0.1:99999"]),
    ("start advertise_addr", &["", "n1", "127.0.0.1"]),
    ("start http", &["", "8080", "localhost:8080"]),
    ("start ready_file", &[""]),
    ("start labels", &["", "two words", "node=n1", "ü"]),
    ("start max_agents", &["", "-1", "many", "1000001"]),
    ("node remove name", &["", "Not A Label", "a/b"]),
    ("start join", &["", " "]),
    // Looked at when there is a join to be done, with an exit code of the join's own.
    ("start token", &[]),
    ("start token_file", &[""]),
    ("start join_timeout", &["", "soon", "0s"]),
    ("token create uses", &["", "0", "1001", "-1", "many"]),
    ("token create ttl", &["", "soon", "0s", "91days"]),
    ("token revoke id", &["", "xyz"]),
    ("api-token create user", &["", "Not A Label", "a/b"]),
    ("api-token create actions", &["", "Agent::create", "agent create"]),
    ("api-token create ttl", &["", "soon", "0s", "11years"]),
    ("api-token revoke id", &["", "xyz"]),
    ("agent run file", &[""]),
    ("agent update file", &[""]),
    ("agent update version", &["", "-1", "last"]),
    ("agent rollback version", &["", "-1", "last"]),
    ("agent start version", &["", "-1", "last"]),
    ("agent restart version", &["", "-1", "last"]),
    ("agent logs lines", &["", "0", "1001", "all"]),
    ("agent annotate key", &["", LONG]),
    ("agent annotate value", &[LONG]),
    ("agent ask payload", &["", "hello", "{"]),
    ("agent tell payload", &["", "hello", "{"]),
    ("audit verify pin", &["", "xyz", LONG]),
    ("audit verify not_before", &["", "soon", "2027-13-01T00:00:00Z"]),
    ("upgrade finalize gate", &["", "0", "-1", "next"]),
    ("policy apply path", &[""]),
    ("policy show number", &["", "x", "-1", "1.5"]),
    ("policy diff from", &["", "x", "-1"]),
    ("policy diff to", &["", "x", "-1"]),
    ("policy rollback number", &["", "x", "-1"]),
    ("policy test cases", &[""]),
    ("policy test path", &[""]),
    ("msg show id", &["", "xyz", "0198/.."]),
    ("msg status id", &["", "xyz"]),
    ("clients", &["", "0", "1025", "many"]),
    ("seconds", &["", "0", "301", "-1"]),
    ("sessions", &["", "many"]),
    ("layers", &["", "everything"]),
    ("why decision id", &["", "xyz", "1f0c9a2b/.."]),
    ("audit tail records", &["", "0", "1001", "all"]),
    ("audit export bundle", &[""]),
    ("audit verify file", &[""]),
    ("audit verify anchor", &["", "00", "zz"]),
];

/// A right value of what a verb needs beside the flag that is wrong.
const RIGHT: &[(&str, &str)] = &[
    ("name", "a"),
    ("user", "a"),
    ("key", "k"),
    ("value", "v"),
    ("payload", "1"),
    ("file", "f"),
    ("id", "00"),
    ("bundle", "b"),
    ("path", "p"),
    ("cases", "c"),
    ("from", "1"),
    ("to", "2"),
    ("number", "1"),
];

/// The verbs below `command`, by their words.
fn leaves(command: &Command, path: &[String], found: &mut Vec<(Vec<String>, Command)>) {
    let mut below = command.get_subcommands().filter(|verb| verb.get_name() != "help").peekable();
    if below.peek().is_none() {
        found.push((path.to_vec(), command.clone()));
    }
    for verb in below {
        leaves(verb, &[path, &[verb.get_name().to_owned()]].concat(), found);
    }
}

fn verbs() -> Vec<(Vec<String>, Command)> {
    let mut root = Arguments::command();
    root.build();
    let mut found = Vec::new();
    leaves(&root, &[], &mut found);
    found
}

fn takes_a_value(arg: &&Arg) -> bool {
    arg.get_action().takes_values() && !arg.is_global_set()
}

fn of<'table, T: ?Sized>(table: &'table [(&str, &'table T)], verb: &str, arg: &Arg) -> Option<&'table T> {
    let id = arg.get_id().as_str();
    let whole = format!("{verb} {id}");
    let find = |wanted: &str| table.iter().find(|(name, _)| *name == wanted).map(|(_, found)| *found);
    find(&whole).or_else(|| find(id))
}

/// The command line of `verb` with what it needs, and `value` for `arg`.
fn line(path: &[String], command: &Command, arg: &Arg, value: &str) -> Vec<OsString> {
    let verb = path.join(" ");
    let mut words: Vec<String> = ["symbi-node".to_owned()].into_iter().chain(path.iter().cloned()).collect();
    if !arg.is_positional() {
        words.push(format!("--{}={value}", arg.get_long().expect("every flag has a long name")));
    }
    for needed in command.get_opts().filter(|other| other.is_required_set() && other.get_id() != arg.get_id()) {
        let right = of(RIGHT, &verb, needed).unwrap_or_else(|| panic!("no right value for {verb} {needed}"));
        words.push(format!("--{}={right}", needed.get_long().expect("every flag has a long name")));
    }
    words.push("--".to_owned());
    for place in command.get_positionals() {
        if place.get_id() == arg.get_id() {
            words.push(value.to_owned());
        } else if place.is_required_set() {
            let right = of(RIGHT, &verb, place).unwrap_or_else(|| panic!("no right value for {verb} {place}"));
            words.push(right.to_owned());
        }
    }
    words.into_iter().map(OsString::from).collect()
}

/// How a command line that must be refused is refused.
fn refused(words: Vec<OsString>) -> Option<Failure> {
    let started = words.get(1).is_some_and(|verb| verb == "start");
    match parse(words) {
        Err(failure) => Some(failure),
        Ok(_) if started => None,
        Ok(arguments) => run(arguments).err(),
    }
}

#[test]
fn every_flag_refuses_a_wrong_value_and_says_what_why_and_where() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (path, command) in verbs() {
        let verb = path.join(" ");
        for arg in command.get_arguments().filter(takes_a_value) {
            let Some(values) = of(WRONG, &verb, arg) else {
                wrong.push(format!("'{verb} {}' has no case in WRONG", arg.get_id()));
                continue;
            };
            for value in values {
                seen += 1;
                let words = line(&path, &command, arg, value);
                let Some(failure) = refused(words.clone()) else {
                    wrong.push(format!("{words:?} is taken"));
                    continue;
                };
                let told = failure.why.is_some() || value.is_empty();
                if failure.exit != 2 || !told || failure.fix.is_none() {
                    wrong.push(format!("{words:?}: exit {}\n{failure}", failure.exit));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {seen}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(seen > 200, "{seen} cases");
}

#[test]
fn no_case_is_of_a_flag_that_is_gone() {
    let verbs = verbs();
    let known = |name: &str| {
        verbs.iter().any(|(path, command)| {
            command.get_arguments().any(|arg| {
                let id = arg.get_id().as_str();
                name == id || name == format!("{} {id}", path.join(" "))
            })
        })
    };
    let gone: Vec<&str> = WRONG.iter().map(|(name, _)| *name).filter(|name| !known(name)).collect();
    assert!(gone.is_empty(), "{gone:?}");
}

#[test]
fn every_verb_teaches_by_examples_of_itself() {
    for (path, command) in verbs() {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let example = help.split_once("Examples:\n").map(|(_, rest)| rest).unwrap_or_default();
        let named = example.contains(&format!("symbi-node {}", path.join(" ")));
        assert!(named, "the help of {path:?} has no 'Examples:' with a line of its own:\n{help}");
    }
}
