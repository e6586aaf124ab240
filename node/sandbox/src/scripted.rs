//! A driver whose sandboxes are futures of this program: the same channels, no process. For simulations and tests.
//!
//! It is as deterministic as the runtime it runs on: no clock, no randomness, no thread, nothing of the host. A command's
//! first word names the program. What a process only suffers is kept: it is killed by dropping its future, frozen by
//! not polling it, and terminated at once unless it has asked to be told.

pub mod agent;

use crate::driver::{self, Driver, DriverEnds, Exit, Fingerprint, Home, Instance, Launch, Wish};
use crate::error::Error;
use crate::lines::{LINE, LOG_LINE, LineError, LogSender};
use crate::process;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a sandbox does: runs until it returns what it exits with.
pub type Program = Arc<dyn Fn(Io) -> BoxFuture<'static, i32> + Send + Sync>;

/// A program's side of its instance.
#[derive(Debug)]
pub struct Io {
    /// What was started.
    pub launch: Launch,
    /// Lines from the host. Ends like an end of file.
    pub stdin: mpsc::Receiver<Bytes>,
    /// Lines to the host.
    pub stdout: Stdout,
    /// Its log.
    log: LogSender,
    /// Cancelled when it is asked to end.
    terminated: CancellationToken,
    /// Whether it wants to know when it is asked to end.
    asked_to_be_told: Arc<AtomicBool>,
}

/// A program's output.
#[derive(Debug, Clone)]
pub struct Stdout {
    /// Where lines go.
    lines: mpsc::Sender<Result<Bytes, LineError>>,
    /// Set when a line was too long.
    broken: watch::Sender<Option<LineError>>,
}

impl Io {
    /// Writes a line to the log.
    pub fn log(&mut self, line: impl Into<Bytes>) {
        let line = line.into();
        self.log.send(line.slice(..line.len().min(LOG_LINE)));
    }

    /// From now on, being asked to end only cancels this token.
    pub fn on_terminate(&self) -> CancellationToken {
        self.asked_to_be_told.store(true, Ordering::Relaxed);
        self.terminated.clone()
    }
}

impl Stdout {
    /// Writes a line, waiting while the host does not read. A line that is too long ends the program.
    pub async fn write(&self, line: impl Into<Bytes>) {
        let line = line.into();
        let line = if line.len() > LINE { Err(LineError::TooLong { limit: LINE }) } else { Ok(line) };
        let broken = line.as_ref().err().cloned();
        // Without a reader it goes nowhere, as with a process whose driver has closed the pipe.
        let _ = self.lines.send(line).await;
        if broken.is_some() {
            self.broken.send_replace(broken);
            std::future::pending::<()>().await;
        }
    }
}

/// The driver.
#[derive(Clone, Default)]
pub struct Scripted {
    /// What commands can name.
    programs: BTreeMap<String, Program>,
    /// The programs that run.
    instances: TaskTracker,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Scripted").field("programs", &self.programs.keys()).finish_non_exhaustive()
    }
}

impl Scripted {
    /// A driver that knows no program.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a program, under the name that commands call it by.
    #[must_use]
    pub fn program<F, R>(mut self, name: impl Into<String>, program: F) -> Self
    where
        F: Fn(Io) -> R + Send + Sync + 'static,
        R: Future<Output = i32> + Send + 'static,
    {
        self.programs.insert(name.into(), Arc::new(move |io| program(io).boxed()));
        self
    }

    fn begin(&self, launch: Launch) -> Result<Instance, Error> {
        let name = launch.command.first().ok_or(Error::CommandEmpty)?;
        let program = self.programs.get(name).ok_or_else(|| {
            let known: Vec<_> = self.programs.keys().map(String::as_str).collect();
            Error::CommandNotFound { command: name.clone(), looked: format!("programs {}", known.join(" ")) }
        })?;
        let (instance, ends) = driver::channels();
        let DriverEnds { stdin, stdout, stderr, exit, wishes } = ends;
        let (broken, breaks) = watch::channel(None);
        let (terminated, asked_to_be_told) = (CancellationToken::new(), Arc::new(AtomicBool::new(false)));
        let io = Io {
            launch,
            stdin,
            stdout: Stdout { lines: stdout, broken },
            log: LogSender::new(stderr),
            terminated: terminated.clone(),
            asked_to_be_told: Arc::clone(&asked_to_be_told),
        };
        let body = Box::pin(AssertUnwindSafe(program(io)).catch_unwind());
        self.instances.spawn(Life { body, breaks, terminated, asked_to_be_told, wishes }.run(exit));
        Ok(instance)
    }
}

impl Driver for Scripted {
    fn fingerprint(&self) -> BoxFuture<'_, Fingerprint> {
        // It stands in for the process tier.
        std::future::ready(Fingerprint { tier: process::TIER.to_owned(), missing: Vec::new() }).boxed()
    }

    /// Futures do not outlive their runtime: there is never anything to end.
    fn sweep(&self) -> BoxFuture<'_, Result<usize, Error>> {
        std::future::ready(Ok(0)).boxed()
    }

    fn start(&self, launch: Launch) -> BoxFuture<'_, Result<Instance, Error>> {
        std::future::ready(self.begin(launch)).boxed()
    }

    /// Its programs have no files.
    fn homes(&self) -> BoxFuture<'_, Result<Vec<Home>, Error>> {
        std::future::ready(Ok(Vec::new())).boxed()
    }

    fn remove_home(&self, _: Home) -> BoxFuture<'_, Result<(), Error>> {
        std::future::ready(Ok(())).boxed()
    }
}

/// A running program.
struct Life<B> {
    /// The program; not polled while it is frozen.
    body: B,
    /// Set when it has written a line that is too long.
    breaks: watch::Receiver<Option<LineError>>,
    /// Cancelled when it is asked to end.
    terminated: CancellationToken,
    /// Whether it wants to know when it is asked to end.
    asked_to_be_told: Arc<AtomicBool>,
    /// What is wanted of it.
    wishes: watch::Receiver<Wish>,
}

/// Signal numbers, as in signal(7).
const SIGABRT: i32 = 6;
/// What a kill is told as.
const SIGKILL: i32 = 9;
/// What an end is told as that was asked for.
const SIGTERM: i32 = 15;

impl<B, E> Life<B>
where
    B: Future<Output = Result<i32, E>> + Unpin,
{
    async fn run(mut self, exit: watch::Sender<Option<Exit>>) {
        let ended = self.live().await;
        // Its channels close before its end is told, as with a process.
        drop(self.body);
        exit.send_replace(Some(ended));
    }

    async fn live(&mut self) -> Exit {
        loop {
            let wish = self.wishes.borrow_and_update().clone();
            if wish.kill {
                return wish.explain(Exit::with_signal(SIGKILL));
            }
            if wish.terminate && !wish.frozen {
                if !self.asked_to_be_told.load(Ordering::Relaxed) {
                    return Exit::with_signal(SIGTERM);
                }
                self.terminated.cancel();
            }
            tokio::select! {
                biased;
                changed = self.wishes.changed() => if changed.is_err() {
                    return Exit::with_signal(SIGKILL);
                },
                Ok(broken) = self.breaks.wait_for(Option::is_some), if !wish.frozen => {
                    let reason = broken.as_ref().map(ToString::to_string);
                    return Wish { reason, ..wish }.explain(Exit::with_signal(SIGKILL));
                }
                code = &mut self.body, if !wish.frozen => {
                    return code.map_or_else(|_| panicked(), Exit::with_code);
                }
            }
        }
    }
}

fn panicked() -> Exit {
    Exit { reason: "it panicked".to_owned(), ..Exit::with_signal(SIGABRT) }
}
