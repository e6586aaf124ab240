//! Room on the way to other hosts.

use super::Direction;
use futures::FutureExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use symbi_host::{Peers, Place, Places};
use symbi_model::NodeId;
use tokio::sync::Semaphore;

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
