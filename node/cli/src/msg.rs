//! `msg`: what became of a message, as the ledgers of all nodes have it.

use crate::context::{Context, failure};
use crate::output::{Output, cell, pairs, table, time};
use crate::value;
use clap::{Args, Subcommand};
use serde_json::Value;
use symbi_api::client::segment;
use symbi_server::failure::Failure;

/// The verbs of `msg`.
#[derive(Subcommand)]
pub enum Verb {
    /// Show who sent a message to whom, under which decisions, and how far it is proved
    #[command(
        after_help = "Examples:\n  symbi-node msg show 0198a6b2-7c1e-7d3f-8a51-5f0f8a3b6c11\n  symbi-node msg show 0198a6b2-7c1 -o json\n\nStates: authenticated (it came through its session), attested (its receiver has verified its\nbatch's signature), anchored (the audit chain vouches for the ledgers' lines). Exit code 3 when no\nnode knows it, 5 when one that may know does not answer."
    )]
    Show(Named),
    /// Print the status of a message
    #[command(
        after_help = "Examples:\n  symbi-node msg status 0198a6b2-7c1e-7d3f-8a51-5f0f8a3b6c11\n\nIt is one of pending, delivered, processed, failed, expired."
    )]
    Status(Named),
}

/// The flags of a question about one message.
#[derive(Args)]
pub struct Named {
    /// The message's id, or a unique beginning of it
    #[arg(value_parser = value::id)]
    id: String,
    /// The node.
    #[command(flatten)]
    context: Context,
    /// The form.
    #[command(flatten)]
    output: Output,
}

/// Does it.
pub async fn run(verb: Verb) -> Result<(), Failure> {
    let (named, after, print): (_, _, fn(&Value) -> String) = match verb {
        Verb::Show(named) => (named, "", show),
        Verb::Status(named) => (named, "/status", status),
    };
    let path = format!("/api/v1/messages/{}{after}", segment(&named.id));
    let answer = named.context.client()?.get(&path).await.map_err(|error| unknown(failure(&error)))?;
    named.output.print(&answer, print);
    Ok(())
}

/// What to do about a message that no node knows.
fn unknown(failure: Failure) -> Failure {
    match failure.exit {
        3 => failure.fix("give the id that 'agent ask' or 'agent tell' printed; a node keeps its last million lines"),
        5 if failure.code == "UNAVAILABLE" => failure.fix("ask again when that node is back: symbi-node node ls"),
        _ => failure,
    }
}

fn show(message: &Value) -> String {
    let at = |side: &str| {
        let (node, epoch) = (cell(&message[format!("{side}_node")]), cell(&message[format!("{side}_epoch")]));
        let user = cell(&message["user"]);
        let whom = if side == "sender" && !user.is_empty() { format!(" for {user}") } else { String::new() };
        let node = if node.is_empty() { "an unknown node".to_owned() } else { node };
        format!("{}{whom} on {node}, epoch {epoch}", cell(&message[side]))
    };
    let mut fields = vec![
        ("message", cell(&message["id"])),
        ("kind", cell(&message["kind"])),
        ("status", cell(&message["status"])),
        ("state", cell(&message["state"])),
        ("from", at("sender")),
        ("on behalf of", on_behalf(message)),
        ("to", at("receiver")),
        ("bytes", cell(&message["bytes"])),
        ("deadline", time(&message["deadline_ms"])),
        ("sent by", cell(&message["sent_by"])),
        ("for the user", cell(&message["judged_for_user"])),
        ("received by", cell(&message["received_by"])),
    ];
    fields.retain(|(_, value)| !value.is_empty());
    if message["session"] != "" {
        let (batch, sequence) = (cell(&message["batch"]), cell(&message["sequence"]));
        fields.push(("session", cell(&message["session"])));
        fields.push(("batch", format!("{batch}, message {sequence}")));
    }
    let absent: Vec<String> = message["unreachable"].as_array().into_iter().flatten().map(cell).collect();
    if !absent.is_empty() {
        fields.push(("no answer", absent.join(", ")));
    }
    let mut lines = message["lines"].clone();
    for line in lines.as_array_mut().into_iter().flatten() {
        line["time"] = Value::String(time(&line["time_ms"]));
    }
    let columns = ["node", "line", "time", "what", "fate", "record"];
    format!("{}\n\n{}", pairs(&fields), table(&lines, &columns))
}

/// The user whose words it has, and on whose word.
fn on_behalf(message: &Value) -> String {
    let user = cell(&message["on_behalf_of"]);
    if user.is_empty() {
        return user;
    }
    format!("{user}, on {}'s word (its decision: {})", cell(&message["on_word_of"]), cell(&message["on_permit"]))
}

fn status(status: &Value) -> String {
    cell(&status["status"])
}
