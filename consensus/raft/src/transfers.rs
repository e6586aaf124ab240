//! The snapshots that this replica is sending: how far each is, and which entries must follow it, so that they are not purged meanwhile.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use symbi_model::NodeId;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long the entries behind a snapshot stay after it has arrived: until then its receiver asks for them.
const AFTERWARDS: Duration = Duration::from_secs(5);

/// See the module. A clone speaks of the same snapshots.
#[derive(Clone)]
pub struct Transfers {
    /// Those on their way, and those that have just arrived.
    held: Arc<Mutex<Held>>,
    /// How many bytes of the newest one have been taken by each to whom one is on its way.
    taken: watch::Sender<BTreeMap<NodeId, u64>>,
}

/// What changes.
#[derive(Default)]
struct Held {
    /// The number of the next one.
    next: u64,
    /// By number: the index of its last entry, and since when it needs no more than [`AFTERWARDS`].
    transfers: BTreeMap<u64, (u64, Option<Instant>)>,
    /// The number of the newest one to each.
    newest: BTreeMap<NodeId, u64>,
}

/// A snapshot on its way. Dropped before it has arrived, it holds back nothing any more.
pub struct Transfer {
    /// Its number.
    pub number: u64,
    /// To whom it goes.
    to: NodeId,
    /// All of them.
    all: Transfers,
}

impl Default for Transfers {
    fn default() -> Self {
        Self { held: Arc::default(), taken: watch::Sender::new(BTreeMap::new()) }
    }
}

impl Transfers {
    /// How many bytes have been taken by each to whom one is on its way.
    pub fn taken(&self) -> watch::Receiver<BTreeMap<NodeId, u64>> {
        self.taken.subscribe()
    }

    /// A snapshot up to entry `last` begins.
    pub fn begin(&self, to: NodeId, last: u64) -> Transfer {
        let mut held = self.held();
        let number = held.next;
        held.next += 1;
        held.transfers.insert(number, (last, None));
        held.newest.insert(to, number);
        drop(held);
        self.taken.send_modify(|taken| {
            taken.insert(to, 0);
        });
        Transfer { number, to, all: self.clone() }
    }

    /// The highest entry that may be purged, as far as these are concerned; none for any.
    pub fn purgeable(&self) -> Option<u64> {
        let mut held = self.held();
        held.transfers.retain(|_, (_, arrived)| arrived.is_none_or(|at| at.elapsed() < AFTERWARDS));
        held.transfers.values().map(|(last, _)| *last).min()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transfer {
    /// So many bytes more have been taken.
    pub fn taken(&self, bytes: usize) {
        // One that another has followed says nothing of that one.
        if self.is_newest(&self.all.held()) {
            self.all.taken.send_modify(|taken| *taken.entry(self.to).or_default() += bytes as u64);
        }
    }

    /// It has arrived.
    pub fn arrived(self) {
        if let Some((_, arrived)) = self.all.held().transfers.get_mut(&self.number) {
            *arrived = Some(Instant::now());
        }
    }

    fn is_newest(&self, held: &Held) -> bool {
        held.newest.get(&self.to) == Some(&self.number)
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let mut held = self.all.held();
        if self.is_newest(&held) {
            held.newest.remove(&self.to);
            self.all.taken.send_modify(|taken| {
                taken.remove(&self.to);
            });
        }
        if held.transfers.get(&self.number).is_some_and(|(_, arrived)| arrived.is_none()) {
            held.transfers.remove(&self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AFTERWARDS, Transfers};
    use std::collections::BTreeMap;
    use std::time::Duration;
    use symbi_model::NodeId;

    #[tokio::test(start_paused = true)]
    async fn what_follows_a_snapshot_stays_until_its_receiver_has_had_time_to_ask() {
        let transfers = Transfers::default();
        assert_eq!(transfers.purgeable(), None);
        let begin = |last| transfers.begin(NodeId([1; 32]), last);
        let (lost, early, late) = (begin(3), begin(7), begin(9));
        assert_eq!(transfers.purgeable(), Some(3));
        drop(lost);
        assert_eq!(transfers.purgeable(), Some(7), "one that was given up holds back nothing");
        early.arrived();
        tokio::time::advance(AFTERWARDS - Duration::from_millis(1)).await;
        assert_eq!(transfers.purgeable(), Some(7), "its receiver has yet to ask for what follows");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(transfers.purgeable(), Some(9));
        drop(late);
        assert_eq!(transfers.purgeable(), None);
    }
    #[test]
    fn it_is_told_how_far_each_is_while_it_is_on_its_way() {
        let (transfers, node) = (Transfers::default(), NodeId([1; 32]));
        let taken = transfers.taken();
        let transfer = transfers.begin(node, 3);
        assert_eq!(*taken.borrow(), BTreeMap::from([(node, 0)]));
        transfer.taken(5);
        transfer.taken(6);
        assert_eq!(*taken.borrow(), BTreeMap::from([(node, 11)]));
        // One that was given up ends after the next has begun, and says nothing of it.
        let next = transfers.begin(node, 3);
        next.taken(2);
        transfer.taken(7);
        drop(transfer);
        assert_eq!(*taken.borrow(), BTreeMap::from([(node, 2)]));
        drop(next);
        assert_eq!(*taken.borrow(), BTreeMap::new());
    }
}
