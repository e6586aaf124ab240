//! The end of a session, told to its other side, so that it keeps nothing for what will not come and sets up another session at
//! once when it needs one.
//!
//! It is told once nothing of the session is to come from here any more: by who opened it when all that was sent has ended, by who
//! received when all has gone back. On its way it overtakes messages, but none that anybody still waits for: a batch that has not
//! been replied to was given up by then, and its senders know that nobody knows. It is a courtesy: what is not told is found out by the next message, and changes no ending.
//! The connection says which node tells it, and only the other side of a session can end it.

use super::channel::Channel;
use crate::ports::Peers;
use futures::{StreamExt, stream};
use std::time::Duration;
use symbi_model::NodeId;
use symbi_proto::session::Id;
use symbi_proto::wire::MessageFrame;
use symbi_proto::wire::message::Parting;
use tokio::time::timeout;

/// How long the other side has to hear of it.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// So many are told at once: the way to a node has room for hellos and what goes back beside them.
const AT_ONCE: usize = 64;

/// The end of a session, as it is to be told.
pub(super) struct SessionClose {
    /// The session.
    session: Id,
    /// The other side.
    peer: NodeId,
    /// Why.
    why: Parting,
}

impl SessionClose {
    /// Of a session that is kept no longer: for `why`, or because what came in it was not attested.
    pub(super) fn new(channel: &Channel, why: Parting) -> Self {
        let why = if channel.is_closed() { Parting::Unattested } else { why };
        Self { session: channel.id, peer: channel.peer.node, why }
    }

    fn tell(self, peers: &Peers, patience: Duration) -> impl Future<Output = ()> + Send + use<> {
        let frame = MessageFrame::Close { session: self.session, why: self.why }.encode();
        let told = peers(self.peer, frame.into(), patience);
        async move { drop(told.await) }
    }
}

/// Tells of the ends of sessions, [`AT_ONCE`] at a time; whoever does not hear it within `patience` finds out.
pub(super) async fn carry(peers: Peers, ended: Vec<SessionClose>, patience: Duration) {
    let told = stream::iter(ended).for_each_concurrent(AT_ONCE, |close| close.tell(&peers, patience));
    let _ = timeout(patience, told).await;
}

#[cfg(test)]
mod tests {
    use super::{AT_ONCE, PATIENCE, SessionClose, carry};
    use crate::ports::Peers;
    use bytes::Bytes;
    use futures::FutureExt;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;
    use symbi_model::NodeId;
    use symbi_proto::session::Id;
    use symbi_proto::wire::message::Parting;
    use tokio::time::Instant;

    /// Tells of `count` ends to a node that takes `each` for one: how many were told, how many at once, and in what time.
    async fn told(count: usize, each: Duration) -> (usize, usize, Duration) {
        let (begun, most, now) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(0)), Arc::new(AtomicUsize::new(0)));
        let counts = (Arc::clone(&begun), Arc::clone(&most));
        let peers: Peers = Arc::new(move |_, _, _| {
            let now = Arc::clone(&now);
            counts.0.fetch_add(1, Ordering::Relaxed);
            let at_once = now.fetch_add(1, Ordering::Relaxed) + 1;
            let mut most = counts.1.lock().unwrap();
            *most = at_once.max(*most);
            async move {
                tokio::time::sleep(each).await;
                now.fetch_sub(1, Ordering::Relaxed);
                Ok(Bytes::new())
            }
            .boxed()
        });
        let one = || SessionClose { session: Id([1; 16]), peer: NodeId([2; 32]), why: Parting::Unused };
        let began = Instant::now();
        carry(peers, std::iter::repeat_with(one).take(count).collect(), PATIENCE).await;
        let most = *most.lock().unwrap();
        (begun.load(Ordering::Relaxed), most, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn many_ends_are_told_a_few_at_a_time_and_no_longer_than_patience_lasts() {
        let (all, most, _) = told(1_000, Duration::from_millis(10)).await;
        assert_eq!((all, most), (1_000, AT_ONCE));
        let (some, most, time) = told(1_000, 2 * PATIENCE).await;
        assert_eq!((some, most, time.as_secs()), (AT_ONCE, AT_ONCE, PATIENCE.as_secs()));
    }
}
