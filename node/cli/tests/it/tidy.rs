//! The rules of the house, as a test: what each crate may depend on, how long files and functions may be, what every file
//! begins with, and that ARCHITECTURE.md's map says the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::spanned::Spanned;
use syn::visit::Visit;

/// The longest file, in lines, tests and what they expect included.
const FILE_LINES: usize = 500;
/// The longest function, in lines, a test's too: a longer golden text is a file.
const FUNCTION_LINES: usize = 70;

/// The crates of the workspace: directory, and which others each may depend on. ARCHITECTURE.md's map repeats it.
const ARROWS: &[(&str, &[&str])] = &[
    ("consensus/model", &[]),
    ("gossip/futures-timer", &[]),
    ("storage/store", &[]),
    ("node/audit", &[]),
    ("node/audit/cli", &["audit"]),
    ("node/audit/lines", &["audit", "model"]),
    ("node/sandbox", &[]),
    ("gossip/proto", &["model"]),
    ("node/policy", &["model"]),
    ("node/control", &["model"]),
    ("storage/rocks", &["store"]),
    ("consensus/raft", &["model", "store"]),
    ("gossip/net", &["futures-timer", "model", "proto"]),
    ("node/host", &["control", "model", "policy", "proto", "sandbox", "store"]),
    ("node/api", &["audit", "audit-lines", "control", "host", "model", "policy", "proto"]),
    (
        "node/server",
        &["api", "control", "host", "model", "net", "policy", "proto", "raft", "rocks", "sandbox", "store"],
    ),
    ("node/cli", &["api", "audit", "model", "policy", "sandbox", "server"]),
];

/// Crates that may depend on anything: they prove the others.
const HARNESS: &[&str] = &["cluster-tests", "cluster-tests/history", "simulations", "benches"];

/// Dev-dependencies between crates, beyond their arrows.
const DEV_ARROWS: &[(&str, &[&str])] =
    &[("consensus/raft", &["rocks"]), ("node/audit", &["audit-lines", "model"]), ("node/cli", &["host", "proto"])];

/// Heavy dependencies, and the one crate that may name each (harness crates may too).
const HEAVY: &[(&str, &str)] = &[
    ("openraft", "consensus/raft"),
    ("libp2p", "gossip/net"),
    ("rocksdb", "storage/rocks"),
    ("cedar-policy", "node/policy"),
    ("agentpin", "node/policy"),
    ("axum", "node/api"),
    ("clap", "node/cli"),
    ("turmoil", "simulations"),
    ("mad-turmoil", "simulations"),
];

/// Words in names of types that say nothing.
const EMPTY_WORDS: &[&str] = &["Manager", "Controller", "Helper", "Util", "Impl"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn crates() -> Vec<&'static str> {
    ARROWS.iter().map(|(path, _)| *path).chain(HARNESS.iter().copied()).collect()
}

/// Every Rust file of the workspace, by its path from the root.
pub fn sources() -> BTreeMap<String, String> {
    let root = root();
    let mut found = BTreeMap::new();
    let mut waiting: Vec<PathBuf> = crates().iter().map(|path| root.join(path)).collect();
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(&dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() && path.file_name().unwrap() != "target" {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

pub fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || HARNESS.iter().any(|crate_| path.starts_with(crate_))
}

fn manifest(path: &str) -> toml::Table {
    fs::read_to_string(root().join(path).join("Cargo.toml")).unwrap().parse().unwrap()
}

fn names(manifest: &toml::Table, section: &str) -> BTreeSet<String> {
    manifest.get(section).and_then(toml::Value::as_table).into_iter().flat_map(|table| table.keys().cloned()).collect()
}

/// The short name of one of ours, as in [`ARROWS`]; none for anybody else's.
fn ours(dependency: &str) -> Option<String> {
    match dependency {
        "futures-timer" => Some(dependency.to_owned()),
        other => other.strip_prefix("symbi-").map(str::to_owned),
    }
}

fn assert_none(wrong: &[String], rule: &str) {
    assert!(wrong.is_empty(), "{rule}:\n  {}", wrong.join("\n  "));
}

#[test]
fn crates_depend_only_on_those_below() {
    let mut wrong = Vec::new();
    for (path, allowed) in ARROWS {
        let dev = DEV_ARROWS.iter().find(|(of, _)| of == path).map_or(&[][..], |(_, dev)| *dev);
        let manifest = manifest(path);
        for (section, allowed) in [("dependencies", vec![*allowed]), ("dev-dependencies", vec![*allowed, dev])] {
            for name in names(&manifest, section).iter().filter_map(|name| ours(name)) {
                if !allowed.concat().contains(&name.as_str()) {
                    wrong.push(format!("{path} [{section}] names {name}"));
                }
            }
        }
    }
    assert_none(&wrong, "arrows that the map does not have");
}

#[test]
fn each_heavy_dependency_is_in_one_manifest() {
    let mut wrong = Vec::new();
    for path in crates().iter().filter(|path| !HARNESS.contains(path)) {
        let manifest = manifest(path);
        for (heavy, home) in HEAVY {
            if names(&manifest, "dependencies").contains(*heavy) && path != home {
                wrong.push(format!("{path} names {heavy}, which belongs to {home}"));
            }
        }
        if names(&manifest, "dependencies").contains("async-trait") {
            wrong.push(format!("{path} names async-trait: traits take native async functions"));
        }
    }
    assert_none(&wrong, "heavy dependencies out of place");
}

#[test]
fn versions_stand_only_in_the_root_manifest() {
    let mut wrong = Vec::new();
    for path in crates() {
        let manifest = manifest(path);
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, value) in manifest.get(section).and_then(toml::Value::as_table).into_iter().flatten() {
                if value.get("workspace").is_none() {
                    wrong.push(format!("{path} [{section}] {name}"));
                }
            }
        }
    }
    assert_none(&wrong, "dependencies that do not come from the workspace");
}

#[test]
fn files_say_what_they_are_and_stay_short() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        if !text.starts_with("//!") {
            wrong.push(format!("{path} does not begin with //!"));
        }
        let lines = text.lines().count();
        if lines > FILE_LINES {
            wrong.push(format!("{path} has {lines} lines, at most {FILE_LINES} are allowed"));
        }
        if path.ends_with("/mod.rs") {
            wrong.push(format!("{path}: foo.rs stands beside foo/"));
        }
    }
    assert_none(&wrong, "files");
}

/// Collects functions that are too long and types with empty names.
struct Shapes {
    /// What was found.
    wrong: Vec<String>,
    /// The file that is read.
    path: String,
}

impl Shapes {
    fn function(&mut self, name: &syn::Ident, whole: proc_macro2::Span) {
        let lines = whole.end().line - whole.start().line + 1;
        if lines > FUNCTION_LINES {
            self.wrong.push(format!("{}: fn {name} has {lines} lines", self.path));
        }
    }

    fn name(&mut self, name: &syn::Ident) {
        let text = name.to_string();
        if EMPTY_WORDS.iter().any(|word| text.ends_with(word)) || text.starts_with("Default") {
            self.wrong.push(format!("{}: {text} says nothing", self.path));
        }
    }
}

impl<'ast> Visit<'ast> for Shapes {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig.ident, item.span());
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig.ident, item.span());
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.function(&item.sig.ident, item.span());
        syn::visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.name(&item.ident);
        for field in item.fields.iter().filter(|field| field.ident.is_some()) {
            if !field.attrs.iter().any(|attribute| attribute.path().is_ident("doc")) {
                let name = field.ident.as_ref().unwrap();
                self.wrong.push(format!("{}: field {}.{name} has no ///", self.path, item.ident));
            }
        }
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.name(&item.ident);
    }
}

#[test]
fn functions_fit_on_a_screen_and_fields_say_what_they_are() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut shapes = Shapes { wrong: Vec::new(), path };
        shapes.visit_file(&file);
        wrong.extend(shapes.wrong);
    }
    assert_none(&wrong, "shapes");
}

#[test]
fn no_test_is_ignored_and_none_waits_by_sleeping() {
    let mut wrong = Vec::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| is_test(path) && !path.ends_with("tidy.rs")) {
        for (number, line) in text.lines().enumerate() {
            if line.contains("#[ignore") || line.contains("thread::sleep(") {
                wrong.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert_none(&wrong, "tests");
}

#[test]
fn the_map_draws_the_same_arrows() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows: BTreeMap<String, Vec<String>> = map
        .lines()
        .filter_map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            let path = cells.next()?.trim_matches('`').to_owned();
            let arrows = cells.next()?.split(", ").filter(|name| *name != "–").map(str::to_owned).collect();
            ARROWS.iter().any(|(known, _)| *known == path).then_some((path, arrows))
        })
        .collect();
    let expected: BTreeMap<String, Vec<String>> = ARROWS
        .iter()
        .map(|(path, arrows)| ((*path).to_owned(), arrows.iter().map(|name| (*name).to_owned()).collect()))
        .collect();
    assert_eq!(rows, expected, "ARCHITECTURE.md's table of crates and the test's differ");
}
