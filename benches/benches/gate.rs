//! One decision: an agent asks another of the same owner, under a policy set that is parsed already. It is paid twice a
//! message, so it should take no more than 15 µs anew, and 1 to 2 µs when the like of it was asked before.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use symbi_benches::{AGENTS, agent, node, placed};
use symbi_policy::{AgentRef, Ask, Clocks, Gate, Options, Principal};

fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn decision(criterion: &mut Criterion) {
    let gate =
        Gate::new(Options::new(node(0)), Clocks { wall_ms: Arc::new(wall_ms), boottime: Arc::new(|| Duration::ZERO) });
    gate.heard(Duration::ZERO);
    let state = placed();
    let named = |number| AgentRef { name: agent(number).to_string(), owner: "demo".to_owned() };
    let ask = Ask { from: Principal::Agent(named(1)), to: named(2) };
    // The first decision parses the set.
    let first = gate.judge(&state, ask.clone());
    assert!(first.is_ok(), "{first:?}");
    criterion.bench_function("gate/ask again", |bencher| {
        bencher.iter(|| gate.judge(black_box(&state), black_box(&ask).clone()));
    });
    // More receivers than findings are kept, one after the other: each is judged anew.
    let mut receivers = (0..AGENTS).cycle();
    criterion.bench_function("gate/ask", |bencher| {
        bencher.iter(|| {
            let to = named(receivers.next().expect("it begins again"));
            gate.judge(black_box(&state), Ask { from: ask.from.clone(), to })
        });
    });
}

criterion_group!(name = benches; config = symbi_benches::criterion(); targets = decision);
criterion_main!(benches);
