//! Lines with a limit that holds while they are read: no more than one line is ever buffered.

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::mpsc;

/// The longest line of the protocol in either direction, newline not counted: a payload of 1 MiB and its envelope.
pub const LINE: usize = (1 << 20) + (4 << 10);
/// The longest line of an agent's log; the rest of a longer one is dropped.
pub const LOG_LINE: usize = 8 << 10;

/// Why there are no more lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// A line did not end within the limit.
    #[error("a line of its output is longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The stream broke.
    #[error("its output cannot be read: {reason}")]
    Broken {
        /// What the system said.
        reason: String,
    },
}

/// Reads lines from a stream.
///
/// * `pending` never holds more than `limit` bytes.
/// * Dropping the future of [`Lines::next`] loses nothing.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    /// The stream with the piece that was read last.
    reader: BufReader<R>,
    /// The start of a line whose end has not come.
    pending: Vec<u8>,
    /// The longest line, newline not counted.
    limit: usize,
    /// What happens to a longer one.
    excess: Excess,
    /// Whether the rest of the current line is dropped.
    skipping: bool,
}

/// What happens to a line that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excess {
    /// It is an error.
    Refuse,
    /// Its beginning is kept.
    Cut,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(crate) fn new(stream: R, limit: usize, excess: Excess) -> Self {
        Self { reader: BufReader::new(stream), pending: Vec::new(), limit, excess, skipping: false }
    }

    /// The next line without its newline, or `None` at the end. What follows the last newline is a line if not empty.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, LineError> {
        loop {
            let piece = self.reader.fill_buf().await;
            let piece = piece.map_err(|error| LineError::Broken { reason: error.to_string() })?;
            if piece.is_empty() {
                let rest = std::mem::take(&mut self.pending);
                return Ok((!rest.is_empty()).then(|| rest.into()));
            }
            let end = piece.iter().position(|byte| *byte == b'\n');
            let part = &piece[..end.unwrap_or(piece.len())];
            if !self.skipping {
                let room = self.limit - self.pending.len();
                if part.len() > room && self.excess == Excess::Refuse {
                    return Err(LineError::TooLong { limit: self.limit });
                }
                self.skipping = part.len() > room;
                self.pending.extend_from_slice(&part[..part.len().min(room)]);
            }
            debug_assert!(self.pending.len() <= self.limit);
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                self.skipping = false;
                return Ok(Some(std::mem::take(&mut self.pending).into()));
            }
        }
    }
}

/// Sends lines of a log on, without ever waiting for who reads them.
#[derive(Debug)]
pub(crate) struct LogSender {
    /// Where they go.
    lines: mpsc::Sender<Bytes>,
    /// Lines dropped since the last one kept.
    dropped: u64,
}

impl LogSender {
    pub(crate) fn new(lines: mpsc::Sender<Bytes>) -> Self {
        Self { lines, dropped: 0 }
    }

    /// Keeps the line if there is room; says before the next one that is kept how many were not.
    pub(crate) fn send(&mut self, line: Bytes) {
        if self.dropped > 0 {
            let notice = format!("[{} lines were dropped here: they came faster than they were read]", self.dropped);
            if self.lines.try_send(notice.into()).is_err() {
                self.dropped += 1;
                return;
            }
            self.dropped = 0;
        }
        if self.lines.try_send(line).is_err() {
            self.dropped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(input: &[u8], limit: usize, excess: Excess) -> Vec<String> {
        let mut lines = Lines::new(input, limit, excess);
        let mut seen = Vec::new();
        loop {
            match lines.next().await {
                Ok(Some(line)) => seen.push(String::from_utf8_lossy(&line).into_owned()),
                Ok(None) => return seen,
                Err(error) => {
                    seen.push(error.to_string());
                    return seen;
                }
            }
        }
    }

    #[tokio::test]
    async fn lines_end_at_newlines_and_at_the_end() {
        assert_eq!(read(b"a\n\nbc\nd", 4, Excess::Refuse).await, ["a", "", "bc", "d"]);
        assert!(read(b"", 4, Excess::Refuse).await.is_empty());
    }

    #[tokio::test]
    async fn a_line_of_the_limit_passes_and_one_byte_more_does_not() {
        assert_eq!(read(b"abcd\n", 4, Excess::Refuse).await, ["abcd"]);
        let refused = "a line of its output is longer than 4 bytes";
        assert_eq!(read(b"ab\nabcde\n", 4, Excess::Refuse).await, ["ab", refused]);
    }

    #[tokio::test]
    async fn an_endless_line_is_refused_without_being_kept() {
        let mut lines = Lines::new(tokio::io::repeat(b'x'), LINE, Excess::Refuse);
        assert_eq!(lines.next().await, Err(LineError::TooLong { limit: LINE }));
        assert!(lines.pending.capacity() <= 2 * LINE);
    }

    #[tokio::test]
    async fn a_cut_line_keeps_its_beginning_and_spares_the_next() {
        assert_eq!(read(b"abcdefgh\nxy\nabcde", 4, Excess::Cut).await, ["abcd", "xy", "abcd"]);
    }

    #[test]
    fn a_full_log_says_how_much_it_lost() {
        let (sender, mut lines) = mpsc::channel(2);
        let mut log = LogSender::new(sender);
        for number in 0..4 {
            log.send(format!("{number}").into());
        }
        assert_eq!(lines.try_recv().unwrap(), "0");
        assert_eq!(lines.try_recv().unwrap(), "1");
        log.send("4".into());
        assert_eq!(lines.try_recv().unwrap(), "[2 lines were dropped here: they came faster than they were read]");
        assert_eq!(lines.try_recv().unwrap(), "4");
    }
}
