//! A plan for a whole cluster from nothing: ten thousand agents, a hundred nodes. A leader makes one within a second.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use symbi_benches::{AGENTS, unplaced};
use symbi_control::placement::{Health, Hints, problem, solve};

fn plan(criterion: &mut Criterion) {
    let (problem, previous) = problem(&unplaced(), &Hints::new(), &Health::default());
    let placed = solve(&problem, &previous).places.len() as u64;
    assert_eq!(placed, AGENTS, "there is room for every agent");
    let mut group = criterion.benchmark_group("placement");
    group.sample_size(20);
    group.bench_function("10,000 agents on 100 nodes", |bencher| {
        bencher.iter(|| solve(black_box(&problem), black_box(&previous)));
    });
    group.finish();
}

criterion_group!(name = benches; config = symbi_benches::criterion(); targets = plan);
criterion_main!(benches);
