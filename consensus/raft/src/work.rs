//! Where work goes that takes longer than a task may: loading an image, packing and unpacking a snapshot's frames.

use std::io;

/// Where long work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// On threads of its own, so that whatever else the replica is asked is answered meanwhile.
    Threads,
    /// Where it comes up: for a simulation, whose one thread must do everything in the same order each time.
    Inline,
}

impl Work {
    /// Does the work and gives what it comes to.
    ///
    /// # Errors
    /// When the work panics, or the runtime ends before it was begun.
    pub async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        match self {
            Self::Threads => tokio::task::spawn_blocking(work).await.map_err(io::Error::other),
            Self::Inline => Ok(work()),
        }
    }
}
