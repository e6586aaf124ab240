//! The message lane, as the host's bus sees it.

use futures::FutureExt;
use std::sync::Arc;
use symbi_host::{PeerError, Peers};
use symbi_net::{CallError, Lane};

/// Carries the bus's frames over the network.
#[must_use]
pub fn over(net: symbi_net::Handle) -> Peers {
    Arc::new(move |node, frame, patience| {
        let answer = net.call(node, Lane::Message, frame, patience);
        async move {
            answer.await.map_err(|error| match error {
                CallError::Unreachable(reason) => PeerError::Unreachable(reason),
                CallError::Refused => PeerError::Unreachable("it is not accepting messages right now".to_owned()),
                CallError::TimedOut => PeerError::TimedOut,
                CallError::Closed => PeerError::Broken,
            })
        }
        .boxed()
    })
}
