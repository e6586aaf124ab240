//! `api-token`: what opens the HTTP interface.

use crate::context::{Context, Plain, failure};
use crate::output::{Output, print_json, table, time};
use crate::value;
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};
use std::time::Duration;
use symbi_server::failure::Failure;

/// The verbs of `api-token`.
#[derive(Subcommand)]
pub enum Verb {
    /// Make an API token of a user; its text is shown only once
    #[command(
        after_help = "Examples:\n  symbi-node api-token create bob --action agent::create --action cluster::read --ttl 30d\n  symbi-node api-token create admin --ttl forever > new.token\n\nTo rotate admin.token, make another token of admin, put it where the old one was, and revoke the old one."
    )]
    Create(Create),
    /// List API tokens
    #[command(after_help = "Examples:\n  symbi-node api-token ls")]
    Ls(Plain),
    /// Revoke an API token
    #[command(after_help = "Examples:\n  symbi-node api-token revoke 4f2a91c07be3")]
    Revoke {
        /// The token's id, 12 hex digits, as `api-token ls` prints it
        #[arg(value_parser = value::api_token_id)]
        id: String,
        /// The node.
        #[command(flatten)]
        context: Context,
    },
}

/// The flags of `api-token create`.
#[derive(Args)]
pub struct Create {
    /// The user for whom whoever shows it acts
    #[arg(value_parser = value::label)]
    user: String,
    /// An action that it is good for, if the user may do that; may be given several times [default: all]
    #[arg(long = "action", value_name = "ACTION", value_parser = value::action)]
    actions: Vec<String>,
    /// For how long, at most ten years, or forever
    #[arg(long, default_value = "90d", value_name = "DURATION", value_parser = value::api_life)]
    ttl: value::Life,
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
            let tokens = context.client()?.get("/api/v1/api-tokens").await.map_err(|error| failure(&error))?;
            output.print(&tokens, list);
            Ok(())
        }
        Verb::Revoke { id, context } => {
            let path = format!("/api/v1/api-tokens/{}", symbi_api::client::segment(&id));
            let sent = context.client()?.send(Method::DELETE, &path, None, &context.write_headers()).await;
            print_json(&sent.map_err(|error| failure(&error))?);
            Ok(())
        }
    }
}

async fn create(create: Create) -> Result<(), Failure> {
    let millis = |life: Duration| u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
    let scope = (!create.actions.is_empty()).then_some(&create.actions);
    let body = json!({ "user": create.user, "scope": scope, "ttl_ms": create.ttl.0.map(millis) });
    let headers = create.context.deadline_header();
    let sent = create.context.client()?.send(Method::POST, "/api/v1/api-tokens", Some(&body), &headers).await;
    let created = sent.map_err(|error| failure(&error))?;
    create.output.print(&created, |created| created["token"].as_str().unwrap_or_default().to_owned());
    Ok(())
}

fn list(tokens: &Value) -> String {
    let mut rows = tokens.clone();
    for row in rows.as_array_mut().into_iter().flatten() {
        let actions = row["scope"].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>();
        row["actions"] = Value::String(if row["scope"].is_null() { "all".to_owned() } else { actions.join(" ") });
        row["expires"] =
            if row["expires_ms"].is_null() { Value::Null } else { Value::String(time(&row["expires_ms"])) };
    }
    table(&rows, &["id", "user", "state", "expires", "created_by", "actions"])
}
