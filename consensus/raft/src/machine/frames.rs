//! A snapshot cut into frames of raw bytes: first the rows, then the lines.
//!
//! A frame is one item after the other: a letter (`r` a row, `l` a line), the lengths of key and value as four big-endian
//! bytes each, then both. A line's key is its entry's index and its number, big-endian.

use super::{Generation, Row};
use crate::disk::keys::{Keys, LINE_KEY};
use crate::position::Position;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::io;
use std::iter::Peekable;
use std::sync::Arc;
use symbi_model::Hash;

/// The most bytes of items in a frame, but for a single one that is longer. On a slow link what is on its way stands before
/// all else, and a frame is what must arrive in time.
pub const FRAME_BYTES: usize = 128 * 1024;
/// How many lines are read at a time.
const STEP: usize = 256;
/// The letter and the two lengths.
const HEAD: usize = 9;

/// What the frames must come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// What the rows come to.
    pub root: Hash,
}

/// An item of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A row: its key and its value.
    Row(&'a [u8], &'a [u8]),
    /// A line: its key and its value.
    Line(&'a [u8], &'a [u8]),
}

/// Cuts a snapshot into frames, one at a time.
pub struct Frames {
    /// The rows that are not yet sent.
    rows: Peekable<Box<dyn Iterator<Item = Row> + Send>>,
    /// The index of the last entry in it.
    last: u64,
    /// Where the lines are.
    generation: Arc<Generation>,
    /// Where the lines go on; none when all were read.
    next: Option<Position>,
    /// Lines that were read and did not fit.
    lines: VecDeque<(Position, Vec<u8>)>,
}

impl Frames {
    /// The frames of these rows, and of the lines of a generation up to entry `last`.
    pub fn new(rows: Box<dyn Iterator<Item = Row> + Send>, last: u64, generation: Arc<Generation>) -> Self {
        Self { rows: rows.peekable(), last, generation, next: Some(Position::default()), lines: VecDeque::new() }
    }

    fn rows(&mut self) -> Bytes {
        let mut frame = Vec::with_capacity(FRAME_BYTES);
        while let Some((key, value)) = self.rows.next_if(|(key, value)| fits(&frame, key.len() + value.len())) {
            push(&mut frame, b'r', &key, &value);
        }
        frame.into()
    }

    fn lines(&mut self) -> io::Result<Option<Bytes>> {
        let mut frame = Vec::new();
        while self.refill()? {
            let Some((at, value)) = self.lines.pop_front_if(|(_, value)| fits(&frame, LINE_KEY + value.len())) else {
                break;
            };
            push(&mut frame, b'l', &Keys::line_key(at.index, at.line), &value);
        }
        Ok((!frame.is_empty()).then(|| frame.into()))
    }

    /// Whether there is another line.
    fn refill(&mut self) -> io::Result<bool> {
        let Some(from) = self.next.filter(|_| self.lines.is_empty()) else { return Ok(!self.lines.is_empty()) };
        let lines = self.generation.lines(from, self.last + 1, STEP)?;
        self.next = lines.last().map(|(at, _)| Position { line: at.line + 1, ..*at });
        self.lines = lines.into();
        Ok(!self.lines.is_empty())
    }
}

impl Iterator for Frames {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rows.peek().is_some() {
            return Some(Ok(self.rows()));
        }
        self.lines().transpose()
    }
}

/// The items of a frame, in order.
pub fn items(mut frame: &[u8]) -> impl Iterator<Item = io::Result<Item<'_>>> {
    std::iter::from_fn(move || {
        if frame.is_empty() {
            return None;
        }
        let item = split(frame);
        frame = item.as_ref().map_or(&[], |(_, rest)| rest);
        Some(
            item.map(|(item, _)| item)
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a frame is malformed")),
        )
    })
}

fn split(frame: &[u8]) -> Option<(Item<'_>, &[u8])> {
    let (head, rest) = frame.split_at_checked(HEAD)?;
    let length = |at: usize| head.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    let (key, rest) = rest.split_at_checked(usize::try_from(length(1)?).ok()?)?;
    let (value, rest) = rest.split_at_checked(usize::try_from(length(5)?).ok()?)?;
    match head[0] {
        b'r' => Some((Item::Row(key, value), rest)),
        b'l' => Some((Item::Line(key, value), rest)),
        _ => None,
    }
}

fn fits(frame: &[u8], bytes: usize) -> bool {
    frame.is_empty() || frame.len() + HEAD + bytes <= FRAME_BYTES
}

fn push(frame: &mut Vec<u8>, letter: u8, key: &[u8], value: &[u8]) {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("a row is far shorter than 4 GiB").to_be_bytes();
    frame.push(letter);
    frame.extend_from_slice(&length(key));
    frame.extend_from_slice(&length(value));
    frame.extend_from_slice(key);
    frame.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::{Item, items, push};

    #[test]
    fn a_frame_is_read_as_it_was_written_or_not_at_all() {
        let mut frame = Vec::new();
        push(&mut frame, b'r', b"key", b"value");
        push(&mut frame, b'l', b"", b"");
        let read: Vec<_> = items(&frame).map(|item| item.expect("it is whole")).collect();
        assert_eq!(read, [Item::Row(b"key", b"value"), Item::Line(b"", b"")]);
        for cut in 1..frame.len() {
            let whole = items(&frame[..cut]).all(|item| item.is_ok());
            assert_eq!(whole, cut == 17, "cut after {cut} of {} bytes", frame.len());
        }
        frame[0] = b'x';
        assert!(items(&frame).next().is_some_and(|item| item.is_err()));
        assert_eq!(items(&frame).count(), 1, "nothing is read behind what is malformed");
    }
}
