//! What holds when the disk refuses.

use super::bed::{Bed, TAKES_NOTHING, all, open, synced};
use crate::error::Error;
use crate::files::Files;

/// An append for which there is no room changes nothing, and may be tried again.
pub(super) fn full<B: Bed>(bed: &mut dyn FnMut() -> B) -> Result<(), &'static str> {
    let mut bed = bed();
    let files = open(&mut bed);
    synced(&files, "a", b"one");
    bed.fail_next(Error::Full)?;
    assert_eq!(files.append("a", b"two"), Err(Error::Full));
    assert_eq!(all(&files, "a"), b"one", "an append that failed has changed something");
    assert_eq!(files.append("a", b"three"), Ok(3), "there is room again");
    files.sync("a").expect("sync");
    assert_eq!(all(&files, "a"), b"onethree");
    Ok(())
}

/// A file whose sync has failed takes nothing more until the folder is opened again; others do.
pub(super) fn sync<B: Bed>(bed: &mut dyn FnMut() -> B) -> Result<(), &'static str> {
    let mut bed = bed();
    let files = open(&mut bed);
    let failed = || Error::Io("input/output error".to_owned());
    synced(&files, "a", b"one");
    synced(&files, "b", b"");
    files.sync_folder().expect("sync");
    files.append("a", b"two").expect("append");
    bed.fail_next(failed())?;
    assert_eq!(files.sync("a"), Err(failed()));
    assert_eq!(files.sync("a"), Err(failed()), "a second sync knows nothing of what the first one lost");
    assert_eq!(files.append("a", b"three"), Err(failed()));
    assert_eq!(files.read("a", 0, 3), Ok(b"one".to_vec()), "reads go on");
    files.append("b", b"other").expect("other files go on");
    files.sync("b").expect("other files go on");
    bed.crash(TAKES_NOTHING)?;
    drop(files);
    let files = open(&mut bed);
    assert!(all(&files, "a").starts_with(b"one"), "synced, but gone after a failure");
    files.append("a", b"!").expect("a new opening starts afresh");
    files.sync("a").expect("a new opening starts afresh");
    Ok(())
}

/// A folder whose sync has failed takes no more names until it is opened again.
pub(super) fn sync_folder<B: Bed>(bed: &mut dyn FnMut() -> B) -> Result<(), &'static str> {
    let mut bed = bed();
    let files = open(&mut bed);
    let failed = || Error::Io("input/output error".to_owned());
    synced(&files, "a", b"one");
    bed.fail_next(failed())?;
    assert_eq!(files.sync_folder(), Err(failed()));
    assert_eq!(files.sync_folder(), Err(failed()), "a second sync knows nothing of what the first one lost");
    assert_eq!(files.create("b"), Err(failed()));
    assert_eq!(files.rename("a", "b"), Err(failed()));
    assert_eq!(files.remove("a"), Err(failed()));
    assert_eq!(all(&files, "a"), b"one", "reads go on");
    drop(files);
    open(&mut bed).create("b").expect("a new opening starts afresh");
    Ok(())
}
