//! The names in a simulated folder, now and after a crash.

use crate::draw::Cut;
use std::collections::BTreeMap;

/// Which name is which file's.
///
/// Invariant: the durable names, with the changes made to them in order, are the names as they are now.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// As a running host sees them.
    pub(super) now: BTreeMap<String, u64>,
    /// As of the last sync.
    durable: BTreeMap<String, u64>,
    /// What was changed since.
    changes: Vec<Change>,
}

/// A change of names.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// A file was made.
    Create(String, u64),
    /// A file got another name, and whatever had that one lost it.
    Rename(String, String),
    /// A file lost its name.
    Remove(String),
}

impl Names {
    /// Makes a change.
    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.changes.push(change);
    }

    /// Makes the names durable.
    pub(super) fn sync(&mut self) {
        self.durable.clone_from(&self.now);
        self.changes.clear();
    }

    /// Leaves the changes before the cut.
    pub(super) fn crash(&mut self, cut: Cut) {
        let changes = std::mem::take(&mut self.changes);
        let kept = cut.of(u64::try_from(changes.len()).expect("few changes"));
        for change in changes.into_iter().take(usize::try_from(kept).expect("no more than there were")) {
            change.apply(&mut self.durable);
        }
        self.now.clone_from(&self.durable);
    }

    /// Whether a file has a name now, or would have one after some crash.
    pub(super) fn has(&self, file: u64) -> bool {
        let created = |change: &Change| matches!(change, Change::Create(_, made) if *made == file);
        let named = self.now.values().chain(self.durable.values()).any(|named| *named == file);
        named || self.changes.iter().any(created)
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Create(name, file) => {
                names.insert(name.clone(), *file);
            }
            Self::Rename(from, to) => {
                let file = names.remove(from).expect("changes are applied to the names that they were made of");
                names.insert(to.clone(), file);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}
