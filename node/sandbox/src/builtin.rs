//! Agents that need no program of their own: a driver over another, which has them beside what the other starts.
//!
//! There is one, `builtin:echo`, for measuring a cluster without measuring somebody's interpreter. It is a future of the
//! node and speaks the same protocol over the same channels as a process, and only the owner [`OWNER`] may have it: it is
//! contained by nothing, and a reader of `agent ls` should see at once what it is for.

use crate::driver::{Driver, Fingerprint, Home, Instance, Launch};
use crate::error::Error;
use crate::rpc::Level;
use crate::scripted::{Io, Scripted, agent};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::future::pending;

/// What the first word of a builtin's command begins with.
pub const PREFIX: &str = "builtin:";
/// The command of the agent that answers each message with its own payload, and never answers the payload `"hang"`.
pub const ECHO: &str = "builtin:echo";
/// The only owner of builtin agents.
pub const OWNER: &str = "bench";

/// The driver: what begins with [`PREFIX`] is its own, everything else the other's.
#[derive(Debug)]
pub struct Builtin<D> {
    /// Starts everything else.
    other: D,
    /// Starts the builtin agents.
    own: Scripted,
}

impl<D: Driver> Builtin<D> {
    /// The builtin agents beside what `other` starts.
    pub fn over(other: D) -> Self {
        Self { other, own: Scripted::new().program(ECHO, echo) }
    }
}

impl<D: Driver> Driver for Builtin<D> {
    fn fingerprint(&self) -> BoxFuture<'_, Fingerprint> {
        self.other.fingerprint()
    }

    /// The builtin agents end with the node's own process: only the other driver can have left anything.
    fn sweep(&self) -> BoxFuture<'_, Result<usize, Error>> {
        self.other.sweep()
    }

    fn start(&self, launch: Launch) -> BoxFuture<'_, Result<Instance, Error>> {
        let Some(command) = launch.command.first().filter(|word| word.starts_with(PREFIX)) else {
            return self.other.start(launch);
        };
        if launch.owner != OWNER {
            let refused = Error::NotItsOwner { command: command.clone(), owner: launch.owner };
            return std::future::ready(Err(refused)).boxed();
        }
        self.own.start(launch)
    }

    /// The builtin agents have none.
    fn homes(&self) -> BoxFuture<'_, Result<Vec<Home>, Error>> {
        self.other.homes()
    }

    fn remove_home(&self, home: Home) -> BoxFuture<'_, Result<(), Error>> {
        self.other.remove_home(home)
    }
}

/// Answers what it is asked with the same.
pub(crate) async fn echo(io: Io) -> i32 {
    agent::run(io, |_, message, node| async move {
        if message.payload == "hang" {
            node.log(Level::Debug, "hanging").await;
            pending::<()>().await;
        }
        Ok(message.payload)
    })
    .await
}
