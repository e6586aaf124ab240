//! Golden bytes: whoever changes them changes the disk format and the log of every cluster there is.

mod rows;

use super::*;
use crate::act::{Act, Actor, Subject};
use crate::agent::{
    ANSWER_WITHIN_MS, Account, Agent, AgentName, AgentState, Desired, Exit, Hold, Placement, Recorded, Resources,
    Restart, Spec, Status, Strategy, Tier,
};
use crate::checkpoint::Checkpoint;
use crate::command::{Aimed, CreateApiToken, CreateToken, Enrol, Genesis, Phase, Report, UpdateAgent};
use crate::dedup::{Asker, LastWrite, Spent};
use crate::document::Document;
use crate::entry::Item;
use crate::field::Fields;
use crate::hash::Hash;
use crate::ids::*;
use crate::ledger::{Anchor, Anchored};
use crate::merkle::Frontier;
use crate::names::{Code, Field, Kind};
use crate::node::{About, Liveness, Membership, Node, Profile};
use crate::outcome::{Coded, Lack, Limit, Refusal};
use crate::policy::{PermitRef, PolicySet};
use crate::secret::Secret;
use crate::state::{Chain, Cluster, Counters, Ruling};
use crate::token::{ApiToken, JoinToken, Scope};
use crate::user::User;
use expect_test::expect;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write};
use uuid::Uuid;

/// The bytes as hex, with runs of one byte written as `byte*count`.
fn hex_of(bytes: &[u8]) -> String {
    let mut out = String::new();
    for run in bytes.chunk_by(|left, right| left == right) {
        if run.len() > 4 {
            write!(out, "[{:02x}*{}]", run[0], run.len()).expect("a string");
        } else {
            run.iter().for_each(|byte| write!(out, "{byte:02x}").expect("a string"));
        }
    }
    out
}

fn golden<T: Serialize + DeserializeOwned + PartialEq + Debug>(out: &mut String, name: &str, value: &T) {
    let bytes = encode(value);
    assert_eq!(decode::<T>(&bytes, bytes.len()).as_ref(), Ok(value), "{name}");
    writeln!(out, "{name}: {}", hex_of(&bytes)).expect("a string");
}

fn name() -> AgentName {
    "a1".parse().expect("a name")
}

fn agent_id() -> AgentId {
    AgentId(Uuid::from_u128(0xa1))
}

fn actor() -> String {
    "user:admin".to_owned()
}

fn node() -> NodeId {
    NodeId([0x11; 32])
}

fn token() -> TokenId {
    TokenId([0x77; 6])
}

fn profile() -> Profile {
    let about = Document::of(&About { program: "0.2.0".to_owned() });
    let allocatable = Resources { memory_mb: 2048, cpu_millis: 2000 };
    Profile { about, ..Profile::plain(([10, 0, 0, 1], 7400).into(), vec![0x04; 65], allocatable) }
}

fn anchor() -> Anchor {
    let mut signature = [0xaa; 64];
    signature[32..].fill(0xbb);
    let (head, root, signature) = (Hash([0x88; 32]), Hash([0x99; 32]), signature.into());
    Anchor { node: node(), generation: 1, entries: 300, head, root, signature }
}

fn spec() -> Spec {
    Spec {
        name: name(),
        owner: "demo".to_owned(),
        command: vec!["python3".to_owned(), "a.py".to_owned()],
        env: BTreeMap::from([("K".to_owned(), "V".to_owned())]),
        max_in_flight: 3,
        answer_within_ms: ANSWER_WITHIN_MS,
        resources: Resources { memory_mb: 128, cpu_millis: 250 },
        tier: Tier::Process,
        restart: Restart::OnFailure,
        labels: BTreeSet::from(["team=x".to_owned()]),
        require: BTreeSet::from(["gpu".to_owned()]),
        strategy: Strategy::BestFit,
        priority: 300,
    }
}

fn aimed() -> Aimed {
    Aimed { name: name(), id: agent_id(), version: Some(3), actor: actor() }
}

fn scope() -> Scope {
    Scope::Actions(["agent::create".to_owned(), "agent::stop".to_owned()].into())
}

fn api_token() -> ApiToken {
    ApiToken {
        hash: Hash([0x77; 32]),
        user: "bob".to_owned(),
        scope: scope(),
        expires_ms: Some(9),
        created_by: actor(),
        created_at: 4,
        created_ms: 5,
    }
}

fn commands() -> Vec<Command> {
    vec![
        Command::Genesis(Genesis {
            cluster: ClusterId(Uuid::from_u128(0xc1)),
            name: "symbi".to_owned(),
            domain: "symbi.local".to_owned(),
            node: node(),
            node_name: "n1".to_owned(),
            profile: Profile { addr: "[::1]:7400".parse().expect("an address"), ..profile() },
            gate: 1,
            admin_token: Hash([0x22; 32]),
            policies: "permit".to_owned(),
            secret: Secret([0x5e; 32]),
        }),
        Command::Enrol(Enrol { node: node(), name: "n2".to_owned(), profile: profile(), token: token() }),
        Command::FinishJoin { node: node() },
        Command::ClearJoin { node: node() },
        Command::Introduce { node: node(), profile: profile() },
        Command::NodeDown { node: node() },
        Command::NodeUp { node: node() },
        Command::CreateToken(CreateToken {
            token: token(),
            verifier: [0x33; 32],
            uses: 1,
            expires_ms: 1_800_000_000_000,
            actor: actor(),
        }),
        Command::RevokeToken { token: token(), actor: actor() },
        Command::CreateAgent { id: agent_id(), spec: spec().into(), mac: Hash([0xac; 32]), actor: actor() },
        Command::StopAgent { name: name(), actor: actor() },
        Command::RemoveAgent { name: name(), actor: actor() },
        Command::Annotate { name: name(), key: "k".to_owned(), value: "v".to_owned(), actor: actor() },
        Command::Place { name: name(), id: agent_id(), expected: Some(Epoch(300)), node: node() },
        Command::Report(Report {
            name: name(),
            epoch: Epoch(1),
            incarnation: Incarnation(2 << 32 | 1),
            sequence: 6,
            state: AgentState::Running,
            restarts: 4,
            detail: String::new(),
            released: false,
            account: Account { exit: Some(Exit { code: Some(1), signal: None }) }.document(),
        }),
        Command::ApplyPolicies {
            text: "permit".to_owned(),
            entities: "[]".to_owned(),
            keeper: "admin".to_owned(),
            actor: actor(),
        },
        Command::Anchor { anchors: vec![anchor()] },
        Command::RemoveNode { node: node(), actor: actor() },
        Command::Finalize { gate: 2, actor: actor() },
        Command::UpdateAgent(UpdateAgent {
            aimed: aimed(),
            spec: spec().into(),
            mac: Hash([0xac; 32]),
            changed: vec!["env".to_owned()],
        }),
        Command::StartAgent(aimed()),
        Command::RestartAgent(Aimed { version: None, ..aimed() }),
        Command::RollbackAgent { aimed: aimed(), mac: Hash([0xac; 32]) },
        Command::Seal,
        Command::Voters { phase: Phase::Settled, voters: vec![node(), NodeId([0x12; 32])] },
        Command::Leave { node: node() },
    ]
}

fn commands_about_people() -> Vec<Command> {
    vec![
        Command::CreateUser { name: "bob".to_owned(), actor: actor() },
        Command::RemoveUser { name: "bob".to_owned(), keeper: "admin".to_owned(), actor: actor() },
        Command::CreateApiToken(CreateApiToken {
            hash: Hash([0x77; 32]),
            user: "bob".to_owned(),
            scope: scope(),
            expires_ms: Some(9),
            actor: actor(),
        }),
        Command::RevokeApiToken { token: Hash([0x77; 32]), keeper: "admin".to_owned(), actor: actor() },
    ]
}

#[test]
fn commands_keep_their_bytes() {
    let mut out = String::new();
    for command in commands().into_iter().chain(commands_about_people()) {
        golden(&mut out, &command.kind().name(), &command);
    }
    expect![[r#"
        cluster.genesis: 010010[00*15]c10573796d62690b73796d62692e6c6f63616c[11*32]026e3101[00*15]01fbe81c41[04*65]fb0008fbd007fb102700010001011f7b2276657273696f6e223a312c2270726f6772616d223a22302e322e30227d01[22*32]067065726d6974[5e*32]
        node.enrol: 0101[11*32]026e32000a000001fbe81c41[04*65]fb0008fbd007fb102700010001011f7b2276657273696f6e223a312c2270726f6772616d223a22302e322e30227d[77*6]
        node.join: 0102[11*32]
        node.clear: 0103[11*32]
        node.introduce: 0104[11*32]000a000001fbe81c41[04*65]fb0008fbd007fb102700010001011f7b2276657273696f6e223a312c2270726f6772616d223a22302e322e30227d
        node.down: 0105[11*32]
        node.up: 0106[11*32]
        token.create: 0107[77*6][33*32]01fd00505c18a30100000a757365723a61646d696e
        token.revoke: 0108[77*6]0a757365723a61646d696e
        agent.create: 010910[00*15]a10261310464656d6f80fa0001067465616d3d78010367707501fb2c0101fb09017b2276657273696f6e223a312c226e616d65223a226131222c226f776e6572223a2264656d6f222c22636f6d6d616e64223a5b22707974686f6e33222c22612e7079225d2c22656e76223a7b224b223a2256227d2c226d61785f696e5f666c69676874223a332c227265736f7572636573223a7b226d656d6f72795f6d62223a3132382c226370755f6d696c6c6973223a3235307d2c2274696572223a2270726f63657373222c2272657374617274223a226f6e2d6661696c757265222c226c6162656c73223a5b227465616d3d78225d2c2272657175697265223a5b22677075225d2c227374726174656779223a22626573742d666974222c227072696f72697479223a3330307d[ac*32]0a757365723a61646d696e
        agent.stop: 010a0261310a757365723a61646d696e
        agent.remove: 010b0261310a757365723a61646d696e
        agent.annotate: 010c026131016b01760a757365723a61646d696e
        agent.place: 010d02613110[00*15]a101fb2c01[11*32]
        agent.report: 010e02613101fd0100000002000000060304000001011f7b2276657273696f6e223a312c2265786974223a7b22636f6465223a317d7d
        policy.apply: 010f067065726d6974025b5d0561646d696e0a757365723a61646d696e
        ledger.anchor: 011001[11*32]01fb2c01[88*32][99*32][aa*32][bb*32]
        node.remove: 01[11*33]0a757365723a61646d696e
        upgrade.finalize: 0112020a757365723a61646d696e
        agent.update: 011302613110[00*15]a101030a757365723a61646d696e0261310464656d6f80fa0001067465616d3d78010367707501fb2c0101fb09017b2276657273696f6e223a312c226e616d65223a226131222c226f776e6572223a2264656d6f222c22636f6d6d616e64223a5b22707974686f6e33222c22612e7079225d2c22656e76223a7b224b223a2256227d2c226d61785f696e5f666c69676874223a332c227265736f7572636573223a7b226d656d6f72795f6d62223a3132382c226370755f6d696c6c6973223a3235307d2c2274696572223a2270726f63657373222c2272657374617274223a226f6e2d6661696c757265222c226c6162656c73223a5b227465616d3d78225d2c2272657175697265223a5b22677075225d2c227374726174656779223a22626573742d666974222c227072696f72697479223a3330307d[ac*32]0103656e76
        agent.start: 011402613110[00*15]a101030a757365723a61646d696e
        agent.restart: 011502613110[00*15]a1000a757365723a61646d696e
        agent.rollback: 011602613110[00*15]a101030a757365723a61646d696e[ac*32]
        audit.seal: 0117
        audit.voters: 01180102[11*32][12*32]
        node.leaving: 0119[11*32]
        user.create: 011a03626f620a757365723a61646d696e
        user.remove: 011b03626f620561646d696e0a757365723a61646d696e
        api-token.create: 011c[77*32]03626f6201020d6167656e743a3a6372656174650b6167656e743a3a73746f7001090a757365723a61646d696e
        api-token.revoke: 011d[77*32]0561646d696e0a757365723a61646d696e
    "#]].assert_eq(&out);
}

fn outcomes() -> Vec<Outcome> {
    let refusals = [
        Refusal::PolicyMoved { current: PolicyNumber(2) },
        Refusal::OriginNotMember,
        Refusal::BadSignature,
        Refusal::StaleTerm,
        Refusal::PermitMissing,
        Refusal::KeyReused,
        Refusal::KeyTooOld,
        Refusal::KeyFromFuture,
        Refusal::TooManyClients,
        Refusal::ClusterExists,
        Refusal::NameTaken,
        Refusal::NotFound,
        Refusal::TokenUnknown,
        Refusal::TokenExpired,
        Refusal::TokenUsed,
        Refusal::TokenRevoked,
        Refusal::JoinExpired,
        Refusal::StaleEpoch,
        Refusal::StillHeld,
        Refusal::NotWanted,
        Refusal::NodeUnavailable,
        Refusal::NodeLeaving,
        Refusal::NoRoom,
        Refusal::Limit { limit: Limit::Command, max: 1 },
        Refusal::InvariantBroken { invariant: "i".to_owned() },
        Refusal::ForeignNode,
        Refusal::Unsuitable { lacks: Lack::Label("w".to_owned()) },
        Refusal::Unsuitable { lacks: Lack::Tier("w".to_owned()) },
        Refusal::GateClosed { gate: 2 },
        Refusal::GateUnspoken { node: node(), speaks: 1 },
        Refusal::ClientShare,
        Refusal::NodeInUse,
        Refusal::VersionMoved { current: 4 },
        Refusal::Fixed,
        Refusal::NoPrevious,
        Refusal::SpecHash,
        Refusal::VotersNamed,
        Refusal::VotersOther,
        Refusal::CredentialRevoked,
        Refusal::Lockout,
    ];
    let done = [Outcome::Done, Outcome::Created { id: agent_id() }, Outcome::Placed { epoch: Epoch(1) }];
    let applied = Outcome::PoliciesApplied { number: PolicyNumber(2) };
    let anchored = Outcome::Anchored { answers: vec![Code::DONE, Code::STALE_ANCHOR] };
    done.into_iter().chain(refusals.map(Outcome::Refused)).chain([applied, anchored]).collect()
}

#[test]
fn outcomes_keep_their_bytes_and_codes() {
    let mut out = String::new();
    for outcome in outcomes() {
        golden(&mut out, &outcome.code().name(), &outcome);
    }
    expect![[r#"
        DONE: 010000
        DONE: 010001020510[00*15]a1
        DONE: 0100010c0001
        POLICY_MOVED: 010101080002
        ORIGIN_NOT_MEMBER: 010200
        BAD_SIGNATURE: 010300
        STALE_TERM: 010400
        PERMIT_MISSING: 010500
        KEY_REUSED: 010600
        KEY_TOO_OLD: 010700
        KEY_FROM_FUTURE: 010800
        TOO_MANY_CLIENTS: 010900
        CLUSTER_EXISTS: 010a00
        NAME_TAKEN: 010b00
        NOT_FOUND: 010c00
        TOKEN_UNKNOWN: 010d00
        TOKEN_EXPIRED: 010e00
        TOKEN_USED: 010f00
        TOKEN_REVOKED: 011000
        JOIN_EXPIRED: 011100
        STALE_EPOCH: 011200
        STILL_HELD: 011300
        NOT_WANTED: 011400
        NODE_UNAVAILABLE: 011500
        NODE_LEAVING: 012400
        NO_ROOM: 011600
        LIMIT: 01170217020d6167656e742e636f6d6d616e64180001
        INVARIANT_BROKEN: 01180112020169
        FOREIGN_NODE: 011900
        UNSUITABLE: 011a0115020177
        UNSUITABLE: 011a0127020177
        GATE_CLOSED: 011d010e0002
        GATE_UNSPOKEN: 011e021c03[11*32]2f0001
        CLIENT_SHARE: 012200
        NODE_IN_USE: 011c00
        VERSION_MOVED: 012801080004
        FIXED: 012300
        NO_PREVIOUS: 012900
        SPEC_HASH: 012a00
        VOTERS_NAMED: 013400
        VOTERS_OTHER: 013300
        CREDENTIAL_REVOKED: 011f00
        LOCKOUT: 012000
        DONE: 0100011f0002
        DONE: 010001480a02001b
    "#]]
    .assert_eq(&out);
    assert_eq!(decode_outcomes(&encode_outcomes(&outcomes())), Ok(outcomes()));
}

#[test]
fn batches_and_records_keep_their_bytes() {
    let request = RequestId { client: ClientId(Uuid::from_u128(0xc1)), sequence: 7 };
    let permit = PermitRef {
        decision: DecisionId { node: [0xd0; 4], id: Uuid::from_u128(0xde) },
        policy_set: PolicyNumber(1),
        credential: Some(ApiTokenId([0x79; 6])),
    };
    let item = Item { request: Some(request), permit: Some(permit), salt: [0x5a; 16], command: vec![1, 2, 3] };
    let bare = Item { request: None, permit: None, salt: [0; 16], command: vec![] };
    let (items, signature) = (vec![item, bare], vec![0x55; 64]);
    let batch = Batch { origin: node(), time_ms: 5, decided_term: Some(3), acts: 1, items, signature };
    let record = Record {
        index: 9,
        position: 1,
        term: 2,
        time_ms: 5,
        origin: Some(node()),
        act: Act {
            kind: Kind::AGENT_STOP,
            actor: Actor::Named(actor()),
            subject: Subject::agent("a1"),
            details: Fields::new(),
            request: Some(request),
            permit: Some(permit),
            command: Hash([0x66; 32]),
        },
        result: Coded { code: Code::DONE, values: Fields::new().with(Field::EPOCH, 1_u64).with(Field::NODE, node()) },
        previous: Hash::default(),
        hash: Hash::default(),
    }
    .chained(Hash([0x99; 32]));
    let line = BatchLine {
        index: 9,
        origin: node(),
        time_ms: 5,
        decided_term: 3,
        count: 2,
        acts: 1,
        root: batch.root(),
        signature: batch.signature.clone(),
    };
    let mut out = String::new();
    golden(&mut out, "batch", &batch);
    golden(&mut out, "record", &record);
    golden(&mut out, "batch line", &line);
    let signed = batch.signed_bytes(ClusterId(Uuid::from_u128(0xc1)), GroupId(0));
    writeln!(out, "signed bytes: {}", hex_of(&signed)).expect("a string");
    writeln!(out, "canonical act: {}", hex_of(&record.act.canonical())).expect("a string");
    writeln!(out, "canonical result: {}", hex_of(&record.canonical_result())).expect("a string");
    writeln!(out, "hash: {}", record.hash).expect("a string");
    expect![[r#"
        batch: 01[11*32]05010301020110[00*15]c10701d0d0d0d010[00*15]de0101[79*6][5a*16]03010203[00*19]40[55*64]
        record: 010901020501[11*32]29020a757365723a61646d696e03026131000110[00*15]c10701d0d0d0d010[00*15]de0101[79*6][66*32]00020c00011c03[11*32][99*32]4fef1583ac013ee770864a09b3d5a7058db4081dc6ae40e939e4135ad2591855
        batch line: 0109[11*32]050302018d194e2a6225a608199185b7fb2ff57d4596d2674e929c790e40b2bdae98703a40[55*64]
        signed bytes: 73796d62692d656e7472792d7632[00*16]c1[00*8][11*32][00*7]05[00*7]03[00*7]02[00*7]018d194e2a6225a608199185b7fb2ff57d4596d2674e929c790e40b2bdae98703a
        canonical act: [00*7]0a6167656e742e73746f70[00*7]0a757365723a61646d696e[00*7]086167656e743a6131[00*15]26[30*8]2d303030302d303030302d303030302d[30*10]63313a37[00*7]2d64306430643064302d[30*8]2d303030302d303030302d303030302d[30*10]6465[00*7]01[66*32]
        canonical result: [00*7]09[00*7]01[00*7]02[00*7]05[00*7]20[11*32][00*7]04444f4e45[00*7]02[00*7]0565706f6368[00*7]0131[00*7]046e6f6465[00*7]40[31*64]
        hash: 4fef1583ac013ee770864a09b3d5a7058db4081dc6ae40e939e4135ad2591855
    "#]].assert_eq(&out);
}

#[test]
fn what_cannot_be_read_is_refused_for_its_reason() {
    let stop = encode_command(&Command::NodeUp { node: node() });
    let with = |change: fn(&mut Vec<u8>)| {
        let mut bytes = stop.clone();
        change(&mut bytes);
        decode_command(&bytes)
    };
    assert_eq!(decode_command(&[]), Err(Error::Empty));
    assert_eq!(with(|bytes| bytes[0] = 2), Err(Error::Version { found: 2, reads: 1 }));
    assert!(matches!(with(|bytes| bytes[1] = 250), Err(Error::Malformed { .. })), "an unknown variant");
    assert!(matches!(with(|bytes| bytes.truncate(10)), Err(Error::Malformed { .. })));
    assert_eq!(with(|bytes| bytes.push(0)), Err(Error::Trailing { bytes: 1 }));
    let long = vec![1; COMMAND_BYTES + 1];
    assert_eq!(decode_command(&long), Err(Error::TooLong { bytes: COMMAND_BYTES + 1, max: COMMAND_BYTES }));
}

#[test]
fn a_length_that_promises_more_than_there_is_takes_no_memory() {
    // A batch whose item count claims 2^60.
    let mut bytes = encode(&(node(), 5u64, Option::<u64>::None));
    bytes.extend([253, 0, 0, 0, 0, 0, 0, 0, 16]);
    assert!(matches!(decode_batch(&bytes), Err(Error::Malformed { .. })));
}
