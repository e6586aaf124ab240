//! One decision: an agent asks another of the same owner, under a policy set that is parsed already. It is paid twice a
//! message, so it should take no more than 10 to 15 µs.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use symbi_benches::{agent, node, placed};
use symbi_policy::{AgentRef, Ask, Clocks, Gate, Options, Principal};

fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn decision(criterion: &mut Criterion) {
    let gate = Gate::new(Options::new(node(0)), Clocks { wall_ms: Arc::new(wall_ms), boottime: Arc::new(|| Duration::ZERO) });
    gate.heard(Duration::ZERO);
    let state = placed();
    let named = |number| AgentRef { name: agent(number).to_string(), owner: "demo".to_owned() };
    let ask = Ask { from: Principal::Agent(named(1)), to: named(2) };
    // The first decision parses the set.
    let first = gate.judge(&state, ask.clone());
    assert!(first.is_ok(), "{first:?}");
    criterion.bench_function("gate/ask", |bencher| {
        bencher.iter(|| gate.judge(black_box(&state), black_box(&ask).clone()));
    });
}

criterion_group!(name = benches; config = symbi_benches::criterion(); targets = decision);
criterion_main!(benches);
