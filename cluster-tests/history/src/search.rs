//! The search for an order that explains the operations of one key.
//!
//! Wing & Gong, *Testing and Verifying Concurrent Objects* (JPDC 1993): take, again and again, one of the operations that
//! no other one must precede, and go back where none fits. With the memory of Lowe, *Testing for Linearizability* (CCPE
//! 2017), as in Athalye's Porcupine: a *configuration*, which is the set of operations taken and the value they leave, is
//! looked at once. Deciding it is NP-complete in general (Gibbons & Korach, *Testing Shared Memories*, SIAM J. Comput.
//! 1997), so the search is bounded.
//!
//! Four facts about registers cut it short without changing its verdict:
//! - a read that sees the present value may be taken at once: it changes nothing, and later it would only wait;
//! - a write that never returned is of use only right before a read that sees it: any order that holds otherwise holds
//!   without it;
//! - a read that never returned says nothing;
//! - a value that some read has yet to see must not be overwritten by the last write of it.

use crate::operation::{Action, Operation, Value};
use std::collections::{BTreeMap, HashSet};

/// The most configurations looked at: some seconds, and less than 1 GiB.
const MOST_CONFIGURATIONS: usize = 2_000_000;
/// The place of a return that did not come.
const NEVER: u64 = u64::MAX;

/// What the search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is an order.
    Linearizable {
        /// How many configurations were looked at.
        configurations: usize,
    },
    /// There is none.
    NotLinearizable,
    /// Nobody knows.
    Undecided {
        /// How many configurations were looked at.
        configurations: usize,
    },
}

/// Judges the operations of one key, which is absent at first.
#[must_use]
pub(crate) fn search(operations: &[Operation]) -> Verdict {
    let problem = Problem::new(operations);
    if (0..problem.values.len()).any(|value| value != ABSENT && problem.is_wanted(value, &problem.start())) {
        return Verdict::NotLinearizable;
    }
    let (mut open, mut seen) = (vec![problem.start()], HashSet::new());
    while let Some(mut configuration) = open.pop() {
        problem.read_present(&mut configuration);
        if configuration.first >= problem.returned {
            return Verdict::Linearizable { configurations: seen.len() + 1 };
        }
        if seen.len() == MOST_CONFIGURATIONS {
            return Verdict::Undecided { configurations: seen.len() };
        }
        if !seen.contains(&configuration) {
            open.extend(problem.following(&configuration));
            seen.insert(configuration);
        }
    }
    Verdict::NotLinearizable
}

/// The number of the value that a key has before anything is written.
const ABSENT: usize = 0;

/// An operation, in numbers.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// When it was called.
    called: u64,
    /// When it returned, or [`NEVER`].
    returned: u64,
    /// The value that it writes or saw.
    value: usize,
    /// Whether it writes.
    writes: bool,
}

/// The operations that touch one value.
#[derive(Clone, Debug, Default)]
struct Touching {
    /// Steps that saw it.
    reads: Vec<usize>,
    /// Steps that write it.
    writes: Vec<usize>,
}

/// What is searched.
struct Problem {
    /// The steps: first those that returned, then those that did not, both by their calls.
    steps: Vec<Step>,
    /// How many returned.
    returned: usize,
    /// The values, by number.
    values: Vec<Touching>,
}

/// How far an order has come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Configuration {
    /// The steps that are in it, as bits.
    taken: Vec<u64>,
    /// The first step that is not.
    first: usize,
    /// The value that the last write has left.
    value: usize,
}

impl Configuration {
    fn has(&self, step: usize) -> bool {
        self.taken[step / 64] & 1 << (step % 64) != 0
    }

    fn take(&mut self, step: usize) {
        self.taken[step / 64] |= 1 << (step % 64);
        while self.first < self.taken.len() * 64 && self.has(self.first) {
            self.first += 1;
        }
    }
}

impl Problem {
    fn new(operations: &[Operation]) -> Self {
        let mut numbers = BTreeMap::from([(None, ABSENT)]);
        let mut steps: Vec<Step> = operations.iter().filter_map(|operation| step(operation, &mut numbers)).collect();
        let seen: HashSet<usize> = steps.iter().filter(|step| !step.writes).map(|step| step.value).collect();
        steps.retain(|step| step.returned != NEVER || seen.contains(&step.value));
        steps.sort_by_key(|step| (step.returned == NEVER, step.called));
        let mut values = vec![Touching::default(); numbers.len()];
        for (number, step) in steps.iter().enumerate() {
            let touching = &mut values[step.value];
            if step.writes { touching.writes.push(number) } else { touching.reads.push(number) }
        }
        let returned = steps.iter().filter(|step| step.returned != NEVER).count();
        Self { steps, returned, values }
    }

    fn start(&self) -> Configuration {
        Configuration { taken: vec![0; self.steps.len() / 64 + 1], first: 0, value: ABSENT }
    }

    /// Whether a read has yet to see `value`, and no write of it is left.
    fn is_wanted(&self, value: usize, so_far: &Configuration) -> bool {
        let Touching { reads, writes } = &self.values[value];
        reads.iter().any(|read| !so_far.has(*read)) && writes.iter().all(|write| so_far.has(*write))
    }

    /// The steps that may come next: none that is left out returned before they were called.
    fn candidates(&self, so_far: &Configuration) -> Vec<usize> {
        let (mut found, mut bound) = (Vec::new(), NEVER);
        for number in so_far.first..self.returned {
            if self.steps[number].called > bound {
                break;
            }
            if !so_far.has(number) {
                bound = bound.min(self.steps[number].returned);
                found.push(number);
            }
        }
        let unknown = (self.returned..self.steps.len()).take_while(|number| self.steps[*number].called < bound);
        found.extend(unknown.filter(|number| !so_far.has(*number)));
        found
    }

    /// Takes every read that sees the present value and may come next.
    fn read_present(&self, so_far: &mut Configuration) {
        loop {
            let mut candidates = self.candidates(so_far);
            candidates.retain(|number| !self.steps[*number].writes && self.steps[*number].value == so_far.value);
            if candidates.is_empty() {
                return;
            }
            candidates.into_iter().for_each(|number| so_far.take(number));
        }
    }

    /// What an order may come to by one write more; the most promising last.
    fn following(&self, so_far: &Configuration) -> Vec<Configuration> {
        if self.is_wanted(so_far.value, so_far) {
            return Vec::new();
        }
        let candidates = self.candidates(so_far);
        let (writes, reads): (Vec<usize>, Vec<usize>) =
            candidates.into_iter().partition(|number| self.steps[*number].writes);
        let awaited = |step: &Step| reads.iter().any(|read| self.steps[*read].value == step.value);
        let mut next: Vec<&usize> = writes
            .iter()
            .filter(|number| {
                let step = &self.steps[**number];
                step.returned != NEVER || awaited(step)
            })
            .collect();
        next.sort_by_key(|number| (awaited(&self.steps[**number]), std::cmp::Reverse(self.steps[**number].returned)));
        let after = |number: &usize| {
            let mut after = so_far.clone();
            after.take(*number);
            after.value = self.steps[*number].value;
            after
        };
        next.into_iter().map(after).collect()
    }
}

/// An operation in numbers; none if it says nothing.
fn step(operation: &Operation, numbers: &mut BTreeMap<Value, usize>) -> Option<Step> {
    let (value, writes) = match &operation.action {
        Action::Read(None) => return None,
        Action::Read(Some((value, _))) => (value, false),
        Action::Write(value, _) => (value, true),
    };
    let next = numbers.len();
    let value = *numbers.entry(value.clone()).or_insert(next);
    let returned = operation.returned().map_or(NEVER, |moment| moment.order);
    Some(Step { called: operation.called.order, returned, value, writes })
}
