//! The witness: signs the checkpoints of the audit chain that this node's own replica has closed, while it is one of the voters that
//! they name; and collects what the others have signed, until a majority has.
//!
//! What it has signed is in a [`journal`] outside of the database, and synced before it signs: it never signs another history, whatever
//! becomes of the database. What a snapshot brought it signs only once the records under it have come and proved to be the chain's. The
//! [`book`] decides what is believed of what others tell. Signatures go straight from voter to voter as they are made, and once a second
//! again until they are needed no more; who lacks something asks for it. Those who do not vote tell the leader what their own replicas
//! have closed, and get a vote only once that is what was witnessed ([`learners`]).

mod actor;
mod archive;
mod book;
mod entry;
mod journal;
mod learners;
mod log;
mod stop;

use crate::failure::{self, Failure};
use ed25519_dalek::SigningKey;
use std::sync::Arc;
use symbi_api::ports::Witness;
use symbi_control::reconcile::Agreed;
use symbi_model::entry::CONTROL;
use symbi_model::{Checkpoint, Claim, NodeId};
use symbi_proto::wire::{Signed, Witnessed};
use symbi_raft::Work;
use symbi_store::{Engine, Error, Files};
use tokio::sync::{mpsc, watch};

/// So much of what others say waits; with more, it is not heard: it comes again.
const QUEUE: usize = 256;
/// So many hops are told at once: a frame takes them.
const TOLD: usize = 128;

/// Who is told of each checkpoint that this node signs, and of the first records in it that are not on its disk then, by the entries
/// that left them: nobody, but in a simulation.
pub type Signs = Arc<dyn Fn(&Checkpoint, Option<(u64, u64)>) + Send + Sync>;

/// What the witness is made of.
pub struct Sources {
    /// This node.
    pub node: NodeId,
    /// Its key.
    pub key: Arc<SigningKey>,
    /// The replica.
    pub raft: symbi_raft::Handle,
    /// The network.
    pub net: symbi_net::Handle,
    /// Its files.
    pub folder: Folder,
    /// Told of each checkpoint that is signed, before anybody else is.
    pub signs: Signs,
    /// Where it waits for the disk.
    pub work: Work,
}

/// The witness's other side.
#[derive(Clone)]
pub struct Handle {
    /// To the actor.
    heard: mpsc::Sender<Heard>,
    /// What is known.
    known: watch::Receiver<Witness>,
    /// The last hop that was witnessed, and who is with it.
    agreed: watch::Receiver<Agreed>,
}

/// What another node says.
enum Heard {
    /// A voter has signed these.
    Signed(NodeId, Vec<Signed>),
    /// One that does not vote has closed this, or nothing.
    Closed(NodeId, Option<Claim>),
}

impl Handle {
    /// Takes what another voter has signed.
    pub fn hear(&self, from: NodeId, signed: Vec<Signed>) {
        // With too many waiting these are dropped: they come again.
        let _ = self.heard.try_send(Heard::Signed(from, signed));
    }

    /// Takes what another node has closed that does not vote; false if too much waits, and it is to say so again.
    #[must_use]
    pub fn closed(&self, from: NodeId, claim: Option<Claim>) -> bool {
        self.heard.try_send(Heard::Closed(from, claim)).is_ok()
    }

    /// What another node is told that asks for hops of fewer than `before` records.
    #[must_use]
    pub fn tell(&self, before: u64) -> Vec<Witnessed> {
        let known = self.known.borrow();
        let hops = known.hops.iter().rev().filter(|hop| hop.checkpoint.size < before).take(TOLD);
        hops.chain(known.last.last()).cloned().collect()
    }

    /// What is known.
    #[must_use]
    pub fn known(&self) -> watch::Receiver<Witness> {
        self.known.clone()
    }

    /// The last hop that was witnessed, and who is with it of those who do not vote.
    #[must_use]
    pub fn agreed(&self) -> watch::Receiver<Agreed> {
        self.agreed.clone()
    }
}

/// The witness's files.
pub struct Folder {
    /// Where they are.
    files: Arc<dyn Files>,
    /// What this node has signed.
    journal: journal::Journal,
}

impl Folder {
    /// Opens them: before the replica is, so that no crash leaves a state in the database and no journal beside it.
    ///
    /// # Errors
    /// When the journal cannot be read, or was lost.
    pub fn open(files: Arc<dyn Files>, engine: &dyn Engine) -> Result<Self, Failure> {
        let journal = journal::Journal::open(files.clone()).map_err(|error| unreadable(&error))?;
        let has_state = matches!(symbi_raft::saved_index(engine, CONTROL), Ok(Some(_)));
        if journal.was_there() || !has_state {
            return Ok(Self { files, journal });
        }
        Err(Failure::new(10, "WITNESS_LOST", "what this node has signed of the audit is gone, and its database is not")
            .why("there is no journal in witness/ in the data directory: this node might sign a second history")
            .fix(LOST))
    }
}

/// The witness over its files, not running yet.
///
/// # Errors
/// When its files cannot be read.
pub fn new(sources: Sources) -> Result<(Handle, actor::Actor), Failure> {
    let (heard, inbox) = mpsc::channel(QUEUE);
    let (known, watched) = watch::channel(Witness::default());
    let (agreed, agreements) = watch::channel(Agreed::default());
    let actor = actor::Actor::open(sources, inbox, known, agreed).map_err(|error| unreadable(&error))?;
    Ok((Handle { heard, known: watched, agreed: agreements }, actor))
}

/// What to do without what was signed.
const LOST: &str = "check the disk and who owns witness/ in the data directory; if it is lost, start a new node instead: this one may not \
                    sign again";

fn unreadable(error: &Error) -> Failure {
    failure::of_disk(error).unwrap_or_else(|| {
        Failure::new(1, "WITNESS", "what this node has signed cannot be read").because(error).fix(LOST)
    })
}
