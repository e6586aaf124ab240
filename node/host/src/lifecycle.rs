//! The lifecycle of an agent on its node: ten states, and one pure function that says what each event makes of them.
//!
//! The states are the model's [`AgentState`]; [`step`] is total over `(state, event)`, and whatever it does not name is an
//! [`InvalidTransition`]. It decides; the runner does what the actions say. [`mermaid`] draws it for ARCHITECTURE.md.

use std::fmt;
use symbi_model::agent::AgentState;

/// Every state, in the order of the model.
pub const STATES: [AgentState; 10] = [
    AgentState::Created,
    AgentState::Initializing,
    AgentState::Ready,
    AgentState::Running,
    AgentState::Waiting,
    AgentState::Suspended,
    AgentState::Completed,
    AgentState::Failed,
    AgentState::Terminating,
    AgentState::Terminated,
];

/// Every event, in the order of [`Event`].
pub const EVENTS: [Event; 10] = [
    Event::Start,
    Event::Initialized,
    Event::Admitted,
    Event::GrantLost,
    Event::GrantBack,
    Event::Ended(End::Restart),
    Event::Ended(End::Success),
    Event::Ended(End::Failure),
    Event::Stop,
    Event::Fenced,
];

/// What happens to an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// A grant covers its placement, and its backoff has passed.
    Start,
    /// The process has answered `initialize`.
    Initialized,
    /// Its mailbox and its gates may open.
    Admitted,
    /// Its node has had no grant for so long that it is suspended.
    GrantLost,
    /// Its node's gates are open again.
    GrantBack,
    /// The process has ended.
    Ended(End),
    /// The cluster no longer wants it to run.
    Stop,
    /// The placement is no longer this node's: another instance may be running already.
    Fenced,
}

/// How a process ended, and what its restart policy makes of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// It is started again.
    Restart,
    /// Without error, and it is not started again.
    Success,
    /// With an error, and it is not started again.
    Failure,
}

impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Start => "start",
            Self::Initialized => "initialized",
            Self::Admitted => "admitted",
            Self::GrantLost => "grant lost",
            Self::GrantBack => "grant back",
            Self::Ended(End::Restart) => "ended, restarts",
            Self::Ended(End::Success) => "ended well",
            Self::Ended(End::Failure) => "ended badly",
            Self::Stop => "stop",
            Self::Fenced => "fenced",
        })
    }
}

/// What the runner does for a transition, in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Start the process, in a new incarnation.
    Launch,
    /// Let effects of this incarnation be tested by the effect gate at all.
    OpenGates,
    /// Refuse every effect of this incarnation.
    ShutGates,
    /// Stop the process group where it is.
    Freeze,
    /// Let the process group go on.
    Thaw,
    /// Ask the process to end, and kill it when it does not.
    Terminate,
    /// Kill the process group.
    Kill,
    /// Wait before the next start.
    BackOff,
    /// Tell the cluster the new state.
    Report,
    /// Tell the cluster that the process has ended, that the gates are shut, and that this epoch never starts again.
    Release,
}

/// An event that makes no sense in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an agent that is {state} cannot take the event '{event}'")]
pub struct InvalidTransition {
    /// The state.
    pub state: AgentState,
    /// The event.
    pub event: Event,
}

/// The state after `event`, and what is to be done.
///
/// # Errors
/// [`InvalidTransition`] where the table names no transition; the state is then unchanged.
pub fn step(state: AgentState, event: Event) -> Result<(AgentState, &'static [Action]), InvalidTransition> {
    match event {
        Event::Ended(end) => ended(state, end),
        Event::Stop => stop(state),
        Event::Fenced => fenced(state),
        Event::Start | Event::Initialized | Event::Admitted | Event::GrantLost | Event::GrantBack => run(state, event),
    }
    .ok_or(InvalidTransition { state, event })
}

type Transition = Option<(AgentState, &'static [Action])>;

fn run(state: AgentState, event: Event) -> Transition {
    use Action::{Freeze, Kill, Launch, OpenGates, Report, ShutGates, Thaw};
    use AgentState::{Created, Initializing, Ready, Running, Suspended, Waiting};
    Some(match (state, event) {
        (Created | Waiting, Event::Start) => (Initializing, &[Launch, Report]),
        (Initializing, Event::Initialized) => (Ready, &[]),
        (Ready, Event::Admitted) => (Running, &[OpenGates, Report]),
        // A process that has not answered yet holds nothing worth keeping: it starts afresh under the next grant.
        (Initializing, Event::GrantLost) => (Waiting, &[Kill, Report]),
        (Ready | Running, Event::GrantLost) => (Suspended, &[ShutGates, Freeze, Report]),
        (Suspended, Event::GrantBack) => (Running, &[Thaw, OpenGates, Report]),
        _ => return None,
    })
}

fn ended(state: AgentState, end: End) -> Transition {
    use Action::{BackOff, Release, Report, ShutGates};
    use AgentState::{Completed, Failed, Initializing, Ready, Running, Suspended, Terminated, Terminating, Waiting};
    Some(match (state, end) {
        (Initializing | Ready | Running | Suspended, End::Restart) => (Waiting, &[ShutGates, BackOff, Report]),
        (Initializing | Ready | Running | Suspended, End::Success) => (Completed, &[ShutGates, Release]),
        (Initializing | Ready | Running | Suspended, End::Failure) => (Failed, &[ShutGates, Release]),
        (Terminating, _) => (Terminated, &[Release]),
        _ => return None,
    })
}

fn stop(state: AgentState) -> Transition {
    use Action::{Release, Report, ShutGates, Terminate, Thaw};
    use AgentState::{
        Completed, Created, Failed, Initializing, Ready, Running, Suspended, Terminated, Terminating, Waiting,
    };
    Some(match state {
        Created | Waiting | Completed | Failed => (Terminated, &[Release]),
        Initializing | Ready | Running => (Terminating, &[ShutGates, Terminate, Report]),
        // A stopped process group cannot act on SIGTERM before it goes on; its gates stay shut.
        Suspended => (Terminating, &[ShutGates, Thaw, Terminate, Report]),
        Terminating | Terminated => return None,
    })
}

fn fenced(state: AgentState) -> Transition {
    use Action::{Kill, ShutGates};
    use AgentState::{
        Completed, Created, Failed, Initializing, Ready, Running, Suspended, Terminated, Terminating, Waiting,
    };
    Some(match state {
        Created | Waiting | Completed | Failed => (Terminated, &[]),
        Initializing | Ready | Running | Suspended | Terminating => (Terminated, &[ShutGates, Kill]),
        Terminated => return None,
    })
}

/// The whole table as a Mermaid state diagram: one line for each transition, the events of a pair of states together.
#[must_use]
pub fn mermaid() -> String {
    let mut out = String::from("stateDiagram-v2\n    [*] --> created\n");
    for from in STATES {
        for to in STATES {
            let events = EVENTS.into_iter().filter(|event| step(from, *event).is_ok_and(|(next, _)| next == to));
            let labels: Vec<String> = events.map(|event| event.to_string()).collect();
            if !labels.is_empty() {
                out.push_str(&format!("    {from} --> {to} : {}\n", labels.join(" / ")));
            }
        }
    }
    out.push_str("    terminated --> [*]\n");
    out
}

#[cfg(test)]
mod tests;
