//! The agents: an echo, and one that counts what it is asked and asks an echo before it answers.

use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use symbi_sandbox::Scripted;
use symbi_sandbox::scripted::agent;

/// How long a counting agent waits for an echo, ms.
const ECHO_MS: u64 = 800;

/// A driver that knows both, as `echo` and `count`.
#[must_use]
pub fn driver() -> Scripted {
    let echo = |io| agent::run(io, |_, message, _| async move { Ok(message.payload) });
    let count = |io| {
        let counted = Arc::new(AtomicU64::new(0));
        agent::run(io, move |_, message, node| {
            let count = counted.fetch_add(1, Ordering::Relaxed) + 1;
            async move {
                let asked = message.payload["n"].clone();
                let echo = match message.payload["through"].as_str() {
                    Some(through) => node.ask(through, json!({ "n": asked }), ECHO_MS).await,
                    None => Ok(Value::Null),
                };
                // Whether the echo answered is its asker's business; that what it said is right is checked by ours.
                Ok(json!({ "n": asked, "count": count, "echo": echo.ok() }))
            }
        })
    };
    Scripted::new().program("echo", echo).program("count", count)
}
