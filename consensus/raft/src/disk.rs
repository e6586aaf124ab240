//! What a group keeps on disk: its keys, and our own forms of log ids, votes, memberships and entries.
//!
//! openraft's types are never written, so that a new openraft does not change the format.

pub mod format;
pub mod keys;

mod stalls;

pub use keys::Keys;
pub use stalls::Stalls;

use crate::error::storage;
use std::convert::Infallible;
use std::io;
use std::ops::Deref;
use std::sync::{Arc, Weak};
use symbi_model::{GroupId, codec};
use symbi_store::{Engine, Error, OnDurable, Run, WriteBatch};
use tokio::sync::{mpsc, oneshot};

/// What an engine may keep apart of a group: its log, and its audit chain.
#[must_use]
pub fn runs(group: GroupId) -> [Run; 2] {
    Keys::new(group).runs()
}

/// The index as of which an engine has a group's state: what a replica that is started on it begins with.
///
/// # Errors
/// What the engine says, or that what it has is none of ours.
pub fn saved_index(engine: &dyn Engine, group: GroupId) -> io::Result<Option<u64>> {
    Ok(applied(engine, &Keys::new(group))?.and_then(|applied| applied.last).map(|last| last.index))
}

/// What was saved of a group's state machine last; none on a new disk.
pub fn applied(engine: &dyn Engine, keys: &Keys) -> io::Result<Option<format::Applied>> {
    let Some(bytes) = engine.get(&keys.applied()).map_err(storage)? else { return Ok(None) };
    codec::decode(&bytes, format::SMALL).map(Some).map_err(storage)
}

/// The engine, as log and state machine hold it. Whoever may outlive them holds a [`Weak`] one, so that a replica that
/// was shut down has let go of its engine, whoever still has a handle.
#[derive(Clone)]
pub struct Disk {
    /// The engine. Before `_held`, because it is to go first.
    engine: Arc<dyn Engine>,
    /// What it has not answered yet.
    stalls: Stalls,
    /// Dropped with the last of these.
    _held: mpsc::Sender<Infallible>,
}

impl Disk {
    /// The engine, and what closes when nobody holds it any more.
    pub fn new(engine: Arc<dyn Engine>) -> (Self, mpsc::Receiver<Infallible>) {
        let (held, released) = mpsc::channel(1);
        (Self { engine, stalls: Stalls::default(), _held: held }, released)
    }

    /// What the disk has not answered yet.
    pub fn stalls(&self) -> Stalls {
        self.stalls.clone()
    }

    /// Queues a batch, as [`Engine::append`] does, and watches over its answer.
    pub fn append(&self, batch: WriteBatch, on_durable: OnDurable) {
        let asked = self.stalls.ask();
        self.engine.append(
            batch,
            Box::new(move |result| {
                drop(asked);
                on_durable(result);
            }),
        );
    }

    /// Writes a batch, as [`Engine::write`] does, and watches over it.
    pub fn write(&self, batch: WriteBatch) -> Result<(), Error> {
        let _asked = self.stalls.ask();
        self.engine.write(batch)
    }

    /// Appends a batch now; the future ends when it and everything before it is durable.
    pub fn sync(&self, batch: WriteBatch) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let asked = self.stalls.ask();
        let synced = sync(&*self.engine, batch);
        async move {
            let result = synced.await;
            drop(asked);
            result
        }
    }

    /// The engine, for those who may outlive the replica.
    pub fn weak(&self) -> Weak<dyn Engine> {
        Arc::downgrade(&self.engine)
    }
}

impl Deref for Disk {
    type Target = dyn Engine;

    fn deref(&self) -> &Self::Target {
        &*self.engine
    }
}

/// Appends a batch now; the future ends when it and everything before it is durable.
pub fn sync(engine: &dyn Engine, batch: WriteBatch) -> impl Future<Output = io::Result<()>> + Send + 'static {
    let (sender, receiver) = oneshot::channel();
    engine.append(batch, Box::new(move |result| drop(sender.send(result))));
    async move {
        match receiver.await {
            Ok(result) => result.map_err(storage),
            Err(_) => Err(io::Error::other("the storage engine dropped a batch")),
        }
    }
}
