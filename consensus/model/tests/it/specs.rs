//! What users ask of agents that are there: another spec, the one of before, to run again, to be started anew.

use crate::world::{SECRET, World, check};
use expect_test::expect;
use symbi_model::agent::{AgentName, Recorded};
use symbi_model::document::Document;
use symbi_model::names::Field;
use symbi_model::{Command, Outcome, Refusal, gate};

/// The spec, its keyed hash and what changes are on record, and what is in it is not.
#[test]
fn an_update_is_on_record_by_its_hash() {
    let mut world = World::started();
    for line in ["n1: create a1", "n1: update a1 memory 200 at 1", "n1: rollback a1 to 100 at 2"] {
        let applied = world.line(line).expect("an entry");
        let record = &applied.records[0];
        assert_eq!(applied.outcomes.len(), 1, "{line}: {:?}", applied.outcomes);
        assert_eq!(record.result.code.to_string(), "DONE", "{line}");
        let spec = &world.state.agents[&"a1".parse::<AgentName>().unwrap()].spec;
        let mac = SECRET.mac(spec.document.as_bytes());
        assert_eq!(record.act.details.get(Field::SPEC).expect("its hash").to_string(), mac.to_string(), "{line}");
        assert_eq!(world.state.spec_mac(spec), mac);
    }
    let applied = world.line("n1: update a1 memory 300").expect("an entry");
    let texts: Vec<_> = applied.records[0].act.details.texts().map(|(name, text)| format!("{name}={text}")).collect();
    assert!(texts.contains(&"changed=resources.memory_mb".to_owned()), "{texts:?}");
}

/// Whoever proposes a spec cannot have it named by another's hash.
#[test]
fn a_hash_of_another_spec_is_refused() {
    let mut world = World::started();
    let Command::CreateAgent { id, spec, actor, .. } = crate::world::create("a1", 100) else { panic!("a creation") };
    let outcomes = world.permitted(Command::CreateAgent { id, spec, mac: symbi_model::Hash([7; 32]), actor });
    assert_eq!(outcomes, [Outcome::Refused(Refusal::SpecHash)]);
}

/// A document of a version that no gate has opened is refused, and nothing else of its batch: programs that do not know the
/// version read the command all the same. Once it is open, it is kept byte for byte.
#[test]
fn a_document_of_a_later_version_waits_for_its_gate() {
    let mut world = World::started();
    let later = || {
        let Command::CreateAgent { spec, .. } = crate::world::create("a1", 100) else { panic!("a creation") };
        let text = String::from_utf8(spec.document.as_bytes().to_vec()).unwrap();
        let text =
            text.replace("\"version\":1", "\"version\":2").replace("\"priority\":0", "\"priority\":0,\"mood\":1");
        Recorded { document: Document::unread(2, text.as_bytes()), ..spec }
    };
    let create =
        |world: &World| Command::create_agent(&world.state, crate::world::agent_id("a1"), later(), String::new());
    let command = create(&world);
    assert_eq!(command.gate(), gate::NEXT);
    assert_eq!(world.permitted(command), [Outcome::Refused(Refusal::GateClosed { gate: gate::NEXT })]);
    // A program that does not speak the gate that is open applies nothing.
    gate::speak_next();
    world.state.counters.gate = gate::NEXT;
    world.edited();
    let command = create(&world);
    assert!(matches!(world.permitted(command)[..], [Outcome::Created { .. }]));
    let agent = &world.state.agents[&"a1".parse::<AgentName>().unwrap()];
    assert_eq!(*agent.spec, later(), "through the log, and through the rows on disk as the world checks");
}

#[test]
fn a_running_agent_is_released_and_placed_anew() {
    check(
        "n1: create a1 memory 600
         n1 decided 1: place a1 on n1 expecting 0
         n1: report a1 1 running
         n1: update a1 memory 700 at 1
         n1: create a2 memory 400
         n1 decided 1: place a1 on n1 expecting 1; place a2 on n1 expecting 0
         n1: report a1 1 terminated number=2 released
         n1: report a1 1 running number=3
         n1 decided 1: place a1 on n1 expecting 1
         n1: update a1 memory 800 at 1
         n1: rollback a1 to 600 at 2
         n1: rollback a1 to 600 at 2
         n1: restart a1 at 3",
        &expect![[r#"
            > n1: create a1 memory 600
              created
                Agents/a1: wanted Running, not placed, no word, version 1
            > n1 decided 1: place a1 on n1 expecting 0
              placed, epoch 1
                Agents/a1: wanted Running, Held by n1 at epoch 1, no word, version 1
            > n1: report a1 1 running
              done
                Agents/a1: wanted Running, Held by n1 at epoch 1, running, version 1
            > n1: update a1 memory 700 at 1
              done
                Agents/a1: wanted Running, Held by n1 at epoch 1, ends, running, version 2, asks 700 MiB and before 600
            > n1: create a2 memory 400
              created
                Agents/a2: wanted Running, not placed, no word, version 1
            > n1 decided 1: place a1 on n1 expecting 1; place a2 on n1 expecting 0
              STILL_HELD: the placement is still held
              placed, epoch 2
                Agents/a2: wanted Running, Held by n1 at epoch 2, no word, version 1
            > n1: report a1 1 terminated number=2 released
              done
                Agents/a1: wanted Running, Released by n1 at epoch 1, ends, no word, version 2, asks 700 MiB and before 600
            > n1: report a1 1 running number=3
              STALE_EPOCH: the epoch is no longer the one expected
            > n1 decided 1: place a1 on n1 expecting 1
              NO_ROOM: the node's reservations would exceed what it offers
            > n1: update a1 memory 800 at 1
              VERSION_MOVED: the record was changed meanwhile: it is of version 2 by now
            > n1: rollback a1 to 600 at 2
              done
                Agents/a1: wanted Running, Released by n1 at epoch 1, ends, no word, version 3, asks 600 MiB and before 700
            > n1: rollback a1 to 600 at 2
              VERSION_MOVED: the record was changed meanwhile: it is of version 3 by now
            > n1: restart a1 at 3
              done
                Agents/a1: wanted Running, Released by n1 at epoch 1, ends, no word, version 4, asks 600 MiB and before 700
        "#]],
    );
}

#[test]
fn a_stopped_agent_is_started_again() {
    check(
        "n1: create a1
         n1: stop a1
         n1: restart a1
         n1: update a1 memory 200
         n1: start a1
         n1: start a1
         n1 decided 1: place a1 on n1 expecting 0
         n1: stop a1
         n1: start a1
         n1: report a1 1 terminated released
         n1 decided 1: place a1 on n1 expecting 1",
        &expect![[r#"
            > n1: create a1
              created
                Agents/a1: wanted Running, not placed, no word, version 1
            > n1: stop a1
              done
                Agents/a1: wanted Stopped, not placed, terminated, version 2
            > n1: restart a1
              NOT_WANTED: the agent is not wanted running
            > n1: update a1 memory 200
              done
                Agents/a1: wanted Stopped, not placed, terminated, version 3, asks 200 MiB and before 100
            > n1: start a1
              done
                Agents/a1: wanted Running, not placed, no word, version 4, asks 200 MiB and before 100
            > n1: start a1
              done
            > n1 decided 1: place a1 on n1 expecting 0
              placed, epoch 1
                Agents/a1: wanted Running, Held by n1 at epoch 1, no word, version 4, asks 200 MiB and before 100
            > n1: stop a1
              done
                Agents/a1: wanted Stopped, Held by n1 at epoch 1, no word, version 5, asks 200 MiB and before 100
            > n1: start a1
              done
                Agents/a1: wanted Running, Held by n1 at epoch 1, ends, no word, version 6, asks 200 MiB and before 100
            > n1: report a1 1 terminated released
              done
                Agents/a1: wanted Running, Released by n1 at epoch 1, ends, no word, version 6, asks 200 MiB and before 100
            > n1 decided 1: place a1 on n1 expecting 1
              placed, epoch 2
                Agents/a1: wanted Running, Held by n1 at epoch 2, no word, version 6, asks 200 MiB and before 100
        "#]],
    );
}

#[test]
fn one_that_failed_or_lost_its_node_is_started_again_and_one_that_is_gone_is_not() {
    check(
        "n1: create a1
         n1 decided 1: place a1 on n1 expecting 0
         n1: report a1 1 failed released
         n1: start a1
         n1 decided 1: place a1 on n1 expecting 1
         n1: restart a1
         n1 decided 1: place a1 on n1 expecting 2; down n1
         n1: remove a1
         n1: start a1; restart a1; update a1 memory 1; rollback a1 to 1",
        &expect![[r#"
            > n1: create a1
              created
                Agents/a1: wanted Running, not placed, no word, version 1
            > n1 decided 1: place a1 on n1 expecting 0
              placed, epoch 1
                Agents/a1: wanted Running, Held by n1 at epoch 1, no word, version 1
            > n1: report a1 1 failed released
              done
                Agents/a1: wanted Running, Released by n1 at epoch 1, failed, version 1
            > n1: start a1
              done
                Agents/a1: wanted Running, Released by n1 at epoch 1, ends, no word, version 2
            > n1 decided 1: place a1 on n1 expecting 1
              placed, epoch 2
                Agents/a1: wanted Running, Held by n1 at epoch 2, no word, version 2
            > n1: restart a1
              done
                Agents/a1: wanted Running, Held by n1 at epoch 2, ends, no word, version 3
            > n1 decided 1: place a1 on n1 expecting 2; down n1
              STILL_HELD: the placement is still held
              done
                Nodes/n1: n1 Member Down offers 1000 MiB
                Agents/a1: wanted Running, Lost by n1 at epoch 2, ends, no word, version 3
            > n1: remove a1
              done
                Agents/a1: deleted
            > n1: start a1; restart a1; update a1 memory 1; rollback a1 to 1
              NOT_FOUND: not found
              NOT_FOUND: not found
              NOT_FOUND: not found
              NOT_FOUND: not found
        "#]],
    );
}

#[test]
fn what_an_update_cannot_do() {
    check(
        "n1: create a1
         n1: update a1 owner somebody-else
         n1: rollback a1 to 100
         n1: update a1 memory 100
         n1: update a1 memory 200 at 7
         n1: update a2 memory 200
         n1: update a1 memory 200 unpermitted",
        &expect![[r#"
            > n1: create a1
              created
                Agents/a1: wanted Running, not placed, no word, version 1
            > n1: update a1 owner somebody-else
              FIXED: an agent keeps its name and its owner: make another agent for another owner
            > n1: rollback a1 to 100
              NO_PREVIOUS: the agent was never updated: there is no spec of before
            > n1: update a1 memory 100
              done
            > n1: update a1 memory 200 at 7
              VERSION_MOVED: the record was changed meanwhile: it is of version 1 by now
            > n1: update a2 memory 200
              NOT_FOUND: not found
            > n1: update a1 memory 200 unpermitted
              PERMIT_MISSING: the command came without a permit
        "#]],
    );
}
