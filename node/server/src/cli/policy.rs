//! `policy` and `why`: what is permitted, and what led to a decision or a placement.

use super::context::{Context, failure};
use super::output::{Output, cell, pairs, table, time};
use super::value;
use clap::Subcommand;
use serde_json::Value;
use symbi_api::client::segment;
use symbi_node::failure::Failure;

/// The verbs of `policy`.
#[derive(Subcommand)]
pub enum Verb {
    /// Print a policy set
    #[command(after_help = "Examples:\n  symbi-node policy show 1")]
    Show {
        /// Its number [default: the current one]
        number: Option<u64>,
        /// The node.
        #[command(flatten)]
        context: Context,
        /// The form.
        #[command(flatten)]
        output: Output,
    },
}

/// The verbs of `why`.
#[derive(Subcommand)]
pub enum Why {
    /// Explain a verdict: the policies that determined it, and the values
    #[command(after_help = "Examples:\n  symbi-node why decision 1f0c9a2b-0192f3a4-...")]
    Decision {
        /// The decision's id, or a unique beginning of it
        #[arg(value_parser = value::id)]
        id: String,
        /// The node.
        #[command(flatten)]
        context: Context,
        /// The form.
        #[command(flatten)]
        output: Output,
    },
    /// Explain where an agent is, or why it is nowhere
    #[command(after_help = "Examples:\n  symbi-node why agent reviewer-1")]
    Agent {
        /// The agent: its name, its id, or a unique beginning of either
        #[arg(value_parser = value::agent)]
        name: String,
        /// The node.
        #[command(flatten)]
        context: Context,
        /// The form.
        #[command(flatten)]
        output: Output,
    },
}

/// Does it.
pub async fn run(verb: Verb) -> Result<(), Failure> {
    let Verb::Show { number, context, output } = verb;
    let path = number.map_or_else(|| "/api/v1/policies".to_owned(), |number| format!("/api/v1/policies/{number}"));
    let set = context.client()?.get(&path).await.map_err(|error| failure(&error))?;
    output.print(&set, |set| {
        let current = if set["current"] == true { ", the current one" } else { "" };
        format!("// policy set {}{current}, SHA-256 {}\n{}", set["number"], cell(&set["hash"]), cell(&set["text"]))
    });
    Ok(())
}

/// Does it.
pub async fn run_why(why: Why) -> Result<(), Failure> {
    let (path, context, output, print): (String, Context, Output, fn(&Value) -> String) = match why {
        Why::Decision { id, context, output } => {
            (format!("/api/v1/decisions/{}", segment(&id)), context, output, decision)
        }
        Why::Agent { name, context, output } => {
            (format!("/api/v1/agents/{}/why", segment(&name)), context, output, agent)
        }
    };
    let answer = context.client()?.get(&path).await.map_err(|error| failure(&error))?;
    output.print(&answer, print);
    Ok(())
}

fn decision(verdict: &Value) -> String {
    let mut text = pairs(&[
        ("decision", cell(&verdict["decision"])),
        ("verdict", cell(&verdict["verdict"]).to_uppercase()),
        ("reason", cell(&verdict["reason"])),
        ("at", time(&verdict["at_ms"])),
        ("policy set", cell(&verdict["policy_set"])),
        ("principal", cell(&verdict["principal"])),
        ("action", cell(&verdict["action"])),
        ("resource", cell(&verdict["resource"])),
    ]);
    for (name, value) in verdict["values"].as_object().into_iter().flatten() {
        text.push_str(&format!("\n  {name} = {}", cell(value)));
    }
    for policy in verdict["policies"].as_array().into_iter().flatten() {
        text.push_str(&format!("\n\ndetermined by {}:\n{}", cell(&policy["id"]), cell(&policy["text"])));
    }
    text
}

fn agent(why: &Value) -> String {
    let head = pairs(&[
        ("agent", cell(&why["agent"])),
        ("node", cell(&why["node"])),
        ("epoch", cell(&why["epoch"])),
        ("state", cell(&why["state"])),
        ("detail", cell(&why["detail"])),
        ("why", cell(&why["why"])),
    ]);
    format!("{head}\n\n{}", table(&why["nodes"], &["node", "reason"]))
}
