//! A frame on a lane: length (4 bytes, big-endian, of what follows), id (8), kind (1), body.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use futures::AsyncReadExt as _;
use futures::io::{ReadHalf, WriteHalf};
use libp2p::Stream;
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
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The caller's number for the request.
    pub(crate) id: u64,
    /// What it is.
    pub(crate) kind: Kind,
    /// The bytes.
    pub(crate) body: Bytes,
}

/// A frame that cannot be: the peer is broken or hostile.
#[derive(Debug, thiserror::Error)]
#[error("a frame of {0} bytes that is none")]
pub(crate) struct Garbage(usize);

/// Id and kind.
const HEADER: usize = 9;

/// Bytes gathered before they are written, so that a flush carries many small frames.
pub(crate) const BATCH_BYTES: usize = 64 << 10;

/// Appends a frame to `out`.
pub(crate) fn encode(frame: &Frame, out: &mut BytesMut) {
    debug_assert!(frame.body.len() <= MAX_BODY);
    out.reserve(4 + HEADER + frame.body.len());
    out.put_u32((HEADER + frame.body.len()) as u32);
    out.put_u64(frame.id);
    out.put_u8(match frame.kind {
        Kind::Request => 0,
        Kind::Response => 1,
        Kind::Dropped => 2,
    });
    out.put_slice(&frame.body);
}

/// Reads a frame whose length was taken off already.
pub(crate) fn decode(mut bytes: BytesMut) -> Result<Frame, Garbage> {
    let length = bytes.len();
    if length < HEADER {
        return Err(Garbage(length));
    }
    let id = bytes.get_u64();
    let kind = match bytes.get_u8() {
        0 => Kind::Request,
        1 => Kind::Response,
        2 => Kind::Dropped,
        _ => return Err(Garbage(length)),
    };
    Ok(Frame { id, kind, body: bytes.freeze() })
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
        let frame = Frame { id: 0x0102, kind: Kind::Response, body: Bytes::from_static(b"ab") };
        let mut out = BytesMut::new();
        encode(&frame, &mut out);
        assert_eq!(&out[..], [0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 1, 2, 1, b'a', b'b']);
        out.advance(4);
        assert_eq!(decode(out).unwrap(), frame);
    }

    #[test]
    fn garbage_is_no_frame() {
        assert!(decode(BytesMut::from(&[0_u8; 8][..])).is_err());
        assert!(decode(BytesMut::from(&[0, 0, 0, 0, 0, 0, 0, 0, 7][..])).is_err());
    }
}
