//! What happens to the files between two openings: a torn tail is accepted, a damaged middle is refused.

use crate::promises::{copy, wal};
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use symbi_rocks::{Options, Rocks};
use symbi_store::{Engine, Error, Run, WriteBatch};

const SYNCED: u32 = 50;
const UNSYNCED: u32 = 10;

/// Some of the numbers are kept apart, so that what is found was put together again.
fn options() -> Options {
    let run = Run { name: "some", from: 20_u32.to_be_bytes().to_vec(), to: 55_u32.to_be_bytes().to_vec() };
    Options { runs: vec![run], ..Options::default() }
}

fn put(number: u32) -> WriteBatch {
    let mut batch = WriteBatch::new();
    batch.put(number.to_be_bytes(), [7; 40]);
    batch
}

fn append(engine: &Rocks, number: u32) {
    let (sender, receiver) = mpsc::channel();
    engine.append(put(number), Box::new(move |result| sender.send(result).expect("the test waits")));
    receiver.recv().expect("called back").expect("durable");
}

fn length(directory: &Path) -> u64 {
    fs::metadata(wal(directory)).expect("a log").len()
}

/// How many of the numbered keys are there; none may be missing below one that is.
fn count(engine: &Rocks) -> u32 {
    let pairs = engine.scan(&[], &[0xff; 5], usize::MAX).expect("scan");
    for (number, (key, _)) in (0_u32..).zip(&pairs) {
        assert_eq!(*key, number.to_be_bytes(), "a hole");
    }
    u32::try_from(pairs.len()).expect("few")
}

/// Synced appends, then unsynced writes; the copy of the files, and the log's length at the last acknowledgement.
fn history(root: &Path) -> (PathBuf, u64) {
    let (live, copied) = (root.join("live"), root.join("copy"));
    let engine = Rocks::open(&live, options()).expect("open");
    (0..SYNCED).for_each(|number| append(&engine, number));
    let synced = length(&live);
    (SYNCED..SYNCED + UNSYNCED).for_each(|number| engine.write(put(number)).expect("write"));
    copy(&live, &copied);
    (copied, synced)
}

/// A power cut keeps what was synced and any part of what was not: the log is cut at every length in between.
#[test]
fn a_log_cut_anywhere_after_the_last_sync_keeps_every_acknowledged_batch() {
    let root = tempfile::tempdir().expect("a directory");
    let (copied, synced) = history(root.path());
    let mut most = 0;
    for cut in (synced..=length(&copied)).step_by(7) {
        let torn = root.path().join(format!("torn-{cut}"));
        copy(&copied, &torn);
        OpenOptions::new().write(true).open(wal(&torn)).expect("a log").set_len(cut).expect("cut");
        let kept = count(&Rocks::open(&torn, options()).expect("a torn tail is no corruption"));
        assert!(kept >= SYNCED, "cut at {cut}: {kept} of {SYNCED} acknowledged batches are left");
        most = most.max(kept);
    }
    assert!(most > SYNCED, "no cut kept an unsynced write: the test cuts nothing");
}

#[test]
fn a_flipped_bit_in_mid_log_is_refused_as_corrupt() {
    let root = tempfile::tempdir().expect("a directory");
    let (copied, synced) = history(root.path());
    let log = wal(&copied);
    let mut bytes = fs::read(&log).expect("a log");
    bytes[usize::try_from(synced / 2).expect("small")] ^= 1;
    fs::write(&log, bytes).expect("a log");
    match Rocks::open(&copied, options()).map(drop) {
        Err(Error::Corrupt(_)) => (),
        other => panic!("opened over a damaged log: {other:?}"),
    }
}

#[test]
fn a_manifest_that_is_garbage_is_refused() {
    let root = tempfile::tempdir().expect("a directory");
    let (copied, _) = history(root.path());
    let files = fs::read_dir(&copied).expect("a directory").map(|file| file.expect("an entry").path());
    let manifest = files.filter(|path| path.to_string_lossy().contains("MANIFEST")).max().expect("a manifest");
    File::create(&manifest).expect("a manifest").set_len(100).expect("zeroes");
    let error = Rocks::open(&copied, options()).map(drop).expect_err("opened without a manifest");
    assert!(matches!(error, Error::Corrupt(_)), "{error}");
}
