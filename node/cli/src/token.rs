//! `token`: what lets nodes join.

use crate::context::{Context, Plain, failure};
use crate::output::{Output, print_json, table, time};
use crate::value;
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};
use std::time::Duration;
use symbi_server::failure::Failure;

/// The verbs of `token`.
#[derive(Subcommand)]
pub enum Verb {
    /// Make a join token; its text is shown only once
    #[command(after_help = "Examples:\n  symbi-node token create --uses 2 --ttl 1h --print-join-command")]
    Create(Create),
    /// List join tokens
    #[command(after_help = "Examples:\n  symbi-node token ls")]
    Ls(Plain),
    /// Revoke a join token
    #[command(after_help = "Examples:\n  symbi-node token revoke 4f2a91c07be3")]
    Revoke {
        /// The token's id, 12 hex digits, as `token ls` prints it
        #[arg(value_parser = value::token_id)]
        id: String,
        /// The node.
        #[command(flatten)]
        context: Context,
    },
}

/// The flags of `token create`.
#[derive(Args)]
pub struct Create {
    /// How many nodes may join with it
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    uses: u32,
    /// For how long
    #[arg(long, default_value = "24h", value_name = "DURATION", value_parser = value::life)]
    ttl: Duration,
    /// Print the whole command that joins a node
    #[arg(long)]
    print_join_command: bool,
    /// The node.
    #[command(flatten)]
    context: Context,
    /// The form.
    #[command(flatten)]
    output: Output,
}

/// Does it.
pub async fn run(verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Create(create) => self::create(create).await,
        Verb::Ls(Plain { context, output }) => {
            let tokens = context.client()?.get("/api/v1/tokens").await.map_err(|error| failure(&error))?;
            output.print(&tokens, list);
            Ok(())
        }
        Verb::Revoke { id, context } => {
            let path = format!("/api/v1/tokens/{}", symbi_api::client::segment(&id));
            let sent = context.client()?.send(Method::DELETE, &path, None, &context.write_headers()).await;
            print_json(&sent.map_err(|error| failure(&error))?);
            Ok(())
        }
    }
}

async fn create(create: Create) -> Result<(), Failure> {
    let ttl_ms = u64::try_from(create.ttl.as_millis()).unwrap_or(u64::MAX);
    let body = json!({ "uses": create.uses, "ttl_ms": ttl_ms });
    let headers = create.context.deadline_header();
    let sent = create.context.client()?.send(Method::POST, "/api/v1/tokens", Some(&body), &headers).await;
    let created = sent.map_err(|error| failure(&error))?;
    let shown = if create.print_join_command { "join_command" } else { "token" };
    create.output.print(&created, |created| created[shown].as_str().unwrap_or_default().to_owned());
    Ok(())
}

fn list(tokens: &Value) -> String {
    let mut rows = tokens.clone();
    for row in rows.as_array_mut().into_iter().flatten() {
        row["expires"] = Value::String(time(&row["expires_ms"]));
    }
    table(&rows, &["id", "state", "uses", "used", "expires", "user"])
}
