//! An agent that is read, by the beginning of its name or id. A node knows whole ones only; so a verb that changes, stops or
//! sends something takes those.

use crate::context::failure;
use crate::output::cell;
use serde_json::Value;
use symbi_api::client::{Client, Error, segment};
use symbi_server::failure::Failure;

/// The most agents that are named when a beginning fits several.
const NAMED: usize = 8;

/// The path of an agent, or of what is below it.
pub fn path(name: &str, rest: &str) -> String {
    format!("/api/v1/agents/{}{rest}", segment(name))
}

/// Reads `rest` of the agent that `wanted` names, or is the beginning of and of no other.
///
/// # Errors
/// The node's refusal; `AMBIGUOUS` with the agents that it fits.
pub async fn read(client: &Client, wanted: &str, rest: &str) -> Result<Value, Failure> {
    let missing = match client.get(&path(wanted, rest)).await {
        Err(error @ Error::Refused { .. }) if is_missing(&error) => failure(&error),
        answer => return answer.map_err(|error| failure(&error)),
    };
    let found = client.get(&format!("/api/v1/agents?prefix={}", segment(wanted))).await;
    let found = found.map_err(|error| failure(&error))?;
    let names: Vec<String> = found.as_array().into_iter().flatten().map(|agent| cell(&agent["name"])).collect();
    match names.as_slice() {
        [] => Err(missing),
        [only] => client.get(&path(only, rest)).await.map_err(|error| failure(&error)),
        several => Err(ambiguous(wanted, several)),
    }
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Refused { code, .. } if code == "NOT_FOUND")
}

fn ambiguous(wanted: &str, names: &[String]) -> Failure {
    let more = names.len().saturating_sub(NAMED);
    let mut shown = names[..names.len() - more].join(", ");
    if more > 0 {
        shown.push_str(&format!(" and {more} more"));
    }
    Failure::new(2, "AMBIGUOUS", format!("{} agents begin with {wanted:?}", names.len()))
        .why(format!("they are {shown}"))
        .fix("give more of the name, or all of it")
}
