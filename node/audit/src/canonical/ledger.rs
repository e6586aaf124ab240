//! The bytes of ledgers that are hashed and signed.

use super::{is_signed, lp, number};
use crate::hash::sha256;
use crate::hex::Hex;
use crate::line::Cluster;
use crate::line::ledger::{Attestation, Denied, Ended, Entry, Event, Local, Message, MessageBatch, OnBehalf, Session};
use crate::tree::leaf;

const LEDGER: &[u8] = b"symbi-ledger-v1\0";
const BATCH: &[u8] = b"symbi-batch-v1\0";

impl Entry {
    /// What its hash must be, after an entry with the hash `previous`.
    pub(crate) fn digest(&self, previous: &Hex<32>) -> Hex<32> {
        let mut out = Vec::with_capacity(512);
        number(&mut out, self.number);
        number(&mut out, self.time_ms);
        lp(&mut out, self.event.name().as_bytes());
        match &self.event {
            Event::Started(started) => number(&mut out, started.boot),
            Event::Session(session) => session.put(&mut out),
            Event::Sent(batch) | Event::Received(batch) => batch.put(&mut out),
            Event::Ended(ended) => ended.put(&mut out),
            Event::Local(local) => local.put(&mut out),
            Event::Denied(denied) => denied.put(&mut out),
            Event::Gap(gap) => number(&mut out, gap.lost),
        }
        sha256(&[LEDGER, &out, &previous.0])
    }
}

impl Session {
    fn put(&self, out: &mut Vec<u8>) {
        lp(out, &self.session.0);
        number(out, u64::from(self.began));
        lp(out, self.name.as_bytes());
        number(out, self.epoch);
        lp(out, &self.peer.0);
        lp(out, self.peer_name.as_bytes());
        number(out, self.peer_epoch);
        lp(out, self.credential.as_bytes());
        lp(out, self.peer_credential.as_bytes());
    }
}

impl MessageBatch {
    fn put(&self, out: &mut Vec<u8>) {
        lp(out, &self.session.0);
        number(out, u64::from(self.attestation.is_some()));
        if let Some(attestation) = &self.attestation {
            attestation.put(out);
        }
        number(out, self.messages.len() as u64);
        for message in &self.messages {
            message.put(out);
        }
    }
}

impl Attestation {
    fn put(&self, out: &mut Vec<u8>) {
        self.put_said(out);
        lp(out, &self.signature.0);
    }

    fn put_said(&self, out: &mut Vec<u8>) {
        for value in [self.epoch, self.batch, self.first, self.last] {
            number(out, value);
        }
        lp(out, &self.root.0);
        lp(out, &self.previous.0);
        number(out, self.policy_set);
        number(out, self.time_ms);
    }

    /// Checks the signature of `sender` with its `key`; the hash by which the next batch names this one, if it holds.
    pub(crate) fn verify(&self, cluster: Cluster, sender: &str, key: &Hex<32>, session: &Hex<16>) -> Option<Hex<32>> {
        let mut out = BATCH.to_vec();
        lp(&mut out, &cluster.0);
        lp(&mut out, sender.as_bytes());
        lp(&mut out, &key.0);
        lp(&mut out, &session.0);
        self.put_said(&mut out);
        is_signed(key, &out, &self.signature).then(|| sha256(&[&out, &self.signature.0]))
    }
}

impl Message {
    fn put(&self, out: &mut Vec<u8>) {
        number(out, self.sequence);
        lp(out, &self.message.0);
        lp(out, self.kind.name().as_bytes());
        lp(out, &self.header.0);
        lp(out, self.user.as_bytes());
        put_on_behalf(out, self.on_behalf.as_ref());
        number(out, self.bytes);
        number(out, self.deadline_ms);
        lp(out, self.decision.as_bytes());
        lp(out, self.fate.name().as_bytes());
    }

    /// Its leaf in the Merkle tree of its batch.
    pub(crate) fn leaf(&self) -> Hex<32> {
        let mut out = Vec::with_capacity(128);
        number(&mut out, self.sequence);
        lp(&mut out, self.kind.name().as_bytes());
        lp(&mut out, &self.message.0);
        lp(&mut out, &self.header.0);
        leaf(&out)
    }
}

impl Ended {
    fn put(&self, out: &mut Vec<u8>) {
        lp(out, &self.session.0);
        number(out, self.batch);
        number(out, self.ends.len() as u64);
        for end in &self.ends {
            number(out, end.sequence);
            lp(out, &end.message.0);
            lp(out, end.fate.name().as_bytes());
        }
    }
}

impl Local {
    fn put(&self, out: &mut Vec<u8>) {
        lp(out, &self.message.0);
        for text in [self.kind.name(), self.sender.as_str(), self.receiver.as_str()] {
            lp(out, text.as_bytes());
        }
        number(out, self.sender_epoch);
        number(out, self.receiver_epoch);
        lp(out, self.user.as_bytes());
        put_on_behalf(out, self.on_behalf.as_ref());
        number(out, self.bytes);
        number(out, self.deadline_ms);
        for text in [self.sent_by.as_str(), self.received_by.as_str(), self.fate.name()] {
            lp(out, text.as_bytes());
        }
    }
}

impl Denied {
    fn put(&self, out: &mut Vec<u8>) {
        lp(out, self.decision.as_bytes());
        number(out, u64::from(self.message.is_some()));
        if let Some(message) = &self.message {
            lp(out, &message.0);
        }
        lp(out, &self.verdict.0);
    }
}

fn put_on_behalf(out: &mut Vec<u8>, on_behalf: Option<&OnBehalf>) {
    number(out, u64::from(on_behalf.is_some()));
    if let Some(OnBehalf { user, member, permit, judged }) = on_behalf {
        lp(out, user.as_bytes());
        lp(out, &member.0);
        lp(out, permit.as_bytes());
        lp(out, judged.as_bytes());
    }
}
