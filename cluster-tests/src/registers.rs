//! Clients that read and write a few keys that they share, while a cluster suffers, and the history of what they saw.
//!
//! Each client has one operation under way, at a node drawn anew for each attempt: an agent's annotations, with linearizable
//! reads. A write that was not acknowledged is sent again under the same request key, or given up: then it may still take
//! effect.

use crate::eventually;
use hyper::Method;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use symbi_api::client::{Client, Error};
use symbi_history::{History, MOST};
use tokio::task::JoinHandle;

/// How long a client waits for one node.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// The deadline it gives the node, a little shorter.
const DEADLINE_MS: u64 = 1_200;
/// How many keys are used at a time: few, so that operations meet.
const KEYS: u64 = 3;
/// How many operations are on a key before other keys are used.
const OPERATIONS: u64 = 800;
/// The most annotations that an agent has.
const ANNOTATIONS: u64 = 64;
/// Between two operations of a client, ms: a test's time is spent on faults, and not on operations that meet none.
const PAUSE_MS: std::ops::Range<u64> = 5..40;

/// Clients at work.
pub struct Registers {
    /// The clients.
    clients: Vec<JoinHandle<()>>,
    /// What they share.
    shared: Arc<Shared>,
}

/// What clients share.
struct Shared {
    /// What was called and has returned.
    history: Mutex<History>,
    /// Since when.
    began: Instant,
    /// How many operations were called.
    called: AtomicU64,
    /// How many have returned.
    returned: AtomicU64,
    /// Tells the clients to end after their present operation.
    ending: AtomicBool,
    /// The agent whose annotations the keys are.
    agent: String,
    /// The nodes.
    nodes: Vec<Client>,
}

impl Registers {
    /// Starts `count` clients on annotations of `agent`.
    #[must_use]
    pub fn start(count: usize, agent: &str, nodes: &[Client]) -> Self {
        let shared = Arc::new(Shared {
            history: Mutex::default(),
            began: Instant::now(),
            called: AtomicU64::new(0),
            returned: AtomicU64::new(0),
            ending: AtomicBool::new(false),
            agent: agent.to_owned(),
            nodes: nodes.iter().map(|node| Client { timeout: PATIENCE, ..node.clone() }).collect(),
        });
        let client = |number: usize| Register {
            name: format!("c{number}"),
            shared: shared.clone(),
            random: StdRng::from_os_rng(),
            writes: 0,
        };
        let clients = (0..count).map(|number| tokio::spawn(client(number).run())).collect();
        Self { clients, shared }
    }

    /// Waits until `more` operations have returned from now on.
    pub async fn go_on(&self, more: u64) {
        let from = self.shared.returned.load(Ordering::Relaxed);
        let what = format!("{more} more operations return");
        eventually(&what, 2 * crate::SOON, async || {
            let come = self.shared.returned.load(Ordering::Relaxed) - from;
            anyhow::ensure!(come >= more, "{come} have returned");
            Ok(())
        })
        .await;
    }

    /// Lets each client end its present operation, and answers the history.
    ///
    /// # Panics
    /// When a client met a refusal that no fault explains.
    pub async fn end(self) -> History {
        self.shared.ending.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.expect("a client that met no wrong refusal");
        }
        self.shared.history().clone()
    }
}

impl Shared {
    /// Calls and returns are recorded in the order in which they come here: a call before it is sent, a return after its
    /// answer came.
    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// The key of the next operation; none when every key has had as many as are judged.
    fn key(&self) -> Option<String> {
        const { assert!(OPERATIONS <= MOST as u64, "more operations of a key than are judged") };
        let number = self.called.fetch_add(1, Ordering::Relaxed);
        let key = number / (KEYS * OPERATIONS) * KEYS + number % KEYS;
        (key < ANNOTATIONS).then(|| format!("k{key}"))
    }
}

/// One client.
struct Register {
    /// Which.
    name: String,
    /// What all share.
    shared: Arc<Shared>,
    /// From which everything is drawn.
    random: StdRng,
    /// How many writes it has made.
    writes: u64,
}

impl Register {
    async fn run(mut self) {
        while !self.shared.ending.load(Ordering::Relaxed)
            && let Some(key) = self.shared.key()
        {
            if self.random.random() {
                self.write(&key).await;
            } else {
                self.read(&key).await;
            }
            tokio::time::sleep(Duration::from_millis(self.random.random_range(PAUSE_MS))).await;
        }
    }

    fn node(&mut self) -> Client {
        self.shared.nodes.choose(&mut self.random).expect("at least one node").clone()
    }

    async fn read(&mut self, key: &str) {
        let (path, node) = (format!("/api/v1/agents/{}", self.shared.agent), self.node());
        let ticket = self.shared.history().read(&self.name, key, self.shared.now());
        // A read that fails says nothing, and is not repeated.
        let Ok(agent) = node.get(&path).await else { return };
        let value = agent["annotations"][key].as_str().map(str::to_owned);
        self.shared.history().saw(&ticket, value, self.shared.now());
        self.shared.returned.fetch_add(1, Ordering::Relaxed);
    }

    async fn write(&mut self, key: &str) {
        self.writes += 1;
        let value = format!("{}.{}", self.name, self.writes);
        let path = format!("/api/v1/agents/{}/annotations/{key}", self.shared.agent);
        let body = json!({ "value": value });
        let headers = [("idempotency-key", request()), ("symbi-timeout-ms", DEADLINE_MS.to_string())];
        let ticket = self.shared.history().write(&self.name, key, Some(value), self.shared.now());
        loop {
            let node = self.node();
            match node.send(Method::PUT, &path, Some(&body), &headers).await {
                Ok(_) => break,
                Err(Error::Refused { code, message, .. }) if !crate::writers::AGAIN.contains(&code.as_str()) => {
                    panic!("{} to {key}: {code}: {message}", self.name)
                }
                Err(_) if self.random.random_ratio(1, 4) => return,
                // A node that is down refuses at once: without a pause the others would be drowned in attempts.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        self.shared.history().wrote(&ticket, self.shared.now());
        self.shared.returned.fetch_add(1, Ordering::Relaxed);
    }
}

/// A request key that nobody else has: a client of its own, which makes one write.
fn request() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    let id = symbi_api::keys::uuid_v7(u64::try_from(now.as_millis()).expect("a clock before 586524107"));
    format!("{id}:1")
}
