//! README shows what the code says: the agent's lifecycle as the code draws it, and the tour's files where they are.

use std::fs;
use std::path::Path;

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap()
}

#[test]
fn the_lifecycle_is_the_one_in_the_code() {
    let drawn = format!("```mermaid\n{}```\n", symbi_host::lifecycle::mermaid());
    assert!(readme().contains(&drawn), "README does not contain this diagram:\n{drawn}");
}

#[test]
fn every_path_that_it_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = readme();
    let linked = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let missing: Vec<&str> = linked
        .filter(|path| !path.starts_with("http") && !path.starts_with('#') && !root.join(path).exists())
        .collect();
    assert!(missing.is_empty(), "README links to {missing:?}, which do not exist");
}
