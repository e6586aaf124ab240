//! The lanes of agents' messages, as the host's bus sees them: what sets sessions up and what goes back in them has a lane of its
//! own, so that no bulk of messages holds it up.

use futures::FutureExt;
use std::sync::Arc;
use symbi_host::{PeerError, Peers, Place, Places};
use symbi_model::GroupId;
use symbi_net::{CallError, Lane};
use tokio::time::{Instant, timeout_at};

/// Carries hellos, what goes back in sessions, and their ends.
#[must_use]
pub fn over(net: symbi_net::Handle) -> Peers {
    Arc::new(move |node, frame, patience| {
        let room = net.reserve(node, Lane::Session, GroupId(0));
        async move {
            let until = Instant::now() + patience;
            let Ok(slot) = timeout_at(until, room).await else { return Err(failed(CallError::Full)) };
            let patience = until.saturating_duration_since(Instant::now());
            slot.map_err(failed)?.call(frame, patience).await.map_err(failed)
        }
        .boxed()
    })
}

/// Waits for room for messages.
#[must_use]
pub fn places(net: symbi_net::Handle) -> Places {
    Arc::new(move |node| {
        let room = net.reserve(node, Lane::Message, GroupId(0));
        async move {
            let slot = room.await.map_err(failed)?;
            let place: Place = Box::new(move |frame, patience| {
                slot.call(frame, patience).map(|answer| answer.map_err(failed)).boxed()
            });
            Ok(place)
        }
        .boxed()
    })
}

fn failed(error: CallError) -> PeerError {
    match error {
        CallError::Unreachable(reason) => PeerError::Unreachable(reason),
        CallError::Refused | CallError::Unsupported => {
            PeerError::Unreachable("it does not take messages now".to_owned())
        }
        CallError::Full => PeerError::Unreachable(error.to_string()),
        CallError::TimedOut => PeerError::TimedOut,
        CallError::Closed => PeerError::Broken,
    }
}
