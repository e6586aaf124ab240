//! `user`: who may ask for something over HTTP.

use crate::context::{Context, Plain, failure};
use crate::output::{print_json, table, time};
use crate::value;
use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};
use symbi_server::failure::Failure;

/// The verbs of `user`.
#[derive(Subcommand)]
pub enum Verb {
    /// Add a user, who may nothing until the policies say otherwise, and has no token yet
    #[command(
        after_help = "Examples:\n  symbi-node user add bob\n\nThen give bob a token (symbi-node api-token create), and put bob in a group by an entities.json beside the\npolicies (symbi-node policy apply)."
    )]
    Add {
        /// The name
        #[arg(value_parser = value::label)]
        name: String,
        /// The node.
        #[command(flatten)]
        context: Context,
    },
    /// List users, with the groups that the policies have them in
    #[command(after_help = "Examples:\n  symbi-node user ls")]
    Ls(Plain),
    /// Remove a user with all API tokens, and revoke the join tokens that the user made
    #[command(after_help = "Examples:\n  symbi-node user rm bob")]
    Rm {
        /// The name
        #[arg(value_parser = value::label)]
        name: String,
        /// The node.
        #[command(flatten)]
        context: Context,
    },
}

/// Does it.
pub async fn run(verb: Verb) -> Result<(), Failure> {
    let (sent, context) = match verb {
        Verb::Ls(Plain { context, output }) => {
            let users = context.client()?.get("/api/v1/users").await.map_err(|error| failure(&error))?;
            output.print(&users, list);
            return Ok(());
        }
        Verb::Add { name, context } => {
            ((Method::POST, "/api/v1/users".to_owned(), Some(json!({ "name": name }))), context)
        }
        Verb::Rm { name, context } => {
            let path = format!("/api/v1/users/{}", symbi_api::client::segment(&name));
            ((Method::DELETE, path, None), context)
        }
    };
    let (method, path, body) = sent;
    let answer = context.client()?.send(method, &path, body.as_ref(), &context.write_headers()).await;
    print_json(&answer.map_err(|error| failure(&error))?);
    Ok(())
}

fn list(users: &Value) -> String {
    let mut rows = users.clone();
    for row in rows.as_array_mut().into_iter().flatten() {
        let groups = row["groups"].as_array().into_iter().flatten().filter_map(Value::as_str);
        row["groups"] = Value::String(groups.collect::<Vec<_>>().join(" "));
        row["created"] = Value::String(time(&row["created_ms"]));
    }
    table(&rows, &["name", "groups", "tokens", "created_by", "created"])
}
