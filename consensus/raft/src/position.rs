//! Where a line of the audit chain is.

/// A place in the chain, before or at a line. Ordered as the log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The log index of the entry.
    pub index: u64,
    /// The line of the entry: 0 is the batch's own, `position + 1` that of a record.
    pub line: u32,
}
