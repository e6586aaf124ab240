//! `cluster` and `node`: what the cluster looks like to the node that answers.

use super::context::{Context, failure};
use super::output::{Output, cell, pairs, table};
use clap::Subcommand;
use serde_json::Value;
use symbi_node::failure::Failure;

/// The verbs of `cluster`.
#[derive(Subcommand)]
pub enum ClusterVerb {
    /// Show leader, indices, nodes and audit head, as one node has them
    #[command(after_help = "Examples:\n  symbi-node cluster status -o json")]
    Status {
        /// The node.
        #[command(flatten)]
        context: Context,
        /// The form.
        #[command(flatten)]
        output: Output,
    },
}

/// The verbs of `node`.
#[derive(Subcommand)]
pub enum NodeVerb {
    /// List the nodes
    #[command(after_help = "Examples:\n  symbi-node node ls -o json")]
    Ls {
        /// The node.
        #[command(flatten)]
        context: Context,
        /// The form.
        #[command(flatten)]
        output: Output,
    },
}

/// Does it.
pub async fn run_cluster(verb: ClusterVerb) -> Result<(), Failure> {
    let ClusterVerb::Status { context, output } = verb;
    let status = context.client()?.get("/api/v1/cluster").await.map_err(|error| failure(&error))?;
    output.print(&status, overview);
    Ok(())
}

/// Does it.
pub async fn run_node(verb: NodeVerb) -> Result<(), Failure> {
    let NodeVerb::Ls { context, output } = verb;
    let nodes = context.client()?.get("/api/v1/nodes?consistency=local").await.map_err(|error| failure(&error))?;
    output.print(&nodes, nodes_table);
    Ok(())
}

fn nodes_table(nodes: &Value) -> String {
    table(nodes, &["name", "role", "state", "addr", "agents", "memory_mb", "reserved_mb"])
}

fn overview(status: &Value) -> String {
    let head = pairs(&[
        ("cluster", format!("{}  id {}", cell(&status["cluster"]["name"]), cell(&status["cluster"]["id"]))),
        ("anchor", cell(&status["cluster"]["anchor"])),
        ("leader", format!("{}  term {}", cell(&status["leader"]), status["term"])),
        (
            "log",
            format!(
                "committed {}  applied here {}  heard {} ms ago",
                status["commit_index"], status["applied_index"], status["age_ms"]
            ),
        ),
        ("policies", format!("set {}", status["policy_set"])),
        ("audit", format!("{} records  head {}", status["audit"]["records"], cell(&status["audit"]["head"]))),
    ]);
    format!("{head}\n\n{}", nodes_table(&status["nodes"]))
}
