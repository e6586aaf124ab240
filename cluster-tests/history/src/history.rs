//! A history: every call and return of a run, in the order in which they were recorded.
//!
//! Invariants:
//! - a call is recorded before the request leaves, a return after the answer came, so that what is recorded as one after
//!   the other was so;
//! - an operation ends at most once.

use crate::contradiction::Contradiction;
use crate::operation::{Action, Moment, Operation, Value};
use crate::search::{self, Verdict};
use std::collections::BTreeMap;
use std::time::Duration;

/// The most operations of one key that are judged.
pub const MOST: usize = 1_000;

/// What is recorded of a run.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The operations of each key, by the order of their calls.
    keys: BTreeMap<String, BTreeMap<u64, Operation>>,
    /// How many calls and returns there were.
    order: u64,
}

/// An operation that was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Its key.
    key: String,
    /// The order of its call.
    called: u64,
}

/// How much was judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Keys.
    pub keys: usize,
    /// Reads that returned.
    pub reads: usize,
    /// Writes that returned.
    pub writes: usize,
    /// Operations whose fate is unknown.
    pub unknown: usize,
    /// Configurations that the search looked at.
    pub configurations: usize,
}

/// Why a history does not pass.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not linearizable.
    #[error("{0}")]
    NotLinearizable(Contradiction),
    /// A key has more operations than are judged.
    #[error("key {key} has {operations} operations; at most {MOST} of a key are judged")]
    TooLong {
        /// The key.
        key: String,
        /// How many it has.
        operations: usize,
    },
    /// The search was given up.
    #[error("key {key} was not decided within {configurations} configurations")]
    Undecided {
        /// The key.
        key: String,
        /// How many were looked at.
        configurations: usize,
    },
}

impl History {
    /// A client is about to read `key`.
    pub fn read(&mut self, client: &str, key: &str, at: Duration) -> Ticket {
        self.call(client, key, Action::Read(None), at)
    }

    /// A client is about to write `value` to `key`.
    pub fn write(&mut self, client: &str, key: &str, value: Value, at: Duration) -> Ticket {
        self.call(client, key, Action::Write(value, None), at)
    }

    fn call(&mut self, client: &str, key: &str, action: Action, at: Duration) -> Ticket {
        let called = self.moment(at);
        let operation = Operation { client: client.to_owned(), called, action };
        self.keys.entry(key.to_owned()).or_default().insert(called.order, operation);
        Ticket { key: key.to_owned(), called: called.order }
    }

    /// A read saw `value`.
    ///
    /// # Panics
    /// When it has ended, or is a write.
    pub fn saw(&mut self, ticket: &Ticket, value: Value, at: Duration) {
        let moment = self.moment(at);
        let action = &mut self.open(ticket).action;
        assert!(matches!(action, Action::Read(None)), "{ticket:?} is {action:?}");
        *action = Action::Read(Some((value, moment)));
    }

    /// A write was acknowledged.
    ///
    /// # Panics
    /// When it has ended, or is a read.
    pub fn wrote(&mut self, ticket: &Ticket, at: Duration) {
        let moment = self.moment(at);
        match &mut self.open(ticket).action {
            Action::Write(_, returned @ None) => *returned = Some(moment),
            action => panic!("{ticket:?} is {action:?}"),
        }
    }

    /// An operation is known to have had no effect, and to have none later.
    ///
    /// # Panics
    /// When it has ended.
    pub fn refused(&mut self, ticket: &Ticket) {
        assert!(self.open(ticket).returned().is_none(), "{ticket:?} has ended");
        self.keys.get_mut(&ticket.key).and_then(|operations| operations.remove(&ticket.called));
    }

    fn open(&mut self, ticket: &Ticket) -> &mut Operation {
        let operation = self.keys.get_mut(&ticket.key).and_then(|operations| operations.get_mut(&ticket.called));
        operation.unwrap_or_else(|| panic!("{ticket:?} is not of this history, or was refused"))
    }

    fn moment(&mut self, at: Duration) -> Moment {
        self.order += 1;
        Moment { order: self.order, at }
    }

    /// Judges it, key by key; every key is absent at first.
    ///
    /// # Errors
    /// The first key that does not pass, and why.
    pub fn check(&self) -> Result<Checked, Error> {
        let mut checked = Checked::default();
        for (key, operations) in &self.keys {
            let operations: Vec<Operation> = operations.values().cloned().collect();
            checked.configurations += check_key(key, &operations)?;
            checked.keys += 1;
            for operation in &operations {
                match &operation.action {
                    Action::Read(Some(_)) => checked.reads += 1,
                    Action::Write(_, Some(_)) => checked.writes += 1,
                    _ => checked.unknown += 1,
                }
            }
        }
        Ok(checked)
    }
}

fn check_key(key: &str, operations: &[Operation]) -> Result<usize, Error> {
    if operations.len() > MOST {
        return Err(Error::TooLong { key: key.to_owned(), operations: operations.len() });
    }
    match search::search(operations) {
        Verdict::Linearizable { configurations } => Ok(configurations),
        Verdict::NotLinearizable => Err(Error::NotLinearizable(Contradiction::find(key, operations))),
        Verdict::Undecided { configurations } => Err(Error::Undecided { key: key.to_owned(), configurations }),
    }
}
