//! The lanes that can be called, by node: what a call looks up without asking the actor.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use symbi_model::{GroupId, NodeId};

use crate::lane::caller::{Caller, Slot};
use crate::lane::keepalive::Heard;
use crate::{CallError, Lane};

/// The lanes of one connection, in the order of [`Lane::ALL`].
pub(crate) type Lanes = [Caller; 9];

/// All lanes, of the connection in use with each node, and what is heard on it.
#[derive(Default)]
pub(crate) struct Routes(RwLock<BTreeMap<NodeId, (Lanes, Heard)>>);

impl Routes {
    /// Queues a call; see [`crate::Handle::call`].
    pub(crate) fn call(
        &self,
        to: NodeId,
        (lane, group): (Lane, GroupId),
        body: Bytes,
        deadline: Duration,
    ) -> BoxFuture<'static, Result<Bytes, CallError>> {
        match self.lane(to, lane) {
            Ok(caller) => caller.call(group, body, deadline),
            Err(error) => std::future::ready(Err(error)).boxed(),
        }
    }

    /// Waits for a place in a queue; see [`crate::Handle::reserve`].
    pub(crate) fn reserve(
        &self,
        to: NodeId,
        lane: Lane,
        group: GroupId,
    ) -> BoxFuture<'static, Result<Slot, CallError>> {
        match self.lane(to, lane) {
            Ok(caller) => caller.reserve(group),
            Err(error) => std::future::ready(Err(error)).boxed(),
        }
    }

    /// The lane to a node.
    fn lane(&self, to: NodeId, lane: Lane) -> Result<Caller, CallError> {
        let lanes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = lanes.get(&to).map(|(lanes, _)| lanes[lane.index()].clone());
        found.ok_or_else(|| CallError::Unreachable(format!("not connected to {}", to.short())))
    }

    /// Puts the lanes of a new connection in the place of the old one's.
    pub(crate) fn insert(&self, node: NodeId, lanes: Lanes, heard: Heard) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(node, (lanes, heard));
    }

    /// How long a heartbeat took to a node and back.
    pub(crate) fn round_trip(&self, node: &NodeId) -> Option<Duration> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(node)?.1.round_trip()
    }

    /// Takes a node's lanes off.
    pub(crate) fn remove(&self, node: &NodeId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(node);
    }
}
