//! Every message between nodes, and its bytes: [`symbi_model::codec`]'s, within a bound for each protocol.
//!
//! The order of variants and fields is the format; new variants go at the end. A session's inner bytes are [`crate::session`]'s.

pub mod bench;
mod blob;
pub mod control;
pub mod join;
pub mod ledger;
pub mod message;
pub mod view;
pub mod witness;

pub use blob::Blob;
pub use control::{ControlReply, ControlRequest, Ending, LogTail};
pub use join::{JoinReply, JoinRequest};
pub use message::{Attestation, Carried, MessageFrame, MessageReply, Word};
pub use view::{Usage, View};
pub use witness::{Signed, Witnessed};

use crate::error::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use symbi_model::codec;

/// The longest message on a lane between members: a payload of 1 MiB, and what is around it.
pub const FRAME_BYTES: usize = 1024 * 1024 + 64 * 1024;
/// The longest message of the join protocol, which strangers may speak.
pub const JOIN_BYTES: usize = 64 * 1024;
/// The longest gossiped view.
pub const VIEW_BYTES: usize = 4 * 1024;

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    codec::encode(value)
}

fn decode<T: DeserializeOwned>(bytes: &[u8], max: usize) -> Result<T, Error> {
    Ok(codec::decode(bytes, max)?)
}

/// Gives a message type its two functions.
macro_rules! coded {
    ($type:ty, $max:expr) => {
        impl $type {
            /// As bytes.
            #[must_use]
            pub fn encode(&self) -> Vec<u8> {
                $crate::wire::encode(self)
            }

            /// From bytes.
            ///
            /// # Errors
            /// [`crate::Error::Frame`] when they are too long or no such message.
            pub fn decode(bytes: &[u8]) -> Result<Self, $crate::Error> {
                $crate::wire::decode(bytes, $max)
            }
        }
    };
}
use coded;
