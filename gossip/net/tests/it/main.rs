//! The network over real TCP on loopback: members, strangers, garbage, restarts, silence.

mod gossip;
mod groups;
mod lanes;
mod members;
mod raw;
mod strangers;
mod support;
mod versions;
mod vouching;
