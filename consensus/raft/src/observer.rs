//! Who is told of each entry that a replica applies: in a simulation, the oracle that compares replicas.

use std::fmt;
use std::sync::Arc;
use symbi_model::Hash;

/// Told of each entry that a replica applies, in their order; by default nobody is. What an install of a snapshot skips is
/// not told.
#[derive(Clone, Default)]
pub struct Observer {
    /// Takes the index, and the hash of the state behind the entry.
    applied: Option<Applied>,
}

type Applied = Arc<dyn Fn(u64, Hash) + Send + Sync>;

impl Observer {
    /// One that has `applied` told. It is called on the task that applies, before anybody sees the state.
    #[must_use]
    pub fn new(applied: impl Fn(u64, Hash) + Send + Sync + 'static) -> Self {
        Self { applied: Some(Arc::new(applied)) }
    }

    /// An entry was applied.
    pub(crate) fn applied(&self, index: u64, state: impl FnOnce() -> Hash) {
        if let Some(applied) = &self.applied {
            applied(index, state());
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = if self.applied.is_some() { "somebody" } else { "nobody" };
        formatter.debug_tuple("Observer").field(&told).finish()
    }
}
