//! What a leader that lies may put into the log: what nobody can read, and times that are none.

use crate::chain::{DAY_MS, World};
use symbi_audit::{What, verify};

fn holds(world: &World) -> Result<(), What> {
    verify(world.bundle().as_slice(), None).map(drop).map_err(|failure| failure.what)
}

#[test]
fn what_nobody_could_read_is_a_record_that_did_nothing() {
    let mut world = World::placed(0xc1, "symbi");
    world.unreadable("UNREADABLE");
    world.batch(2, 0, Vec::new());
    assert_eq!(holds(&world), Ok(()));
    for code in ["DONE", "BAD_SIGNATURE"] {
        let mut world = World::placed(0xc1, "symbi");
        world.unreadable(code);
        assert_eq!(holds(&world), Err(What::Raft), "{code}");
    }
    let mut world = World::placed(0xc1, "symbi");
    world.unreadable("UNREADABLE");
    for record in world.records_of("batch.unreadable") {
        record.actor = "user:admin".to_owned();
    }
    world.relink();
    assert_eq!(holds(&world), Err(What::Raft), "nobody said it");
}

#[test]
fn a_batch_takes_log_time_a_day_on_at_most() {
    let mut world = World::placed(0xc1, "symbi");
    let before = world.log_ms;
    world.time_ms += 8_000 * 365 * DAY_MS;
    world.batch(2, 0, Vec::new());
    world.batch(2, 0, Vec::new());
    assert_eq!((world.log_ms, holds(&world)), (before + 2 * DAY_MS, Ok(())));
    let said = world.time_ms;
    let mut records = world.records_of("batch.empty");
    records.last_mut().map(|record| record.time_ms = said).expect("there are two");
    world.relink();
    assert!(matches!(holds(&world), Err(What::Time { .. })));
}
