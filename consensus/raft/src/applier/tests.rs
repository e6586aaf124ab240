//! What a start makes of a disk on which something went wrong.

use super::*;
use crate::control::Control;
use futures::FutureExt;
use openraft::entry::RaftEntry;
use symbi_model::{GroupId, State};
use symbi_store::Engine;
use symbi_store::memory;

const GROUP: GroupId = GroupId(0);
/// Into so many parts is cut what a crash finds unsynced.
const PARTS: u64 = 64;

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
            local::<crate::control::Loading>(snapshot.snapshot, &machine.generations, &machine.machine.image())
                .await
                .expect("it is filled in");
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
        let missing = machine.lines().missing();
        assert_eq!(missing, is_written.then_some((4, 9)).into_iter().collect::<Vec<_>>(), "what it lacks since then");
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
    let (from, to) = Keys::new(GROUP).generations(0, 1);
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

/// A start reads the last entry's lines and no others: so much must be its state's.
#[tokio::test(start_paused = true)]
async fn last_lines_that_are_not_the_states_are_refused() {
    use crate::position::Position;
    let disk = memory::Disk::new();
    drop(applied(&disk, 9).await);
    let line = |index| Keys::new(GROUP).line(Position { index, line: 1 });
    let value = |index| engine(&disk).get(&line(index)).expect("it reads").expect("it is there");
    let (last, before) = (value(9), value(8));
    for changed in [None, Some(before), Some(last[..last.len() - 1].to_vec())] {
        change(&disk, &line(9), changed);
        let refused = open(&disk).err().expect("another chain would be taken for its own");
        assert!(matches!(refused, Error::Recovery { .. }), "{refused}");
    }
    change(&disk, &line(9), Some(last));
    change(&disk, &line(1), None);
    assert_eq!(index(&open(&disk).expect("it is whole where it ends")), 9, "the rest is not read");
}

/// What a crash has left of lines must be what the log gives again.
#[tokio::test(start_paused = true)]
async fn an_entry_that_is_applied_again_and_leaves_another_line_stops_the_replica() {
    let disk = memory::Disk::new();
    let entry = |index| types::Entry::new(types::LogId::new(1.into(), index), EntryPayload::Blank);
    let apply = async |machine: &mut Applier<Control>| {
        machine.apply(futures::stream::iter((1..=3).map(|index| Ok((entry(index), None))))).await
    };
    apply(&mut open(&disk).expect("it opens")).await.expect("it applies");
    let mut again = open(&disk).expect("its rows were not saved");
    assert_eq!(index(&again), 0);
    apply(&mut again).await.expect("they are the same lines");
    drop(again);
    let line = Keys::new(GROUP).line(crate::position::Position { index: 2, line: 1 });
    let value = engine(&disk).get(&line).expect("it reads").expect("it is there");
    change(&disk, &line, Some([value.as_slice(), &[0]].concat()));
    assert!(apply(&mut open(&disk).expect("its rows were not saved")).await.is_err(), "another line is there");
}

async fn apply(machine: &mut Applier<Control>, indexes: std::ops::RangeInclusive<u64>) -> io::Result<()> {
    let entry = |index| types::Entry::new(types::LogId::new(1.into(), index), EntryPayload::Blank);
    machine.apply(futures::stream::iter(indexes.map(|index| Ok((entry(index), None))))).await
}

fn lines(machine: &Applier<Control>) -> Vec<crate::machine::Line> {
    machine.lines().read(crate::position::Position::default(), u64::MAX, usize::MAX).expect("nothing is missing")
}

/// Lines and rows are not synced. A crash leaves any beginning of them, and never a state ahead of its lines.
#[tokio::test(start_paused = true)]
async fn whatever_a_crash_leaves_of_lines_and_rows_the_log_makes_the_same_of_it() {
    let whole = applied(&memory::Disk::new(), 12).await;
    let mut went_on_from = std::collections::BTreeSet::new();
    for part in 0..=PARTS {
        let disk = memory::Disk::new();
        let mut machine = applied(&disk, 3).await;
        apply(&mut machine, 4..=6).await.expect("it applies");
        machine.get_snapshot_builder().await;
        apply(&mut machine, 7..=9).await.expect("it applies");
        disk.crash_keeping(part, PARTS);
        drop(machine);
        let mut again = open(&disk).unwrap_or_else(|error| panic!("{part} of {PARTS} are left: {error}"));
        let saved = index(&again);
        went_on_from.insert((saved, again.known));
        assert!(again.known.unwrap_or(0) >= saved, "{part} of {PARTS}: a state without its lines");
        apply(&mut again, saved + 1..=12).await.expect("the log gives the same again");
        assert_eq!(again.machine.image().hash(), whole.machine.image().hash(), "{part} of {PARTS}");
        assert_eq!(lines(&again), lines(&whole), "{part} of {PARTS}");
    }
    let steps = [(0, None), (0, Some(3)), (3, Some(3)), (3, Some(6)), (6, Some(6)), (6, Some(9))];
    assert_eq!(went_on_from, steps.into(), "each step was the last one once");
}

/// An install is synced. What it skipped stays missing over a crash, and what comes behind it is there.
#[tokio::test(start_paused = true)]
async fn what_a_snapshot_skipped_is_missing_over_a_crash_and_nothing_else_is() {
    use crate::position::Position;
    let (other, whole) = (applied(&memory::Disk::new(), 9).await, applied(&memory::Disk::new(), 12).await);
    for part in [0, PARTS / 2, PARTS] {
        let disk = memory::Disk::new();
        let mut machine = applied(&disk, 3).await;
        let snapshot = other.snapshot();
        machine.install_snapshot(&snapshot.meta, snapshot.snapshot).await.expect("it is installed");
        apply(&mut machine, 10..=12).await.expect("it applies");
        disk.crash_keeping(part, PARTS);
        drop(machine);
        let mut again = open(&disk).expect("it opens");
        assert_eq!(index(&again), 9);
        apply(&mut again, 10..=12).await.expect("the log gives the same again");
        assert_eq!(again.machine.image().hash(), whole.machine.image().hash());
        assert_eq!(again.lines().missing(), [(4, 9)]);
        let read = |index, end| again.lines().read(Position { index, line: 0 }, end, usize::MAX);
        let (before, behind) = (read(0, 4).expect("they were applied here"), read(10, 13).expect("so were these"));
        assert_eq!([before, behind].concat().len(), lines(&whole).len() - 6);
        let refused = read(5, 13);
        assert!(matches!(refused, Err(Error::Incomplete { from: 4, upto: 9 })), "{refused:?}");
    }
}

/// A machine of a cluster of this name: after the genesis, entries of Raft's own up to `last`.
async fn founded(disk: &Arc<memory::Disk>, name: &str, last: u64) -> Applier<Control> {
    let key = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
    let genesis = symbi_model::command::Genesis {
        cluster: symbi_model::ClusterId(uuid::Uuid::from_u128(7)),
        name: name.to_owned(),
        domain: "test.example".to_owned(),
        node: symbi_model::NodeId(key.verifying_key().to_bytes()),
        node_name: "n1".to_owned(),
        profile: symbi_model::node::Profile::plain(
            "127.0.0.1:7400".parse().expect("an address"),
            vec![4; 65],
            symbi_model::agent::Resources { memory_mb: 1_000, cpu_millis: 1_000 },
        ),
        gate: symbi_model::gate::CURRENT,
        admin_token: symbi_model::Hash([9; 32]),
        policies: "permit(principal, action, resource);".to_owned(),
        secret: symbi_model::secret::Secret([7; 32]),
    };
    let batch = codec::encode_batch(&symbi_model::Batch::genesis(genesis, [0; 16], &key, 1_000));
    let mut machine = applied(disk, 1).await;
    let genesis = types::Entry::new(types::LogId::new(1.into(), 2), EntryPayload::Normal(Data(batch.into())));
    machine.apply(futures::stream::iter([Ok((genesis, None))])).await.expect("it applies");
    apply(&mut machine, 3..=last).await.expect("it applies");
    machine.get_snapshot_builder().await;
    machine
}

/// A snapshot of a state, as whoever has it would send it: its hash is what its rows come to.
fn of_state(machine: &Applier<Control>, change: impl FnOnce(State) -> State) -> Snapshot<Capture<State>> {
    let mut snapshot = machine.snapshot();
    snapshot.snapshot.image = change(snapshot.snapshot.image);
    snapshot
}

/// Its hash says that a snapshot is what its sender has. That this can be the chain's, its tree must say.
#[tokio::test(start_paused = true)]
async fn a_snapshot_whose_tree_cannot_be_the_chains_is_refused_and_one_that_can_be_is_not() {
    let (long, other) =
        (founded(&memory::Disk::new(), "test", 90).await, founded(&memory::Disk::new(), "other", 90).await);
    for before in [0, 1, 80] {
        let disk = memory::Disk::new();
        let mut machine = match before {
            0 => open(&disk).expect("it opens"),
            1 => applied(&disk, 1).await,
            _ => founded(&disk, "test", before).await,
        };
        let mut install = async |snapshot: Snapshot<Capture<State>>| {
            machine.install_snapshot(&snapshot.meta, snapshot.snapshot).await.map_err(|error| error.to_string())
        };
        let refused = install(of_state(&long, State::without_tree)).await.expect_err("it has no tree");
        assert!(refused.contains("checkpoint closed"), "{refused}");
        let counts = |mut state: State| {
            state.counters.audit_records -= 60;
            state.recounted()
        };
        let refused = install(of_state(&long, counts)).await.expect_err("it has more leaves than records");
        assert!(refused.contains("records"), "{refused}");
        let behind = |mut state: State| {
            state.counters.applied_index -= 60;
            state.recounted()
        };
        let refused = install(of_state(&long, behind)).await.expect_err("it says that it is of another entry");
        assert!(refused.contains("another entry"), "{refused}");
        if before > 1 {
            let refused = install(other.snapshot()).await.expect_err("it goes on from another");
            assert!(refused.contains("go on"), "{refused}");
        }
        install(long.snapshot()).await.expect("it is the chain's");
        assert_eq!(machine.machine.image().hash(), long.machine.image().hash(), "behind {before}");
        let first = if before == 0 { 0 } else { before + 1 };
        assert_eq!(machine.lines().missing(), [(first, 90)]);
        drop(machine);
        let (from, to) = Keys::new(GROUP).generations(0, u64::MAX);
        let kept = engine(&disk).scan(&from, &to, 10_000).expect("it reads").len();
        assert_eq!(kept, Image::rows(&long.machine.image()).count(), "nothing is left of those that were refused");
    }
}

/// A snapshot is as long after many entries as after few.
#[tokio::test(start_paused = true)]
async fn a_snapshot_carries_no_lines() {
    let length = async |count| {
        let snapshot = applied(&memory::Disk::new(), count).await.snapshot().snapshot;
        snapshot.frames().map(|frame| frame.expect("it is in memory").len()).sum::<usize>()
    };
    let (short, long) = (length(9).await, length(900).await);
    assert!(long < short + 1_000, "{long} bytes, and {short} of nine entries");
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
