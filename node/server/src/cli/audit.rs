//! `audit`: the chain and the ledgers, read, exported and verified. Verifying a file needs no node.

use super::context::{Context, failure, unreadable};
use super::output::{Output, cell, pairs, table, time};
use super::progress::Progress;
use super::value;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::PathBuf;
use symbi_node::failure::Failure;

/// The verbs of `audit`.
#[derive(Subcommand)]
pub enum Verb {
    /// Print the last records
    #[command(after_help = "Examples:\n  symbi-node audit tail --records 20")]
    Tail {
        /// How many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000))]
        records: u64,
        /// The node.
        #[command(flatten)]
        context: Context,
        /// The form.
        #[command(flatten)]
        output: Output,
    },
    /// Write the whole chain and every ledger that can be had, with what is needed to verify them, to one file
    #[command(after_help = "Examples:\n  symbi-node audit export --bundle b.jsonl")]
    Export {
        /// The file to write
        #[arg(long, value_name = "FILE", value_parser = value::path)]
        bundle: PathBuf,
        /// The node.
        #[command(flatten)]
        context: Context,
    },
    /// Verify a bundle offline, or without a file the answering node's own chain
    #[command(
        after_help = "Examples:\n  symbi-node audit verify b.jsonl --anchor HASH\n  symbi-node audit verify\n\nExit code 10 and the first bad line when something does not hold."
    )]
    Verify(Verify),
}

/// The flags of `audit verify`.
#[derive(Args)]
pub struct Verify {
    /// The bundle; without one the answering node checks its own chain
    #[arg(value_parser = value::path)]
    file: Option<PathBuf>,
    /// The cluster's anchor, as `start` and `cluster status` print it; without it only consistency is shown
    #[arg(long, value_name = "HASH", requires = "file", value_parser = value::hash)]
    anchor: Option<String>,
    /// The node.
    #[command(flatten)]
    context: Context,
    /// The form.
    #[command(flatten)]
    output: Output,
}

impl Verify {
    /// Whether a file is verified, for which no node is needed.
    pub fn is_offline(&self) -> bool {
        self.file.is_some()
    }
}

/// Does it.
pub async fn run(verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Tail { records, context, output } => {
            let path = format!("/api/v1/audit?last={records}");
            let lines = context.client()?.get(&path).await.map_err(|error| failure(&error))?;
            output.print(&lines, tail);
            Ok(())
        }
        Verb::Export { bundle, context } => export(&bundle, &context).await,
        Verb::Verify(verify) => {
            let verified = verify.context.client()?.get("/api/v1/audit/verify").await;
            let verified = verified.map_err(|error| failure(&error))?;
            if verified["ok"] != true {
                let what = "the answering node's chain does not hold";
                return Err(Failure::new(10, "AUDIT_BROKEN", what)
                    .why(cell(&verified["failure"]))
                    .fix("keep that node's data directory as evidence, and ask another node with --addr"));
            }
            verify.output.print(&verified, found);
            Ok(())
        }
    }
}

async fn export(bundle: &PathBuf, context: &Context) -> Result<(), Failure> {
    let mut progress = Progress::new();
    progress.say("the node puts the bundle together");
    let heard = &mut |done, total| progress.bar("reading the bundle", done, total);
    let bytes = context.client()?.bytes("/api/v1/audit/bundle", heard).await.map_err(|error| failure(&error))?;
    drop(progress);
    let unwritable = |error: std::io::Error| {
        Failure::new(1, "FILE", format!("cannot write {}", bundle.display()))
            .why(error.to_string())
            .fix("name a file that this user can write, on a disk with room, with --bundle")
    };
    let mut file = File::create(bundle).map_err(unwritable)?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(unwritable)?;
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    eprintln!("wrote {} lines, {} bytes to {}", lines, bytes.len(), bundle.display());
    Ok(())
}

/// Verifies a file, with no node.
pub fn verify_file(verify: &Verify) -> Result<(), Failure> {
    let path = verify.file.as_ref().expect("only called with a file");
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let report = symbi_audit::verify(BufReader::new(file), verify.anchor.as_deref()).map_err(|broken| {
        Failure::new(10, "AUDIT_BROKEN", format!("{} does not hold", path.display()))
            .why(broken.to_string())
            .fix("export again from a node, and keep this copy as evidence")
    })?;
    let says = match verify.anchor {
        Some(_) => "the bundle is whole, and it is this cluster's",
        None => "the bundle is consistent; give --anchor to see that it is your cluster's",
    };
    let found = json!({
        "ok": true,
        "says": says,
        "records": report.records,
        "batches": report.batches,
        "head": report.head.to_string(),
        "anchor": report.anchor.to_string(),
        "ledgers": ledgers(&report.ledgers),
    });
    verify.output.print(&found, self::found);
    Ok(())
}

/// What was found of the ledgers, by name.
fn ledgers(found: &symbi_audit::Summary) -> Value {
    let missing = found.missing.iter().map(|(node, entries)| json!({ "node": node, "anchored_entries": entries }));
    json!({
        "checked": found.ledgers,
        "entries": found.entries,
        "unanchored_entries": found.unanchored,
        "attested_batches": found.attested,
        "unverified_batches": found.unverified,
        "unattested_messages": found.unattested,
        "two_sided_batches": found.two_sided,
        "unconfirmed_batches": found.unconfirmed,
        "one_sided_batches": found.one_sided,
        "excused_batches": found.excused,
        "missing": missing.collect::<Vec<_>>(),
    })
}

/// The same in sentences: what was checked, then each thing that could not be, if there is any.
fn of_ledgers(found: &Value) -> Vec<(&'static str, String)> {
    let count = |name: &str| found[name].as_u64().unwrap_or_default();
    let mut lines = vec![
        ("ledgers", format!("{} with {} entries", count("checked"), count("entries"))),
        (
            "messages",
            format!(
                "{} batches signed, {} the same on both sides",
                count("attested_batches"),
                count("two_sided_batches")
            ),
        ),
    ];
    let open = [
        ("unanchored_entries", "entries after their ledger's last anchor"),
        ("unverified_batches", "batches whose session was let go: signature not checked"),
        ("unattested_messages", "messages taken in without a signature"),
        ("unconfirmed_batches", "batches sent and not known to have arrived"),
        ("one_sided_batches", "batches whose other side is in a missing ledger"),
        ("excused_batches", "batches of moments that a node lost when it was cut off, or has let go"),
    ];
    lines.extend(
        open.iter().filter(|(name, _)| count(name) > 0).map(|(name, says)| ("note", format!("{} {says}", count(name)))),
    );
    for missing in found["missing"].as_array().into_iter().flatten() {
        let (node, entries) = (cell(&missing["node"]), cell(&missing["anchored_entries"]));
        lines.push(("missing", format!("the ledger of {node}, of which {entries} entries are anchored")));
    }
    lines
}

fn tail(lines: &Value) -> String {
    let mut rows = lines.clone();
    for row in rows.as_array_mut().into_iter().flatten() {
        row["time"] = Value::String(time(&row["time_ms"]));
    }
    table(&rows, &["id", "time", "kind", "actor", "subject", "outcome"])
}

fn found(found: &Value) -> String {
    let says = found.get("says").map_or_else(|| "every record, batch and signature holds".to_owned(), cell);
    let mut fields = vec![
        ("verified", says),
        ("records", cell(&found["records"])),
        ("batches", cell(&found["batches"])),
        ("head", cell(&found["head"])),
        ("anchor", cell(&found["anchor"])),
    ];
    if found["ledgers"].is_object() {
        fields.extend(of_ledgers(&found["ledgers"]));
    }
    pairs(&fields)
}
