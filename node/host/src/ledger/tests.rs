//! What the writer does: over the engine in memory, with a cluster that agrees to everything or to nothing.

use super::disk::{self, Before, Disk, Error, Head, Retired};
use super::{Ledger, Ports, QUEUE, keys, new};
use crate::observer::Event;
use ed25519_dalek::SigningKey;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use symbi_model::agent::Resources;
use symbi_model::command::Genesis;
use symbi_model::entry::{CONTROL, Entry as LogEntry, Item, Payload};
use symbi_model::ledger::{Anchor, Denied, Entry, Fate, Kind, Line, Local, anchor};
use symbi_model::merkle::Frontier;
use symbi_model::names::Code;
use symbi_model::node::Profile;
use symbi_model::{
    Batch, ClusterId, Command, DecisionId, Epoch, Hash, MessageId, NodeId, Outcome, State, apply, codec, merkle,
};
use symbi_store::memory::{Disk as Plate, Memory};
use symbi_store::{Engine, WriteBatch};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const WALL_MS: u64 = 1_790_000_000_000;

/// A node's surroundings.
struct Bench {
    /// Its key.
    key: SigningKey,
    /// Its disk.
    plate: Arc<Plate>,
    /// What is agreed.
    state: watch::Sender<State>,
    /// What it has told.
    told: Arc<Mutex<Vec<Event>>>,
    /// How often it has started.
    boot: u64,
}

/// A running ledger.
struct Running {
    /// The way to it.
    ledger: Ledger,
    /// What the cluster agrees on.
    state: watch::Receiver<State>,
    /// Its writer.
    writer: JoinHandle<Result<(), Error>>,
    /// Ends it.
    stop: CancellationToken,
}

impl Bench {
    fn new() -> Self {
        let key = SigningKey::from_bytes(&[1; 32]);
        let genesis = Genesis {
            cluster: ClusterId(Uuid::from_u128(7)),
            name: "test".to_owned(),
            domain: "test.internal".to_owned(),
            node: NodeId(key.verifying_key().to_bytes()),
            node_name: "n1".to_owned(),
            profile: Profile::plain(
                ([127, 0, 0, 1], 7400).into(),
                vec![4; 65],
                Resources { memory_mb: 1_000, cpu_millis: 1_000 },
            ),
            gate: symbi_model::gate::CURRENT,
            admin_token: Hash::of(&[b"token"]),
            policies: String::new(),
            secret: symbi_model::secret::Secret([7; 32]),
        };
        let (mut state, batch) = (State::default(), Batch::genesis(genesis, [0; 16], &key, WALL_MS));
        let payload = Payload::Batch(codec::encode_batch(&batch));
        assert_eq!(apply(&mut state, &LogEntry { term: 1, index: 1, payload }).outcomes, [Outcome::Done]);
        Self { key, plate: Plate::new(), state: watch::Sender::new(state), told: Arc::default(), boot: 0 }
    }

    fn node(&self) -> NodeId {
        NodeId(self.key.verifying_key().to_bytes())
    }

    fn start(&mut self) -> Running {
        self.boot += 1;
        let (since, told) = (Instant::now(), Arc::clone(&self.told));
        let ports = Ports {
            key: Arc::new(self.key.clone()),
            boot: self.boot,
            engine: Arc::new(Memory::open(Arc::clone(&self.plate)).expect("nobody has it open")),
            state: self.state.subscribe(),
            wall_ms: Arc::new(move || WALL_MS + u64::try_from(since.elapsed().as_millis()).expect("not so long")),
            observer: Arc::new(move |event| told.lock().expect("no panic").push(event)),
        };
        let stop = CancellationToken::new();
        let (ledger, writing) = new(ports, stop.clone());
        Running { ledger, state: self.state.subscribe(), writer: tokio::spawn(writing), stop }
    }

    /// Has the cluster agree on an anchor; the log index.
    fn agree(&self, anchor: Anchor) -> u64 {
        let mut state = self.state.borrow().clone();
        let index = state.counters.applied_index + 1;
        let items = vec![Item::new(None, None, [0; 16], &Command::Anchor { anchors: vec![anchor] })];
        let cluster = state.cluster.as_ref().expect("there is one").id;
        let batch = Batch::sign(cluster, CONTROL, &self.key, WALL_MS, Some(1), items);
        let payload = Payload::Batch(codec::encode_batch(&batch));
        let outcomes = apply(&mut state, &LogEntry { term: 1, index, payload }).outcomes;
        assert_eq!(outcomes, [Outcome::Anchored { answers: vec![Code::DONE] }]);
        self.state.send_replace(state);
        index
    }

    /// What is on its disk while nothing runs.
    fn lines(&self) -> Vec<Line> {
        let engine = Arc::new(Memory::open(Arc::clone(&self.plate)).expect("nobody has it open"));
        Disk { engine }.lines(1, usize::MAX).expect("they can be read")
    }
}

impl Running {
    /// What it says once there is something to say of so many lines.
    async fn says(&self, entries: u64) -> Anchor {
        let says = async {
            loop {
                match self.ledger.anchor(&self.state.borrow()) {
                    Some(anchor) if anchor.entries >= entries => return anchor,
                    _ => {}
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(60), says).await.expect("in time")
    }

    async fn stop(self) {
        self.stop.cancel();
        self.writer.await.expect("no panic").expect("all is synced");
    }
}

/// The root over all of these lines.
fn root(lines: &[Line]) -> Hash {
    merkle::root(&lines.iter().map(|line| anchor::leaf(&line.hash)).collect::<Vec<_>>())
}

fn id(number: u64) -> MessageId {
    MessageId(Uuid::from_u128(
        u128::from(WALL_MS + 10 * number) << 80 | 0x7000 << 64 | 0x8000 << 48 | u128::from(number),
    ))
}

fn local(number: u64) -> Entry {
    Entry::Local(Local {
        message: id(number),
        kind: Kind::Tell,
        sender: "a".to_owned(),
        receiver: "b".to_owned(),
        sender_epoch: Epoch(1),
        receiver_epoch: Epoch(2),
        user: String::new(),
        on_behalf: None,
        bytes: number,
        deadline_ms: WALL_MS,
        sent_by: None,
        received_by: None,
        fate: Fate::Taken,
    })
}

fn assert_chained(lines: &[Line]) {
    let mut previous = Hash::default();
    for (line, number) in lines.iter().zip(1..) {
        assert_eq!((line.number, line.previous, line.hash), (number, previous, line.digest()));
        previous = line.hash;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_said_to_the_cluster_is_signed_synced_and_over_every_line_there_ever_was() {
    let mut bench = Bench::new();
    let running = bench.start();
    assert_eq!(running.ledger.anchor(&bench.state.borrow()), None, "there is nothing yet");
    (1..=3).for_each(|number| running.ledger.record(local(number)));
    let first = running.says(4).await;
    bench.agree(first);
    assert_eq!(running.ledger.anchor(&bench.state.borrow()), None, "nothing is new");
    running.ledger.record(local(4));
    let second = running.says(5).await;
    // A power cut now takes nothing of what was said.
    running.writer.abort();
    let _ = running.writer.await;
    bench.plate.crash();
    let lines = bench.lines();
    assert_chained(&lines);
    assert_eq!(lines[0].entry, Entry::Started { boot: 1 });
    let cluster = bench.state.borrow().cluster.as_ref().expect("there is one").id;
    for (anchor, lines) in [(first, &lines[..4]), (second, &lines[..5])] {
        assert!(anchor.is_signed(cluster) && anchor.node == bench.node());
        assert_eq!(
            (anchor.entries, anchor.head, anchor.root),
            (lines.len() as u64, lines[lines.len() - 1].hash, root(lines))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_of_what_is_not_synced_nor_of_what_an_earlier_start_may_not_have_synced() {
    let mut bench = Bench::new();
    let running = bench.start();
    running.ledger.record(local(1));
    assert_eq!(running.says(2).await.entries, 2);
    bench.plate.stall();
    running.ledger.record(local(2));
    tokio::time::sleep(Duration::from_secs(30)).await;
    let said = running.ledger.anchor(&bench.state.borrow());
    assert_eq!(said.map(|anchor| anchor.entries), Some(2), "the disk has not synced more");
    bench.plate.resume();
    assert_eq!(running.says(3).await.entries, 3);
    running.stop().await;
    bench.plate.stall();
    let running = bench.start();
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(running.ledger.anchor(&bench.state.borrow()), None);
    bench.plate.resume();
    assert_eq!(running.says(1).await.entries, 3, "without a new line, too");
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_with_the_chain_and_with_the_tree() {
    let mut bench = Bench::new();
    for boot in 1..=4 {
        let running = bench.start();
        (0..5 * boot).for_each(|number| running.ledger.record(local(boot * 100 + number)));
        let lines = running.ledger.lines(1).await.expect("it runs").lines;
        assert_chained(&lines);
        let said = running.says(lines.len() as u64).await;
        assert_eq!((said.entries, said.root), (lines.len() as u64, root(&lines)));
        if boot != 2 {
            bench.agree(said);
        }
        running.stop().await;
    }
    // Without its row, the tree is made of the lines.
    let engine = Memory::open(Arc::clone(&bench.plate)).expect("nobody has it open");
    let mut write = WriteBatch::new();
    write.delete(keys::tree());
    engine.write(write).expect("it takes all");
    drop(engine);
    let running = bench.start();
    running.ledger.record(local(900));
    let said = running.says(56).await;
    running.stop().await;
    assert_eq!((said.entries, said.root), (56, root(&bench.lines())));
}

#[tokio::test(start_paused = true)]
async fn a_ledger_counts_as_anchored_by_what_the_cluster_has_and_by_nothing_else() {
    let mut bench = Bench::new();
    let running = bench.start();
    running.ledger.record(local(1));
    let first = running.says(2).await;
    running.ledger.record(local(2));
    let second = running.says(3).await;
    let seen = async |number| running.ledger.find(&id(number).to_string()).await.expect("it runs").seen[0].anchor;
    assert_eq!(seen(1).await, None, "it was said, and nobody has agreed");
    let index = bench.agree(first);
    assert_eq!(seen(1).await.map(|anchor| (anchor.entries, anchor.index, anchor.position)), Some((2, index, 0)));
    assert_eq!(seen(2).await, None);
    let index = bench.agree(second);
    assert_eq!(seen(2).await.map(|anchor| (anchor.entries, anchor.index)), Some((3, index)));
    let told = bench.told.lock().expect("no panic").clone();
    assert_eq!(told, [2, 3].map(|entries| Event::LedgerAnchored { entries }));
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_is_not_the_anchored_one_ends_and_says_so() {
    let mut bench = Bench::new();
    let running = bench.start();
    running.ledger.record(local(1));
    let said = running.says(2).await;
    running.stop().await;
    bench.plate = Plate::new();
    let running = bench.start();
    running.ledger.record(local(7));
    running.says(2).await;
    bench.agree(said);
    let ended = running.writer.await.expect("no panic");
    assert!(matches!(ended, Err(Error::Damaged { number: 2, .. })), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_taken_is_counted_in_the_ledger_itself() {
    let mut bench = Bench::new();
    let running = bench.start();
    assert!(running.ledger.has_room());
    // Nothing waits here, so the writer does not run in between.
    for number in 0..2 * QUEUE + 7 {
        running.ledger.record(local(number));
        assert_eq!(running.ledger.has_room(), number + 1 < QUEUE);
    }
    let chunk = running.ledger.lines(1).await.expect("it runs");
    assert!(running.ledger.has_room());
    running.stop().await;
    let lines = bench.lines();
    assert_chained(&lines);
    assert!(chunk.last >= 2 * QUEUE, "{}", chunk.last);
    assert_eq!(lines.iter().filter(|line| line.entry == Entry::Gap { lost: 7 }).count(), 1);
    assert_eq!(lines.len() as u64, 2 * QUEUE + 2, "the start, the gap, and what was taken");
}

#[tokio::test(start_paused = true)]
async fn a_message_is_found_by_the_beginning_of_its_id_and_a_verdict_by_its_own() {
    let mut bench = Bench::new();
    let running = bench.start();
    (1..=50).for_each(|number| running.ledger.record(local(number)));
    let decision = DecisionId { node: [9; 4], id: Uuid::from_u128(77) };
    let denied = Denied { decision, message: Some(id(900)), verdict: vec![1, 2, 3] };
    running.ledger.record(Entry::Denied(denied));
    bench.agree(running.says(52).await);
    let found = running.ledger.find(&id(7).to_string()).await.expect("it runs");
    assert_eq!((found.seen.len(), found.more), (1, false));
    let seen = &found.seen[0];
    assert_eq!((seen.message, seen.bytes, seen.sender.as_str(), seen.fate), (id(7), 7, "a", Some(Fate::Taken)));
    assert_eq!(seen.anchor.map(|anchor| (anchor.entries, anchor.position)), Some((52, 0)));
    let alike = running.ledger.find(&id(7).to_string()[..8]).await.expect("it runs");
    assert!(alike.seen.len() == 51, "all were made within a minute: {}", alike.seen.len());
    for unknown in [id(5_000).to_string().as_str(), "zz", "", "0199-", "------"] {
        assert_eq!(running.ledger.find(unknown).await.expect("it runs").seen, [], "{unknown:?}");
    }
    assert_eq!(running.ledger.find(&id(900).to_string()).await.expect("it runs").seen[0].sent_by, Some(decision));
    running.stop().await;
    // A denial outlives the process that judged it.
    let running = bench.start();
    assert_eq!(running.ledger.verdict(decision).await, Ok(Some(vec![1, 2, 3])));
    assert_eq!(running.ledger.verdict(DecisionId { id: Uuid::from_u128(78), ..decision }).await, Ok(None));
}

/// A decision of this time.
fn decision(at_ms: u64, number: u64) -> DecisionId {
    let id = u128::from(at_ms) << 80 | 0x7000 << 64 | 0x8000 << 48 | u128::from(number);
    DecisionId { node: [9; 4], id: Uuid::from_u128(id) }
}

/// A line every 20 ms, `count` of them, each with two decisions; the decisions, by line.
async fn decided(running: &Running, count: u64, fate: Fate) -> Vec<[DecisionId; 2]> {
    let (began, mut all) = (Instant::now(), Vec::new());
    for number in 0..count {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let at_ms = WALL_MS + u64::try_from(began.elapsed().as_millis()).expect("not so long");
        let [sent, received] = [decision(at_ms, number), decision(at_ms, 1_000_000 + number)];
        let Entry::Local(line) = local(number) else { unreachable!("it is one") };
        running.ledger.record(Entry::Local(Local { sent_by: Some(sent), received_by: Some(received), fate, ..line }));
        all.push([sent, received]);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_allowed_a_message_is_found_by_the_time_in_its_id() {
    let mut bench = Bench::new();
    let running = bench.start();
    let all = decided(&running, 1_500, Fate::Taken).await;
    for number in [0, 1, 740, 1_499] {
        for decision in all[number] {
            let found = running.ledger.allowed(decision).await.expect("it runs").expect("it is recorded");
            assert_eq!((found.seen.message, found.policy_set), (id(number as u64), None), "{number}");
            assert_eq!(found.seen.line, number as u64 + 2, "behind the line of the start");
        }
    }
    let unknown = DecisionId { id: Uuid::from_u128(all[740][0].id.as_u128() + 1), ..all[740][0] };
    assert_eq!(running.ledger.allowed(unknown).await, Ok(None));
    // Whoever begins alike: the two of one moment, and too many to name.
    let [low, high] = all[740];
    let (found, more) = running.ledger.decisions(low, high).await.expect("it runs");
    assert_eq!((found.into_iter().collect::<Vec<_>>(), more), (vec![(low, 742), (high, 742)], false));
    let (found, more) = running.ledger.decisions(all[3][0], all[1_400][1]).await.expect("it runs");
    assert!(found.len() > super::DECISIONS && found.len() < 600 && more, "{}", found.len());
    let (found, more) = running.ledger.decisions(all[3][0], all[9][1]).await.expect("it runs");
    assert_eq!((found.len(), more), (14, false));
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_denied_is_not_told_as_one_that_allowed() {
    let mut bench = Bench::new();
    let running = bench.start();
    let [sent, received] = decided(&running, 1, Fate::Denied).await[0];
    assert_eq!(running.ledger.allowed(received).await, Ok(None));
    assert_eq!(running.ledger.allowed(sent).await.expect("it runs").map(|found| found.seen.message), Some(id(0)));
    let decision = decision(WALL_MS, 5);
    running.ledger.record(Entry::Denied(Denied { decision, message: Some(id(9)), verdict: vec![1] }));
    assert_eq!(running.ledger.allowed(decision).await, Ok(None));
    let (found, _) = running.ledger.decisions(decision, decision).await.expect("it runs");
    assert_eq!(found.into_keys().collect::<Vec<_>>(), [decision], "but it is found by its beginning");
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_lacks_what_is_anchored_ends_and_says_so() {
    let mut bench = Bench::new();
    let running = bench.start();
    running.ledger.record(local(1));
    bench.agree(running.says(2).await);
    running.stop().await;
    bench.plate = Plate::new();
    let running = bench.start();
    assert_eq!(running.writer.await.expect("no panic"), Err(Error::Lost { anchored: 2, kept: 0 }));
    let told = bench.told.lock().expect("no panic").clone();
    assert_eq!(told.last(), Some(&Event::LedgerLost { anchored: 2, kept: 0 }));
}

/// The tree over these.
fn tree(hashes: &[Hash]) -> Frontier {
    let mut tree = Frontier::default();
    hashes.iter().for_each(|hash| tree.append(anchor::leaf(hash)));
    tree
}

#[test]
fn old_lines_go_up_to_an_anchored_head_with_all_that_leads_to_them() {
    let engine = Arc::new(Memory::open(Plate::new()).expect("nobody has it open"));
    let disk = Disk { engine: engine.clone() };
    let (mut write, mut previous, mut hashes) = (WriteBatch::new(), Hash::default(), Vec::new());
    for number in 1..=20 {
        let line = Line::chained(number, WALL_MS, local(number * 100), previous);
        previous = line.hash;
        hashes.push(line.hash);
        disk::put(&mut write, &line);
        if number % 5 == 0 {
            let head = Head { hash: line.hash, index: 100 + number, position: 0 };
            write.put(keys::head(number), codec::encode(&head));
        }
    }
    engine.write(write).expect("it takes all");
    let mut write = WriteBatch::new();
    let none = Retired::new(Before::default());
    assert_eq!(disk.let_go(&none, 15, 15, &mut write), Ok(none.clone()), "15 are kept");
    assert_eq!(disk.let_go(&none, 15, 11, &mut write), Ok(none.clone()), "no head is so early");
    assert!(write.is_empty());
    let retired = disk.let_go(&none, 20, 8, &mut write).expect("it can be read");
    let tree = tree(&hashes[..10]);
    assert_eq!(retired, Retired::new(Before { number: 10, hash: hashes[9], tree: tree.clone() }));
    engine.write(write).expect("it takes all");
    let chunk = disk.chunk(1).expect("it can be read");
    assert_eq!((chunk.first, chunk.before, chunk.last, chunk.lines.len()), (11, hashes[9], 20, 10));
    assert_eq!(chunk.whole, tree.whole());
    let rows = engine.scan(&[keys::SPACE, b'm'], &[keys::SPACE, b'm' + 1], 100).expect("it can be read");
    assert_eq!(rows.len(), 10, "what leads to lines that are gone is gone");
    assert_eq!(disk.head(1).expect("it can be read").map(|(number, _)| number), Some(15));
}

#[test]
fn old_lines_go_although_one_anchor_was_over_more_of_them_than_go_at_once() {
    const WIDE: u64 = 5_000;
    let engine = Arc::new(Memory::open(Plate::new()).expect("nobody has it open"));
    let disk = Disk { engine: engine.clone() };
    let (mut write, mut previous, mut hashes) = (WriteBatch::new(), Hash::default(), Vec::new());
    for number in 1..=2 * WIDE {
        let line = Line::chained(number, WALL_MS, local(number * 100), previous);
        previous = line.hash;
        hashes.push(line.hash);
        disk::put(&mut write, &line);
        if number == WIDE || number > 2 * WIDE - 10 {
            let head = Head { hash: line.hash, index: 100 + number, position: 0 };
            write.put(keys::head(number), codec::encode(&head));
        }
    }
    engine.write(write).expect("it takes all");
    let (mut retired, mut steps) = (Retired::new(Before::default()), 0);
    while retired.before.number < 2 * WIDE - 5 {
        let mut write = WriteBatch::new();
        retired = disk.let_go(&retired, 2 * WIDE, 5, &mut write).expect("it can be read");
        engine.write(write).expect("it takes all");
        steps += 1;
        assert!(steps <= 10, "{steps} steps, and it is at line {}", retired.before.number);
    }
    assert_eq!(retired.before.tree, tree(&hashes[..hashes.len() - 5]));
    let rows = engine.scan(&[keys::SPACE, b'm'], &[keys::SPACE, b'm' + 1], 20_000).expect("it can be read");
    assert_eq!((rows.len(), disk.chunk(1).expect("it can be read").first), (5, 2 * WIDE - 4));
}
