//! The suite that every [`Machine`] passes: one call runs every case, each over machines that are given the same entries.

use crate::disk::{Disk, Keys};
use crate::entry::Entry;
use crate::machine::{Image, Loading, Machine, Row, Source, Writes, load};
use bytes::Bytes;
use std::io;
use std::sync::Arc;
use symbi_model::GroupId;
use symbi_store::WriteBatch;
use symbi_store::memory::{self, Memory};

/// The group whose rows they are.
const GROUP: GroupId = GroupId(7);
/// The generation that they are in.
const GENERATION: u64 = 3;

/// A machine on a disk of its own.
struct Bench<M> {
    /// The machine.
    machine: M,
    /// Its disk.
    engine: Disk,
    /// Its lines so far, in order: index, number, value.
    lines: Vec<(u64, u32, Vec<u8>)>,
    /// What it answered.
    answers: Vec<Bytes>,
}

/// Runs every case. The entries must leave rows behind, of which the last entry changes some.
///
/// # Panics
/// When a case fails.
pub fn machine<M: Machine>(entries: &[Entry]) {
    agrees_with_another::<M>(entries);
    is_on_disk_what_it_is::<M>(entries);
    keeps_an_image_as_it_was::<M>(entries);
    is_copied_by_its_rows_and_lines::<M>(entries);
    notices_what_is_missing::<M>(entries);
}

/// The same entries give the same state, lines and answers, however often rows are saved on the way.
fn agrees_with_another<M: Machine>(entries: &[Entry]) {
    let (mut one, mut other) = (Bench::<M>::new(), Bench::<M>::new());
    for entry in entries {
        one.apply(entry);
        other.apply(entry);
        other.save();
        assert_eq!(one.hash(), other.hash(), "the same entries, another state");
        assert_eq!(rows::<M>(&one.machine.image()), rows::<M>(&other.machine.image()), "equal hashes, other rows");
    }
    assert_eq!(one.answers, other.answers, "the same entries, other answers");
    assert_eq!(one.lines, other.lines, "the same entries, other lines");
}

/// Once its rows are saved, those on disk are its state; they come by rising key, each once.
fn is_on_disk_what_it_is<M: Machine>(entries: &[Entry]) {
    let mut bench = Bench::<M>::new();
    for entry in entries {
        bench.apply(entry);
        bench.save();
        let stored = load::<M::Loading>(&*bench.engine, &Keys::new(GROUP), GENERATION).expect("its rows are read");
        assert_eq!(stored.hash(), bench.hash(), "the rows on disk are another state");
        let rows = rows::<M>(&bench.machine.image());
        assert!(rows.is_sorted_by(|left, right| left.0 < right.0), "a row is there twice, or out of its order");
        let mut goes_on = Bench { machine: M::of(stored), ..Bench::<M>::new() };
        goes_on.save();
        assert_eq!(goes_on.hash(), bench.hash(), "a machine that goes on from the disk is another");
    }
}

/// What is applied later changes no image that somebody holds.
fn keeps_an_image_as_it_was<M: Machine>(entries: &[Entry]) {
    let (last, before) = entries.split_last().expect("there are entries");
    let mut bench = Bench::<M>::new();
    before.iter().for_each(|entry| bench.apply(entry));
    let image = bench.machine.image();
    let (hash, held) = (image.hash(), rows::<M>(&image));
    bench.apply(last);
    assert_eq!((image.hash(), rows::<M>(&image)), (hash, held), "an image changed");
    assert_ne!(bench.hash(), hash, "the last entry changes nothing: these entries show nothing");
}

/// All rows and all lines, in order, make the same state on another disk.
fn is_copied_by_its_rows_and_lines<M: Machine>(entries: &[Entry]) {
    let bench = Bench::<M>::of(entries);
    let copy = bench.copy(|_| true, |_| true).expect("it is whole");
    assert_eq!(copy.hash(), bench.hash(), "a copy is another state");
}

/// A copy without one of the rows is refused, or at least another state; one without the last line is refused.
fn notices_what_is_missing<M: Machine>(entries: &[Entry]) {
    let bench = Bench::<M>::of(entries);
    let count = rows::<M>(&bench.machine.image()).len();
    assert!(count > 0, "these entries leave no rows");
    for missing in 0..count {
        let copy = bench.copy(|row| row != missing, |_| true);
        assert!(copy.is_err() || copy.is_ok_and(|copy| copy.hash() != bench.hash()), "row {missing} is not missed");
    }
    if let Some(last) = bench.lines.len().checked_sub(1) {
        assert!(bench.copy(|_| true, |line| line != last).is_err(), "the last line is not missed");
    }
}

impl<M: Machine> Bench<M> {
    /// One to which nothing was applied.
    fn new() -> Self {
        let engine = Memory::open(memory::Disk::new()).expect("a new disk opens");
        let (engine, _) = Disk::new(Arc::new(engine));
        let empty = M::Loading::default().finish(Source::Disk).expect("a state of nothing is one");
        Self { machine: M::of(empty), engine, lines: Vec::new(), answers: Vec::new() }
    }

    fn of(entries: &[Entry]) -> Self {
        let mut bench = Self::new();
        entries.iter().for_each(|entry| bench.apply(entry));
        bench
    }

    fn apply(&mut self, entry: &Entry) {
        let (keys, mut batch) = (Keys::new(GROUP), WriteBatch::new());
        let answer = self.machine.apply(entry, &mut Writes::new(&mut batch, &keys, GENERATION, entry.index));
        self.answers.push(answer.expect("it applies"));
        self.engine.write(batch).expect("it writes");
        let (from, to) = (keys.line(GENERATION, entry.index, 0), keys.line(GENERATION, entry.index + 1, 0));
        for (key, value) in self.engine.scan(&from, &to, usize::MAX).expect("it reads") {
            let at = keys.line_position(&key).expect("its key is a line's");
            self.lines.push((at.index, at.line, value));
        }
    }

    fn save(&mut self) {
        let (keys, mut batch) = (Keys::new(GROUP), WriteBatch::new());
        self.machine.save(&mut Writes::new(&mut batch, &keys, GENERATION, 0));
        self.engine.write(batch).expect("it writes");
    }

    fn hash(&self) -> symbi_model::Hash {
        self.machine.image().hash()
    }

    /// A copy of those of its rows and lines whose numbers are wanted.
    fn copy(&self, row: impl Fn(usize) -> bool, line: impl Fn(usize) -> bool) -> io::Result<M::Image> {
        let mut loading = M::Loading::default();
        let rows = rows::<M>(&self.machine.image());
        for (_, (key, value)) in rows.iter().enumerate().filter(|(number, _)| row(*number)) {
            loading.row(key, value)?;
        }
        for (_, (index, number, value)) in self.lines.iter().enumerate().filter(|(number, _)| line(*number)) {
            loading.line(*index, *number, value)?;
        }
        loading.finish(Source::Peer)
    }
}

fn rows<M: Machine>(image: &M::Image) -> Vec<Row> {
    image.rows().collect()
}
