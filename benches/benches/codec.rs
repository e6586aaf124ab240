//! A batch of annotations, to bytes and back, with every command in it.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use symbi_model::codec;

fn batch(criterion: &mut Criterion) {
    let commands = symbi_benches::annotates();
    let batch = symbi_benches::signed(&commands);
    let bytes = codec::encode_batch(&batch);
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Elements(symbi_benches::BATCH));
    group.bench_function("encode 128 annotates", |bencher| {
        bencher.iter(|| {
            for command in &commands {
                black_box(codec::encode_command(black_box(command)));
            }
            codec::encode_batch(black_box(&batch))
        });
    });
    group.bench_function("decode 128 annotates", |bencher| {
        bencher.iter(|| {
            let batch = codec::decode_batch(black_box(&bytes)).expect("a batch");
            for item in &batch.items {
                black_box(codec::decode_command(&item.command).expect("a command"));
            }
            batch
        });
    });
    group.finish();
}

criterion_group!(name = benches; config = symbi_benches::criterion(); targets = batch);
criterion_main!(benches);
