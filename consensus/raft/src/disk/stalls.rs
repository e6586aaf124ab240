//! What the disk was asked and has not answered yet, so that somebody can see that it hangs.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// See the module. A clone speaks of the same disk.
#[derive(Clone, Default)]
pub struct Stalls {
    /// What is open.
    open: Arc<Mutex<Open>>,
}

/// What changes.
#[derive(Default)]
struct Open {
    /// The number of the next question.
    next: u64,
    /// The numbers of those that are open.
    asked: BTreeSet<u64>,
}

/// A question. Dropped when it is answered.
pub struct Asked {
    /// Its number.
    number: u64,
    /// All of them.
    all: Stalls,
}

impl Stalls {
    /// The disk is asked something.
    pub fn ask(&self) -> Asked {
        let mut open = self.open();
        let number = open.next;
        open.next += 1;
        open.asked.insert(number);
        drop(open);
        Asked { number, all: self.clone() }
    }

    /// The number of the oldest question that is open. While it stays the same, the disk has answered nothing: answers
    /// come in the order of the questions, but for those of other threads.
    pub fn oldest(&self) -> Option<u64> {
        self.open().asked.first().copied()
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.all.open().asked.remove(&self.number);
    }
}
