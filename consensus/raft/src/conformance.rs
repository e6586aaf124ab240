//! openraft's storage suite over both engines. Here and not in `tests`, because it needs what this crate does not show.

use crate::applier::Applier;
use crate::control::Control;
use crate::disk::{Disk, Keys, runs};
use crate::log::Log;
use crate::types::Types;
use crate::work::Work;
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use std::sync::Arc;
use symbi_model::GroupId;
use symbi_rocks::Rocks;
use symbi_store::Engine;
use symbi_store::memory::{self, Memory};

/// The group whose log and state they are.
const GROUP: GroupId = GroupId(3);

/// Makes a log and a state machine on a new engine each time.
struct Builder<G, F>(F, std::marker::PhantomData<fn() -> G>);

impl<G, F> StoreBuilder<Types, Log, Applier<Control>, G> for Builder<G, F>
where
    G: Send + Sync,
    F: Fn() -> (G, Arc<dyn Engine>) + Send + Sync,
{
    async fn build(&self) -> Result<(G, Log, Applier<Control>), StorageError<Types>> {
        let (guard, engine) = (self.0)();
        let keys = Keys::new(GROUP);
        let (engine, _) = Disk::new(engine);
        let log = Log::open(engine.clone(), keys).expect("a new engine opens");
        let machine = Applier::open(engine, keys, Work::Inline).expect("a new engine opens");
        Ok((guard, log, machine))
    }
}

async fn run<G: Send + Sync>(engine: impl Fn() -> (G, Arc<dyn Engine>) + Send + Sync) {
    let builder = Builder(engine, std::marker::PhantomData);
    Suite::<Types, Log, Applier<Control>, _, G>::test_all(builder).await.expect("the suite passes");
}

#[tokio::test(start_paused = true)]
async fn the_memory_engine_passes_openrafts_suite() {
    run(|| ((), Arc::new(Memory::open(memory::Disk::new()).expect("a new disk opens")) as Arc<dyn Engine>)).await;
}

/// The clock runs: a paused one would jump ahead while the engine's thread syncs.
#[tokio::test]
async fn rocksdb_passes_openrafts_suite() {
    run(|| {
        let directory = tempfile::tempdir().expect("a directory");
        let options = symbi_rocks::Options { runs: runs(GROUP).into(), ..symbi_rocks::Options::default() };
        let engine = Rocks::open(directory.path(), options).expect("a new engine opens");
        (directory, Arc::new(engine) as Arc<dyn Engine>)
    })
    .await;
}
