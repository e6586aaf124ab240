//! The production node under a deterministic fault simulator: one seed, one history.
//!
//! [`run::run`] makes a [`world`] of hosts, each with a production [`host`] over turmoil's network, the memory engine and
//! scripted agents, lets the faults of a [`scenario`] happen to them, and hands everything that is seen to the
//! [`oracle`]s and the [`trace`]. One simulation a process: what makes it deterministic replaces libc's clock and
//! randomness for the whole of it.
//!
//! Not here: the disk and the processes of a real machine, which `cluster-tests` has.

pub mod acknowledged;
pub mod clients;
pub mod clock;
pub mod history;
pub mod host;
pub mod inject;
pub mod many;
pub mod oracle;
pub mod programs;
pub mod run;
pub mod scenario;
pub mod setup;
pub mod trace;
pub mod transport;
pub mod world;
