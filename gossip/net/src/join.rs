//! `/symbi/join/1`: the one protocol a stranger may speak. One request, one answer, each a length (4 bytes, big-endian,
//! of what follows), a kind (1) and a body. What a join's body says is not known here; a vouching's is the index.

use std::io;

use bytes::Bytes;
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use libp2p::StreamProtocol;
use libp2p::request_response;

/// The longest body of a join call or its answer.
pub(crate) const MAX_JOIN_BODY: usize = 64 << 10;

/// The protocol's name.
pub(crate) const PROTOCOL: StreamProtocol = StreamProtocol::new("/symbi/join/1");

/// What a stranger asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Something about joining.
    Join(Bytes),
    /// "I was enrolled by this index: ask a member that has reached it."
    Admit(u64),
    /// Nothing that can be read. An error would be told to nobody: the library drops a failed read in silence.
    Garbage,
}

/// What it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Something about joining.
    Join(Bytes),
    /// Whether a member vouched.
    Admitted(bool),
}

/// Reads and writes the above.
#[derive(Debug, Clone, Default)]
pub(crate) struct Codec;

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Ask;
    type Response = Answer;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Ask>
    where
        T: AsyncRead + Unpin + Send,
    {
        let (kind, body) = match read(io).await {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(Ask::Garbage),
            read => read?,
        };
        Ok(match (kind, <[u8; 8]>::try_from(&body[..])) {
            (0, _) => Ask::Join(body.into()),
            (1, Ok(index)) => Ask::Admit(u64::from_be_bytes(index)),
            _ => Ask::Garbage,
        })
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Answer>
    where
        T: AsyncRead + Unpin + Send,
    {
        let (kind, body) = read(io).await?;
        match (kind, &body[..]) {
            (0, _) => Ok(Answer::Join(body.into())),
            (1, [answer]) => Ok(Answer::Admitted(*answer == 1)),
            _ => Err(garbage()),
        }
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, ask: Ask) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        match ask {
            Ask::Join(body) => write(io, 0, &body).await,
            Ask::Admit(index) => write(io, 1, &index.to_be_bytes()).await,
            Ask::Garbage => Err(garbage()),
        }
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, answer: Answer) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        match answer {
            Answer::Join(body) => write(io, 0, &body).await,
            Answer::Admitted(answer) => write(io, 1, &[u8::from(answer)]).await,
        }
    }
}

/// The error for what cannot be.
fn garbage() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a join frame, or too long a one")
}

/// Kind and body.
async fn read<T: AsyncRead + Unpin>(io: &mut T) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    io.read_exact(&mut head).await?;
    let [a, b, c, d, kind] = head;
    let length = (u32::from_be_bytes([a, b, c, d]) as usize).checked_sub(1).ok_or_else(garbage)?;
    if length > MAX_JOIN_BODY {
        return Err(garbage());
    }
    let mut body = vec![0; length];
    io.read_exact(&mut body).await?;
    Ok((kind, body))
}

/// The bytes of a frame.
async fn write<T: AsyncWrite + Unpin>(io: &mut T, kind: u8, body: &[u8]) -> io::Result<()> {
    let mut frame = Vec::with_capacity(5 + body.len());
    frame.extend_from_slice(&(1 + body.len() as u32).to_be_bytes());
    frame.push(kind);
    frame.extend_from_slice(body);
    io.write_all(&frame).await?;
    io.close().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use request_response::Codec as _;

    fn bytes_of(ask: Ask) -> Vec<u8> {
        let mut out = Vec::new();
        block_on(Codec.write_request(&PROTOCOL, &mut out, ask)).unwrap();
        out
    }

    fn read_ask(mut bytes: &[u8]) -> io::Result<Ask> {
        block_on(Codec.read_request(&PROTOCOL, &mut bytes))
    }

    #[test]
    fn an_ask_has_these_bytes() {
        assert_eq!(bytes_of(Ask::Join(Bytes::from_static(b"hi"))), [0, 0, 0, 3, 0, b'h', b'i']);
        assert_eq!(bytes_of(Ask::Admit(258)), [0, 0, 0, 9, 1, 0, 0, 0, 0, 0, 0, 1, 2]);
        for ask in [Ask::Join(Bytes::new()), Ask::Admit(7)] {
            assert_eq!(read_ask(&bytes_of(ask.clone())).unwrap(), ask);
        }
    }

    #[test]
    fn garbage_is_refused() {
        assert_eq!(read_ask(&[0, 0, 0]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        for bytes in [&[0, 0, 0, 0, 0][..], &[0, 0, 0, 2, 1, 0], &[0, 0, 0, 1, 9], &[0, 1, 0, 2, 0]] {
            assert_eq!(read_ask(bytes).unwrap(), Ask::Garbage);
        }
    }
}
