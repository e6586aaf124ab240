//! The bench: clients inside this node that do what agents and users do, and count what comes of it.
//!
//! A run provisions echo agents, has its clients work for as long as it was asked to, and removes the agents. It goes the way of
//! every write and message: gate, permit, proposer; sessions, signatures, ledgers. Nothing is switched off for it.
//!
//! Bounds: one run at a time, [`symbi_api::bench::CLIENTS`] clients, [`symbi_api::bench::SECONDS`] seconds. Who asked for it and
//! goes away ends it.

mod layers;
mod provisioner;
mod sink;
mod trail;
mod work;

pub use sink::{Ports as SinkPorts, Sink};

use provisioner::Provisioner;
use std::sync::Arc;
use symbi_api::bench::{BenchAgents, Found, Order};
use symbi_api::error::Error;
use symbi_api::keys::Pool;
use symbi_api::write::{MAX_TIMEOUT_MS, Writer};
use symbi_model::{Command, Committed};
use symbi_policy::Act;
use tokio::sync::{Semaphore, SemaphorePermit};

/// What a run needs of the node.
#[derive(Clone)]
pub struct Ports {
    /// What it has in common with a sink.
    pub here: SinkPorts,
    /// The way to other nodes.
    pub net: symbi_net::Handle,
    /// Where writes go.
    pub proposals: symbi_control::Proposals,
    /// Agents and messages.
    pub host: symbi_host::Handle,
    /// Keys of writes.
    pub pool: Pool,
}

impl Ports {
    /// Proposes a command as the HTTP interface does.
    async fn propose<R: Act + Clone>(&self, act: &R, command: Command) -> Result<Committed, Error> {
        let loan = self.pool.lend((self.here.wall_ms)());
        let (state, gate, proposals) = (self.here.state.clone(), self.here.gate.clone(), self.proposals.clone());
        let writer = Writer { state, gate, proposals };
        let committed = writer.permitted(act, loan.key, command, MAX_TIMEOUT_MS).await?;
        loan.settle();
        symbi_api::write::accepted(committed)
    }
}

/// The bench of a node.
#[derive(Clone)]
pub struct Bench {
    /// What a run needs.
    ports: Ports,
    /// One run at a time.
    room: Arc<Semaphore>,
}

impl Bench {
    /// A bench that rests.
    #[must_use]
    pub fn new(ports: Ports) -> Self {
        Self { ports, room: Arc::new(Semaphore::new(1)) }
    }

    /// Runs `order`; ends early when `gone` does, and leaves no agents in any case.
    ///
    /// # Errors
    /// [`Error::Busy`] while another run is on; whatever keeps the agents from being made.
    pub async fn run(&self, order: Order, gone: impl Future<Output = ()>) -> Result<Found, Error> {
        let _room = self.room()?;
        let provisioner = Provisioner::new(self.ports.clone(), order.user.clone());
        provisioner.teardown().await;
        let run = async {
            let agents = work::provision(&self.ports, &provisioner, &order).await?;
            let Some(last) = order.layers else {
                return Ok(Found::Whole(work::run(&self.ports, &provisioner, Arc::new(agents), &order).await));
            };
            let (to, _) = work::another(&self.ports)?;
            let (here, net) = (self.ports.here.clone(), self.ports.net.clone());
            layers::Sender::new(here, net, to, agents, &order).run(last, order.length).await.map(Found::Layers)
        };
        let found = tokio::select! {
            found = run => found,
            () = gone => Err(Error::Unavailable("the client went away".to_owned())),
        };
        provisioner.teardown().await;
        found
    }

    /// Makes the agents of a run whose clients are elsewhere, in place of those of any run before it.
    ///
    /// # Errors
    /// As [`Bench::run`].
    pub async fn provision(&self, order: Order) -> Result<BenchAgents, Error> {
        let _room = self.room()?;
        let provisioner = Provisioner::new(self.ports.clone(), order.user.clone());
        provisioner.teardown().await;
        work::provision(&self.ports, &provisioner, &order).await
    }

    /// Removes the agents of this node's runs, for `user`.
    ///
    /// # Errors
    /// [`Error::Busy`] while a run is on.
    pub async fn teardown(&self, user: String) -> Result<(), Error> {
        let _room = self.room()?;
        Provisioner::new(self.ports.clone(), user).teardown().await;
        Ok(())
    }

    fn room(&self) -> Result<SemaphorePermit<'_>, Error> {
        self.room
            .try_acquire()
            .map_err(|_| Error::Busy("another bench run is in progress; only one can run at a time".to_owned()))
    }
}
