//! Keys that an engine may keep apart.

/// Keys whose rows are added behind the last one and let go from the first one on, such as those of a log.
///
/// A hint: an engine that keeps them apart need not write them again whenever it tidies up rows that change all over. They
/// mean the same to whoever reads and writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What it is called on the disk.
    pub name: &'static str,
    /// Its first key.
    pub from: Vec<u8>,
    /// The first key behind it.
    pub to: Vec<u8>,
}
