//! What the witness keeps on its disk beside its journal: the checkpoints that it knows with their signatures, and what it has seen of
//! voters who have signed two histories.

use super::entry::Entry;
use super::log::Log;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use symbi_model::{Checkpoint, NodeId, codec};
use symbi_proto::wire::{Signed, Witnessed};
use symbi_store::{Error, Files};

/// The file of the checkpoints.
const CHECKPOINTS: &str = "checkpoints";
/// The file of the evidence.
const EVIDENCE: &str = "evidence";
/// From so many bytes on the checkpoints are written anew, once that halves them.
const COMPACT: u64 = 256 * 1024;
/// No more evidence than this is kept: one is enough.
const EVIDENCE_BYTES: u64 = 64 * 1024;
/// The longest record.
const RECORD: usize = 64 * 1024;

/// That a voter has signed another history than this node's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What this node has at that size.
    pub own: Checkpoint,
    /// Who has signed something else.
    pub node: NodeId,
    /// What.
    pub signed: Signed,
}

/// See the module.
pub struct Archive {
    /// The checkpoints, each as it was when it became more; the last one of a size counts.
    checkpoints: Log,
    /// How many bytes they had when they were last written anew.
    written: u64,
    /// The evidence.
    evidence: Log,
    /// Whom it is about, and of which size.
    blamed: Vec<(NodeId, u64)>,
}

impl Archive {
    /// Opens it, and gives the entries in it.
    ///
    /// # Errors
    /// What the disk says, and [`Error::Corrupt`].
    pub fn open(files: &Arc<dyn Files>) -> Result<(Self, Vec<Entry>), Error> {
        let corrupt = |error: codec::Error| Error::Corrupt(error.to_string());
        let (checkpoints, kept) = Log::open(files.clone(), CHECKPOINTS, u64::MAX)?;
        let told = kept.records.iter().map(|record| codec::decode::<Witnessed>(record, RECORD).map_err(corrupt));
        let entries = told.collect::<Result<Vec<_>, _>>()?.into_iter().map(Entry::told).collect();
        let (evidence, seen) = Log::open(files.clone(), EVIDENCE, u64::MAX)?;
        let seen = seen.records.iter().map(|record| codec::decode::<Evidence>(record, RECORD).map_err(corrupt));
        let blamed = seen.map(|seen| seen.map(|seen| (seen.node, seen.own.size))).collect::<Result<_, _>>()?;
        Ok((Self { written: checkpoints.size(), checkpoints, evidence, blamed }, entries))
    }

    /// Keeps an entry. A hop's is durable afterwards; that of another may be lost in a power cut, and the next one comes.
    ///
    /// # Errors
    /// What the disk says.
    pub fn keep(&mut self, entry: &Entry) -> Result<(), Error> {
        self.checkpoints.append(&codec::encode(&entry.tell()))?;
        if entry.checkpoint.hops { self.checkpoints.sync() } else { Ok(()) }
    }

    /// Whether it is worth the while to write all of it anew.
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.checkpoints.size() >= COMPACT.max(2 * self.written)
    }

    /// Writes these in place of all of them.
    ///
    /// # Errors
    /// What the disk says.
    pub fn replace<'e>(&mut self, entries: impl IntoIterator<Item = &'e Entry>) -> Result<(), Error> {
        let records: Vec<Vec<u8>> = entries.into_iter().map(|entry| codec::encode(&entry.tell())).collect();
        self.checkpoints.replace(records.iter().map(Vec::as_slice))?;
        self.written = self.checkpoints.size();
        Ok(())
    }

    /// Keeps evidence, unless it is about the same once more; says whether it is new.
    ///
    /// # Errors
    /// What the disk says.
    pub fn blame(&mut self, evidence: &Evidence) -> Result<bool, Error> {
        let about = (evidence.node, evidence.own.size);
        if self.blamed.contains(&about) || self.evidence.size() >= EVIDENCE_BYTES {
            return Ok(false);
        }
        self.evidence.append(&codec::encode(evidence))?;
        self.evidence.sync()?;
        self.blamed.push(about);
        Ok(true)
    }

    /// How many times voters have signed another history.
    #[must_use]
    pub fn blamed(&self) -> u64 {
        self.blamed.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::{Archive, COMPACT, Evidence};
    use crate::witness::entry::Entry;
    use ed25519_dalek::SigningKey;
    use std::sync::Arc;
    use symbi_model::{Checkpoint, ClusterId, GroupId, Hash, NodeId};
    use symbi_proto::wire::{Blob, Signed};
    use symbi_store::Files;
    use symbi_store::files::Simulated;
    use uuid::Uuid;

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[1; 32])
    }

    fn entry(size: u64, hops: bool) -> Entry {
        let node = NodeId(key().verifying_key().to_bytes());
        let checkpoint = Checkpoint {
            cluster: ClusterId(Uuid::from_u128(1)),
            generation: 0,
            group: GroupId(0),
            gate: 1,
            size,
            root: Hash([1; 32]),
            head: Hash([2; 32]),
            index: size,
            term: 1,
            time_ms: 5,
            state: Hash([3; 32]),
            voters: vec![vec![node]],
            next: None,
            hop: Hash::default(),
            hops,
        };
        let mut entry = Entry::new(Arc::new(checkpoint));
        assert!(entry.sign(node, &entry.claim.sign(&key())));
        entry
    }

    fn open(disk: &Arc<Simulated>) -> (Archive, Vec<Entry>) {
        let files: Arc<dyn Files> = Arc::new(disk.open().expect("open"));
        Archive::open(&files).expect("an archive")
    }

    #[test]
    fn hops_survive_any_crash_and_it_is_written_anew_when_it_is_long() {
        for seed in 0..20 {
            let disk = Simulated::seeded(seed);
            let (mut archive, none) = open(&disk);
            assert!(none.is_empty() && !archive.is_long());
            archive.keep(&entry(1, true)).expect("room");
            archive.keep(&entry(2, false)).expect("room");
            disk.crash();
            let (mut archive, kept) = open(&disk);
            assert_eq!(kept[0], entry(1, true));
            let mut size = 2;
            while !archive.is_long() {
                size += 1;
                archive.keep(&entry(size, false)).expect("room");
            }
            archive.replace([&entry(1, true), &entry(size, false)]).expect("room");
            assert!(!archive.is_long() && archive.checkpoints.size() < COMPACT);
            disk.crash();
            assert_eq!(open(&disk).1, [entry(1, true), entry(size, false)]);
        }
    }

    #[test]
    fn evidence_is_kept_once() {
        let disk = Simulated::new();
        let (mut archive, _) = open(&disk);
        let (own, claim) = ((*entry(5, false).checkpoint).clone(), entry(6, false).claim);
        let signed = Signed { claim, signature: Blob(claim.sign(&key()).to_vec()) };
        let evidence = Evidence { own, node: NodeId(key().verifying_key().to_bytes()), signed };
        assert_eq!((archive.blame(&evidence), archive.blame(&evidence)), (Ok(true), Ok(false)));
        disk.crash();
        assert_eq!(open(&disk).0.blamed(), 1);
    }
}
