//! Every verb's `--help`, as golden text in `help/`, a file for each noun: a change of it shows in a review, and each teaches by an example.

use crate::program::Place;
use expect_test::expect_file;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Every noun and verb below `path`, by what the help of each lists.
pub fn verbs(place: &Place, path: Vec<String>, found: &mut Vec<(Vec<String>, String)>) {
    let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
    arguments.push("--help");
    let ran = place.run(&arguments);
    assert_eq!(ran.code, 0, "{path:?}: {}", ran.err);
    let listed = ran.out.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names: Vec<String> = listed
        .take_while(|line| !line.is_empty())
        // A description that is wrapped goes on further to the right.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect();
    found.push((path.clone(), ran.out));
    for name in names {
        verbs(place, [path.clone(), vec![name]].concat(), found);
    }
}

#[test]
fn each_verb_has_the_help_that_was_reviewed() {
    let mut found = Vec::new();
    verbs(&Place::new(), Vec::new(), &mut found);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/help");
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for (path, text) in &found {
        let noun = path.first().map_or("symbi-node", String::as_str);
        let whole = files.entry(format!("{noun}.txt")).or_default();
        whole.push_str(&format!(
            "$ symbi-node {}\n{text}\n",
            [path.as_slice(), &["--help".to_owned()]].concat().join(" ")
        ));
    }
    for (file, text) in &files {
        expect_file![folder.join(file)].assert_eq(text);
    }
    let kept = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(kept.collect::<BTreeSet<_>>().iter().eq(files.keys()), "help/ has a file for each noun and no other");
}

#[test]
fn each_noun_and_verb_teaches_by_examples() {
    let mut found = Vec::new();
    verbs(&Place::new(), Vec::new(), &mut found);
    for (path, text) in found {
        let examples = text.split_once("\nExamples:\n").map(|(_, rest)| rest);
        let named = examples.is_some_and(|rest| path.iter().all(|word| rest.contains(word.as_str())));
        assert!(named, "the help of {path:?} has no example of it:\n{text}");
    }
}

#[test]
fn a_noun_alone_says_what_verbs_it_has() {
    let ran = Place::new().run(&["agent"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.starts_with("error[USAGE]: 'symbi-node agent' needs a verb\n  why: its verbs are run, "),
        "{}",
        ran.err
    );
}
