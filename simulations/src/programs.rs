//! The agents: an echo, and one that counts what it is asked, asks an echo before it answers, and tells others.
//!
//! Both write down what they are given in the moment of reading it.

use crate::history::{Ban, Given, How, Key, Kind, Sent, Stream, digest};
use crate::setup::Setup;
use crate::trace::Event;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use symbi_sandbox::Scripted;
use symbi_sandbox::rpc::frame::Initialize;
use symbi_sandbox::rpc::{self, CallError, Message};
use symbi_sandbox::scripted::agent::{self, Node};
use tokio::sync::Mutex;

/// How long a counting agent waits for an echo, ms.
const ECHO_MS: u64 = 800;
/// Of so many messages, a counting agent tells others of the first.
const TOLD_OF: u64 = 3;
/// How many tells it then sends, one after the other.
const TELLS: u64 = 3;

/// A driver that knows both, as `echo` and `count`.
#[must_use]
pub fn driver(setup: &Arc<Setup>) -> Scripted {
    let stage = Arc::clone(setup);
    let echo = move |io| {
        let stage = Arc::clone(&stage);
        agent::run(io, move |me, message, _| {
            let one = One { stage: Arc::clone(&stage), me };
            let key = one.given(&message);
            async move { Ok(one.answers(key, message.payload)) }
        })
    };
    let stage = Arc::clone(setup);
    let count = move |io| {
        let (stage, life) = (Arc::clone(&stage), Arc::<Life>::default());
        agent::run(io, move |me, message, node| {
            let (one, life) = (One { stage: Arc::clone(&stage), me }, Arc::clone(&life));
            let key = one.given(&message);
            let count = life.counted.fetch_add(1, Ordering::Relaxed) + 1;
            async move { count_one(&one, &life, key, count, message, &node).await }
        })
    };
    Scripted::new().program("echo", echo).program("count", count)
}

/// What one start of a counting agent remembers.
#[derive(Default)]
struct Life {
    /// Messages it was given.
    counted: AtomicU64,
    /// Its asks.
    asks: Mutex<Option<Stream>>,
    /// Its tells; locked while one leaves, so that they leave in their order.
    tells: Mutex<Option<Stream>>,
}

/// One start of an agent.
struct One {
    /// Where it runs.
    stage: Arc<Setup>,
    /// Who it is.
    me: Initialize,
}

async fn count_one(
    one: &One,
    life: &Life,
    key: Option<Key>,
    count: u64,
    message: Message,
    node: &Node,
) -> Result<Value, CallError> {
    if count % TOLD_OF == 1 {
        let to = format!("echo-{}", count / TOLD_OF % 3 + 1);
        one.tell(life, &to, node).await;
    }
    let echo = match message.payload["through"].as_str() {
        Some(through) => one.ask(life, through, node).await.is_ok(),
        None => false,
    };
    Ok(one.answers(key, json!({ "of": message.payload, "count": count, "echo": echo })))
}

impl One {
    fn stream(&self, what: &str) -> Stream {
        let Initialize { name, epoch, incarnation } = &self.me;
        Stream::new(format!("{name}.{epoch}.{incarnation}.{what}"))
    }

    /// It has read a message.
    fn given(&self, message: &Message) -> Option<Key> {
        let Some(key) = Key::of(&message.payload) else {
            let what = format!("{} was given {} of {}", self.me.name, message.payload, message.from);
            self.stage.recorder.tell(&self.stage.name, Event::Wrong(what));
            return None;
        };
        let kind = match message.kind {
            rpc::Kind::Ask => Kind::Ask,
            rpc::Kind::Tell => Kind::Tell,
        };
        let given = Given {
            key: key.clone(),
            kind,
            from: message.from.clone(),
            agent: self.me.name.clone(),
            life: (self.me.epoch, self.me.incarnation),
        };
        self.stage.recorder.tell(&self.stage.name, Event::Given(given));
        Some(key)
    }

    /// It answers.
    fn answers(&self, key: Option<Key>, answer: Value) -> Value {
        if let Some(key) = key {
            self.stage.recorder.tell(&self.stage.name, Event::Answers { key, digest: digest(&answer) });
        }
        answer
    }

    fn sends(&self, key: &Key, to: &str, within: Option<Duration>) {
        // What is seen of its node lags behind what the node has applied, so this never says too much.
        let forbidden = self.stage.view(|view| Ban::forbids(&view.state, to));
        let (from, to) = (self.me.name.clone(), to.to_owned());
        let kind = if within.is_some() { Kind::Ask } else { Kind::Tell };
        let sent = Sent { key: key.clone(), kind, from, to, forbidden, here: false, within };
        self.stage.recorder.tell(&self.stage.name, Event::Sent(sent));
    }

    async fn ask(&self, life: &Life, to: &str, node: &Node) -> Result<Value, CallError> {
        let key = life.asks.lock().await.get_or_insert_with(|| self.stream("asks")).following();
        self.sends(&key, to, Some(Duration::from_millis(ECHO_MS)));
        let answer = node.ask(to, key.payload(), ECHO_MS).await;
        self.stage.ended(key, Kind::Ask, How::from(&answer));
        answer
    }

    async fn tell(&self, life: &Life, to: &str, node: &Node) {
        let mut stream = life.tells.lock().await;
        let stream = stream.get_or_insert_with(|| self.stream("tells"));
        for _ in 0..TELLS {
            let key = stream.following();
            self.sends(&key, to, None);
            node.tell(to, key.payload()).await;
        }
    }
}
