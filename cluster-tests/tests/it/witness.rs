//! The voters of a real cluster sign its audit chain: an idle one adds nothing to it, a bundle says who has signed, and one that was
//! edited, rehashed and signed anew by a member is refused.

use anyhow::{Context, ensure};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use std::time::Duration;
use symbi_audit::{Encoder, Hex, Line, Origin, Record};
use symbi_cluster_tests::writers::Writers;
use symbi_cluster_tests::{Cluster, Node, SOON, eventually, symbi};
use symbi_model::hash::{Hash, put_bytes, put_u64};
use symbi_model::merkle;

use crate::durability::ledger;

/// An idle cluster is looked at for so long: some seals would have come.
const IDLE: Duration = Duration::from_secs(5);
/// So many messages from each node.
const MESSAGES: usize = 500;

async fn audit(node: &Node) -> anyhow::Result<(u64, u64, Value)> {
    let status = node.status().await?;
    let number = |name: &str| status["audit"][name].as_u64().with_context(|| format!("no {name}: {status:#}"));
    Ok((number("records")?, number("witnessed")?, status["cluster"]["pin"].clone()))
}

/// Waits until nothing new is recorded and all of it is witnessed, as every node has it.
async fn comes_to_rest(cluster: &Cluster) -> u64 {
    eventually("the audit comes to rest, witnessed", 2 * SOON, async || {
        let (before, ..) = audit(&cluster.nodes[0]).await?;
        tokio::time::sleep(IDLE / 2).await;
        for node in &cluster.nodes {
            let (records, witnessed, _) = audit(node).await?;
            ensure!(records == before, "{records} records after {before}");
            // Raft's own records before the genesis are in no checkpoint.
            ensure!(witnessed > 0 && witnessed + 5 > records, "{records} records, {witnessed} of them witnessed");
        }
        Ok(before)
    })
    .await
}

/// A bundle of what a node has, and how it verifies with these words more.
async fn exported(cluster: &Cluster, at: usize, words: &[&str]) -> Value {
    let bundle = cluster.file("witnessed.jsonl");
    let path = bundle.to_str().unwrap();
    let _ = cluster.nodes[at].cli(&["audit", "export", "--bundle", path]).await.exits(0);
    symbi(&[&["audit", "verify", path, "-o", "json"], words].concat()).await.exits(0).json()
}

#[tokio::test]
async fn three_voters_sign_what_there_is_and_an_idle_cluster_adds_nothing() {
    let mut cluster = Cluster::three().await;
    ledger(&cluster).await;
    let rest = comes_to_rest(&cluster).await;
    tokio::time::sleep(IDLE).await;
    let (records, _, pin) = audit(&cluster.nodes[0]).await.unwrap();
    assert_eq!(records, rest, "an idle cluster adds no record");

    let anchor = cluster.nodes[0].status().await.unwrap()["cluster"]["anchor"].as_str().unwrap().to_owned();
    let pin = pin.as_str().expect("three have signed a checkpoint").to_owned();
    for at in 0..3 {
        // Two signatures witness a checkpoint; the third is told when it comes.
        eventually("all three have signed all of it, by each node's bundle", SOON, async || {
            let verified = exported(&cluster, at, &["--anchor", &anchor, "--pin", &pin]).await;
            let verdict = verified["verdict"].as_str().context("a verdict")?;
            ensure!(verdict.starts_with("witnessed to record ") && verdict.contains(" by 3 of 3 voters"), "{verdict}");
            ensure!(!verdict.contains("after that"), "all of it is witnessed: {verdict}");
            Ok(())
        })
        .await;
    }
    let told = format!("audit pin: {pin}");
    eventually("n1 says what is to be kept", SOON, async || {
        let said = cluster.nodes[0].stderr();
        ensure!(said.contains(&told), "{told:?} is not in {said}");
        Ok(())
    })
    .await;

    // One that is killed signs on where it was; and when it is removed, those who are left have let it go.
    cluster.nodes[2].kill();
    cluster.nodes[2].start(&[]);
    cluster.nodes[2].ready().await;
    cluster.nodes[2].kill();
    eventually("n3 is removed", 2 * SOON, async || {
        let ran = cluster.nodes[0].cli(&["node", "remove", "n3", "--yes"]).await;
        ensure!(ran.code == 0, "{ran:?}");
        Ok(())
    })
    .await;
    eventually("a bundle is witnessed by the two who are left", SOON, async || {
        let verified = exported(&cluster, 1, &["--anchor", &anchor, "--pin", &pin]).await;
        let verdict = verified["verdict"].as_str().context("no verdict")?;
        ensure!(verdict.contains(" by 2 of 2 voters"), "{verdict}");
        Ok(())
    })
    .await;
}

/// Every record behind one, as a node has them.
async fn behind(node: &Node, mut id: String) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let some = node.get(&format!("/api/v1/audit?after={id}")).await.unwrap();
        let some = some.as_array().expect("records").clone();
        let Some(last) = some.last() else { return all };
        last["id"].as_str().expect("an id").clone_into(&mut id);
        all.extend(some);
    }
}

#[tokio::test]
async fn under_load_the_chain_grows_by_the_writes_and_three_records_a_second() {
    let cluster = Cluster::three().await;
    ledger(&cluster).await;
    comes_to_rest(&cluster).await;
    let last = cluster.nodes[0].get("/api/v1/audit?last=1").await.unwrap();
    let last = last[0]["id"].as_str().expect("a last record").to_owned();
    let clients: Vec<_> = cluster.nodes.iter().map(Node::client).collect();
    let writers = Writers::start(16, "ledger", &clients);
    writers.go_on(3_000).await;
    let written = writers.end().await;
    comes_to_rest(&cluster).await;

    let records = behind(&cluster.nodes[0], last).await;
    let is_write = |record: &&Value| record["kind"] == "agent.annotate";
    let done = records.iter().filter(is_write).filter(|record| record["values"]["repeated"].is_null()).count();
    assert_eq!(done as u64, written.writes);
    let others: Vec<&str> =
        records.iter().filter(|record| !is_write(record)).map(|record| record["kind"].as_str().unwrap()).collect();
    let ms = |record: Option<&Value>| record.and_then(|record| record["time_ms"].as_u64()).expect("records");
    let seconds = (ms(records.last()) - ms(records.first())).div_ceil(1_000);
    assert!(others.len() as u64 <= 3 * seconds, "beside {done} writes in {seconds} s: {others:?}");
}

#[tokio::test]
async fn messages_add_their_ledgers_anchors_and_no_more_than_three_records_a_second() {
    let cluster = Cluster::three().await;
    cluster.run_echo("echo", "demo").await;
    comes_to_rest(&cluster).await;
    let last = cluster.nodes[0].get("/api/v1/audit?last=1").await.unwrap();
    let last = last[0]["id"].as_str().expect("a last record").to_owned();
    let tells = async |node: &Node| {
        for _ in 0..MESSAGES {
            let told =
                node.post("/api/v1/agents/echo/messages", &json!({ "kind": "tell", "payload": 1 })).await.unwrap();
            assert_eq!(told["status"], "delivered", "{told:#}");
        }
    };
    tokio::join!(tells(&cluster.nodes[0]), tells(&cluster.nodes[1]), tells(&cluster.nodes[2]));
    comes_to_rest(&cluster).await;

    let records = behind(&cluster.nodes[0], last).await;
    let (first, end) = (&records[0], records.last().expect("records"));
    let ms = |record: &Value| record["time_ms"].as_u64().expect("a time");
    let seconds = (ms(end) - ms(first)).div_ceil(1_000).max(1);
    let kinds: Vec<&str> = records.iter().map(|record| record["kind"].as_str().unwrap()).collect();
    let anchors = kinds.iter().filter(|kind| **kind == "ledger.anchor").count();
    assert!(anchors > 0 && kinds.len() as u64 <= 3 * seconds, "in {seconds} s: {kinds:?}");
    let bundle = exported(&cluster, 0, &[]).await;
    assert_eq!(bundle["ledgers"]["unanchored_entries"], 0, "all of them are agreed on: {bundle:#}");
}

#[tokio::test]
async fn a_bundle_that_a_member_edited_rehashed_and_signed_anew_is_refused() {
    let cluster = Cluster::three().await;
    ledger(&cluster).await;
    comes_to_rest(&cluster).await;
    let status = cluster.nodes[0].status().await.unwrap();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let (anchor, pin) = (text(&status["cluster"]["anchor"]), text(&status["cluster"]["pin"]));
    let bundle = cluster.file("b.jsonl");
    let path = bundle.to_str().unwrap();
    let _ = cluster.nodes[1].cli(&["audit", "export", "--bundle", path]).await.exits(0);
    let (whole, key) = (std::fs::read_to_string(&bundle).unwrap(), key(&cluster.nodes[1]));
    let refused = async |name: &str, text: Vec<u8>, words: &[&str]| {
        let forged = cluster.write(name, text);
        let ran = symbi(&[&["audit", "verify", &forged, "--anchor", &anchor], words].concat()).await;
        let _ = ran.exits(10).says("AUDIT_BROKEN");
    };
    let _ = symbi(&["audit", "verify", path, "--anchor", &anchor]).await.exits(0);
    let same = forged(&whole, &key, |_| {});
    assert_eq!(String::from_utf8(same).unwrap(), whole, "without an edit it is the same bundle");

    // What became of a command no origin has signed: only the voters have.
    let edit = |line: &mut Line| {
        if let Line::Record(Record { kind, values, .. }) = line
            && kind == "agent.create"
        {
            values.insert("epoch".to_owned(), "9".to_owned());
        }
    };
    let drop_signatures = |line: &mut Line| {
        if let Line::Checkpoint(checkpoint) = line {
            checkpoint.witnesses.clear();
        }
    };
    refused("edited.jsonl", forged(&whole, &key, edit), &[]).await;
    refused("unsigned.jsonl", forged(&whole, &key, drop_signatures), &[]).await;
    // Whoever leaves the checkpoints out leaves out what was kept elsewhere.
    let without: String = whole.lines().filter(|line| !is_checkpoint(line)).map(|line| format!("{line}\n")).collect();
    let _ = symbi(&["audit", "verify", &cluster.write("bare.jsonl", forged(&without, &key, |_| {}))])
        .await
        .exits(0)
        .says("witnessed by nobody");
    refused("bare.jsonl", forged(&without, &key, edit), &["--pin", &pin]).await;
}

#[tokio::test]
async fn a_node_without_its_journal_does_not_sign_again() {
    let mut cluster = Cluster::one().await;
    ledger(&cluster).await;
    let writers = Writers::start(2, "ledger", &[cluster.nodes[0].client()]);
    writers.go_on(150).await;
    let _ = writers.end().await;
    let node = &mut cluster.nodes[0];
    assert_eq!(node.stop().await, 0);
    let (witness, aside) = (node.dir.join("witness"), node.dir.join("aside"));
    std::fs::rename(&witness, &aside).unwrap();
    node.start(&[]);
    assert_eq!(node.end().await, 10);
    let said = node.stderr();
    assert!(said.contains("error[WITNESS_LOST]"), "{said}");
    std::fs::remove_dir_all(&witness).unwrap();
    std::fs::rename(&aside, &witness).unwrap();
    node.start(&[]);
    node.ready().await;
}

fn is_checkpoint(line: &str) -> bool {
    matches!(serde_json::from_str(line), Ok(Line::Checkpoint(_)))
}

/// A node's key.
fn key(node: &Node) -> SigningKey {
    let seed = std::fs::read_to_string(node.dir.join("node.key")).unwrap();
    SigningKey::from_bytes(&hex::decode(seed.trim()).unwrap().try_into().unwrap())
}

/// A bundle with its lines edited, its chain hashed anew, and signed anew by its exporter.
fn forged(bundle: &str, key: &SigningKey, edit: impl Fn(&mut Line)) -> Vec<u8> {
    let mut lines = bundle.lines().map(|line| serde_json::from_str::<Line>(line).expect("a line"));
    let Some(Line::Bundle(header)) = lines.next() else { panic!("no header") };
    let about = symbi_audit::About {
        cluster: header.cluster,
        cluster_name: &header.cluster_name,
        group: header.group,
        generation: header.generation,
        exporter: header.exporter,
        time_ms: header.time_ms,
    };
    let mut encoder = Encoder::new(Vec::new(), about).expect("memory takes all");
    let mut head = Hash::default();
    for mut line in lines {
        edit(&mut line);
        match line {
            Line::Checkpoint(checkpoint) => encoder.checkpoint(checkpoint),
            Line::Batch(batch) => encoder.batch(batch),
            Line::Record(mut record) => {
                head = chained(&mut record, head);
                encoder.record(record)
            }
            Line::Key(key) => encoder.key(key),
            Line::Policy(policy) => encoder.policy(policy.number, policy.text, policy.entities),
            Line::Ledger(ledger) => encoder.ledger(ledger),
            Line::Entry(entry) => encoder.entry(*entry),
            Line::Missing(missing) => encoder.missing(missing),
            Line::Bundle(_) | Line::Manifest(_) => Ok(()),
        }
        .expect("memory takes all");
    }
    let unsigned = encoder.finish();
    let signature = key.sign(&unsigned.to_sign()).to_bytes();
    unsigned.sign(signature).expect("memory takes all")
}

/// Hashes a record behind the one before it, as the format's description says.
fn chained(record: &mut Record, previous: Hash) -> Hash {
    let texts = |out: &mut Vec<u8>, texts: &std::collections::BTreeMap<String, String>| {
        put_u64(out, texts.len() as u64);
        for (name, text) in texts {
            put_bytes(out, name.as_bytes());
            put_bytes(out, text.as_bytes());
        }
    };
    let mut act = Vec::new();
    for part in [&record.kind, &record.actor, &record.subject] {
        put_bytes(&mut act, part.as_bytes());
    }
    texts(&mut act, &record.details);
    put_bytes(&mut act, record.request.as_bytes());
    put_bytes(&mut act, record.decision.as_bytes());
    put_u64(&mut act, record.policy_set);
    act.extend_from_slice(&record.command.0);
    let mut out = Vec::new();
    for number in [record.index, u64::from(record.position), record.term, record.time_ms] {
        put_u64(&mut out, number);
    }
    match &record.origin {
        Origin::Raft => put_bytes(&mut out, &[]),
        Origin::Node(node) => put_bytes(&mut out, &node.0),
    }
    put_bytes(&mut out, record.code.as_bytes());
    texts(&mut out, &record.values);
    let hash = Hash::of(&[b"symbi-record-v2\0", &merkle::leaf(&act).0, &out, &previous.0]);
    (record.previous, record.hash) = (Hex(previous.0), Hex(hash.0));
    hash
}
