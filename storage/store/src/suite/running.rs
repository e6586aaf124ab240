//! What must hold while nothing fails.

use super::bed::{Bed, PATIENCE, all, append, key, open, put, run_of};
use crate::engine::Engine;
use crate::error::Error;
use crate::write_batch::WriteBatch;
use std::sync::{Arc, Mutex, mpsc};

/// Reads: absent and present keys, the bounds and the limit of a scan either way, the last of a range.
pub(super) fn bounds<B: Bed>(bed: &mut B) {
    let engine = open(bed);
    assert_eq!(engine.get(b"a"), Ok(None));
    assert_eq!(engine.last(b"", b"z"), Ok(None));
    let mut batch = WriteBatch::new();
    batch.put("a", "1").put("b", "2").put("c", "").put("d", "4");
    append(&engine, batch).expect("append");

    let pair = |key: &str, value: &str| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
    assert_eq!(engine.get(b"b"), Ok(Some(b"2".to_vec())));
    assert_eq!(engine.get(b"c"), Ok(Some(Vec::new())), "an empty value is a value");
    assert_eq!(engine.scan(b"b", b"d", 9), Ok(vec![pair("b", "2"), pair("c", "")]));
    assert_eq!(engine.scan(b"a", b"z", 2), Ok(vec![pair("a", "1"), pair("b", "2")]));
    assert_eq!(engine.scan(b"bb", b"c\0", 9), Ok(vec![pair("c", "")]));
    assert_eq!(engine.scan(b"a", b"z", 0), Ok(vec![]));
    assert_eq!(engine.scan(b"b", b"b", 9), Ok(vec![]), "a range without a key");
    assert_eq!(engine.scan(b"d", b"b", 9), Ok(vec![]), "a range that ends before it starts");
    assert_eq!(engine.scan_back(b"b", b"d", 9), Ok(vec![pair("c", ""), pair("b", "2")]));
    assert_eq!(engine.scan_back(b"a", b"z", 2), Ok(vec![pair("d", "4"), pair("c", "")]));
    assert_eq!(engine.scan_back(b"a", b"z", 0), Ok(vec![]));
    assert_eq!(engine.scan_back(b"b", b"b", 9), Ok(vec![]), "a range without a key");
    assert_eq!(engine.scan_back(b"d", b"b", 9), Ok(vec![]), "a range that ends before it starts");
    assert_eq!(engine.last(b"a", b"d"), Ok(Some(pair("c", ""))));
    assert_eq!(engine.last(b"a", b"dd"), Ok(Some(pair("d", "4"))));
    assert_eq!(engine.last(b"bb", b"c"), Ok(None));
    assert_eq!(engine.last(b"d", b"b"), Ok(None));
}

/// Operations of a batch take effect in their order; deletes and ranges reach what earlier batches left.
pub(super) fn order_inside_a_batch<B: Bed>(bed: &mut B) {
    let engine = open(bed);
    for number in 0..10 {
        append(&engine, put(key(1, number), b"old")).expect("append");
    }
    let mut batch = WriteBatch::new();
    batch.put(key(1, 3), "gone").delete_range(key(1, 2), key(1, 8)).put(key(1, 4), "new");
    batch.delete(key(1, 0)).delete(key(1, 99)).delete_range(key(1, 9), key(1, 1));
    append(&engine, batch).expect("append");
    let left: Vec<_> = all(&engine).into_iter().map(|(_, value)| value).collect();
    assert_eq!(left, [b"old".to_vec(), b"new".to_vec(), b"old".to_vec(), b"old".to_vec()]);
    append(&engine, WriteBatch::new()).expect("an empty batch is called back too");
}

/// Callbacks come once each, in the order of the appends, and find their batch readable.
pub(super) fn callbacks<B: Bed>(bed: &mut B) {
    const APPENDS: u32 = 300;
    let engine = Arc::new(open(bed));
    let (sender, receiver) = mpsc::channel();
    for number in 0..APPENDS {
        let (sender, reader) = (sender.clone(), Arc::downgrade(&engine));
        let on_durable = Box::new(move |result: Result<(), Error>| {
            let found = reader.upgrade().map(|engine| engine.get(&key(1, number)));
            sender.send((number, result, found)).expect("the case waits");
        });
        engine.append(put(key(1, number), b"x"), on_durable);
    }
    for number in 0..APPENDS {
        let (called, result, found) = receiver.recv_timeout(PATIENCE).expect("a callback is missing");
        assert_eq!(called, number, "callbacks out of order");
        assert_eq!(result, Ok(()));
        assert_eq!(found, Some(Ok(Some(b"x".to_vec()))), "called back, but not readable");
    }
    drop(sender);
    drop(engine);
    let more = receiver.recv_timeout(PATIENCE).map(|(number, ..)| number);
    assert_eq!(more, Err(mpsc::RecvTimeoutError::Disconnected), "a callback came twice, or was kept");
}

/// A callback may itself append and write.
pub(super) fn callback_may_append<B: Bed>(bed: &mut B) {
    let engine = Arc::new(open(bed));
    let (sender, receiver) = mpsc::channel();
    let again = Arc::clone(&engine);
    let on_durable = Box::new(move |_| {
        again.write(put(key(1, 1), b"2")).expect("write");
        // The last reference leaves with this closure, and the engine's own thread must not be the one to close it.
        let engine = Arc::clone(&again);
        again.append(put(key(1, 2), b"3"), Box::new(move |result| sender.send((result, engine)).expect("waits")));
    });
    engine.append(put(key(1, 0), b"1"), on_durable);
    let (result, again) = receiver.recv_timeout(PATIENCE).expect("the inner append was never called back");
    assert_eq!(result, Ok(()));
    assert_eq!(run_of(&*engine, 1), 3);
    drop(again);
}

/// A write is readable when it returns.
pub(super) fn writes<B: Bed>(bed: &mut B) {
    let engine = open(bed);
    for number in 0..100 {
        let mut batch = put(key(1, number), b"x");
        batch.put("last", number.to_be_bytes());
        engine.write(batch).expect("write");
        assert_eq!(engine.get(b"last"), Ok(Some(number.to_be_bytes().to_vec())));
    }
    assert_eq!(run_of(&engine, 1), 100);
}

/// Values of a megabyte go through whole.
pub(super) fn large_values<B: Bed>(bed: &mut B) {
    let value: Vec<u8> = (0..1_u32 << 20).map(|byte| byte.to_le_bytes()[0]).collect();
    {
        let engine = open(bed);
        for number in 0..8 {
            append(&engine, put(key(1, number), &value)).expect("append");
        }
    }
    let engine = open(bed);
    assert!(all(&engine).iter().all(|(_, found)| *found == value));
    assert_eq!(run_of(&engine, 1), 8);
}

/// Eight threads append at once: nothing is lost, and each thread's callbacks come in its order.
pub(super) fn appenders<B: Bed>(bed: &mut B) {
    const THREADS: u8 = 8;
    const APPENDS: u32 = 100;
    let engine = open(bed);
    let called: Arc<Mutex<Vec<(u8, u32)>>> = Arc::default();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (engine, called) = (&engine, Arc::clone(&called));
            scope.spawn(move || append_all(engine, thread, APPENDS, &called));
        }
    });
    let called = called.lock().expect("no thread panicked");
    for thread in 0..THREADS {
        let own: Vec<u32> = called.iter().filter(|(of, _)| *of == thread).map(|(_, number)| *number).collect();
        assert_eq!(own, (0..APPENDS).collect::<Vec<_>>(), "callbacks of one thread out of order");
        assert_eq!(run_of(&engine, thread), APPENDS);
    }
}

fn append_all(engine: &impl Engine, thread: u8, appends: u32, called: &Arc<Mutex<Vec<(u8, u32)>>>) {
    let (done, all_done) = mpsc::channel();
    for number in 0..appends {
        let (called, done) = (Arc::clone(called), done.clone());
        let on_durable = Box::new(move |result: Result<(), Error>| {
            result.expect("append");
            called.lock().expect("no thread panicked").push((thread, number));
            done.send(()).expect("the thread waits");
        });
        engine.append(put(key(thread, number), b"x"), on_durable);
    }
    for _ in 0..appends {
        all_done.recv_timeout(PATIENCE).expect("a callback is missing");
    }
}

/// It is open once at a time, and says so; a close sets it free.
pub(super) fn in_use<B: Bed>(bed: &mut B) {
    let engine = open(bed);
    match bed.open().map(drop) {
        Err(Error::InUse { path }) => assert!(!path.is_empty(), "it must say what is in use"),
        other => panic!("a second opening must be refused as in use, not {other:?}"),
    }
    append(&engine, put(key(1, 0), b"x")).expect("the first one goes on");
    drop(engine);
    assert_eq!(run_of(&open(bed), 1), 1);
}

/// A close and an opening keep everything, writes too.
pub(super) fn reopen<B: Bed>(bed: &mut B) {
    for round in 0..3 {
        let engine = open(bed);
        assert_eq!(run_of(&engine, 1), round * 2);
        append(&engine, put(key(1, round * 2), b"x")).expect("append");
        engine.write(put(key(1, round * 2 + 1), b"x")).expect("write");
    }
    assert_eq!(run_of(&open(bed), 1), 6);
}
