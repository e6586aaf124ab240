//! `policy` and `why`: what is permitted, and what led to a decision or a placement.

mod cases;
mod source;

use crate::context::{Context, Plain, failure};
use crate::lookup;
use crate::output::{Output, cell, pairs, table, time};
use crate::value;
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};
use source::Source;
use std::path::PathBuf;
use symbi_api::client::{Error, segment};
use symbi_server::failure::Failure;

/// The verbs of `policy`.
#[derive(Subcommand)]
pub enum Verb {
    /// Check policies and make them the current set
    #[command(
        after_help = "Examples:\n  symbi-node policy apply policies/ --dry-run\n  symbi-node policy apply admin.cedar\n\nA folder is one set: its .cedar files in the order of their names, and entities.json, which says who is in which group:\n  [{\"uid\": {\"type\": \"User\", \"id\": \"bob\"}, \"parents\": [{\"type\": \"Group\", \"id\": \"ops\"}]}]\n\nExit codes: 0 applied, 2 not valid, 4 denied, 7 refused since you could not apply another set under it."
    )]
    Apply(Apply),
    /// List policy sets, the latest first
    #[command(after_help = "Examples:\n  symbi-node policy ls")]
    Ls(Plain),
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
    /// Show what differs between two policy sets, policy by policy
    #[command(after_help = "Examples:\n  symbi-node policy diff 1 2")]
    Diff {
        /// The number of the first set
        from: u64,
        /// The number of the second set
        to: u64,
        /// The node.
        #[command(flatten)]
        context: Context,
        /// The form.
        #[command(flatten)]
        output: Output,
    },
    /// Make a new policy set with the content of an old one
    #[command(after_help = "Examples:\n  symbi-node policy rollback 1")]
    Rollback {
        /// The old one's number
        number: u64,
        /// Do everything but the write itself
        #[arg(long)]
        dry_run: bool,
        /// The node.
        #[command(flatten)]
        context: Context,
        /// The form.
        #[command(flatten)]
        output: Output,
    },
    /// Print what policies can refer to: principals, resources, actions
    #[command(after_help = "Examples:\n  symbi-node policy schema")]
    Schema(Plain),
    /// Test a policy set: put cases to it and compare the verdicts with those expected
    #[command(
        after_help = "Examples:\n  symbi-node policy test cases.toml\n  symbi-node policy test cases.toml --path policies/     without a node\n\nCases:\n  [[case]]\n  name = \"agents of one owner may talk\"\n  principal = { agent = \"a\", owner = \"demo\" }       # or user, node, cluster; also tier, labels, groups\n  action = \"message::ask\"\n  resource = { agent = \"b\", owner = \"demo\", labels = [\"team=x\"] }\n  expect = \"allow\"                                 # or deny\n  by = \"same-owner-may-message\"                    # optional: a policy that must be among those that decide\n\nExit codes: 0 all passed, 1 some failed, 2 the cases or the policies are not valid."
    )]
    Test(Test),
}

/// The flags of `policy apply`.
#[derive(Args)]
pub struct Apply {
    /// A .cedar file, or a folder of them
    #[arg(value_parser = value::path)]
    path: PathBuf,
    /// Do everything but the write itself
    #[arg(long)]
    dry_run: bool,
    /// The node.
    #[command(flatten)]
    context: Context,
    /// The form.
    #[command(flatten)]
    output: Output,
}

/// The flags of `policy test`.
#[derive(Args)]
pub struct Test {
    /// The cases, TOML
    #[arg(value_parser = value::path)]
    cases: PathBuf,
    /// Policies to try, a .cedar file or a folder of them [default: the cluster's current set]
    #[arg(long, value_name = "PATH", value_parser = value::path)]
    path: Option<PathBuf>,
    /// The node.
    #[command(flatten)]
    context: Context,
    /// The form.
    #[command(flatten)]
    output: Output,
}

/// The verbs of `why`.
#[derive(Subcommand)]
pub enum Why {
    /// Explain a verdict: the policies that determined it, and the values
    #[command(
        after_help = "Examples:\n  symbi-node why decision 1f0c9a2b-0198a6b2-7c1e-7d3f-8a51-5f0f8a3b6c11\n  symbi-node why decision 1f0c9a2b-0198a6b2-7c1 -o json\n\nA node keeps its last 10,000 verdicts, and every one that denied something as long as its ledger.\nOf an older one the ledger has the message that it allowed, and the audit chain the command (found by\nthe whole id): 'worked out' says which of them. Exit code 3 when nothing is known of it, 5 when its\nnode does not answer, or cannot read its ledger."
    )]
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
    /// Explain why an agent is where it is, or why no node runs it
    #[command(after_help = "Examples:\n  symbi-node why agent reviewer-1")]
    Agent {
        /// The agent: its name or id, or the beginning of one that fits no other
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
    match verb {
        Verb::Apply(wanted) => apply(wanted).await,
        Verb::Ls(Plain { context, output }) => {
            output.print(&get(&context, "/api/v1/policies/sets").await?, sets);
            Ok(())
        }
        Verb::Show { number, context, output } => {
            let path = number.map_or_else(String::new, |number| format!("/{number}"));
            output.print(&get(&context, &format!("/api/v1/policies{path}")).await?, set);
            Ok(())
        }
        Verb::Diff { from, to, context, output } => {
            output.print(&get(&context, &format!("/api/v1/policies/{from}/diff/{to}")).await?, diff);
            Ok(())
        }
        Verb::Rollback { number, dry_run, context, output } => {
            let path = format!("/api/v1/policies/{number}/rollback?dry_run={dry_run}");
            let sent = context.client()?.send(Method::POST, &path, None, &context.write_headers()).await;
            output.print(&sent.map_err(|error| failure(&error))?, applied);
            Ok(())
        }
        Verb::Schema(Plain { context, output }) => {
            let schema = get(&context, "/api/v1/policies/schema").await?;
            output.print(&schema, |schema| cell(&schema["schema"]).trim_end().to_owned());
            Ok(())
        }
        Verb::Test(test) => cases::run(test).await,
    }
}

async fn get(context: &Context, path: &str) -> Result<Value, Failure> {
    context.client()?.get(path).await.map_err(|error| failure(&error))
}

async fn apply(wanted: Apply) -> Result<(), Failure> {
    let Apply { path, dry_run, context, output } = wanted;
    let source = Source::read(&path)?;
    let body = json!({ "text": source.text, "entities": source.entities });
    let path = format!("/api/v1/policies?dry_run={dry_run}");
    let sent = context.client()?.send(Method::POST, &path, Some(&body), &context.write_headers()).await;
    let answer = sent.map_err(|error| match &error {
        Error::Refused { code, details, .. } if code == "POLICY_INVALID" => source.refused(details),
        _ => failure(&error),
    })?;
    output.print(&answer, applied);
    Ok(())
}

fn applied(answer: &Value) -> String {
    let (policies, hash) = (&answer["policies"], cell(&answer["hash"]));
    if answer["dry_run"] == true {
        return format!("valid: {policies} policies, SHA-256 {hash}; nothing was applied");
    }
    let (number, index) = (&answer["number"], &answer["index"]);
    format!("policy set {number} is in force from index {index} on: {policies} policies, SHA-256 {hash}")
}

fn sets(sets: &Value) -> String {
    let mut rows = sets.clone();
    for row in rows.as_array_mut().into_iter().flatten() {
        row["at"] = Value::String(time(&row["at_ms"]));
        row["current"] = Value::String(if row["current"] == true { "*" } else { "" }.to_owned());
        row["sha-256"] = Value::String(cell(&row["hash"]).chars().take(12).collect());
    }
    table(&rows, &["number", "current", "at", "index", "actor", "sha-256"])
}

fn set(set: &Value) -> String {
    let current = if set["current"] == true { ", the current one" } else { "" };
    let head = format!("// policy set {}{current}, SHA-256 {}", set["number"], cell(&set["hash"]));
    let from = format!("// applied by {} at {}, index {}", cell(&set["actor"]), time(&set["at_ms"]), set["index"]);
    let text = format!("{head}\n{from}\n{}", cell(&set["text"]));
    match set["entities"].as_str() {
        Some(entities) if entities.trim() != symbi_model::policy::NO_ENTITIES => {
            format!("{}\n\n// entities.json\n{}", text.trim_end(), entities.trim_end())
        }
        _ => text,
    }
}

fn diff(diff: &Value) -> String {
    let clauses = diff["clauses"].as_array().map_or(&[][..], Vec::as_slice);
    let (from, to) = (&diff["from"], &diff["to"]);
    if clauses.is_empty() {
        return format!("policy sets {from} and {to} say the same");
    }
    let mut text = format!("--- policy set {from}\n+++ policy set {to}");
    for clause in clauses {
        text.push_str(&format!("\n@@ {} @@", cell(&clause["clause"])));
        for line in clause["lines"].as_array().into_iter().flatten() {
            text.push_str(&format!("\n{}", cell(line)));
        }
    }
    text
}

/// Does it.
pub async fn run_why(why: Why) -> Result<(), Failure> {
    match why {
        Why::Decision { id, context, output } => {
            let found = context.client()?.get(&format!("/api/v1/decisions/{}", segment(&id))).await;
            output.print(&found.map_err(|error| failure(&error))?, decision);
        }
        Why::Agent { name, context, output } => {
            let found = lookup::read(&context.client()?, &name, "/why").await?;
            output.print(&found, agent);
        }
    }
    Ok(())
}

fn decision(verdict: &Value) -> String {
    let mut fields = vec![
        ("decision", cell(&verdict["decision"])),
        ("verdict", cell(&verdict["verdict"]).to_uppercase()),
        ("reason", cell(&verdict["reason"])),
        ("at", time(&verdict["at_ms"])),
        ("policy set", cell(&verdict["policy_set"])),
        ("principal", cell(&verdict["principal"])),
        ("action", cell(&verdict["action"])),
        ("resource", cell(&verdict["resource"])),
    ];
    fields.extend(verdict["worked_out"].as_str().map(|from| ("worked out", from.to_owned())));
    let mut text = pairs(&fields);
    for (name, value) in verdict["values"].as_object().into_iter().flatten() {
        text.push_str(&format!("\n  {name} = {}", cell(value)));
    }
    for policy in verdict["policies"].as_array().into_iter().flatten() {
        text.push_str(&format!("\n\ndetermined by {}:\n{}", cell(&policy["id"]), cell(&policy["text"])));
    }
    for error in verdict["errors"].as_array().into_iter().flatten() {
        text.push_str(&format!("\n\ncannot be evaluated: {}", cell(error)));
    }
    for nearest in verdict["nearest"].as_array().into_iter().flatten() {
        text.push_str(&format!("\n\n{}", clauses(nearest).join("\n")));
    }
    text
}

/// A policy that came near, and each of its clauses with whether it holds and what it saw.
fn clauses(nearest: &Value) -> Vec<String> {
    let all = nearest["clauses"].as_array().map_or(&[][..], Vec::as_slice);
    let (policy, held, of) = (cell(&nearest["policy"]), &nearest["held"], all.len());
    let mut lines = vec![format!("nearest permit {policy}: {held} of {of} clauses hold")];
    for clause in all {
        lines.push(format!("  {:5}  {}", cell(&clause["holds"]), cell(&clause["clause"])));
        lines.extend(clause["error"].as_str().map(|error| format!("           {error}")));
        let values = clause["values"].as_object().into_iter().flatten();
        lines.extend(values.map(|(name, value)| format!("           {name} = {}", cell(value))));
    }
    lines
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
