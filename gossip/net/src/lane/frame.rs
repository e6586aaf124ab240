//! A frame on a lane: length (4 bytes, big-endian, of what follows), kind (1), group (8), id (8), body.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use futures::AsyncReadExt as _;
use futures::io::{ReadHalf, WriteHalf};
use libp2p::Stream;
use symbi_model::GroupId;
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt as _};

use super::MAX_BODY;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// From the caller.
    Request,
    /// The answer to the request of the same id.
    Response,
    /// There will be no answer to the request of the same id.
    Dropped,
    /// The frame of the same id was not taken: the group or the kind of frame is not known here. Nothing was carried out.
    Unsupported,
    /// A kind that this version does not know. It is counted, and a request of such a kind is answered [`Self::Unsupported`].
    Unknown(u8),
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// What it is.
    pub(crate) kind: Kind,
    /// The group it is about; 0 where there are none.
    pub(crate) group: GroupId,
    /// The caller's number for the request.
    pub(crate) id: u64,
    /// The bytes.
    pub(crate) body: Bytes,
}

/// A frame that cannot be: the peer is broken or hostile.
#[derive(Debug, thiserror::Error)]
#[error("a frame of {0} bytes that is none")]
pub(crate) struct Garbage(usize);

/// Kind, group and id.
const HEADER: usize = 1 + 8 + 8;

/// Bytes gathered before they are written, so that a flush carries many small frames.
pub(crate) const BATCH_BYTES: usize = 64 << 10;

impl Kind {
    /// The kind as its byte.
    const fn byte(self) -> u8 {
        match self {
            Self::Request => 0,
            Self::Response => 1,
            Self::Dropped => 2,
            Self::Unsupported => 3,
            Self::Unknown(kind) => kind,
        }
    }

    /// The kind that a byte says.
    const fn of(byte: u8) -> Self {
        match byte {
            0 => Self::Request,
            1 => Self::Response,
            2 => Self::Dropped,
            3 => Self::Unsupported,
            kind => Self::Unknown(kind),
        }
    }
}

impl Frame {
    /// A frame without a body, about the same request as this one.
    pub(crate) fn bare(&self, kind: Kind) -> Self {
        Self { kind, group: self.group, id: self.id, body: Bytes::new() }
    }
}

/// Appends a frame to `out`.
pub(crate) fn encode(frame: &Frame, out: &mut BytesMut) {
    debug_assert!(frame.body.len() <= MAX_BODY);
    out.reserve(4 + HEADER + frame.body.len());
    out.put_u32((HEADER + frame.body.len()) as u32);
    out.put_u8(frame.kind.byte());
    out.put_u64(frame.group.0);
    out.put_u64(frame.id);
    out.put_slice(&frame.body);
}

/// Reads a frame whose length was taken off already.
pub(crate) fn decode(mut bytes: BytesMut) -> Result<Frame, Garbage> {
    let length = bytes.len();
    if length < HEADER {
        return Err(Garbage(length));
    }
    let kind = Kind::of(bytes.get_u8());
    let group = GroupId(bytes.get_u64());
    let id = bytes.get_u64();
    Ok(Frame { kind, group, id, body: bytes.freeze() })
}

/// The reading half of a substream, cut into frames; a length beyond the limit is an `InvalidData` error.
pub(crate) type Reader = FramedRead<Compat<ReadHalf<Stream>>, LengthDelimitedCodec>;

/// Takes a substream apart.
pub(crate) fn split(stream: Stream) -> (Reader, WriteHalf<Stream>) {
    let (read, write) = stream.split();
    let codec = LengthDelimitedCodec::builder().max_frame_length(HEADER + MAX_BODY).new_codec();
    (FramedRead::new(read.compat(), codec), write)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_these_bytes() {
        let frame = Frame { kind: Kind::Response, group: GroupId(3), id: 0x0102, body: Bytes::from_static(b"ab") };
        let mut out = BytesMut::new();
        encode(&frame, &mut out);
        let expected = [0, 0, 0, 19, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 1, 2, b'a', b'b'];
        assert_eq!(&out[..], expected);
        out.advance(4);
        assert_eq!(decode(out).unwrap(), frame);
    }

    #[test]
    fn every_kind_is_its_byte_and_a_kind_of_a_later_version_is_a_frame_too() {
        for byte in 0..=u8::MAX {
            assert_eq!(Kind::of(byte).byte(), byte);
        }
        let mut later = [0; 17];
        later[0] = 9;
        assert_eq!(decode(BytesMut::from(&later[..])).unwrap().kind, Kind::Unknown(9));
    }

    #[test]
    fn what_is_shorter_than_a_header_is_no_frame() {
        assert!(decode(BytesMut::from(&[0_u8; 16][..])).is_err());
    }
}
