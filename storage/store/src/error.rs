//! What can go wrong at the disk. Cloneable, because one failed sync fails every batch that waited for it.

/// Why the engine did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The engine was closed, or its process crashed, before this was done.
    #[error("the storage engine is closed")]
    Closed,
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// What is on the disk is not what was written.
    #[error("the data on disk is corrupt: {0}")]
    Corrupt(String),
    /// The rows are whole, and laid out as another version does it.
    #[error("the database is of another version: {0}")]
    Version(String),
    /// The operating system refused.
    #[error("storage failed: {0}")]
    Io(String),
    /// There is no such file.
    #[error("there is no file {0}")]
    Missing(String),
    /// There is such a file already.
    #[error("there is a file {0} already")]
    Exists(String),
    /// Another engine, mostly of another process, has it open.
    #[error("{path} is in use by another process")]
    InUse {
        /// What is in use, and by whom if that is known.
        path: String,
    },
}
