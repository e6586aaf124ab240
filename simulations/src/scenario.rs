//! What happens to the world: a few faults, all of their parameters drawn from the seed.

use rand::Rng;
use rand::rngs::StdRng;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The kinds of run. Each begins with three nodes that join, and has agents that talk throughout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// The leader's links are held and released.
    Cut,
    /// A node crashes, losing what it had not synced, and starts again.
    Crash,
    /// A node is stopped past its grant, as by SIGSTOP: links held, its lease clock runs.
    Pause,
    /// A machine is suspended: links held, its lease clock stands still.
    Freeze,
    /// The last node's links are held while it catches up with the log; its join fails, and it starts again.
    CatchUp,
    /// Three faults of any kind, one after the other.
    Mixed,
}

impl Scenario {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Cut, Self::Crash, Self::Pause, Self::Freeze, Self::CatchUp, Self::Mixed];

    /// The kind that a seed runs when none is named.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self::ALL[usize::try_from(seed % 6).expect("below six")]
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Cut => "cut",
            Self::Crash => "crash",
            Self::Pause => "pause",
            Self::Freeze => "freeze",
            Self::CatchUp => "catch-up",
            Self::Mixed => "mixed",
        })
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scenario| scenario.to_string() == text);
        found.ok_or_else(|| format!("{text:?} is none of cut, crash, pause, freeze, catch-up, mixed"))
    }
}

/// Whom a fault meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The leader.
    Leader,
    /// A follower that holds agents.
    Follower,
    /// Any node that holds agents.
    Holder,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The leader is cut off for so long.
    Cut(Duration),
    /// A node is down for so long.
    Crash(Target, Duration),
    /// A node that holds agents is silent until its agents run elsewhere, and for so long after that.
    Silence {
        /// Whether its lease clock stands still meanwhile.
        freeze: bool,
        /// How much longer.
        longer: Duration,
        /// How long its disk takes nothing when it returns.
        stall: Duration,
    },
}

/// The faults of a run, in order.
#[must_use]
pub fn faults(scenario: Scenario, random: &mut StdRng) -> Vec<Fault> {
    match scenario {
        Scenario::Cut => vec![cut(random)],
        Scenario::Crash => vec![crash(random)],
        Scenario::Pause => vec![silence(random, false)],
        Scenario::Freeze => vec![silence(random, true)],
        Scenario::CatchUp => Vec::new(),
        Scenario::Mixed => (0..3).map(|_| any(random)).collect(),
    }
}

fn any(random: &mut StdRng) -> Fault {
    match random.random_range(0..4) {
        0 => cut(random),
        1 => crash(random),
        2 => silence(random, false),
        _ => silence(random, true),
    }
}

fn cut(random: &mut StdRng) -> Fault {
    Fault::Cut(millis(random, 1_500, 14_000))
}

fn crash(random: &mut StdRng) -> Fault {
    let target = if random.random() { Target::Leader } else { Target::Follower };
    // Half of the crashes are over before the node is condemned.
    let down = if random.random() { millis(random, 100, 3_000) } else { millis(random, 11_000, 15_000) };
    Fault::Crash(target, down)
}

fn silence(random: &mut StdRng, freeze: bool) -> Fault {
    let stall = if random.random() { millis(random, 500, 4_000) } else { Duration::ZERO };
    Fault::Silence { freeze, longer: millis(random, 100, 3_000), stall }
}

/// A duration between two numbers of milliseconds.
pub fn millis(random: &mut StdRng, least: u64, most: u64) -> Duration {
    Duration::from_millis(random.random_range(least..most))
}
