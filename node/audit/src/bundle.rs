//! A bundle, verified with nothing but itself and, if there is one, the cluster's anchor.

use crate::chain::Chain;
use crate::failure::{Failure, What};
use crate::hex::Hex;
use crate::ledger::sides::Sides;
use crate::ledger::{self, Check};
use crate::line::{Checkpoint, Header, Key, Line, Manifest, Policy, VERSION};
use crate::report::Report;
use crate::summary::Summary;
use crate::trust::Trust;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::io::{BufRead, Read};

/// The longest line: a policy set of the greatest length, every letter of it escaped.
const LINE_BYTES: u64 = 4 * 1024 * 1024;

/// Verifies a bundle. With the cluster's `anchor`, 64 hex digits as `start` and `cluster status` print them, success means that
/// it is this cluster's; without, that it is consistent in itself.
///
/// # Errors
/// The first line, from 1, at which something does not hold.
pub fn verify(reader: impl BufRead, anchor: Option<&str>) -> Result<Report, Failure> {
    verify_pinned(reader, anchor, None)
}

/// The same; and one of the checkpoints must be the one whose digest, 64 hex digits, was kept elsewhere as `pin`: then nobody can
/// have written another past than the one up to it.
///
/// # Errors
/// The first line, from 1, at which something does not hold.
pub fn verify_pinned(reader: impl BufRead, anchor: Option<&str>, pin: Option<&str>) -> Result<Report, Failure> {
    let mut lines = Lines { reader, line: 0, digest: Sha256::new() };
    let header = read_header(&mut lines)?;
    // A pin that is no digest is that of no checkpoint.
    let pin = match pin.map(|pin| Hex::parse(pin.trim()).ok_or(What::Pin)).transpose() {
        Ok(pin) => pin,
        Err(what) => return Err(lines.here(what)),
    };
    let (checkpoints, after) = read_checkpoints(&mut lines)?;
    let count = checkpoints.len() as u64;
    let trust = Trust::new(checkpoints, (header.group, header.generation), pin);
    let mut chain = Chain::with(header.cluster, header.group, Some(header.generation), trust);
    let after = read_chain(&mut lines, &mut chain, after)?;
    // What is missing at the end of the chain is missing where the next line stands.
    let mut report = chain.end()?;
    check_genesis(&chain, &header, &report, anchor)?;
    report.anchored = anchor.is_some();
    report.generation = header.generation;
    report.exporter = chain.name(&header.exporter).to_owned();
    let (keys, after) = read_keys(&mut lines, &chain, after)?;
    let (policies, after) = read_policies(&mut lines, &chain, after)?;
    let (ledgers, after) = read_ledgers(&mut lines, &chain, after)?;
    report.ledgers = ledgers;
    read_end(&mut lines, &chain, &header, (count, keys, policies, &report.ledgers), after)?;
    Ok(report)
}

/// A line, and SHA-256 of everything before it.
type Next = Option<(Line, Hex<32>)>;

/// Reads lines, each in its one encoding.
struct Lines<R> {
    /// Where from.
    reader: R,
    /// How many were read.
    line: u64,
    /// Over every byte so far.
    digest: Sha256,
}

impl<R: BufRead> Lines<R> {
    /// The next line; none at the end.
    fn next(&mut self) -> Result<Next, Failure> {
        let mut bytes = Vec::new();
        let number = self.line + 1;
        let here = |what| Failure { line: number, what };
        let read = self.reader.by_ref().take(LINE_BYTES + 1).read_until(b'\n', &mut bytes);
        read.map_err(|error| here(What::Unreadable(error.to_string())))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if bytes.len() as u64 > LINE_BYTES {
            return Err(here(What::TooLong { max: LINE_BYTES }));
        }
        let Some(body) = bytes.strip_suffix(b"\n") else { return Err(here(What::CutOff)) };
        let line: Line = serde_json::from_slice(body).map_err(|error| here(What::Malformed(error.to_string())))?;
        if line.encode().as_bytes() != bytes {
            return Err(here(What::NotCanonical));
        }
        let before = Hex(self.digest.clone().finalize().into());
        self.digest.update(&bytes);
        self.line = number;
        Ok(Some((line, before)))
    }

    fn missing(&self, wanted: &'static str) -> Failure {
        Failure { line: self.line + 1, what: What::Missing { wanted } }
    }

    fn here(&self, what: What) -> Failure {
        Failure { line: self.line, what }
    }
}

fn read_header<R: BufRead>(lines: &mut Lines<R>) -> Result<Header, Failure> {
    match lines.next()? {
        Some((Line::Bundle(header), _)) if header.version == VERSION => Ok(header),
        Some((Line::Bundle(header), _)) => Err(lines.here(What::Version { found: header.version })),
        Some((other, _)) => Err(lines.here(What::Misplaced { found: name(&other), wanted: "the bundle line" })),
        None => Err(lines.missing("the bundle line")),
    }
}

/// Checkpoints, each with its line.
type Checkpoints = VecDeque<(Checkpoint, u64)>;

/// Reads the checkpoints, and the line after them.
fn read_checkpoints<R: BufRead>(lines: &mut Lines<R>) -> Result<(Checkpoints, Next), Failure> {
    let mut checkpoints = Checkpoints::new();
    loop {
        match lines.next()? {
            Some((Line::Checkpoint(checkpoint), _)) => {
                let size = checkpoint.size;
                if checkpoints.back().is_some_and(|(last, _)| last.size >= size) {
                    return Err(lines.here(What::CheckpointPlace { size }));
                }
                checkpoints.push_back((checkpoint, lines.line));
            }
            other => return Ok((checkpoints, other)),
        }
    }
}

/// Reads the chain, and the line after it.
fn read_chain<R: BufRead>(lines: &mut Lines<R>, chain: &mut Chain, mut next: Next) -> Result<Next, Failure> {
    loop {
        // The chain counts its lines in the bundle.
        chain.line = lines.line.saturating_sub(1);
        match next {
            Some((Line::Batch(batch), _)) => chain.batch(batch)?,
            Some((Line::Record(record), _)) => chain.record(record)?,
            None => {
                chain.line = lines.line;
                return Ok(None);
            }
            other => return Ok(other),
        }
        next = lines.next()?;
    }
}

/// The chain is the cluster's that the header names, and that of the anchor.
fn check_genesis(chain: &Chain, header: &Header, report: &Report, anchor: Option<&str>) -> Result<(), Failure> {
    let (line, found) = chain.anchor().expect("a chain that has ended has a genesis");
    if report.cluster_name != header.cluster_name {
        return Err(Failure { line: 1, what: What::ForeignCluster });
    }
    match anchor {
        Some(anchor) if Hex::parse(anchor.trim()) != Some(found) => Err(Failure { line, what: What::Anchor { found } }),
        _ => Ok(()),
    }
}

/// Reads the key lines, one for each node that was ever enrolled, and the line after them.
fn read_keys<R: BufRead>(lines: &mut Lines<R>, chain: &Chain, mut next: Next) -> Result<(u64, Next), Failure> {
    let nodes = chain.nodes();
    for (node, name) in &nodes {
        let current = chain.credential_keys(node).last();
        match next {
            Some((Line::Key(Key { node: found, name: called, p256 }), _))
                if found == *node && called == *name && Some(&p256) == current => {}
            Some(_) => return Err(lines.here(What::Keys)),
            None => return Err(lines.missing("a key")),
        }
        next = lines.next()?;
    }
    Ok((nodes.len() as u64, next))
}

/// Reads the policy lines, one for each set that the chain made, and the line after them.
fn read_policies<R: BufRead>(lines: &mut Lines<R>, chain: &Chain, mut next: Next) -> Result<(u64, Next), Failure> {
    let sets = chain.policies();
    for (number, hash) in &sets {
        match next {
            Some((Line::Policy(Policy { number: found, sha256: claimed, text, entities }), _))
                if found == *number && claimed == *hash && Policy::digest(&text, &entities) == *hash => {}
            Some(_) => return Err(lines.here(What::Policies)),
            None => return Err(lines.missing("a policy set")),
        }
        next = lines.next()?;
    }
    Ok((sets.len() as u64, next))
}

/// Reads a ledger for each node that was ever enrolled, or the line that it is missing, and the line after them.
fn read_ledgers<R: BufRead>(lines: &mut Lines<R>, chain: &Chain, mut next: Next) -> Result<(Summary, Next), Failure> {
    let mut sides = Sides::default();
    for (node, _) in chain.nodes() {
        match next {
            Some((Line::Ledger(ledger), _)) if ledger.node == node => {
                let mut check = Check::new(chain, &ledger).map_err(|what| lines.here(what))?;
                next = read_entries(lines, &mut check, &mut sides)?;
                check.end(&mut sides, lines.line);
            }
            Some((Line::Missing(missing), _)) if missing.node == node => {
                ledger::missing(chain, &missing, &mut sides).map_err(|what| lines.here(what))?;
                next = lines.next()?;
            }
            Some(_) => return Err(lines.here(What::Ledgers)),
            None => return Err(lines.missing("a ledger")),
        }
    }
    sides.end(chain).map(|summary| (summary, next))
}

/// Reads the entries of a ledger, and the line after them.
fn read_entries<R: BufRead>(lines: &mut Lines<R>, check: &mut Check<'_>, sides: &mut Sides) -> Result<Next, Failure> {
    loop {
        match lines.next()? {
            Some((Line::Entry(entry), _)) => {
                check.entry(&entry, lines.line, sides).map_err(|what| lines.here(what))?;
            }
            other => return Ok(other),
        }
    }
}

/// Checks the manifest, and that nothing comes after it.
fn read_end<R: BufRead>(
    lines: &mut Lines<R>,
    chain: &Chain,
    header: &Header,
    (checkpoints, keys, policies, ledgers): (u64, u64, u64, &Summary),
    next: Next,
) -> Result<(), Failure> {
    let (manifest, before) = match next {
        Some((Line::Manifest(manifest), before)) => (manifest, before),
        Some((other, _)) => {
            return Err(lines.here(What::Misplaced { found: name(&other), wanted: "the manifest" }));
        }
        None => return Err(lines.missing("the manifest")),
    };
    let (records, batches, head) = (chain.records, chain.batches, chain.head());
    let counts = Counts { checkpoints, records, batches, keys, policies, ledgers, head };
    check_manifest(chain, header, &manifest, &counts, &before).map_err(|what| lines.here(what))?;
    match lines.next()? {
        None => Ok(()),
        Some((other, _)) => Err(lines.here(What::Misplaced { found: name(&other), wanted: "the end" })),
    }
}

/// What a manifest must say.
struct Counts<'s> {
    /// How many checkpoint lines.
    checkpoints: u64,
    /// How many record lines.
    records: u64,
    /// How many batch lines.
    batches: u64,
    /// How many key lines.
    keys: u64,
    /// How many policy lines.
    policies: u64,
    /// What was found of the ledgers.
    ledgers: &'s Summary,
    /// The hash of the last record.
    head: Option<Hex<32>>,
}

fn check_manifest(
    chain: &Chain,
    header: &Header,
    manifest: &Manifest,
    counts: &Counts<'_>,
    before: &Hex<32>,
) -> Result<(), What> {
    let fields = [
        (manifest.checkpoints == counts.checkpoints, "checkpoints"),
        (manifest.records == counts.records, "records"),
        (manifest.batches == counts.batches, "batches"),
        (manifest.keys == counts.keys, "keys"),
        (manifest.policies == counts.policies, "policies"),
        (manifest.ledgers == counts.ledgers.ledgers, "ledgers"),
        (manifest.entries == counts.ledgers.entries, "entries"),
        (manifest.missing == counts.ledgers.missing.len() as u64, "missing"),
        (Some(manifest.head) == counts.head, "head"),
    ];
    if let Some((_, field)) = fields.iter().find(|(same, _)| !same) {
        return Err(What::Counts(field));
    }
    if manifest.sha256 != *before {
        return Err(What::Digest);
    }
    if !chain.is_member(&manifest.exporter) || !manifest.is_signed(header) {
        return Err(What::Exporter);
    }
    Ok(())
}

fn name(line: &Line) -> &'static str {
    match line {
        Line::Bundle(_) => "bundle",
        Line::Checkpoint(_) => "checkpoint",
        Line::Batch(_) => "batch",
        Line::Record(_) => "record",
        Line::Key(_) => "key",
        Line::Policy(_) => "policy",
        Line::Ledger(_) => "ledger",
        Line::Entry(_) => "entry",
        Line::Missing(_) => "missing",
        Line::Manifest(_) => "manifest",
    }
}
