//! Writes a bundle: the chain as it comes, then keys and policy sets, then ledgers, then the manifest, which the exporter signs.
//!
//! The chain must be written up to one log index, and keys and policy sets as of that same index: a node that was enrolled
//! after it has no line, one that was removed has.

use crate::hex::Hex;
use crate::line::ledger::{Entry, LedgerHeader, Missing};
use crate::line::{Batch, Cluster, Header, Key, Line, Manifest, Policy, Record, VERSION};
use sha2::{Digest, Sha256};
use std::io::{self, Write};

/// A bundle under way.
///
/// Invariants:
/// - lines come in the order of the format: what belongs before what is written already cannot be written;
/// - counts, head and digest are those of every line written.
pub struct Encoder<W> {
    /// Where to.
    out: W,
    /// Over every byte so far.
    digest: Sha256,
    /// Which kind of line came last.
    stage: Stage,
    /// What the manifest will say.
    manifest: Manifest,
}

/// A bundle that lacks its manifest's signature.
pub struct Unsigned<W> {
    /// Where to.
    out: W,
    /// The manifest.
    manifest: Manifest,
}

/// How far a bundle has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// The chain is being written.
    Chain,
    /// The keys are.
    Keys,
    /// The policy sets are.
    Policies,
    /// The ledgers are.
    Ledgers,
}

impl<W: Write> Encoder<W> {
    /// Begins a bundle of `group` (0 for the control group) of the cluster, made by the node `exporter`.
    ///
    /// # Errors
    /// When `out` does not take it.
    pub fn new(out: W, cluster: Cluster, cluster_name: &str, group: u64, exporter: Hex<32>) -> io::Result<Self> {
        let manifest = Manifest {
            records: 0,
            batches: 0,
            keys: 0,
            policies: 0,
            ledgers: 0,
            entries: 0,
            missing: 0,
            head: Hex([0; 32]),
            sha256: Hex([0; 32]),
            exporter,
            signature: Hex([0; 64]),
        };
        let mut encoder = Self { out, digest: Sha256::new(), stage: Stage::Chain, manifest };
        let cluster_name = cluster_name.to_owned();
        encoder
            .write(Stage::Chain, &Line::Bundle(Header { version: VERSION, cluster, cluster_name, group, exporter }))?;
        Ok(encoder)
    }

    /// Writes a batch line; its records come next.
    ///
    /// # Errors
    /// When the writer does not take it.
    pub fn batch(&mut self, batch: Batch) -> io::Result<()> {
        self.manifest.batches += 1;
        self.write(Stage::Chain, &Line::Batch(batch))
    }

    /// Writes a record line.
    ///
    /// # Errors
    /// When the writer does not take it.
    pub fn record(&mut self, record: Record) -> io::Result<()> {
        self.manifest.records += 1;
        self.manifest.head = record.hash;
        self.write(Stage::Chain, &Line::Record(record))
    }

    /// Writes a node's key line; nodes come in the order of their ids.
    ///
    /// # Errors
    /// When the writer does not take it.
    pub fn key(&mut self, key: Key) -> io::Result<()> {
        self.manifest.keys += 1;
        self.write(Stage::Keys, &Line::Key(key))
    }

    /// Writes a policy set's line; sets come in the order of their numbers.
    ///
    /// # Errors
    /// When the writer does not take it.
    pub fn policy(&mut self, number: u64, text: String, entities: String) -> io::Result<()> {
        self.manifest.policies += 1;
        let sha256 = Policy::digest(&text, &entities);
        self.write(Stage::Policies, &Line::Policy(Policy { number, sha256, text, entities }))
    }

    /// Writes a ledger's line; its entries come next. Ledgers, and what is missing of them, come in the order of their nodes.
    ///
    /// # Errors
    /// When the writer does not take it.
    pub fn ledger(&mut self, ledger: LedgerHeader) -> io::Result<()> {
        self.manifest.ledgers += 1;
        self.write(Stage::Ledgers, &Line::Ledger(ledger))
    }

    /// Writes an entry of the ledger that was begun last.
    ///
    /// # Errors
    /// When the writer does not take it.
    pub fn entry(&mut self, entry: Entry) -> io::Result<()> {
        self.manifest.entries += 1;
        self.write(Stage::Ledgers, &Line::Entry(Box::new(entry)))
    }

    /// Writes that a ledger could not be had.
    ///
    /// # Errors
    /// When the writer does not take it.
    pub fn missing(&mut self, missing: Missing) -> io::Result<()> {
        self.manifest.missing += 1;
        self.write(Stage::Ledgers, &Line::Missing(missing))
    }

    /// What was written so far, for whoever takes it away piece by piece.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// Ends the bundle but for the signature.
    #[must_use]
    pub fn finish(self) -> Unsigned<W> {
        let sha256 = Hex(self.digest.finalize().into());
        Unsigned { out: self.out, manifest: Manifest { sha256, ..self.manifest } }
    }

    fn write(&mut self, stage: Stage, line: &Line) -> io::Result<()> {
        assert!(self.stage <= stage, "a {stage:?} line after the {:?}", self.stage);
        self.stage = stage;
        let text = line.encode();
        self.digest.update(&text);
        self.out.write_all(text.as_bytes())
    }
}

impl<W: Write> Unsigned<W> {
    /// What the exporter's node key has to sign (Ed25519).
    #[must_use]
    pub fn to_sign(&self) -> Vec<u8> {
        self.manifest.signed()
    }

    /// Writes the manifest with the signature over [`Unsigned::to_sign`].
    ///
    /// # Errors
    /// When the writer does not take it.
    pub fn sign(mut self, signature: [u8; 64]) -> io::Result<W> {
        let manifest = Manifest { signature: Hex(signature), ..self.manifest };
        self.out.write_all(Line::Manifest(manifest).encode().as_bytes())?;
        self.out.flush()?;
        Ok(self.out)
    }
}
