//! A signed batch of annotations, applied to a state of ten thousand agents; and how much of that is its signature.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ed25519_dalek::{Signature, VerifyingKey};
use std::hint::black_box;
use symbi_model::entry::{CONTROL, Entry, Payload};
use symbi_model::{Outcome, apply, codec};

fn batch(criterion: &mut Criterion) {
    let batch = symbi_benches::signed(&symbi_benches::annotates());
    let entry = Entry { term: 1, index: 3, payload: Payload::Batch(codec::encode_batch(&batch)) };
    let state = symbi_benches::placed();
    let outcomes = apply(&mut state.clone(), &entry).outcomes;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done), "{outcomes:?}");

    let mut group = criterion.benchmark_group("apply");
    group.bench_function("128 annotates", |bencher| {
        // A clone shares what it does not change, as the state of before does in a node.
        bencher.iter_batched_ref(|| state.clone(), |state| apply(state, black_box(&entry)), BatchSize::SmallInput);
    });
    let signed = batch.signed_bytes(symbi_benches::cluster(), CONTROL);
    group.bench_function("its signature alone", |bencher| {
        bencher.iter(|| {
            let key = VerifyingKey::from_bytes(black_box(&batch.origin.0)).expect("a key");
            let signature = Signature::from_slice(black_box(&batch.signature)).expect("a signature");
            key.verify_strict(black_box(&signed), &signature).expect("a good signature");
        });
    });
    group.finish();
}

criterion_group!(name = benches; config = symbi_benches::criterion(); targets = batch);
criterion_main!(benches);
