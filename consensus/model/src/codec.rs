//! The one codec of everything that goes to disk or over the wire: a format version byte, then bincode (standard
//! configuration: variable-length little-endian integers, enum variants by their order).
//!
//! Input is bounded before it is looked at, and must be used up. An unknown version or variant is an error: refused at
//! the door, and by apply, unless a gate is open that this program does not speak: that ends the replica.

pub mod blob;
pub mod bytes;
pub mod rows;

pub use bytes::{Error, VERSION, decode, encode};
pub use rows::{decode_row, encode_row};

use crate::command::Command;
use crate::entry::{BATCH_BYTES, Batch, COMMAND_BYTES};
use crate::outcome::Outcome;
use crate::record::{BatchLine, Record};
use bytes::encode_in;

/// The longest encoded batch: one command of the greatest length alone, or many up to [`BATCH_BYTES`], and their frame.
pub const BATCH_MAX: usize = COMMAND_BYTES + BATCH_BYTES;
/// The longest encoded record: details repeat parts of a command, never all of it.
pub const RECORD_MAX: usize = 64 * 1024;
/// The longest encoded list of outcomes.
pub const OUTCOMES_MAX: usize = 1024 * 1024;

/// Encodes a command.
#[must_use]
pub fn encode_command(command: &Command) -> Vec<u8> {
    encode(command)
}

/// Decodes a command of at most [`COMMAND_BYTES`].
///
/// # Errors
/// As [`decode`].
pub fn decode_command(bytes: &[u8]) -> Result<Command, Error> {
    decode(bytes, COMMAND_BYTES)
}

/// Encodes a batch.
#[must_use]
pub fn encode_batch(batch: &Batch) -> Vec<u8> {
    let commands: usize = batch.items.iter().map(|item| item.command.len()).sum();
    encode_in(batch, commands + 128 * batch.items.len() + 256)
}

/// Decodes a batch of at most [`BATCH_MAX`]; its commands stay encoded.
///
/// # Errors
/// As [`decode`].
pub fn decode_batch(bytes: &[u8]) -> Result<Batch, Error> {
    decode(bytes, BATCH_MAX)
}

/// Encodes an audit record.
#[must_use]
pub fn encode_record(record: &Record) -> Vec<u8> {
    encode(record)
}

/// Decodes an audit record of at most [`RECORD_MAX`].
///
/// # Errors
/// As [`decode`].
pub fn decode_record(bytes: &[u8]) -> Result<Record, Error> {
    decode(bytes, RECORD_MAX)
}

/// Encodes a batch line.
#[must_use]
pub fn encode_batch_line(line: &BatchLine) -> Vec<u8> {
    encode(line)
}

/// Decodes a batch line of at most [`RECORD_MAX`].
///
/// # Errors
/// As [`decode`].
pub fn decode_batch_line(bytes: &[u8]) -> Result<BatchLine, Error> {
    decode(bytes, RECORD_MAX)
}

/// Encodes a batch's outcomes.
#[must_use]
pub fn encode_outcomes(outcomes: &[Outcome]) -> Vec<u8> {
    encode(&outcomes)
}

/// Decodes a batch's outcomes of at most [`OUTCOMES_MAX`].
///
/// # Errors
/// As [`decode`].
pub fn decode_outcomes(bytes: &[u8]) -> Result<Vec<Outcome>, Error> {
    decode(bytes, OUTCOMES_MAX)
}

#[cfg(test)]
mod tests;
