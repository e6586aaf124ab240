//! Clients that write annotations while a cluster suffers.
//!
//! Each client has a key of its own and one write in flight. It sends a write to one node after the other, always with the
//! same request id, until one of them acknowledges it: so every write is acknowledged in the end, and must be there once.

use hyper::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use symbi_api::client::{Client, Error};
use tokio::task::JoinHandle;

/// How long a client waits for one node before it asks the next.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// The deadline it gives the node, a little shorter.
const DEADLINE_MS: u64 = 2_000;
/// A client writes its values to so many keys in turn, so that a lost write is not always covered by the next.
const SLOTS: u64 = 4;
/// Refusals after which nobody knows whether the write was done, or that it was not: the same write may be sent again.
const AGAIN: &[&str] = &[
    "NO_LEADER",
    "OUTCOME_UNKNOWN",
    "UNAVAILABLE",
    "DEADLINE",
    "STOPPING",
    "NOT_LEADING",
    "POLICY_MOVED",
    "CLOCK_SKEW",
];

/// Writers at work.
pub struct Writers {
    /// The clients.
    clients: Vec<JoinHandle<BTreeMap<String, String>>>,
    /// Tells them to end after their present write.
    ending: Arc<AtomicBool>,
    /// How many writes were acknowledged, of all clients.
    acknowledged: Arc<AtomicU64>,
}

/// What writers have done.
pub struct Written {
    /// How many writes were acknowledged.
    pub writes: u64,
    /// The last acknowledged value of each annotation.
    pub values: BTreeMap<String, String>,
}

impl Writers {
    /// Starts `count` clients that annotate `agent` through these nodes.
    #[must_use]
    pub fn start(count: usize, agent: &str, nodes: &[Client]) -> Self {
        let (ending, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = |number: usize| Writer {
            number,
            agent: agent.to_owned(),
            nodes: nodes.iter().map(|node| Client { timeout: PATIENCE, ..node.clone() }).collect(),
            ending: ending.clone(),
            acknowledged: acknowledged.clone(),
        };
        let clients = (0..count).map(|number| tokio::spawn(client(number).run())).collect();
        Self { clients, ending, acknowledged }
    }

    /// How many writes were acknowledged so far.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until `more` writes were acknowledged from now on.
    pub async fn go_on(&self, more: u64) {
        let from = self.acknowledged();
        let what = format!("{more} more writes are acknowledged");
        crate::eventually(&what, 2 * crate::SOON, async || {
            let come = self.acknowledged() - from;
            anyhow::ensure!(come >= more, "{come} have come");
            Ok(())
        })
        .await;
    }

    /// Lets each client end its present write, and answers what was written.
    ///
    /// # Panics
    /// When a client met a refusal that no fault explains.
    pub async fn end(self) -> Written {
        self.ending.store(true, Ordering::Relaxed);
        let mut values = BTreeMap::new();
        for client in self.clients {
            values.append(&mut client.await.expect("a writer that met no wrong refusal"));
        }
        Written { writes: self.acknowledged.load(Ordering::Relaxed), values }
    }
}

impl Written {
    /// Checks a record that was at version `before` when the writers began: every write is there, and none twice.
    ///
    /// # Panics
    /// When it does not hold.
    pub fn is_there_once(&self, agent: &Value, before: u64) {
        assert_eq!(agent["version"], before + self.writes, "each of {} writes raises the version once", self.writes);
        for (key, value) in &self.values {
            assert_eq!(agent["annotations"][key], *value, "the last acknowledged value of {key}");
        }
    }
}

/// One client.
struct Writer {
    /// Which.
    number: usize,
    /// Whom it annotates.
    agent: String,
    /// Whom it asks, in turn.
    nodes: Vec<Client>,
    /// Whether to end.
    ending: Arc<AtomicBool>,
    /// The count of all.
    acknowledged: Arc<AtomicU64>,
}

impl Writer {
    async fn run(self) -> BTreeMap<String, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        let id = symbi_api::keys::uuid_v7(u64::try_from(now.as_millis()).expect("a clock before 586524107"));
        let mut last = BTreeMap::new();
        for sequence in 1.. {
            if self.ending.load(Ordering::Relaxed) {
                break;
            }
            let key = format!("c{}-{}", self.number, sequence % SLOTS);
            let value = sequence.to_string();
            self.write(&key, &value, &format!("{id}:{sequence}")).await;
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
            last.insert(key, value);
        }
        last
    }

    /// Sends one write until it is acknowledged.
    async fn write(&self, key: &str, value: &str, request: &str) {
        let path = format!("/api/v1/agents/{}/annotations/{key}", self.agent);
        let body = json!({ "value": value });
        let headers = [("idempotency-key", request.to_owned()), ("symbi-timeout-ms", DEADLINE_MS.to_string())];
        for attempt in self.number.. {
            let node = &self.nodes[attempt % self.nodes.len()];
            match node.send(Method::PUT, &path, Some(&body), &headers).await {
                Ok(_) => return,
                Err(Error::Refused { code, message, .. }) if !AGAIN.contains(&code.as_str()) => {
                    panic!("client {}, {key} = {value}: {code}: {message}", self.number)
                }
                // A node that is down refuses at once: without a pause the others would be drowned in attempts.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}
