//! The keys of the ledger's rows. Each begins with [`SPACE`], then a letter for the kind of row.
//!
//! ```text
//! 'd' | decision         the line with a verdict that denied            -> its number
//! 'e' | number           a line                                         -> model::ledger::Line
//! 'h' | number           an anchored head                               -> disk::Head
//! 'm' | moment | number  a line with a message whose id is of a moment  -> nothing
//! 'p'                    the last line that was let go                  -> disk::Before
//! 's' | session          the line with a session                        -> its number
//! 't'                    the tree over all lines                        -> model::merkle::Frontier
//! ```
//! Numbers are big-endian, so that rows sort by them. Rows go when their line goes.

use symbi_model::{DecisionId, MessageId};
use symbi_store::Run;

/// The first byte of every key of the ledger; the replica's rows are under 1.
pub const SPACE: u8 = 2;
/// How long the moment of an index row is, ms.
const MOMENT_MS: u64 = 64;

/// The keys whose rows are only added behind the last one: the lines, and the index of messages, which are numbered by time.
#[must_use]
pub fn runs() -> [Run; 2] {
    let run = |name, kind| Run { name, from: key(kind, &[]), to: key(kind + 1, &[]) };
    [run("ledger", b'e'), run("messages", b'm')]
}

pub fn denied(decision: &DecisionId) -> Vec<u8> {
    key(b'd', &[decision.id.as_bytes()])
}

pub fn line(number: u64) -> Vec<u8> {
    key(b'e', &[&number.to_be_bytes()])
}

/// The first key after every line.
pub fn lines_end() -> Vec<u8> {
    key(b'e' + 1, &[])
}

pub fn head(number: u64) -> Vec<u8> {
    key(b'h', &[&number.to_be_bytes()])
}

/// The first key after every head.
pub fn heads_end() -> Vec<u8> {
    key(b'h' + 1, &[])
}

pub fn message(moment: u64, number: u64) -> Vec<u8> {
    key(b'm', &[&moment.to_be_bytes(), &number.to_be_bytes()])
}

pub fn before() -> Vec<u8> {
    key(b'p', &[])
}

pub fn session(session: &[u8; 16]) -> Vec<u8> {
    key(b's', &[session])
}

pub fn tree() -> Vec<u8> {
    key(b't', &[])
}

/// The number at the end of a key.
pub fn number(key: &[u8]) -> Option<u64> {
    key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))
}

/// The moment in which a message's id was made: the time in a UUIDv7's first 48 bits.
pub fn moment(message: &MessageId) -> u64 {
    u64::try_from(message.0.as_u128() >> 80).expect("48 bits") / MOMENT_MS
}

fn key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(18);
    key.extend([SPACE, kind]);
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}
