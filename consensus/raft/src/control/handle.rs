//! A replica of the control group: what it is asked beside what every replica is.

use super::machine::Control;
use crate::audit::AuditRow;
use crate::disk::{self, Keys};
use crate::error::{Error, WriteError, storage};
use crate::handle;
use crate::link::Link;
use crate::options::Options;
use crate::position::Position;
use bytes::Bytes;
use std::io;
use std::sync::Arc;
use symbi_model::entry::CONTROL;
use symbi_model::state::Row;
use symbi_model::{Outcome, State, codec, gate};
use symbi_store::Engine;
use tokio::sync::watch;

/// A replica of the control group.
pub type Handle = handle::Replica<Control>;

/// What became of a proposed batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchApplied {
    /// The index of its entry.
    pub index: u64,
    /// The term of its entry.
    pub term: u64,
    /// What became of each of its commands, in order.
    pub outcomes: Vec<Outcome>,
}

/// Opens a replica of the control group: see [`handle::open`].
///
/// # Errors
/// [`Error::Options`], [`Error::Storage`], [`Error::Recovery`].
pub async fn start(options: Options, engine: Arc<dyn Engine>, link: Arc<dyn Link>) -> Result<Handle, Error> {
    handle::open(options, engine, link).await
}

/// The gate that is open in the control group's state as an engine has it; none where there is no state yet. A program that
/// speaks less must not start a replica on it. (Where its rows are of a later version than this program reads, it is the gate that
/// brought that version.)
///
/// # Errors
/// What the engine says, or that what it has is none of ours.
pub fn saved_gate(engine: &dyn Engine) -> io::Result<Option<u32>> {
    let keys = Keys::new(CONTROL);
    let Some(applied) = disk::applied(engine, &keys)? else { return Ok(None) };
    let (table, key) = State::counters_key();
    let row = keys.row(applied.generation, &[&[table as u8], key.as_slice()].concat());
    let Some(value) = engine.get(&row).map_err(storage)? else { return Ok(None) };
    match State::load([Row { table, key, value: Some(value) }]) {
        Ok(state) => Ok(Some(state.counters.gate)),
        Err(codec::Error::Version { found, .. }) => Ok(Some(gate::of_version(u16::from(found)))),
        Err(error) => Err(storage(error)),
    }
}

impl Handle {
    /// The state, after each chunk of applied entries. A clone of it is O(1).
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        self.image()
    }

    /// Makes a group of one out of this replica and proposes `genesis`, an encoded batch. May be called again with the
    /// same bytes after a crash at any point of it, and does nothing once there is a cluster.
    ///
    /// # Errors
    /// [`Error::GenesisRefused`], [`Error::Recovery`] on a disk that has voted and has lost its log, [`Error::Stopped`].
    pub async fn bootstrap(&self, genesis: Bytes) -> Result<(), Error> {
        if self.has_cluster() {
            return Ok(());
        }
        match self.found().await? {
            true => self.propose_genesis(genesis).await,
            // Nobody else could have been added before there was a cluster; its state is still to be applied here.
            false => Ok(()),
        }
    }

    async fn propose_genesis(&self, genesis: Bytes) -> Result<(), Error> {
        loop {
            self.settled().await?;
            if self.has_cluster() {
                return Ok(());
            }
            match self.propose(genesis.clone()).await {
                Ok(applied) => return genesis_done(&applied),
                Err(WriteError::Stopped) => return Err(Error::Stopped),
                // It has just stepped down, to lead again at once: there is nobody else.
                Err(WriteError::NotLeader { .. } | WriteError::Unknown | WriteError::TooLarge { .. }) => {}
            }
        }
    }

    fn has_cluster(&self) -> bool {
        self.image().borrow().cluster.is_some()
    }

    /// Proposes an encoded batch and waits until it is applied here: see [`handle::Replica::write`].
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn propose(&self, batch: impl Into<Bytes>) -> Result<BatchApplied, WriteError> {
        let applied = self.write(batch).await?;
        // This program made the answer a moment ago.
        let outcomes = codec::decode_outcomes(&applied.answer).map_err(|_| WriteError::Unknown)?;
        Ok(BatchApplied { index: applied.index, term: applied.term, outcomes })
    }

    /// At most `limit` lines of the audit chain from `from` on, in log order, as far as this replica has applied it.
    ///
    /// # Errors
    /// [`Error::Incomplete`], [`Error::Storage`], [`Error::Audit`].
    pub fn audit(&self, from: Position, limit: usize) -> Result<Vec<AuditRow>, Error> {
        let lines = self.lines(from, limit)?;
        lines.into_iter().map(|(at, value)| AuditRow::decode(at, &value).map_err(Error::Audit)).collect()
    }
}

fn genesis_done(applied: &BatchApplied) -> Result<(), Error> {
    match applied.outcomes.first() {
        Some(Outcome::Refused(refusal)) => Err(Error::GenesisRefused(refusal.clone())),
        _ => Ok(()),
    }
}
