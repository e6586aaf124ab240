//! Messages between two agents, sealed and opened, short and long.
//!
//! A session carries so much and no more, and opens nothing twice: so messages are sealed and opened in portions, of
//! which one half is measured, and a spent session gives way to the next, as in a node.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::{Duration, Instant};
use symbi_benches::conversation::{Conversation, header, sender_key};
use symbi_model::PolicyNumber;
use symbi_proto::session::{Said, Sealed};

/// How many messages are made at once: a batch, and few enough that the long ones fit in memory.
const PORTION: u64 = 64;

/// How long `seal`, `open`, and all together with a signature a portion, signed and verified, take for `messages` messages.
fn exchange(messages: u64, payload: &[u8]) -> (Duration, Duration, Duration) {
    let (mut sealing, mut opening, mut signing) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let (header, key) = (header(), sender_key());
    let public = key.verifying_key();
    let said = Said { epoch: header.sender_epoch, policy_set: PolicyNumber(1), time_ms: symbi_benches::NOW_MS };
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
        let sealed: Vec<Sealed> = (0..portion).map(seal).collect();
        sealing += began.elapsed();
        let began = Instant::now();
        for message in &sealed {
            black_box(conversation.receiver.open(&message.bytes).expect("opened"));
        }
        opening += began.elapsed();
        let began = Instant::now();
        let attestation = conversation.sender.attest(&key, &said).expect("a batch");
        let claim = conversation.receiver.claim(&public, said.epoch, &attestation).expect("the next batch");
        black_box(claim.verify(&public).expect("signed"));
        signing += began.elapsed();
    }
    (sealing, opening, sealing + opening + signing)
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
        group.bench_function(format!("seal, sign by 64, open, verify {name}"), |bencher| {
            bencher.iter_custom(|messages| exchange(messages, &payload).2);
        });
        group.finish();
    }
}

criterion_group!(name = benches; config = symbi_benches::criterion(); targets = messages);
criterion_main!(benches);
