//! Watches one process from its start until nothing of it is left.

use super::pidfd::{Ending, Pidfd};
use super::spawner::{self, Order, Started};
use super::strays::Strays;
use super::{Living, Options, Run, pidfile};
use crate::driver::{DriverEnds, Exit, Wish};
use crate::error::Error;
use crate::lines::{Excess, LINE, LOG_LINE, LineError, Lines, LogSender};
use bytes::{Bytes, BytesMut};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// How long output may be read after everything that could write has ended. It is in the pipe already.
const DRAIN: Duration = Duration::from_secs(2);

/// The watch.
///
/// * The child is not reaped before its group has been killed: until then its pid, and the group's id, are nobody else's.
pub(super) struct Watch {
    /// The process; not reaped.
    child: Child,
    /// Its pid, and its group's id.
    pid: Pid,
    /// Tells of the child's end without reaping it.
    ending: Ending,
    /// The driver's.
    options: Arc<Options>,
    /// Its names.
    run: Run,
    /// From which it is removed at the end.
    living: Living,
    /// Ends what it leaves outside its group.
    strays: Strays,
    /// Where its end is told.
    exit: watch::Sender<Option<Exit>>,
    /// What is wanted of it.
    wishes: watch::Receiver<Wish>,
    /// What has been done of it.
    done: Wish,
    /// The tasks between pipes and channels.
    pipes: JoinSet<Option<Refused>>,
}

/// Output that is refused. Its pipe stays open until the process has been killed, which would else die of writing.
struct Refused {
    /// Why.
    error: LineError,
    /// The pipe, still open.
    pipe: Lines<ChildStdout>,
    /// Where the error is to be told.
    lines: mpsc::Sender<Result<Bytes, LineError>>,
}

impl Watch {
    /// Takes the pipes of a process that was just started. On an error it is killed.
    pub(super) fn new(started: Started, (living, strays): (Living, Strays), ends: DriverEnds) -> Result<Self, Error> {
        let Started { mut child, order } = started;
        match Self::pipes(&mut child, ends.stdin, ends.stdout, ends.stderr) {
            Ok((pid, ending, pipes)) => {
                let Order { options, run, .. } = order;
                let done = Wish::default();
                let (exit, wishes) = (ends.exit, ends.wishes);
                Ok(Self { child, pid, ending, options, run, living, strays, exit, wishes, done, pipes })
            }
            Err(source) => {
                spawner::abandon(child, &order);
                Err(Error::Spawn { command: order.run.name, source })
            }
        }
    }

    fn pipes(
        child: &mut Child,
        stdin: mpsc::Receiver<Bytes>,
        stdout: mpsc::Sender<Result<Bytes, LineError>>,
        stderr: mpsc::Sender<Bytes>,
    ) -> io::Result<(Pid, Ending, JoinSet<Option<Refused>>)> {
        let absent = || io::Error::other("it has not all of its pipes");
        let input = ChildStdin::from_std(child.stdin.take().ok_or_else(absent)?)?;
        let output = ChildStdout::from_std(child.stdout.take().ok_or_else(absent)?)?;
        let log = ChildStderr::from_std(child.stderr.take().ok_or_else(absent)?)?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(absent)?;
        let ending = Pidfd::open(pid)?.watch()?;
        let mut pipes = JoinSet::new();
        pipes.spawn(write_lines(input, stdin));
        pipes.spawn(read_lines(output, stdout));
        pipes.spawn(read_log(log, stderr));
        Ok((pid, ending, pipes))
    }

    pub(super) async fn run(mut self) {
        loop {
            tokio::select! {
                biased;
                () = self.ending.ended() => break,
                changed = self.wishes.changed() => match changed {
                    Ok(()) => self.obey(),
                    Err(_) => {
                        self.signal(Signal::KILL);
                        self.ending.ended().await;
                        break;
                    }
                },
                Some(ended) = self.pipes.join_next() => if let Ok(Some(refused)) = ended {
                    self.break_off(refused);
                },
            }
        }
        self.finish().await;
    }

    fn obey(&mut self) {
        let wish = self.wishes.borrow_and_update().clone();
        if wish.terminate && !self.done.terminate {
            self.signal(Signal::TERM);
        }
        if wish.frozen != self.done.frozen {
            self.signal(if wish.frozen { Signal::STOP } else { Signal::CONT });
        }
        if wish.kill {
            self.signal(Signal::KILL);
        }
        // The driver's own reason came first, if there is one.
        let reason = self.done.reason.take().or(wish.reason.clone());
        self.done = Wish { reason, ..wish };
    }

    fn break_off(&mut self, refused: Refused) {
        let Refused { error, pipe, lines } = refused;
        self.done.reason.get_or_insert(error.to_string());
        self.signal(Signal::KILL);
        drop(pipe);
        self.pipes.spawn(async move {
            // Whoever reads the lines may have gone.
            let _ = lines.send(Err(error)).await;
            None
        });
    }

    fn signal(&self, signal: Signal) {
        // Only a group whose last process is a zombie cannot be signalled, and it needs no signal.
        if let Err(error) = kill_process_group(self.pid, signal) {
            tracing::debug!(run = self.run.name, ?signal, %error, "not signalled");
        }
    }

    /// Ends whatever the process has left behind, and only then tells of its end.
    async fn finish(mut self) {
        self.signal(Signal::KILL);
        let status = self.child.wait();
        match self.strays.end(&self.run.mark).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(run = self.run.name, count, "killed processes that had left its group"),
            Err(error) => tracing::error!(run = self.run.name, %error, "it left processes behind"),
        }
        pidfile::remove(&self.options.run_dir, &self.run);
        self.living.remove(&self.run.mark);
        self.exit.send_replace(Some(self.done.explain(exit(status))));
        let drained = async { while self.pipes.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(DRAIN, drained).await;
    }
}

fn exit(status: io::Result<std::process::ExitStatus>) -> Exit {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Exit::with_code(code),
            (None, Some(signal)) => Exit::with_signal(signal),
            (None, None) => Exit { code: None, signal: None, reason: status.to_string() },
        },
        Err(error) => Exit { code: None, signal: None, reason: format!("its end cannot be read: {error}") },
    }
}

async fn write_lines(mut pipe: ChildStdin, mut lines: mpsc::Receiver<Bytes>) -> Option<Refused> {
    while let Some(line) = lines.recv().await {
        let mut text = BytesMut::with_capacity(line.len() + 1);
        text.extend_from_slice(&line);
        text.extend_from_slice(b"\n");
        // An agent that closes its input is not ended for that: senders see a closed channel.
        if pipe.write_all(&text).await.is_err() {
            break;
        }
    }
    None
}

async fn read_lines(pipe: ChildStdout, lines: mpsc::Sender<Result<Bytes, LineError>>) -> Option<Refused> {
    let mut pipe = Lines::new(pipe, LINE, Excess::Refuse);
    loop {
        match pipe.next().await {
            Ok(Some(line)) => lines.send(Ok(line)).await.ok()?,
            Ok(None) => return None,
            Err(error) => return Some(Refused { error, pipe, lines }),
        }
    }
}

async fn read_log(pipe: ChildStderr, lines: mpsc::Sender<Bytes>) -> Option<Refused> {
    let mut reader = Lines::new(pipe, LOG_LINE, Excess::Cut);
    let mut log = LogSender::new(lines);
    while let Ok(Some(line)) = reader.next().await {
        log.send(line);
    }
    None
}
