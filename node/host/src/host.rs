//! What the host's parts share: options, ports, gate, sink, the incarnations that run here. Each effect is tested here.

use crate::bus::attestation_check::AttestationChecks;
use crate::bus::outbound_session::OutboundSessions;
use crate::bus::router::Router;
use crate::bus::send_queues::SendQueues;
use crate::counters::Counters;
use crate::grants::{GrantGuard, Standing};
use crate::instance::{Assignment, Instance, Instances};
use crate::ledger::Ledger;
use crate::logs::Logs;
use crate::mailbox::Mailbox;
use crate::observer::{Effect, Event};
use crate::options::Options;
use crate::ports::Ports;
use crate::releases::Releases;
use crate::sink::Sink;
use ed25519_dalek::SigningKey;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use symbi_model::{Incarnation, MessageId, State};
use symbi_policy::credential::Verifier;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// An effect that this node's gate refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused: {why}")]
pub(crate) struct Refused {
    /// Why, for people.
    pub(crate) why: String,
}

/// What speaks for callers from outside: an identity of the node itself.
pub(crate) struct Gateway {
    /// The key that its sessions' credentials name; made for this boot alone.
    pub(crate) cnf: SigningKey,
    /// Which start of the node this is.
    pub(crate) incarnation: Incarnation,
    /// What waits to leave of it.
    pub(crate) send_queues: SendQueues,
}

/// What the host's parts share.
pub(crate) struct Host {
    /// What is fixed.
    pub(crate) options: Options,
    /// The surroundings.
    pub(crate) ports: Ports,
    /// Whether the node may act.
    pub(crate) guard: GrantGuard,
    /// How it stands, for those who wait.
    pub(crate) standing: watch::Receiver<Standing>,
    /// How many grants have come, for those who wait for the next.
    pub(crate) granted: watch::Receiver<u64>,
    /// What is accepted here.
    pub(crate) sink: Sink,
    /// What agents say.
    pub(crate) logs: Logs,
    /// The incarnations that run here.
    pub(crate) instances: Instances,
    /// The sessions that others have opened.
    pub(crate) router: Router,
    /// The sessions that were opened here.
    pub(crate) outbound_sessions: OutboundSessions,
    /// What checks the signatures over what was received.
    pub(crate) attestation_checks: AttestationChecks,
    /// What the bus counts.
    pub(crate) counters: Counters,
    /// What judges credentials, and remembers those that were used.
    pub(crate) verifier: Verifier,
    /// Who speaks for callers from outside.
    pub(crate) gateway: Gateway,
    /// What records messages and denials.
    pub(crate) ledger: Ledger,
    /// What has ended here for good, on disk.
    pub(crate) releases: Arc<Releases>,
    /// Where all randomness comes from.
    random: Mutex<StdRng>,
    /// Starts of agents since boot.
    starts: AtomicU32,
    /// Places for starts that are under way.
    pub(crate) start_places: Arc<Semaphore>,
    /// What carries messages.
    carriers: TaskTracker,
    /// Ends them.
    stop: CancellationToken,
}

impl Host {
    /// What is shared, before anything runs.
    pub(crate) fn new(
        options: Options,
        ports: Ports,
        (ledger, releases): (Ledger, Arc<Releases>),
        attestation_checks: AttestationChecks,
        guard: GrantGuard,
        standing: watch::Receiver<Standing>,
        granted: watch::Receiver<u64>,
    ) -> Self {
        assert!(options.boot <= u64::from(u32::MAX), "the boot count is the high half of an incarnation");
        let mut random = StdRng::from_seed(options.seed);
        let cnf = signing_key(&mut random);
        let incarnation = Incarnation(options.boot << 32);
        // Many users speak through it, and each of their messages may be for another agent.
        let send_queues = SendQueues::new(4 * options.sessions, options.send_bytes);
        let gateway = Gateway { cnf, incarnation, send_queues };
        Self {
            sink: Sink::new(Arc::clone(&ports.observer)),
            router: Router::new(options.received_sessions),
            outbound_sessions: OutboundSessions::default(),
            attestation_checks,
            counters: Counters::default(),
            verifier: Verifier::new(),
            random: Mutex::new(random),
            logs: Logs::default(),
            instances: Instances::default(),
            starts: AtomicU32::new(0),
            start_places: Arc::new(Semaphore::new(options.starts)),
            carriers: TaskTracker::new(),
            stop: CancellationToken::new(),
            options,
            ports,
            guard,
            standing,
            granted,
            gateway,
            ledger,
            releases,
        }
    }

    /// Spawns something that carries messages. It ends by itself or with the host; if it fails, what it carried has no end
    /// but the sender's deadline.
    pub(crate) fn spawn(&self, carrier: impl Future<Output = ()> + Send + 'static) {
        self.carriers.spawn(self.stop.clone().run_until_cancelled_owned(carrier));
    }

    /// Ends all that carries messages, when it is done or after `patience`.
    pub(crate) async fn stop_carrying(&self, patience: Duration) {
        self.carriers.close();
        let _ = timeout(patience, self.carriers.wait()).await;
        self.stop.cancel();
        self.carriers.wait().await;
    }

    /// The replicated state as this node has it now.
    pub(crate) fn state(&self) -> State {
        self.ports.state.borrow().clone()
    }

    /// An effect of `instance`, in the moment in which it is done: its gates are open, the node has a grant, and the
    /// placement is still its own, all by one and the same state, which is returned.
    pub(crate) fn test(&self, instance: &Instance, kind: Effect) -> Result<State, Refused> {
        let state = self.check(instance, kind)?;
        let (agent, epoch) = (instance.assignment.name().clone(), instance.assignment.epoch);
        (self.ports.observer)(Event::EffectPassed { agent, epoch, kind });
        Ok(state)
    }

    /// Whether an effect of `instance` would pass, before anything is done for it.
    pub(crate) fn check(&self, instance: &Instance, kind: Effect) -> Result<State, Refused> {
        let state = self.state();
        let tested = if instance.is_open() {
            self.tested(&instance.assignment, &state)
        } else {
            Err("its gates are shut".to_owned())
        };
        tested.map(|()| state).map_err(|why| {
            let (agent, epoch) = (instance.assignment.name().clone(), instance.assignment.epoch);
            (self.ports.observer)(Event::EffectRefused { agent, epoch, kind, why: why.clone() });
            Refused { why }
        })
    }

    /// Whether a process may be started for `assignment`, before anything is done for it.
    pub(crate) fn would_start(&self, assignment: &Assignment) -> bool {
        let state = self.ports.state.borrow();
        assignment.in_force(&state, &self.options.node).is_some()
            && self.guard.covers(assignment.index, state.counters.applied_index)
    }

    /// Whether a process may be started for `assignment` in this moment; being started is an effect.
    pub(crate) fn may_start(&self, assignment: &Assignment) -> bool {
        let may = self.would_start(assignment);
        if may {
            let (agent, epoch) = (assignment.name().clone(), assignment.epoch);
            (self.ports.observer)(Event::EffectPassed { agent, epoch, kind: Effect::Start });
        }
        may
    }

    /// Waits until an effect of `instance` would pass, or it has ended.
    pub(crate) async fn until_open(&self, instance: &Instance) {
        if instance.is_open() && self.tested(&instance.assignment, &self.ports.state.borrow()).is_ok() {
            return;
        }
        let (mut standing, mut granted) = (self.standing.clone(), self.granted.clone());
        let (mut state, mut gates) = (self.ports.state.clone(), instance.gates());
        loop {
            standing.mark_unchanged();
            granted.mark_unchanged();
            gates.mark_unchanged();
            let now = state.borrow_and_update().clone();
            if instance.ended.is_cancelled() || (instance.is_open() && self.tested(&instance.assignment, &now).is_ok())
            {
                return;
            }
            tokio::select! {
                biased;
                () = instance.ended.cancelled() => return,
                Ok(()) = standing.changed() => (),
                Ok(()) = granted.changed() => (),
                Ok(()) = gates.changed() => (),
                Ok(()) = state.changed() => (),
            }
        }
    }

    /// A new incarnation, higher than any before.
    pub(crate) fn next_incarnation(&self) -> Incarnation {
        let start = self.starts.fetch_add(1, Ordering::SeqCst) + 1;
        Incarnation(self.options.boot << 32 | u64::from(start))
    }

    /// One incarnation of `assignment`, its gates shut, with a key of its own.
    pub(crate) fn instance(&self, assignment: Assignment, incarnation: Incarnation) -> Arc<Instance> {
        let cnf = self.with_random(signing_key);
        let mailbox = Mailbox::new(self.options.mailbox, self.options.mailbox_bytes);
        let send_queues = SendQueues::new(self.options.sessions, self.options.send_bytes);
        Arc::new(Instance::new(assignment, incarnation, cnf, mailbox, send_queues))
    }

    /// The clock by which sessions age: it does not jump.
    pub(crate) fn boot_ms(&self) -> u64 {
        u64::try_from((self.ports.boottime)().as_millis()).unwrap_or(u64::MAX)
    }

    /// Draws from the host's randomness.
    pub(crate) fn with_random<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.random.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Random bytes.
    pub(crate) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.with_random(|random| random.fill_bytes(&mut bytes));
        bytes
    }

    /// A new message's id: a UUIDv7.
    pub(crate) fn message_id(&self) -> MessageId {
        MessageId(uuid::Builder::from_unix_timestamp_millis((self.ports.wall_ms)(), &self.random()).into_uuid())
    }

    fn tested(&self, assignment: &Assignment, state: &State) -> Result<(), String> {
        self.guard.check(state.counters.applied_index).map_err(|shut| shut.to_string())?;
        match assignment.in_force(state, &self.options.node) {
            Some(_) => Ok(()),
            None => Err(format!("epoch {} is no longer placed here", assignment.epoch)),
        }
    }
}

fn signing_key(random: &mut StdRng) -> SigningKey {
    let mut seed = [0; 32];
    random.fill_bytes(&mut seed);
    SigningKey::from_bytes(&seed)
}
