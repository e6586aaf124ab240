//! `upgrade`: how far one is, and the step that opens what a new version brings.

use crate::context::{Context, Plain, failure};
use crate::output::{print_json, table};
use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};
use symbi_server::failure::Failure;

/// The verbs of `upgrade`.
#[derive(Subcommand)]
pub enum Verb {
    /// Show which gate is open, and which every node's program speaks
    #[command(after_help = "Examples:\n  symbi-node upgrade status -o json")]
    Status(Plain),
    /// Say whether there is a gate to open and what holds it up
    #[command(
        after_help = "Examples:\n  symbi-node upgrade check && symbi-node upgrade finalize\n\nExit codes: 0 every node speaks a gate that is not open yet, 7 there is none, or a node must be upgraded first."
    )]
    Check(Plain),
    /// Open, for good, what the new version brings; no node can go back to the version before
    #[command(
        after_help = "Examples:\n  symbi-node upgrade finalize\n  symbi-node upgrade finalize --gate 2\n\nUntil then every node can be started with its program of before. Exit code 7 while a node's program\ndoes not speak the gate."
    )]
    Finalize {
        /// The gate; without it the highest that every node speaks
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        gate: Option<u32>,
        /// The node.
        #[command(flatten)]
        context: Context,
    },
}

/// Does it.
pub async fn run(verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Status(Plain { context, output }) => {
            output.print(&status(&context).await?, overview);
            Ok(())
        }
        Verb::Check(Plain { context, output }) => {
            let found = status(&context).await?;
            output.print(&found, overview);
            if found["can_finalize"] == true { Ok(()) } else { Err(nothing_to_open(&found)) }
        }
        Verb::Finalize { gate, context } => {
            let gate = match gate {
                Some(gate) => json!(gate),
                None => status(&context).await?["spoken"].clone(),
            };
            let (body, headers) = (json!({ "gate": gate }), context.write_headers());
            let sent = context.client()?.send(Method::POST, "/api/v1/upgrade/finalize", Some(&body), &headers).await;
            print_json(&sent.map_err(|error| failure(&error))?);
            Ok(())
        }
    }
}

async fn status(context: &Context) -> Result<Value, Failure> {
    context.client()?.get("/api/v1/upgrade").await.map_err(|error| failure(&error))
}

/// Why there is nothing to finalize.
fn nothing_to_open(found: &Value) -> Failure {
    let held_up: Vec<&str> = found["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|node| node["holds_up"] == true)
        .filter_map(|node| node["node"].as_str())
        .collect();
    let unnamed = texts(&found["unnamed"]);
    if !unnamed.is_empty() {
        let why =
            format!("the current policies do not name {}, which gate {} brings", unnamed.join(", "), found["spoken"]);
        let fix = "add the lines above to the policies, or others for the same actions: symbi-node policy apply PATH";
        return Failure::new(7, "ACTIONS_UNNAMED", "the gate cannot be opened yet").why(why).fix(fix);
    }
    let (why, fix) = if held_up.is_empty() {
        let why = format!("gate {} is open, and no node's program speaks a higher one", found["gate"]);
        (why, "start the nodes with a newer version first, one after the other")
    } else {
        let why = format!("the programs of {} speak no higher gate than the one that is open", held_up.join(", "));
        (why, "start those nodes with the new version, then ask again")
    };
    Failure::new(7, "NOTHING_TO_FINALIZE", "there is no gate to open").why(why).fix(fix)
}

fn overview(found: &Value) -> String {
    let mut rows = found["nodes"].clone();
    for row in rows.as_array_mut().into_iter().flatten() {
        row["upgrade first"] = json!(if row["holds_up"] == true { "yes" } else { "" });
    }
    let nodes = table(&rows, &["node", "speaks", "upgrade first"]);
    let lines = texts(&found["lines"]);
    let next = if found["can_finalize"] == true {
        format!("gate {} can be opened: symbi-node upgrade finalize", found["spoken"])
    } else if !lines.is_empty() {
        format!(
            "gate {} can be opened once the policies name what it brings, such as\n{}",
            found["spoken"],
            lines.join("\n")
        )
    } else {
        "there is no gate to open".to_owned()
    };
    format!("gate {} is open; {next}\n{nodes}", found["gate"])
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
