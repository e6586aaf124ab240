//! The suite that every [`Machine`] passes: one call runs every case, each over machines that are given the same entries.

use crate::disk::{Disk, Keys};
use crate::entry::Entry;
use crate::machine::{Image, Line, Loading, Machine, Row, Tip, Writes, load};
use crate::position::Position;
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
    /// Its lines so far, in order.
    lines: Vec<Line>,
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
    is_copied_by_its_rows::<M>(entries);
    notices_what_is_missing::<M>(entries);
    proves_its_lines_backwards::<M>(entries);
    refuses_lines_that_are_not_its_own::<M>(entries);
    leaves_the_same_lines_again_or_stops::<M>(entries);
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

/// All rows, in order, make the same state on another disk.
fn is_copied_by_its_rows<M: Machine>(entries: &[Entry]) {
    let bench = Bench::<M>::of(entries);
    let copy = bench.copy(|_| true).expect("it is whole");
    assert_eq!(copy.hash(), bench.hash(), "a copy is another state");
    assert_eq!(copy.tip(), bench.machine.image().tip(), "a copy has another chain");
}

/// A copy without one of the rows is refused, or at least another state.
fn notices_what_is_missing<M: Machine>(entries: &[Entry]) {
    let bench = Bench::<M>::of(entries);
    let count = rows::<M>(&bench.machine.image()).len();
    assert!(count > 0, "these entries leave no rows");
    for missing in 0..count {
        let copy = bench.copy(|row| row != missing);
        assert!(copy.is_err() || copy.is_ok_and(|copy| copy.hash() != bench.hash()), "row {missing} is not missed");
    }
}

/// From the state's tip, the lines lead back to the first one, however many of them are looked at together.
fn proves_its_lines_backwards<M: Machine>(entries: &[Entry]) {
    let bench = Bench::<M>::of(entries);
    let image = bench.machine.image();
    for step in 1..=bench.lines.len() {
        let (mut tip, mut end, mut from) = (image.tip(), bench.lines.len(), bench.lines.len());
        while from > 0 {
            from = from.saturating_sub(step);
            let unlinked = image.unlink(tip, &bench.lines[from..end]).expect("they are its lines");
            (tip, end) = (unlinked.0, from + unlinked.1);
        }
        assert_eq!((tip, end), (Tip::default(), 0), "the first line is not the end, by {step} at a time");
    }
}

/// Lines of which one is changed, missing, another's or out of its order do not lead back to the first one.
fn refuses_lines_that_are_not_its_own<M: Machine>(entries: &[Entry]) {
    let bench = Bench::<M>::of(entries);
    let image = bench.machine.image();
    let check = |lines: &[Line], what: &str| {
        let whole = image.unlink(image.tip(), lines).is_ok_and(|unlinked| unlinked == (Tip::default(), 0));
        assert!(!whole, "{what} is not noticed");
    };
    for at in 0..bench.lines.len() {
        let changed = |change: &dyn Fn(&mut Vec<Line>)| {
            let mut lines = bench.lines.clone();
            change(&mut lines);
            lines
        };
        check(&changed(&|lines| drop(lines.remove(at))), "a missing line");
        check(&changed(&|lines| lines[at].0.index += 1), "a line in another place");
        let last = bench.lines[at].1.len().saturating_sub(1);
        for byte in [0, last / 2, last] {
            check(&changed(&|lines| lines[at].1[byte] ^= 1), "a changed line");
        }
        if at > 0 {
            check(&changed(&|lines| lines.swap(at - 1, at)), "another order");
        }
    }
}

/// An entry that is applied once more leaves the same lines; if the disk has others, it says so.
fn leaves_the_same_lines_again_or_stops<M: Machine>(entries: &[Entry]) {
    let bench = Bench::<M>::of(entries);
    let again = |engine: &Disk| {
        let (keys, mut batch, mut machine) = (Keys::new(GROUP), WriteBatch::new(), Bench::<M>::new().machine);
        for entry in entries {
            machine.apply(entry, &mut Writes::new(&mut batch, &keys, GENERATION, entry.index).again(&**engine))?;
        }
        io::Result::Ok(batch.ops().len())
    };
    assert_eq!(again(&bench.engine).expect("they are the same"), 0, "what is there is written again");
    let Some((at, value)) = bench.lines.first() else { return };
    let mut batch = WriteBatch::new();
    batch.put(Keys::new(GROUP).line(*at), [value.as_slice(), b"?"].concat());
    bench.engine.write(batch).expect("it writes");
    assert!(again(&bench.engine).is_err(), "another line in its place is not noticed");
}

impl<M: Machine> Bench<M> {
    /// One to which nothing was applied.
    fn new() -> Self {
        let engine = Memory::open(memory::Disk::new()).expect("a new disk opens");
        let (engine, _) = Disk::new(Arc::new(engine));
        let empty = M::Loading::default().finish().expect("a state of nothing is one");
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
        let [from, to] = [entry.index, entry.index + 1].map(|index| keys.line(Position { index, line: 0 }));
        for (key, value) in self.engine.scan(&from, &to, usize::MAX).expect("it reads") {
            self.lines.push((keys.line_position(&key).expect("its key is a line's"), value));
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

    /// A copy of those of its rows whose numbers are wanted.
    fn copy(&self, row: impl Fn(usize) -> bool) -> io::Result<M::Image> {
        let mut loading = M::Loading::default();
        let rows = rows::<M>(&self.machine.image());
        for (_, (key, value)) in rows.iter().enumerate().filter(|(number, _)| row(*number)) {
            loading.row(key, value)?;
        }
        loading.finish()
    }
}

fn rows<M: Machine>(image: &M::Image) -> Vec<Row> {
    image.rows().collect()
}
