//! What is read beside a hole, and what is given to others.

use super::*;
use symbi_model::{GroupId, Hash};
use symbi_store::memory::{self, Memory};

const KEYS: fn() -> Keys = || Keys::new(GroupId(4));

fn open(disk: &Arc<memory::Disk>) -> (Disk, Lines) {
    let engine = Disk::new(Arc::new(Memory::open(disk.clone()).expect("the disk is closed"))).0;
    let lines = Lines::open(&engine, KEYS()).expect("it reads");
    (engine, lines)
}

fn at(index: u64, line: u32) -> Position {
    Position { index, line }
}

fn tip(count: u64) -> Tip {
    Tip { head: Hash::of(&[&count.to_be_bytes()]), count }
}

/// Of entries that leave two lines each, one of them a link.
fn hole(from: u64, upto: u64) -> Hole {
    Hole { from, upto, before: tip(from), after: tip(upto + 1) }
}

/// The lines of these entries, each of so many bytes.
fn lines_of(entries: std::ops::Range<u64>, bytes: usize) -> Vec<Line> {
    entries.flat_map(|index| [(at(index, 0), vec![0; bytes]), (at(index, 1), vec![1; bytes])]).collect()
}

fn write(engine: &Disk, lines: Vec<Line>) {
    let mut batch = WriteBatch::new();
    for (at, value) in lines {
        batch.put(KEYS().line(at), value);
    }
    engine.write(batch).expect("it writes");
}

#[tokio::test]
async fn nothing_is_read_across_a_hole() {
    let (engine, lines) = open(&memory::Disk::new());
    write(&engine, lines_of(0..10, 1));
    write(&engine, lines_of(20..30, 1));
    lines.skip(hole(10, 19), WriteBatch::new()).await.expect("it is written");
    let read = |from, end| lines.read(from, end, 1_000).map(|read| read.len());
    assert_eq!(read(at(0, 0), 30).expect("these are there"), 20, "up to the hole");
    assert_eq!(read(at(0, 0), 5).expect("these are there"), 10);
    assert_eq!(read(at(20, 1), 30).expect("these are there"), 19);
    assert_eq!(read(at(30, 0), 30).expect("there are none"), 0);
    for from in [at(9, 2), at(10, 0), at(19, 5)] {
        assert!(matches!(read(from, 30), Err(Error::Incomplete { from: 10, upto: 19 })), "{from:?}");
    }
    assert_eq!(read(at(9, 2), 10).expect("it is not that far"), 0);
}

#[tokio::test]
async fn others_are_given_the_last_ones_that_are_there() {
    let (engine, lines) = open(&memory::Disk::new());
    write(&engine, lines_of(0..10, 1_000));
    write(&engine, lines_of(20..1_000, 1_000));
    lines.skip(hole(10, 19), WriteBatch::new()).await.expect("it is written");
    let given = lines.before(0, at(1_000, 0)).expect("they are there");
    let bytes: usize = given.iter().map(|(_, value)| value.len()).sum();
    assert!(bytes <= CHUNK_BYTES && bytes > CHUNK_BYTES / 10 * 9, "{bytes}");
    assert_eq!(given.last().map(|(at, _)| *at), Some(at(999, 1)));
    assert!(given.is_sorted());
    let next = given[0].0;
    assert!(lines.before(0, next).expect("they are there").last().is_some_and(|(at, _)| *at < next));
    let places =
        |from, before| lines.before(from, before).map(|lines| lines.iter().map(|(at, _)| *at).collect::<Vec<_>>());
    assert_eq!(places(0, at(21, 1)).expect("they are there"), [at(20, 0), at(20, 1), at(21, 0)], "down to the hole");
    assert_eq!(places(21, at(21, 1)).expect("they are there"), [at(21, 0)], "no more than is asked for");
    assert_eq!(places(0, at(1, 0)).expect("they are there"), [at(0, 0), at(0, 1)]);
    assert_eq!(places(0, at(0, 0)).expect("there are none"), []);
    for before in [at(20, 0), at(15, 0), at(11, 0), at(19, 7)] {
        assert!(matches!(places(0, before), Err(Error::Incomplete { from: 10, upto: 19 })), "{before:?}");
    }
    write(&engine, vec![(at(1_000, 0), vec![7; 2 * CHUNK_BYTES])]);
    assert_eq!(places(0, at(1_000, 1)).expect("it is there"), [at(1_000, 0)], "one that is too long, alone");
}

/// A hole is durable with the state that it is in; what fills it, with what is left of it or not at all.
#[tokio::test]
async fn a_crash_leaves_a_hole_as_it_was_or_as_it_is() {
    let disk = memory::Disk::new();
    let (engine, lines) = open(&disk);
    lines.skip(hole(0, 9), WriteBatch::new()).await.expect("it is written");
    disk.crash();
    drop((engine, lines));
    let (engine, lines) = open(&disk);
    assert_eq!(*lines.holes().borrow(), [hole(0, 9)]);
    lines.fill(&hole(0, 9), lines_of(6..10, 1), tip(6)).await.expect("they fit");
    assert_eq!(*lines.holes().borrow(), [hole(0, 5)]);
    lines.fill(&hole(0, 9), lines_of(6..10, 1), tip(6)).await.expect("it has changed");
    assert_eq!(*lines.holes().borrow(), [hole(0, 5)], "nothing is done for what was");
    disk.crash();
    drop((engine, lines));
    let (_engine, lines) = open(&disk);
    let left = lines.holes().borrow()[0];
    let there = lines.scan(Position::default(), 10, 100).expect("it reads").len();
    assert_eq!(there, if left == hole(0, 9) { 0 } else { 8 }, "with {left:?}");
    assert!(lines.fill(&left, lines_of(0..10, 1), tip(1)).await.is_err(), "these would be one too many");
    lines.fill(&left, lines_of(0..left.upto + 1, 1), tip(0)).await.expect("they fit");
    assert_eq!(*lines.holes().borrow(), []);
}
