//! Tests of the newest entries.

use super::*;
use crate::types::LogId;
use openraft::EntryPayload;
use openraft::entry::RaftEntry;

fn push(recent: &mut Recent, index: u64, bytes: usize) {
    recent.push(Entry::new(LogId::new(1.into(), index), EntryPayload::Blank), bytes);
}

fn held(recent: &Recent) -> Vec<u64> {
    recent.range(0, u64::MAX).map(|(entry, _)| entry.log_id.index).collect()
}

#[test]
fn what_is_not_durable_is_kept_whatever_its_length() {
    let mut recent = Recent::new(5);
    for index in 5..9 {
        push(&mut recent, index, KEPT_BYTES);
    }
    recent.durable_to(6);
    assert_eq!(held(&recent), [6, 7, 8]);
    recent.durable_to(9);
    assert_eq!(held(&recent), [8], "as much as may be kept");
}

#[test]
fn a_callback_that_comes_after_a_truncation_counts_only_what_is_left() {
    let mut recent = Recent::new(0);
    for index in 0..10 {
        push(&mut recent, index, 1);
    }
    recent.truncate(4);
    recent.durable_to(10);
    assert_eq!((recent.start(), recent.end(), recent.durable_end()), (0, 4, 4));
    push(&mut recent, 4, 1);
    assert_eq!(recent.durable_end(), 4);
}

#[test]
fn a_purge_beyond_the_end_moves_it() {
    let mut recent = Recent::new(0);
    push(&mut recent, 0, 1);
    recent.purge(20);
    assert_eq!((recent.start(), recent.end(), recent.durable_end()), (20, 20, 20));
    push(&mut recent, 20, 1);
    assert_eq!(held(&recent), [20]);
}

#[test]
fn ranges_are_cut_to_what_is_held() {
    let mut recent = Recent::new(3);
    for index in 3..6 {
        push(&mut recent, index, 1);
    }
    let range = |from, to| recent.range(from, to).map(|(entry, _)| entry.log_id.index).collect::<Vec<_>>();
    assert_eq!(range(0, 5), [3, 4]);
    assert_eq!(range(4, 99), [4, 5]);
    assert!(range(9, 2).is_empty());
}
