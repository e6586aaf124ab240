//! The trace: everything that a run has seen, a line each, in order and with its simulated time; and its hash.
//!
//! A [`Recorder`] writes the lines, counts, and lets every oracle see every event as it happens.

mod counts;
mod event;

pub use counts::{Counts, What};
pub use event::{Event, Seen};

use crate::clock;
use crate::oracle::{self, Oracle};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Writes the trace. Clones write the same one.
#[derive(Clone)]
pub struct Recorder {
    /// What clones share.
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    /// The lines.
    lines: Vec<String>,
    /// The oracles.
    oracles: Vec<Box<dyn Oracle>>,
    /// What they object to.
    violations: Vec<String>,
    /// Who has had which writes acknowledged, by index, since that was last asked for.
    acked: Vec<(String, u64)>,
    /// What was exercised.
    counts: Counts,
    /// Hosts by the first digits of their nodes' ids.
    names: BTreeMap<String, String>,
}

impl Default for Recorder {
    fn default() -> Self {
        let inner = Inner {
            lines: Vec::new(),
            oracles: oracle::all(),
            violations: Vec::new(),
            acked: Vec::new(),
            counts: Counts::default(),
            names: BTreeMap::new(),
        };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }
}

impl Recorder {
    /// Records what `host` says now.
    pub fn tell(&self, host: &str, event: Event) {
        self.tell_at(clock::now(), host, event);
    }

    /// Records an event of the simulated time `at`.
    pub fn tell_at(&self, at: Duration, host: &str, event: Event) {
        let mut inner = self.lock();
        let seen = Seen { at, host: host.to_owned(), event };
        inner.lines.push(format!("{:>12} {host:<5} {}", at.as_micros(), seen.event));
        inner.counts.see(&seen);
        if matches!(seen.event, Event::PutBack) {
            inner.oracles.retain(|oracle| oracle.outlasts());
        }
        if let Event::Acked { index, .. } = &seen.event {
            inner.acked.push((host.to_owned(), *index));
        }
        let objections: Vec<String> = inner.oracles.iter_mut().filter_map(|oracle| oracle.see(&seen).err()).collect();
        for objection in objections {
            inner.object(at, &objection);
        }
    }

    /// Remembers which host a node's id stands for.
    pub fn name(&self, node: &symbi_model::NodeId, host: &str) {
        self.lock().names.insert(node.short(), host.to_owned());
    }

    /// The host of a node.
    #[must_use]
    pub fn name_of(&self, node: &symbi_model::NodeId) -> String {
        self.lock().names.get(&node.short()).cloned().unwrap_or_else(|| node.short())
    }

    /// What was exercised so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lock().counts.clone()
    }

    /// How often something was exercised so far.
    #[must_use]
    pub fn count(&self, what: What) -> u64 {
        self.lock().counts.of(what)
    }

    /// The hosts to which writes were acknowledged since this was last asked for, and the writes' indexes.
    #[must_use]
    pub fn take_acked(&self) -> Vec<(String, u64)> {
        std::mem::take(&mut self.lock().acked)
    }

    /// What the oracles object to.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    /// The trace as text.
    #[must_use]
    pub fn text(&self) -> String {
        let inner = self.lock();
        let mut text = inner.lines.join("\n");
        text.push('\n');
        text
    }

    /// SHA-256 of the trace, hex.
    #[must_use]
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(self.text().as_bytes()))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn object(&mut self, at: Duration, objection: &str) {
        let violation = format!("at {:.3} s: {objection}", at.as_secs_f64());
        self.lines.push(format!("{:>12} world VIOLATION {objection}", at.as_micros()));
        self.violations.push(violation);
    }
}
