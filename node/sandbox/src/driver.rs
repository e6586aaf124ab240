//! The seam: a [`Driver`] starts sandboxes, an [`Instance`] is one of them while it runs.
//!
//! An instance is five channel ends and knows nothing of what travels on them but that it is lines.

use crate::{Error, LineError};
use bytes::Bytes;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use tokio::sync::{mpsc, watch};

/// Lines that wait for the agent to read them; a sender beyond that waits.
pub const STDIN_LINES: usize = 16;
/// Lines of the agent that wait for us; beyond that its writes block.
pub const STDOUT_LINES: usize = 16;
/// Lines of the agent's log that wait for us; beyond that they are dropped, and the next one kept says how many.
pub const STDERR_LINES: usize = 256;

/// Starts sandboxes of one kind.
///
/// * `start` returns once the program has been started, and never after anything of an earlier life still runs: the
///   first start sweeps.
/// * An instance ends by itself, by its [`Stopper`], or when every clone of its stopper is gone. Nothing of it runs any
///   longer when [`Instance::exit`] tells of its end.
/// * Whatever comes of a `start` whose future was dropped, is ended.
pub trait Driver: Send + Sync + 'static {
    /// What this host can do with this driver, and if it cannot, why not.
    fn fingerprint(&self) -> BoxFuture<'_, Fingerprint>;

    /// Ends whatever an earlier life of this driver left running, and returns how much that was. Spares everything
    /// that this life has started.
    fn sweep(&self) -> BoxFuture<'_, Result<usize, Error>>;

    /// Starts a sandbox.
    fn start(&self, launch: Launch) -> BoxFuture<'_, Result<Instance, Error>>;

    /// The directories that agents have here, of this life or an earlier one.
    fn homes(&self) -> BoxFuture<'_, Result<Vec<Home>, Error>>;

    /// Removes an agent's directory with all that is in it. Nothing of the agent runs, and it is not started again.
    fn remove_home(&self, home: Home) -> BoxFuture<'_, Result<(), Error>>;
}

/// Whose a directory is that an agent starts in. It is kept from start to start, and is nobody else's after the agent's end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Home {
    /// The agent's name.
    pub agent: String,
    /// Its id.
    pub id: String,
}

/// What a driver says of its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The tier as specs name it, `process` for one.
    pub tier: String,
    /// What is missing, a sentence each. Empty: the driver can be used.
    pub missing: Vec<String>,
}

impl Fingerprint {
    /// Whether sandboxes of this kind can be started here.
    pub fn available(&self) -> bool {
        self.missing.is_empty()
    }
}

/// What to start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Launch {
    /// The agent's name.
    pub agent: String,
    /// Its id, which no other agent has, had or will have: the directory it starts in is that of name and id.
    pub id: String,
    /// Whose it is, as its specification says.
    pub owner: String,
    /// The placement's epoch.
    pub epoch: u64,
    /// Which start of the agent this is.
    pub incarnation: u64,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables of the agent's environment, on top of the driver's few.
    pub env: BTreeMap<String, String>,
    /// Limit on memory, MiB; 0 for none.
    pub memory_mb: u64,
    /// Share of processors, thousandths of a core.
    pub cpu_millis: u64,
}

/// A started sandbox. Lines it wrote before its end may still be read after that has been told.
#[derive(Debug)]
pub struct Instance {
    /// Lines for the agent, without their newline. Full at [`STDIN_LINES`]; closed once the agent reads no more.
    /// Dropping every sender is the agent's end of file.
    pub stdin: mpsc::Sender<Bytes>,
    /// The agent's lines, without their newline. Ends with the agent's output, or after an error, which ends the agent.
    pub stdout: mpsc::Receiver<Result<Bytes, LineError>>,
    /// The agent's log, lines cut at [`crate::lines::LOG_LINE`].
    pub stderr: mpsc::Receiver<Bytes>,
    /// `None` while it runs.
    pub exit: watch::Receiver<Option<Exit>>,
    /// Ends and freezes it.
    pub stopper: Stopper,
}

impl Instance {
    /// Waits for the end.
    pub async fn ended(&mut self) -> Exit {
        ended(&mut self.exit).await
    }
}

/// Waits until `exit` tells of an end. A driver that is gone with its runtime counts as one.
pub async fn ended(exit: &mut watch::Receiver<Option<Exit>>) -> Exit {
    match exit.wait_for(Option::is_some).await {
        Ok(exit) => exit.clone().unwrap_or_else(Exit::abandoned),
        Err(_) => Exit::abandoned(),
    }
}

/// How an instance ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// What it returned, if it ended by itself.
    pub code: Option<i32>,
    /// What ended it otherwise, as in signal(7).
    pub signal: Option<i32>,
    /// Why, for people: the reason given to [`Stopper::end`], or code or signal in words.
    pub reason: String,
}

impl Exit {
    /// Ended by itself.
    pub fn with_code(code: i32) -> Self {
        Self { code: Some(code), signal: None, reason: format!("exited with code {code}") }
    }

    /// Ended by a signal, of whoever's making.
    pub fn with_signal(signal: i32) -> Self {
        let name = match signal {
            6 => " (SIGABRT)",
            9 => " (SIGKILL)",
            11 => " (SIGSEGV)",
            15 => " (SIGTERM)",
            _ => "",
        };
        Self { code: None, signal: Some(signal), reason: format!("ended by signal {signal}{name}") }
    }

    /// Whether it ended by itself and with code 0.
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }

    fn abandoned() -> Self {
        Self { code: None, signal: None, reason: "its driver is gone".to_owned() }
    }
}

/// What is wanted of a running instance. Drivers compare it with what they have done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Asked to end.
    pub terminate: bool,
    /// To be ended at once.
    pub kill: bool,
    /// Why it is ended at once, if that was said.
    pub reason: Option<String>,
    /// Not to run for now.
    pub frozen: bool,
}

/// Ends and freezes one instance. The calls return at once, may be repeated, and do nothing after the end.
///
/// When the last clone is dropped, the instance is killed: nothing runs that nobody can stop.
#[derive(Debug, Clone)]
pub struct Stopper {
    /// What is wanted; the driver follows it.
    wish: watch::Sender<Wish>,
}

impl Stopper {
    pub(crate) fn new() -> (Self, watch::Receiver<Wish>) {
        let (wish, wishes) = watch::channel(Wish::default());
        (Self { wish }, wishes)
    }

    /// Asks it to end (SIGTERM to all of its processes).
    pub fn terminate(&self) {
        self.wish.send_modify(|wish| wish.terminate = true);
    }

    /// Ends it (SIGKILL to all of its processes).
    pub fn kill(&self) {
        self.wish.send_modify(|wish| wish.kill = true);
    }

    /// Ends it, with the reason that [`Exit::reason`] shall give. The first reason stays.
    pub fn end(&self, reason: impl Into<String>) {
        self.wish.send_modify(|wish| {
            wish.kill = true;
            wish.reason.get_or_insert(reason.into());
        });
    }

    /// Lets it not run (SIGSTOP to all of its processes). It is not told, and its end of life still works.
    pub fn freeze(&self) {
        self.wish.send_modify(|wish| wish.frozen = true);
    }

    /// Lets it run again (SIGCONT).
    pub fn thaw(&self) {
        self.wish.send_modify(|wish| wish.frozen = false);
    }
}

impl Wish {
    /// The end as it is to be told: with the reason given, if it was our kill that ended it.
    pub(crate) fn explain(&self, mut exit: Exit) -> Exit {
        if exit.code.is_none()
            && let Some(reason) = &self.reason
        {
            exit.reason.clone_from(reason);
        }
        exit
    }
}

/// The driver's ends of an instance's channels.
pub(crate) struct DriverEnds {
    /// Lines for the program.
    pub stdin: mpsc::Receiver<Bytes>,
    /// Its lines.
    pub stdout: mpsc::Sender<Result<Bytes, LineError>>,
    /// Its log.
    pub stderr: mpsc::Sender<Bytes>,
    /// Told once, when nothing of it runs any longer.
    pub exit: watch::Sender<Option<Exit>>,
    /// What is wanted of it; closed when nobody can stop it any more.
    pub wishes: watch::Receiver<Wish>,
}

/// An instance and its driver's ends.
pub(crate) fn channels() -> (Instance, DriverEnds) {
    let (stdin, stdin_lines) = mpsc::channel(STDIN_LINES);
    let (stdout_lines, stdout) = mpsc::channel(STDOUT_LINES);
    let (stderr_lines, stderr) = mpsc::channel(STDERR_LINES);
    let (exit_told, exit) = watch::channel(None);
    let (stopper, wishes) = Stopper::new();
    let instance = Instance { stdin, stdout, stderr, exit, stopper };
    let ends = DriverEnds { stdin: stdin_lines, stdout: stdout_lines, stderr: stderr_lines, exit: exit_told, wishes };
    (instance, ends)
}
