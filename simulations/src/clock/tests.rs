//! Clocks drift, stand still and jump by as much as they are told to.

use super::{EPOCH_MS, Lease, UPTIME, Wall};
use std::time::Duration;

const fn at(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn a_lease_clock_drifts_while_it_runs() {
    for (gains_ppm, shows) in
        [(0, [10_000, 10_000, 20_000]), (100_000, [11_000, 11_000, 22_000]), (-200_000, [8_000, 8_000, 16_000])]
    {
        let lease = Lease::gaining(gains_ppm);
        let shown = |secs| u64::try_from((lease.read(at(secs)) - UPTIME).as_millis()).unwrap();
        assert_eq!(shown(10), shows[0]);
        lease.freeze(at(10));
        assert_eq!(shown(15), shows[1], "it stands still");
        lease.thaw(at(15));
        assert_eq!(shown(25), shows[2]);
        assert_eq!(lease.drifted_ms(at(25)), gains_ppm * 20 / 1_000, "of the time in which it ran");
    }
}

#[test]
fn a_wall_clock_drifts_and_jumps() {
    let wall = Wall::ahead(-100, 500);
    assert_eq!(wall.read(at(0)), EPOCH_MS - 100);
    assert_eq!(wall.read(at(20)), EPOCH_MS + 20_000 - 100 + 10);
    wall.jump(1_000);
    assert_eq!(wall.read(at(20)), EPOCH_MS + 20_000 + 900 + 10);
    assert_eq!(wall.drifted_ms(at(20)), 10, "a jump is no drift");
}
