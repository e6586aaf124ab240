//! Named, typed values: what an act or a result says beside its fixed parts. No prose: the sentence is made where it is shown.

use crate::codec::blob;
use crate::hash::{Hash, put_bytes, put_u64};
use crate::ids::{AgentId, NodeId, TokenId};
use crate::ledger::Anchor;
use crate::names::{Code, Field};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest text in a value, in bytes: texts come from whoever proposed, refused commands included.
pub const TEXT_BYTES: usize = 256;

/// A value. The order of variants is the disk format: new ones go at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// A number, shown in decimal.
    Number(u64),
    /// Yes or no, shown as `true` or `false`.
    Flag(bool),
    /// A text of at most [`TEXT_BYTES`].
    Text(String),
    /// A node, shown as 64 hex digits.
    Node(NodeId),
    /// Sets of nodes, by id: shown with commas within a set and ` and ` between sets.
    Nodes(Vec<Vec<NodeId>>),
    /// An agent, shown as a hyphenated UUID.
    Agent(AgentId),
    /// A join token, shown as 12 hex digits.
    Token(TokenId),
    /// A digest, shown as 64 hex digits.
    Hash(Hash),
    /// Bytes, shown in hex.
    Bytes(#[serde(with = "blob")] Vec<u8>),
    /// Anchors of ledgers, shown with commas between them.
    Anchors(Vec<Anchor>),
    /// What became of each of several things, in their order: shown with commas.
    Codes(Vec<Code>),
}

impl Value {
    /// A text, cut to [`TEXT_BYTES`].
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(cut(text).to_owned())
    }

    /// The node, if it is one.
    #[must_use]
    pub fn node(&self) -> Option<NodeId> {
        match self {
            Self::Node(node) => Some(*node),
            _ => None,
        }
    }

    /// The number, if it is one.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

/// The canonical text: what is hashed and exported.
impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(formatter),
            Self::Flag(flag) => flag.fmt(formatter),
            Self::Text(text) => formatter.write_str(text),
            Self::Node(node) => node.fmt(formatter),
            Self::Nodes(sets) => {
                let sets: Vec<String> = sets.iter().map(|set| joined(set)).collect();
                formatter.write_str(&sets.join(" and "))
            }
            Self::Agent(agent) => agent.fmt(formatter),
            Self::Token(token) => token.fmt(formatter),
            Self::Hash(hash) => hash.fmt(formatter),
            Self::Bytes(bytes) => formatter.write_str(&hex::encode(bytes)),
            Self::Anchors(anchors) => formatter.write_str(&joined(anchors)),
            Self::Codes(codes) => formatter.write_str(&joined(codes)),
        }
    }
}

fn joined(all: &[impl ToString]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

macro_rules! from {
    ($($type:ty => |$value:ident| $made:expr;)*) => {
        $(impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $made
            }
        })*
    };
}

from! {
    u64 => |value| Self::Number(value);
    u32 => |value| Self::Number(u64::from(value));
    u16 => |value| Self::Number(u64::from(value));
    bool => |value| Self::Flag(value);
    NodeId => |value| Self::Node(value);
    AgentId => |value| Self::Agent(value);
    TokenId => |value| Self::Token(value);
    Hash => |value| Self::Hash(value);
    &str => |value| Self::text(value);
}

/// Values by name.
///
/// Invariant: names rise strictly, by their texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fields(Vec<(Field, Value)>);

impl Fields {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The same with one value more, in place of one of that name.
    #[must_use]
    pub fn with(mut self, field: Field, value: impl Into<Value>) -> Self {
        self.put(field, value);
        self
    }

    /// Sets a value.
    pub fn put(&mut self, field: Field, value: impl Into<Value>) {
        let value = value.into();
        match self.0.binary_search_by(|(known, _)| known.name().cmp(&field.name())) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (field, value)),
        }
    }

    /// A value.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<&Value> {
        self.0.iter().find(|(known, _)| *known == field).map(|(_, value)| value)
    }

    /// A number.
    #[must_use]
    pub fn number(&self, field: Field) -> Option<u64> {
        self.get(field).and_then(Value::number)
    }

    /// A text as it is.
    #[must_use]
    pub fn text(&self, field: Field) -> Option<&str> {
        match self.get(field) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Every value, by name.
    pub fn iter(&self) -> impl Iterator<Item = (Field, &Value)> {
        self.0.iter().map(|(field, value)| (*field, value))
    }

    /// Name and canonical text of each, by name.
    pub fn texts(&self) -> impl Iterator<Item = (String, String)> {
        self.0.iter().map(|(field, value)| (field.to_string(), value.to_string()))
    }

    /// Appends the bytes that are hashed: the count, then name and canonical text of each behind their lengths.
    pub fn put_canonical(&self, out: &mut Vec<u8>) {
        put_u64(out, self.0.len() as u64);
        for (field, value) in &self.0 {
            put_bytes(out, field.name().as_bytes());
            match value {
                Value::Text(text) => put_bytes(out, text.as_bytes()),
                other => put_bytes(out, other.to_string().as_bytes()),
            }
        }
    }
}

/// The text, or what fits of it.
#[must_use]
pub fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::{Fields, Value};
    use crate::names::Field;

    #[test]
    fn names_rise_and_a_name_has_one_value() {
        let fields = Fields::new().with(Field::USES, 3_u32).with(Field::ADDR, "a").with(Field::USES, 4_u32);
        assert_eq!(fields.texts().collect::<Vec<_>>(), [("addr".into(), "a".into()), ("uses".into(), "4".into())]);
        assert_eq!(fields.number(Field::USES), Some(4));
    }

    #[test]
    fn a_text_is_cut_between_letters() {
        let long = "é".repeat(200);
        let Value::Text(text) = Value::text(&long) else { panic!("a text") };
        assert_eq!(text, "é".repeat(128));
    }
}
