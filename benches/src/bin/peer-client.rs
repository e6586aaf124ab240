//! The clients of `scripts/bench-peers.sh`: the work of `symbi-node bench`, done by etcd or NATS, told in the same JSON.
//!
//! `etcd`: puts of 256 bytes to one member. `nats-request`: requests of 256 bytes from a client of one server to one of
//! another, with their answers. `nats-publish`: messages that way without answers; NATS tells nobody whether they arrived,
//! so what is counted is what came out at the other end, and no more than [`WINDOW`] are on their way.

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use symbi_api::bench::tally::{Tally, measure};
use symbi_api::bench::{BYTES, Figures, Found, Order, Work, note};
use symbi_api::dto::bench::report;
use symbi_benches::peers::{etcd, nats};
use tokio::sync::{Mutex, Semaphore, oneshot};

/// Messages on their way at most, so that no server drops a receiver for being slow.
const WINDOW: usize = 16 * 1024;
/// Connections to etcd, which the clients share: more, or fewer, made it slower.
const CONNECTIONS: usize = 8;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (Some(work), Some(order)) = (words.first(), order(&words)) else {
        eprintln!("usage: peer-client etcd|nats-request|nats-publish CLIENTS SECONDS ADDRESS [ADDRESS]");
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let measured = runtime.block_on(async {
        match *work {
            "etcd" => puts(&order, words[3]).await,
            "nats-request" => requests(&order, words[3], words.get(4).unwrap_or(&words[3])).await,
            _ => publications(&order, words[3], words.get(4).unwrap_or(&words[3])).await,
        }
    });
    match measured {
        Ok(figures) => {
            let report = report(&order, work, &Found::Whole(figures));
            println!("{:#}", serde_json::to_value(report).expect("numbers and texts"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("peer-client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn order(words: &[&str]) -> Option<Order> {
    let work = match *words.first()? {
        "etcd" => Work::Write,
        "nats-request" => Work::Ask,
        "nats-publish" => Work::Tell,
        _ => return None,
    };
    let (clients, seconds) = (words.get(1)?.parse().ok()?, words.get(2)?.parse().ok()?);
    words.get(3)?;
    let length = Duration::from_secs(seconds);
    Some(Order { work, clients, length, sessions: 1, layers: None, user: String::new() })
}

/// What stops a run before it begins.
type Failed = Box<dyn Error + Send + Sync>;

async fn puts(order: &Order, address: &str) -> Result<Figures, Failed> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS.min(order.clients) {
        connections.push(etcd::Connection::open(address).await?);
    }
    let connections = Arc::new(connections);
    Ok(measure(order.clients, order.length, move |client, done| {
        let connection = connections[client % connections.len()].clone();
        async move {
            let began = Instant::now();
            let (key, value) = (format!("bench/client-{client}"), note(done));
            connection.put(key.as_bytes(), value.as_bytes()).await?;
            Ok(began.elapsed())
        }
    })
    .await)
}

/// Questions that are open, by the subject on which their answer comes.
type Open = Arc<Mutex<BTreeMap<String, oneshot::Sender<()>>>>;

async fn requests(order: &Order, address: &str, other: &str) -> Result<Figures, Failed> {
    let (answering, mut asked) = nats::open(other).await?;
    answering.subscribe("echo").await;
    tokio::spawn(async move {
        while let Some(message) = asked.recv().await {
            answering.publish(&message.reply, "", &message.payload).await;
        }
    });
    let (asking, mut answers) = nats::open(address).await?;
    asking.subscribe("inbox.*").await;
    let open = Open::default();
    let waiting = Arc::clone(&open);
    tokio::spawn(async move {
        while let Some(message) = answers.recv().await {
            if let Some(reply) = waiting.lock().await.remove(&message.subject) {
                let _ = reply.send(());
            }
        }
    });
    // Until the other server's subscription is known at this one.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let payload = vec![b'x'; BYTES];
    Ok(measure(order.clients, order.length, move |client, done| {
        let (asking, open, payload) = (asking.clone(), Arc::clone(&open), payload.clone());
        async move {
            let (began, inbox) = (Instant::now(), format!("inbox.{client}-{done}"));
            let (reply, answer) = oneshot::channel();
            open.lock().await.insert(inbox.clone(), reply);
            asking.publish("echo", &inbox, &payload).await;
            match tokio::time::timeout(PATIENCE, answer).await {
                Ok(Ok(())) => Ok(began.elapsed()),
                _ => Err("no answer".to_owned()),
            }
        }
    })
    .await)
}

async fn publications(order: &Order, address: &str, other: &str) -> Result<Figures, Failed> {
    let (receiving, mut received) = nats::open(other).await?;
    receiving.subscribe("told").await;
    let (telling, _nothing) = nats::open(address).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (room, tally, epoch) = (Arc::new(Semaphore::new(WINDOW)), Arc::new(Tally::default()), Instant::now());
    let (freed, counted, arrived) = (Arc::clone(&room), Arc::clone(&tally), Arc::new(AtomicU64::new(0)));
    let come = Arc::clone(&arrived);
    tokio::spawn(async move {
        while let Some(message) = received.recv().await {
            let mut sent = [0; 8];
            sent.copy_from_slice(&message.payload[..8]);
            let took = epoch.elapsed().saturating_sub(Duration::from_nanos(u64::from_be_bytes(sent)));
            counted.count(0, &Ok(took));
            come.fetch_add(1, Ordering::Relaxed);
            freed.add_permits(1);
        }
    });
    let began = Instant::now();
    let mut payload = vec![b'x'; BYTES];
    let mut sent = 0;
    while began.elapsed() < order.length {
        let permit = tokio::time::timeout(PATIENCE, room.acquire()).await.map_err(|_| "nothing arrives any more")?;
        permit?.forget();
        let now = u64::try_from(epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
        payload[..8].copy_from_slice(&now.to_be_bytes());
        telling.publish("told", "", &payload).await;
        sent += 1;
    }
    let until = Instant::now() + PATIENCE;
    while arrived.load(Ordering::Relaxed) < sent && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let elapsed = began.elapsed();
    let mut figures = tally.figures(elapsed);
    let lost = sent - figures.operations.min(sent);
    if lost > 0 {
        figures.errors.insert("lost".to_owned(), lost);
    }
    Ok(figures)
}
