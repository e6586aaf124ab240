//! Requests: carried out once, remembered for ten minutes, refused when nobody can tell.

use crate::world::{Proposed, START_MS, World, check, client_id, node, run};
use expect_test::expect;
use symbi_model::dedup::{Asker, LastWrite, ROWS, SHARE};
use symbi_model::{Command, Outcome, Refusal, RequestId};

#[test]
fn the_same_key_gives_the_same_answer() {
    check(
        "n1: create a1
         n1: c1:5 annotate a1 k v
         n1: c1:5 annotate a1 k v
         n1: c1:5 annotate a1 k other
         n1: c1:4 annotate a1 k v
         n1: c1:6 annotate a9 k v
         n1: create a9
         n1: c1:6 annotate a9 k v; c1:7 annotate a9 k v; c1:7 annotate a9 k v",
        &expect![[r#"
            > n1: create a1
              created
                Agents/a1: wanted Running, not placed, no word, version 1
            > n1: c1:5 annotate a1 k v
              done
                Agents/a1: wanted Running, not placed, no word, version 2
                Dedup/c1: 5 DONE
            > n1: c1:5 annotate a1 k v
              done (repeated)
            > n1: c1:5 annotate a1 k other
              KEY_REUSED: this request key was used for another command
            > n1: c1:4 annotate a1 k v
              KEY_TOO_OLD: this request key is too old to tell whether it was carried out
            > n1: c1:6 annotate a9 k v
              NOT_FOUND: not found
                Dedup/c1: 6 NOT_FOUND
            > n1: create a9
              created
                Agents/a9: wanted Running, not placed, no word, version 1
            > n1: c1:6 annotate a9 k v; c1:7 annotate a9 k v; c1:7 annotate a9 k v
              NOT_FOUND: not found (repeated)
              done
              done (repeated)
                Agents/a9: wanted Running, not placed, no word, version 2
                Dedup/c1: 7 DONE
        "#]],
    );
}

#[test]
fn a_row_ends_ten_minutes_after_its_last_use() {
    check(
        "n1: create a1
         n1: c1:1 annotate a1 k v
         time 500
         n1: c1:1 annotate a1 k v
         time 1100
         n1: c1:1 annotate a1 k v
         time 1701
         n1: c1:1 annotate a1 k v
         n1: c1:2 annotate a1 k v",
        &expect![[r#"
            > n1: create a1
              created
                Agents/a1: wanted Running, not placed, no word, version 1
            > n1: c1:1 annotate a1 k v
              done
                Agents/a1: wanted Running, not placed, no word, version 2
                Dedup/c1: 1 DONE
            > time 500
            > n1: c1:1 annotate a1 k v
              done (repeated)
                Dedup/c1: 1 DONE
            > time 1100
            > n1: c1:1 annotate a1 k v
              done (repeated)
                Dedup/c1: 1 DONE
            > time 1701
            > n1: c1:1 annotate a1 k v
              KEY_TOO_OLD: this request key is too old to tell whether it was carried out
                Meta/spent: 20 bytes
                Dedup/c1: deleted
            > n1: c1:2 annotate a1 k v
              KEY_TOO_OLD: this request key is too old to tell whether it was carried out
        "#]],
    );
}

#[test]
fn a_row_does_not_end_before_its_clients_own_time() {
    check(
        "n1: create a1
         n1: c1+600:1 annotate a1 k v
         n1: c2+601:1 annotate a1 k v
         time 1200
         n1: c1+600:1 annotate a1 k v
         time 1801
         n1: c1+600:1 annotate a1 k v",
        &expect![[r#"
            > n1: create a1
              created
                Agents/a1: wanted Running, not placed, no word, version 1
            > n1: c1+600:1 annotate a1 k v
              done
                Agents/a1: wanted Running, not placed, no word, version 2
                Dedup/c1: 1 DONE
            > n1: c2+601:1 annotate a1 k v
              KEY_FROM_FUTURE: this request key's time lies more than ten minutes ahead
            > time 1200
            > n1: c1+600:1 annotate a1 k v
              done (repeated)
                Dedup/c1: 1 DONE
            > time 1801
            > n1: c1+600:1 annotate a1 k v
              KEY_TOO_OLD: this request key is too old to tell whether it was carried out
                Meta/spent: 20 bytes
                Dedup/c1: deleted
        "#]],
    );
}

#[test]
fn what_a_stranger_proposes_under_a_key_does_not_spend_it() {
    check(
        "n1: create a1
         n2: c1:1 annotate a1 k v
         n1: c1:1 annotate a1 k v",
        &expect![[r#"
            > n1: create a1
              created
                Agents/a1: wanted Running, not placed, no word, version 1
            > n2: c1:1 annotate a1 k v
              ORIGIN_NOT_MEMBER: the proposing node is not a member
            > n1: c1:1 annotate a1 k v
              done
                Agents/a1: wanted Running, not placed, no word, version 2
                Dedup/c1: 1 DONE
        "#]],
    );
}

/// A client's last write, as `actor` asked for it.
fn row(actor: &str) -> LastWrite {
    let (command, asker) = (Default::default(), Asker::of(Some(actor), &node(1)));
    LastWrite { sequence: 1, command, outcome: Outcome::Done, asker, used_ms: START_MS }
}

#[test]
fn whoever_uses_a_fresh_key_for_each_write_locks_nobody_else_out() {
    let mut world = World::started();
    world.line("n1: create a1; user other");
    for client in 0..SHARE as u64 {
        world.state.dedup.insert(client_id(1000 + client, START_MS), row("user:admin"));
    }
    world.edited();
    // Scripts act as user:admin.
    let applied = world.line("n1: c1:1 annotate a1 k v").expect("an entry");
    assert_eq!(applied.outcomes, [Outcome::Refused(Refusal::ClientShare)]);
    let other = Command::Annotate {
        name: "a1".parse().expect("a name"),
        key: "k".to_owned(),
        value: "v".to_owned(),
        actor: "user:other".to_owned(),
    };
    let request = RequestId { client: client_id(2, START_MS), sequence: 1 };
    let applied =
        world.propose(1, None, vec![Proposed { request: Some(request), set: Some(1), shown: None, command: other }]);
    assert_eq!(applied.outcomes, [Outcome::Done], "the share of others is untouched");
    world.line("time 601");
    let applied = world.line("n1: c1+600:1 annotate a1 k v").expect("an entry");
    assert_eq!(applied.outcomes, [Outcome::Done], "what has ended is of nobody's share");
}

#[test]
fn many_who_use_fresh_keys_leave_room_for_whoever_has_used_none() {
    let mut world = World::started();
    world.line("n1: create a1; user u0");
    // Each takes what it can, one after the other.
    let mut clients = 1_000;
    for actor in 0..8 {
        for _ in 0..SHARE.min((ROWS - world.state.dedup.len()) / 2) {
            world.state.dedup.insert(client_id(clients, START_MS), row(&format!("user:u{actor}")));
            clients += 1;
        }
    }
    world.edited();
    let free = ROWS - world.state.dedup.len();
    assert!(free > 100, "{free}");
    let annotate = |actor: &str| Command::Annotate {
        name: "a1".parse().expect("a name"),
        key: "k".to_owned(),
        value: "v".to_owned(),
        actor: actor.to_owned(),
    };
    let mut write = |client, actor: &str| {
        let request = Some(RequestId { client: client_id(client, START_MS), sequence: 1 });
        let proposed = Proposed { request, set: Some(1), shown: None, command: annotate(actor) };
        world.propose(1, None, vec![proposed]).outcomes
    };
    assert_eq!(write(2, "user:u0"), [Outcome::Refused(Refusal::ClientShare)], "it has more than is left");
    assert_eq!(write(3, "user:admin"), [Outcome::Done]);
}

#[test]
fn a_client_too_many_is_refused() {
    let mut world = World::started();
    world.line("n1: create a1");
    for client in 0..ROWS as u64 {
        world.state.dedup.insert(client_id(1000 + client, START_MS), row(&format!("user:{client}")));
    }
    world.edited();
    let applied = world.line("n1: c1:1 annotate a1 k v").expect("an entry");
    assert_eq!(applied.outcomes, [Outcome::Refused(Refusal::TooManyClients)]);
    world.line("time 601");
    let applied = world.line("n1: c1+600:1 annotate a1 k v").expect("an entry");
    assert_eq!(applied.outcomes, [Outcome::Done]);
    assert_eq!(
        applied.rows.len(),
        ROWS + 5,
        "the others have ended; agent, counters, chain, spent times and one row are written"
    );
}

/// A day, in a script's seconds.
const DAY: u64 = 86_400;

/// Runs a script in which `D` is a day and `E` a day and half an hour.
fn with_days(world: &mut World, script: &str) -> String {
    run(world, &script.replace("E", &(DAY + 1_800).to_string()).replace("D", &DAY.to_string()))
}

#[test]
fn after_a_clock_that_was_a_day_fast_whoever_has_a_right_one_writes_at_once() {
    let mut world = World::started();
    let shown = with_days(
        &mut world,
        "n1: create a1
         n1: c1:1 annotate a1 k v
         time D
         n1: c2+D:1 annotate a1 k v
         time E
         n1: c3+E:1 annotate a1 k v
         time 60
         n1: c4+60:1 annotate a1 k v
         n1: c4+60:1 annotate a1 k v
         n1: c3+E:2 annotate a1 k v",
    );
    let expected = expect![[r#"
        > n1: create a1
          created
            Agents/a1: wanted Running, not placed, no word, version 1
        > n1: c1:1 annotate a1 k v
          done
            Agents/a1: wanted Running, not placed, no word, version 2
            Dedup/c1: 1 DONE
        > time 86400
        > n1: c2+86400:1 annotate a1 k v
          done
            Meta/spent: 20 bytes
            Agents/a1: wanted Running, not placed, no word, version 3
            Dedup/c1: deleted
            Dedup/c2: 1 DONE
        > time 88200
        > n1: c3+88200:1 annotate a1 k v
          done
            Meta/spent: 38 bytes
            Agents/a1: wanted Running, not placed, no word, version 4
            Dedup/c2: deleted
            Dedup/c3: 1 DONE
        > time 60
        > n1: c4+60:1 annotate a1 k v
          done
            Agents/a1: wanted Running, not placed, no word, version 5
            Dedup/c4: 1 DONE
        > n1: c4+60:1 annotate a1 k v
          done (repeated)
        > n1: c3+88200:2 annotate a1 k v
          done
            Agents/a1: wanted Running, not placed, no word, version 6
            Dedup/c3: 2 DONE
    "#]];
    expected.assert_eq(&shown);
}

/// What was done before, under or after a fast clock is never done again, whoever's clock is how wrong.
#[test]
fn after_a_clock_that_was_fast_nothing_is_done_twice() {
    let mut world = World::started();
    with_days(&mut world, "n1: create a1\n n1: c1:1 annotate a1 k v\n time D\n n1: c2+D:1 annotate a1 k v");
    with_days(&mut world, "time E\n n1: c3+E:1 annotate a1 k v");
    for again in [
        "time 60\n n1: c1:1 annotate a1 k v",
        "time 60\n n1: c2+D:1 annotate a1 k v",
        "time D\n n1: c2+D:1 annotate a1 k v",
    ] {
        let shown = with_days(&mut world, again);
        assert!(shown.contains("KEY_TOO_OLD"), "{again}: {shown}");
    }
    let free = world.state.spent.next_unspent(START_MS + DAY * 1_000);
    assert_eq!(free, START_MS + DAY * 1_000 + 1, "there a client's id can be made while the clock of now is spent");
}

#[test]
fn rows_that_a_fast_clock_has_left_behind_make_room_when_it_is_needed() {
    let mut world = World::started();
    world.line("n1: create a1");
    let later_ms = START_MS + DAY * 1_000;
    for client in 0..SHARE as u64 {
        let row = LastWrite { used_ms: later_ms, ..row("user:admin") };
        world.state.dedup.insert(client_id(1_000 + client, later_ms), row);
    }
    world.state.counters.log_time_ms = later_ms;
    world.edited();
    let applied = world.line("n1: c1:1 annotate a1 k v").expect("an entry");
    assert_eq!(applied.outcomes, [Outcome::Done]);
    assert_eq!(world.state.dedup.len(), 1, "they would not have ended for a day");
    assert!(world.state.spent.covers(later_ms));
}
