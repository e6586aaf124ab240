//! Watches the disk: a leader whose disk hangs hands leadership over while it can, and a replica whose disk does not come
//! back ends with a word that says so.
//!
//! openraft goes on leading meanwhile, and says so in its metrics: the others' disks make its quorum. Once another has
//! been asked to lead, its core waits for its own disk to save a vote and hears nothing more. So this runs apart from it,
//! and what a replica says of itself is overruled from here.

use crate::applier::Raft;
use crate::disk::Stalls;
use crate::machine::Machine;
use crate::options::Options;
use crate::replica::ReplicaId;
use crate::types::Types;
use crate::work::Work;
use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver;
use openraft::{RaftMetrics, ServerState};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often it looks. What a look finds counts for at most two of these, so that a process which was stopped for a while
/// does not take it for the disk.
const PERIOD: Duration = Duration::from_millis(100);
/// How long asking for a transfer may take: openraft's core may be stuck already.
const PATIENCE: Duration = Duration::from_millis(500);

/// Whether the disk answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// It does.
    #[default]
    Well,
    /// It has not for a while: this replica does not call itself a leader.
    Stalled,
    /// It has not for too long: this is the end, and why.
    Failed(String),
}

impl Health {
    /// Whether the replica must not call itself a leader.
    pub fn is_stalled(&self) -> bool {
        !matches!(self, Self::Well)
    }
}

/// What a look came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Verdict {
    /// Hand leadership over, if there is anybody to take it.
    hand_over: bool,
    /// The disk is given up.
    failed: bool,
}

/// How long the disk has not answered.
#[derive(Debug, Default)]
struct Stall {
    /// What it was asked first and has not answered.
    oldest: Option<u64>,
    /// For how long, as far as this process ran.
    lasted: Duration,
    /// When leadership was last handed over.
    handed_over: Option<Instant>,
}

/// Looks at the disk.
pub struct Actor<M: Machine> {
    /// The replica.
    raft: Raft<M>,
    /// What the disk has not answered yet.
    stalls: Stalls,
    /// The replica's options.
    options: Options,
    /// What is known.
    health: watch::Sender<Health>,
    /// The stall so far.
    stall: Stall,
}

impl<M: Machine> Actor<M> {
    /// Not running yet; and what it will find.
    pub fn new(raft: Raft<M>, stalls: Stalls, options: Options) -> (Self, watch::Receiver<Health>) {
        let (health, watched) = watch::channel(Health::Well);
        (Self { raft, stalls, options, health, stall: Stall::default() }, watched)
    }

    /// Starts it: on a thread of its own if there are threads, because a disk that hangs may take all the others.
    pub fn spawn(self, work: Work, tasks: &TaskTracker, cancel: CancellationToken) {
        if work == Work::Inline {
            tasks.spawn(self.run(cancel));
            return;
        }
        let token = tasks.token();
        let thread = std::thread::Builder::new().name("raft-watchdog".to_owned());
        let started = thread.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            match runtime {
                Ok(runtime) => runtime.block_on(self.run(cancel)),
                Err(error) => tracing::error!(%error, "the disk is not watched"),
            }
            drop(token);
        });
        if let Err(error) = started {
            tracing::error!(%error, "the disk is not watched");
        }
    }

    /// Runs until it is cancelled or the disk is given up.
    async fn run(mut self, cancel: CancellationToken) {
        let mut period = tokio::time::interval(PERIOD);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looked = Instant::now();
        while cancel.run_until_cancelled(period.tick()).await.is_some() {
            let (before, now) = (looked, Instant::now());
            looked = now;
            let verdict = self.stall.look(self.stalls.oldest(), now - before, &self.options, now);
            if verdict.failed {
                return self.give_up();
            }
            if verdict.hand_over && self.hand_over().await {
                self.stall.handed_over = Some(now);
            }
            self.say();
        }
    }

    fn say(&self) {
        let stalled = self.stall.lasted >= self.options.stall_after && !self.leads_on();
        self.health.send_if_modified(|health| {
            // Once it has come back, openraft must first find out what became of its leadership.
            let settled = *health == Health::Well || self.is_settled();
            let new = if stalled || !settled { Health::Stalled } else { Health::Well };
            let changed = *health != new;
            *health = new;
            changed
        });
    }

    /// Whether it leads, and nobody could be asked to take over: then it goes on, by the disks of the others if there are any. To fall
    /// silent would leave the group without a leader and bring no other.
    fn leads_on(&self) -> bool {
        let handed_over = self.stall.handed_over.is_some_and(|at| at.elapsed() <= self.stall.lasted);
        !handed_over && self.raft.metrics().borrow_watched().state == ServerState::Leader
    }

    /// Whether what openraft says of itself can be believed again: it follows, or a quorum has just heard it.
    fn is_settled(&self) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let heard = metrics.last_quorum_acked.is_some_and(|at| at.elapsed() < self.options.election_max);
        metrics.state != ServerState::Leader || heard || metrics.membership_config.voter_ids().count() < 2
    }

    /// Asks the best successor to lead; false if there is none.
    async fn hand_over(&self) -> bool {
        let to = successor(&self.raft.metrics().borrow_watched(), self.options.replica(), self.options.election_max);
        let Some(to) = to else { return false };
        tracing::error!(to = %to, "this node's disk does not confirm what it is given: leadership is handed over");
        self.health.send_replace(Health::Stalled);
        // It may be stuck in its disk; then the others elect another when they hear nothing more.
        drop(tokio::time::timeout(PATIENCE, self.raft.trigger().transfer_leader(to)).await);
        true
    }

    fn give_up(&self) {
        let seconds = self.options.stall_ends.as_secs();
        let why = format!("the disk has not confirmed what it was given for {seconds} s");
        tracing::error!("{why}: this node ends, because whatever it acknowledged now might be lost");
        self.health.send_replace(Health::Failed(why));
    }
}

impl Stall {
    /// Takes what the disk was asked first and has not answered, and how long the last look is ago.
    fn look(&mut self, oldest: Option<u64>, since: Duration, options: &Options, now: Instant) -> Verdict {
        let silent = oldest.is_some() && oldest == self.oldest;
        self.oldest = oldest;
        self.lasted = if silent { self.lasted + since.min(2 * PERIOD) } else { Duration::ZERO };
        let again = self.handed_over.is_none_or(|at| now - at >= options.stall_ends);
        Verdict { hand_over: self.lasted >= options.stall_after && again, failed: self.lasted >= options.stall_ends }
    }
}

/// Who is to lead in this replica's place: of the voters that were heard within `recent`, one that has most of the log.
fn successor(metrics: &RaftMetrics<Types>, me: ReplicaId, recent: Duration) -> Option<ReplicaId> {
    if metrics.state != ServerState::Leader {
        return None;
    }
    let heard = |id: &ReplicaId| {
        let acked = metrics.heartbeat.as_ref().and_then(|acked| acked.get(id).copied().flatten());
        acked.is_some_and(|at| at.elapsed() < recent)
    };
    let matched = |id: &ReplicaId| metrics.replication.as_ref().and_then(|all| all.get(id).cloned().flatten());
    let voters = metrics.membership_config.voter_ids();
    voters.filter(|id| *id != me && heard(id)).max_by_key(|id| (matched(id), *id))
}

#[cfg(test)]
mod tests {
    use super::{PERIOD, Stall, Verdict, successor};
    use crate::options::Options;
    use crate::replica::ReplicaId;
    use crate::types::{LogId, Membership, StoredMembership, Types};
    use openraft::{Instant as _, RaftMetrics, ServerState};
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;
    use std::time::Duration;
    use symbi_model::NodeId;
    use tokio::time::Instant;

    type Clock = openraft::type_config::alias::InstantOf<Types>;

    #[test]
    fn a_silent_disk_is_handed_over_once_and_given_up_in_the_end() {
        let options = Options::new(NodeId([1; 32]));
        let (mut stall, mut now) = (Stall::default(), Instant::now());
        let (mut handed_over, mut failed) = (Vec::new(), None);
        stall.look(Some(7), PERIOD, &options, now);
        for tick in 1..=100_u32 {
            now += PERIOD;
            let verdict = stall.look(Some(7), PERIOD, &options, now);
            if verdict.hand_over {
                handed_over.push(tick);
                stall.handed_over = Some(now);
            }
            failed = failed.or(verdict.failed.then_some(tick));
        }
        assert_eq!((handed_over.as_slice(), failed), ([20].as_slice(), Some(100)));
    }

    #[test]
    fn while_nobody_can_take_over_it_is_asked_again_at_each_look() {
        let options = Options::new(NodeId([1; 32]));
        let (mut stall, now) = (Stall::default(), Instant::now());
        let asked = (0..=25).filter(|_| stall.look(Some(7), PERIOD, &options, now).hand_over).count();
        assert_eq!(asked, 6, "from the twentieth look after the first on");
    }

    #[test]
    fn neither_an_answer_nor_a_process_that_was_stopped_counts_as_silence() {
        let options = Options::new(NodeId([1; 32]));
        let (mut stall, now) = (Stall::default(), Instant::now());
        let nothing = Verdict { hand_over: false, failed: false };
        for number in 0..100 {
            assert_eq!(stall.look(Some(number), PERIOD, &options, now), nothing, "it is slow, and answers");
        }
        for _ in 0..18 {
            assert_eq!(stall.look(Some(99), PERIOD, &options, now), nothing);
        }
        assert_eq!(stall.look(None, PERIOD, &options, now), nothing);
        stall.look(Some(100), PERIOD, &options, now);
        assert_eq!(stall.look(Some(100), Duration::from_secs(600), &options, now), nothing, "nobody looked meanwhile");
        assert!(stall.lasted < options.stall_after);
    }

    #[tokio::test(start_paused = true)]
    async fn of_the_voters_that_were_heard_of_late_one_with_most_of_the_log_takes_over() {
        let id = |number: u8| ReplicaId::from(NodeId([number; 32]));
        let long_ago = Clock::now();
        tokio::time::advance(Duration::from_secs(60)).await;
        // Replica 1 leads, 2 and 3 are heard, 4 has most of the log and is gone, 5 has no vote.
        let acked = [(1, Some(Clock::now())), (2, Some(Clock::now())), (3, Some(Clock::now())), (4, Some(long_ago))];
        let matched = [(1, 9), (2, 7), (3, 8), (4, 9), (5, 9)];
        let mut metrics = RaftMetrics::<Types>::new_initial(id(1));
        let voters: BTreeSet<ReplicaId> = (1..=4).map(id).collect();
        let members = Membership::new_with_defaults(vec![voters], [id(5)]);
        metrics.membership_config = Arc::new(StoredMembership::new(None, members));
        metrics.state = ServerState::Leader;
        let acked = acked.into_iter().chain([(5, Some(Clock::now()))]);
        metrics.heartbeat =
            Some(acked.map(|(number, at)| (id(number), at.map(Into::into))).collect::<BTreeMap<_, _>>());
        let matched = matched.into_iter().map(|(number, index)| (id(number), Some(LogId::new(1.into(), index))));
        metrics.replication = Some(matched.collect());
        assert_eq!(successor(&metrics, id(1), Duration::from_secs(1)), Some(id(3)));
        assert_eq!(successor(&metrics, id(1), Duration::from_secs(100)), Some(id(4)), "as far as it was heard");
        metrics.state = ServerState::Follower;
        assert_eq!(successor(&metrics, id(1), Duration::from_secs(100)), None, "it has nothing to hand over");
    }
}
