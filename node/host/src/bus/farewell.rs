//! The end of a session, told to its other side, so that it keeps nothing for what will not come and sets up another session at
//! once when it needs one.
//!
//! It is told once nothing of the session is to come from here any more: by who opened it when all that was sent has ended, by who
//! received when all has gone back. It is a courtesy: what is not told is found out by the next message, and changes no ending.
//! The connection says which node tells it, and only the other side of a session can end it.

use super::channel::Channel;
use crate::host::Host;
use futures::future::join_all;
use std::time::Duration;
use symbi_model::{NodeId, State};
use symbi_proto::session::Id;
use symbi_proto::wire::message::Parting;
use symbi_proto::wire::{MessageFrame, MessageReply};
use tokio::time::timeout;

/// How long the other side has to hear of it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The end of a session, as it is to be told.
pub(super) struct Farewell {
    /// The session.
    session: Id,
    /// The other side.
    peer: NodeId,
    /// Why.
    why: Parting,
}

impl Farewell {
    /// Of a session that is kept no longer: for `why`, or because what came in it was not attested.
    pub(super) fn new(channel: &Channel, why: Parting) -> Self {
        let why = if channel.is_closed() { Parting::Unattested } else { why };
        Self { session: channel.id, peer: channel.peer.node, why }
    }

    fn tell(self, host: &Host, patience: Duration) -> impl Future<Output = ()> + Send + use<> {
        let frame = MessageFrame::Close { session: self.session, why: self.why }.encode();
        let told = (host.ports.peers)(self.peer, frame.into(), patience);
        async move { drop(told.await) }
    }
}

/// Tells of the ends of sessions, and goes on.
pub(super) fn tell(host: &Host, ended: impl IntoIterator<Item = Farewell>) {
    for farewell in ended {
        host.spawn(farewell.tell(host, PATIENCE));
    }
}

/// Lets go of sessions that nobody uses any more, once a second, and tells of it.
pub(crate) fn forget(host: &Host, state: &State) {
    host.gateway.sessions.forget();
    host.instances.all().iter().for_each(|instance| instance.sessions.forget());
    tell(host, host.opened.forget(host, state));
    tell(host, host.desk.forget());
}

/// Lets go of every session because the node stops, and waits up to `patience` for the others to hear of it.
pub(crate) async fn leave(host: &Host, patience: Duration) {
    let ended = host.opened.leave().into_iter().chain(host.desk.leave());
    let told: Vec<_> = ended.map(|farewell| farewell.tell(host, patience)).collect();
    // Whoever does not hear it in time finds out.
    let _ = timeout(patience, join_all(told)).await;
}

/// Takes note that the node `from` keeps a session no longer.
pub(super) fn take(host: &Host, from: NodeId, session: Id, why: Parting) -> MessageReply {
    let (held, open) = (host.desk.close(session, from), host.opened.get(session, from));
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
