//! The command line: noun, then verb. Parsing and printing only; what a verb means is decided by the node that it asks.

use crate::{agent, api_token, audit, bench, cluster, context, msg, policy, start, token, upgrade, usage, user};
use clap::{CommandFactory, Parser, Subcommand};
use std::ffi::OsString;
use symbi_server::failure::Failure;

/// A node of a cluster that runs AI agents.
///
/// Without a verb it starts a node: in an empty data directory as a cluster of one, with --join as a new member of a
/// cluster, in a used data directory as what it was.
#[derive(Parser)]
#[command(
    name = "symbi-node",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  symbi-node --data-dir d1                                  a new cluster of one\n  symbi-node --data-dir d2 --join 127.0.0.1:7400 --token T  one node more\n  symbi-node cluster status                                 its state\n\nExit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 denied, 5 no leader or unreachable, 6 deadline,\n7 refused to protect the cluster, 10 integrity failure, 130 interrupted, 20-29 join (see 'symbi-node start --help')."
)]
pub struct Arguments {
    /// What to do; none starts a node.
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The flags of `start`, for when there is no verb.
    #[command(flatten)]
    start: start::Start,
}

/// The nouns and verbs.
#[derive(Subcommand)]
enum Verb {
    /// Start a node
    #[command(after_help = start::HELP)]
    Start(start::Start),
    /// Make, list and revoke join tokens
    #[command(subcommand, after_help = "Examples:\n  symbi-node token create --uses 2 --print-join-command")]
    Token(token::Verb),
    /// Add, list and remove users
    #[command(subcommand, after_help = "Examples:\n  symbi-node user add bob\n  symbi-node user ls")]
    User(user::Verb),
    /// Make, list and revoke API tokens
    #[command(subcommand, after_help = "Examples:\n  symbi-node api-token create bob --action cluster::read")]
    ApiToken(api_token::Verb),
    /// Show the cluster
    #[command(subcommand, after_help = "Examples:\n  symbi-node cluster status -o json")]
    Cluster(cluster::ClusterVerb),
    /// Show and remove nodes
    #[command(subcommand, after_help = "Examples:\n  symbi-node node ls\n  symbi-node node remove n3")]
    Node(cluster::NodeVerb),
    /// Run agents and talk to them
    #[command(
        subcommand,
        after_help = "Examples:\n  symbi-node agent run reviewer.toml --wait\n  symbi-node agent ask reviewer-1 '{\"name\": \"serde\"}'"
    )]
    Agent(agent::Verb),
    /// Apply, show, compare and test policies
    #[command(
        subcommand,
        after_help = "Examples:\n  symbi-node policy show\n  symbi-node policy apply policies/ --dry-run\n  symbi-node policy test cases.toml --path policies/"
    )]
    Policy(policy::Verb),
    /// Explain a decision or a placement
    #[command(subcommand, after_help = "Examples:\n  symbi-node why agent reviewer-1")]
    Why(policy::Why),
    /// Show what became of a message
    #[command(subcommand, after_help = "Examples:\n  symbi-node msg show 0198a6b2-7c1")]
    Msg(msg::Verb),
    /// Read, export and verify the audit chain
    #[command(
        subcommand,
        after_help = "Examples:\n  symbi-node audit export --bundle b.jsonl\n  symbi-node audit verify b.jsonl --anchor HASH"
    )]
    Audit(audit::Verb),
    /// Show how far an upgrade is, and open what the new version brings
    #[command(subcommand, after_help = "Examples:\n  symbi-node upgrade status\n  symbi-node upgrade finalize")]
    Upgrade(upgrade::Verb),
    /// Measure how fast a running cluster is
    #[command(
        subcommand,
        after_help = "Examples:\n  symbi-node bench write --clients 64 --seconds 10\n  symbi-node bench ask --clients 64 --sessions 100 -o json"
    )]
    Bench(bench::Verb),
    /// Print the version
    #[command(after_help = "Examples:\n  symbi-node version")]
    Version,
}

/// Reads a command line, the program's own name first. Help and version are printed, and end the process.
///
/// # Errors
/// What is wrong with it.
pub fn parse(words: Vec<OsString>) -> Result<Arguments, Failure> {
    Arguments::try_parse_from(&words).map_err(|error| {
        if !error.use_stderr() {
            error.exit();
        }
        let mut root = Arguments::command();
        root.build();
        usage::failure(&error, &root, &words)
    })
}

/// Does what was asked.
///
/// # Errors
/// What the operator is told, with the exit code.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.verb {
        None => start::run(arguments.start),
        Some(Verb::Start(start)) => start::run(start),
        Some(Verb::Version) => {
            println!("symbi-node {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        Some(Verb::Audit(audit::Verb::Verify(verify))) if verify.is_offline() => audit::verify_file(&verify),
        Some(verb) => client_runtime()?.block_on(ask_a_node(verb)),
    }
}

async fn ask_a_node(verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Token(verb) => token::run(verb).await,
        Verb::User(verb) => user::run(verb).await,
        Verb::ApiToken(verb) => api_token::run(verb).await,
        Verb::Cluster(verb) => cluster::run_cluster(verb).await,
        Verb::Node(verb) => cluster::run_node(verb).await,
        Verb::Agent(verb) => agent::run(verb).await,
        Verb::Policy(verb) => policy::run(verb).await,
        Verb::Why(verb) => policy::run_why(verb).await,
        Verb::Msg(verb) => msg::run(verb).await,
        Verb::Audit(verb) => audit::run(verb).await,
        Verb::Upgrade(verb) => upgrade::run(verb).await,
        Verb::Bench(verb) => bench::run(verb).await,
        Verb::Start(_) | Verb::Version => unreachable!("handled before a client is made"),
    }
}

fn client_runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| context::no_runtime(&error))
}

#[cfg(test)]
mod tests;
