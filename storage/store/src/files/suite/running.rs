//! What must hold while nothing fails.

use super::bed::{Bed, all, open};
use crate::error::Error;
use crate::files::Files;

/// Appends come behind one another, and are read from anywhere.
pub(super) fn append_and_read<B: Bed>(bed: &mut B) {
    let files = open(bed);
    files.create("a").expect("create");
    assert_eq!((files.size("a"), files.read("a", 0, 9)), (Ok(0), Ok(vec![])));
    assert_eq!(files.append("a", b"hello"), Ok(0));
    assert_eq!(files.append("a", b""), Ok(5));
    assert_eq!(files.append("a", b"world"), Ok(5));
    assert_eq!(files.size("a"), Ok(10), "readable before it is synced");
    assert_eq!(files.read("a", 3, 4), Ok(b"lowo".to_vec()));
    assert_eq!(files.read("a", 8, 99), Ok(b"ld".to_vec()), "up to the end");
    assert_eq!(files.read("a", 10, 1), Ok(vec![]));
    assert_eq!(files.read("a", 99, 1), Ok(vec![]), "behind the end");
    files.sync("a").expect("sync");
    assert_eq!(files.append("a", b"!"), Ok(10), "it goes on after a sync");
    assert_eq!(all(&files, "a"), b"helloworld!");
}

/// Files are made, renamed and removed; a name that is taken is given up by whatever had it.
pub(super) fn names<B: Bed>(bed: &mut B) {
    let files = open(bed);
    assert_eq!(files.list(), Ok(vec![]));
    for name in ["b", "a", "c.tmp"] {
        files.create(name).expect("create");
        files.append(name, name.as_bytes()).expect("append");
    }
    assert_eq!(files.create("a"), Err(Error::Exists("a".to_owned())));
    files.rename("c.tmp", "c").expect("rename");
    files.append("c", b"!").expect("the same file by its new name");
    files.rename("a", "b").expect("rename");
    let names = |names: &[&str]| Ok(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    assert_eq!(files.list(), names(&["b", "c"]));
    assert_eq!((all(&files, "b"), all(&files, "c")), (b"a".to_vec(), b"c.tmp!".to_vec()));
    files.sync("b").expect("sync");
    files.remove("b").expect("remove");
    files.create("b").expect("a removed name is free");
    assert_eq!(all(&files, "b"), b"");
    files.sync_folder().expect("sync");
    assert_eq!(files.list(), names(&["b", "c"]));
}

/// A file is cut off, and goes on from there.
pub(super) fn truncate<B: Bed>(bed: &mut B) {
    let files = open(bed);
    files.create("a").expect("create");
    files.append("a", b"0123456789").expect("append");
    files.truncate("a", 20).expect("truncate");
    assert_eq!(files.size("a"), Ok(10), "it never grows");
    files.truncate("a", 4).expect("truncate");
    assert_eq!(files.append("a", b"x"), Ok(4));
    files.sync("a").expect("sync");
    assert_eq!(all(&files, "a"), b"0123x");
}

/// What is asked of a file that is not there says so.
pub(super) fn missing<B: Bed>(bed: &mut B) {
    let files = open(bed);
    let missing = || Error::Missing("a".to_owned());
    assert_eq!(files.size("a"), Err(missing()));
    assert_eq!(files.read("a", 0, 1), Err(missing()));
    assert_eq!(files.append("a", b"x"), Err(missing()));
    assert_eq!(files.truncate("a", 0), Err(missing()));
    assert_eq!(files.sync("a"), Err(missing()));
    assert_eq!(files.rename("a", "b"), Err(missing()));
    assert_eq!(files.remove("a"), Err(missing()));
    assert_eq!(files.list(), Ok(vec![]), "and makes none");
}

/// Whoever opens the folder next finds everything.
pub(super) fn reopen<B: Bed>(bed: &mut B) {
    let files = open(bed);
    files.create("a").expect("create");
    files.append("a", b"one").expect("append");
    drop(files);
    let files = open(bed);
    assert_eq!(files.append("a", b"two"), Ok(3));
    drop(files);
    assert_eq!(all(&open(bed), "a"), b"onetwo");
}

/// Four threads append to one file and sync it: every append is there whole, where it was said to begin.
pub(super) fn appenders<B: Bed>(bed: &mut B) {
    let files = open(bed);
    files.create("a").expect("create");
    let begins = std::thread::scope(|scope| {
        let append = |thread: u8| {
            let files = &files;
            scope.spawn(move || {
                let one = |_| {
                    let begin = files.append("a", &[thread; 10]).expect("append");
                    files.sync("a").expect("sync");
                    (thread, begin)
                };
                (0..20).map(one).collect::<Vec<_>>()
            })
        };
        let threads: Vec<_> = (0..4).map(append).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no thread panics")).collect::<Vec<_>>()
    });
    assert_eq!(files.size("a"), Ok(4 * 20 * 10));
    for (thread, begin) in begins {
        assert_eq!(files.read("a", begin, 10), Ok(vec![thread; 10]));
    }
}
