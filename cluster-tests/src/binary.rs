//! The program under test.

use std::path::PathBuf;

/// The `symbi-node` to run: `SYMBI_NODE_BIN`, or the one built beside this test.
///
/// # Panics
/// When there is none; the message says how to build it.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("SYMBI_NODE_BIN") {
        let named = PathBuf::from(named);
        assert!(named.is_file(), "SYMBI_NODE_BIN names {}, which is no file", named.display());
        return named;
    }
    let test = std::env::current_exe().expect("a test knows its own program");
    // target/debug/deps/it-…: the programs are two directories up.
    let beside = test.ancestors().skip(1).map(|dir| dir.join("symbi-node")).find(|path| path.is_file());
    beside.unwrap_or_else(|| panic!("there is no symbi-node beside {}: run cargo build -p symbi-node", test.display()))
}
