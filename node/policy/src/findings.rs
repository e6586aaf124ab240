//! Findings on messages, kept for the next message alike.
//!
//! A finding is a function of the policy set, the principal, the action, the resource, and the records that were read:
//! where all of these are the same, it is the same. Records are compared as what they are, one allocation that nobody
//! changes: an agent that is recorded anew has another.
//!
//! Invariants:
//! - every finding here was made by the one set that is named;
//! - at most [`MOST`] are kept: when there is no room, all are forgotten.

use crate::act::sealed::{Resource, Who};
use crate::entities::Read;
use crate::judge::Finding;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use symbi_model::{Hash, PolicyNumber, State};

/// The most findings that are kept.
pub const MOST: usize = 8_192;

/// The findings of one gate.
#[derive(Default)]
pub struct Findings {
    /// Keyed anew for each gate: whoever chooses names cannot choose which of them collide.
    hasher: RandomState,
    /// What is kept.
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The set by which they were found.
    set: (PolicyNumber, Hash),
    /// The findings, by the hash of what was asked.
    found: HashMap<u64, Entry>,
}

/// One finding, with all that it was found of.
struct Entry {
    /// The action.
    action: &'static str,
    /// Who, and whether that is a user.
    principal: (bool, String),
    /// The agent to which.
    resource: String,
    /// The records that were read.
    read: Vec<Read>,
    /// What was found.
    finding: Arc<Finding>,
}

/// What was asked, if the like of it is kept.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    /// The action.
    action: &'static str,
    /// Who, and whether that is a user.
    principal: (bool, &'a str),
    /// The agent to which.
    resource: &'a str,
    /// The hash of all this.
    hash: u64,
}

impl Findings {
    /// The key of a question, if it is one of those that are kept: an agent's or a user's, about an agent that is there.
    pub fn key<'a>(&self, action: &'static str, principal: Who<'a>, resource: Resource<'a>) -> Option<Key<'a>> {
        let principal = match principal {
            Who::Agent(name) => (false, name),
            Who::User(name) => (true, name),
            // Who has shown a token asks as the user once its scope has been looked at.
            Who::Bearer { user, .. } => (true, user),
            Who::Node { .. } => return None,
        };
        let Resource::Agent(resource) = resource else { return None };
        let hash = self.hasher.hash_one((action, principal, resource));
        Some(Key { action, principal, resource, hash })
    }

    /// What was found for the same question of the same set and the same records.
    pub fn get(&self, state: &State, key: &Key<'_>) -> Option<Arc<Finding>> {
        let set = current(state)?;
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = kept.found.get(&key.hash).filter(|_| kept.set == set)?;
        (entry.answers(key) && entry.holds(state)).then(|| entry.finding.clone())
    }

    /// Keeps what was found.
    pub fn put(&self, state: &State, key: &Key<'_>, read: Vec<Read>, finding: Arc<Finding>) {
        let Some(set) = current(state) else { return };
        let (principal, resource) = ((key.principal.0, key.principal.1.to_owned()), key.resource.to_owned());
        let entry = Entry { action: key.action, principal, resource, read, finding };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let forgotten = if kept.set != set || kept.found.len() >= MOST {
            kept.set = set;
            std::mem::take(&mut kept.found)
        } else {
            HashMap::new()
        };
        kept.found.insert(key.hash, entry);
        drop(kept);
        drop(forgotten);
    }
}

impl Entry {
    fn answers(&self, key: &Key<'_>) -> bool {
        let (is_user, name) = &self.principal;
        self.action == key.action && (*is_user, name.as_str()) == key.principal && self.resource == key.resource
    }

    /// Whether the records are still those that were read.
    fn holds(&self, state: &State) -> bool {
        self.read.iter().all(|(name, read)| match (state.agents.get(name), read) {
            (Some(agent), Some(spec)) => Arc::ptr_eq(&agent.spec, spec),
            (None, None) => true,
            _ => false,
        })
    }
}

fn current(state: &State) -> Option<(PolicyNumber, Hash)> {
    let number = state.counters.policy_set;
    Some((number, state.policy_sets.get(&number)?.hash))
}
