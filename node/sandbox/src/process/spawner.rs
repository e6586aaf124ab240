//! The thread that starts agents' processes.
//!
//! The kernel ties "kill me when my parent dies" to the parent's *thread*, and async runtimes come and go with theirs.
//! So one thread, which lives exactly as long as the driver, starts every process and does nothing else.

use super::orphans::{self, MARK};
use super::pidfile::{self, Identity};
use super::tools::Tools;
use super::{Options, Run};
use crate::driver::Launch;
use crate::error::Error;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Orders that wait for the thread; whoever brings one more waits until there is room. A start takes milliseconds.
const ORDERS: usize = 64;
/// Waits for one line, then becomes the command. A shell reads its input a byte at a time, so the agent misses nothing.
const GATE: &str = r#"IFS= read -r go || exit 125; unset go; exec "$@""#;
/// The line it waits for.
const GO: &[u8] = b"go\n";

/// What is to be started.
pub(super) struct Order {
    /// The driver's.
    pub options: Arc<Options>,
    /// What it is started through.
    pub tools: Tools,
    /// Its names.
    pub run: Run,
    /// What was asked for.
    pub launch: Launch,
    /// The launch's command, its program found.
    pub command: Vec<String>,
}

/// A process that runs, and what was ordered.
pub(super) struct Started {
    /// The process, with its pipes.
    pub child: Child,
    /// What was ordered.
    pub order: Order,
}

/// An order, and where its outcome goes.
type Delivery = (Order, oneshot::Sender<Result<Started, Error>>);

/// The thread's other end. Dropping the last clone ends the thread.
#[derive(Debug, Clone)]
pub(super) struct Spawner {
    /// The way to the thread, which runs as long as there is one.
    orders: mpsc::Sender<Delivery>,
}

impl Spawner {
    pub(super) fn open() -> Result<Self, Error> {
        let (orders, mut received) = mpsc::channel::<Delivery>(ORDERS);
        let serve = move || {
            while let Some((order, reply)) = received.blocking_recv() {
                // Nobody waits for it any more: the async runtime has ended before the driver.
                if let Err(Ok(unwanted)) = reply.send(start(order)) {
                    abandon(unwanted.child, &unwanted.order);
                }
            }
        };
        std::thread::Builder::new()
            .name("sandbox-spawner".to_owned())
            .spawn(serve)
            .map_err(|source| Error::Spawn { command: "sandbox-spawner".to_owned(), source })?;
        Ok(Self { orders })
    }

    pub(super) async fn start(&self, order: Order) -> Result<Started, Error> {
        let (reply, started) = oneshot::channel();
        self.orders.send((order, reply)).await.map_err(|_| Error::Closed)?;
        started.await.map_err(|_| Error::Closed)?
    }
}

fn start(order: Order) -> Result<Started, Error> {
    let directory = order.options.directory_of(&order.launch);
    std::fs::create_dir_all(&directory).map_err(|source| Error::RunDir { path: directory, source })?;
    let failed = |source| Error::Spawn { command: order.command[0].clone(), source };
    let mut child = command(&order).spawn().map_err(failed)?;
    let released = identity(&child)
        .map_err(failed)
        .and_then(|identity| pidfile::write(&order.options.run_dir, &order.run, &identity))
        .and_then(|()| release(&mut child).map_err(failed));
    match released {
        Ok(()) => Ok(Started { child, order }),
        Err(error) => {
            abandon(child, &order);
            Err(error)
        }
    }
}

/// Ends a process that nobody will watch.
pub(super) fn abandon(mut child: Child, order: &Order) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It fails if nothing of the group runs.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
    pidfile::remove(&order.options.run_dir, &order.run);
}

fn command(order: &Order) -> Command {
    let Order { options, tools, run, launch, command } = order;
    let mut process = Command::new(&tools.setpriv);
    process.args(["--no-new-privs", "--pdeathsig", "KILL", "--"]).arg(&tools.shell).args(["-c", GATE, "gate"]);
    if launch.memory_mb > 0 {
        let bytes = launch.memory_mb.saturating_mul(1 << 20);
        // Not the address space: runtimes with threads reserve far more of it than they use.
        process.arg(&tools.prlimit).arg(format!("--data={bytes}")).arg("--");
    }
    process.args(command).env_clear();
    process.env("PATH", &options.path).env("HOME", &options.home).env("LANG", &options.lang);
    process.envs(&launch.env).env("SYMBI_AGENT", &launch.agent);
    process.env("SYMBI_EPOCH", launch.epoch.to_string()).env("SYMBI_INCARNATION", launch.incarnation.to_string());
    process.env(MARK, &run.mark).current_dir(options.directory_of(launch)).process_group(0);
    process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    process
}

fn identity(child: &Child) -> io::Result<Identity> {
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    let stat = orphans::stat(pid).ok_or_else(|| io::Error::other("it has no /proc/PID/stat"))?;
    Ok(Identity { pid, started: stat.started, boot: orphans::boot() })
}

fn release(child: &mut Child) -> io::Result<()> {
    let stdin = child.stdin.as_mut().ok_or_else(|| io::Error::other("it has no standard input"))?;
    stdin.write_all(GO)
}
