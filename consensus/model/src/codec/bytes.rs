//! Any value of ours as bytes: a format version byte, then bincode.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What one value may allocate while it is decoded, whatever lengths its bytes claim.
pub(super) const ALLOCATED_BYTES: usize = 16 * 1024 * 1024;
/// The format's version: the first byte of everything encoded.
pub const VERSION: u8 = 1;
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
    #[error(
        "format version {found}, but this program reads up to version {reads}: it takes one that speaks gate {found}"
    )]
    Version {
        /// The version found.
        found: u8,
        /// The last one that this program reads.
        reads: u8,
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
    /// The gate that is open is above what this program speaks: it cannot know all that it meets.
    #[error("gate {open} is open, and this program speaks none above {spoken}")]
    Gate {
        /// The gate that is open.
        open: u32,
        /// The highest that this program speaks.
        spoken: u32,
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
pub(super) fn encode_in<T: Serialize>(value: &T, bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes);
    out.push(VERSION);
    put(value, &mut out);
    out
}

/// Appends a value without a version.
pub(super) fn put<T: Serialize>(value: &T, out: &mut Vec<u8>) {
    bincode::serde::encode_into_std_write(value, out, bincode::config::standard())
        .expect("a vector takes every byte and every type here has an encoding");
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
        return Err(Error::Version { found: version, reads: VERSION });
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
