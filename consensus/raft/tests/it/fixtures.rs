//! Disks as released versions left them: a node of this version goes on from each, and comes to the state that was recorded.
//!
//! A fixture is every row that one node had on its disk when its power was cut: its vote, its log, what was saved of its state, and
//! the audit chain; and beside it the state's hash and the chain's head once that node leads again. How one is made anew is in
//! the fixtures' README.

use crate::cluster::{Cluster, cluster_id, key, node, profile};
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use symbi_model::agent::{Account, AgentName, AgentState, Exit, Recorded, Resources, Spec};
use symbi_model::codec::encode_batch;
use symbi_model::command::{Aimed, CreateApiToken, CreateToken, Enrol, Report, UpdateAgent};
use symbi_model::ledger::{Anchor, Tip};
use symbi_model::node::Profile;
use symbi_model::policy::PermitRef;
use symbi_model::token::Scope;
use symbi_model::user::ADMIN;
use symbi_model::{
    AgentId, Batch, Command, DecisionId, Epoch, GroupId, Hash, Incarnation, Item, Outcome, PolicyNumber, State, TokenId,
};
use symbi_store::memory::{Disk, Memory};
use symbi_store::{Engine, WriteBatch};

/// The version of which a fixture is made.
pub const VERSION: &str = "0.2.0";
/// Set it, and the fixture is made anew.
pub const MAKE: &str = "SYMBI_MAKE_FIXTURES";
/// So many further entries, so that a part of the state is saved.
const MORE: u64 = 90;

pub fn folder(version: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", version].iter().collect()
}

/// A step: whether the leader decides it, and the command that the state before it leads to.
struct Step {
    /// It comes from the leader's own reconciler.
    leaders: bool,
    /// Its command.
    make: Box<dyn Fn(&State) -> Command>,
}

/// What anybody may propose.
fn step(make: impl Fn(&State) -> Command + 'static) -> Step {
    Step { leaders: false, make: Box::new(make) }
}

/// What a leader decides.
fn decided(make: impl Fn(&State) -> Command + 'static) -> Step {
    Step { leaders: true, make: Box::new(make) }
}

fn actor() -> String {
    "user:admin".to_owned()
}

fn name(name: &str) -> AgentName {
    name.parse().expect("a name")
}

fn id(number: u128) -> AgentId {
    AgentId(uuid::Uuid::from_u128(number))
}

/// Agent `a1` as of this version of its record.
fn aimed(version: Option<u64>) -> Aimed {
    Aimed { name: name("a1"), id: id(1), version, actor: actor() }
}

fn spec(memory_mb: u64) -> Spec {
    Spec {
        env: [("KEY".to_owned(), "value".to_owned())].into(),
        labels: ["team=x".to_owned()].into(),
        resources: Resources { memory_mb, cpu_millis: 10 },
        ..Spec::new(name("a1"), "demo", vec!["true".to_owned()])
    }
}

fn report(epoch: u64, sequence: u64, state: AgentState, released: bool) -> Command {
    Command::Report(Report {
        name: name("a1"),
        epoch: Epoch(epoch),
        incarnation: Incarnation(1 << 32 | epoch),
        sequence,
        state,
        restarts: 0,
        detail: "a detail".to_owned(),
        released,
        account: Account { exit: Some(Exit { code: Some(1), signal: None }) }.document(),
    })
}

fn place(expected: Option<u64>) -> Command {
    Command::Place { name: name("a1"), id: id(1), expected: expected.map(Epoch), node: node(0) }
}

/// Everything that changes the state, once at least. Each is of the state that those before it left.
fn steps() -> Vec<Step> {
    let mut steps = nodes_come();
    steps.extend(an_agent_lives());
    steps.extend(people_come_and_go());
    steps.extend(the_rest());
    steps
}

const TOKEN: TokenId = TokenId([5; 6]);

fn nodes_come() -> Vec<Step> {
    vec![
        step(|_| Command::Introduce { node: node(0), profile: profile(1_000) }),
        step(|_| {
            let (verifier, actor) = ([6; 32], actor());
            Command::CreateToken(CreateToken { token: TOKEN, verifier, uses: 2, expires_ms: 9_000, actor })
        }),
        step(|_| Command::Enrol(Enrol { node: node(1), name: "n1".to_owned(), profile: profile(7), token: TOKEN })),
        decided(|_| Command::FinishJoin { node: node(1) }),
    ]
}

fn an_agent_lives() -> Vec<Step> {
    vec![
        step(|state| Command::create_agent(state, id(1), spec(50), actor())),
        decided(|_| place(None)),
        step(|_| report(1, 1, AgentState::Running, false)),
        step(|state| {
            let (spec, changed) = (Recorded::from(spec(60)), vec!["resources.memory_mb".to_owned()]);
            let mac = state.spec_mac(&spec);
            Command::UpdateAgent(UpdateAgent { aimed: aimed(Some(1)), spec, mac, changed })
        }),
        step(|_| report(1, 2, AgentState::Terminated, true)),
        decided(|_| place(Some(1))),
        step(|state| Command::RollbackAgent { aimed: aimed(Some(2)), mac: state.spec_mac(&spec(50).into()) }),
        step(|_| Command::RestartAgent(aimed(None))),
        step(|_| Command::StopAgent { name: name("a1"), actor: actor() }),
        step(|_| Command::StartAgent(aimed(None))),
        step(|_| report(2, 1, AgentState::Terminated, true)),
        decided(|_| place(Some(2))),
        step(|_| {
            let (key, value) = ("ticket".to_owned(), "OPS-7".to_owned());
            Command::Annotate { name: name("a1"), key, value, actor: actor() }
        }),
        step(|state| {
            let spec = Spec::new(name("a2"), "demo", vec!["true".to_owned()]);
            Command::create_agent(state, id(2), spec, actor())
        }),
        step(|_| Command::RemoveAgent { name: name("a2"), actor: actor() }),
    ]
}

/// The API token of this number, of a user.
fn api_token(number: u8, user: &str, scope: Scope, expires_ms: Option<u64>) -> Command {
    let (hash, user) = (Hash([number; 32]), user.to_owned());
    Command::CreateApiToken(CreateApiToken { hash, user, scope, expires_ms, actor: actor() })
}

fn people_come_and_go() -> Vec<Step> {
    vec![
        step(|_| Command::CreateUser { name: "bob".to_owned(), actor: actor() }),
        step(|_| Command::CreateUser { name: "eve".to_owned(), actor: actor() }),
        step(|_| {
            let actions = ["agent::create", "agent::stop"].map(str::to_owned).into();
            api_token(41, "bob", Scope::Actions(actions), Some(9_000))
        }),
        step(|_| api_token(42, "bob", Scope::All, None)),
        step(|_| api_token(43, "eve", Scope::All, None)),
        step(|_| {
            let (token, keeper) = (Hash([42; 32]), ADMIN.to_owned());
            Command::RevokeApiToken { token, keeper, actor: actor() }
        }),
        step(|_| Command::RemoveUser { name: "eve".to_owned(), keeper: ADMIN.to_owned(), actor: actor() }),
    ]
}

fn the_rest() -> Vec<Step> {
    vec![
        decided(|_| {
            let tip = Tip { entries: 3, head: Hash([1; 32]), root: Hash([2; 32]) };
            Command::Anchor { anchors: vec![Anchor::sign(cluster_id(), 0, &tip, &key(0))] }
        }),
        decided(|_| Command::NodeDown { node: node(1) }),
        step(|_| Command::RemoveNode { node: node(1), actor: actor() }),
        step(|_| Command::RevokeToken { token: TOKEN, actor: actor() }),
        step(|_| Command::Finalize { gate: 1, actor: actor() }),
        step(|_| {
            let (text, entities) = ("permit(principal, action, resource) when { true };".to_owned(), "[]".to_owned());
            Command::ApplyPolicies { text, entities, keeper: ADMIN.to_owned(), actor: actor() }
        }),
    ]
}

/// A signed batch of one command, of a time of its own.
fn batch(number: u64, decided: Option<u64>, command: &Command) -> Vec<u8> {
    let decision = DecisionId { node: [0xd0; 4], id: uuid::Uuid::from_u128(0xde) };
    let permit =
        command.needs_permit().then_some(PermitRef { decision, policy_set: PolicyNumber(1), credential: None });
    let items = vec![Item::new(None, permit, [3; 16], command)];
    encode_batch(&Batch::sign(cluster_id(), GroupId(0), &key(0), 2_000 + number, decided, items))
}

/// A node's disk after all steps, its power cut.
pub async fn made() -> Arc<Disk> {
    let mut cluster = Cluster::bootstrapped(1, |options| options).await;
    let mut number = 0;
    for Step { leaders, make } in steps() {
        let state = cluster.replica(0).state().borrow().clone();
        let term = cluster.replica(0).status().borrow().term;
        let command = make(&state);
        number += 1;
        let applied = cluster.replica(0).propose(batch(number, leaders.then_some(term), &command)).await;
        let outcomes = applied.expect("the leader takes it").outcomes;
        assert!(!matches!(outcomes[0], Outcome::Refused(_)), "{}: {outcomes:?}", command.kind());
    }
    for more in 0..MORE {
        let profile = Profile { max_agents: 100 + u32::try_from(more).expect("few"), ..profile(1_000) };
        let command = Command::Introduce { node: node(0), profile };
        cluster.replica(0).propose(batch(number + 1 + more, None, &command)).await.expect("the leader takes it");
    }
    cluster.power_off(0).await;
    Arc::clone(&cluster.hosts[0].disk)
}

/// Every row of a disk: the lengths of key and value as four big-endian bytes each, then both.
fn dumped(disk: &Arc<Disk>) -> Vec<u8> {
    let engine = Memory::open(Arc::clone(disk)).expect("nobody has it open");
    let mut out = Vec::new();
    for (key, value) in engine.scan(&[], &[0xff; 64], usize::MAX).expect("its rows") {
        for part in [&key[..], &value[..]] {
            out.extend_from_slice(&u32::try_from(part.len()).expect("short").to_be_bytes());
            out.extend_from_slice(part);
        }
    }
    out
}

/// A disk with the rows that [`dumped`] gave.
fn restored(mut rows: &[u8]) -> Arc<Disk> {
    fn part<'a>(rows: &mut &'a [u8]) -> &'a [u8] {
        let (length, rest) = rows.split_at(4);
        let (part, rest) = rest.split_at(u32::from_be_bytes(length.try_into().expect("four bytes")) as usize);
        *rows = rest;
        part
    }
    let disk = Disk::new();
    let engine = Memory::open(Arc::clone(&disk)).expect("a new disk");
    let mut batch = WriteBatch::new();
    while !rows.is_empty() {
        let key = part(&mut rows).to_vec();
        batch.put(key, part(&mut rows).to_vec());
    }
    engine.write(batch).expect("it takes them");
    disk
}

/// What a node on this disk comes to once it leads: its state's hash, its chain's head, and where both stand.
async fn comes_to(disk: Arc<Disk>) -> String {
    let mut cluster = Cluster::new(1, |options| options);
    cluster.hosts[0].disk = disk;
    cluster.start(0).await;
    let saved = cluster.replica(0).state().borrow().counters.applied_index;
    cluster.leader_among(&[0]).await;
    let first = cluster.replica(0).status().borrow().first_index_of_term.expect("it leads");
    let state = cluster.agree(first).await;
    assert!(saved > 0 && saved < first, "it stands somewhere, and goes on: {saved}, {first}");
    let mut out = String::new();
    let counters = &state.counters;
    writeln!(out, "saved {saved}\nindex {first}\nrecords {}", counters.audit_records).expect("a string");
    writeln!(out, "head {}\nhash {}", counters.audit_head, state.hash()).expect("a string");
    out
}

#[tokio::test(start_paused = true)]
async fn a_disk_of_each_released_version_is_gone_on_from() {
    let made_of = folder(VERSION);
    if std::env::var_os(MAKE).is_some() {
        let rows = dumped(&made().await);
        std::fs::create_dir_all(&made_of).expect("a folder");
        std::fs::write(made_of.join("disk.bin"), &rows).expect("the rows");
        std::fs::write(made_of.join("comes-to.txt"), comes_to(restored(&rows)).await).expect("what it comes to");
    }
    for version in [VERSION] {
        let read = |name: &str| std::fs::read(folder(version).join(name)).expect("a fixture");
        let expected = String::from_utf8(read("comes-to.txt")).expect("a text");
        assert_eq!(comes_to(restored(&read("disk.bin"))).await, expected, "{version}");
    }
}

/// The newest fixture is what this version would leave: whoever changes a format sees it here, and makes the fixture anew while
/// its version is not released.
#[tokio::test(start_paused = true)]
async fn the_newest_fixture_is_what_this_version_writes() {
    let fixture = std::fs::read(folder(VERSION).join("disk.bin")).expect("a fixture");
    assert!(dumped(&made().await) == fixture, "a format has changed: see tests/fixtures/README.md");
}
