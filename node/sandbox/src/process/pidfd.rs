//! A process held by a descriptor: a signal sent through it reaches that process, or nobody.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The descriptor. Not tied to an async runtime until it is waited for.
#[derive(Debug)]
pub(super) struct Pidfd(OwnedFd);

/// A descriptor that a task can wait for.
#[derive(Debug)]
pub(super) struct Ending(AsyncFd<OwnedFd>);

impl Pidfd {
    pub(super) fn open(pid: Pid) -> io::Result<Self> {
        Ok(Self(pidfd_open(pid, PidfdFlags::empty())?))
    }

    /// Kills the process, if it still is.
    pub(super) fn kill(&self) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.0, Signal::KILL)?)
    }

    /// Registers it with the runtime.
    #[expect(deprecated, reason = "its successor is an unsafe fn; an owned descriptor fulfils what that one asks for")]
    pub(super) fn watch(self) -> io::Result<Ending> {
        Ok(Ending(AsyncFd::with_interest(self.0, Interest::READABLE)?))
    }
}

impl Ending {
    /// Returns once the process has ended, reaped or not.
    pub(super) async fn ended(&self) {
        // It fails only when the runtime shuts down, and with it the task that waits.
        let _ = self.0.readable().await;
    }
}
