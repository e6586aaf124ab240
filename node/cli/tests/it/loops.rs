//! The rule that no two files of a crate import each other in a loop, however long.
//!
//! An edge runs from a file to the one that *defines* what it names: in a `use`, a `pub use`, or a path in code or in a macro's
//! tokens. A name that comes through a re-export is its definer's, an imported module that module's file's. Two things are no
//! edges: `mod child;` alone, and what a module takes from those that it lies in, since a child is written as part of its
//! parent (one type's `impl` in several files). Tests do not count.

use crate::tidy::sources;
use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::Visit;

/// A path as it is written.
type Written = Vec<String>;
/// What each file takes from each other one.
type Graph = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// A module of a crate.
#[derive(Default)]
struct Module {
    /// The file that it stands in.
    file: String,
    /// The module that it lies in; none for a crate's root.
    parent: Option<usize>,
    /// The modules that lie in it.
    children: BTreeMap<String, usize>,
    /// What it defines.
    items: BTreeSet<String>,
    /// What it imports, by the name that it is known by here.
    imports: BTreeMap<String, Written>,
    /// The modules and enums of which it imports everything.
    globs: Vec<Written>,
    /// The paths in its code.
    paths: BTreeSet<Written>,
}

/// What a path leads to.
enum Target {
    /// A module.
    Module(usize),
    /// Something that a module defines: the module, and its name.
    Item(usize, String),
}

/// The modules of one crate, the root first.
struct Tree<'s> {
    /// All files of the workspace.
    sources: &'s BTreeMap<String, String>,
    /// In the order in which they were found.
    modules: Vec<Module>,
}

/// Reads one module's items into the tree.
struct Reader<'t, 's> {
    /// Where to.
    tree: &'t mut Tree<'s>,
    /// The module that is read.
    module: usize,
    /// The directory in which the files of its children lie.
    dir: String,
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return false };
        list.path.is_ident("cfg") && list.tokens.to_string() == "test"
    })
}

impl<'s> Tree<'s> {
    fn new(sources: &'s BTreeMap<String, String>, root: &str) -> Self {
        let mut tree = Self { sources, modules: Vec::new() };
        let dir = root.rsplit_once('/').expect("a root lies in a directory").0;
        tree.read(root, dir.to_owned(), None);
        tree
    }

    /// Reads a file as a module.
    fn read(&mut self, file: &str, dir: String, parent: Option<usize>) -> usize {
        let parsed = syn::parse_file(&self.sources[file]).unwrap_or_else(|error| panic!("{file}: {error}"));
        let module = self.add(file, parent);
        Reader { tree: self, module, dir }.items(&parsed.items);
        module
    }

    fn add(&mut self, file: &str, parent: Option<usize>) -> usize {
        self.modules.push(Module { file: file.to_owned(), parent, ..Module::default() });
        self.modules.len() - 1
    }

    /// What a path that is written in a module leads to; none outside the crate.
    fn resolve(&self, from: usize, path: &[String], seen: &mut BTreeSet<(usize, String)>) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => Target::Module(0),
            "self" => Target::Module(from),
            "super" => Target::Module(self.modules[from].parent?),
            name => self.lookup(from, name, seen)?,
        };
        for name in rest {
            at = match at {
                Target::Module(module) if name == "super" => Target::Module(self.modules[module].parent?),
                Target::Module(module) if name == "self" => Target::Module(module),
                // What no file defines in so many words comes from a macro of that module.
                Target::Module(module) => {
                    self.lookup(module, name, seen).unwrap_or_else(|| Target::Item(module, name.clone()))
                }
                // A variant, or something associated.
                item @ Target::Item(..) => return Some(item),
            };
        }
        Some(at)
    }

    /// What a name stands for in a module.
    fn lookup(&self, module: usize, name: &str, seen: &mut BTreeSet<(usize, String)>) -> Option<Target> {
        if !seen.insert((module, name.to_owned())) {
            return None;
        }
        let here = &self.modules[module];
        if let Some(child) = here.children.get(name) {
            return Some(Target::Module(*child));
        }
        if here.items.contains(name) {
            return Some(Target::Item(module, name.to_owned()));
        }
        if let Some(path) = here.imports.get(name) {
            // `use a::a`: the first segment is not the import itself.
            return self.resolve(module, path, seen);
        }
        here.globs.iter().find_map(|path| match self.resolve(module, path, &mut BTreeSet::new())? {
            Target::Module(from) => self.lookup(from, name, seen),
            Target::Item(..) => None,
        })
    }

    fn lies_in(&self, module: usize, outer: &str) -> bool {
        let mut parent = Some(module);
        while let Some(at) = parent {
            if self.modules[at].file == outer {
                return true;
            }
            parent = self.modules[at].parent;
        }
        false
    }

    /// Adds what this crate's files take from each other.
    fn draw(&self, graph: &mut Graph) {
        for (number, module) in self.modules.iter().enumerate() {
            let imports =
                module.imports.values().filter_map(|path| self.taken(number, path, |path| path.last().cloned()));
            // On the way to what it names, a path in code takes nothing from the modules that it names.
            let paths = module.paths.iter().filter_map(|path| self.taken(number, path, |_| None));
            let globs = module.globs.iter().filter_map(|path| self.taken(number, path, |_| Some("*".to_owned())));
            for (from, name) in imports.chain(paths).chain(globs) {
                let file = &self.modules[from].file;
                if !self.lies_in(number, file) {
                    let taken = graph.entry(module.file.clone()).or_default();
                    taken.entry(file.clone()).or_default().insert(name);
                }
            }
        }
    }

    /// The module from which a path takes something, and what; of a whole module it takes what `whole` says.
    fn taken(
        &self,
        by: usize,
        path: &Written,
        whole: impl FnOnce(&Written) -> Option<String>,
    ) -> Option<(usize, String)> {
        match self.resolve(by, path, &mut BTreeSet::new())? {
            Target::Item(from, name) => Some((from, name)),
            Target::Module(from) => whole(path).map(|name| (from, name)),
        }
    }
}

impl Reader<'_, '_> {
    fn here(&mut self) -> &mut Module {
        &mut self.tree.modules[self.module]
    }

    fn items(&mut self, items: &[syn::Item]) {
        items.iter().for_each(|item| self.visit_item(item));
    }

    /// A child: in a file of its own, or between braces.
    fn child(&mut self, item: &syn::ItemMod) {
        let name = item.ident.to_string();
        let dir = format!("{}/{name}", self.dir);
        let child = match &item.content {
            None => self.tree.read(&format!("{dir}.rs"), dir, Some(self.module)),
            Some((_, items)) => {
                let file = self.here().file.clone();
                let module = self.tree.add(&file, Some(self.module));
                Reader { tree: self.tree, module, dir }.items(items);
                module
            }
        };
        self.here().children.insert(name, child);
    }

    fn import(&mut self, tree: &syn::UseTree, before: &[String]) {
        let with = |name: &syn::Ident| before.iter().cloned().chain([name.to_string()]).collect::<Written>();
        match tree {
            syn::UseTree::Path(path) => self.import(&path.tree, &with(&path.ident)),
            syn::UseTree::Name(name) if name.ident == "self" => {
                let known = before.last().expect("self stands behind something").clone();
                self.here().imports.insert(known, before.to_vec());
            }
            syn::UseTree::Name(name) => drop(self.here().imports.insert(name.ident.to_string(), with(&name.ident))),
            syn::UseTree::Rename(name) if name.rename == "_" => drop(self.here().paths.insert(with(&name.ident))),
            syn::UseTree::Rename(name) => drop(self.here().imports.insert(name.rename.to_string(), with(&name.ident))),
            syn::UseTree::Glob(_) => self.here().globs.push(before.to_vec()),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree, before)),
        }
    }

    /// The paths in a macro's tokens; every single word too, if the macro may define what it is given.
    fn tokens(&mut self, tokens: TokenStream, defines: bool) {
        let (mut path, mut colons) = (Written::new(), 0);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.path(std::mem::take(&mut path));
                    }
                    if defines {
                        self.here().items.insert(ident.to_string());
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => colons += 1,
                other => {
                    self.path(std::mem::take(&mut path));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream(), defines);
                    }
                }
            }
        }
        self.path(path);
    }

    fn path(&mut self, path: Written) {
        // What is named by one word is defined here or imported.
        if path.len() > 1 {
            self.here().paths.insert(path);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_, '_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let (attributes, name) = match item {
            syn::Item::Const(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Enum(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
            syn::Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
            syn::Item::Mod(item) => (&item.attrs, None),
            syn::Item::Static(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Struct(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Trait(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Type(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Union(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Impl(item) => (&item.attrs, None),
            syn::Item::Use(item) => (&item.attrs, None),
            _ => return,
        };
        if is_for_tests(attributes) {
            return;
        }
        if let Some(name) = name {
            self.here().items.insert(name.to_string());
        }
        match item {
            syn::Item::Mod(item) => self.child(item),
            syn::Item::Use(item) => self.import(&item.tree, &[]),
            syn::Item::Macro(item) => self.tokens(item.mac.tokens.clone(), item.ident.is_none()),
            other => syn::visit::visit_item(self, other),
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            self.path(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.visit_path(&item.path);
        self.tokens(item.tokens.clone(), false);
    }

    /// `pub(in a::b)` takes nothing from there.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
}

/// What the files of all crates take from each other.
fn graph(sources: &BTreeMap<String, String>) -> Graph {
    let mut graph = Graph::new();
    for root in sources.keys() {
        let is_root = root.ends_with("/src/lib.rs") || root.ends_with("/src/main.rs");
        if is_root || root.rsplit_once('/').is_some_and(|(dir, _)| dir.ends_with("/src/bin")) {
            Tree::new(sources, root).draw(&mut graph);
        }
    }
    graph
}

/// Every file that can be come to from `file`.
fn reached<'g>(graph: &'g Graph, file: &'g str) -> BTreeSet<&'g str> {
    let (mut found, mut waiting) = (BTreeSet::new(), vec![file]);
    while let Some(at) = waiting.pop() {
        for next in graph.get(at).into_iter().flat_map(BTreeMap::keys) {
            if found.insert(next.as_str()) {
                waiting.push(next);
            }
        }
    }
    found
}

/// The files of each loop.
fn loops(graph: &Graph) -> BTreeSet<Vec<&str>> {
    let reached: BTreeMap<&str, _> = graph.keys().map(|file| (file.as_str(), self::reached(graph, file))).collect();
    let looped = reached.iter().filter(|(file, found)| found.contains(*file));
    looped
        .map(|(file, found)| {
            let back = |other: &&str| reached.get(*other).is_some_and(|found| found.contains(file));
            found.iter().copied().filter(back).collect()
        })
        .collect()
}

/// A loop's files, and what ties them.
fn told(graph: &Graph, files: &[&str]) -> String {
    let mut lines = vec![format!("{} files: {}", files.len(), files.join(", "))];
    for file in files {
        for (from, names) in graph[*file].iter().filter(|(from, _)| files.contains(&from.as_str())) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            lines.push(format!("    {file} -> {from}: {}", names.join(", ")));
        }
    }
    lines.join("\n")
}

fn found(sources: &BTreeMap<String, String>) -> Vec<String> {
    let graph = graph(sources);
    loops(&graph).into_iter().map(|files| told(&graph, &files)).collect()
}

#[test]
fn files_do_not_import_each_other_in_a_loop() {
    let found = found(&sources());
    assert!(
        found.is_empty(),
        "{} loops between files: move what they share below both\n{}",
        found.len(),
        found.join("\n")
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found_in(files: &[(&str, &str)]) -> Vec<String> {
        let sources = files.iter().map(|(file, text)| (format!("c/src/{file}"), (*text).to_owned())).collect();
        found(&sources)
    }

    #[test]
    fn a_loop_is_told_with_the_names_that_tie_it() {
        let root = "mod a; mod b; pub use b::B;";
        let found = found_in(&[
            ("lib.rs", root),
            ("a.rs", "use crate::B; pub struct A(B);"),
            ("b.rs", "pub struct B; fn f(_: super::a::A) {}"),
        ]);
        assert_eq!(
            found,
            ["2 files: c/src/a.rs, c/src/b.rs\n    c/src/a.rs -> c/src/b.rs: B\n    c/src/b.rs -> c/src/a.rs: A"]
        );
    }

    #[test]
    fn names_are_followed_through_modules_globs_macros_and_re_exports() {
        for text in [
            "use crate::b; fn f() { b::go(); }",
            "use crate::*; fn f() { println!(\"{}\", b::go()); }",
            "pub use super::b::*;",
        ] {
            let found = found_in(&[
                ("lib.rs", "mod a; mod b;"),
                ("a.rs", &format!("{text} pub struct A;")),
                ("b.rs", "use crate::a::A; pub fn go() {}"),
            ]);
            assert_eq!(found.len(), 1, "{text}");
        }
        let cousins = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "mod c; pub use c::C;"),
            ("a/c.rs", "pub struct C; use crate::b::B;"),
            ("b.rs", "pub struct B; use crate::a::C;"),
        ];
        assert_eq!(found_in(&cousins).len(), 1, "the one who defines it is meant, not the one who hands it on");
    }

    #[test]
    fn children_tests_and_declarations_tie_nothing() {
        let parent = "mod child; use child::C; pub struct P; #[cfg(test)] mod tests;";
        let files = [
            ("lib.rs", "mod p;"),
            ("p.rs", parent),
            ("p/child.rs", "use super::P; pub struct C(P); #[cfg(test)] mod t { use crate::p::P; }"),
        ];
        assert!(found_in(&files).is_empty());
    }
}
