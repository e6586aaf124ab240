//! A journal of fixed-size records, as whoever witnesses checkpoints keeps one: a record is appended and synced before anybody
//! is told of it, and a start reads the last one that is intact, whatever a crash has left behind it.

use super::{in_memory, on_disk};
use crate::error::Error;
use crate::files::suite::{Bed, Crash};
use crate::files::{Files, Simulated};

/// What it is called.
const NAME: &str = "witnessed";
/// A number, and its check.
const RECORD: usize = 16;

/// A journal that is open.
struct Journal<F> {
    /// The folder that it is in.
    files: F,
    /// The number in the last record.
    last: Option<u64>,
}

impl<F: Files> Journal<F> {
    /// Opens it: made if it is not there, and cut off behind its last intact record.
    fn open(files: F) -> Result<Self, Error> {
        if !files.list()?.iter().any(|name| name == NAME) {
            files.create(NAME)?;
        }
        // Also when it was there: a crash may have come between its creation and this.
        files.sync_folder()?;
        let size = usize::try_from(files.size(NAME)?).expect("short");
        let mut whole = size / RECORD * RECORD;
        let mut last = None;
        while let Some(begin) = whole.checked_sub(RECORD) {
            last = number(&files.read(NAME, begin as u64, RECORD)?);
            if last.is_some() {
                break;
            }
            whole = begin;
        }
        files.truncate(NAME, whole as u64)?;
        files.sync(NAME)?;
        Ok(Self { files, last })
    }

    /// Adds a number; whoever is told of it can rely on it.
    fn append(&mut self, number: u64) -> Result<(), Error> {
        self.files.append(NAME, &record(number))?;
        self.files.sync(NAME)?;
        self.last = Some(number);
        Ok(())
    }
}

fn record(number: u64) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[..8].copy_from_slice(&number.to_be_bytes());
    record[8..].copy_from_slice(&check(number).to_be_bytes());
    record
}

fn number(record: &[u8]) -> Option<u64> {
    let (number, found) = record.split_at_checked(8)?;
    let number = u64::from_be_bytes(number.try_into().ok()?);
    (found == check(number).to_be_bytes()).then_some(number)
}

/// FNV-1a; never zero for zero, so that zeros are no record.
fn check(number: u64) -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    number.to_be_bytes().into_iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

fn reopened<B: Bed>(bed: &mut B) -> Journal<B::Files> {
    Journal::open(bed.open().expect("open")).expect("a torn tail is no damage")
}

/// A crash while the third record is written, at each of its bytes, with and without zeros behind.
#[test]
fn the_last_intact_record_is_found_behind_a_tail_torn_at_any_byte() {
    let of = RECORD as u64;
    for part in 0..=of {
        for crash in [Crash::Keeping { part, of }, Crash::Zeros { part, of }] {
            let mut bed = in_memory();
            let mut journal = reopened(&mut bed);
            assert_eq!(journal.last, None);
            journal.append(1).expect("append");
            journal.append(2).expect("append");
            journal.files.append(NAME, &record(3)).expect("append");
            bed.crash(crash).expect("it can be crashed");
            let mut journal = reopened(&mut bed);
            assert_eq!(journal.last, Some(if part == of { 3 } else { 2 }), "{crash:?}");
            journal.append(9).expect("it goes on behind what is intact");
            bed.crash(Crash::Keeping { part: 0, of: 1 }).expect("it can be crashed");
            assert_eq!(reopened(&mut bed).last, Some(9), "told, and gone: {crash:?}");
        }
    }
}

/// The same over a real file, whose tail is torn by hand.
#[test]
fn the_same_over_a_real_file() {
    for part in 0..RECORD {
        let mut bed = on_disk();
        let mut journal = reopened(&mut bed);
        journal.append(1).expect("append");
        journal.files.append(NAME, &record(2)[..part]).expect("append");
        journal.files.sync(NAME).expect("sync");
        let mut journal = reopened(&mut bed);
        assert_eq!(journal.last, Some(1), "{part} bytes of the second");
        journal.append(9).expect("it goes on");
        assert_eq!(reopened(&mut bed).last, Some(9));
    }
}

/// Crash after crash, each at a byte that is drawn: the last number never falls below one that somebody was told of.
#[test]
fn it_never_falls_over_a_hundred_crashes() {
    let mut went_on = 0;
    for seed in 0..20 {
        let folder = Simulated::seeded(seed);
        let mut told = 0;
        for round in 0..100 {
            let mut journal = Journal::open(folder.open().expect("open")).expect("a torn tail is no damage");
            let last = journal.last.unwrap_or(0);
            assert!(last >= told, "seed {seed}, crash {round}: {last} after {told}");
            went_on += usize::from(last > told);
            journal.append(last + 1).expect("append");
            told = last + 1;
            // One more is on its way.
            journal.files.append(NAME, &record(told + 1)).expect("append");
            folder.crash();
        }
    }
    assert!(went_on > 100, "what was on its way was never there: {went_on}");
}

/// A disk that fails tells nobody of a record that may be gone.
#[test]
fn nobody_is_told_of_a_record_whose_sync_failed() {
    let mut bed = in_memory();
    let mut journal = reopened(&mut bed);
    journal.append(1).expect("append");
    for error in [Error::Full, Error::Io("input/output error".to_owned())] {
        bed.fail_next(error.clone()).expect("it can fail");
        assert_eq!(journal.append(2), Err(error));
        assert_eq!(journal.last, Some(1));
    }
    drop(journal);
    assert_eq!(reopened(&mut bed).last, Some(1));
}
