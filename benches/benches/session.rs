//! Messages between two agents, sealed and opened, short and long.
//!
//! A session carries so much and no more, and opens nothing twice: so messages are sealed and opened in portions, of
//! which one half is measured, and a spent session gives way to the next, as in a node.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::{Duration, Instant};
use symbi_benches::conversation::{Conversation, header};

/// How many messages are made at once: few enough that the long ones fit in memory.
const PORTION: u64 = 64;

/// How long `seal` and `open` take for `messages` messages, in this order.
fn exchange(messages: u64, payload: &[u8]) -> (Duration, Duration) {
    let (mut sealing, mut opening) = (Duration::ZERO, Duration::ZERO);
    let header = header();
    let mut conversation = Conversation::begin();
    let mut left = messages;
    while left > 0 {
        let portion = left.min(PORTION);
        left -= portion;
        if conversation.sender.due_for_rekey(0) {
            conversation = Conversation::begin();
        }
        let began = Instant::now();
        let seal = |_| conversation.sender.seal(&header, black_box(payload)).expect("sealed");
        let sealed: Vec<Vec<u8>> = (0..portion).map(seal).collect();
        sealing += began.elapsed();
        let began = Instant::now();
        for message in &sealed {
            black_box(conversation.receiver.open(message).expect("opened"));
        }
        opening += began.elapsed();
    }
    (sealing, opening)
}

fn messages(criterion: &mut Criterion) {
    for (size, name) in [(256, "256 B"), (64 * 1024, "64 KiB")] {
        let payload = vec![0x5a; size];
        let mut group = criterion.benchmark_group("session");
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("seal {name}"), |bencher| {
            bencher.iter_custom(|messages| exchange(messages, &payload).0);
        });
        group.bench_function(format!("open {name}"), |bencher| {
            bencher.iter_custom(|messages| exchange(messages, &payload).1);
        });
        group.finish();
    }
}

criterion_group!(name = benches; config = symbi_benches::criterion(); targets = messages);
criterion_main!(benches);
