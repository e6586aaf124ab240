//! Tier 0: an agent is a process of the host, in a process group of its own. It contains mistakes, not malice.
//!
//! A process is started through `setpriv --no-new-privs --pdeathsig KILL`, waits in a shell until its pid file is on the
//! disk, and is then replaced by `prlimit --data=…` and that by the agent, all under one pid. So there is no moment at
//! which our own death leaves a process that neither the kernel nor the next life's sweep ends.
//!
//! *Caveats.* Limits are on memory only: `cpu_millis` is a reservation here. A process sees the host's files, users and
//! network. One that leaves its group, clears its environment and outlives us is not found by the sweep.

mod homes;
mod orphans;
mod pidfd;
mod pidfile;
mod spawner;
mod strays;
mod tools;
mod watch;

use crate::driver::{self, Driver, Fingerprint, Home, Instance, Launch};
use crate::error::Error;
use futures::future::BoxFuture;
use spawner::{Order, Spawner};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use strays::Strays;
use tokio::sync::OnceCell;
use tokio_util::task::TaskTracker;
use watch::Watch;

/// The tier, as specs name it.
pub(crate) const TIER: &str = "process";
/// The longest name of an agent, and the longest id.
const NAME: usize = 128;

/// Where processes live and what they are given.
#[derive(Debug, Clone)]
pub struct Options {
    /// Holds pid files and the agents' own directories. Must be this driver's alone.
    pub run_dir: PathBuf,
    /// Where our tools and agents' commands are looked for, and the agents' PATH.
    pub path: String,
    /// The agents' HOME.
    pub home: String,
    /// The agents' LANG.
    pub lang: String,
}

impl Options {
    /// PATH, HOME and LANG as our own environment has them.
    pub fn new(run_dir: impl Into<PathBuf>) -> Self {
        let own = |name: &str, otherwise: &str| std::env::var(name).unwrap_or_else(|_| otherwise.to_owned());
        Self {
            run_dir: run_dir.into(),
            path: own("PATH", "/usr/local/bin:/usr/bin:/bin"),
            home: own("HOME", "/"),
            lang: own("LANG", "C.UTF-8"),
        }
    }

    /// Where an agent's process starts.
    fn directory_of(&self, launch: &Launch) -> PathBuf {
        homes::path(&self.run_dir, &launch.agent, &launch.id)
    }
}

/// The driver.
///
/// * Whatever it has started is in `living` until nothing of it runs.
/// * Its processes are children of `spawner`'s thread. When the driver is dropped, that thread ends and the kernel kills
///   them.
#[derive(Debug)]
pub struct Process {
    /// As given, its run directory absolute.
    options: Arc<Options>,
    /// Starts processes.
    spawner: Spawner,
    /// What this life has started and not yet ended.
    living: Living,
    /// Ends what those leave outside their groups.
    strays: Strays,
    /// Set once nothing of an earlier life can run.
    swept: OnceCell<()>,
    /// The tasks that start and watch processes. They end with the processes.
    watches: TaskTracker,
}

/// The runs of this life, by [`Run::mark`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Living(Arc<Mutex<BTreeSet<String>>>);

impl Living {
    /// Whether it was not there yet.
    pub(crate) fn insert(&self, mark: &str) -> bool {
        self.lock().insert(mark.to_owned())
    }

    pub(crate) fn remove(&self, mark: &str) {
        self.lock().remove(mark);
    }

    pub(crate) fn contains(&self, mark: &str) -> bool {
        self.lock().contains(mark)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One start of one agent.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Name of its pid file, without the ending.
    pub name: String,
    /// What its processes carry in their environment, and no others on this host: [`orphans::MARK`].
    pub mark: String,
}

impl Process {
    /// A driver whose thread runs from now on; nothing is swept or checked yet.
    ///
    /// # Errors
    /// The run directory cannot be made, or the thread not be started.
    pub fn new(options: Options) -> Result<Self, Error> {
        let mut options = options;
        for directory in [pidfile::directory(&options.run_dir), homes::directory(&options.run_dir)] {
            std::fs::create_dir_all(&directory).map_err(|source| Error::RunDir { path: directory.clone(), source })?;
        }
        let path = options.run_dir.clone();
        options.run_dir = path.canonicalize().map_err(|source| Error::RunDir { path, source })?;
        Ok(Self {
            options: Arc::new(options),
            spawner: Spawner::open()?,
            living: Living::default(),
            strays: Strays::default(),
            swept: OnceCell::new(),
            watches: TaskTracker::new(),
        })
    }

    fn run(&self, launch: &Launch) -> Result<Run, Error> {
        let Launch { agent, id, epoch, incarnation, .. } = launch;
        for name in [agent, id] {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if name.is_empty() || name.len() > NAME || name.starts_with('.') || !name.chars().all(plain) {
                return Err(Error::BadName { name: name.clone() });
            }
        }
        // The id is what follows the last point in the directory's name.
        if id.contains('.') {
            return Err(Error::BadName { name: id.clone() });
        }
        let name = format!("{agent}@{epoch}.{incarnation}");
        let mark = format!("{}/{name}", self.options.run_dir.display());
        Ok(Run { name, mark })
    }

    async fn begin(&self, launch: Launch) -> Result<Instance, Error> {
        let run = self.run(&launch)?;
        let tools = tools::find(&self.options.path)?;
        let command = tools::command(&launch, &self.options)?;
        self.swept.get_or_try_init(|| async { self.end_orphans().await.map(drop) }).await?;
        if !self.living.insert(&run.mark) {
            return Err(Error::AlreadyRunning { run: run.name });
        }
        let order = Order { options: Arc::clone(&self.options), tools, run, launch, command };
        let runs = (self.living.clone(), self.strays.clone());
        let beginning = begin(order, self.spawner.clone(), runs, self.watches.clone());
        // On a task of its own: who stops waiting drops the instance, and that ends it.
        self.watches.spawn(beginning).await.map_err(|_| Error::Closed)?
    }

    async fn end_orphans(&self) -> Result<usize, Error> {
        orphans::sweep(&self.options.run_dir, &self.living).await
    }
}

async fn begin(
    order: Order,
    spawner: Spawner,
    runs: (Living, Strays),
    watches: TaskTracker,
) -> Result<Instance, Error> {
    let (instance, ends) = driver::channels();
    let mark = order.run.mark.clone();
    let started = spawner.start(order).await;
    match started.and_then(|started| Watch::new(started, runs.clone(), ends)) {
        Ok(watch) => {
            watches.spawn(watch.run());
            Ok(instance)
        }
        Err(error) => {
            runs.0.remove(&mark);
            Err(error)
        }
    }
}

impl Driver for Process {
    fn fingerprint(&self) -> BoxFuture<'_, Fingerprint> {
        let missing = tools::missing(&self.options.path);
        Box::pin(std::future::ready(Fingerprint { tier: TIER.to_owned(), missing }))
    }

    fn sweep(&self) -> BoxFuture<'_, Result<usize, Error>> {
        Box::pin(async {
            let count = self.end_orphans().await?;
            self.swept.get_or_init(|| async {}).await;
            Ok(count)
        })
    }

    fn start(&self, launch: Launch) -> BoxFuture<'_, Result<Instance, Error>> {
        Box::pin(self.begin(launch))
    }

    fn homes(&self) -> BoxFuture<'_, Result<Vec<Home>, Error>> {
        let run_dir = self.options.run_dir.clone();
        Box::pin(async { blocking(move || homes::list(&run_dir)).await })
    }

    fn remove_home(&self, home: Home) -> BoxFuture<'_, Result<(), Error>> {
        let path = homes::path(&self.options.run_dir, &home.agent, &home.id);
        Box::pin(async { blocking(move || homes::remove(path)).await })
    }
}

/// Does what waits for the disk where nobody else waits.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Closed)?
}
