//! What a start makes of a disk on which something went wrong.

use super::*;
use crate::control::Control;
use futures::FutureExt;
use openraft::entry::RaftEntry;
use symbi_model::GroupId;
use symbi_store::Engine;
use symbi_store::memory;

const GROUP: GroupId = GroupId(0);

fn engine(disk: &Arc<memory::Disk>) -> memory::Memory {
    memory::Memory::open(disk.clone()).expect("the disk is closed")
}

fn open(disk: &Arc<memory::Disk>) -> Result<Applier<Control>, Error> {
    Applier::open(Disk::new(Arc::new(engine(disk))).0, Keys::new(GROUP), Work::Inline)
}

/// A machine that has applied and saved so many entries.
async fn applied(disk: &Arc<memory::Disk>, count: u64) -> Applier<Control> {
    let mut machine = open(disk).expect("it opens");
    let entry = |index| types::Entry::new(types::LogId::new(1.into(), index), EntryPayload::Blank);
    let entries = (1..=count).map(|index| Ok((entry(index), None)));
    machine.apply(futures::stream::iter(entries)).await.expect("it applies");
    machine.get_snapshot_builder().await;
    machine
}

fn index(machine: &Applier<Control>) -> u64 {
    machine.machine.image().counters.applied_index
}

/// The sync may stall, and the runtime end meanwhile: the disk may then make it the state all the same.
#[tokio::test(start_paused = true)]
async fn a_snapshot_whose_install_was_given_up_is_there_wholly_or_not_at_all() {
    let other = applied(&memory::Disk::new(), 9).await;
    for is_written in [true, false] {
        let disk = memory::Disk::new();
        let mut machine = applied(&disk, 3).await;
        let mut snapshot = other.snapshot();
        snapshot.snapshot =
            local::<crate::control::Loading>(snapshot.snapshot, &machine.generations).await.expect("it is filled in");
        disk.stall();
        assert!(machine.install_snapshot(&snapshot.meta, snapshot.snapshot).now_or_never().is_none(), "the disk hangs");
        if is_written {
            disk.resume();
        }
        drop(machine);
        disk.crash();
        let machine = open(&disk).expect("it opens");
        assert_eq!(index(&machine), if is_written { 9 } else { 3 });
        assert_eq!(machine.progress().borrow().installed, is_written.then_some(9), "what was not applied here");
    }
}

#[tokio::test(start_paused = true)]
async fn each_entry_is_told_and_the_disk_says_how_far_its_state_is() {
    let (disk, told) = (memory::Disk::new(), Arc::<Mutex<Vec<_>>>::default());
    let heard = told.clone();
    let observer = Observer::new(move |index, state| heard.lock().expect("alone").push((index, state)));
    let mut machine = open(&disk).expect("it opens").observed_by(observer);
    let entry = |index| types::Entry::new(types::LogId::new(1.into(), index), EntryPayload::Blank);
    machine.apply(futures::stream::iter((1..=3).map(|index| Ok((entry(index), None))))).await.expect("it applies");
    let last = machine.machine.image().hash();
    let (indexes, states): (Vec<u64>, Vec<_>) = told.lock().expect("alone").drain(..).unzip();
    assert_eq!((indexes, states.last()), (vec![1, 2, 3], Some(&last)), "all of one write, and not only its last");
    drop(machine);
    let saved = || crate::disk::saved_index(&engine(&disk), GROUP).expect("it reads");
    assert_eq!(saved(), None, "nothing was saved");
    drop(applied(&disk, 5).await);
    assert_eq!(saved(), Some(5));
}

#[tokio::test(start_paused = true)]
async fn rows_that_are_not_those_that_were_saved_are_refused() {
    let disk = memory::Disk::new();
    drop(applied(&disk, 3).await);
    assert_eq!(index(&open(&disk).expect("it opens")), 3);
    let [(from, to), _] = Keys::new(GROUP).generations(0, 1);
    let rows = engine(&disk).scan(&from, &to, 100).expect("it reads");
    assert!(!rows.is_empty());
    for (key, value) in rows {
        for changed in [None, Some([value.as_slice(), &[0]].concat())] {
            change(&disk, &key, changed);
            let refused = open(&disk).err().expect("another state would be taken for this one");
            assert!(matches!(refused, Error::Recovery { .. } | Error::Storage(_)), "{refused}");
        }
        change(&disk, &key, Some(value));
    }
    assert_eq!(index(&open(&disk).expect("nothing was deleted")), 3);
}

/// Puts another value in a row's place, or none.
fn change(disk: &Arc<memory::Disk>, key: &[u8], value: Option<Vec<u8>>) {
    let mut batch = WriteBatch::new();
    match value {
        Some(value) => batch.put(key, value),
        None => batch.delete(key),
    };
    engine(disk).write(batch).expect("it writes");
}
