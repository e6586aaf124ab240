//! Room on the way to other hosts.

use super::Direction;
use futures::FutureExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use symbi_host::{Peers, Place, Places};
use symbi_model::NodeId;

/// Room on the way as long as it is not full.
pub fn places(peers: Peers, direction: Arc<Mutex<Direction>>) -> Places {
    Arc::new(move |to: NodeId| {
        let (peers, direction) = (Arc::clone(&peers), Arc::clone(&direction));
        async move {
            while *direction.lock().unwrap() == Direction::Full {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let place: Place = Box::new(move |frame, within| peers(to, frame, within));
            Ok(place)
        }
        .boxed()
    })
}
