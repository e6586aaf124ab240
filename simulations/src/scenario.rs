//! What happens to the world: a few faults, all of their parameters drawn from the seed.

use crate::trace::What;
use rand::Rng;
use rand::rngs::StdRng;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The kinds of run. Each begins with three nodes that join, and has agents that talk throughout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// The leader's links are held and released. Sometimes the voter that has elected another crashes as it does.
    Cut,
    /// A node crashes, losing what it had not synced, and starts again.
    Crash,
    /// A node is stopped past its grant, as by SIGSTOP: links held, its lease clock runs.
    Pause,
    /// A machine is suspended: links held, its lease clock stands still.
    Freeze,
    /// The last node's links are held while it catches up with the log; its join fails, and it starts again.
    CatchUp,
    /// A link is held in one direction.
    OneWay,
    /// Links lose what is on them.
    Loss,
    /// A node's links are slow.
    Slow,
    /// A wall clock jumps, and jumps back.
    Clock,
    /// The policies change, and change back, while messages are under way and a node may not hear of it.
    Policy,
    /// A node that is down is removed, and started again.
    Remove,
    /// Power is cut, for one node or for several at once, while appends are on their way to the disk.
    PowerCut,
    /// A disk takes nothing for some seconds; sometimes power is cut meanwhile.
    Stall,
    /// A disk is full: the node stops, is started in vain, and goes on when there is room.
    DiskFull,
    /// A sync fails: the node stops, and is started again.
    DiskError,
    /// Of five nodes each hears only its two neighbours.
    Ring,
    /// Leadership is handed on.
    Transfer,
    /// A voter cannot sign the audit chain, and others would in its name, while another voter is removed.
    Mute,
    /// The database of a cluster of one is put back to what it was some time ago.
    PutBack,
    /// Three faults of any kind, one after the other; sometimes a removal after them.
    Mixed,
}

impl Scenario {
    /// Every kind.
    pub const ALL: [Self; 20] = [
        Self::Cut,
        Self::Crash,
        Self::Pause,
        Self::Freeze,
        Self::CatchUp,
        Self::OneWay,
        Self::Loss,
        Self::Slow,
        Self::Clock,
        Self::Policy,
        Self::Remove,
        Self::PowerCut,
        Self::Stall,
        Self::DiskFull,
        Self::DiskError,
        Self::Ring,
        Self::Transfer,
        Self::Mute,
        Self::PutBack,
        Self::Mixed,
    ];

    /// The kind that a seed runs when none is named.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let kinds = Self::ALL.len() as u64;
        Self::ALL[usize::try_from(seed % kinds).expect("one of a few")]
    }

    /// How many hosts its world has: three, or five, all of which come to vote; and one for what no majority can survive.
    #[must_use]
    pub fn hosts(self, random: &mut StdRng) -> usize {
        if self == Self::PutBack {
            return 1;
        }
        let five = match self {
            Self::Ring => true,
            Self::PowerCut | Self::Transfer | Self::Mixed => random.random_ratio(1, 3),
            _ => false,
        };
        if five { 5 } else { 3 }
    }

    /// What must have happened in its run, or else the run has shown nothing.
    #[must_use]
    pub fn own(self) -> &'static [What] {
        match self {
            Self::Cut => &[What::LeaderChanges],
            Self::Crash => &[What::Crashes],
            Self::Pause => &[What::RePlacements],
            Self::Freeze => &[What::RePlacements, What::LatePassed, What::JudgedAgain],
            Self::CatchUp => &[What::Crashes],
            Self::OneWay => &[What::OneWayHolds],
            Self::Loss => &[What::Losses],
            Self::Slow => &[What::SlowLinks],
            Self::Clock => &[What::ClockJumps],
            Self::Policy => &[What::PolicyChanges],
            Self::Remove => &[What::Removals, What::TurnedAway],
            Self::PowerCut => &[What::InFlight],
            Self::Stall => &[What::Stalls],
            Self::DiskFull => &[What::DisksFull, What::DisksFailed, What::NodesStopped],
            Self::DiskError => &[What::DisksFailed, What::NodesStopped],
            Self::Ring => &[What::FiveVoters, What::Rings],
            Self::Transfer => &[What::Transfers, What::LeaderChanges],
            Self::Mute => &[What::Muted, What::Followed, What::Removals, What::TurnedAway],
            Self::PutBack => &[What::Witnessed, What::PutBack, What::NodesStopped],
            Self::Mixed => &[What::Compared],
        }
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
            Self::OneWay => "one-way",
            Self::Loss => "loss",
            Self::Slow => "slow",
            Self::Clock => "clock",
            Self::Policy => "policy",
            Self::Remove => "remove",
            Self::PowerCut => "power-cut",
            Self::Stall => "stall",
            Self::DiskFull => "disk-full",
            Self::DiskError => "disk-error",
            Self::Ring => "ring",
            Self::Transfer => "transfer",
            Self::Mute => "mute",
            Self::PutBack => "put-back",
            Self::Mixed => "mixed",
        })
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scenario| scenario.to_string() == text);
        found
            .ok_or_else(|| format!("{text:?} is none of {}", Self::ALL.map(|scenario| scenario.to_string()).join(", ")))
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
    /// The leader is cut off.
    Cut {
        /// For how long.
        time: Duration,
        /// Whether the node whose vote makes another the leader crashes at once; then the old one returns in the other's place.
        forgetful: bool,
    },
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
        /// Whether only the leader does not hear it. What it then says to others comes to them late, and they must know.
        partly: bool,
    },
    /// What one other node sends to a node is held, or what it sends to that one, for so long.
    OneWay {
        /// The node.
        target: Target,
        /// Whether it is what comes to the node that is held, and not what it sends.
        inbound: bool,
        /// For how long.
        time: Duration,
    },
    /// A node's links lose what is on them, one after the other.
    Loss {
        /// The node.
        target: Target,
        /// For how long each, and how long until the next.
        bursts: Vec<(Duration, Duration)>,
    },
    /// A node's links are slow.
    Slow {
        /// The node.
        target: Target,
        /// The longest way of a segment.
        longest: Duration,
        /// For how long.
        time: Duration,
    },
    /// A node's wall clock jumps, and jumps back.
    Clock {
        /// The node.
        target: Target,
        /// By how much, ms.
        ms: i64,
        /// For how long.
        time: Duration,
    },
    /// The policies forbid an agent's messages for a while.
    Policy {
        /// Whether it is the receiver's node that judges.
        at_receiver: bool,
        /// How long a node is cut off meanwhile; none if zero.
        unheard: Duration,
        /// For how long, all nodes having heard.
        time: Duration,
    },
    /// Power is cut while appends of a node are on their way to its disk.
    PowerCut {
        /// The node.
        target: Target,
        /// How many others lose it in the same moment.
        others: usize,
        /// How long until it is back.
        down: Duration,
    },
    /// A node's disk takes nothing.
    Stall {
        /// The node.
        target: Target,
        /// For how long.
        time: Duration,
        /// For how long the node is down when power is cut at the end of it; it is not if zero.
        down: Duration,
    },
    /// A node's disk is full, and the node stops.
    DiskFull {
        /// The node.
        target: Target,
        /// How long until it is started, and how long until there is room.
        time: Duration,
    },
    /// A node's disk fails at its next sync or write, and the node stops.
    DiskError {
        /// The node.
        target: Target,
        /// How long until it is started again.
        down: Duration,
    },
    /// Each node hears only its two neighbours, for so long.
    Ring(Duration),
    /// Leadership is handed on so many times.
    Transfer(u32),
    /// A node goes down and is removed while another voter cannot sign that.
    Mute {
        /// The node that is removed.
        target: Target,
        /// How long nobody can sign it, and how long the node's parts go on when it has said that it was removed.
        longer: Duration,
    },
    /// A node goes down, is removed, and is started again.
    Remove {
        /// The node.
        target: Target,
        /// How long its parts go on when it has said that it was removed.
        longer: Duration,
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
        Scenario::OneWay => vec![one_way(random), one_way(random)],
        Scenario::Loss => vec![loss(random)],
        Scenario::Slow => vec![slow(random)],
        Scenario::Clock => vec![clock(random), clock(random)],
        Scenario::Policy => vec![policy(random)],
        Scenario::Remove => vec![remove(random)],
        Scenario::PowerCut => vec![power_cut(random), power_cut(random)],
        Scenario::Stall => vec![stall(random), stall(random)],
        Scenario::DiskFull => vec![disk_full(random)],
        Scenario::DiskError => vec![disk_error(random)],
        Scenario::Ring => vec![Fault::Ring(millis(random, 1_500, 8_000))],
        Scenario::Transfer => vec![transfer(random)],
        Scenario::Mute => vec![Fault::Mute { target: target(random), longer: millis(random, 1_500, 4_000) }],
        // After it nothing can heal: it is a play of its own.
        Scenario::PutBack => Vec::new(),
        Scenario::Mixed => {
            let mut faults: Vec<Fault> = (0..3).map(|_| any(random)).collect();
            faults.extend(random.random_ratio(1, 4).then(|| remove(random)));
            faults
        }
    }
}

fn any(random: &mut StdRng) -> Fault {
    match random.random_range(0..14) {
        0 => cut(random),
        1 => crash(random),
        2 => silence(random, false),
        3 => silence(random, true),
        4 => one_way(random),
        5 => loss(random),
        6 => slow(random),
        7 => clock(random),
        8 => policy(random),
        9 => power_cut(random),
        10 => stall(random),
        11 => disk_full(random),
        12 => disk_error(random),
        _ => transfer(random),
    }
}

fn target(random: &mut StdRng) -> Target {
    if random.random() { Target::Leader } else { Target::Follower }
}

fn cut(random: &mut StdRng) -> Fault {
    Fault::Cut { time: millis(random, 1_500, 14_000), forgetful: random.random_ratio(1, 3) }
}

fn crash(random: &mut StdRng) -> Fault {
    let target = target(random);
    // Half of the crashes are over before the node is condemned.
    let down = if random.random() { millis(random, 100, 3_000) } else { millis(random, 11_000, 15_000) };
    Fault::Crash(target, down)
}

fn silence(random: &mut StdRng, freeze: bool) -> Fault {
    let stall = if random.random() { millis(random, 500, 4_000) } else { Duration::ZERO };
    // Without a freeze its gates shut by themselves, whoever hears it.
    let partly = freeze && random.random();
    Fault::Silence { freeze, longer: millis(random, 100, 3_000), stall, partly }
}

fn one_way(random: &mut StdRng) -> Fault {
    // Some are over before anybody closes a connection for silence.
    let time = if random.random() { millis(random, 100, 1_500) } else { millis(random, 2_500, 8_000) };
    Fault::OneWay { target: target(random), inbound: random.random(), time }
}

fn loss(random: &mut StdRng) -> Fault {
    let count = random.random_range(1..=4);
    let bursts = (0..count).map(|_| (millis(random, 1, 300), millis(random, 100, 4_000))).collect();
    Fault::Loss { target: target(random), bursts }
}

fn slow(random: &mut StdRng) -> Fault {
    let (longest, time) = (millis(random, 50, 500), millis(random, 2_000, 8_000));
    Fault::Slow { target: target(random), longest, time }
}

fn clock(random: &mut StdRng) -> Fault {
    let ahead: i64 = random.random_range(100..10_000);
    let ms = if random.random() { ahead } else { -ahead };
    Fault::Clock { target: target(random), ms, time: millis(random, 500, 5_000) }
}

fn policy(random: &mut StdRng) -> Fault {
    let unheard = if random.random() { millis(random, 500, 6_000) } else { Duration::ZERO };
    Fault::Policy { at_receiver: random.random(), unheard, time: millis(random, 300, 2_000) }
}

fn remove(random: &mut StdRng) -> Fault {
    Fault::Remove { target: target(random), longer: millis(random, 100, 4_000) }
}

fn power_cut(random: &mut StdRng) -> Fault {
    // Now and then more than the group can do without.
    let others = random.random_range(0..=2);
    Fault::PowerCut { target: target(random), others, down: millis(random, 100, 3_000) }
}

fn stall(random: &mut StdRng) -> Fault {
    let down = if random.random() { millis(random, 100, 3_000) } else { Duration::ZERO };
    Fault::Stall { target: target(random), time: millis(random, 300, 6_000), down }
}

fn disk_full(random: &mut StdRng) -> Fault {
    Fault::DiskFull { target: target(random), time: millis(random, 500, 4_000) }
}

fn disk_error(random: &mut StdRng) -> Fault {
    Fault::DiskError { target: target(random), down: millis(random, 100, 4_000) }
}

fn transfer(random: &mut StdRng) -> Fault {
    Fault::Transfer(random.random_range(1..=3))
}

/// A duration between two numbers of milliseconds.
pub fn millis(random: &mut StdRng, least: u64, most: u64) -> Duration {
    Duration::from_millis(random.random_range(least..most))
}
