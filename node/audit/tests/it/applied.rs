//! What `apply` makes of a log that nobody honest would write is what the verifier takes it for: times that leap or fall, entries that
//! nobody can read, and batches whose origin has not signed them.

use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use symbi_audit::{Cluster, Line, verify_chain};
use symbi_model::agent::Resources;
use symbi_model::command::Genesis;
use symbi_model::entry::{Entry, Payload, STRIDE_MS};
use symbi_model::node::Profile;
use symbi_model::secret::Secret;
use symbi_model::{ClusterId, GroupId, Hash, NodeId, State, apply, codec, gate};
use uuid::Uuid;

const CLUSTER: ClusterId = ClusterId(Uuid::from_u128(0xc1));
/// When the cluster is made, ms since the Unix epoch.
const START_MS: u64 = 1_800_000_000_000;

/// One entry of a log.
#[derive(Clone, Debug)]
enum Step {
    /// One of Raft's own.
    Blank,
    /// What is no batch.
    Garbage(Vec<u8>),
    /// A batch of nothing, of a member or of somebody else, signed or not, at some time.
    Batch {
        /// Whose.
        of: u8,
        /// Whether it is signed.
        is_signed: bool,
        /// Its time.
        time_ms: u64,
    },
    /// The entry that makes the cluster, or tries to once more.
    Genesis(u64),
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

fn id(number: u8) -> NodeId {
    NodeId(key(number).verifying_key().to_bytes())
}

fn genesis() -> Genesis {
    Genesis {
        cluster: CLUSTER,
        name: "symbi".to_owned(),
        domain: "symbi.symbi.internal".to_owned(),
        node: id(1),
        node_name: "n1".to_owned(),
        profile: Profile::plain("127.0.0.1:7400".parse().unwrap(), vec![4; 65], Resources::default()),
        gate: gate::CURRENT,
        admin_token: Hash([7; 32]),
        policies: "permit(principal, action, resource);".to_owned(),
        secret: Secret([7; 32]),
    }
}

impl Step {
    fn payload(self) -> Payload {
        let batch = match self {
            Self::Blank => return Payload::Blank,
            Self::Garbage(bytes) => return Payload::Batch(bytes),
            Self::Genesis(time_ms) => symbi_model::Batch::genesis(genesis(), [0; 16], &key(1), time_ms),
            Self::Batch { of, is_signed, time_ms } => {
                let batch = symbi_model::Batch::sign(CLUSTER, GroupId(0), &key(of), time_ms, None, Vec::new());
                let signature = if is_signed { batch.signature.clone() } else { vec![0; 64] };
                symbi_model::Batch { signature, ..batch }
            }
        };
        Payload::Batch(codec::encode_batch(&batch))
    }
}

/// The chain of this log, and the state in which it ends.
fn chain(steps: impl IntoIterator<Item = Step>) -> (State, Vec<Line>) {
    let (mut state, mut lines) = (State::default(), Vec::new());
    for (index, step) in (1..).zip(steps) {
        let before_ms = state.counters.log_time_ms;
        let is_made = state.cluster.is_some();
        let applied = apply(&mut state, &Entry { term: 1, index, payload: step.payload() });
        assert_eq!(applied.error, None);
        let rise_ms = state.counters.log_time_ms.checked_sub(before_ms).expect("it never falls");
        assert!(!is_made || rise_ms <= STRIDE_MS, "{rise_ms} ms at once");
        lines.extend(applied.batch_line.map(|line| Line::Batch(symbi_audit_lines::batch(line).expect("signed"))));
        lines.extend(applied.records.into_iter().map(|line| Line::Record(symbi_audit_lines::record(line))));
    }
    (state, lines)
}

/// Around the cluster's making, days before and after, and at the ends of time.
fn time_ms() -> impl Strategy<Value = u64> {
    let days = 9 * STRIDE_MS;
    prop_oneof![8 => START_MS - STRIDE_MS..START_MS + days, 1 => Just(0), 1 => Just(u64::MAX)]
}

fn step() -> impl Strategy<Value = Step> {
    let batch = (1..3_u8, prop::bool::weighted(0.8), time_ms());
    prop_oneof![
        1 => Just(Step::Blank),
        2 => prop::collection::vec(any::<u8>(), 0..80).prop_map(Step::Garbage),
        1 => time_ms().prop_map(Step::Genesis),
        6 => batch.prop_map(|(of, is_signed, time_ms)| Step::Batch { of, is_signed, time_ms }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn apply_and_the_verifier_make_the_same_of_any_log(
        before in prop::collection::vec(step(), 0..4),
        after in prop::collection::vec(step(), 0..30),
    ) {
        let steps = before.into_iter().chain([Step::Genesis(START_MS)]).chain(after);
        let (state, lines) = chain(steps);
        let report = verify_chain(Cluster(*CLUSTER.0.as_bytes()), 0, lines).expect("an honest chain");
        prop_assert_eq!(report.head, state.counters.audit_head.to_string());
        prop_assert_eq!(report.records, state.counters.audit_records);
    }
}
