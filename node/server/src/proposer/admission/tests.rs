//! What is admitted, decided over a state made by hand.

use super::{Admission, AdmissionError, InFlight};
use ed25519_dalek::SigningKey;
use std::sync::Arc;
use symbi_model::agent::Resources;
use symbi_model::entry::COMMAND_BYTES;
use symbi_model::node::{Liveness, Membership, Node, Profile};
use symbi_model::state::Cluster;
use symbi_model::{Batch, ClusterId, Command, GroupId, Hash, Item, NodeId, State, codec};
use symbi_raft::{Role, Status};
use tokio::sync::watch;

const NOW_MS: u64 = 1_700_000_000_000;
const CLUSTER: ClusterId = ClusterId(uuid::Uuid::from_bytes([9; 16]));
const LEADER: u8 = 1;
const MEMBER: u8 = 2;
const JOINING: u8 = 3;
const REMOVED: u8 = 4;
const STRANGER: u8 = 5;

fn key(of: u8) -> SigningKey {
    SigningKey::from_bytes(&[of; 32])
}

fn id(of: u8) -> NodeId {
    NodeId(key(of).verifying_key().to_bytes())
}

fn profile() -> Profile {
    Profile::plain("127.0.0.1:1".parse().unwrap(), vec![4; 65], Resources::default())
}

fn state() -> State {
    let mut state = State::default();
    let (name, domain) = ("c".to_owned(), "c.test".to_owned());
    state.cluster = Some(Cluster {
        id: CLUSTER,
        name,
        domain,
        anchor: Hash([0; 32]),
        generation: 1,
        secret: symbi_model::secret::Secret([7; 32]),
    });
    let nodes = [
        (LEADER, Membership::Member),
        (MEMBER, Membership::Member),
        (JOINING, Membership::Joining),
        (REMOVED, Membership::Removed),
    ];
    for (of, membership) in nodes {
        let node = Node {
            name: format!("n{of}"),
            profile: profile(),
            membership,
            liveness: Liveness::Up,
            token: None,
            enrolled_at: 1,
            enrolled_ms: 1,
        };
        state.nodes.insert(id(of), node);
    }
    state
}

/// An admission whose clock is good in `good_in_term`, at a leader of term 7.
fn admission(good_in_term: u64, first_index_of_term: Option<u64>) -> Admission {
    let status =
        Status { term: 7, role: Role::Leader, leader: Some(id(LEADER)), first_index_of_term, ..Status::default() };
    Admission {
        node: id(LEADER),
        group: GroupId(0),
        wall_ms: Arc::new(|| NOW_MS),
        state: watch::channel(state()).1,
        good_in_term: watch::channel(good_in_term).1,
        status: watch::channel(status).1,
        in_flight: InFlight::default(),
    }
}

fn open() -> Admission {
    admission(7, Some(10))
}

fn ordinary() -> Vec<u8> {
    codec::encode_command(&Command::Introduce { node: id(MEMBER), profile: profile() })
}

fn leaders() -> Vec<u8> {
    codec::encode_command(&Command::NodeUp { node: id(MEMBER) })
}

fn batch(origin: u8, time_ms: u64, decided_term: Option<u64>, commands: Vec<Vec<u8>>) -> Batch {
    let items =
        commands.into_iter().map(|command| Item { request: None, permit: None, salt: [0; 16], command }).collect();
    Batch::sign(CLUSTER, GroupId(0), &key(origin), time_ms, decided_term, items)
}

async fn admitted(admission: &Admission, from: u8, batch: &Batch) -> String {
    match admission.admit(id(from), &codec::encode_batch(batch)).await {
        Ok(()) => "taken".to_owned(),
        Err(AdmissionError::NotYet) => "not yet".to_owned(),
        Err(AdmissionError::Foreign) => "foreign".to_owned(),
        Err(AdmissionError::Refused(ms)) => format!("skew {ms}"),
    }
}

#[tokio::test(start_paused = true)]
async fn members_and_those_who_join_are_let_in_others_are_not() {
    for (of, expected) in
        [(LEADER, "taken"), (MEMBER, "taken"), (JOINING, "taken"), (REMOVED, "foreign"), (STRANGER, "foreign")]
    {
        let batch = batch(of, NOW_MS, None, vec![ordinary()]);
        assert_eq!(admitted(&open(), of, &batch).await, expected, "{of}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_that_has_not_applied_its_log_calls_nobody_a_stranger() {
    let batch = batch(STRANGER, NOW_MS, None, vec![ordinary()]);
    assert_eq!(admitted(&admission(7, None), STRANGER, &batch).await, "not yet");
}

/// What opened the gate may be among the entries that it has yet to apply.
#[tokio::test(start_paused = true)]
async fn a_new_leader_that_has_not_applied_its_log_refuses_no_gate_for_good() {
    let later = batch(MEMBER, NOW_MS, None, vec![ordinary()]).in_acts(2, CLUSTER, GroupId(0), &key(MEMBER));
    assert_eq!(admitted(&admission(7, None), MEMBER, &later).await, "not yet");
    assert_eq!(admitted(&open(), MEMBER, &later).await, "foreign");
}

#[tokio::test(start_paused = true)]
async fn a_batch_comes_from_who_signed_it() {
    let good = batch(MEMBER, NOW_MS, None, vec![ordinary()]);
    assert_eq!(admitted(&open(), JOINING, &good).await, "foreign");
    let mut changed = good.clone();
    changed.time_ms += 1;
    assert_eq!(admitted(&open(), MEMBER, &changed).await, "foreign");
    let mut unsigned = good;
    unsigned.signature.clear();
    assert_eq!(admitted(&open(), MEMBER, &unsigned).await, "foreign");
}

#[tokio::test(start_paused = true)]
async fn what_a_replica_could_not_read_is_kept_out() {
    let mut unknown_version = ordinary();
    unknown_version[0] = 0xff;
    let mut cut = ordinary();
    cut.pop();
    let mut followed = ordinary();
    followed.push(0);
    let long = vec![1; COMMAND_BYTES + 1];
    for bad in [unknown_version, cut, followed, long, Vec::new()] {
        for from in [MEMBER, LEADER] {
            let batch = batch(from, NOW_MS, None, vec![ordinary(), bad.clone()]);
            assert_eq!(admitted(&open(), from, &batch).await, "foreign", "{} bytes", bad.len());
        }
    }
    assert_eq!(admitted(&open(), MEMBER, &batch(MEMBER, NOW_MS, None, Vec::new())).await, "foreign");
    assert!(matches!(open().admit(id(MEMBER), b"no batch").await, Err(AdmissionError::Foreign)));
}

#[tokio::test(start_paused = true)]
async fn a_leaders_commands_come_from_the_leader_alone() {
    for (term, command) in [(Some(7), leaders()), (None, leaders()), (Some(7), ordinary())] {
        let forwarded = batch(MEMBER, NOW_MS, term, vec![ordinary(), command]);
        assert_eq!(admitted(&open(), MEMBER, &forwarded).await, "foreign");
    }
    assert_eq!(admitted(&open(), LEADER, &batch(LEADER, NOW_MS, Some(7), vec![leaders()])).await, "taken");
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_of_now_and_the_leaders_clock_is_compared_first() {
    let times = [(2_000, "taken"), (2_001, "skew 2001"), (-90_000, "taken"), (-90_001, "skew -90001")];
    for (ahead_ms, expected) in times {
        let batch = batch(MEMBER, NOW_MS.saturating_add_signed(ahead_ms), None, vec![ordinary()]);
        assert_eq!(admitted(&open(), MEMBER, &batch).await, expected);
        assert_eq!(admitted(&admission(6, Some(10)), MEMBER, &batch).await, "not yet");
    }
}
