//! The replicas of one node, by group: what the network brings goes to the one that it is for.

use crate::error::ServeError;
use crate::handle::Replica;
use crate::link::Kind;
use crate::machine::Machine;
use crate::serve;
use crate::wire::Request;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use symbi_model::{GroupId, NodeId};

/// Answers for one replica, whatever its machine.
type Answer = Arc<dyn Fn(NodeId, Kind, Request) -> BoxFuture<'static, Result<Bytes, ServeError>> + Send + Sync>;

/// See the module. A clone has the same replicas.
#[derive(Clone, Default)]
pub struct Groups {
    /// Who answers for which group.
    answers: Arc<RwLock<BTreeMap<GroupId, Answer>>>,
}

impl Groups {
    /// A replica answers for its group from now on, in place of another that did.
    pub fn insert<M: Machine>(&self, replica: &Replica<M>) {
        let answering = replica.clone();
        let answer: Answer = Arc::new(move |from, kind, request| answering.answer(from, kind, request));
        self.answers.write().unwrap_or_else(PoisonError::into_inner).insert(replica.group(), answer);
    }

    /// Nobody answers for a group any more.
    pub fn remove(&self, group: GroupId) {
        self.answers.write().unwrap_or_else(PoisonError::into_inner).remove(&group);
    }

    /// Answers a peer's request, as [`Replica::serve`] does.
    pub fn serve(&self, from: NodeId, kind: Kind, request: Bytes) -> BoxFuture<'static, Result<Bytes, ServeError>> {
        let request = match serve::decode(&request) {
            Ok(request) => request,
            Err(error) => return std::future::ready(Err(error)).boxed(),
        };
        let answer = self.answers.read().unwrap_or_else(PoisonError::into_inner).get(&request.group).cloned();
        match answer {
            Some(answer) => answer(from, kind, request),
            None => std::future::ready(Err(ServeError::Group)).boxed(),
        }
    }
}
