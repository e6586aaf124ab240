//! One operation: what a client asked of a key, when it called, and what came back.

use std::fmt;
use std::time::Duration;

/// What a key holds; none is a key that is absent.
pub type Value = Option<String>;

/// A point of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Its place among all calls and returns of the history: only this decides what came before what.
    pub order: u64,
    /// The time, for whoever reads the history.
    pub at: Duration,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A read; once it returned, what it saw and when.
    Read(Option<(Value, Moment)>),
    /// A write of a value; once it returned, when.
    Write(Value, Option<Moment>),
}

/// An operation on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Whose.
    pub client: String,
    /// When it was called.
    pub called: Moment,
    /// What, and how it ended.
    pub action: Action,
}

impl Operation {
    /// When it returned; none while nobody knows what became of it.
    #[must_use]
    pub fn returned(&self) -> Option<Moment> {
        match &self.action {
            Action::Read(seen) => seen.as_ref().map(|(_, moment)| *moment),
            Action::Write(_, returned) => *returned,
        }
    }

    /// Itself as it was known at `order`: none if it had not been called.
    #[must_use]
    pub fn known_at(&self, order: u64) -> Option<Self> {
        if self.called.order > order {
            return None;
        }
        let mut known = self.clone();
        if self.returned().is_some_and(|returned| returned.order > order) {
            match &mut known.action {
                Action::Read(seen) => *seen = None,
                Action::Write(_, returned) => *returned = None,
            }
        }
        Some(known)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |at: Duration| format!("{:.6}", at.as_secs_f64());
        let returned = self.returned().map_or_else(|| "unknown".to_owned(), |moment| seconds(moment.at));
        write!(formatter, "{:>12} {returned:>12}  {:<8} ", seconds(self.called.at), self.client)?;
        let name = |value: &Value| value.as_ref().map_or_else(|| "absent".to_owned(), |text| format!("{text:?}"));
        match &self.action {
            Action::Read(Some((value, _))) => write!(formatter, "read {}", name(value)),
            Action::Read(None) => write!(formatter, "read"),
            Action::Write(value, _) => write!(formatter, "write {}", name(value)),
        }
    }
}
