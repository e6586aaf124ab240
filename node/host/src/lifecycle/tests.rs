//! The whole table, written out once by hand: every state with every event.

use super::{EVENTS, STATES, mermaid, step};
use expect_test::expect;

#[test]
fn every_state_with_every_event() {
    let mut table = String::new();
    for state in STATES {
        for event in EVENTS {
            if let Ok((next, actions)) = step(state, event) {
                table.push_str(&format!("{state} | {event} -> {next} {actions:?}\n"));
            }
        }
    }
    expect![[r#"
        created | start -> initializing [Launch, Report]
        created | stop -> terminated [Release]
        created | fenced -> terminated []
        initializing | initialized -> ready []
        initializing | grant lost -> waiting [Kill, Report]
        initializing | ended, restarts -> waiting [ShutGates, BackOff, Report]
        initializing | ended well -> completed [ShutGates, Release]
        initializing | ended badly -> failed [ShutGates, Release]
        initializing | stop -> terminating [ShutGates, Terminate, Report]
        initializing | fenced -> terminated [ShutGates, Kill]
        ready | admitted -> running [OpenGates, Report]
        ready | grant lost -> suspended [ShutGates, Freeze, Report]
        ready | ended, restarts -> waiting [ShutGates, BackOff, Report]
        ready | ended well -> completed [ShutGates, Release]
        ready | ended badly -> failed [ShutGates, Release]
        ready | stop -> terminating [ShutGates, Terminate, Report]
        ready | fenced -> terminated [ShutGates, Kill]
        running | grant lost -> suspended [ShutGates, Freeze, Report]
        running | ended, restarts -> waiting [ShutGates, BackOff, Report]
        running | ended well -> completed [ShutGates, Release]
        running | ended badly -> failed [ShutGates, Release]
        running | stop -> terminating [ShutGates, Terminate, Report]
        running | fenced -> terminated [ShutGates, Kill]
        waiting | start -> initializing [Launch, Report]
        waiting | stop -> terminated [Release]
        waiting | fenced -> terminated []
        suspended | grant back -> running [Thaw, OpenGates, Report]
        suspended | ended, restarts -> waiting [ShutGates, BackOff, Report]
        suspended | ended well -> completed [ShutGates, Release]
        suspended | ended badly -> failed [ShutGates, Release]
        suspended | stop -> terminating [ShutGates, Thaw, Terminate, Report]
        suspended | fenced -> terminated [ShutGates, Kill]
        completed | stop -> terminated [Release]
        completed | fenced -> terminated []
        failed | stop -> terminated [Release]
        failed | fenced -> terminated []
        terminating | ended, restarts -> terminated [Release]
        terminating | ended well -> terminated [Release]
        terminating | ended badly -> terminated [Release]
        terminating | fenced -> terminated [ShutGates, Kill]
    "#]]
    .assert_eq(&table);
}

#[test]
fn what_the_table_leaves_out_is_refused_with_a_reason() {
    let refused = STATES.iter().flat_map(|state| EVENTS.map(|event| step(*state, event))).filter_map(Result::err);
    let refused: Vec<String> = refused.map(|error| error.to_string()).collect();
    assert_eq!(refused.len(), STATES.len() * EVENTS.len() - 40);
    assert_eq!(refused[0], "an agent that is created cannot take the event 'initialized'");
}

#[test]
fn terminated_is_the_end_and_every_other_state_can_reach_it() {
    for event in EVENTS {
        assert!(step(symbi_model::agent::AgentState::Terminated, event).is_err());
    }
    for state in STATES {
        let ends = step(state, super::Event::Fenced).map(|(next, _)| next);
        assert!(ends.is_err() || ends == Ok(symbi_model::agent::AgentState::Terminated));
    }
}

#[test]
fn the_drawing() {
    expect![[r#"
        stateDiagram-v2
            [*] --> created
            created --> initializing : start
            created --> terminated : stop / fenced
            initializing --> ready : initialized
            initializing --> waiting : grant lost / ended, restarts
            initializing --> completed : ended well
            initializing --> failed : ended badly
            initializing --> terminating : stop
            initializing --> terminated : fenced
            ready --> running : admitted
            ready --> waiting : ended, restarts
            ready --> suspended : grant lost
            ready --> completed : ended well
            ready --> failed : ended badly
            ready --> terminating : stop
            ready --> terminated : fenced
            running --> waiting : ended, restarts
            running --> suspended : grant lost
            running --> completed : ended well
            running --> failed : ended badly
            running --> terminating : stop
            running --> terminated : fenced
            waiting --> initializing : start
            waiting --> terminated : stop / fenced
            suspended --> running : grant back
            suspended --> waiting : ended, restarts
            suspended --> completed : ended well
            suspended --> failed : ended badly
            suspended --> terminating : stop
            suspended --> terminated : fenced
            completed --> terminated : stop / fenced
            failed --> terminated : stop / fenced
            terminating --> terminated : ended, restarts / ended well / ended badly / fenced
            terminated --> [*]
    "#]]
    .assert_eq(&mermaid());
}
