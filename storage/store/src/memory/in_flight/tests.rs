//! What is left of a log that is cut, and in which orders it may have been written.

use super::{Record, Remains, Waiting, cut, order};
use crate::draw::{Cut, Draw};
use crate::memory::content::{SharedOp, share};
use crate::write_batch::WriteBatch;
use std::collections::{BTreeSet, VecDeque};

/// A record of 19 + 4 + 1 + 6 = 30 bytes.
fn record(name: u8) -> Record {
    let mut batch = WriteBatch::new();
    batch.put([name], [name; 6]);
    Record { ops: share(batch) }
}

fn names(records: &[Record]) -> String {
    let name = |record: &Record| match &record.ops[0] {
        SharedOp::Put(key, _) => char::from(key[0]),
        other => panic!("no record of these tests does {other:?}"),
    };
    records.iter().map(name).collect()
}

#[test]
fn a_cut_keeps_whole_records_and_drops_the_one_it_tears() {
    let records = || vec![record(b'a'), record(b'b'), record(b'c')];
    let left = |part, of| {
        let (kept, remains) = cut(records(), Cut::Behind(part, of));
        (names(&kept), remains)
    };
    let remains = |kept, lost, torn| Remains { kept, lost, torn };
    assert_eq!(cut(records(), Cut::Before).1, remains(0, 3, false));
    assert_eq!(left(0, 90), (String::new(), remains(0, 3, false)));
    assert_eq!(left(1, 90), (String::new(), remains(0, 2, true)), "one byte of the first");
    assert_eq!(left(29, 90), (String::new(), remains(0, 2, true)), "all but one byte of the first");
    assert_eq!(left(30, 90), ("a".to_owned(), remains(1, 2, false)), "exactly behind the first");
    assert_eq!(left(31, 90), ("a".to_owned(), remains(1, 1, true)));
    assert_eq!(left(89, 90), ("ab".to_owned(), remains(2, 0, true)));
    assert_eq!(left(1, 1), ("abc".to_owned(), remains(3, 0, false)));
}

#[test]
fn appends_come_anywhere_behind_the_writes_before_them_and_in_their_order() {
    let append = |name, after| Waiting { record: record(name), after, on_durable: () };
    let writes = || vec![record(b'1'), record(b'2'), record(b'3')];
    // The first was appended behind the first write, the second one at the end.
    let waiting = || VecDeque::from([append(b'a', 1), append(b'b', 2)]);
    assert_eq!(names(&order(writes(), waiting(), None)), "1a2b3", "as they were called");
    let mut draw = Draw::new(1);
    let orders: BTreeSet<String> = (0..200).map(|_| names(&order(writes(), waiting(), Some(&mut draw)))).collect();
    let all = ["1a2b3", "1a23b", "12ab3", "12a3b", "123ab"];
    assert_eq!(orders, BTreeSet::from(all.map(str::to_owned)));
}
