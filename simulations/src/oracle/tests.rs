//! Every oracle objects to what it is for, and to nothing else.

use crate::trace::{Event, Recorder};
use symbi_host::{Effect, Event as Told};
use symbi_model::agent::AgentName;
use symbi_model::{Epoch, Hash};
use symbi_raft::Role;

fn objections(history: &[(&str, Event)]) -> Vec<String> {
    let recorder = Recorder::default();
    for (host, event) in history {
        recorder.tell_at(std::time::Duration::from_secs(1), host, event.clone());
    }
    recorder.violations()
}

fn leads(term: u64) -> Event {
    Event::Role { term, role: Role::Leader, leader: None }
}

fn applied(index: u64, state: u8) -> Event {
    Event::Applied { index, state: Hash([state; 32]) }
}

fn agent() -> AgentName {
    "echo".parse().expect("a name")
}

fn passed(epoch: u64) -> Event {
    Event::Effect(Told::EffectPassed { agent: agent(), epoch: Epoch(epoch), kind: Effect::Ask })
}

fn accepted(epoch: u64) -> Event {
    Event::Effect(Told::SinkAccepted { agent: agent(), epoch: Epoch(epoch) })
}

#[test]
fn two_leaders_in_a_term() {
    assert!(objections(&[("n1", leads(1)), ("n2", leads(2)), ("n1", leads(3)), ("n1", leads(3))]).is_empty());
    assert_eq!(objections(&[("n1", leads(1)), ("n2", leads(1))]).len(), 1);
}

#[test]
fn two_states_at_an_index() {
    assert!(objections(&[("n1", applied(1, 1)), ("n2", applied(1, 1)), ("n1", applied(2, 2))]).is_empty());
    assert_eq!(objections(&[("n1", applied(1, 1)), ("n2", applied(1, 2))]).len(), 1);
}

#[test]
fn an_effect_that_passes_late() {
    assert!(objections(&[("n1", passed(1)), ("n1", passed(1)), ("n2", passed(2))]).is_empty());
    assert_eq!(objections(&[("n1", passed(1)), ("n2", passed(2)), ("n1", passed(1))]).len(), 1);
}

#[test]
fn a_frozen_hosts_gate_cannot_know() {
    let freeze = ("world", Event::Fault("freeze n1".to_owned()));
    assert!(objections(&[freeze.clone(), ("n2", passed(2)), ("n1", passed(1))]).is_empty());
    assert_eq!(objections(&[freeze, ("n2", passed(2)), ("n3", passed(1))]).len(), 1);
}

#[test]
fn an_effect_that_is_accepted_late() {
    // Another sink may not have heard of the later instance.
    assert!(objections(&[("n2", accepted(2)), ("n1", accepted(1)), ("n1", accepted(2))]).is_empty());
    assert_eq!(objections(&[("n2", accepted(2)), ("n2", accepted(1))]).len(), 1);
}

#[test]
fn whatever_a_client_calls_wrong() {
    assert_eq!(objections(&[("n2", Event::Wrong("an answer to nothing".to_owned()))]).len(), 1);
}
