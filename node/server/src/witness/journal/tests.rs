//! What a journal lets be signed, and what a crash, or a database that was put back, does to that.

use super::{BYTES, Journal, NAME, Verdict, Watched};
use std::sync::Arc;
use symbi_model::planted::{Defect, plant};
use symbi_model::{Checkpoint, ClusterId, GroupId, Hash, NodeId};
use symbi_store::files::Simulated;
use symbi_store::{Error, Files};
use uuid::Uuid;

/// A checkpoint of a history that its root tells from others.
fn checkpoint(size: u64, history: u8) -> Checkpoint {
    Checkpoint {
        cluster: ClusterId(Uuid::from_u128(1)),
        generation: 0,
        group: GroupId(0),
        gate: 1,
        size,
        root: Hash([history; 32]),
        head: Hash([2; 32]),
        index: size + 2,
        term: 1,
        time_ms: 5,
        state: Hash([3; 32]),
        voters: vec![vec![NodeId([1; 32])]],
        next: None,
        hop: Hash::default(),
        hops: false,
    }
}

fn hop(size: u64) -> Checkpoint {
    Checkpoint { hops: true, ..checkpoint(size, 1) }
}

fn open(disk: &Arc<Simulated>) -> Journal {
    Journal::open(Arc::new(disk.open().expect("open"))).expect("a journal")
}

/// Every checkpoint from that of an entry on was seen.
fn since(first: u64) -> Watched {
    Watched { first: Some(first), lost: 0 }
}

fn said(journal: &mut Journal, checkpoint: &Checkpoint) -> Verdict {
    journal.promise(checkpoint).expect("a disk")
}

#[test]
fn of_one_size_one_digest_is_signed_and_no_lower_size() {
    let mut journal = open(&Simulated::new());
    assert_eq!(said(&mut journal, &hop(10)), Verdict::May);
    assert_eq!(said(&mut journal, &checkpoint(20, 1)), Verdict::May);
    assert_eq!(said(&mut journal, &checkpoint(20, 1)), Verdict::May, "the same again");
    assert!(matches!(said(&mut journal, &checkpoint(20, 2)), Verdict::Conflict(_)));
    assert_eq!(said(&mut journal, &checkpoint(15, 1)), Verdict::Older);
    assert_eq!(said(&mut journal, &hop(10)), Verdict::May, "hops are signed again");
    assert!(matches!(said(&mut journal, &checkpoint(10, 2)), Verdict::Conflict(_)));
    let next_life = Checkpoint { generation: 1, ..checkpoint(5, 2) };
    assert_eq!(said(&mut journal, &next_life), Verdict::May, "a recovered cluster has sizes of its own");
    assert_eq!(said(&mut journal, &checkpoint(30, 1)), Verdict::Older);
}

#[test]
fn what_was_signed_is_known_after_any_crash() {
    for seed in 0..100 {
        let disk = Simulated::seeded(seed);
        let mut journal = open(&disk);
        let last = 1 + seed % 7;
        for size in 1..=last {
            assert_eq!(said(&mut journal, &checkpoint(size, 1)), Verdict::May);
        }
        disk.crash();
        assert!(matches!(said(&mut open(&disk), &checkpoint(last, 2)), Verdict::Conflict(_)), "seed {seed}");
    }
}

#[test]
fn nothing_is_signed_that_could_not_be_synced() {
    let disk = Simulated::new();
    let mut journal = open(&disk);
    disk.fail_next(Error::Io("broken".to_owned()));
    assert!(journal.promise(&checkpoint(1, 1)).is_err());
    assert!(!journal.is_made(&checkpoint(1, 1).claim()));
}

#[test]
fn a_database_that_was_put_back_and_goes_another_way_is_found_out_at_the_size_or_past_it() {
    let signed = |sizes: &[u64]| {
        let disk = Simulated::new();
        let mut journal = open(&disk);
        sizes.iter().for_each(|size| assert_eq!(said(&mut journal, &checkpoint(*size, 1)), Verdict::May));
        disk.crash();
        open(&disk)
    };
    // The entries from index 5 on are applied once more, and come to something else.
    let mut journal = signed(&[10, 20]);
    assert_eq!(journal.pass(&checkpoint(12, 2), since(5)), None);
    assert_eq!(
        journal.pass(&checkpoint(21, 2), since(5)).map(|promise| promise.claim.size),
        Some(20),
        "20 was left out"
    );
    let mut journal = signed(&[10, 20]);
    for size in [10, 20, 21] {
        assert_eq!(journal.pass(&checkpoint(size, 1), since(5)), None, "the same history");
    }
    let mut journal = signed(&[10, 20]);
    assert_eq!(journal.pass(&checkpoint(20, 2), since(5)), None);
    assert!(matches!(said(&mut journal, &checkpoint(20, 2)), Verdict::Conflict(_)));
    // Where some were not seen, what was signed may have been one of them.
    for lost in [15, 20] {
        let next = signed(&[10, 20]).pass(&checkpoint(21, 2), Watched { first: Some(5), lost });
        assert_eq!(next.is_none(), lost >= 20, "{lost}");
    }
    // A state that already has what was signed in it is not compared.
    assert_eq!(signed(&[10, 20]).pass(&checkpoint(31, 1), since(23)), None);
}

#[test]
fn with_the_check_taken_away_a_second_digest_is_signed() {
    let mut journal = open(&Simulated::new());
    assert_eq!(said(&mut journal, &checkpoint(20, 1)), Verdict::May);
    plant(Some(Defect::SecondDigest));
    let second = said(&mut journal, &checkpoint(20, 2));
    plant(None);
    assert_eq!(second, Verdict::May);
    assert!(matches!(said(&mut journal, &checkpoint(20, 2)), Verdict::Conflict(_)));
}

#[test]
fn it_stays_small_and_remembers_the_highest_and_the_hops() {
    let disk = Simulated::new();
    let mut journal = open(&disk);
    assert_eq!(said(&mut journal, &hop(1)), Verdict::May);
    for size in 2..8_000 {
        assert_eq!(said(&mut journal, &checkpoint(size, 1)), Verdict::May);
    }
    assert!(journal.log.size() < BYTES);
    let mut journal = open(&disk);
    assert!(journal.is_made(&hop(1).claim()));
    assert!(matches!(said(&mut journal, &checkpoint(7_999, 2)), Verdict::Conflict(_)));
}

#[test]
fn promises_that_were_synced_and_cannot_be_read_are_not_forgotten() {
    let disk = Simulated::new();
    let mut journal = open(&disk);
    assert!(!journal.was_there());
    for size in [10, 20, 30, 40, 50] {
        assert_eq!(said(&mut journal, &checkpoint(size, 1)), Verdict::May);
    }
    assert!(open(&disk).was_there());
    // A byte of the second one turns: those behind it were signed all the same.
    let files = disk.open().expect("open");
    let mut bytes = files.read(NAME, 0, usize::MAX).expect("it reads");
    let at = bytes.len() / 4;
    bytes[at] ^= 1;
    files.truncate(NAME, 0).expect("it is cut");
    files.append(NAME, &bytes).expect("room");
    let opened = Journal::open(Arc::new(files)).map(|_| ());
    assert!(matches!(opened, Err(Error::Corrupt(_))), "{opened:?}");
}
