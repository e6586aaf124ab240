//! The task that runs one agent under one placement: start, watch, restart, stop, release. One at a time for each agent.
//!
//! It decides nothing by itself: [`lifecycle::step`] says what each event means, the reconciler what is wanted, the
//! effect gate when a start is allowed. Not here: what travels to and from the process ([`crate::process`]).

use crate::backoff::Backoff;
use crate::host::Host;
use crate::instance::Assignment;
use crate::lifecycle::{self, Action, End, Event};
use crate::process::Process;
use crate::report::Reporter;
use crate::responsiveness::MISSES;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::Incarnation;
use symbi_model::agent::{self, Account, AgentState, DETAIL_BYTES, Restart, Status};
use symbi_model::command::Report;
use symbi_sandbox::{Exit, Launch, rpc};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};

/// A start that takes longer than this makes way for another: it may be waiting for something.
const SLOW: Duration = Duration::from_secs(3);

/// What the reconciler wants of a runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// It runs, as far as its restart policy goes.
    Run,
    /// It stops for good, and its placement is released.
    Stop,
    /// The node is leaving: it ends, and its placement is released, so that it runs elsewhere.
    Release,
    /// The placement is no longer this node's.
    Fenced,
    /// The node stops: the process ends, the placement stays.
    Leave,
}

/// Why an agent ends whose node is leaving.
const LEAVING: &str = "its node is leaving";

/// How a runner ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// Its assignment is over: it ended for good, was stopped, or fenced.
    Over,
    /// The node stops.
    Left,
}

/// The runner of one assignment.
pub(crate) struct Runner {
    /// The host it runs in.
    host: Arc<Host>,
    /// What it runs.
    assignment: Assignment,
    /// What is wanted of it.
    wanted: watch::Receiver<Wanted>,
    /// Tells the cluster.
    reporter: Reporter,
    /// Where the agent is in its life.
    state: AgentState,
    /// The last incarnation started here; zero before the first.
    incarnation: Incarnation,
    /// Starts under this epoch, those of earlier boots included.
    starts: u32,
    /// How it waits between starts.
    backoff: Backoff,
    /// The earliest next start.
    not_before: Instant,
    /// What there is to say of the present state.
    detail: String,
    /// What else there is to say, of processes that have ended.
    account: Account,
    /// Its place among those that start, while it does, and until when it keeps it.
    starting: Option<(OwnedSemaphorePermit, Instant)>,
}

impl Runner {
    /// A runner that goes on where `status`, if it is of this epoch, left off.
    pub(crate) fn new(
        host: Arc<Host>,
        assignment: Assignment,
        status: Option<&Status>,
        wanted: watch::Receiver<Wanted>,
    ) -> Self {
        let status = status.filter(|status| status.epoch == assignment.epoch);
        let started = status.filter(|status| status.incarnation > Incarnation(0));
        Self {
            reporter: Reporter::spawn(host.ports.proposals.clone(), Arc::clone(&host.releases)),
            host,
            assignment,
            wanted,
            state: AgentState::Created,
            incarnation: started.map(|status| status.incarnation).unwrap_or_default(),
            starts: started.map_or(0, |status| status.restarts.saturating_add(1)),
            backoff: Backoff::default(),
            not_before: Instant::now(),
            detail: String::new(),
            account: Account::default(),
            starting: None,
        }
    }

    /// Runs until the assignment is over or the node stops. When it returns, no process of it is left.
    pub(crate) async fn run(mut self) -> Finish {
        loop {
            let goes_on = match self.state {
                AgentState::Created | AgentState::Waiting => self.until_start().await,
                AgentState::Initializing => self.live().await,
                AgentState::Completed | AgentState::Failed | AgentState::Terminated => break,
                AgentState::Ready | AgentState::Running | AgentState::Suspended | AgentState::Terminating => {
                    unreachable!("these states have a process, whose end is awaited in `live`")
                }
            };
            if !goes_on {
                return Finish::Left;
            }
        }
        until_known(self.reporter, self.wanted).await
    }

    /// Waits until a start is wanted, due, covered by a grant, and its turn; false if the node stops.
    async fn until_start(&mut self) -> bool {
        let (mut granted, mut state) = (self.host.granted.clone(), self.host.ports.state.clone());
        loop {
            let wanted = *self.wanted.borrow_and_update();
            if wanted != Wanted::Run {
                return self.turn_away(wanted);
            }
            granted.mark_unchanged();
            state.mark_unchanged();
            let due = Instant::now() >= self.not_before;
            let place = Arc::clone(&self.host.start_places).acquire_owned();
            let would_start = due && self.host.would_start(&self.assignment);
            tokio::select! {
                biased;
                changed = self.wanted.changed() => if changed.is_err() { return false },
                () = sleep_until(self.not_before), if !due => (),
                changed = granted.changed(), if due && !would_start => if changed.is_err() { return false },
                changed = state.changed(), if due && !would_start => if changed.is_err() { return false },
                Ok(place) = place, if would_start => if self.take_place(place) { return true },
            }
        }
    }

    /// Begins a start, if it may still happen now that it is its turn.
    fn take_place(&mut self, place: OwnedSemaphorePermit) -> bool {
        if !self.host.may_start(&self.assignment) {
            return false;
        }
        self.starting = Some((place, Instant::now() + SLOW));
        self.advance(Event::Start);
        true
    }

    /// What is wanted, when there is no process; false if the node stops.
    fn turn_away(&mut self, wanted: Wanted) -> bool {
        match wanted {
            Wanted::Run | Wanted::Leave => return false,
            Wanted::Stop => self.advance(Event::Stop),
            Wanted::Release => {
                LEAVING.clone_into(&mut self.detail);
                self.advance(Event::Stop);
            }
            Wanted::Fenced => self.advance(Event::Fenced),
        };
        true
    }

    /// One process, from its launch to its end; false if the node stops.
    async fn live(&mut self) -> bool {
        self.starts = self.starts.saturating_add(1);
        self.incarnation = self.host.next_incarnation();
        self.tell(&[Action::Report]);
        if let Some(reason) = &self.assignment.unreadable {
            let exit = not_started(format!("its spec cannot be read: {reason}"));
            self.starting = None;
            self.ended(&exit, Duration::ZERO);
            return *self.wanted.borrow() != Wanted::Leave;
        }
        let (exit, up) = match self.begin().await {
            Ok(Some(sandbox)) if self.may_go_on() => {
                let instance = self.host.instance(self.assignment.clone(), self.incarnation);
                let mut process = Process::new(Arc::clone(&self.host), instance, sandbox);
                let exit = self.watch_over(&mut process).await;
                let up = process.since.elapsed();
                process.close(&exit.reason).await;
                (exit, up)
            }
            Ok(Some(mut sandbox)) => {
                sandbox.stopper.kill();
                (sandbox.ended().await, Duration::ZERO)
            }
            Ok(None) => (not_started("it had not started when it was to end".to_owned()), Duration::ZERO),
            Err(error) => (not_started(with_sources(&error)), Duration::ZERO),
        };
        self.starting = None;
        self.ended(&exit, up);
        *self.wanted.borrow() != Wanted::Leave
    }

    /// Has the driver start the process, and hears meanwhile what is wanted. None if it was to end and the start did not: what
    /// still comes of it, the driver ends.
    async fn begin(&mut self) -> Result<Option<symbi_sandbox::Instance>, symbi_sandbox::Error> {
        let driver = Arc::clone(&self.host.ports.driver);
        let mut start = driver.start(self.launch());
        let mut give_up = None;
        self.wanted.mark_changed();
        loop {
            let slow = self.starting.as_ref().map(|(_, until)| *until);
            tokio::select! {
                biased;
                started = &mut start => return started.map(Some),
                Ok(()) = self.wanted.changed() => {
                    if self.is_to_end() {
                        give_up.get_or_insert_with(|| Instant::now() + self.host.options.stop);
                    }
                }
                () = sleep_until(slow.unwrap_or_else(Instant::now)), if slow.is_some() => self.starting = None,
                () = sleep_until(give_up.unwrap_or_else(Instant::now)), if give_up.is_some() => return Ok(None),
            }
        }
    }

    /// What is wanted while the process is being started; whether it is to end.
    fn is_to_end(&mut self) -> bool {
        let wanted = *self.wanted.borrow_and_update();
        match (wanted, self.state) {
            (Wanted::Stop | Wanted::Release, AgentState::Initializing) => self.advance(Event::Stop),
            (Wanted::Fenced, AgentState::Initializing | AgentState::Terminating) => self.advance(Event::Fenced),
            _ => (),
        }
        wanted != Wanted::Run
    }

    /// Whether a process that has just been started may be told who it is: a start is fenced when it happens, too.
    fn may_go_on(&mut self) -> bool {
        if self.is_to_end() || self.state != AgentState::Initializing {
            return false;
        }
        if self.host.would_start(&self.assignment) {
            return true;
        }
        "its node has no grant for it".clone_into(&mut self.detail);
        self.advance(Event::GrantLost);
        false
    }

    fn launch(&self) -> Launch {
        let spec = &self.assignment.spec;
        Launch {
            agent: spec.name.to_string(),
            id: self.assignment.id.to_string(),
            owner: spec.owner.clone(),
            epoch: self.assignment.epoch.0,
            incarnation: self.incarnation.0,
            command: spec.command.clone(),
            env: spec.env.clone(),
            memory_mb: spec.resources.memory_mb,
            cpu_millis: spec.resources.cpu_millis,
        }
    }

    /// Reacts to whatever happens while the process lives.
    async fn watch_over(&mut self, process: &mut Process) -> Exit {
        let mut standing = self.host.standing.clone();
        let mut initialize = Box::pin(process.initialize());
        let (mut unanswered, mut answers) = (true, true);
        let mut misses = process.misses();
        standing.mark_changed();
        self.wanted.mark_changed();
        loop {
            let kill_at = process.kill_at.as_ref().map(|(at, _)| *at);
            let slow = self.starting.as_ref().map(|(_, until)| *until);
            tokio::select! {
                biased;
                exit = process.ended() => return exit,
                Ok(()) = self.wanted.changed() => self.on_wanted(process),
                answer = &mut initialize, if unanswered => {
                    (unanswered, self.starting) = (false, None);
                    self.on_initialized(process, answer);
                }
                Ok(()) = standing.changed() => (),
                () = unresponsive(&mut misses), if answers => {
                    answers = false;
                    self.on_unresponsive(process);
                }
                () = sleep_until(slow.unwrap_or_else(Instant::now)), if slow.is_some() => self.starting = None,
                () = sleep_until(kill_at.unwrap_or_else(Instant::now)), if kill_at.is_some() => process.kill(),
            }
            self.on_standing(process, *standing.borrow());
        }
    }

    fn on_wanted(&mut self, process: &mut Process) {
        let wanted = *self.wanted.borrow_and_update();
        match (wanted, self.state) {
            (Wanted::Run, _) | (_, AgentState::Terminated) => (),
            (Wanted::Stop | Wanted::Release, AgentState::Terminating) => (),
            // Killed for want of a grant: what is wanted is looked at again when it has ended.
            (_, AgentState::Waiting) => (),
            (Wanted::Stop | Wanted::Release, _) => self.advance_with(process, Event::Stop),
            (Wanted::Fenced, _) => self.advance_with(process, Event::Fenced),
            (Wanted::Leave, _) => {
                process.act(&[Action::ShutGates, Action::Thaw]);
                process.terminate();
            }
        }
    }

    fn on_initialized(&mut self, process: &mut Process, answer: Result<(), rpc::Error>) {
        match answer {
            Ok(()) if self.state == AgentState::Initializing => self.advance_with(process, Event::Initialized),
            Ok(()) => (),
            Err(error) => process.not_initialized(&error),
        }
    }

    /// Ends a process that does not answer; its restart policy says what comes next.
    fn on_unresponsive(&mut self, process: &Process) {
        if self.state != AgentState::Running {
            return;
        }
        let within_ms = self.assignment.spec.answer_within_ms;
        self.detail = format!("unresponsive: {MISSES} messages in a row were left unanswered for {within_ms} ms");
        tracing::warn!(agent = %self.assignment.name(), "an agent is unresponsive");
        self.tell(&[Action::Report]);
        process.end(&self.detail);
    }

    fn on_standing(&mut self, process: &mut Process, standing: crate::grants::Standing) {
        use crate::grants::Standing;
        // A placement that was lost meanwhile has its end coming: nothing is thawed for it.
        let in_force = self.assignment.in_force(&self.host.state(), &self.host.options.node).is_some();
        if *self.wanted.borrow() != Wanted::Run || !in_force {
            return;
        }
        match (standing, self.state) {
            (Standing::Open, AgentState::Ready) => self.advance_with(process, Event::Admitted),
            (Standing::Open, AgentState::Suspended) => self.advance_with(process, Event::GrantBack),
            (Standing::Silent, AgentState::Initializing | AgentState::Ready | AgentState::Running) => {
                "its node has no grant".clone_into(&mut self.detail);
                self.advance_with(process, Event::GrantLost);
            }
            _ => (),
        }
    }

    /// Takes note of the process's end.
    fn ended(&mut self, exit: &Exit, up: Duration) {
        if matches!(self.state, AgentState::Terminated | AgentState::Waiting) || *self.wanted.borrow() == Wanted::Leave
        {
            return;
        }
        let end = match (self.assignment.spec.restart, exit.is_success()) {
            (Restart::Always, _) | (Restart::OnFailure, false) => End::Restart,
            (Restart::OnFailure | Restart::Never, true) => End::Success,
            (Restart::Never, false) => End::Failure,
        };
        self.detail.clone_from(&exit.reason);
        self.account.exit = Some(agent::Exit { code: exit.code, signal: exit.signal });
        if *self.wanted.borrow() == Wanted::Release {
            self.detail = format!("{LEAVING}: {}", self.detail);
        }
        if end == End::Restart && self.state != AgentState::Terminating {
            self.back_off(up);
        }
        self.host.logs.of(self.assignment.name()).push("host", &self.detail);
        self.advance(Event::Ended(end));
    }

    fn back_off(&mut self, up: Duration) {
        let wait = self.host.with_random(|random| self.backoff.ended(up, random));
        self.not_before = Instant::now() + wait;
        let starts_in = format!("starts again in {:.1} s", wait.as_secs_f64());
        self.detail = if self.backoff.looping() {
            format!("crash loop, {} ends in a row: {}; {starts_in}", self.backoff.failures(), self.detail)
        } else {
            format!("{}; {starts_in}", self.detail)
        };
    }

    fn advance_with(&mut self, process: &mut Process, event: Event) {
        if matches!(event, Event::Admitted | Event::GrantBack) {
            self.detail.clear();
        }
        let actions = self.step(event);
        process.act(actions);
        self.tell(actions);
    }

    fn advance(&mut self, event: Event) {
        let actions = self.step(event);
        // A launch is reported by `live`, which knows the incarnation.
        if !actions.contains(&Action::Launch) {
            self.tell(actions);
        }
    }

    fn step(&mut self, event: Event) -> &'static [Action] {
        match lifecycle::step(self.state, event) {
            Ok((next, actions)) => {
                tracing::debug!(agent = %self.assignment.name(), from = %self.state, to = %next, %event, "lifecycle");
                self.state = next;
                actions
            }
            Err(invalid) => {
                debug_assert!(false, "{invalid}");
                tracing::error!(agent = %self.assignment.name(), %invalid, "a defect: the event is ignored");
                &[]
            }
        }
    }

    fn tell(&self, actions: &[Action]) {
        let released = actions.contains(&Action::Release);
        if released || actions.contains(&Action::Report) {
            self.reporter.tell(Report {
                name: self.assignment.name().clone(),
                epoch: self.assignment.epoch,
                incarnation: self.incarnation,
                // The reporter numbers it.
                sequence: 0,
                state: self.state,
                restarts: self.starts.saturating_sub(1),
                detail: self.detail[..self.detail.floor_char_boundary(DETAIL_BYTES)].to_owned(),
                released,
                account: self.account.document(),
            });
        }
    }
}

/// Waits until so many messages were left unanswered in a row that the process must be ended.
async fn unresponsive(misses: &mut watch::Receiver<u32>) {
    if misses.wait_for(|misses| *misses >= MISSES).await.is_err() {
        std::future::pending().await
    }
}

fn not_started(reason: String) -> Exit {
    Exit { code: None, signal: None, reason }
}

/// Tells once more of an end that an earlier start of this node may not have told.
pub(crate) async fn tell_again(host: Arc<Host>, report: Report, wanted: watch::Receiver<Wanted>) -> Finish {
    let reporter = Reporter::spawn(host.ports.proposals.clone(), Arc::clone(&host.releases));
    reporter.tell(report);
    until_known(reporter, wanted).await
}

/// Waits until the cluster knows of the end, or it does not matter any more: the node stops, or the placement is another's.
async fn until_known(mut reporter: Reporter, mut wanted: watch::Receiver<Wanted>) -> Finish {
    // An error means that nobody wants anything any longer.
    let given_up = wanted.wait_for(|wanted| matches!(wanted, Wanted::Leave | Wanted::Fenced));
    tokio::select! {
        biased;
        () = reporter.settled() => (),
        _ = given_up => (),
    }
    Finish::Over
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
