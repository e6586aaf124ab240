//! What one hop adds around a frame of the message lane: the time that is left, and for whom a gateway speaks.
//!
//! Both are the sending node's own word, which the connection authenticates: how long its caller still waits, measured there
//! so that clocks need not agree, and the user whom it has authenticated. They are no part of what is sealed.
//!
//! ```text
//! remaining ms, u64 big-endian │ length of the user's name, u16 big-endian │ user's name │ frame
//! ```

use bytes::Bytes;
use std::time::Duration;
use symbi_proto::wire::MessageFrame;

/// The longest user name.
const USER_BYTES: usize = 256;

/// A frame with what its hop adds.
pub(crate) struct Hop {
    /// How long the sender still waits.
    pub(crate) remaining: Duration,
    /// For whom a gateway speaks; empty for an agent.
    pub(crate) user: String,
    /// The frame.
    pub(crate) frame: MessageFrame,
}

impl Hop {
    /// As bytes; none if the user's name is too long.
    pub(crate) fn encode(&self) -> Option<Bytes> {
        let user = u16::try_from(self.user.len()).ok().filter(|length| usize::from(*length) <= USER_BYTES)?;
        let frame = self.frame.encode();
        let mut out = Vec::with_capacity(10 + self.user.len() + frame.len());
        out.extend_from_slice(&u64::try_from(self.remaining.as_millis()).unwrap_or(u64::MAX).to_be_bytes());
        out.extend_from_slice(&user.to_be_bytes());
        out.extend_from_slice(self.user.as_bytes());
        out.extend_from_slice(&frame);
        Some(out.into())
    }

    /// From bytes; none if they are no frame.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (remaining, rest) = bytes.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (user, frame) = rest.split_at_checked(length).filter(|_| length <= USER_BYTES)?;
        Some(Self {
            remaining: Duration::from_millis(u64::from_be_bytes(*remaining)),
            user: String::from_utf8(user.to_vec()).ok()?,
            frame: MessageFrame::decode(frame).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Hop;
    use std::time::Duration;
    use symbi_proto::session::Id;
    use symbi_proto::wire::MessageFrame;

    #[test]
    fn what_is_encoded_is_decoded_and_garbage_is_not() {
        let frame = MessageFrame::Close { session: Id([3; 16]) };
        let hop = Hop { remaining: Duration::from_millis(1_500), user: "admin".to_owned(), frame: frame.clone() };
        let bytes = hop.encode().unwrap();
        let back = Hop::decode(&bytes).unwrap();
        assert_eq!((back.remaining, back.user.as_str(), back.frame), (hop.remaining, "admin", frame.clone()));
        for cut in 0..bytes.len() {
            assert!(Hop::decode(&bytes[..cut]).is_none(), "cut at {cut}");
        }
        assert!(Hop::decode(&[0xff; 64]).is_none());
        assert!(Hop { remaining: Duration::ZERO, user: "u".repeat(257), frame }.encode().is_none());
    }
}
