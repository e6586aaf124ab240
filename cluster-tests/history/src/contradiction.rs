//! A contradiction: the operations of a key that no order explains, up to the return that made it so, and the few of them
//! that suffice.

use crate::operation::{Action, Operation, Value};
use crate::search::{Verdict, search};
use std::fmt;

/// What does not hold together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The key.
    pub key: String,
    /// Its operations as they were known at the first return after which no order explains them.
    pub operations: Vec<Operation>,
    /// The places in `operations` of a few that contradict each other.
    pub core: Vec<usize>,
}

impl Contradiction {
    /// What contradicts itself in `operations`, which are not linearizable.
    pub(crate) fn find(key: &str, operations: &[Operation]) -> Self {
        let operations = shortest_prefix(operations);
        let core = core(&operations);
        Self { key: key.to_owned(), operations, core }
    }
}

fn contradicts(operations: &[Operation]) -> bool {
    search(operations) == Verdict::NotLinearizable
}

/// The operations as they were known at the first return that made them contradict: what held until then cannot fail by
/// less being known, so it is found by halving.
fn shortest_prefix(operations: &[Operation]) -> Vec<Operation> {
    let known_at = |order: u64| -> Vec<Operation> {
        operations.iter().filter_map(|operation| operation.known_at(order)).collect()
    };
    let mut returns: Vec<u64> =
        operations.iter().filter_map(Operation::returned).map(|returned| returned.order).collect();
    returns.sort_unstable();
    let holding = returns.partition_point(|order| !contradicts(&known_at(*order)));
    returns.get(holding).map_or_else(|| operations.to_vec(), |order| known_at(*order))
}

/// Leaves one operation out after the other, as long as the rest contradicts itself. A write stays while a read is left
/// that saw its value: without it that read would be one of a value that nobody wrote, which is another finding.
fn core(operations: &[Operation]) -> Vec<usize> {
    let mut left: Vec<usize> = (0..operations.len()).collect();
    let mut changed = true;
    while std::mem::take(&mut changed) {
        for number in left.clone() {
            let rest: Vec<usize> = left.iter().copied().filter(|other| *other != number).collect();
            let without: Vec<Operation> = rest.iter().map(|number| operations[*number].clone()).collect();
            if !is_seen(&operations[number], &without) && contradicts(&without) {
                (left, changed) = (rest, true);
            }
        }
    }
    left
}

/// Whether it is a write whose value one of `others` saw.
fn is_seen(operation: &Operation, others: &[Operation]) -> bool {
    let Action::Write(written, _) = &operation.action else { return false };
    let saw = |other: &Operation| -> Option<Value> {
        match &other.action {
            Action::Read(Some((value, _))) => Some(value.clone()),
            _ => None,
        }
    };
    others.iter().filter_map(saw).any(|value| value == *written)
}

impl fmt::Display for Contradiction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (all, core) = (self.operations.len(), self.core.len());
        writeln!(
            formatter,
            "key {} is not linearizable: of its {all} operations the {core} marked > have no order",
            self.key
        )?;
        write!(formatter, "  {:>12} {:>12}  {:<8} operation", "called (s)", "returned (s)", "client")?;
        for (number, operation) in self.operations.iter().enumerate() {
            let mark = if self.core.contains(&number) { '>' } else { ' ' };
            write!(formatter, "\n{mark} {operation}")?;
        }
        Ok(())
    }
}
