//! What people read shows what the code says: ARCHITECTURE.md the agent's lifecycle as the code draws it, and every document only
//! files that are there.

use std::fs;
use std::path::{Path, PathBuf};

/// The documents at the top of the repository.
const DOCUMENTS: [&str; 4] = ["README.md", "ARCHITECTURE.md", "SECURITY.md", "CHANGELOG.md"];
/// Where the paths begin that they name in passing.
const FOLDERS: [&str; 8] =
    ["benches/", "cluster-tests/", "consensus/", "gossip/", "node/", "scripts/", "simulations/", "storage/"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(document: &str) -> String {
    fs::read_to_string(root().join(document)).unwrap_or_else(|error| panic!("{document}: {error}"))
}

#[test]
fn the_lifecycle_is_the_one_in_the_code() {
    let drawn = format!("```mermaid\n{}```\n", symbi_host::lifecycle::mermaid());
    assert!(text("ARCHITECTURE.md").contains(&drawn), "ARCHITECTURE.md does not contain this diagram:\n{drawn}");
}

#[test]
fn every_path_that_they_name_exists() {
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        let text = text(document);
        let linked = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let linked = linked.filter(|path| !path.starts_with("http") && !path.starts_with('#'));
        // Every second piece between backticks is code; its first word may be a path.
        let code = text.split('`').skip(1).step_by(2).filter_map(|code| code.split_whitespace().next());
        let named = code.filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)));
        missing.extend(
            linked.chain(named).filter(|path| !root().join(path).exists()).map(|path| format!("{document}: {path}")),
        );
    }
    assert!(missing.is_empty(), "these do not exist: {missing:#?}");
}
