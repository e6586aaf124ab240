//! What a crash may take, and what not.

use super::bed::{Bed, Crash, TAKES_ALL, TAKES_NOTHING, all, open, synced};
use crate::files::Files;

/// What was synced under a name that was synced is there, whatever was done since.
pub(super) fn synced_stays<B: Bed>(bed: &mut dyn FnMut() -> B) -> Result<(), &'static str> {
    for crash in [TAKES_ALL, TAKES_NOTHING, Crash::Zeros { part: 1, of: 2 }] {
        let mut bed = bed();
        let files = open(&mut bed);
        synced(&files, "a", b"synced");
        files.sync_folder().expect("sync");
        files.append("a", b"more").expect("append");
        bed.crash(crash)?;
        drop(files);
        assert!(all(&open(&mut bed), "a").starts_with(b"synced"), "synced, but gone after a crash");
    }
    Ok(())
}

/// An append that was not synced is cut off at any byte, with nothing or zeros behind.
pub(super) fn torn<B: Bed>(bed: &mut dyn FnMut() -> B) -> Result<(), &'static str> {
    for part in 0..=6 {
        for crash in [Crash::Keeping { part, of: 6 }, Crash::Zeros { part, of: 6 }] {
            let mut bed = bed();
            let files = open(&mut bed);
            synced(&files, "a", b"12");
            files.sync_folder().expect("sync");
            files.append("a", b"abc").expect("append");
            files.append("a", b"def").expect("append");
            bed.crash(crash)?;
            drop(files);
            let files = open(&mut bed);
            let kept = usize::try_from(part).expect("few");
            let mut wanted = [b"12", &b"abcdef"[..kept]].concat();
            if matches!(crash, Crash::Zeros { .. }) {
                // The append that is torn, and not the one behind it.
                wanted.resize(2 + (kept / 3 * 3 + 3).min(6), 0);
            }
            assert_eq!(all(&files, "a"), wanted, "{crash:?}");
            assert_eq!(files.append("a", b"!").ok(), u64::try_from(wanted.len()).ok(), "it goes on there");
        }
    }
    Ok(())
}

/// A file that was made, renamed or removed is so after the folder's sync, and before it may not be.
pub(super) fn names<B: Bed>(bed: &mut dyn FnMut() -> B) -> Result<(), &'static str> {
    // Without changes; after the first, the second and the third of them.
    let wanted: [&[&str]; 4] = [&["gone", "old"], &["gone", "made", "old"], &["gone", "made", "new"], &["made", "new"]];
    for (part, wanted) in (0..).zip(wanted) {
        for is_synced in [false, true] {
            let mut bed = bed();
            let files = open(&mut bed);
            synced(&files, "old", b"old");
            synced(&files, "gone", b"gone");
            files.sync_folder().expect("sync");
            synced(&files, "made", b"made");
            files.rename("old", "new").expect("rename");
            files.remove("gone").expect("remove");
            if is_synced {
                files.sync_folder().expect("sync");
            }
            bed.crash(Crash::Keeping { part, of: 3 })?;
            drop(files);
            let files = open(&mut bed);
            let wanted = if is_synced { &["made", "new"] } else { wanted };
            assert_eq!(files.list(), Ok(wanted.iter().map(|name| (*name).to_owned()).collect()));
            for name in wanted {
                let was = if *name == "new" { "old" } else { name };
                assert_eq!(all(&files, name), was.as_bytes(), "synced, but gone after a crash");
            }
        }
    }
    Ok(())
}

/// Written beside, synced, renamed, folder synced: at any point there is the old file or the new one, whole.
pub(super) fn replaced<B: Bed>(bed: &mut dyn FnMut() -> B) -> Result<(), &'static str> {
    for steps in 0..=5 {
        for part in 0..=4 {
            let mut bed = bed();
            let files = open(&mut bed);
            synced(&files, "a", b"old");
            files.sync_folder().expect("sync");
            let step: [&dyn Fn(); 5] = [
                &|| files.create("a.tmp").expect("create"),
                &|| assert_eq!(files.append("a.tmp", b"new one"), Ok(0)),
                &|| files.sync("a.tmp").expect("sync"),
                &|| files.rename("a.tmp", "a").expect("rename"),
                &|| files.sync_folder().expect("sync"),
            ];
            step[..steps].iter().for_each(|step| step());
            bed.crash(Crash::Keeping { part, of: 4 })?;
            drop(files);
            let found = all(&open(&mut bed), "a");
            match steps {
                5 => assert_eq!(found, b"new one", "put in place durably, but gone after a crash"),
                4 => assert!(found == b"old" || found == b"new one", "in part: {found:?}"),
                _ => assert_eq!(found, b"old"),
            }
        }
    }
    Ok(())
}

/// A cut that was not synced is done or not; one that was stays.
pub(super) fn truncated<B: Bed>(bed: &mut dyn FnMut() -> B) -> Result<(), &'static str> {
    for (crash, is_synced, wanted) in
        [(TAKES_ALL, false, "0123456789"), (TAKES_NOTHING, false, "0123"), (TAKES_ALL, true, "0123")]
    {
        let mut bed = bed();
        let files = open(&mut bed);
        synced(&files, "a", b"0123456789");
        files.sync_folder().expect("sync");
        files.truncate("a", 4).expect("truncate");
        if is_synced {
            files.sync("a").expect("sync");
        }
        bed.crash(crash)?;
        drop(files);
        assert_eq!(all(&open(&mut bed), "a"), wanted.as_bytes());
    }
    Ok(())
}
