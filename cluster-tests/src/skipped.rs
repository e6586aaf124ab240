//! Tests that cannot run where they are: each says so, and is counted, so that "all passed" does not hide that it did not run.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// Says that `test` does not run, and why. `scripts/test.sh` counts the lines of `skipped-tests` beside the test programs, and
/// with `SYMBI_SKIP_NONE=1` it is a failure.
///
/// # Panics
/// When nothing may be skipped.
pub fn because(test: &str, why: &str) {
    eprintln!("SKIPPED {test}: {why}");
    assert!(std::env::var_os("SYMBI_SKIP_NONE").is_none(), "{test} cannot run here: {why}");
    let program = std::env::current_exe().expect("a test knows its own program");
    let beside = program.parent().and_then(Path::parent).expect("target/debug/deps/it-...").join("skipped-tests");
    let mut list = OpenOptions::new().create(true).append(true).open(beside).expect("the list of skipped tests");
    writeln!(list, "{test}: {why}").expect("a line of the list of skipped tests");
}
