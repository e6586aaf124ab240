//! A node as a process: it finds out what it is, becomes it, serves, and stops when it is told to.
//!
//! Signals are heard from the first moment: until there is a node they end the start where it is, and whatever a start has
//! left behind is what a crash could have left.

mod serve;
mod start;

use crate::failure::Failure;
use crate::options::Options;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How a node that was told to stop was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// By SIGTERM: a service's manager does so.
    Terminated,
    /// By SIGINT: Ctrl-C.
    Interrupted,
}

/// The signals that stop a node.
struct Signals {
    /// SIGTERM.
    terminate: Signal,
    /// SIGINT.
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::new(1, "SIGNALS", "cannot listen for signals")
                    .why(error.to_string())
                    .fix("give this user more open files: ulimit -n")
            })
        };
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// The next one.
    async fn next(&mut self) -> Stopped {
        tokio::select! {
            _ = self.terminate.recv() => Stopped::Terminated,
            _ = self.interrupt.recv() => Stopped::Interrupted,
        }
    }
}

/// Runs a node until a signal, or until it must stop.
///
/// # Errors
/// Why it could not start, or had to stop.
pub async fn run(options: Options) -> Result<Stopped, Failure> {
    let mut signals = Signals::new()?;
    let running = tokio::select! {
        biased;
        stopped = signals.next() => {
            eprintln!("stopped while starting");
            return Ok(stopped);
        }
        running = start::start(options) => running?,
    };
    running.serve(signals).await
}
