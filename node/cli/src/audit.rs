//! `audit`: the chain and the ledgers, read, exported and verified. Verifying a file needs no node.

mod follow;

use crate::atomic_file::AtomicFile;
use crate::context::{Context, failure, unreadable};
use crate::output::{Output, pairs, table, time};
use crate::progress::Progress;
use crate::value;
use bytes::Bytes;
use clap::{Args, Subcommand};
use serde_json::Value;
use std::fs::File;
use std::io::{BufReader, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use symbi_api::pieces::Reader;
use symbi_audit::Report;
use symbi_audit::answer::{self, Refusal};
use symbi_server::failure::Failure;
use tokio::sync::mpsc;

/// What a node without a file is asked for.
const EXPORTED: &str = "what the node exports";
/// Pieces of a bundle that wait to be verified.
const PIECES: usize = 4;

/// The verbs of `audit`.
#[derive(Subcommand)]
pub enum Verb {
    /// Print the last records, and with --follow what comes after them
    #[command(
        after_help = "Examples:\n  symbi-node audit tail --records 20\n  symbi-node audit tail --follow -o json\n\nWith --follow, JSON is one record a line, and the end is an interrupt (Ctrl-C), with exit code 0. While\nthe node does not answer, as when it restarts, it is asked again; no record is printed twice or left out."
    )]
    Tail {
        /// How many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000))]
        records: u64,
        /// Go on with each record that comes, until interrupted
        #[arg(long)]
        follow: bool,
        /// The node.
        #[command(flatten)]
        context: Context,
        /// The form.
        #[command(flatten)]
        output: Output,
    },
    /// Write the whole chain and every ledger that can be fetched, with what is needed to verify them, to one file
    #[command(
        after_help = "Examples:\n  symbi-node audit export --bundle b.jsonl\n\nThe file appears when it is complete; an export that fails leaves nothing behind, and an\nexisting file unchanged."
    )]
    Export {
        /// The file to write
        #[arg(long, value_name = "FILE", value_parser = value::path)]
        bundle: PathBuf,
        /// The node.
        #[command(flatten)]
        context: Context,
    },
    /// Verify a bundle offline, or without a file what a node exports now
    #[command(
        after_help = "Examples:\n  symbi-node audit verify b.jsonl --anchor HASH\n  symbi-node audit verify --anchor HASH\n\nWithout a file the node is asked for a bundle, which is verified here as it comes, ledgers included,\nand not kept. Exit code 10 and the first bad line when something does not hold;\n8 when all of it holds, but a ledger is missing or the last witnessed checkpoint is too old."
    )]
    Verify(Verify),
}

/// The flags of `audit verify`.
#[derive(Args)]
pub struct Verify {
    /// The bundle; without one a node is asked for what it has now
    #[arg(value_parser = value::path)]
    file: Option<PathBuf>,
    /// The cluster's anchor, as `start` and `cluster status` print it; without it only consistency is shown
    #[arg(long, value_name = "HASH", value_parser = value::hash)]
    anchor: Option<String>,
    /// A checkpoint of this cluster that was kept elsewhere: the bundle must contain it
    #[arg(long, value_name = "HASH", value_parser = value::hash)]
    pin: Option<String>,
    /// The last checkpoint that voters have witnessed must not be older, e.g. 2027-01-15T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = value::time_ms)]
    not_before: Option<u64>,
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
        Verb::Tail { records, follow: true, context, output } => follow::follow(records, &context, output).await,
        Verb::Tail { records, follow: false, context, output } => {
            let path = format!("/api/v1/audit?last={records}");
            let lines = context.client()?.get(&path).await.map_err(|error| failure(&error))?;
            output.print(&lines, tail);
            Ok(())
        }
        Verb::Export { bundle, context } => interruptible(export(&bundle, &context)).await,
        Verb::Verify(verify) => interruptible(verify_node(&verify)).await,
    }
}

/// Ends `work` when the user interrupts it; what it has begun is cleared away.
async fn interruptible(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::select! {
        done = work => done,
        Ok(()) = tokio::signal::ctrl_c() => Err(Failure::new(130, "INTERRUPTED", "interrupted before its end")),
    }
}

/// Writes the bundle to the file as it comes.
async fn export(bundle: &Path, context: &Context) -> Result<(), Failure> {
    let unwritable = |error: std::io::Error| {
        Failure::new(1, "FILE", format!("cannot write {}", bundle.display()))
            .why(error.to_string())
            .fix("name a file that this user can write, on a disk with room, with --bundle")
    };
    let mut file = AtomicFile::new(bundle).map_err(unwritable)?;
    let (mut lines, mut bytes) = (0, 0);
    fetch(context, async |piece| {
        lines += piece.iter().filter(|byte| **byte == b'\n').count();
        bytes += piece.len();
        file.write_all(&piece).map(|()| ControlFlow::Continue(())).map_err(unwritable)
    })
    .await?;
    file.put().map_err(unwritable)?;
    eprintln!("wrote {lines} lines, {bytes} bytes to {}", bundle.display());
    Ok(())
}

/// Verifies what a node exports, as it comes.
async fn verify_node(verify: &Verify) -> Result<(), Failure> {
    let (pieces, written) = mpsc::channel(PIECES);
    let (anchor, pin) = (verify.anchor.clone(), verify.pin.clone());
    let checking = tokio::task::spawn_blocking(move || {
        symbi_audit::verify_pinned(Reader::new(written), anchor.as_deref(), pin.as_deref())
    });
    fetch(&verify.context, async move |piece| {
        // Whoever has found something that does not hold takes no more.
        let taken = pieces.send(piece).await;
        Ok(if taken.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })
    .await?;
    let checked = checking.await.expect("the verifier does not panic");
    let fix = "keep it as evidence with 'symbi-node audit export', and ask another node with --addr";
    let report = checked.map_err(|broken| refused(Refusal::broken(EXPORTED, &broken, fix)))?;
    let says = match verify.anchor {
        Some(_) => "the whole chain and the ledgers below, as the node exports them, and it is this cluster's",
        None => {
            "the whole chain and the ledgers below, as the node exports them, are consistent; give --anchor to see that it is your cluster's"
        }
    };
    tell(verify, EXPORTED, says, &report)
}

/// Has a node export a bundle, and hands on its pieces until one breaks off.
async fn fetch(
    context: &Context,
    mut take: impl AsyncFnMut(Bytes) -> Result<ControlFlow<()>, Failure>,
) -> Result<(), Failure> {
    let mut progress = Progress::new();
    progress.say("the node puts the bundle together");
    let mut pieces = context.client()?.pieces("/api/v1/audit/bundle").await.map_err(|error| failure(&error))?;
    let mut bytes = 0;
    while let Some(piece) = pieces.next().await.map_err(|error| failure(&error))? {
        bytes += piece.len() as u64;
        progress.bar("reading the bundle", bytes, pieces.total);
        if take(piece).await?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Verifies a file, with no node.
pub fn verify_file(verify: &Verify) -> Result<(), Failure> {
    let path = verify.file.as_ref().expect("only called with a file");
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let name = path.display().to_string();
    let checked = symbi_audit::verify_pinned(BufReader::new(file), verify.anchor.as_deref(), verify.pin.as_deref());
    let fix = "export again from a node, and keep this copy as evidence";
    let report = checked.map_err(|broken| refused(Refusal::broken(&name, &broken, fix)))?;
    tell(verify, &name, answer::says(&report), &report)
}

/// Prints what a bundle that holds has shown, and fails if that is not everything that was asked for.
fn tell(verify: &Verify, what: &str, says: &str, report: &Report) -> Result<(), Failure> {
    verify.output.print(&report.json(says), |_| pairs(&report.lines(says)));
    match Refusal::lacking(what, &report.lacks(verify.not_before)) {
        Some(refusal) => Err(refused(refusal)),
        None => Ok(()),
    }
}

fn refused(refusal: Refusal) -> Failure {
    Failure::new(refusal.exit, refusal.code, refusal.what).why(refusal.why).fix(refusal.fix)
}

/// Who or what this is, a node by its name if it has one.
fn named(text: &str, names: &Value) -> String {
    let name = text.strip_prefix("node:").and_then(|id| names[id].as_str());
    name.map_or_else(|| text.to_owned(), |name| format!("node:{name}"))
}

/// The columns of a record in a table.
const COLUMNS: [&str; 6] = ["id", "time", "kind", "actor", "subject", "outcome"];

fn tail(lines: &Value) -> String {
    let mut rows = lines.clone();
    rows.as_array_mut().into_iter().flatten().for_each(readable);
    table(&rows, &COLUMNS)
}

/// Gives a record its time, and the nodes that it speaks of their names, as people read them.
fn readable(record: &mut Value) {
    record["time"] = Value::String(time(&record["time_ms"]));
    for said in ["actor", "subject"] {
        record[said] = Value::String(named(record[said].as_str().unwrap_or_default(), &record["names"]));
    }
}
