//! The programs that test agents run.

use serde_json::{Value, json};
use std::future::pending;
use std::time::Duration;
use symbi_sandbox::Scripted;
use symbi_sandbox::rpc::{CallError, Level};
use symbi_sandbox::scripted::agent;

/// A driver that knows them all.
pub fn all() -> Scripted {
    bad(tellers(good(Scripted::new())))
}

/// Agents as they should be.
fn good(driver: Scripted) -> Scripted {
    driver
        // Answers what it was sent.
        .program("echo", |io| agent::run(io, |_, message, _| async move { Ok(message.payload) }))
        // Answers who it is and what it was told of its sender.
        .program("mirror", |io| {
            agent::run(io, |me, message, _| async move {
                Ok(json!({ "name": me.name, "epoch": me.epoch, "incarnation": me.incarnation, "from": message.from }))
            })
        })
        // Asks whom it is told to, and answers what came of it.
        .program("relay", |io| {
            agent::run(io, |_, message, node| async move {
                let to = message.payload["to"].as_str().unwrap_or_default().to_owned();
                match node.ask(&to, message.payload["payload"].clone(), 5_000).await {
                    Ok(answer) => Ok(json!({ "answer": answer })),
                    Err(error) => Ok(json!({ "code": error.code, "data": error.data })),
                }
            })
        })
        // Logs the numbers that it is told.
        .program("numbers", |io| {
            agent::run(io, |_, message, node| async move {
                node.log(Level::Info, &message.payload["number"].to_string()).await;
                Ok(Value::Null)
            })
        })
        // Logs the first line that it is told, and does as it says.
        .program("candid", |mut io| async move {
            let first = io.stdin.recv().await.unwrap();
            io.log(first.clone());
            let first: Value = serde_json::from_slice(&first).unwrap();
            io.stdout.write(json!({ "jsonrpc": "2.0", "id": first["id"], "result": null }).to_string()).await;
            while io.stdin.recv().await.is_some() {}
            0
        })
        // Asks seven seconds after it was told to, and logs what came of it.
        .program("late", |io| {
            agent::run(io, |_, message, node| async move {
                tokio::time::sleep(Duration::from_secs(7)).await;
                let to = message.payload.as_str().unwrap_or_default().to_owned();
                let said = node.ask(&to, Value::Null, 1_000).await;
                node.log(Level::Info, &format!("{said:?}")).await;
                Ok(Value::Null)
            })
        })
        // Logs what it is told.
        .program("scribe", |io| {
            agent::run(io, |_, message, node| async move {
                node.log(Level::Info, &message.payload.to_string()).await;
                Ok(Value::Null)
            })
        })
}

/// Agents that tell others much.
fn tellers(driver: Scripted) -> Scripted {
    driver
        // Tells whom it is told to, one number after the other.
        .program("teller", |io| {
            agent::run(io, |_, message, node| async move {
                let to = message.payload["to"].as_str().unwrap_or_default().to_owned();
                for number in 0..message.payload["count"].as_u64().unwrap_or_default() {
                    node.tell(&to, json!(number)).await;
                }
                Ok(Value::Null)
            })
        })
        // The same with an object that holds the number, every other one of them 900 KB long.
        .program("mixer", |io| {
            agent::run(io, |_, message, node| async move {
                let to = message.payload["to"].as_str().unwrap_or_default().to_owned();
                for number in 0..message.payload["count"].as_u64().unwrap_or_default() {
                    let filling = if number % 2 == 0 { "x".repeat(900_000) } else { String::new() };
                    node.tell(&to, json!({ "number": number, "filling": filling })).await;
                }
                Ok(Value::Null)
            })
        })
        // Asks whom it is told to so many times at once, one mebibyte each, and answers with the codes of what came of it.
        .program("boaster", |io| {
            agent::run(io, |_, message, node| async move {
                let to = message.payload["to"].as_str().unwrap_or_default().to_owned();
                let asks = (0..message.payload["count"].as_u64().unwrap_or_default()).map(|_| {
                    let (to, node) = (to.clone(), node.clone());
                    async move { node.ask(&to, Value::String("x".repeat((1 << 20) - 2)), 2_000).await }
                });
                let said = futures::future::join_all(asks).await.into_iter();
                Ok(said.map(|said| said.map_or_else(|error| error.code, |_| 0)).collect())
            })
        })
        // Tells whom it is told to one mebibyte at a time, and logs each.
        .program("flood", |io| {
            agent::run(io, |_, message, node| async move {
                let to = message.payload["to"].as_str().unwrap_or_default().to_owned();
                for number in 0..message.payload["count"].as_u64().unwrap_or_default() {
                    node.tell(&to, Value::String("x".repeat((1 << 20) - 2))).await;
                    node.log(Level::Info, &number.to_string()).await;
                }
                Ok(Value::Null)
            })
        })
}

/// Agents as they are too.
fn bad(driver: Scripted) -> Scripted {
    driver
        // Answers that it cannot.
        .program("refuser", |io| agent::run(io, |_, _, _| async move { Err(CallError::new(7, "no")) }))
        // Takes messages and never answers.
        .program("mute", |io| agent::run(io, |_, _, _| pending()))
        // Answers what it was sent, and nothing to "ignore".
        .program("picky", |io| {
            agent::run(io, |_, message, _| async move {
                if message.payload == json!("ignore") { pending().await } else { Ok(message.payload) }
            })
        })
        // Answers after two seconds.
        .program("slow", |io| {
            agent::run(io, |_, message, _| async move {
                tokio::time::sleep(Duration::from_secs(2)).await;
                Ok(message.payload)
            })
        })
        // Says that it is there, and never reads again.
        .program("deaf", |mut io| async move {
            let first: Value = serde_json::from_slice(&io.stdin.recv().await.unwrap()).unwrap();
            io.stdout.write(json!({ "jsonrpc": "2.0", "id": first["id"], "result": null }).to_string()).await;
            let _open = io;
            pending().await
        })
        // Dies of its first message.
        .program("fragile", |io| async move {
            tokio::select! {
                code = agent::run(io, |_, message, _| async move { if message.payload != json!("spare") { panic!() } Ok(json!("spared")) }) => code,
                () = pending() => 0,
            }
        })
        .program("fails", |_| async { 3 })
        .program("succeeds", |_| async { 0 })
        // Says something that is no JSON.
        .program("garbage", |io| async move {
            let io = io;
            io.stdout.write("Traceback (most recent call last):").await;
            pending().await
        })
        // Never answers `initialize`.
        .program("silent", |io| async move {
            let _io = io;
            pending().await
        })
        // Ignores being asked to end.
        .program("stubborn", |io| {
            let told = io.on_terminate();
            async move {
                let code = agent::run(io, |_, message, _| async move { Ok(message.payload) }).await;
                drop(told);
                code
            }
        })
}
