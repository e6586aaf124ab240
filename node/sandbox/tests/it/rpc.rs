//! JSON-RPC against programs that say exactly what a test wants.

use serde_json::{Value, json};
use symbi_sandbox::rpc::frame::Frame;
use symbi_sandbox::rpc::{self, CallError, Client, Inbound, Kind, Level, Message};
use symbi_sandbox::scripted::{Io, agent};
use symbi_sandbox::{Driver, Exit, Instance, Launch, Scripted};
use tokio::sync::{mpsc, watch};

/// An agent played by a test: it reads what the agent would read, and says what the agent would say.
struct Played {
    /// What the node calls it by.
    client: Client,
    /// What it sends to the node.
    inbound: mpsc::Receiver<Inbound>,
    /// How it has ended.
    exit: watch::Receiver<Option<Exit>>,
    /// Its next lines.
    say: mpsc::Sender<String>,
    /// The lines that it was sent.
    heard: mpsc::Receiver<Value>,
}

async fn play() -> Played {
    let (say, said) = mpsc::channel::<String>(1);
    let (hear, heard) = mpsc::channel(1024);
    let said = std::sync::Mutex::new(Some((said, hear)));
    let driver = Scripted::new().program("played", move |mut io: Io| {
        let (mut said, hear) = said.lock().unwrap().take().unwrap();
        async move {
            loop {
                tokio::select! {
                    line = said.recv() => match line {
                        Some(line) => io.stdout.write(line).await,
                        None => return 0,
                    },
                    Some(line) = io.stdin.recv() => {
                        hear.send(serde_json::from_slice(&line).unwrap()).await.unwrap();
                    }
                }
            }
        }
    });
    let (client, inbound, exit) = connect(&driver, "played").await;
    Played { client, inbound, exit, say, heard }
}

async fn connect(driver: &Scripted, program: &str) -> (Client, mpsc::Receiver<Inbound>, watch::Receiver<Option<Exit>>) {
    let launch = Launch { agent: "a".to_owned(), command: vec![program.to_owned()], ..Launch::default() };
    let Instance { stdin, stdout, exit, stopper, .. } = driver.start(launch).await.unwrap();
    let (client, inbound) = rpc::connect(stdin, stdout, stopper);
    (client, inbound, exit)
}

impl Played {
    async fn say(&self, line: Value) {
        self.say.send(line.to_string()).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        self.heard.recv().await.unwrap()
    }

    async fn broken(mut self) -> String {
        let Some(Inbound::Broken(reason)) = self.inbound.recv().await else { panic!("it is not noticed") };
        assert!(self.inbound.recv().await.is_none());
        assert_eq!(symbi_sandbox::driver::ended(&mut self.exit).await.reason, reason);
        reason
    }
}

fn message(id: u32) -> Message {
    Message { id: format!("m{id}"), kind: Kind::Ask, from: "b".to_owned(), deadline_ms: 9, payload: json!(id) }
}

#[tokio::test(start_paused = true)]
async fn answers_come_in_any_order_and_errors_are_answers() {
    let mut played = play().await;
    let client = played.client.clone();
    let calls = tokio::spawn(async move { tokio::join!(client.message(message(1)), client.message(message(2))) });
    let (first, second) = (played.hear().await, played.hear().await);
    assert_eq!((&first["params"]["payload"], &second["params"]["payload"]), (&json!(1), &json!(2)));
    played.say(json!({ "jsonrpc": "2.0", "id": second["id"], "error": { "code": 5, "message": "no" } })).await;
    played.say(json!({ "jsonrpc": "2.0", "id": first["id"], "result": null })).await;
    let (one, two) = calls.await.unwrap();
    assert_eq!(one, Ok(Value::Null));
    assert_eq!(two, Err(rpc::Error::Refused(CallError::new(5, "no"))));
}

#[tokio::test(start_paused = true)]
async fn initialize_waits_ten_seconds() {
    let mut played = play().await;
    let began = tokio::time::Instant::now();
    assert_eq!(played.client.initialize("a", 1, 2).await, Err(rpc::Error::NotInitialized));
    assert_eq!(began.elapsed(), rpc::INITIALIZE);
    let heard = played.hear().await;
    assert_eq!(heard["params"], json!({ "name": "a", "epoch": 1, "incarnation": 2 }));
    played.say(json!({ "jsonrpc": "2.0", "id": heard["id"], "result": null })).await;
    played.say(json!({ "jsonrpc": "2.0", "method": "log", "params": { "level": "info", "text": "late" } })).await;
    let heard = played.inbound.recv().await;
    assert!(matches!(heard, Some(Inbound::Log { .. })), "a late answer is ignored: {heard:?}");
}

#[tokio::test(start_paused = true)]
async fn asks_are_answered_by_whoever_hears_them() {
    let mut played = play().await;
    for id in [json!("x"), json!(1), json!(-3)] {
        played
            .say(json!({ "jsonrpc": "2.0", "id": id, "method": "ask", "params": { "to": "b", "payload": [1] } }))
            .await;
        let Some(Inbound::Ask { to, payload, timeout_ms, reply }) = played.inbound.recv().await else { panic!() };
        assert_eq!((to.as_str(), payload, timeout_ms), ("b", json!([1]), 30_000));
        reply.send(Ok(json!({ "it": "is" }))).unwrap();
        assert_eq!(played.hear().await, json!({ "jsonrpc": "2.0", "id": id, "result": { "it": "is" } }));
    }
    let errors = [
        (
            CallError::denied("d-1", "not yours"),
            -32001,
            json!({ "ending": "denied", "decision": "d-1", "reason": "not yours" }),
        ),
        (CallError::not_delivered("gone"), -32002, json!({ "ending": "not_delivered", "reason": "gone" })),
        (CallError::deadline_exceeded(true), -32003, json!({ "ending": "deadline_exceeded", "delivered": true })),
        (CallError::outcome_unknown("m-1"), -32004, json!({ "ending": "outcome_unknown", "message_id": "m-1" })),
    ];
    for (error, code, data) in errors {
        played.say(json!({ "jsonrpc": "2.0", "id": 2, "method": "ask", "params": { "to": "b", "payload": 1, "timeout_ms": 5 } })).await;
        let Some(Inbound::Ask { timeout_ms: 5, reply, .. }) = played.inbound.recv().await else { panic!() };
        reply.send(Err(error)).unwrap();
        let heard = played.hear().await;
        assert_eq!((&heard["error"]["code"], &heard["error"]["data"]), (&json!(code), &data));
    }
    played.say(json!({ "jsonrpc": "2.0", "id": 3, "method": "ask", "params": { "to": "b", "payload": 1 } })).await;
    drop(played.inbound.recv().await);
    assert_eq!(played.hear().await["error"]["code"], json!(CallError::INTERNAL), "a reply that is dropped");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_call_of_the_protocol_is_refused_and_harms_nothing() {
    let mut played = play().await;
    let wrong = [
        ("publish", json!({}), CallError::METHOD_NOT_FOUND),
        ("ask", json!({ "to": "b" }), CallError::INVALID_PARAMS),
        ("ask", json!({ "to": "b", "payload": 1, "timeout": 1 }), CallError::INVALID_PARAMS),
        ("ask", json!({ "to": 1, "payload": 1 }), CallError::INVALID_PARAMS),
        ("ask", json!({ "to": "b", "payload": 1, "timeout_ms": -1 }), CallError::INVALID_PARAMS),
        ("tell", json!({ "to": "b", "payload": 1 }), CallError::INVALID_REQUEST),
        ("log", json!({ "level": "info", "text": "" }), CallError::INVALID_REQUEST),
    ];
    for (method, params, code) in wrong {
        played.say(json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })).await;
        assert_eq!(played.hear().await["error"]["code"], json!(code), "{method} {params}");
    }
    for (method, params, complaint) in [
        ("publish", json!({}), "there is no method \"publish\""),
        ("ask", json!({ "to": "b", "payload": 1 }), "ask is a request"),
        ("log", json!({ "level": "loud", "text": "x" }), "parameters of log"),
    ] {
        played.say(json!({ "jsonrpc": "2.0", "method": method, "params": params })).await;
        let Some(Inbound::Log { level: Level::Warn, text }) = played.inbound.recv().await else { panic!() };
        assert!(text.contains(complaint), "{text}");
    }
    played.say.send("  \t".to_owned()).await.unwrap();
    played.say(json!({ "jsonrpc": "2.0", "method": "tell", "params": { "to": "b", "payload": null } })).await;
    let Some(Inbound::Tell { to, payload: Value::Null }) = played.inbound.recv().await else { panic!() };
    assert_eq!(to, "b");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_breaks_the_protocol_is_ended_for_it() {
    for (line, reason) in [
        ("Traceback (most recent call last):", "not JSON"),
        ("[]", "not an object of JSON-RPC 2.0"),
        (r#"{"jsonrpc":"2.0","id":1,"result":1}"#, "it answers a call that was never made"),
        (r#"{"jsonrpc":"2.0","id":"1","result":1}"#, "it answers a call that was never made"),
    ] {
        let played = play().await;
        played.say.send(line.to_owned()).await.unwrap();
        let told = played.broken().await;
        assert!(told.contains(reason), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn too_many_open_asks_are_refused() {
    let mut played = play().await;
    let ask = json!({ "jsonrpc": "2.0", "id": 1, "method": "ask", "params": { "to": "b", "payload": 1 } });
    let mut open = Vec::new();
    for _ in 0..rpc::ASKS {
        played.say(ask.clone()).await;
        open.push(played.inbound.recv().await);
    }
    played.say(ask.clone()).await;
    assert_eq!(played.hear().await["error"]["code"], json!(CallError::BUSY));
    let Some(Some(Inbound::Ask { reply, .. })) = open.pop() else { panic!() };
    reply.send(Ok(json!(1))).unwrap();
    assert_eq!(played.hear().await["result"], json!(1));
    played.say(ask).await;
    assert!(matches!(played.inbound.recv().await, Some(Inbound::Ask { .. })));
}

#[tokio::test(start_paused = true)]
async fn calls_in_flight_fail_when_the_agent_ends() {
    let mut played = play().await;
    let client = played.client.clone();
    let call = tokio::spawn(async move { client.message(message(1)).await });
    played.hear().await;
    drop(played.say);
    assert!(matches!(call.await.unwrap(), Err(rpc::Error::Ended { .. })));
    assert!(played.inbound.recv().await.is_none());
    assert_eq!(symbi_sandbox::driver::ended(&mut played.exit).await.code, Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_may_not_be_delivered_is_never_written() {
    let mut played = play().await;
    let client = played.client.clone();
    assert!(matches!(client.write_if(message(1), || false).await, Err(rpc::Error::Withheld)));
    let call = tokio::spawn(async move { client.write_if(message(2), || true).await.unwrap().answer().await });
    let heard = played.hear().await;
    assert_eq!(heard["params"]["payload"], json!(2), "the first was not heard");
    drop(played.say);
    assert!(matches!(call.await.unwrap(), Err(rpc::Error::Ended { .. })));
    let asked = std::cell::Cell::new(false);
    let late = played.client.write_if(message(3), || {
        asked.set(true);
        true
    });
    assert!(matches!(late.await, Err(rpc::Error::Ended { .. })));
    assert!(!asked.get(), "an agent that has ended is given nothing");
}

#[tokio::test(start_paused = true)]
async fn an_agent_whose_host_listens_no_more_is_ended() {
    let mut played = play().await;
    drop(played.inbound);
    assert_eq!(symbi_sandbox::driver::ended(&mut played.exit).await.signal, Some(9));
    assert!(matches!(played.client.message(message(1)).await, Err(rpc::Error::Ended { .. })));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_closes_its_output_may_not_run_on() {
    let driver = Scripted::new().program("mute", |io: Io| async move {
        drop(io.stdout);
        std::future::pending().await
    });
    let (client, mut inbound, mut exit) = connect(&driver, "mute").await;
    assert!(inbound.recv().await.is_none());
    assert!(matches!(client.message(message(1)).await, Err(rpc::Error::Ended { .. })));
    assert_eq!(symbi_sandbox::driver::ended(&mut exit).await.reason, "it closed its output and ran on");
}

/// An agent that neither reads nor stops asking: what we owe it is bounded, and its messages wait.
#[tokio::test(start_paused = true)]
async fn an_agent_that_floods_and_never_reads_is_stopped_by_its_own_full_pipes() {
    let (count, counted) = watch::channel(0u32);
    let driver = Scripted::new().program("flood", move |io: Io| {
        let count = count.clone();
        async move {
            let Io { stdout, stdin: _never_read, .. } = io;
            loop {
                stdout.write(r#"{"jsonrpc":"2.0","id":1,"method":"nonsense"}"#).await;
                count.send_modify(|count| *count += 1);
            }
        }
    });
    let (client, _inbound, _exit) = connect(&driver, "flood").await;
    let waiting = tokio::time::timeout(rpc::INITIALIZE, client.message(message(1))).await;
    assert!(waiting.is_err());
    let lines = *counted.borrow();
    assert!((256..512).contains(&lines), "{lines}");
}

#[tokio::test(start_paused = true)]
async fn scripted_agents_ask_each_other() {
    let driver = Scripted::new().program("asker", |io: Io| {
        agent::run(io, |identity, message, node| async move {
            node.log(Level::Info, "asking").await;
            node.tell("everybody", json!(identity.name)).await;
            let answer = node.ask("other", message.payload, 50).await?;
            Ok(json!({ "other": answer }))
        })
    });
    let (client, mut inbound, _exit) = connect(&driver, "asker").await;
    client.initialize("asker", 1, 1).await.unwrap();
    let host = tokio::spawn(async move {
        assert!(matches!(inbound.recv().await, Some(Inbound::Log { level: Level::Info, .. })));
        assert!(matches!(inbound.recv().await, Some(Inbound::Tell { .. })));
        let Some(Inbound::Ask { payload, timeout_ms: 50, reply, .. }) = inbound.recv().await else { panic!() };
        reply.send(Ok(json!([payload]))).unwrap();
        let Some(Inbound::Log { .. }) = inbound.recv().await else { panic!() };
        let Some(Inbound::Tell { .. }) = inbound.recv().await else { panic!() };
        let Some(Inbound::Ask { reply, .. }) = inbound.recv().await else { panic!() };
        reply.send(Err(CallError::denied("d", "no"))).unwrap();
        inbound
    });
    assert_eq!(client.message(message(4)).await, Ok(json!({ "other": [4] })));
    let refused = client.message(message(5)).await;
    assert_eq!(refused, Err(rpc::Error::Refused(CallError::denied("d", "no"))));
    drop(host.await.unwrap());
}

#[test]
fn no_line_makes_the_reader_panic() {
    let whole = br#"{"jsonrpc":"2.0","id":"a","method":"ask","params":{"to":"b","payload":[1,"\u00e4",{"c":null}]}}"#;
    for cut in 0..whole.len() {
        assert!(Frame::parse(&whole[..cut]).is_err());
        for byte in [0, b'"', b'{', b'}', b'9', 0xff] {
            let mut mutant = whole.to_vec();
            mutant[cut] = byte;
            let _ = Frame::parse(&mutant);
        }
    }
}
