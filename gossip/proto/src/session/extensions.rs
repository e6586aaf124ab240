//! What a header says beyond its fields: a bounded map of numbered keys to bytes.
//!
//! Nodes write it and agents never do. It is protected as the rest of the header is: in the associated data of the seal, and
//! through the header's digest under the batch's signature. A key that a node does not know it carries and ignores, so that a
//! later version may say more to those who understand it without a new format.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most entries.
pub const ENTRIES: usize = 16;
/// The most bytes of all values together.
pub const BYTES: usize = 1024;

/// The number of an entry. Numbers are given once and never again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key(pub u16);

impl Key {
    /// The message that began the task.
    pub const TASK_ROOT: Self = Self(1);
    /// The run that this message was sent from.
    pub const PARENT_RUN: Self = Self(2);
    /// How many messages lie between the task's root and this one.
    pub const DEPTH: Self = Self(3);
    /// Labels of what is in the payload.
    pub const LABELS: Self = Self(4);
    /// The budget that the work counts against.
    pub const BUDGET: Self = Self(5);
    /// The conversation that it belongs to.
    pub const SESSION: Self = Self(6);
    /// Whose words it has, where a user had the agent say them: [`symbi_model::ledger::OnBehalf`], encoded.
    pub const ON_BEHALF: Self = Self(7);
}

/// The map.
///
/// Invariants:
/// - at most [`ENTRIES`] entries, whose values have at most [`BYTES`] together;
/// - one encoding: the entries in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(Key, Vec<u8>)>", into = "Vec<(Key, Vec<u8>)>")]
pub struct Extensions(BTreeMap<Key, Vec<u8>>);

impl Extensions {
    /// Sets an entry, in the place of an older one.
    ///
    /// # Errors
    /// [`Error::TooLong`], and nothing is changed.
    pub fn set(&mut self, key: Key, value: Vec<u8>) -> Result<(), Error> {
        let others = self.0.iter().filter(|(other, _)| **other != key);
        let (count, bytes) =
            others.fold((1, value.len()), |(count, bytes), (_, value)| (count + 1, bytes + value.len()));
        fits(count, bytes)?;
        self.0.insert(key, value);
        Ok(())
    }

    /// The value of an entry.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&[u8]> {
        self.0.get(&key).map(Vec::as_slice)
    }

    /// All entries, in the order of their keys, those of later versions among them.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &[u8])> {
        self.0.iter().map(|(key, value)| (*key, value.as_slice()))
    }
}

impl TryFrom<Vec<(Key, Vec<u8>)>> for Extensions {
    type Error = Error;

    fn try_from(entries: Vec<(Key, Vec<u8>)>) -> Result<Self, Error> {
        fits(entries.len(), entries.iter().map(|(_, value)| value.len()).sum())?;
        if !entries.is_sorted_by(|(one, _), (other, _)| one < other) {
            return Err(Error::ExtensionOrder);
        }
        Ok(Self(entries.into_iter().collect()))
    }
}

impl From<Extensions> for Vec<(Key, Vec<u8>)> {
    fn from(extensions: Extensions) -> Self {
        extensions.0.into_iter().collect()
    }
}

fn fits(entries: usize, bytes: usize) -> Result<(), Error> {
    if entries > ENTRIES {
        return Err(Error::TooManyExtensions { entries, max: ENTRIES });
    }
    if bytes > BYTES {
        return Err(Error::TooLong { what: "a header's extensions", bytes, max: BYTES });
    }
    Ok(())
}
