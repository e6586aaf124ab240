//! A world's bundle, and what whoever has some of its keys can do to it: link records anew, and sign checkpoints again.

use crate::bytes;
use crate::chain::{ChainLine, POLICIES, World, credential_key, key, node};
use ed25519_dalek::Signer;
use std::collections::BTreeMap;
use symbi_audit::entry::{LedgerHeader, Missing};
use symbi_audit::{About, Cluster, Encoder, Hex, Key, Line};
use symbi_model::policy::NO_ENTITIES;
use symbi_model::{Hash, NodeId, merkle};

impl World {
    /// The lines of the chain.
    pub fn lines(&self) -> Vec<Line> {
        let lines = self.chain.iter().map(|line| match line {
            ChainLine::Batch(batch) => Line::Batch(batch.clone()),
            ChainLine::Record(record) => Line::Record(record.clone()),
        });
        lines.collect()
    }

    /// Links the records anew, as whoever changed some would have to.
    pub fn relink(&mut self) {
        let mut head = Hash::default();
        for line in &mut self.chain {
            if let ChainLine::Record(record) = line {
                head = bytes::chained(record, head);
            }
        }
    }

    /// Signs every batch of an origin whose key is `held` anew over its records as they are now, but for the one that was never
    /// signed properly.
    pub fn resign(&mut self, held: &[u8]) {
        let id = *self.cluster.0.as_bytes();
        for at in 0..self.chain.len() {
            let ChainLine::Batch(batch) = &self.chain[at] else { continue };
            let (mut batch, count) = (batch.clone(), usize::try_from(batch.count).expect("few"));
            let records: Vec<_> = self.chain[at + 1..]
                .iter()
                .take(count)
                .filter_map(|line| match line {
                    ChainLine::Record(record) => Some(record),
                    ChainLine::Batch(_) => None,
                })
                .collect();
            let by = held.iter().find(|by| Hex(node(**by).0) == batch.origin);
            let Some(by) = by.filter(|_| records.iter().all(|record| record.code != "BAD_SIGNATURE")) else { continue };
            let leaves: Vec<Hash> = records.into_iter().map(bytes::act_leaf).collect();
            batch.root = Hex(merkle::root(&leaves).0);
            bytes::sign(&mut batch, id, &key(*by));
            self.chain[at] = ChainLine::Batch(batch);
        }
    }

    /// Closes the checkpoints anew over the records as they are now, each at its entry, and has them signed by those of its
    /// witnesses whose keys are `held`. One whose entry is there no more is dropped.
    pub fn reseal(&mut self, held: &[u8]) {
        let ends = self.ends();
        let (mut hop, id) = (Hash::default(), *self.cluster.0.as_bytes());
        self.checkpoints.retain(|checkpoint| ends.contains_key(&checkpoint.index));
        for at in 0..self.checkpoints.len() {
            let (leaves, head, time_ms) = &ends[&self.checkpoints[at].index];
            let checkpoint = &mut self.checkpoints[at];
            checkpoint.size = leaves.len() as u64;
            checkpoint.root = Hex(merkle::root(leaves).0);
            (checkpoint.head, checkpoint.time_ms, checkpoint.hop) = (Hex(head.0), *time_ms, Hex(hop.0));
            let signers: Vec<u8> = held
                .iter()
                .copied()
                .filter(|by| self.checkpoints[at].witnesses.iter().any(|(signer, _)| *signer == Hex(node(*by).0)))
                .collect();
            self.witness(at, &signers);
            if self.checkpoints[at].hops {
                hop = bytes::digest(&self.checkpoints[at], id);
            }
        }
    }

    /// The leaves up to each entry's end, the last hash and the time, by the entry's index.
    fn ends(&self) -> BTreeMap<u64, (Vec<Hash>, Hash, u64)> {
        let mut leaves = Vec::new();
        let mut ends = BTreeMap::new();
        for line in &self.chain {
            let ChainLine::Record(record) = line else { continue };
            if record.kind == "cluster.genesis" || !leaves.is_empty() {
                leaves.push(merkle::leaf(&record.hash.0));
                ends.insert(record.index, (leaves.clone(), Hash(record.hash.0), record.time_ms));
            }
        }
        ends
    }

    /// The bundle, made by node 2.
    pub fn bundle(&self) -> Vec<u8> {
        self.exported(2, |_| {}, POLICIES)
    }

    /// The bundle, made by some node, with other keys and policies.
    pub fn exported(&self, exporter: u8, change: impl FnOnce(&mut Vec<Key>), policies: &str) -> Vec<u8> {
        let about = About {
            cluster: Cluster(*self.cluster.0.as_bytes()),
            cluster_name: &self.name,
            group: 0,
            generation: 1,
            exporter: Hex(node(exporter).0),
            time_ms: crate::chain::START_MS + 1,
        };
        let mut encoder = Encoder::new(Vec::new(), about).expect("memory takes all");
        for checkpoint in self.checkpoints.clone() {
            encoder.checkpoint(checkpoint).expect("memory takes all");
        }
        for line in self.lines() {
            match line {
                Line::Batch(batch) => encoder.batch(batch),
                Line::Record(record) => encoder.record(record),
                _ => unreachable!("a chain has no other lines"),
            }
            .expect("memory takes all");
        }
        let members = self.members();
        let mut keys: Vec<_> = members.iter().map(|(id, number)| key_line(id, *number)).collect();
        change(&mut keys);
        for key in keys {
            encoder.key(key).expect("memory takes all");
        }
        encoder.policy(1, policies.to_owned(), NO_ENTITIES.to_owned()).expect("memory takes all");
        for id in members.keys() {
            self.ledger(id, &mut encoder).expect("memory takes all");
        }
        let unsigned = encoder.finish();
        let signature = key(exporter).sign(&unsigned.to_sign()).to_bytes();
        unsigned.sign(signature).expect("memory takes all")
    }

    fn ledger(&self, id: &NodeId, encoder: &mut Encoder<Vec<u8>>) -> std::io::Result<()> {
        let Some(lines) = self.ledgers.get(id) else {
            let (entries, head) = self.anchors.get(id).copied().unwrap_or_default();
            return encoder.missing(Missing { node: Hex(id.0), entries, head: Hex(head.0) });
        };
        let (after, previous, whole) = self.let_go.get(id).cloned().unwrap_or_default();
        let whole = whole.into_iter().map(|root| Hex(root.0)).collect();
        encoder.ledger(LedgerHeader { node: Hex(id.0), after, previous: Hex(previous.0), whole })?;
        lines.iter().try_for_each(|line| encoder.entry(symbi_audit_lines::entry(line.clone()).expect("signed")))
    }
}

fn key_line(id: &NodeId, number: u8) -> Key {
    let p256 = credential_key(number).verifying_key().to_encoded_point(false).as_bytes().try_into().expect("65 bytes");
    Key { node: Hex(id.0), name: format!("n{number}"), p256: Hex(p256) }
}
