//! Free TCP ports.

use std::net::TcpListener;

/// Below the range from which the system takes ports for outgoing connections, so that none takes ours before it is bound.
const RANGE: std::ops::Range<u16> = 15_000..32_000;

/// A port of 127.0.0.1 on which nothing listens at the moment.
#[must_use]
pub fn free_port() -> u16 {
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| rand::random_range(RANGE)).take(1_000).find(free).expect("a free port in 1,000 tries")
}
