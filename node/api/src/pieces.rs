//! Bytes that are made elsewhere, piece by piece, read on a thread that may wait for them.

use bytes::{Buf, Bytes};
use std::io::{self, BufRead, Read};
use tokio::sync::mpsc;

/// The reading end; it ends where the pieces do. Not for a thread on which tasks run.
#[derive(Debug)]
pub struct Reader {
    /// What is still to come.
    pieces: mpsc::Receiver<Bytes>,
    /// What is left of the piece that came last.
    piece: Bytes,
}

impl Reader {
    /// Reads what comes.
    #[must_use]
    pub fn new(pieces: mpsc::Receiver<Bytes>) -> Self {
        Self { pieces, piece: Bytes::new() }
    }
}

impl BufRead for Reader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => break,
            }
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, amount: usize) {
        self.piece.advance(amount);
    }
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let piece = self.fill_buf()?;
        let length = piece.len().min(out.len());
        out[..length].copy_from_slice(&piece[..length]);
        self.consume(length);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::Reader;
    use bytes::Bytes;
    use std::io::{BufRead, Read};
    use tokio::sync::mpsc;

    #[test]
    fn pieces_are_one_text_whatever_their_lengths() {
        let (pieces, written) = mpsc::channel(8);
        for piece in ["", "a\nb", "", "c\n", "d"] {
            pieces.blocking_send(Bytes::from(piece)).unwrap();
        }
        drop(pieces);
        let mut reader = Reader::new(written);
        let mut line = Vec::new();
        assert_eq!(reader.read_until(b'\n', &mut line).unwrap(), 2);
        assert_eq!(reader.read_until(b'\n', &mut line).unwrap(), 3);
        assert_eq!(line, b"a\nbc\n");
        let mut rest = String::new();
        assert_eq!((reader.read_to_string(&mut rest).unwrap(), rest.as_str()), (1, "d"));
    }
}
