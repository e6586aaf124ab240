//! Witnesses: what nodes sign of the audit chain is one history, whatever becomes of their databases, and all of it is on their disks;
//! nobody takes for signed what its node has not signed; and whoever comes to vote was named by a majority of those who ruled before, in
//! a checkpoint that they signed.

use super::property::Oracle;
use crate::trace::{Event, Seen};
use std::collections::{BTreeMap, BTreeSet};
use symbi_model::Hash;

/// The property's memory.
#[derive(Default)]
pub struct Witnesses {
    /// What each host has signed, by size.
    signed: BTreeMap<String, BTreeMap<u64, Hash>>,
    /// What was signed first of a size, and by whom.
    first: BTreeMap<u64, (Hash, String)>,
    /// Who has signed a checkpoint.
    signers: BTreeMap<Hash, BTreeSet<String>>,
}

impl Oracle for Witnesses {
    fn see(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.event {
            Event::Signed { size, digest, lacks } => {
                let host = &seen.host;
                self.signed(host, *size, *digest)?;
                lacks.map_or(Ok(()), |(from, upto)| {
                    Err(format!(
                        "witness: {host} has signed {size} records, and lacks those of entries {from} to {upto}"
                    ))
                })
            }
            Event::Witnessed { size, digest, by } => {
                let without = by.iter().find(|host| !self.has_signed(host, digest));
                without.map_or(Ok(()), |other| {
                    Err(format!("witness: {} takes {digest} at {size} records for signed by {other}", seen.host))
                })
            }
            Event::Follow { voters, ruling, named } => {
                let signers = ruling.iter().filter(|host| named.is_some_and(|named| self.has_signed(host, &named)));
                if 2 * signers.count() > ruling.len() {
                    return Ok(());
                }
                let (who, whose) = (voters.join(", "), ruling.join(", "));
                Err(format!(
                    "voters: {who} vote on {}, and no majority of {whose} has signed that they are to",
                    seen.host
                ))
            }
            _ => Ok(()),
        }
    }

    /// A database can be put back, and what was signed cannot.
    fn outlasts(&self) -> bool {
        true
    }
}

impl Witnesses {
    fn signed(&mut self, host: &str, size: u64, digest: Hash) -> Result<(), String> {
        let own = self.signed.entry(host.to_owned()).or_default();
        let (highest, before) = (own.last_key_value().map(|(size, _)| *size), own.insert(size, digest));
        let (first, whose) = self.first.entry(size).or_insert_with(|| (digest, host.to_owned()));
        let is_one = *first == digest;
        let other = format!("{first}, as {whose}");
        self.signers.entry(digest).or_default().insert(host.to_owned());
        if !is_one {
            return Err(format!("witness: {host} has signed {digest} at {size} records, and not {other}"));
        }
        if let Some(highest) = highest.filter(|highest| before.is_none() && *highest > size) {
            return Err(format!("witness: {host} has signed {size} records, after {highest}"));
        }
        Ok(())
    }

    fn has_signed(&self, host: &str, digest: &Hash) -> bool {
        self.signers.get(digest).is_some_and(|signers| signers.contains(host))
    }
}
