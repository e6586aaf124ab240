//! What proves each verb, flag, variable, route and parameter, in `proofs.txt`: a test that looks at its effect, and not only
//! at how it is read, as `<what>  <crate>/<file>::<function>`.
//!
//! What is in no line fails, and so does a line of what is gone, a proof that is gone, and one whose file does not even name
//! what it proves. Whether it proves it, only a reader can say. (Wrong values are in `cli/tests.rs`, helps in `help/`.)

use crate::help;
use crate::program::Place;
use crate::tidy::sources;
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::Visit;

#[path = "../../../api/tests/it/routes.rs"]
mod routes;

/// The proofs.
const PROOFS: &str = include_str!("proofs.txt");
/// Where the tests of the crates are.
const CRATES: &[(&str, &str)] =
    &[("api", "node/api/tests/it"), ("cluster", "cluster-tests/tests/it"), ("server", "node/server/tests/it")];
/// Headers that the interface reads beside HTTP's own.
const HEADERS: [&str; 2] = ["idempotency-key", "symbi-timeout-ms"];

/// The lines of `proofs.txt`: what, and its proof.
fn proofs() -> BTreeMap<String, String> {
    let lines = PROOFS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let of = |line: &str| line.rsplit_once("  ").map(|(what, proof)| (what.trim().to_owned(), proof.to_owned()));
    lines.map(|line| of(line).unwrap_or_else(|| panic!("no proof: {line}"))).collect()
}

/// The flags that a help lists.
fn flags(help: &str) -> BTreeSet<String> {
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let long = lines.filter_map(|line| line.split([' ', ',']).find(|word| word.starts_with("--")));
    long.filter(|flag| !["--help", "--version"].contains(flag)).map(str::to_owned).collect()
}

/// The variables that a help names.
fn variables(help: &str) -> BTreeSet<String> {
    let words = help.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_');
    words.filter(|word| word.starts_with("SYMBI_")).map(str::to_owned).collect()
}

/// Every verb, its flags, and the variables, by what the program's own helps say. A verb that is none starts a node.
fn command_line() -> BTreeMap<String, BTreeSet<String>> {
    let mut helps = Vec::new();
    help::verbs(&Place::new(), Vec::new(), &mut helps);
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in &helps {
        found.entry(String::new()).or_default().extend(variables(text));
        if !text.contains("\nCommands:\n") || path.is_empty() {
            let verb = if path.is_empty() { "start".to_owned() } else { path.join(" ") };
            found.entry(verb).or_default().extend(flags(text));
        }
    }
    found
}

/// The query parameters of any route: the fields of what its handlers read of a query.
fn parameters() -> BTreeSet<String> {
    #[derive(Default)]
    struct Queries(BTreeSet<String>);
    impl<'ast> Visit<'ast> for Queries {
        fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
            let reads = |attribute: &syn::Attribute| {
                attribute.path().is_ident("derive") && format!("{:?}", attribute.meta).contains("Deserialize")
            };
            if item.attrs.iter().any(reads) {
                let names = item.fields.iter().filter_map(|field| field.ident.as_ref());
                self.0.extend(names.map(|name| format!("?{name}")));
            }
        }
    }
    let mut queries = Queries::default();
    for (path, text) in sources() {
        if path == "node/api/src/read.rs" || path.starts_with("node/api/src/routes") {
            queries.visit_file(&syn::parse_file(&text).unwrap_or_else(|error| panic!("{path}: {error}")));
        }
    }
    queries.0
}

/// Texts of which a test's file has one, if it looks at `what` at all.
fn names_of(what: &str) -> Vec<String> {
    if let Some((_, path)) = what.split_once(" /") {
        let last = path.rsplit('/').find(|part| !part.starts_with('{')).unwrap_or_default();
        return vec![if path.ends_with('}') { format!("/{last}/") } else { format!("/{last}") }];
    }
    let last = what.rsplit(' ').next().unwrap_or_default();
    match last {
        "start" => vec![".start(".to_owned()],
        flag if flag.starts_with("--") => vec![format!("\"{flag}\"")],
        parameter if parameter.starts_with('?') => vec![format!("{parameter}=")],
        word => vec![format!("\"{word}\""), format!("\"{what}\""), format!("{word}=")],
    }
}

/// What is wrong with a proof.
fn wrong_with(what: &str, proof: &str, sources: &BTreeMap<String, String>) -> Option<String> {
    let parts = proof.split_once("::").and_then(|(file, function)| {
        let (crate_, file) = file.split_once('/')?;
        let (_, folder) = CRATES.iter().find(|(name, _)| *name == crate_)?;
        Some((format!("{folder}/{file}.rs"), function))
    });
    let Some((file, function)) = parts else {
        return Some(format!("{what}: {proof} is no <crate>/<file>::<function>"));
    };
    let Some(text) = sources.get(&file) else { return Some(format!("{what}: there is no {file}")) };
    if !text.contains(&format!("fn {function}()")) {
        return Some(format!("{what}: there is no test {function} in {file}"));
    }
    let names = names_of(what);
    let is_named = names.iter().any(|name| text.contains(name.as_str()));
    (!is_named).then(|| format!("{what}: none of {names:?} is in {file}"))
}

#[test]
fn each_verb_flag_variable_route_and_parameter_has_a_proof() {
    let (proofs, mut wrong) = (proofs(), Vec::new());
    let mut known: BTreeSet<String> = HEADERS.map(str::to_owned).into();
    for (verb, flags) in command_line() {
        // A flag's own line for the verb comes before the one for wherever it occurs.
        let of_verb = |flag: String| match format!("{verb} {flag}") {
            whole if proofs.contains_key(&whole) => whole,
            _ => flag,
        };
        known.extend(flags.into_iter().map(of_verb));
        known.extend((!verb.is_empty()).then_some(verb));
    }
    known.extend(routes::all().into_iter().map(|(method, path)| format!("{method} {path}")));
    known.extend(parameters());
    wrong.extend(
        known.iter().filter(|what| !proofs.contains_key(*what)).map(|what| format!("{what}: nothing proves it")),
    );
    wrong.extend(
        proofs.keys().filter(|what| !known.contains(*what)).map(|what| format!("{what}: there is no such thing")),
    );
    let sources = sources();
    wrong.extend(proofs.iter().filter_map(|(what, proof)| wrong_with(what, proof, &sources)));
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), proofs.len(), wrong.join("\n"));
    assert!(proofs.len() > 120, "{} things to prove", proofs.len());
}
