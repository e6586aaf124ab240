//! `agent start`, `restart`, `update` and `rollback`: what has an agent run anew.

use super::{Again, Update, get, read_spec, wait_running};
use crate::context::{Context, failure};
use crate::lookup::path;
use crate::output::{cell, print_json};
use hyper::Method;
use serde_json::{Value, json};
use symbi_server::failure::Failure;

/// Asks for `verb`, and waits until the agent runs under another epoch than now, if that is wanted.
pub(super) async fn again(again: Again, verb: &str) -> Result<(), Failure> {
    let before = get(&again.context, &path(&again.name, "")).await?;
    let at = again.version.map(|version| format!("?version={version}")).unwrap_or_default();
    let client = again.context.client()?;
    let headers = again.context.write_headers();
    let sent = client.send(Method::POST, &path(&again.name, &format!("/{verb}{at}")), None, &headers).await;
    let written = sent.map_err(|error| failure(&error))?;
    if again.wait {
        // Only what starts has another epoch to wait for.
        let runs = before["desired"] == "running" && before["state"] != "completed" && before["state"] != "failed";
        let left = before["epoch"].as_u64().filter(|_| verb != "start" || !runs);
        wait(&again.context, &before, left, &written).await?;
    }
    print_json(&written);
    Ok(())
}

/// Shows what a specification changes, and has it changed unless this is a dry run.
pub(super) async fn update(update: Update) -> Result<(), Failure> {
    let (name, body) = read_spec(&update.file)?;
    let before = get(&update.context, &path(&name, "")).await?;
    // Without a version of the user's own, what was just read is what is meant.
    let version = update.version.or_else(|| before["version"].as_u64()).unwrap_or_default();
    let at = format!("/spec?version={version}&dry_run={}", update.dry_run);
    let client = update.context.client()?;
    let headers = update.context.write_headers();
    let sent = client.send(Method::PUT, &path(&name, &at), Some(&body), &headers).await;
    let updated = sent.map_err(|error| failure(&error))?;
    if update.wait && updated["written"] == true && before["desired"] == "running" {
        wait(&update.context, &before, before["epoch"].as_u64(), &updated).await?;
    }
    update.output.print(&updated, |updated| shown(&name, updated, update.dry_run));
    Ok(())
}

/// What changes, a line a field.
fn shown(name: &str, updated: &Value, dry_run: bool) -> String {
    let changes = updated["changes"].as_array().cloned().unwrap_or_default();
    let mut lines = vec![match (changes.is_empty(), dry_run) {
        (true, _) => format!("agent {name} has this specification; nothing changes"),
        (false, true) => format!("agent {name} would change, and be started anew if it runs:"),
        (false, false) => format!("agent {name} is changed, version {}:", updated["version"]),
    }];
    for change in &changes {
        let value = |value: &Value| if value.is_null() { "nothing".to_owned() } else { value.to_string() };
        lines.push(format!("  {}: {} -> {}", cell(&change["field"]), value(&change["from"]), value(&change["to"])));
    }
    lines.join("\n")
}

/// Waits until the agent runs under another epoch than the one that it leaves.
async fn wait(context: &Context, before: &Value, left: Option<u64>, written: &Value) -> Result<(), Failure> {
    let written = json!({ "name": before["name"], "index": written["index"] });
    wait_running(&context.client()?, &written, left, context.timeout()).await
}

#[cfg(test)]
mod tests {
    use super::shown;
    use serde_json::json;

    #[test]
    fn changes_are_shown_line_by_line() {
        let changes = json!([
            { "field": "program.env.K", "from": null, "to": "***" },
            { "field": "resources.memory_mb", "from": 128, "to": 64 },
        ]);
        let text = shown("a", &json!({ "version": 3, "changes": changes }), false);
        let lines = [
            "agent a is changed, version 3:",
            "  program.env.K: nothing -> \"***\"",
            "  resources.memory_mb: 128 -> 64",
        ];
        assert_eq!(text, lines.join("\n"));
        assert!(shown("a", &json!({ "changes": [] }), true).ends_with("nothing changes"));
    }
}
