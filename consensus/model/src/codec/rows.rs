//! Rows of the state as bytes. The first byte is the version of the row's own format, and always the lowest that can carry its
//! value: a pure function of the value, so that replicas of two programs write the same bytes, and a program of before
//! reads whatever says nothing new. A version has the number of the gate that brought it.
//!
//! A later version of a row is the one before with more behind it. Disk and wire have versions of their own: here are rows only.

use super::bytes::{ALLOCATED_BYTES, Error, VERSION, put};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A type that is kept as a row.
pub trait Row: Serialize + DeserializeOwned {
    /// The last version that this program reads.
    #[must_use]
    fn newest() -> u8 {
        VERSION
    }

    /// The lowest version that can carry this value.
    #[must_use]
    fn version(&self) -> u8 {
        VERSION
    }

    /// Appends what this version adds to the first.
    fn put_more(&self, _out: &mut Vec<u8>) {}

    /// Takes from `bytes` what `version` adds to the first.
    ///
    /// # Errors
    /// When it is not there.
    fn take_more(&mut self, _version: u8, _bytes: &mut &[u8]) -> Result<(), Error> {
        Ok(())
    }
}

/// Rows whose format has not grown.
macro_rules! rows {
    ($($type:ty),* $(,)?) => {
        $(impl Row for $type {})*
    };
}

rows!(
    crate::agent::Agent,
    crate::node::Node,
    crate::policy::PolicySet,
    crate::token::JoinToken,
    crate::token::ApiToken,
    crate::dedup::LastWrite,
    crate::dedup::Spent,
    crate::user::User,
    crate::ledger::Anchored,
    crate::checkpoint::Checkpoint,
    crate::state::Chain,
    crate::state::Cluster,
);

#[cfg(not(planted))]
rows!(crate::state::Counters);
#[cfg(planted)]
rows!(u64);

/// The counters of the next gate, in builds for tests only: they count its commands.
#[cfg(planted)]
impl Row for crate::state::Counters {
    fn newest() -> u8 {
        u8::try_from(crate::gate::version(crate::gate::spoken())).unwrap_or(u8::MAX)
    }

    fn version(&self) -> u8 {
        if self.marks == 0 { VERSION } else { 2 }
    }

    fn put_more(&self, out: &mut Vec<u8>) {
        put(&self.marks, out);
    }

    fn take_more(&mut self, _version: u8, bytes: &mut &[u8]) -> Result<(), Error> {
        self.marks = take(bytes)?;
        Ok(())
    }
}

/// Encodes a row in the lowest version that can carry its value.
#[must_use]
pub fn encode_row<T: Row>(row: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    let version = row.version();
    out.push(version);
    put(row, &mut out);
    if version > VERSION {
        row.put_more(&mut out);
    }
    out
}

/// Decodes a row of at most `max` bytes.
///
/// # Errors
/// When it is too long, of a later version than this program reads, malformed, or not used up.
pub fn decode_row<T: Row>(bytes: &[u8], max: usize) -> Result<T, Error> {
    if bytes.len() > max {
        return Err(Error::TooLong { bytes: bytes.len(), max });
    }
    let (&version, mut body) = bytes.split_first().ok_or(Error::Empty)?;
    if version < VERSION || version > T::newest() {
        return Err(Error::Version { found: version, reads: T::newest() });
    }
    let mut row: T = take(&mut body)?;
    if version > VERSION {
        row.take_more(version, &mut body)?;
    }
    match body.len() {
        0 => Ok(row),
        bytes => Err(Error::Trailing { bytes }),
    }
}

/// Takes a value from the front of `bytes`.
fn take<T: DeserializeOwned>(bytes: &mut &[u8]) -> Result<T, Error> {
    let config = bincode::config::standard().with_limit::<ALLOCATED_BYTES>();
    let (value, used) = bincode::serde::decode_from_slice(bytes, config)
        .map_err(|error| Error::Malformed { detail: error.to_string() })?;
    *bytes = &bytes[used..];
    Ok(value)
}
