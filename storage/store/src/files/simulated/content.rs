//! What is in one simulated file, now and after a crash.

use crate::draw::Cut;
use crate::error::Error;

/// What is in a file.
///
/// Invariant: the durable bytes, with the edits made to them in order, are the bytes as they are now.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// As a running host reads it.
    pub(super) now: Vec<u8>,
    /// As of the last sync.
    durable: Vec<u8>,
    /// What was done to it since.
    edits: Vec<Edit>,
    /// Why it takes nothing more, if it does not.
    pub(super) failed: Option<Error>,
}

/// What was done to a file.
#[derive(Debug)]
enum Edit {
    /// Bytes were added.
    Append(Vec<u8>),
    /// It was cut off.
    Truncate(usize),
}

/// What is behind the byte at which a crash tears an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// The file's end.
    Gone,
    /// Zeros as far as the append reached: the file's new size was on the disk before its bytes.
    Zeros,
}

impl Content {
    /// Adds bytes, and answers where they begin.
    pub(super) fn append(&mut self, bytes: &[u8]) -> usize {
        let begin = self.now.len();
        self.now.extend_from_slice(bytes);
        self.edits.push(Edit::Append(bytes.to_vec()));
        begin
    }

    /// Cuts it off.
    pub(super) fn truncate(&mut self, size: usize) {
        if size < self.now.len() {
            self.now.truncate(size);
            self.edits.push(Edit::Truncate(size));
        }
    }

    /// Makes it durable.
    pub(super) fn sync(&mut self) {
        self.durable.clone_from(&self.now);
        self.edits.clear();
    }

    /// Leaves what is before the cut; answers whether an append was torn.
    pub(super) fn crash(&mut self, cut: Cut, tail: Tail) -> bool {
        let edits = std::mem::take(&mut self.edits);
        let mut left = cut.of(edits.iter().map(Edit::weight).sum());
        let mut torn = false;
        for edit in edits {
            let weight = edit.weight();
            match edit {
                Edit::Append(bytes) if left < weight => {
                    torn = left > 0;
                    let whole = usize::try_from(left).expect("less than a slice");
                    self.durable.extend_from_slice(&bytes[..whole]);
                    if tail == Tail::Zeros {
                        self.durable.resize(self.durable.len() + bytes.len() - whole, 0);
                    }
                    break;
                }
                Edit::Append(bytes) => self.durable.extend(bytes),
                Edit::Truncate(_) if left < weight => break,
                Edit::Truncate(size) => self.durable.truncate(size),
            }
            left -= weight;
        }
        self.now.clone_from(&self.durable);
        self.failed = None;
        torn
    }
}

impl Edit {
    /// What it counts for where a crash cuts: a byte is one.
    fn weight(&self) -> u64 {
        match self {
            Self::Append(bytes) => u64::try_from(bytes.len()).expect("a slice is that short"),
            Self::Truncate(_) => 1,
        }
    }
}
