//! What becomes of sessions that are over: each side lets go of them, and tells the other one.

use super::session_close::{PATIENCE, SessionClose, carry};
use crate::host::Host;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::{NodeId, State};
use symbi_proto::session::Id;
use symbi_proto::wire::MessageReply;
use symbi_proto::wire::message::Parting;

/// Tells of the ends of sessions, and goes on.
pub(super) fn tell(host: &Host, ended: impl IntoIterator<Item = SessionClose>) {
    let ended: Vec<SessionClose> = ended.into_iter().collect();
    if !ended.is_empty() {
        host.spawn(carry(Arc::clone(&host.ports.peers), ended, PATIENCE));
    }
}

/// Lets go of sessions that nobody uses any more, once a second, and tells of it.
pub(crate) fn forget(host: &Host, state: &State) {
    host.gateway.send_queues.forget();
    host.instances.all().iter().for_each(|instance| instance.send_queues.forget());
    tell(host, host.outbound_sessions.forget(&host.ledger, state));
    tell(host, host.router.forget());
}

/// Lets go of every session because the node stops, and waits up to `patience` for the others to hear of it.
pub(crate) async fn leave(host: &Host, patience: Duration) {
    let ended = host.outbound_sessions.leave().into_iter().chain(host.router.leave());
    carry(Arc::clone(&host.ports.peers), ended.collect(), patience).await;
}

/// Takes note that the node `from` keeps a session no longer.
pub(super) fn take(host: &Host, from: NodeId, session: Id, why: Parting) -> MessageReply {
    let (held, open) = (host.router.close(session, from), host.outbound_sessions.get(session, from));
    if let Some(open) = &open {
        open.part();
    }
    if !held && open.is_none() {
        return MessageReply::NoSession;
    }
    tracing::debug!(peer = %from.short(), ?why, "a session has ended on its other side");
    host.counters.parted(why);
    MessageReply::Done
}
