//! What runs inside a host beside its node: clients of it, and those who watch it. They use what the node's own agents and
//! its HTTP interface use, and tell the recorder.

pub mod admin;
pub mod audit;
pub mod commands;
pub mod talker;
pub mod watcher;
pub mod writer;
