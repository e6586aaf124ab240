//! Every identifier is a type of its own, all made by the macros of this file.

use crate::hash::Hash;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// An identifier that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {kind}")]
pub struct ParseError {
    /// What was wanted, for people.
    pub kind: &'static str,
    /// What was given.
    pub text: String,
}

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub [u8; $len]);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&hex::encode(&self.0[..4]))
            }
        }

        impl FromStr for $name {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self, ParseError> {
                let error = || ParseError { kind: $kind, text: text.to_owned() };
                let bytes = hex::decode(text).map_err(|_| error())?;
                Ok(Self(bytes.try_into().map_err(|_| error())?))
            }
        }
    };
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, formatter)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, formatter)
            }
        }

        impl FromStr for $name {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self, ParseError> {
                text.parse().map(Self).map_err(|_| ParseError { kind: $kind, text: text.to_owned() })
            }
        }
    };
}

macro_rules! counter_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, formatter)
            }
        }
    };
}

bytes_id! {
    /// A node: its 32-byte Ed25519 public key, which is its libp2p identity and its Raft id too.
    NodeId, 32, "node id (64 hex digits)"
}

impl NodeId {
    /// The first eight hex digits, for people and for decision ids.
    #[must_use]
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }
}

bytes_id! {
    /// A join token's public half.
    TokenId, 6, "token id (12 hex digits)"
}
bytes_id! {
    /// An API token, as people name it: how the SHA-256 of its text begins. No two tokens that there are begin alike.
    ApiTokenId, 6, "API token id (12 hex digits)"
}

impl ApiTokenId {
    /// That of the token whose text has this SHA-256.
    #[must_use]
    pub fn of(hash: &Hash) -> Self {
        let [a, b, c, d, e, f, ..] = hash.0;
        Self([a, b, c, d, e, f])
    }
}

uuid_id! {
    /// A cluster, made once at its bootstrap.
    ClusterId, "cluster id (a UUID)"
}
uuid_id! {
    /// An agent, made once when it is created; its name may be used again after it was removed, its id never.
    AgentId, "agent id (a UUID)"
}
uuid_id! {
    /// One client of the write path: a UUIDv7, whose time bounds how long its requests are remembered.
    ClientId, "client id (a UUIDv7)"
}

impl ClientId {
    /// The time in a UUIDv7's first 48 bits, ms since the Unix epoch.
    #[must_use]
    pub fn time_ms(&self) -> u64 {
        time_ms(&self.0)
    }
}

fn time_ms(id: &Uuid) -> u64 {
    u64::try_from(id.as_u128() >> 80).expect("48 bits")
}

uuid_id! {
    /// One message between agents: a UUIDv7.
    MessageId, "message id (a UUIDv7)"
}

impl MessageId {
    /// The first and the last of the ids that are written beginning with `text`; none if no id is.
    #[must_use]
    pub fn beginning(text: &str) -> Option<(Self, Self)> {
        let [low, high] = beginning(text, &[8, 13, 18, 23])?;
        Some((Self(Uuid::from_bytes(low)), Self(Uuid::from_bytes(high))))
    }
}

/// The lowest and the highest bytes that are written beginning with `text`, as hex digits with hyphens at these places.
fn beginning<const LEN: usize>(text: &str, hyphens: &[usize]) -> Option<[[u8; LEN]; 2]> {
    let fits = |(at, letter): (usize, char)| {
        if hyphens.contains(&at) { letter == '-' } else { letter.is_ascii_hexdigit() }
    };
    if text.is_empty() || text.len() > 2 * LEN + hyphens.len() || !text.char_indices().all(fits) {
        return None;
    }
    let filled = |fill: char| {
        let digits = text.chars().filter(|letter| *letter != '-').chain(std::iter::repeat(fill));
        let mut bytes = [0; LEN];
        hex::decode_to_slice(digits.take(2 * LEN).collect::<String>(), &mut bytes).expect("hex digits");
        bytes
    };
    Some([filled('0'), filled('f')])
}

counter_id! {
    /// A Raft group. Group 0 is the control group.
    GroupId
}
counter_id! {
    /// A placement's fence: one more for every `Place`; the top 16 bits are the cluster generation.
    Epoch
}
impl Epoch {
    /// Where the generation begins.
    const GENERATION_SHIFT: u32 = 48;

    /// The epoch of this count in this generation of the cluster.
    #[must_use]
    pub fn of(generation: u16, count: u64) -> Self {
        Self(u64::from(generation) << Self::GENERATION_SHIFT | count)
    }

    /// The count, without the generation.
    #[must_use]
    pub fn count(self) -> u64 {
        self.0 & ((1 << Self::GENERATION_SHIFT) - 1)
    }
}

counter_id! {
    /// One start of an agent under one epoch: the node's boot count in the high 32 bits, its start count in the low.
    Incarnation
}
counter_id! {
    /// The number of a policy set, from 1.
    PolicyNumber
}

/// One verdict of a gate: the deciding node's first four bytes and a UUIDv7.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DecisionId {
    /// The first four bytes of the node that judged, so that any node knows whom to ask about it.
    pub node: [u8; 4],
    /// Unique, and rising with time.
    pub id: Uuid,
}

impl DecisionId {
    /// How long it is, as it is written.
    const WRITTEN: usize = 45;

    /// It as text, written by hand: this is done for every command and every message.
    pub(crate) fn text(&self) -> [u8; Self::WRITTEN] {
        let mut text = [b'-'; Self::WRITTEN];
        hex::encode_to_slice(self.node, &mut text[..8]).expect("two digits a byte");
        self.id.hyphenated().encode_lower(&mut text[9..]);
        text
    }

    /// The first and the last of the ids that are written beginning with `text`; none if no id is.
    #[must_use]
    pub fn beginning(text: &str) -> Option<(Self, Self)> {
        let [low, high] = beginning(text, &[8, 17, 22, 27, 32])?;
        let id =
            |bytes: [u8; 20]| Some(Self { node: *bytes.first_chunk()?, id: Uuid::from_bytes(*bytes.last_chunk()?) });
        Some((id(low)?, id(high)?))
    }

    /// Whether it can be a decision of `node`.
    #[must_use]
    pub fn is_of(&self, node: &NodeId) -> bool {
        node.0.starts_with(&self.node)
    }

    /// The time in its UUIDv7's first 48 bits, ms since the Unix epoch.
    #[must_use]
    pub fn time_ms(&self) -> u64 {
        time_ms(&self.id)
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(std::str::from_utf8(&self.text()).expect("hex digits and hyphens"))
    }
}

impl fmt::Debug for DecisionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for DecisionId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError { kind: "decision id (8 hex digits, '-', a UUID)", text: text.to_owned() };
        let (node, id) = text.split_once('-').ok_or_else(error)?;
        let node = hex::decode(node).map_err(|_| error())?.try_into().map_err(|_| error())?;
        Ok(Self { node, id: id.parse().map_err(|_| error())? })
    }
}

/// One write of one client; a client has one in flight at a time, and numbers them upwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId {
    /// Who asks.
    pub client: ClientId,
    /// Which of its writes this is.
    pub sequence: u64,
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.client, self.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::{DecisionId, MessageId};
    use std::fmt::Debug;

    /// Holds each beginning of `text`, an id, against what lies there.
    fn check<I: Copy + Debug + PartialEq + PartialOrd + ToString>(id: I, beginning: impl Fn(&str) -> Option<(I, I)>) {
        let text = id.to_string();
        for end in 1..=text.len() {
            let (low, high) = beginning(&text[..end]).unwrap();
            assert!((low..=high).contains(&id), "{}", &text[..end]);
            assert!(low.to_string().starts_with(&text[..end]) && high.to_string().starts_with(&text[..end]));
            assert_eq!(low == high, end == text.len());
            assert_eq!(beginning(&text[..end].to_uppercase()), Some((low, high)));
        }
        for none in ["", "x", "-", &format!("{}0", &text[..8]), &format!("{text}0"), &format!("{}ä", &text[..12])] {
            assert_eq!(beginning(none), None, "{none:?}");
        }
    }

    #[test]
    fn an_id_lies_among_those_that_begin_as_it_does_and_a_whole_one_is_alone() {
        let text = "1f0c9a2b-0198a6b2-7c1e-7d3f-8a51-5f0f8a3b6c11";
        let decision: DecisionId = text.parse().unwrap();
        assert_eq!((text.len(), decision.time_ms()), (DecisionId::WRITTEN, 0x0198_a6b2_7c1e));
        check(decision, DecisionId::beginning);
        let message: MessageId = text[9..].parse().unwrap();
        check(message, MessageId::beginning);
        assert_eq!(DecisionId::beginning("1f0c9a2b-0198a6b27"), None);
        assert_eq!(MessageId::beginning("0198a6b27c1e"), None);
    }
}
