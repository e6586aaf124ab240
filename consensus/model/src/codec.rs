//! The one codec of everything that goes to disk or over the wire: a format version byte, then bincode (standard
//! configuration: variable-length little-endian integers, enum variants by their order).
//!
//! Input is bounded before it is looked at, and must be used up. An unknown version or variant is an error: refused at
//! the door, and the end of a replica that meets it in the log.

pub mod blob;

use crate::command::Command;
use crate::entry::{BATCH_BYTES, Batch, COMMAND_BYTES};
use crate::outcome::Outcome;
use crate::record::{BatchLine, Record};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What one value may allocate while it is decoded, whatever lengths its bytes claim.
const ALLOCATED_BYTES: usize = 16 * 1024 * 1024;
/// The format's version: the first byte of everything encoded.
pub const VERSION: u8 = 1;
/// The longest encoded batch: one command of the greatest length alone, or many up to [`BATCH_BYTES`], and their frame.
pub const BATCH_MAX: usize = COMMAND_BYTES + BATCH_BYTES;
/// The longest encoded record: details repeat parts of a command, never all of it.
pub const RECORD_MAX: usize = 64 * 1024;
/// The longest encoded list of outcomes.
pub const OUTCOMES_MAX: usize = 1024 * 1024;

/// Bytes that cannot be read, or rows that do not make a state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is nothing, not even a version.
    #[error("nothing to decode")]
    Empty,
    /// Longer than is allowed here.
    #[error("{bytes} bytes where at most {max} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// Written by another version of the format.
    #[error("format version {found}, but this program reads version {VERSION}")]
    Version {
        /// The version found.
        found: u8,
    },
    /// The bytes are not an encoding of what is wanted, an unknown variant included.
    #[error("malformed: {detail}")]
    Malformed {
        /// What the decoder says.
        detail: String,
    },
    /// Bytes are left over.
    #[error("{bytes} bytes too many")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// A row of the state has a key that its table does not have.
    #[error("a row of table {table} has a key that does not belong there")]
    Key {
        /// The table's number.
        table: u8,
    },
}

/// Encodes any value of ours.
///
/// # Panics
/// When the type has no encoding (a map without a length, or an untagged enum): a defect of the type, found by any test of it.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    encode_in(value, 512)
}

/// Encodes a value of about `bytes` bytes.
fn encode_in<T: Serialize>(value: &T, bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes);
    out.push(VERSION);
    bincode::serde::encode_into_std_write(value, &mut out, bincode::config::standard())
        .expect("a vector takes every byte and every type here has an encoding");
    out
}

/// Decodes a value of at most `max` bytes.
///
/// # Errors
/// When the bytes are too long, of another version, malformed, or not used up.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], max: usize) -> Result<T, Error> {
    if bytes.len() > max {
        return Err(Error::TooLong { bytes: bytes.len(), max });
    }
    let (&version, body) = bytes.split_first().ok_or(Error::Empty)?;
    if version != VERSION {
        return Err(Error::Version { found: version });
    }
    // Without a limit bincode allocates the length that a text claims before it looks whether so many bytes are there.
    let config = bincode::config::standard().with_limit::<ALLOCATED_BYTES>();
    let (value, used) = bincode::serde::decode_from_slice(body, config)
        .map_err(|error| Error::Malformed { detail: error.to_string() })?;
    if used < body.len() {
        return Err(Error::Trailing { bytes: body.len() - used });
    }
    Ok(value)
}

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
