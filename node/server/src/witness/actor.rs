//! The actor: watches the state, signs, hands out and asks.

use super::archive::{Archive, Evidence};
use super::book::{Book, News, said};
use super::entry::Entry;
use super::journal::{Journal, Verdict, Watched};
use super::learners::{Learners, Teller};
use super::stop::{conflict, diverged, of_disk};
use super::{Folder, Heard, Signs, Sources};
use crate::failure::Failure;
use crate::wiring::call;
use ed25519_dalek::SigningKey;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use symbi_api::ports::Witness;
use symbi_control::reconcile::Agreed;
use symbi_model::planted::{self, Defect};
use symbi_model::{Checkpoint, Claim, NodeId, State};
use symbi_proto::wire::{ControlReply, ControlRequest, Signed, Witnessed};
use symbi_raft::Work;
use symbi_store::Error;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often what is still needed is sent again, and what is lacked is asked for.
const EVERY: Duration = Duration::from_secs(1);
/// How long another node has to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// What is witnessed is sent for so many ticks more, if it is the last, so that everybody's signature comes to be on it.
const LINGER: u32 = 60;

/// What another node was asked, and what came of it.
enum Done {
    /// It was told of signatures.
    Told(NodeId),
    /// The leader was told what was closed here, in its term; none if it has not heard it.
    Closed(Option<(u64, Option<Claim>)>),
    /// It was asked for what is lacked here.
    Asked(Option<Vec<Witnessed>>),
}

/// See the module.
pub struct Actor {
    /// This node.
    node: NodeId,
    /// Its key.
    key: Arc<SigningKey>,
    /// The replica.
    raft: symbi_raft::Handle,
    /// Its state.
    state: watch::Receiver<State>,
    /// The network.
    net: symbi_net::Handle,
    /// Told of what is signed.
    signs: Signs,
    /// Where it waits for the disk.
    work: Work,
    /// What others have signed.
    inbox: mpsc::Receiver<Heard>,
    /// Where goes what is known.
    known: watch::Sender<Witness>,
    /// Where goes which hop was witnessed last, and who is with it.
    agreed: watch::Sender<Agreed>,
    /// What this node has signed.
    journal: Arc<Mutex<Journal>>,
    /// What is kept of the book.
    archive: Arc<Mutex<Archive>>,
    /// What is known.
    book: Book,
    /// What those have closed who do not vote.
    learners: Learners,
    /// What of this was told to the leader, while this node does not vote.
    teller: Teller,
    /// What is to be signed, by size.
    owed: BTreeMap<u64, Arc<Checkpoint>>,
    /// How many records the last checkpoint covers that was looked at.
    seen: u64,
    /// What is on its way.
    calls: JoinSet<Done>,
    /// Who is being told of signatures.
    told: BTreeSet<NodeId>,
    /// Who is to be told again after that.
    again: BTreeSet<NodeId>,
    /// Whether somebody is being asked.
    is_asking: bool,
    /// Something was lacked already at the last tick.
    lacked: bool,
    /// Ticks since the last hop was closed.
    since_hop: u32,
    /// Ticks since the last checkpoint was closed.
    since_last: u32,
    /// Whom to ask next.
    turn: usize,
}

impl Actor {
    /// Opens the files.
    pub(super) fn open(
        sources: Sources,
        inbox: mpsc::Receiver<Heard>,
        known: watch::Sender<Witness>,
        agreed: watch::Sender<Agreed>,
    ) -> Result<Self, Error> {
        let Sources { node, key, raft, net, folder: Folder { files, journal }, signs, work } = sources;
        let (archive, kept) = Archive::open(&files)?;
        let mut actor = Self {
            node,
            key,
            state: raft.state(),
            raft,
            net,
            signs,
            work,
            inbox,
            known,
            agreed,
            journal: Arc::new(Mutex::new(journal)),
            archive: Arc::new(Mutex::new(archive)),
            book: Book::of(kept),
            learners: Learners::default(),
            teller: Teller::default(),
            owed: BTreeMap::new(),
            seen: 0,
            calls: JoinSet::new(),
            told: BTreeSet::new(),
            again: BTreeSet::new(),
            is_asking: false,
            lacked: false,
            since_hop: 0,
            since_last: 0,
            turn: 0,
        };
        actor.publish();
        Ok(actor)
    }

    /// Runs until `cancel`.
    ///
    /// # Errors
    /// Why this node must stop: it would have to sign another history than before, or its disk has failed.
    pub async fn run(mut self, cancel: CancellationToken) -> Result<(), Failure> {
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.begin().await?;
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(()),
                changed = self.state.changed() => match changed {
                    Ok(()) => self.look().await?,
                    Err(_) => return Ok(()),
                },
                Some(heard) = self.inbox.recv() => self.hear(heard).await?,
                Some(done) = self.calls.join_next() => self.finished(done).await?,
                _ = tick.tick() => self.tick().await?,
            }
        }
    }

    /// What the state has from before this start: the last hop, which is signed if it was not, unless it came with a snapshot and was
    /// never closed here; and the last checkpoint, if it was signed already.
    async fn begin(&mut self) -> Result<(), Failure> {
        let (hop, last) = {
            let state = self.state.borrow();
            (state.hop.clone(), state.checkpoint.clone())
        };
        // After the look at the state, so that it is not too early for that.
        let installed = self.raft.installed();
        for checkpoint in hop.into_iter().chain(last) {
            let before = lock(&self.journal).other(&checkpoint);
            if let Some(before) = before {
                return Err(conflict(&before, &checkpoint));
            }
            let is_own = installed.is_none_or(|installed| installed < checkpoint.index);
            let is_made = lock(&self.journal).is_made(&checkpoint.claim());
            if checkpoint.hops || is_made {
                self.close(&checkpoint).await?;
            }
            if is_made || (checkpoint.hops && is_own) {
                self.sign(&checkpoint).await?;
            }
        }
        self.look().await
    }

    /// Takes in the checkpoints that were closed since the last look: signs each hop, and of the others the newest.
    async fn look(&mut self) -> Result<(), Failure> {
        let (closed, watched, hop) = {
            let state = self.state.borrow_and_update();
            let closed = state.recent.closed().rev().take_while(|checkpoint| checkpoint.size > self.seen);
            let mut closed: Vec<Arc<Checkpoint>> = closed.cloned().collect();
            closed.reverse();
            let watched = Watched { first: state.recent.first(), lost: state.recent.lost() };
            (closed, watched, state.hop.clone())
        };
        // One that came with a snapshot is known, and signed by those who have closed it themselves.
        let foreign = hop.filter(|hop| hop.size > self.seen && closed.iter().all(|one| one.size != hop.size));
        if let Some(hop) = foreign {
            self.seen = hop.size;
            self.close(&hop).await?;
        }
        let newest = closed.iter().rev().find(|checkpoint| !checkpoint.hops).map(|checkpoint| checkpoint.size);
        for checkpoint in closed {
            self.seen = checkpoint.size;
            if let Some(before) = lock(&self.journal).pass(&checkpoint, watched) {
                return Err(conflict(&before, &checkpoint));
            }
            self.close(&checkpoint).await?;
            if checkpoint.hops || Some(checkpoint.size) == newest {
                self.sign(&checkpoint).await?;
            }
        }
        Ok(())
    }

    async fn close(&mut self, checkpoint: &Arc<Checkpoint>) -> Result<(), Failure> {
        self.since_last = 0;
        if checkpoint.hops {
            self.since_hop = 0;
        }
        let news = self.book.close(checkpoint);
        self.take(news).await
    }

    /// Signs a checkpoint, if it names this node and nothing speaks against it, and lets the others know.
    async fn sign(&mut self, checkpoint: &Arc<Checkpoint>) -> Result<(), Failure> {
        if checkpoint.names(&self.node) {
            self.owed.insert(checkpoint.size, checkpoint.clone());
        }
        // Of those that are no hops the newest is enough.
        let newest = self.owed.values().rev().find(|owed| !owed.hops).map(|owed| owed.size);
        self.owed.retain(|size, owed| owed.hops || Some(*size) == newest);
        self.sign_owed().await
    }

    /// Signs what is to be signed, by size: nothing is, before that which a disk without room has kept it from, or records that are not
    /// on this disk. Until they are, they are somebody else's word.
    async fn sign_owed(&mut self) -> Result<(), Failure> {
        while let Some(checkpoint) = self.owed.values().next().cloned() {
            if self.lacking(&checkpoint).is_some() && !planted::active(Defect::WitnessOverHole) {
                return Ok(());
            }
            let (journal, promised) = (self.journal.clone(), checkpoint.clone());
            let verdict = self.work.run(move || lock(&journal).promise(&promised)).await;
            match verdict.unwrap_or(Err(Error::Closed)) {
                Ok(Verdict::May) => self.signed(&checkpoint).await?,
                Ok(Verdict::Older) => {}
                Ok(Verdict::Conflict(before)) => return Err(conflict(&before, &checkpoint)),
                Err(error) => return of_disk(&error),
            }
            self.owed.remove(&checkpoint.size);
        }
        Ok(())
    }

    /// The first entries whose records a checkpoint covers and this disk lacks.
    fn lacking(&self, checkpoint: &Checkpoint) -> Option<(u64, u64)> {
        self.raft.missing().into_iter().find(|(from, _)| *from <= checkpoint.index)
    }

    /// Makes the signature that was promised, and hands it out.
    async fn signed(&mut self, checkpoint: &Checkpoint) -> Result<(), Failure> {
        let claim = checkpoint.claim();
        (self.signs)(checkpoint, self.lacking(checkpoint));
        let signature = symbi_proto::wire::Blob(claim.sign(&self.key).to_vec());
        let news = self.book.hear(self.node, Signed { claim, signature });
        self.take(news).await?;
        self.hand_out();
        Ok(())
    }

    async fn hear(&mut self, heard: Heard) -> Result<(), Failure> {
        let (from, signed) = match heard {
            Heard::Signed(from, signed) => (from, signed),
            Heard::Closed(node, claim) => {
                self.learners.hear(node, claim);
                self.agree();
                return Ok(());
            }
        };
        let news: Vec<News> = signed.into_iter().flat_map(|signed| self.book.hear(from, signed)).collect();
        self.take(news).await
    }

    async fn finished(&mut self, done: Result<Done, tokio::task::JoinError>) -> Result<(), Failure> {
        match done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())) {
            Done::Told(node) => {
                self.told.remove(&node);
                if self.again.remove(&node) {
                    self.hand_out_to(node);
                }
                Ok(())
            }
            Done::Closed(told) => {
                self.teller.told(told);
                Ok(())
            }
            Done::Asked(told) => {
                self.is_asking = false;
                let size = self.state.borrow().chain.frontier.size();
                let news = told.map(|told| self.book.learn(told, size)).unwrap_or_default();
                let goes_on = !news.is_empty() && self.book.gap().is_some();
                self.take(news).await?;
                if goes_on {
                    self.ask();
                }
                Ok(())
            }
        }
    }

    async fn tick(&mut self) -> Result<(), Failure> {
        self.sign_owed().await?;
        self.since_hop = self.since_hop.saturating_add(1);
        self.since_last = self.since_last.saturating_add(1);
        self.hand_out();
        self.tell_closed();
        let closed = self.state.borrow().checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
        // The first hop that three have signed is the pin: who does not vote is not told of the third unless it asks.
        let is_growing = self.since_hop < LINGER && self.book.last_hop().is_some_and(|hop| !hop.is_complete());
        let lacks_hop = self.book.gap().is_some() || is_growing;
        // Whoever has all signatures hands none out any more, and may have been the last to sign.
        let last = self.book.last().next_back();
        let lacks_last = self.since_last < LINGER && last.is_some_and(|last| !last.is_complete());
        let lacks = lacks_hop || lacks_last || self.book.witnessed() < closed;
        // What was closed a moment ago is mostly on its way, unless only those sign it who were voters before.
        if lacks_hop || (lacks && self.lacked) {
            self.ask();
        }
        self.lacked = lacks;
        Ok(())
    }

    /// Keeps what is new, and lets others know.
    async fn take(&mut self, news: impl IntoIterator<Item = News>) -> Result<(), Failure> {
        let (mut entries, mut conflicts, mut outvoted) = (Vec::new(), Vec::new(), None);
        for news in news {
            match news {
                News::Kept(entry) => entries.push(entry),
                News::Conflict { own, node, signed } => {
                    conflicts.push(Evidence { own: (*own).clone(), node, signed });
                }
                News::Outvoted { own, claim } => outvoted = Some((own, claim)),
            }
        }
        if entries.is_empty() && conflicts.is_empty() {
            return Ok(());
        }
        let (archive, whole) = (self.archive.clone(), self.whole());
        let kept = self.work.run(move || keep(&mut lock(&archive), &entries, &conflicts, whole)).await;
        self.publish();
        kept.unwrap_or(Err(Error::Closed)).or_else(|error| of_disk(&error))?;
        outvoted.map_or(Ok(()), |(own, claim)| Err(diverged(&own, claim)))
    }

    /// Everything that is to be kept, when the archive is to be written anew.
    fn whole(&self) -> Option<Vec<Entry>> {
        let is_long = lock(&self.archive).is_long();
        is_long.then(|| self.book.hops().chain(self.book.last()).cloned().collect())
    }

    fn publish(&mut self) {
        let hops: Vec<Witnessed> = self.book.hops().map(Entry::tell).collect();
        let last = self.book.last().map(Entry::tell).collect();
        let pin = self.book.hops().find(|entry| entry.signers() >= 3 && entry.is_witnessed());
        let (pin, witnessed) = (pin.map(|entry| entry.claim), self.book.witnessed());
        let conflicts = lock(&self.archive).blamed();
        self.known.send_replace(Witness { hops: hops.into(), last, pin, witnessed, conflicts });
        self.agree();
    }

    /// Says which hop was witnessed last, and who of those that do not vote is with it.
    fn agree(&mut self) {
        let hop = self.book.hops().rev().find(|entry| entry.is_witnessed()).map(|entry| entry.claim.digest);
        let matched = self.learners.look(&self.book, &self.state.borrow());
        let agreed = Agreed { hop, matched };
        self.agreed.send_if_modified(|old| std::mem::replace(old, agreed.clone()) != agreed);
    }

    /// The entries of which the others may need this node's signature: the last hop, the newest that is not witnessed, and the last that
    /// is.
    fn needed(&self) -> Vec<&Entry> {
        let hop = self.book.last_hop();
        let hop = hop.filter(|hop| !hop.is_witnessed() || (!hop.is_complete() && self.since_hop < LINGER));
        let last = self.book.last().next_back();
        let last = last.filter(|last| !last.is_complete() && self.since_last < LINGER);
        hop.into_iter().chain(self.book.unwitnessed(&self.node)).chain(last).collect()
    }

    fn hand_out(&mut self) {
        let voters: BTreeSet<NodeId> =
            self.needed().iter().flat_map(|entry| entry.checkpoint.voters.iter().flatten()).copied().collect();
        let own = self.node;
        for voter in voters.into_iter().filter(|voter| *voter != own) {
            self.hand_out_to(voter);
        }
    }

    fn hand_out_to(&mut self, node: NodeId) {
        if self.told.contains(&node) {
            self.again.insert(node);
            return;
        }
        let lacks = |entry: &&Entry| entry.checkpoint.names(&node);
        let needed = self.needed().into_iter().filter(lacks);
        let signed: Vec<Signed> = needed.filter_map(|entry| said(entry, &self.node)).collect();
        if signed.is_empty() {
            return;
        }
        self.told.insert(node);
        let net = self.net.clone();
        self.calls.spawn(async move {
            // Whoever cannot be told now is told again.
            let _ = call::control(&net, node, &ControlRequest::Witness(signed), PATIENCE).await;
            Done::Told(node)
        });
    }

    /// Tells the leader what this replica has closed, while this node does not vote and the leader has not heard it.
    fn tell_closed(&mut self) {
        let status = self.raft.status().borrow().clone();
        let (installed, missing) = (self.raft.installed(), self.raft.missing());
        let next = self.teller.next(&self.node, &status, &self.state.borrow(), installed, &missing);
        let Some((leader, claim)) = next else { return };
        let (net, term) = (self.net.clone(), status.term);
        self.calls.spawn(async move {
            let told = call::control(&net, leader, &ControlRequest::Closed { claim }, PATIENCE).await;
            Done::Closed(matches!(told, Ok(ControlReply::Heard)).then_some((term, claim)))
        });
    }

    /// Asks another member for what is lacked: the leader, and if that does not help, one after the other.
    fn ask(&mut self) {
        let connected: Vec<NodeId> = self.net.connections().borrow().keys().copied().collect();
        if self.is_asking || connected.is_empty() {
            return;
        }
        let leader = self.raft.status().borrow().leader.filter(|leader| connected.contains(leader));
        let node = leader.filter(|_| self.turn.is_multiple_of(2)).unwrap_or(connected[self.turn % connected.len()]);
        self.turn = self.turn.wrapping_add(1);
        self.is_asking = true;
        let (net, before) = (self.net.clone(), self.book.gap().unwrap_or(u64::MAX));
        self.calls.spawn(async move {
            match call::control(&net, node, &ControlRequest::Witnessed { before }, PATIENCE).await {
                Ok(ControlReply::Witnessed(told)) => Done::Asked(Some(told)),
                _ => Done::Asked(None),
            }
        });
    }
}

fn keep(
    archive: &mut Archive,
    entries: &[Entry],
    conflicts: &[Evidence],
    whole: Option<Vec<Entry>>,
) -> Result<(), Error> {
    match whole {
        Some(whole) => archive.replace(&whole)?,
        None => entries.iter().try_for_each(|entry| archive.keep(entry))?,
    }
    for evidence in conflicts {
        if archive.blame(evidence)? {
            let (node, size) = (evidence.node.short(), evidence.own.size);
            let (own, other) = (evidence.own.digest(), evidence.signed.claim.digest);
            tracing::error!(node, size, %own, %other, "a voter has signed another history than this node's; the signature is kept in witness/evidence");
        }
    }
    Ok(())
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
