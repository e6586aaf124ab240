//! Histories of a register that a run could have had: every operation takes effect at one instant while it goes on.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::Duration;
use symbi_history::{History, Ticket, Value};

/// What kind of history is made.
#[derive(Clone, Copy, Debug)]
pub struct Make {
    /// How many clients, each with one operation at a time.
    pub clients: usize,
    /// How many operations.
    pub operations: usize,
    /// Of a hundred operations, so many never return; half of these take effect.
    pub unknown: u32,
    /// How many values there are; none: every write has its own.
    pub values: Option<usize>,
}

/// Where a client is.
enum Phase {
    /// It may call.
    Idle,
    /// It has called, and nothing has happened.
    Called(Ticket, Option<Value>),
    /// It has taken effect: what a read saw.
    Done(Ticket, Option<Value>),
}

/// A linearizable history, and how many reads there are in it. A read with a number in `wrong` returns that value instead of
/// what it saw.
pub fn history(seed: u64, make: Make, wrong: Option<(usize, Value)>) -> (History, usize) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut history = History::default();
    let mut clients: Vec<Phase> = (0..make.clients).map(|_| Phase::Idle).collect();
    let (mut register, mut called, mut reads, mut tick) = (None, 0, 0, 0);
    while called < make.operations || clients.iter().any(|phase| !matches!(phase, Phase::Idle)) {
        tick += 1;
        let (at, number) = (Duration::from_millis(tick), random.random_range(0..make.clients));
        let name = format!("c{number}");
        clients[number] = match std::mem::replace(&mut clients[number], Phase::Idle) {
            Phase::Idle if called == make.operations => Phase::Idle,
            Phase::Idle => {
                called += 1;
                let writes = random.random::<bool>().then(|| value(&mut random, make.values, called));
                let ticket = match &writes {
                    Some(value) => history.write(&name, "k", value.clone(), at),
                    None => history.read(&name, "k", at),
                };
                Phase::Called(ticket, writes)
            }
            // It never returns; whoever called goes on. What has not happened might happen later, which changes no verdict.
            Phase::Called(..) if random.random_ratio(make.unknown, 200) => Phase::Idle,
            Phase::Called(ticket, Some(value)) => {
                register = value;
                Phase::Done(ticket, None)
            }
            Phase::Called(ticket, None) => Phase::Done(ticket, Some(register.clone())),
            Phase::Done(..) if random.random_ratio(make.unknown, 200) => Phase::Idle,
            Phase::Done(ticket, None) => {
                history.wrote(&ticket, at);
                Phase::Idle
            }
            Phase::Done(ticket, Some(saw)) => {
                let wrong = wrong.as_ref().filter(|(read, _)| *read == reads).map(|(_, value)| value.clone());
                history.saw(&ticket, wrong.unwrap_or(saw), at);
                reads += 1;
                Phase::Idle
            }
        };
    }
    (history, reads)
}

fn value(random: &mut StdRng, values: Option<usize>, called: usize) -> Value {
    match values {
        // The last is absence: a removal.
        Some(values) => {
            Some(random.random_range(0..values)).filter(|value| value + 1 < values).map(|it| it.to_string())
        }
        None => Some(called.to_string()),
    }
}
