//! One process of an agent, from its start to its end: what a runner holds only while there is one.

use crate::dispatch;
use crate::host::Host;
use crate::instance::Instance;
use crate::lifecycle::Action;
use crate::requests;
use crate::responsiveness::Responsiveness;
use std::sync::Arc;
use std::time::Duration;
use symbi_sandbox::driver::ended;
use symbi_sandbox::{Exit, Stopper, rpc};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// How long the last words of a process are waited for once it has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A process and what serves it.
pub(crate) struct Process {
    /// The host it runs in.
    host: Arc<Host>,
    /// Its identity towards others.
    pub(crate) instance: Arc<Instance>,
    /// When it was started.
    pub(crate) since: Instant,
    /// When it is killed, and why, once it is expected to end.
    pub(crate) kill_at: Option<(Instant, String)>,
    /// Ends and freezes it.
    stopper: Stopper,
    /// Tells of its end.
    exit: watch::Receiver<Option<Exit>>,
    /// Calls it.
    client: rpc::Client,
    /// Reads its log.
    listener: JoinSet<()>,
    /// Carries what it says.
    requests: JoinSet<()>,
    /// Hands it its messages; none before its gates first open.
    dispatcher: JoinSet<()>,
    /// Whether it answers them.
    responsiveness: Arc<Responsiveness>,
}

impl Process {
    /// Takes over a process that has just been started.
    pub(crate) fn new(host: Arc<Host>, instance: Arc<Instance>, sandbox: symbi_sandbox::Instance) -> Self {
        let symbi_sandbox::Instance { stdin, stdout, stderr, exit, stopper } = sandbox;
        let (client, inbound) = rpc::connect(stdin, stdout, stopper.clone());
        let (mut listener, mut requests) = (JoinSet::new(), JoinSet::new());
        listener.spawn(listen(Arc::clone(&host), Arc::clone(&instance), stderr));
        requests.spawn(requests::carry(Arc::clone(&host), Arc::clone(&instance), inbound));
        let since = Instant::now();
        let answer_within = Duration::from_millis(instance.assignment.spec.answer_within_ms);
        Self {
            host,
            instance,
            since,
            kill_at: None,
            stopper,
            exit,
            client,
            listener,
            requests,
            dispatcher: JoinSet::new(),
            responsiveness: Arc::new(Responsiveness::new(answer_within)),
        }
    }

    /// Tells the process who it is, and waits for its answer within the host's time for that.
    pub(crate) fn initialize(&self) -> impl Future<Output = Result<(), rpc::Error>> + Send + use<> {
        let (client, within) = (self.client.clone(), self.host.options.initialize);
        let assignment = &self.instance.assignment;
        let (name, epoch) = (assignment.name().to_string(), assignment.epoch.0);
        let incarnation = self.instance.incarnation.0;
        async move {
            let answer = timeout(within, client.initialize(&name, epoch, incarnation)).await;
            answer.unwrap_or(Err(rpc::Error::NotInitialized))
        }
    }

    /// Waits for the process's end.
    pub(crate) async fn ended(&mut self) -> Exit {
        ended(&mut self.exit).await
    }

    /// Does what concerns the process.
    pub(crate) fn act(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::OpenGates => self.open(),
                Action::ShutGates => self.instance.set_open(false),
                Action::Freeze => self.stopper.freeze(),
                Action::Thaw => self.stopper.thaw(),
                Action::Terminate => self.terminate(),
                Action::Kill => self.stopper.kill(),
                // The runner's own.
                Action::Launch | Action::BackOff | Action::Report | Action::Release => (),
            }
        }
    }

    /// Asks it to end, and arms the kill.
    pub(crate) fn terminate(&mut self) {
        self.stopper.terminate();
        let within = self.host.options.stop;
        self.expect_end(within, format!("did not end within {} s of being asked to", within.as_secs()));
    }

    /// Takes note that the first call failed: if the process has ended, its exit says more than that its lines ended.
    pub(crate) fn not_initialized(&mut self, error: &rpc::Error) {
        let within = if matches!(error, rpc::Error::Ended { .. }) { LAST_WORDS } else { Duration::ZERO };
        self.expect_end(within, error.to_string());
    }

    /// Messages left unanswered in a row, for those who wait for them.
    pub(crate) fn misses(&self) -> watch::Receiver<u32> {
        self.responsiveness.misses()
    }

    /// Kills it for that reason: it could not be asked.
    pub(crate) fn end(&self, reason: &str) {
        self.stopper.end(reason);
    }

    /// Kills it, its time to end by itself being up.
    pub(crate) fn kill(&mut self) {
        if let Some((_, reason)) = self.kill_at.take() {
            self.stopper.end(reason);
        }
    }

    fn expect_end(&mut self, within: Duration, reason: String) {
        self.kill_at.get_or_insert((Instant::now() + within, reason));
    }

    /// Clears up after the process has ended. What it had answered before still leaves, if its gates are open; then
    /// nothing of this incarnation is accepted or delivered any more.
    pub(crate) async fn close(mut self, reason: &str) {
        self.host.instances.remove(&self.instance);
        self.instance.mailbox.close(&format!("the receiver ended: {reason}"));
        // Whoever holds its output open does not hold us up.
        let _ = timeout(LAST_WORDS, self.dispatcher.join_next()).await;
        self.instance.set_open(false);
        self.instance.ended.cancel();
        self.dispatcher.shutdown().await;
        self.requests.shutdown().await;
        let _ = timeout(LAST_WORDS, self.listener.join_next()).await;
    }

    fn open(&mut self) {
        self.instance.set_open(true);
        if self.dispatcher.is_empty() {
            self.host.instances.insert(Arc::clone(&self.instance));
            self.dispatcher.spawn(dispatch::run(
                Arc::clone(&self.host),
                Arc::clone(&self.instance),
                self.client.clone(),
                Arc::clone(&self.responsiveness),
            ));
        }
    }
}

async fn listen(host: Arc<Host>, instance: Arc<Instance>, mut lines: mpsc::Receiver<bytes::Bytes>) {
    let ring = host.logs.of(instance.assignment.name());
    while let Some(line) = lines.recv().await {
        ring.push("stderr", &String::from_utf8_lossy(&line));
    }
}
