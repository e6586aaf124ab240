//! What proves each verb, flag, variable, route and parameter, in `proofs.txt`: a test that looks at its effect, and not only
//! at how it is read, as `<what>  <crate>/<file>::<function>`.
//!
//! What is in no line fails, and so does a line of what is gone, a proof that is gone, and one that does not even name what it
//! proves: a verb behind its group and a flag as arguments of their own, in the test or in what of its file it uses. Whether
//! it proves it, only a reader can say. (Wrong values are in `verbs/tests.rs`, helps in `help/`.)

use crate::help;
use crate::program::Place;
use crate::tidy::sources;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::Visit;

#[path = "../../../api/tests/it/routes.rs"]
mod routes;

/// The proofs.
const PROOFS: &str = include_str!("proofs.txt");
/// Where the tests of the crates are.
const CRATES: &[(&str, &str)] =
    &[("api", "node/api/tests/it"), ("cluster", "cluster-tests/tests/it"), ("cli", "node/cli/tests/it")];
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

/// What a test's source says.
#[derive(Default)]
struct Source {
    /// Its texts, each by itself.
    texts: Vec<String>,
    /// The words of those of one line, in their order: an argument is one, whether it stands alone or in a command line.
    words: Vec<String>,
    /// Its other names, of what it calls for instance.
    names: BTreeSet<String>,
}

impl Source {
    /// That of `function` and of whatever else of its file it names, directly or not.
    fn of(file: &str, function: &str) -> Self {
        let mut items = BTreeMap::new();
        collect_items(file.parse().expect("a file that compiles"), &mut items);
        let mut source = Self::default();
        source.follow(function, &items);
        source
    }

    fn follow(&mut self, name: &str, items: &BTreeMap<String, TokenStream>) {
        if let (Some(body), true) = (items.get(name), self.names.insert(name.to_owned())) {
            self.read(body.clone(), items);
        }
    }

    fn read(&mut self, tokens: TokenStream, items: &BTreeMap<String, TokenStream>) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.read(group.stream(), items),
                TokenTree::Ident(name) => {
                    self.follow(&name.to_string(), items);
                    self.names.insert(name.to_string());
                }
                TokenTree::Literal(literal) => {
                    if let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) {
                        self.take(text.value());
                    }
                }
                TokenTree::Punct(_) => {}
            }
        }
    }

    fn take(&mut self, text: String) {
        // One of several lines is a golden text or a file: what it says of a verb is no call of it.
        if !text.contains('\n') {
            self.words.extend(text.split_whitespace().map(str::to_owned));
        }
        self.texts.push(text);
    }

    /// Whether it has these words, one after the other.
    fn has_words(&self, wanted: &[&str]) -> bool {
        self.words.windows(wanted.len()).any(|words| words == wanted)
    }

    /// Whether it names what is to be proved.
    fn has(&self, what: &str) -> bool {
        let begins = |start: &str| self.words.iter().any(|word| word.starts_with(start));
        if let Some((_, path)) = what.split_once(" /") {
            return self.texts.iter().any(|text| is_below(text, path));
        }
        if what == "start" {
            // Of a node: with its own arguments, with those given alone, or as a client that is expected to end.
            return ["start", "start_with", "arguments"].iter().any(|name| self.names.contains(*name));
        }
        if what.starts_with('?') {
            let and = what.replace('?', "&");
            return self.texts.iter().any(|text| [what, &and].iter().any(|start| text.contains(&format!("{start}="))));
        }
        match what.split_once(" --") {
            Some((verb, flag)) => self.has(verb) && self.has(&format!("--{flag}")),
            None if what.contains(' ') => self.has_words(&what.split(' ').collect::<Vec<_>>()),
            None => self.has_words(&[what]) || begins(&format!("{what}=")),
        }
    }
}

/// The functions and constants that a file defines, by name: what comes behind it, up to the item's end.
fn collect_items(tokens: TokenStream, found: &mut BTreeMap<String, TokenStream>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is_end = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        other => other.to_string() == ";",
    };
    for (at, token) in tokens.iter().enumerate() {
        match (token, tokens.get(at + 1)) {
            (TokenTree::Ident(word), Some(TokenTree::Ident(name))) if word == "fn" || word == "const" => {
                let rest = &tokens[at + 2..];
                let length = rest.iter().position(is_end).map_or(rest.len(), |end| end + 1);
                found.insert(name.to_string(), rest[..length].iter().cloned().collect());
            }
            (TokenTree::Group(group), _) => collect_items(group.stream(), found),
            _ => {}
        }
    }
}

/// Whether `text` has the last fixed part of a route's path, with something behind it if the path ends with a parameter.
fn is_below(text: &str, path: &str) -> bool {
    let fixed = path.rsplit('/').find(|part| !part.starts_with('{')).unwrap_or_default();
    let parts: Vec<&str> = text.split(['/', '?', ' ']).skip(1).collect();
    parts.iter().enumerate().any(|(at, part)| *part == fixed && (!path.ends_with('}') || at + 1 < parts.len()))
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
    (!Source::of(text, function).has(what))
        .then(|| format!("{what}: neither {function} nor what it uses of {file} has it"))
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
