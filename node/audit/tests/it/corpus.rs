//! The seeds of the fuzz target (`fuzz/`), replayed; and what could overflow in each of them, at its greatest.

use std::fs;
use std::path::{Path, PathBuf};
use symbi_audit::verify;

fn seeds() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/verify");
    let mut files: Vec<_> =
        fs::read_dir(dir).expect("the corpus").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

#[test]
fn every_seed_is_answered() {
    let held = seeds().into_iter().filter(|file| verify(fs::read(file).expect("a seed").as_slice(), None).is_ok());
    let held: Vec<_> = held.map(|file| file.file_name().expect("a name").to_owned()).collect();
    assert_eq!(held, ["whole.jsonl"], "and only this one holds");
}

/// Each number of each line, made the greatest that there is: what follows from it must not be computed carelessly.
#[test]
fn the_greatest_numbers_are_answered() {
    let mut count = 0;
    for file in seeds() {
        let bundle = fs::read(&file).expect("a seed");
        let mut at = 0;
        while let Some(start) = bundle[at..].iter().position(u8::is_ascii_digit).map(|start| at + start) {
            let length = bundle[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            at = start + length;
            // Only numbers: digits within texts are hex or ids.
            if start > 0 && bundle[start - 1] == b':' {
                let changed = [&bundle[..start], u64::MAX.to_string().as_bytes(), &bundle[at..]].concat();
                let _ = verify(changed.as_slice(), None);
                count += 1;
            }
        }
    }
    assert!(count > 300, "{count}");
}
