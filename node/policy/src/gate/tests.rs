//! How often, and for whom, what came nearest is worked out.

use super::*;
use crate::act::{AgentRef, Principal, Tell};
use symbi_model::agent::{Agent, Spec};
use symbi_model::policy::{NO_ENTITIES, PolicySet};
use symbi_model::{AgentId, NodeId};

/// A gate that has heard of a leader, and a state with agents `a` and `b` under the policies `text`.
fn refusing(text: &str) -> (Gate, State) {
    let clocks = Clocks { wall_ms: Arc::new(|| 1), boottime: Arc::new(|| Duration::ZERO) };
    let gate = Gate::new(Options::new(NodeId([1; 32])), clocks);
    gate.heard(Duration::ZERO);
    let mut state = State::default();
    let (number, hash) = (PolicyNumber(1), PolicySet::hash_of(text, NO_ENTITIES));
    let (text, entities, actor) = (text.to_owned(), NO_ENTITIES.to_owned(), "user:admin".to_owned());
    let set = PolicySet { number, text, entities, hash, actor, created_at: 1, created_ms: 1 };
    state.policy_sets.insert(number, set);
    state.counters.policy_set = number;
    for name in ["a", "b"] {
        let spec = Spec::new(name.parse().unwrap(), "demo", vec!["true".to_owned()]);
        state.agents.insert(name.parse().unwrap(), Agent::new(AgentId(uuid::Uuid::from_u128(9)), spec, 1));
    }
    (gate, state)
}

/// `a` tells `b` something, and is refused.
fn refuse(gate: &Gate, state: &State) -> DecisionId {
    let agent = |name: &str| AgentRef { name: name.to_owned(), owner: "demo".to_owned() };
    let tell = Tell { from: Principal::Agent(agent("a")), to: agent("b") };
    gate.judge(state, tell).unwrap_err().decision
}

fn kept(gate: &Gate, id: &DecisionId) -> Option<Option<Vec<Nearest>>> {
    gate.kept(id).unwrap().finding.asked.as_ref().unwrap().nearest.get().cloned()
}

#[test]
fn what_came_nearest_is_worked_out_once_for_who_is_refused_again_and_again() {
    let (gate, state) = refusing("permit (principal, action, resource) when { principal.owner == \"other\" };");
    let (first, second) = (refuse(&gate, &state), refuse(&gate, &state));
    assert_eq!(kept(&gate, &first), None, "to be refused is cheap");
    let told = gate.verdict_in_short(&first).unwrap();
    assert_eq!(told.nearest.len(), 1);
    assert_eq!(kept(&gate, &second), Some(Some(told.nearest.clone())), "both are of one finding");
    assert_eq!(gate.verdict(&second).unwrap().nearest, told.nearest);
}

#[test]
fn what_came_nearest_is_kept_and_told_to_ledgers_only_if_it_is_short() {
    let owners = (0..2_000).map(|owner| format!("\"owner-{owner}\"")).collect::<Vec<_>>().join(", ");
    let text = format!("permit (principal, action, resource) when {{ [{owners}].contains(principal.owner) }};");
    let (gate, state) = refusing(&text);
    let id = refuse(&gate, &state);
    assert_eq!(gate.verdict_in_short(&id).unwrap().nearest, []);
    assert_eq!(kept(&gate, &id), Some(None));
    assert_eq!(gate.verdict(&id).unwrap().nearest.len(), 1, "who asks is told");
}
