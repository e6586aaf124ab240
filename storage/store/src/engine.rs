//! The engine: what is asked of a disk, and what a crash may take.

use crate::error::Error;
use crate::write_batch::WriteBatch;

/// A key with its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Called once when a batch is synced, or with the reason why nobody can rely on it: it may be there later all the same.
///
/// It runs on whichever thread finished the batch, so it must not block; it may call the engine.
pub type OnDurable = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// An ordered map of bytes on a disk.
///
/// Invariants, each a case of [`crate::suite`]:
/// - appended batches become durable, and are called back, in the order of the calls;
/// - what was called back with `Ok` survives any crash;
/// - a batch is there wholly or not at all;
/// - after a crash no appended batch is there without every earlier one, no write without every earlier write, and no
///   acknowledged append without every write that returned before the append was called;
/// - the first failure of an `append` or a `write` is the last: until it is opened again the engine refuses everything
///   but reads. (Were a later batch let through, the disk would hold it without the earlier one.)
///
/// Caveats: between an `append` on its way and a `write` there is no order; who needs one waits for the callback. A crash
/// of the process, unlike one of the machine, mostly keeps writes too; nothing may rely on it.
pub trait Engine: Send + Sync + 'static {
    /// Queues a batch and returns without waiting for the disk. `on_durable` is called exactly once, from any thread,
    /// maybe before this returns: when the batch is synced, or with the error. The batch is readable at the latest then.
    /// (If the process crashes first, nothing is called.)
    fn append(&self, batch: WriteBatch, on_durable: OnDurable);

    /// Writes without a sync: readable when it returns; durable at the latest with the next `append` called after it that
    /// becomes durable.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Io`], [`Error::Corrupt`], [`Error::Closed`].
    fn write(&self, batch: WriteBatch) -> Result<(), Error>;

    /// The value of `key`, if there is one.
    ///
    /// # Errors
    /// As for [`Engine::write`].
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;

    /// At most `limit` pairs from `from` up to, and without, `to`, by rising key. Across the bounds of a [`crate::Run`] they
    /// need not be of one moment.
    ///
    /// # Errors
    /// As for [`Engine::write`].
    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, Error>;

    /// At most `limit` pairs with the highest keys from `from` up to, and without, `to`, by falling key.
    ///
    /// # Errors
    /// As for [`Engine::write`].
    fn scan_back(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, Error>;

    /// The pair with the highest key from `from` up to, and without, `to`.
    ///
    /// # Errors
    /// As for [`Engine::write`].
    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<Pair>, Error>;

    /// The failure of an `append` or a `write` after which it refuses everything but reads, if there was one: whoever has to
    /// say why the node stops finds it here, since above this seam it is a text among others.
    fn failure(&self) -> Option<Error>;
}
