//! Values that every test here can use: fixed, and told apart by small numbers.

use ed25519_dalek::SigningKey;
use symbi_model::agent::{AgentName, Resources};
use symbi_model::document::Document;
use symbi_model::node::{About, Profile};
use symbi_model::{
    AgentId, ClientId, ClusterId, DecisionId, Epoch, Incarnation, MessageId, NodeId, RequestId, TokenId,
};
use symbi_proto::session::{Extensions, Header, Id, Initiator, Kind, Party, Session, respond};
use symbi_proto::token::JoinToken;

pub fn uuid<T: std::str::FromStr<Err: std::fmt::Debug>>(number: u8) -> T {
    format!("01939d3c-8f00-7000-8000-0000000000{number:02x}").parse().expect("a UUID")
}

pub fn cluster() -> ClusterId {
    uuid(1)
}

pub fn message(number: u8) -> MessageId {
    uuid(number)
}

pub fn agent_id() -> AgentId {
    uuid(7)
}

pub fn agent(name: &str) -> AgentName {
    name.parse().expect("an agent's name")
}

pub fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

pub fn public(number: u8) -> [u8; 32] {
    key(number).verifying_key().to_bytes()
}

pub fn node(number: u8) -> NodeId {
    NodeId(public(number))
}

pub fn decision() -> DecisionId {
    DecisionId { node: [0xab; 4], id: message(3).0 }
}

pub fn request() -> RequestId {
    RequestId { client: uuid::<ClientId>(5), sequence: 1 }
}

pub fn token() -> JoinToken {
    JoinToken::new("symbi", cluster(), TokenId([1, 2, 3, 4, 5, 6]), [7; 32])
}

pub fn profile() -> Profile {
    let plain = Profile::plain(
        "127.0.0.1:7400".parse().expect("an address"),
        vec![4; 65],
        Resources { memory_mb: 4096, cpu_millis: 2000 },
    );
    // Of no version of this program: its bytes are among those that stay as they are.
    Profile { about: Document::of(&About { program: "0.2.0".to_owned() }), ..plain }
}

/// Agent `number`, who speaks with agent `peer`.
pub fn party(number: u8, peer: u8) -> Party {
    Party {
        cluster: cluster(),
        node: node(number),
        peer: node(peer),
        name: format!("agent-{number}"),
        peer_name: format!("agent-{peer}"),
        signing_key: key(100 + number),
        credential: format!("the credential of agent-{number} for agent-{peer}"),
        now_ms: 0,
    }
}

/// The incarnation key of agent `number`, as its credential has it.
pub fn cnf(number: u8) -> [u8; 32] {
    public(100 + number)
}

/// A session of agents 1 and 2, whose keys come from `seed`.
pub fn sessions(seed: u8) -> (Session, Session) {
    let (initiator, hello) = Initiator::start(party(1, 2), [seed; 32], [12; 32], Id([9; 16]));
    let (responder, reply) = respond(party(2, 1), &hello, &cnf(1), [seed ^ 0xff; 32], [22; 32]).expect("a good hello");
    (initiator.finish(&reply, &cnf(2)).expect("a good reply"), responder)
}

pub fn header(sender: u8, receiver: u8) -> Header {
    Header {
        kind: Kind::Ask,
        message: message(2),
        in_reply_to: None,
        sender: format!("agent-{sender}"),
        receiver: format!("agent-{receiver}"),
        sender_epoch: Epoch(3),
        sender_incarnation: Incarnation(1 << 32),
        receiver_epoch: Epoch(4),
        deadline_ms: 1_000,
        trace: [5; 16],
        extensions: Extensions::default(),
    }
}
