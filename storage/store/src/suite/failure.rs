//! What holds when the disk refuses: of a bed that cannot make it refuse, nothing is asked.

use super::bed::{Bed, append, key, open, put, run_of};
use crate::engine::Engine;
use crate::error::Error;

/// The errors that an operating system answers a write or a sync with.
fn errors() -> [Error; 2] {
    [Error::Full, Error::Io("input/output error".to_owned())]
}

/// After a failure nothing but reads is admitted, until it is opened again; and it says which failure it was.
pub(super) fn first_is_last<B: Bed>(bed: &mut impl FnMut() -> B) {
    for error in errors() {
        let mut bed = bed();
        let engine = open(&mut bed);
        append(&engine, put(key(1, 0), b"x")).expect("append");
        assert_eq!(engine.failure(), None);
        if !bed.fail_next(error.clone()) {
            return;
        }
        assert_eq!(append(&engine, put(key(1, 1), b"x")), Err(error.clone()));
        assert_eq!(append(&engine, put(key(1, 2), b"x")), Err(error.clone()), "let through behind one that failed");
        assert_eq!(engine.write(put(key(1, 3), b"x")), Err(error.clone()), "let through behind one that failed");
        assert_eq!(engine.failure(), Some(error));
        assert_eq!(engine.get(&key(1, 0)), Ok(Some(b"x".to_vec())), "reads go on");
    }
}

/// What failed is there after the next opening, or is not, but no part of it; and what was called back before is.
pub(super) fn whole_or_absent<B: Bed>(bed: &mut impl FnMut() -> B) {
    for (error, crash) in errors().into_iter().flat_map(|error| [(error.clone(), false), (error, true)]) {
        let mut bed = bed();
        let engine = open(&mut bed);
        append(&engine, put(key(1, 0), b"x")).expect("append");
        if !bed.fail_next(error) {
            return;
        }
        let mut batch = put(key(1, 1), b"x");
        batch.put(key(2, 0), "y").put(key(2, 1), "y");
        append(&engine, batch).expect_err("it fails");
        if crash {
            bed.crash();
        }
        drop(engine);
        let engine = open(&mut bed);
        assert_eq!(engine.failure(), None, "a new opening starts afresh");
        let whole = run_of(&engine, 1);
        assert!((1..=2).contains(&whole), "acknowledged as durable, but gone after a failure");
        assert_eq!(run_of(&engine, 2), (whole - 1) * 2, "a batch is there in part");
        append(&engine, put(key(1, whole), b"x")).expect("it goes on");
    }
}
