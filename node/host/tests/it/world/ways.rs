//! The ways between hosts: frames that arrive or not, and the room for them.

use bytes::Bytes;
use futures::FutureExt;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use symbi_host::{Handle, PeerError, Peers, Place, Places};
use symbi_model::NodeId;
use tokio::sync::Semaphore;

/// Whom frames go to.
pub type Handles = Arc<Mutex<BTreeMap<NodeId, Handle>>>;

/// The pause between two looks at what nothing announces.
pub const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What may be between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Frames arrive, and so do replies.
    Open,
    /// Nothing arrives.
    Cut,
    /// Nothing arrives, and nobody says so.
    Silent,
    /// Frames arrive; the connection breaks before the reply.
    BreaksAfter,
    /// Nothing arrives, and that is said after so long.
    Lost(Duration),
    /// As much as may waits already: nothing leaves.
    Full,
    /// Frames arrive after so long.
    Late(Duration),
    /// Frames arrive when it is something else again.
    Held,
}

/// More places than any test takes.
pub const MANY: usize = 1 << 20;

/// Room on the way as long as it is not full: as many places as there are permits.
pub fn places(peers: Peers, direction: Arc<Mutex<Direction>>, permits: Arc<Semaphore>) -> Places {
    Arc::new(move |to: NodeId| {
        let (peers, direction, permits) = (Arc::clone(&peers), Arc::clone(&direction), Arc::clone(&permits));
        async move {
            while *direction.lock().unwrap() == Direction::Full {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let permit = permits.acquire_owned().await.expect("nobody closes it");
            let place: Place = Box::new(move |frame, within| {
                drop(permit);
                peers(to, frame, within)
            });
            Ok(place)
        }
        .boxed()
    })
}

/// The way from one node to the others.
pub fn peers(handles: Handles, from: NodeId, direction: Arc<Mutex<Direction>>, sent: Arc<Mutex<Vec<Bytes>>>) -> Peers {
    Arc::new(move |to: NodeId, frame: Bytes, within: Duration| {
        sent.lock().unwrap().push(frame.clone());
        let unreachable = || Err(PeerError::Unreachable("the wire is cut".to_owned()));
        let (now, target) = (*direction.lock().unwrap(), handles.lock().unwrap().get(&to).cloned());
        let (Some(target), true) = (target, now != Direction::Cut) else {
            return async move { unreachable() }.boxed();
        };
        if let Direction::Lost(by) = now {
            return tokio::time::sleep(by).map(move |()| unreachable()).boxed();
        }
        if now == Direction::Full {
            return async { Err(PeerError::Unreachable("too much waits".to_owned())) }.boxed();
        }
        if now == Direction::Silent {
            return tokio::time::sleep(within).map(|()| Err(PeerError::TimedOut)).boxed();
        }
        // As the network does: in order, and once sent no longer stopped by who sent it.
        let received = match now {
            Direction::Late(by) => tokio::spawn(async move {
                tokio::time::sleep(by).await;
                target.receive(from, frame).await
            }),
            Direction::Held => {
                let direction = Arc::clone(&direction);
                tokio::spawn(async move {
                    while *direction.lock().unwrap() == Direction::Held {
                        tokio::time::sleep(LOOK_AGAIN).await;
                    }
                    target.receive(from, frame).await
                })
            }
            _ => tokio::spawn(target.receive(from, frame)),
        };
        async move {
            if now == Direction::BreaksAfter {
                tokio::time::sleep(Duration::from_millis(20)).await;
                return Err(PeerError::Broken);
            }
            match tokio::time::timeout(within, received).await {
                Ok(Ok(reply)) => Ok(reply),
                Ok(Err(_)) => Err(PeerError::Broken),
                Err(_) => Err(PeerError::TimedOut),
            }
        }
        .boxed()
    })
}
