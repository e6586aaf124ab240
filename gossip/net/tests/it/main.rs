//! The network over real TCP on loopback: members, strangers, garbage, restarts, silence.

mod gossip;
mod lanes;
mod members;
mod raw;
mod strangers;
mod support;
mod vouching;
