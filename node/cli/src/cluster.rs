//! `cluster` and `node`: what the cluster looks like to the node that answers, and the removal of a node.

use crate::context::{Context, Plain, failure};
use crate::output::{cell, print_json, table};
use crate::value;
use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use symbi_api::client::segment;
use symbi_server::failure::Failure;
use symbi_server::options::NODE_LABEL;

/// The columns of the nodes.
const COLUMNS: &[&str] = &["node", "role", "state", "addr", "ver", "rtt", "cpu", "mem", "agents", "sandbox", "last"];
/// The digits of the audit head that are shown.
const HEAD_DIGITS: usize = 12;

/// The verbs of `cluster`.
#[derive(Subcommand)]
pub enum ClusterVerb {
    /// Show leader, indices, nodes and audit head, as one node has them
    #[command(after_help = "Examples:\n  symbi-node cluster status -o json")]
    Status(Plain),
}

/// The verbs of `node`.
#[derive(Subcommand)]
pub enum NodeVerb {
    /// List the nodes
    #[command(after_help = "Examples:\n  symbi-node node ls -o json")]
    Ls(Plain),
    /// Remove a node for good; it must be down, and its key is never used again
    #[command(
        after_help = "Examples:\n  symbi-node node remove n3\n  symbi-node node remove n3 --yes\n\nExit codes: 0 removed, 3 no such node, 4 denied, 5 no leader, 7 it is up, holds agents, or is needed for a majority."
    )]
    Remove {
        /// The node: its whole name or id
        #[arg(value_parser = value::node)]
        name: String,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
        /// The node.
        #[command(flatten)]
        context: Context,
    },
}

/// Does it.
pub async fn run_cluster(verb: ClusterVerb) -> Result<(), Failure> {
    let ClusterVerb::Status(Plain { context, output }) = verb;
    let status = context.client()?.get("/api/v1/cluster").await.map_err(|error| failure(&error))?;
    output.print(&status, overview);
    Ok(())
}

/// Does it.
pub async fn run_node(verb: NodeVerb) -> Result<(), Failure> {
    match verb {
        NodeVerb::Ls(Plain { context, output }) => {
            let found = context.client()?.get("/api/v1/nodes?consistency=local").await;
            output.print(&found.map_err(|error| failure(&error))?, |nodes| {
                table(&rows(nodes, &Value::Null), &[COLUMNS, &["labels"]].concat())
            });
            Ok(())
        }
        NodeVerb::Remove { name, yes, context } => {
            let client = context.client()?;
            if !yes {
                confirm(&name)?;
            }
            let path = format!("/api/v1/nodes/{}", segment(&name));
            let sent = client.send(Method::DELETE, &path, None, &context.write_headers()).await;
            print_json(&sent.map_err(|error| failure(&error))?);
            Ok(())
        }
    }
}

/// Asks a person; a script says it beforehand.
fn confirm(name: &str) -> Result<(), Failure> {
    let unconfirmed = |why: &str| {
        Failure::new(2, "UNCONFIRMED", format!("node {name} was not removed"))
            .why(why)
            .fix(format!("symbi-node node remove {name} --yes"))
            .undo("nothing was changed")
    };
    let input = std::io::stdin();
    if !rustix::termios::isatty(&input) {
        return Err(unconfirmed("a removal is for good, and there is no terminal to ask on"));
    }
    eprint!("remove node {name} for good? Its key is never used again. [y/N] ");
    // A terminal that cannot show the question cannot answer it either.
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = input.lock().read_line(&mut answer);
    let is_yes = matches!(answer.trim().to_lowercase().as_str(), "y" | "yes");
    if read.is_ok() && is_yes { Ok(()) } else { Err(unconfirmed("it was not confirmed")) }
}

/// The nodes as lines of the table; `answering` is the name of the node that answers.
fn rows(nodes: &Value, answering: &Value) -> Value {
    nodes.as_array().into_iter().flatten().map(|node| row(node, answering)).collect()
}

fn row(node: &Value, answering: &Value) -> Value {
    let name = cell(&node["name"]);
    let star = if node["name"].is_string() && node["name"] == *answering { " *" } else { "" };
    let leader = if node["leader"] == true { ",leader" } else { "" };
    let words = |value: &Value| value.as_array().into_iter().flatten().map(cell).collect::<Vec<_>>();
    let own = format!("{NODE_LABEL}{name}");
    let labels: Vec<String> = words(&node["labels"]).into_iter().filter(|label| *label != own).collect();
    let usage = &node["usage"];
    json!({
        "node": format!("{name}{star}"),
        "role": format!("{}{leader}", cell(&node["role"])),
        "state": node["state"],
        "addr": node["addr"],
        "ver": node["version"],
        "rtt": node["round_trip_us"].as_u64().map(milliseconds),
        "cpu": percent(&usage["cpu_used_millis"], &usage["cpu_total_millis"]),
        "mem": percent(&usage["memory_used_mb"], &usage["memory_total_mb"]),
        "agents": node["agents"],
        "sandbox": words(&node["sandbox"]).join(","),
        "last": node["heard_ms"].as_u64().map(ago),
        "labels": if labels.is_empty() { Value::Null } else { labels.join(",").into() },
    })
}

fn percent(used: &Value, total: &Value) -> Option<String> {
    let (used, total) = (used.as_u64()?, total.as_u64()?);
    Some(format!("{}%", used.saturating_mul(100).checked_div(total)?))
}

/// Microseconds as milliseconds with one digit behind the point.
fn milliseconds(us: u64) -> String {
    let tenths = us.div_ceil(100);
    format!("{}.{}ms", tenths / 10, tenths % 10)
}

fn ago(ms: u64) -> String {
    match ms {
        0..100 => "now".to_owned(),
        100..60_000 => format!("{}.{}s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{}m", ms / 60_000),
    }
}

fn overview(status: &Value) -> String {
    let (cluster, quorum, audit) = (&status["cluster"], &status["quorum"], &status["audit"]);
    let head = cell(&audit["head"]);
    let head = head.get(..HEAD_DIGITS).unwrap_or(&head);
    let health = if status["healthy"] == true { "HEALTHY" } else { "UNHEALTHY" };
    let survives = match quorum["survives"].as_u64() {
        Some(1) => "survives 1 failure".to_owned(),
        Some(failures) => format!("survives {failures} failures"),
        None => "no majority".to_owned(),
    };
    let mut lines = vec![
        format!(
            "CLUSTER {}  id {}  {health}  leader {} (term {})  commit {}  audit head {} {head}",
            cell(&cluster["name"]),
            cell(&cluster["id"]),
            cell(&status["leader"]),
            status["term"],
            status["commit_index"],
            audit["records"],
        ),
        format!(
            "QUORUM  {}/{} voters, {survives}   policies v{}   version {}",
            quorum["heard"],
            quorum["voters"],
            status["policy_set"],
            cell(&status["version"]),
        ),
        format!(
            "HERE    applied {}  leader heard {}  anchor {}",
            status["applied_index"],
            status["age_ms"].as_u64().map_or_else(|| "never".to_owned(), ago),
            cell(&cluster["anchor"]),
        ),
        format!("WITNESS to record {}  pin {}", audit["witnessed"], cell(&cluster["pin"])),
    ];
    let missing = audit["missing"].as_array().into_iter().flatten();
    lines.extend(missing.map(|range| {
        format!("AUDIT   of log entries {} to {} is not on this node yet: it is being fetched", range[0], range[1])
    }));
    let problems = status["problems"].as_array().into_iter().flatten();
    lines.extend(problems.map(|problem| format!("PROBLEM {}", cell(problem))));
    format!("{}\n\n{}", lines.join("\n"), table(&rows(&status["nodes"], &status["node"]), COLUMNS))
}
